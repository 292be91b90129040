//! The deadlines of a connection. Written by one thread, read by the socket of the same connection.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The zero point of stored instants: nanoseconds since this moment fit one atomic word.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

const NONE: u64 = 0;

/// Fixes the epoch. Called as a pool is made, before threads open connections: that two of them fix it at once is safe, but
/// ThreadSanitizer cannot see so, as the standard library is not instrumented.
pub(crate) fn fix_epoch() {
    LazyLock::force(&EPOCH);
}

fn to_word(instant: Instant) -> u64 {
    let nanos = instant.saturating_duration_since(*EPOCH).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
}

fn from_word(word: u64) -> Option<Instant> {
    (word != NONE).then(|| *EPOCH + Duration::from_nanos(word))
}

/// The two deadlines of a connection. The earlier one in force counts.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// Set by the pool for its own work: opening, validating, cleaning up.
    fixed: AtomicU64,
    /// The latest that `fixed` can be set to, while a function of the program's works on a connection of the pool's.
    bound: AtomicU64,
    /// The time each statement may take; armed into `statement` when a request is written.
    limit: AtomicU64,
    /// The deadline of the statement under way.
    statement: AtomicU64,
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        fix_epoch();
        Self::default()
    }

    pub(crate) fn set_fixed(&self, deadline: Option<Instant>) {
        let (word, bound) = (deadline.map_or(NONE, to_word), self.bound.load(Ordering::Relaxed));
        self.fixed.store(earlier(word, bound), Ordering::Relaxed);
    }

    /// Sets a deadline that [`set_fixed`](Self::set_fixed) can only bring forward, or lifts it.
    pub(crate) fn set_bound(&self, bound: Option<Instant>) {
        self.bound.store(bound.map_or(NONE, to_word), Ordering::Relaxed);
        self.set_fixed(None);
    }

    /// Limits every statement that starts from now on.
    pub(crate) fn set_statement_limit(&self, limit: Option<Duration>) {
        let nanos = limit.map_or(NONE, |l| u64::try_from(l.as_nanos()).unwrap_or(u64::MAX).max(1));
        self.limit.store(nanos, Ordering::Relaxed);
        if limit.is_none() {
            self.statement.store(NONE, Ordering::Relaxed);
        }
    }

    /// Returns the time each statement may take.
    pub(crate) fn statement_limit(&self) -> Option<Duration> {
        let nanos = self.limit.load(Ordering::Relaxed);
        (nanos != NONE).then(|| Duration::from_nanos(nanos))
    }

    /// Starts the clock of a statement: a request is being written on a connection that had none under way.
    pub(crate) fn statement_starts(&self) {
        if let Some(end) = self.end_of_statement() {
            self.set_statement(Some(end));
        }
    }

    /// Returns the deadline of a statement that starts now.
    pub(crate) fn end_of_statement(&self) -> Option<Instant> {
        match self.limit.load(Ordering::Relaxed) {
            NONE => None,
            limit => Instant::now().checked_add(Duration::from_nanos(limit)),
        }
    }

    /// Sets the deadline of the statement under way.
    pub(crate) fn set_statement(&self, end: Option<Instant>) {
        self.statement.store(end.map_or(NONE, to_word), Ordering::Relaxed);
    }

    /// Clears the statement deadline: the last request under way was answered.
    pub(crate) fn statement_ends(&self) {
        if self.statement.load(Ordering::Relaxed) != NONE {
            self.statement.store(NONE, Ordering::Relaxed);
        }
    }

    /// Returns the deadline in force: the earlier of the two.
    pub(crate) fn current(&self) -> Option<Instant> {
        let fixed = self.fixed.load(Ordering::Relaxed);
        let statement = self.statement.load(Ordering::Relaxed);
        from_word(earlier(fixed, statement))
    }
}

/// Returns the earlier of two deadlines.
fn earlier(one: u64, other: u64) -> u64 {
    match (one, other) {
        (NONE, only) | (only, NONE) => only,
        (one, other) => one.min(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_the_two_deadlines_counts() {
        let deadlines = Deadlines::new();
        assert_eq!(deadlines.current(), None);
        let soon = Instant::now() + Duration::from_secs(1);
        deadlines.set_fixed(Some(soon));
        deadlines.set_statement_limit(Some(Duration::from_secs(60)));
        deadlines.statement_starts();
        let current = deadlines.current().expect("a deadline is set");
        assert!(current <= soon + Duration::from_micros(1));
        deadlines.set_fixed(None);
        assert!(deadlines.current().expect("the statement's") > soon);
        deadlines.statement_ends();
        assert_eq!(deadlines.current(), None);
    }

    #[test]
    fn a_bound_can_be_brought_forward_but_not_lifted_by_setting_another_deadline() {
        let deadlines = Deadlines::new();
        let now = Instant::now();
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        deadlines.set_bound(at(10));
        for (set, expected) in [(None, 10), (at(20), 10), (at(5), 5), (None, 10)] {
            deadlines.set_fixed(set);
            assert_eq!(deadlines.current().map(to_word), at(expected).map(to_word));
        }
        deadlines.set_bound(None);
        assert_eq!(deadlines.current(), None);
    }
}
