//! The traffic of a connection: statements, their durations and failures, bytes. Written by the link's protocol tracker, on the
//! thread that drives the connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sys::sync::Mutex;

use super::histogram::{Distribution, Histogram, raise};
use crate::sys::clock::Tick;

/// An SQLSTATE. Servers and extensions may define their own, so there is no list of them.
pub(crate) type SqlState = [u8; 5];

/// The most distinct codes to count, so that a server that invents codes cannot fill the memory.
const MAX_CODES: usize = 100;

/// The code under which all others are counted.
pub(crate) const OTHER_CODE: SqlState = *b"other";

/// The traffic of one connection.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Statements count at present: the connection is checked out. The pool's own statements do not count.
    counts: AtomicBool,
    /// Statements are timed.
    times: AtomicBool,
    /// The time when the running statement was sent, or the one before it in the same request ended; 0 for none.
    began: AtomicU64,
    /// The time when the last one ended; 0 for never.
    ended: AtomicU64,
    completed: AtomicU64,
    took: Histogram,
    /// Failures by code, with their durations. Only an error takes this lock, which is the connection's own.
    failed: Mutex<BTreeMap<SqlState, Distribution>>,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

/// A pause in the counting of statements. Its drop restores what was before, panics included.
pub(crate) struct CountingPaused<'a> {
    traffic: &'a Traffic,
    counted: bool,
}

impl Drop for CountingPaused<'_> {
    fn drop(&mut self) {
        self.traffic.count_statements(self.counted);
    }
}

impl Traffic {
    /// Turns timing on or off: a connection is timed from its first statement on, or never.
    pub(crate) fn time_statements(&self, yes: bool) {
        self.times.store(yes, Relaxed);
    }

    /// Sets whether statements count from now on.
    #[inline]
    pub(crate) fn count_statements(&self, yes: bool) {
        self.counts.store(yes, Relaxed);
    }

    /// Lets statements not count until the guard is dropped, as for those that Holdfast runs for itself.
    pub(crate) fn pause_counting(&self) -> CountingPaused<'_> {
        let counted = self.counts.load(Relaxed);
        self.count_statements(false);
        CountingPaused { traffic: self, counted }
    }

    #[inline]
    pub(crate) fn sent(&self, bytes: usize) {
        raise(&self.sent_bytes, bytes as u64);
    }

    #[inline]
    pub(crate) fn received(&self, bytes: usize) {
        raise(&self.received_bytes, bytes as u64);
    }

    /// Records that a request was sent to the server.
    #[inline]
    pub(crate) fn asked(&self) {
        if self.times.load(Relaxed) && self.began.load(Relaxed) == 0 {
            self.began.store(Tick::exact().to_word(), Relaxed);
        }
    }

    /// Records that every request has been answered.
    #[inline]
    pub(crate) fn answered(&self) {
        self.began.store(0, Relaxed);
    }

    /// Records the end of a statement, and the start of the next one of the same request.
    #[inline]
    pub(crate) fn completed(&self) {
        let took = self.next();
        if self.counts.load(Relaxed) {
            raise(&self.completed, 1);
            if let Some(took) = took {
                self.took.record(took);
            }
        }
    }

    /// Records the failure of a statement.
    #[cold]
    pub(crate) fn failed(&self, code: SqlState) {
        let took = self.next();
        if self.counts.load(Relaxed) {
            let mut failed = self.failed.lock();
            let known = failed.contains_key(&code) || failed.len() < MAX_CODES;
            // Untimed ones count as lasting no time.
            failed.entry(if known { code } else { OTHER_CODE }).or_default().record(took.unwrap_or_default());
        }
    }

    fn next(&self) -> Option<Duration> {
        let began = self.began.load(Relaxed);
        if began == 0 {
            return None;
        }
        let now = Tick::exact();
        self.began.store(now.to_word(), Relaxed);
        self.ended.store(now.to_word(), Relaxed);
        Some(now.since(Tick::from_word(began)))
    }

    /// Returns when the last timed statement ended; `None` before the first.
    pub(crate) fn last_ended(&self) -> Option<Tick> {
        let word = self.ended.load(Relaxed);
        (word != 0).then(|| Tick::from_word(word))
    }

    /// Returns the number of statements, failed ones included.
    pub(crate) fn statements(&self) -> u64 {
        let failed: u64 = self.failed.lock().values().map(Distribution::count).sum();
        self.completed.load(Relaxed) + failed
    }

    pub(crate) fn read(&self) -> TrafficTotals {
        TrafficTotals {
            completed: self.completed.load(Relaxed),
            took: self.took.read(),
            failed: self.failed.lock().clone(),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
        }
    }
}

/// The traffic of several connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrafficTotals {
    /// Statements that the server completed.
    pub(crate) completed: u64,
    /// Durations of those.
    pub(crate) took: Distribution,
    /// Statements that failed, by SQLSTATE, with their durations.
    pub(crate) failed: BTreeMap<SqlState, Distribution>,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl TrafficTotals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.took.add(&other.took);
        for (code, failed) in &other.failed {
            let known = self.failed.contains_key(code) || self.failed.len() < MAX_CODES;
            self.failed.entry(if known { *code } else { OTHER_CODE }).or_default().add(failed);
        }
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
    }

    /// Returns the number of failed statements.
    pub(crate) fn errors(&self) -> u64 {
        self.failed.values().map(Distribution::count).sum()
    }

    /// Returns the number of all statements.
    pub(crate) fn statements(&self) -> u64 {
        self.completed + self.errors()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked_out() -> Traffic {
        let traffic = Traffic::default();
        traffic.time_statements(true);
        traffic.count_statements(true);
        traffic
    }

    #[test]
    fn counting_goes_on_as_before_after_a_pause_a_panic_included() {
        let traffic = Traffic::default();
        traffic.count_statements(true);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _paused = traffic.pause_counting();
            assert!(!traffic.counts.load(Relaxed));
            panic!("a statement of the pool's own");
        }));
        assert!(unwound.is_err() && traffic.counts.load(Relaxed));
        traffic.count_statements(false);
        drop(traffic.pause_counting());
        assert!(!traffic.counts.load(Relaxed), "a connection that is not checked out counts nothing");
    }

    #[test]
    fn each_statement_of_one_request_has_a_time_of_its_own() {
        let traffic = checked_out();
        traffic.asked();
        traffic.completed();
        traffic.completed();
        traffic.failed(*b"23505");
        traffic.answered();
        let read = traffic.read();
        assert_eq!((read.completed, read.took.count(), read.errors(), read.statements()), (2, 2, 1, 3));
        assert!(traffic.last_ended().is_some());
    }

    #[test]
    fn what_the_pool_does_on_its_own_account_does_not_count() {
        let traffic = checked_out();
        traffic.count_statements(false);
        traffic.asked();
        traffic.completed();
        traffic.failed(*b"57014");
        assert_eq!(traffic.read().statements(), 0);
    }

    #[test]
    fn a_server_that_invents_codes_fills_no_memory() {
        let traffic = checked_out();
        for n in 0..1_000 {
            let code = format!("X{n:04}");
            traffic.failed(code.as_bytes().try_into().unwrap());
        }
        let read = traffic.read();
        assert_eq!((read.failed.len(), read.errors()), (MAX_CODES + 1, 1_000));
    }
}
