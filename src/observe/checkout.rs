//! The present loan of a connection and all that went before: who has it since when, and how long loans and the waits for
//! them take. Written by who has the connection; read by who looks for leaks and by who wants figures.

use std::backtrace::Backtrace;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_utils::atomic::AtomicCell;
use parking_lot::Mutex;

use super::histogram::{Distribution, Histogram};
use crate::sys::clock::Tick;

/// Where in the program something was called.
pub(crate) type Place = &'static Location<'static>;

/// The loans of one connection.
#[derive(Debug)]
pub(crate) struct CheckoutRecord {
    /// Whether durations are recorded. Else a loan's beginning is only known to the clock's tick.
    times: bool,
    /// 0: not lent.
    since: AtomicU64,
    /// A pointer, which this cell stores without a lock.
    place: AtomicCell<Option<Place>>,
    backtrace: Mutex<Option<Arc<Backtrace>>>,
    /// It was reported that the present loan lasts long.
    reported: AtomicBool,
    waited: Histogram,
    used: Histogram,
}

/// A loan under way.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    pub(crate) held_for: Duration,
    /// `None` where the caller is not Rust.
    pub(crate) place: Option<Place>,
    /// If the option `leak_backtrace` is on.
    pub(crate) backtrace: Option<Arc<Backtrace>>,
}

impl CheckoutRecord {
    pub(crate) fn new(times: bool) -> Self {
        Self {
            times,
            since: AtomicU64::new(0),
            place: AtomicCell::new(None),
            backtrace: Mutex::new(None),
            reported: AtomicBool::new(false),
            waited: Histogram::default(),
            used: Histogram::default(),
        }
    }

    /// The connection is lent, after a wait for it.
    #[inline]
    pub(crate) fn begin(&self, place: Option<Place>, waited: Duration) {
        self.place.store(place);
        let now = if self.times {
            self.waited.record(waited);
            Tick::exact()
        } else {
            Tick::now()
        };
        self.since.store(now.to_word(), Relaxed);
    }

    /// Where the present loan was taken, with all callers. Costs tens of microseconds.
    #[cold]
    pub(crate) fn keep_backtrace(&self) {
        let taken = Some(Arc::new(Backtrace::force_capture()));
        let before = std::mem::replace(&mut *self.backtrace.lock(), taken);
        drop(before);
    }

    /// It comes back. Returns how long it was lent.
    #[inline]
    pub(crate) fn end(&self) -> Option<Duration> {
        let since = self.since.load(Relaxed);
        if since == 0 {
            return None;
        }
        self.since.store(0, Relaxed);
        if self.reported.load(Relaxed) {
            self.reported.store(false, Relaxed);
        }
        let now = if self.times { Tick::exact() } else { Tick::now() };
        let used = now.since(Tick::from_word(since));
        if self.times {
            self.used.record(used);
        }
        Some(used)
    }

    /// The present loan. One that ends or begins at this very moment may be mistaken for the other.
    pub(crate) fn holding(&self) -> Option<Holding> {
        let since = self.since.load(Relaxed);
        (since != 0).then(|| Holding {
            held_for: Tick::exact().since(Tick::from_word(since)),
            place: self.place.load(),
            backtrace: self.backtrace.lock().clone(),
        })
    }

    /// `true` the first time for each loan.
    pub(crate) fn report_once(&self) -> bool {
        !self.reported.swap(true, Relaxed)
    }

    pub(crate) fn read(&self) -> CheckoutTotals {
        CheckoutTotals { waited: self.waited.read(), used: self.used.read() }
    }
}

/// Loans of several connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckoutTotals {
    /// How long callers waited who got a connection.
    pub(crate) waited: Distribution,
    /// How long they had it.
    pub(crate) used: Distribution,
}

impl CheckoutTotals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.waited.add(&other.waited);
        self.used.add(&other.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_is_seen_while_it_lasts_and_counted_when_it_is_over() {
        let record = CheckoutRecord::new(true);
        assert!(record.holding().is_none());
        record.begin(Some(Location::caller()), Duration::ZERO);
        let holding = record.holding().unwrap();
        assert!(holding.place.unwrap().file().ends_with("loan.rs"), "{holding:?}");
        assert_eq!(record.read().used.count(), 0);
        assert!(record.end().is_some());
        assert!(record.holding().is_none());
        assert_eq!((record.read().used.count(), record.read().waited.count()), (1, 1));
        assert_eq!(record.end(), None, "it was over already");
    }

    #[test]
    fn a_loan_is_reported_once_and_the_next_one_again() {
        let record = CheckoutRecord::new(true);
        record.begin(None, Duration::ZERO);
        assert!(record.report_once());
        assert!(!record.report_once());
        record.end();
        record.begin(None, Duration::ZERO);
        assert!(record.report_once());
    }

    #[test]
    fn the_place_of_a_loan_is_stored_without_a_lock() {
        assert!(AtomicCell::<Option<Place>>::is_lock_free());
    }
}
