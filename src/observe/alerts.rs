//! Alerts: rules over the samples of each second. Each has hysteresis, so that an alert neither comes from a single bad moment
//! nor flickers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::human;
use crate::named_enum::named_enum;

named_enum! {
    /// The rule of an alert.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum AlertKind {
        /// More than 80 % of the limit has been in use for 10 s. Cleared below 70 %.
        PoolUseHigh "pool_use_high",
        /// 3 or more attempts to open a connection were retried within 30 s.
        RetriesFrequent "retries_frequent",
        /// 3 or more attempts to open a connection timed out within 60 s.
        ConnectTimeouts "connect_timeouts",
        /// A call got no connection in time, or was not let into the queue, within the last 10 s.
        PoolExhausted "pool_exhausted",
        /// Of at least 20 statements and checkouts within 30 s, more than 5 % failed. Statements that the server refused for their
        /// content (SQLSTATE classes 22, 23 and 42) and retryable conflicts (class 40) do not count. Cleared below 2 %.
        ErrorRateHigh "error_rate_high",
        /// A caller has waited for longer than half of `connection_timeout`. Cleared below a quarter.
        OldestWaiter "oldest_waiter",
        /// The server has been out of reach for longer than `breaker_after`, or fails the pool permanently.
        CircuitOpen "circuit_open",
    }
}

impl AlertKind {
    /// Returns whether calls fail already, or would if the condition went on.
    ///
    /// ```
    /// for kind in holdfast::AlertKind::ALL {
    ///     println!("{} ({}): {}", kind.name(), kind.severity().name(), kind.remedy());
    /// }
    /// ```
    pub fn severity(self) -> Severity {
        match self {
            Self::ConnectTimeouts | Self::PoolExhausted | Self::CircuitOpen => Severity::Critical,
            Self::PoolUseHigh | Self::RetriesFrequent | Self::ErrorRateHigh | Self::OldestWaiter => {
                Severity::Warning
            }
        }
    }

    /// Returns the recommended action, one sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::PoolUseHigh => {
                "find checkouts that last long (explain_exhaustion, the use time metric) and return their connections before \
                 slow work that needs none; if all are short, raise max_size as far as `holdfast tune` recommends"
            }
            Self::RetriesFrequent => {
                "look at the connect errors by kind and phase; `holdfast diagnose` shows whether the cause is name resolution, \
                 the network, or a server without free slots"
            }
            Self::ConnectTimeouts => {
                "connection attempts get no answer: check firewall and routing, the server's load, and whether its listen queue \
                 overflows; `holdfast diagnose` shows the phase that takes the time"
            }
            Self::PoolExhausted => {
                "run explain_exhaustion to see who holds the connections: look for connections that are not returned and \
                 transactions left open, then for slow statements; raise max_size only if the server has free slots"
            }
            Self::ErrorRateHigh => {
                "look at the errors by SQLSTATE: 57P01 is a server restart, 57014 a deadline or cancel request, class 53 a lack of \
                 resources, class 08 the network"
            }
            Self::OldestWaiter => {
                "connections are held for longer than callers can wait: find checkouts that last long (explain_exhaustion), or \
                 raise max_size if the server has free slots; max_waiting rejects callers instead of letting all wait"
            }
            Self::CircuitOpen => {
                "the server cannot be reached or refuses the pool: check that it runs, the network, the address and the password; \
                 `holdfast diagnose` shows the failing phase; the pool resumes by itself when the server is back"
            }
        }
    }
}

named_enum! {
    /// The severity of an alert.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[non_exhaustive]
    pub enum Severity {
        /// Calls will fail if it goes on.
        Warning "warning",
        /// Calls fail.
        Critical "critical",
    }
}

/// An alert that is firing; see [`Pool::alerts`](crate::Pool::alerts).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alert {
    /// The rule that fired.
    pub kind: AlertKind,
    /// How long it has been firing.
    pub lasts: Duration,
    /// The cause, with the measured values.
    pub cause: String,
}

