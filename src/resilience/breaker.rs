//! Who may open connections while the server cannot be reached.
//!
//! As long as all is well, everybody. Once opening has failed in a way that the next one would meet too, nobody but a single
//! prober, which tries every [`STEP`] while somebody wants a connection: so an outage costs the server some eight connects a
//! second and process, however many threads wait, and its end is found within a step, however long it was. Who wants a
//! connection meanwhile is told the last failure instead of making it again, and waits out his retries in the queue, where
//! the prober's success finds him. When the outage has lasted for `breaker_after`, those who come are refused at once.
//!
//! Classes of failures count differently. Nobody listening, no route, a connection cut while it is made, a server that
//! is starting: one is evidence enough. A time-out may be a moment's overload: it takes two in a row. A full server
//! (53300) is reachable, and ends an outage. What is refused for good is another matter, see [`super::permanent_failure`].

use std::time::{Duration, Instant};

use crate::error::ErrorKind;

/// From one probe to the next: 76 in 10 s, and little enough for traffic to be back within 150 ms of the server.
pub(crate) const STEP: Duration = Duration::from_millis(132);

/// A probe that has to ask every host for its role costs them a session each.
const STEP_FOR_ROLE: Duration = Duration::from_millis(500);

/// Without anybody who wanted a connection for so long, the prober stops and the outage is forgotten: an idle pool dials
/// nobody.
const DEMAND_LASTS: Duration = Duration::from_secs(5);

/// How long the first probe may take. Doubled whenever that was too short, so that a slow server is found as well.
const FIRST_PATIENCE: Duration = Duration::from_millis(500);

/// Evidence that it takes.
const ENOUGH: u32 = 2;

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Of failures in a row.
    evidence: u32,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    last_failure: Instant,
    wanted: Instant,
    patience: Duration,
    step: Duration,
}

/// How opening failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed {
    pub(crate) kind: ErrorKind,
    /// The servers answered, but none had the role that is asked for.
    pub(crate) for_role: bool,
    /// How long it was tried.
    pub(crate) took: Duration,
}

/// What came of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing follows from it.
    NoOutage,
    /// An outage begins: a prober is needed, which begins at this moment.
    Begins {
        first_probe: Instant,
    },
    GoesOn,
}

impl Breaker {
    /// Opening a connection failed. `chance` is uniform in 0..1.
    pub(crate) fn failed(&mut self, failed: Failed, now: Instant, chance: f64) -> Verdict {
        let weight = weight(failed);
        if weight == 0 {
            return Verdict::NoOutage;
        }
        self.evidence = self.evidence.saturating_add(weight);
        if let Some(outage) = &mut self.outage {
            outage.last_failure = now;
            return Verdict::GoesOn;
        }
        if self.evidence < ENOUGH {
            return Verdict::NoOutage;
        }
        let step = if failed.for_role { STEP_FOR_ROLE } else { STEP };
        self.outage = Some(Outage {
            since: now.checked_sub(failed.took).unwrap_or(now),
            last_failure: now,
            wanted: now,
            patience: FIRST_PATIENCE,
            step,
        });
        // Anywhere within a step, so that a fleet whose server went away does not probe in chorus.
        Verdict::Begins { first_probe: now + step.mul_f64(chance) }
    }

    /// The server can be reached: returns how long it could not be, if it could not.
    pub(crate) fn reached(&mut self, now: Instant) -> Option<Duration> {
        self.evidence = 0;
        self.outage.take().map(|outage| now.saturating_duration_since(outage.since))
    }

    /// Somebody wants a connection.
    pub(crate) fn wanted(&mut self, now: Instant) {
        if let Some(outage) = &mut self.outage {
            outage.wanted = now;
        }
    }

    /// How long the outage has lasted.
    pub(crate) fn lasts(&self, now: Instant) -> Option<Duration> {
        self.outage.as_ref().map(|outage| now.saturating_duration_since(outage.since))
    }

    /// How long ago the last failure was.
    pub(crate) fn last_failed(&self, now: Instant) -> Option<Duration> {
        self.outage.as_ref().map(|outage| now.saturating_duration_since(outage.last_failure))
    }

    /// From one probe to the next.
    pub(crate) fn step(&self) -> Duration {
        self.outage.as_ref().map_or(STEP, |outage| outage.step)
    }

    /// The prober's turn: how long the probe may take and when the next turn is, or `None` when nobody wants a connection
    /// any more, by which the outage is forgotten. `waited_for`: somebody waits at this moment.
    pub(crate) fn probe(&mut self, now: Instant, waited_for: bool) -> Option<(Duration, Instant)> {
        let outage = self.outage.as_mut()?;
        if waited_for {
            outage.wanted = now;
        } else if now.saturating_duration_since(outage.wanted) >= DEMAND_LASTS {
            self.outage = None;
            self.evidence = 0;
            return None;
        }
        Some((outage.patience, now + outage.step))
    }

