//! The circuit breaker: limits opening to a single prober while the server cannot be reached.
//!
//! Normally every caller may open connections. Once opening has failed in a way that the next attempt would meet too, a single
//! prober tries every [`STEP`] while callers want a connection. So an outage costs the server some eight connects a second and
//! process, however many threads wait, and its end is found within a step, however long it lasted. Callers meanwhile get the
//! last failure instead of repeating it, and spend their retries in the queue, where a successful probe serves them. When the
//! outage has lasted for `breaker_after`, new callers fail at once.
//!
//! Classes of failures count differently. A refused connect, no route, a connection cut while it is made, a server that is
//! starting: one is evidence enough. A time-out may be a moment's overload: it takes two in a row. A full server (53300) is
//! reachable, and ends an outage. Permanent failures are separate, see [`super::permanent_failure`].

use std::time::{Duration, Instant};

use crate::error::ErrorKind;

/// The time from one probe to the next: 76 in 10 s, and short enough for traffic to be back within 150 ms of the server.
pub(crate) const STEP: Duration = Duration::from_millis(132);

/// The time from one probe to the next when every host is asked for its role, which costs each of them a session.
const ROLE_PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Without a call for this long, the prober stops and the outage is forgotten: an idle pool opens no connections.
const DEMAND_LASTS_FOR: Duration = Duration::from_secs(5);

/// The time limit of the first probe. Doubled whenever it was too short, so that a slow server is found as well.
const FIRST_PROBE_LIMIT: Duration = Duration::from_millis(500);

/// The weight of failures that begins an outage.
const EVIDENCE_FOR_OUTAGE: u32 = 2;

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// The weight of the failures in a row.
    evidence: u32,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    last_failure: Instant,
    wanted: Instant,
    probe_limit: Duration,
    step: Duration,
}

/// A failed attempt to open a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed {
    pub(crate) kind: ErrorKind,
    /// The servers answered, but none had the requested role.
    pub(crate) for_role: bool,
    /// The duration of the attempt.
    pub(crate) took: Duration,
}

/// The consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No outage is known.
    NoOutage,
    /// An outage begins: a prober is needed from `first_probe` on.
    Begins {
        first_probe: Instant,
    },
    GoesOn,
}

impl Breaker {
    /// Records a failed attempt to open a connection. `chance` is uniform in 0..1.
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
        if self.evidence < EVIDENCE_FOR_OUTAGE {
            return Verdict::NoOutage;
        }
        let step = if failed.for_role { ROLE_PROBE_INTERVAL } else { STEP };
        self.outage = Some(Outage {
            since: now.checked_sub(failed.took).unwrap_or(now),
            last_failure: now,
            wanted: now,
            probe_limit: FIRST_PROBE_LIMIT,
            step,
        });
        // Anywhere within a step, so that a fleet does not probe a lost server in step.
        Verdict::Begins { first_probe: now + step.mul_f64(chance) }
    }

    /// Records that the server was reached; returns the length of the outage that this ends, if there was one.
    pub(crate) fn reached(&mut self, now: Instant) -> Option<Duration> {
        self.evidence = 0;
        self.outage.take().map(|outage| now.saturating_duration_since(outage.since))
    }

    /// Records that a caller wants a connection.
    pub(crate) fn wanted(&mut self, now: Instant) {
        if let Some(outage) = &mut self.outage {
            outage.wanted = now;
        }
    }

    /// Returns how long the outage has lasted.
    pub(crate) fn lasts(&self, now: Instant) -> Option<Duration> {
        self.outage.as_ref().map(|outage| now.saturating_duration_since(outage.since))
    }

    /// Returns how long ago the last failure was.
    pub(crate) fn last_failed(&self, now: Instant) -> Option<Duration> {
        self.outage.as_ref().map(|outage| now.saturating_duration_since(outage.last_failure))
    }

    /// Returns the time from one probe to the next.
    pub(crate) fn step(&self) -> Duration {
        self.outage.as_ref().map_or(STEP, |outage| outage.step)
    }

    /// Begins a probe: returns its time limit and the time of the next one. Returns `None` and forgets the outage when no caller
    /// has wanted a connection lately. `waited_for`: callers wait at this moment.
    pub(crate) fn probe(&mut self, now: Instant, waited_for: bool) -> Option<(Duration, Instant)> {
        let outage = self.outage.as_mut()?;
        if waited_for {
            outage.wanted = now;
        } else if now.saturating_duration_since(outage.wanted) >= DEMAND_LASTS_FOR {
            self.outage = None;
            self.evidence = 0;
            return None;
        }
        Some((outage.probe_limit, now + outage.step))
    }

    /// Records that a probe ran out of time: doubles the limit, up to `longest`.
    pub(crate) fn was_too_short(&mut self, longest: Duration) {
        if let Some(outage) = &mut self.outage {
            outage.probe_limit = (outage.probe_limit * 2).min(longest);
        }
    }
}

/// Returns the weight of a failure as evidence of an outage.
fn weight(failed: Failed) -> u32 {
    match failed.kind {
        ErrorKind::Refused
        | ErrorKind::Unreachable
        | ErrorKind::Resolve
        | ErrorKind::ConnectionLost
        | ErrorKind::ServerStarting => EVIDENCE_FOR_OUTAGE,
        // A time-out that the caller's own limit cut short is no evidence.
        ErrorKind::ConnectTimeout if failed.took >= FIRST_PROBE_LIMIT => EVIDENCE_FOR_OUTAGE / 2,
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
    fn a_full_server_one_that_refuses_for_good_or_a_limit_of_this_process_is_no_outage() {
        use ErrorKind::{Auth, Database, LocalLimit, ServerFull, Tls};
        for kind in [ServerFull, Auth, Tls, Database, LocalLimit] {
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