impl Alert {
    /// Returns the recommended action, one sentence.
    pub fn remedy(&self) -> &'static str {
        self.kind.remedy()
    }
}

/// The input of the rules. Counters are totals since the pool was created.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertSample {
    pub(crate) in_use: u32,
    pub(crate) limit: u32,
    pub(crate) waiting: u32,
    pub(crate) oldest_waiter: Duration,
    pub(crate) retries: u64,
    pub(crate) connect_timeouts: u64,
    /// Calls that got no connection in time or were not let into the queue.
    pub(crate) in_vain: u64,
    /// Statements and checkouts.
    pub(crate) tried: u64,
    /// Statements and checkouts that failed, except through a fault of the statement.
    pub(crate) failed: u64,
    /// `None`: the circuit is closed.
    pub(crate) circuit_open_for: Option<Duration>,
    pub(crate) circuit_says: String,
    pub(crate) connection_timeout: Duration,
}

/// The longest window of a rule, for which samples are kept.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
struct Raised {
    kind: AlertKind,
    since: Instant,
    cause: String,
}

/// A change of one alert by a new sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Raised(AlertKind, String),
    Cleared(AlertKind, Duration),
}

/// The state of all rules.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    samples: VecDeque<(Instant, AlertSample)>,
    /// The time since which use has been above its threshold.
    busy_since: Option<Instant>,
    raised: Vec<Raised>,
}

/// The verdict of a rule.
enum Verdict {
    Raise(String),
    /// No change: a raised alert stays raised.
    Keep,
    Clear,
}

impl Alerts {
    pub(crate) fn raised(&self, now: Instant) -> Vec<Alert> {
        let alert = |raised: &Raised| Alert {
            kind: raised.kind,
            lasts: now.saturating_duration_since(raised.since),
            cause: raised.cause.clone(),
        };
        self.raised.iter().map(alert).collect()
    }