    /// A probe ran out of its time.
    pub(crate) fn was_too_short(&mut self, longest: Duration) {
        if let Some(outage) = &mut self.outage {
            outage.patience = (outage.patience * 2).min(longest);
        }
    }
}

/// How much a failure says about the next opening.
fn weight(failed: Failed) -> u32 {
    match failed.kind {
        ErrorKind::Refused
        | ErrorKind::Unreachable
        | ErrorKind::Resolve
        | ErrorKind::ConnectionLost
        | ErrorKind::ServerStarting => ENOUGH,
        // One that the caller cut short says nothing.
        ErrorKind::ConnectTimeout if failed.took >= FIRST_PATIENCE => ENOUGH / 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Failed {
        Failed { kind: ErrorKind::Refused, for_role: false, took: Duration::ZERO }
    }

    fn timed_out(took: Duration) -> Failed {
        Failed { kind: ErrorKind::ConnectTimeout, for_role: false, took }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_refusal_begins_an_outage_and_the_first_probe_is_anywhere_within_a_step() {
        for chance in [0.0, 0.5, 0.99] {
            let (mut breaker, now) = (Breaker::default(), Instant::now());
            let first_probe = now + STEP.mul_f64(chance);
            assert_eq!(breaker.failed(refused(), now, chance), Verdict::Begins { first_probe });
            assert_eq!(breaker.failed(refused(), now, chance), Verdict::GoesOn);
        }
    }

    #[test]
    fn a_full_server_or_one_that_refuses_for_good_is_no_outage() {
        for kind in [ErrorKind::ServerFull, ErrorKind::Auth, ErrorKind::Tls, ErrorKind::Database] {
            let mut breaker = Breaker::default();
            let failed = Failed { kind, ..refused() };
            for _ in 0..10 {
                assert_eq!(breaker.failed(failed, Instant::now(), 0.0), Verdict::NoOutage, "{kind:?}");
            }
        }
    }

    #[test]
    fn it_takes_two_time_outs_in_a_row_and_short_ones_do_not_count() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.failed(timed_out(ms(100)), now, 0.0), Verdict::NoOutage);
        assert_eq!(breaker.failed(timed_out(ms(8000)), now, 0.0), Verdict::NoOutage);
        breaker.reached(now);
        assert_eq!(breaker.failed(timed_out(ms(8000)), now, 0.0), Verdict::NoOutage, "one before a success");
        assert!(matches!(breaker.failed(timed_out(ms(8000)), now, 0.0), Verdict::Begins { .. }));
        assert_eq!(breaker.lasts(now), Some(ms(8000)), "it began when the attempt did");
    }

    #[test]
    fn probes_come_at_a_steady_pace_while_somebody_wants_a_connection() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        breaker.failed(refused(), start, 0.0);
        let (mut now, mut probes) = (start, 0);
        while now < start + ms(10_000) {
            let (_, next) = breaker.probe(now, true).expect("somebody waits");
            breaker.failed(refused(), now, 0.0);
            probes += 1;
            now = next;
        }
        assert!((75..=76).contains(&probes), "{probes} in 10 s");
    }

    #[test]
    fn without_demand_the_prober_stops_and_the_outage_is_forgotten() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(refused(), now, 0.0);
        breaker.wanted(now + ms(1000));
        assert!(breaker.probe(now + ms(5999), false).is_some());
        assert!(breaker.probe(now + ms(6000), false).is_none());
        assert_eq!(breaker.lasts(now), None);
    }

    #[test]
    fn a_probe_that_was_too_short_is_given_twice_the_time_up_to_the_longest() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(refused(), now, 0.0);
        let mut given = Vec::new();
        for _ in 0..6 {
            given.push(breaker.probe(now, true).expect("somebody waits").0);
            breaker.was_too_short(ms(8000));
        }
        assert_eq!(given, [500, 1000, 2000, 4000, 8000, 8000].map(ms));
    }

    #[test]
    fn the_end_of_an_outage_is_told_once_with_its_length() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(refused(), now, 0.0);
        assert_eq!(breaker.lasts(now + ms(700)), Some(ms(700)));
        assert_eq!(breaker.reached(now + ms(900)), Some(ms(900)));
        assert_eq!(breaker.reached(now + ms(950)), None);
        assert_eq!(breaker.lasts(now + ms(950)), None);
    }
}
