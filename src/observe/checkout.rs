//! The present checkout of a connection and the totals of all earlier ones: place and time of the checkout, the durations of
//! checkouts and of the waits for them. Written by the caller's thread; read by leak detection and metrics.

use std::backtrace::Backtrace;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sys::sync::Mutex;
use crossbeam_utils::atomic::AtomicCell;

use super::histogram::{Distribution, Histogram};
use crate::sys::clock::Tick;

/// A place in the program that makes a call.
pub(crate) type Place = &'static Location<'static>;

/// The checkouts of one connection.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// Durations are recorded. Otherwise the beginning of a checkout is known only to the clock's tick.
    times: bool,
    /// The beginning of the present checkout, as a [`Tick`]; 0 for none.
    since: AtomicU64,
    /// A pointer, which this cell stores without a lock.
    place: AtomicCell<Option<Place>>,
    backtrace: Mutex<Option<Arc<Backtrace>>>,
    /// The present checkout was reported as lasting long.
    reported: AtomicBool,
    waited: Histogram,
    used: Histogram,
}

/// A checkout under way.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    pub(crate) held_for: Duration,
    /// `None` where the caller is not Rust.
    pub(crate) place: Option<Place>,
    /// Kept if the option `leak_backtrace` is on.
    pub(crate) backtrace: Option<Arc<Backtrace>>,
}

impl Checkout {
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

    /// Begins a checkout, after a wait for it.
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

    /// Keeps the backtrace of the present checkout. Costs tens of microseconds.
    #[cold]
    pub(crate) fn keep_backtrace(&self) {
        let taken = Some(Arc::new(Backtrace::force_capture()));
        let before = std::mem::replace(&mut *self.backtrace.lock(), taken);
        drop(before);
    }

    /// Ends the checkout. Returns how long it lasted.
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

    /// Returns the present checkout. One that ends or begins at this moment may be mistaken for the other.
    pub(crate) fn holding(&self) -> Option<Holding> {
        let since = self.since.load(Relaxed);
        (since != 0).then(|| Holding {
            held_for: Tick::exact().since(Tick::from_word(since)),
            place: self.place.load(),
            backtrace: self.backtrace.lock().clone(),
        })
    }

    /// Returns `true` the first time for each checkout.
    pub(crate) fn report_once(&self) -> bool {
        !self.reported.swap(true, Relaxed)
    }

    pub(crate) fn read(&self) -> CheckoutTotals {
        CheckoutTotals { waited: self.waited.read(), used: self.used.read() }
    }
}

/// The checkouts of several connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckoutTotals {
    /// The waits of callers that got a connection.
    pub(crate) waited: Distribution,
    /// The durations of their checkouts.
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
    fn a_checkout_is_seen_while_it_lasts_and_counted_when_it_is_over() {
        let record = Checkout::new(true);
        assert!(record.holding().is_none());
        record.begin(Some(Location::caller()), Duration::ZERO);
        let holding = record.holding().unwrap();
        assert!(holding.place.unwrap().file().ends_with("checkout.rs"), "{holding:?}");
        assert_eq!(record.read().used.count(), 0);
        assert!(record.end().is_some());
        assert!(record.holding().is_none());
        assert_eq!((record.read().used.count(), record.read().waited.count()), (1, 1));
        assert_eq!(record.end(), None, "it was over already");
    }

    #[test]
    fn a_checkout_is_reported_once_and_the_next_one_again() {
        let record = Checkout::new(true);
        record.begin(None, Duration::ZERO);
        assert!(record.report_once());
        assert!(!record.report_once());
        record.end();
        record.begin(None, Duration::ZERO);
        assert!(record.report_once());
    }

    #[test]
    fn the_place_of_a_checkout_is_stored_without_a_lock() {
        assert!(AtomicCell::<Option<Place>>::is_lock_free());
    }
}