    /// Applies the rules to a new sample. To be called about once a second.
    pub(crate) fn judge(&mut self, now: Instant, sample: AlertSample) -> Vec<Change> {
        // One older sample stays as the start of counting: nothing happened since, or there would be others.
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) > LONGEST_WINDOW) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, sample));
        AlertKind::ALL.iter().filter_map(|kind| self.judge_rule(*kind, now)).collect()
    }

    fn judge_rule(&mut self, kind: AlertKind, now: Instant) -> Option<Change> {
        let verdict = self.ask(kind, now);
        let place = self.raised.iter().position(|raised| raised.kind == kind);
        match (verdict, place) {
            (Verdict::Raise(cause), None) => {
                self.raised.push(Raised { kind, since: now, cause: cause.clone() });
                Some(Change::Raised(kind, cause))
            }
            (Verdict::Raise(cause), Some(place)) => {
                self.raised[place].cause = cause;
                None
            }
            (Verdict::Clear, Some(place)) => {
                let raised = self.raised.remove(place);
                Some(Change::Cleared(kind, now.saturating_duration_since(raised.since)))
            }
            (Verdict::Keep | Verdict::Clear, _) => None,
        }
    }

    fn ask(&mut self, kind: AlertKind, now: Instant) -> Verdict {
        match kind {
            AlertKind::PoolUseHigh => self.use_high(now),
            AlertKind::RetriesFrequent => self.counted(now, 30, 3, |s| s.retries, "an opening was retried"),
            AlertKind::ConnectTimeouts => {
                self.counted(now, 60, 3, |s| s.connect_timeouts, "an opening timed out")
            }
            AlertKind::PoolExhausted => {
                self.counted(now, 10, 1, |s| s.in_vain, "a call got no connection in time")
            }
            AlertKind::ErrorRateHigh => self.error_rate(now),
            AlertKind::OldestWaiter => self.oldest_waiter(),
            AlertKind::CircuitOpen => self.circuit_open(),
        }
    }

    fn last(&self) -> Option<&AlertSample> {
        self.samples.back().map(|(_, sample)| sample)
    }

    /// Returns how much a counter rose within a window.
    fn rise(&self, now: Instant, window_s: u64, counter: impl Fn(&AlertSample) -> u64) -> u64 {
        let window = Duration::from_secs(window_s);
        // Counting starts from the last sample before the window; a younger pool began with zero.
        let before = self.samples.iter().rev().find(|(at, _)| now.duration_since(*at) >= window);
        let start = before.map_or(0, |(_, sample)| counter(sample));
        self.last().map_or(0, |sample| counter(sample).saturating_sub(start))
    }

    fn counted(
        &self,
        now: Instant,
        window_s: u64,
        at_least: u64,
        counter: impl Fn(&AlertSample) -> u64,
        what: &str,
    ) -> Verdict {
        match self.rise(now, window_s, counter) {
            0 => Verdict::Clear,
            n if n >= at_least => Verdict::Raise(format!(
                "{what} {n} time{} within {window_s} s",
                if n == 1 { "" } else { "s" }
            )),
            _ => Verdict::Keep,
        }
    }

    fn use_high(&mut self, now: Instant) -> Verdict {
        const FOR: Duration = Duration::from_secs(10);
        let Some(sample) = self.last() else { return Verdict::Keep };
        let (in_use, limit, waiting) = (sample.in_use, sample.limit, sample.waiting);
        let share = f64::from(in_use) / f64::from(limit.max(1));
        if share <= 0.8 {
            self.busy_since = None;
            return if share < 0.7 { Verdict::Clear } else { Verdict::Keep };
        }
        let lasts = now.saturating_duration_since(*self.busy_since.get_or_insert(now));
        if lasts < FOR {
            return Verdict::Keep;
        }
        Verdict::Raise(format!(
            "{in_use} of {limit} connections are in use, more than 80 % for {}; {waiting} callers wait",
            human(lasts)
        ))
    }

    fn error_rate(&self, now: Instant) -> Verdict {
        const WINDOW_S: u64 = 30;
        let (tried, failed) = (self.rise(now, WINDOW_S, |s| s.tried), self.rise(now, WINDOW_S, |s| s.failed));
        let share = failed as f64 / tried.max(1) as f64;
        if tried >= 20 && share > 0.05 {
            return Verdict::Raise(format!(
                "{failed} of {tried} statements and checkouts failed within {WINDOW_S} s: {:.0} %",
                share * 100.0
            ));
        }
        if share < 0.02 { Verdict::Clear } else { Verdict::Keep }
    }

    fn oldest_waiter(&self) -> Verdict {
        let Some(sample) = self.last() else { return Verdict::Keep };
        if sample.oldest_waiter > sample.connection_timeout / 2 {
            return Verdict::Raise(format!(
                "a caller has waited for {} (connection_timeout is {}); {} wait in all",
                human(sample.oldest_waiter),
                human(sample.connection_timeout),
                sample.waiting
            ));
        }
        if sample.oldest_waiter < sample.connection_timeout / 4 { Verdict::Clear } else { Verdict::Keep }
    }

    fn circuit_open(&self) -> Verdict {
        match self.last() {
            Some(AlertSample { circuit_open_for: Some(length), circuit_says, .. }) => {
                Verdict::Raise(format!("no connection can be opened, for {}: {circuit_says}", human(*length)))
            }
            _ => Verdict::Clear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> AlertSample {
        AlertSample { limit: 10, connection_timeout: Duration::from_secs(8), ..AlertSample::default() }
    }

    /// Feeds one sample a second, and returns each change of an alert with its second.
    fn changes(samples: impl IntoIterator<Item = AlertSample>) -> Vec<(u64, AlertKind, bool)> {
        let (mut alerts, start) = (Alerts::default(), Instant::now());
        let mut seen = Vec::new();
        for (second, sample) in samples.into_iter().enumerate() {
            for change in alerts.judge(start + Duration::from_secs(second as u64), sample) {
                seen.push(match change {
                    Change::Raised(kind, _) => (second as u64, kind, true),
                    Change::Cleared(kind, _) => (second as u64, kind, false),
                });
            }
        }
        seen
    }

    fn with(n: usize, sample: AlertSample) -> Vec<AlertSample> {
        vec![sample; n]
    }

    #[test]
    fn a_busy_pool_is_reported_after_ten_seconds_and_cleared_with_hysteresis() {
        let used = |in_use| AlertSample { in_use, ..calm() };
        let story = [with(12, used(9)), with(5, used(8)), with(3, used(6))].concat();
        assert_eq!(changes(story), [(10, AlertKind::PoolUseHigh, true), (17, AlertKind::PoolUseHigh, false)]);
        assert_eq!(changes(with(60, used(8))), [], "80 % is not more than 80 %");
        assert_eq!(changes((0..60).map(|s| used(if s % 9 == 0 { 8 } else { 9 }))), [], "never ten in a row");
    }

    #[test]
    fn three_retries_within_half_a_minute_are_frequent_and_two_are_not() {
        let retried = |retries| AlertSample { retries, ..calm() };
        let story =
            [with(5, retried(0)), with(5, retried(2)), with(5, retried(3)), with(40, retried(3))].concat();
        let kind = AlertKind::RetriesFrequent;
        assert_eq!(changes(story), [(10, kind, true), (40, kind, false)]);
        assert_eq!(changes([with(5, retried(0)), with(80, retried(2))].concat()), []);
    }

    #[test]
    fn connects_that_time_out_are_a_pattern_at_three_a_minute() {
        let timed_out = |connect_timeouts| AlertSample { connect_timeouts, ..calm() };
        let story = [with(1, timed_out(0)), with(20, timed_out(2)), with(70, timed_out(4))].concat();
        assert_eq!(
            changes(story),
            [(21, AlertKind::ConnectTimeouts, true), (81, AlertKind::ConnectTimeouts, false)]
        );
    }

    #[test]
    fn one_call_in_vain_is_an_exhausted_pool_for_ten_seconds() {
        let in_vain = |in_vain| AlertSample { in_vain, ..calm() };
        let story = [with(3, in_vain(0)), with(20, in_vain(1))].concat();
        assert_eq!(
            changes(story),
            [(3, AlertKind::PoolExhausted, true), (13, AlertKind::PoolExhausted, false)]
        );
    }

    #[test]
    fn errors_alarm_by_their_share_and_not_by_a_few() {
        let went = |tried, failed| AlertSample { tried, failed, ..calm() };
        let kind = AlertKind::ErrorRateHigh;
        assert_eq!(changes([went(0, 0), went(10, 10)]), [], "fewer than twenty");
        assert_eq!(changes([went(0, 0), went(1_000, 50)]), [], "five in a hundred are not more than that");
        assert_eq!(
            changes([went(0, 0), went(1_000, 60), went(9_000, 60)]),
            [(1, kind, true), (2, kind, false)]
        );
    }

    #[test]
    fn a_waiter_alarms_at_half_of_its_time_and_no_longer_below_a_quarter() {
        let oldest = |s| AlertSample { oldest_waiter: Duration::from_secs(s), waiting: 1, ..calm() };
        let kind = AlertKind::OldestWaiter;
        assert_eq!(
            changes([oldest(4), oldest(5), oldest(3), oldest(1)]),
            [(1, kind, true), (3, kind, false)]
        );
    }

    #[test]
    fn an_open_circuit_alarms_until_it_closes() {
        let open = AlertSample { circuit_open_for: Some(Duration::from_secs(11)), ..calm() };
        let kind = AlertKind::CircuitOpen;
        assert_eq!(changes([calm(), open, calm()]), [(1, kind, true), (2, kind, false)]);
    }

    #[test]
    fn every_alert_says_what_to_do() {
        for kind in AlertKind::ALL {
            assert!(kind.remedy().len() > 40, "{}", kind.name());
        }
    }
}
