//! A guard for work that runs, or is scheduled, at most once at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The flag of such work: set while it is under way.
#[derive(Debug, Default)]
pub(crate) struct SingleFlight(Arc<AtomicBool>);

/// The right to do the work. It ends when dropped: on every way out, panics and jobs that never run included.
#[derive(Debug)]
pub(crate) struct Flight(Arc<AtomicBool>);

impl SingleFlight {
    /// Takes the right; `None` when the work is under way already.
    pub(crate) fn begin(&self) -> Option<Flight> {
        let is_under_way = self.0.swap(true, Ordering::AcqRel);
        (!is_under_way).then(|| Flight(self.0.clone()))
    }

    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_under_way_until_its_flight_ends_a_panic_included() {
        let work = SingleFlight::default();
        let flight = work.begin().unwrap();
        assert!(work.begin().is_none() && work.is_under_way());
        let outcome = std::thread::spawn(move || {
            let _flight = flight;
            panic!("on purpose");
        });
        assert!(outcome.join().is_err());
        assert!(!work.is_under_way() && work.begin().is_some());
    }
}
