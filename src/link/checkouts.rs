//! The checkouts of one connection, and the cancel requests under way for the present one.
//!
//! A request is made for one checkout. It begins only while that checkout lasts, and is counted until it is delivered. So
//! the return of a connection shows whether a request may still be on its way and hit the next caller's statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Instant;

use crate::sys::sync::{Condvar, Mutex};

/// The low bits of the word count requests under way; there are never more.
const COUNT: u64 = (1 << 20) - 1;
/// Set when it is unknown whether the server has taken a request that was sent. It may take effect at any time.
const LOST: u64 = 1 << 20;
/// The bits from here on count the checkouts that are over.
const CHECKOUT: u64 = 1 << 21;

/// Counts the checkouts of one connection, and the requests of the present one.
#[derive(Clone, Default)]
pub(crate) struct Checkouts(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Checkout number, loss and count in one word, so that checking the number and counting a request are one step.
    word: AtomicU64,
    /// The lock of threads that wait until all requests are delivered.
    waiting: Mutex<()>,
    delivered: Condvar,
}

/// The state of the cancel requests of a checkout that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    /// None is on its way.
    Settled,
    UnderWay,
    /// One may take effect at any time.
    Lost,
}

impl Requests {
    fn of(word: u64) -> Self {
        if word & LOST != 0 {
            Self::Lost
        } else if word & COUNT != 0 {
            Self::UnderWay
        } else {
            Self::Settled
        }
    }
}

impl Checkouts {
    /// Ends the present checkout: no further request begins for it. Called by the holder of the connection.
    #[inline]
    pub(crate) fn end_checkout(&self) -> Requests {
        // No handle exists, and none can be made now: a plain step, the path of nearly every checkout.
        if Arc::strong_count(&self.0) == 1 {
            fence(Ordering::Acquire);
            let word = self.0.word.load(Ordering::Relaxed);
            self.0.word.store(word.wrapping_add(CHECKOUT), Ordering::Relaxed);
            return Requests::of(word);
        }
        Requests::of(self.0.word.fetch_add(CHECKOUT, Ordering::AcqRel))
    }

    /// Returns the number of the present checkout.
    pub(super) fn present(&self) -> u64 {
        self.0.word.load(Ordering::Acquire) / CHECKOUT
    }

    /// Counts a request for a checkout; `None` when that checkout is over.
    pub(super) fn begin_request(&self, checkout: u64) -> Option<Request> {
        let count = |word: u64| (word / CHECKOUT == checkout && word & COUNT < COUNT).then_some(word + 1);
        self.0.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, count).ok()?;
        Some(Request { checkouts: self.clone(), may_be_lost: false })
    }

    /// Blocks until no request is under way, at most until `end`. Returns the state of the requests then.
    pub(crate) fn wait_for_requests(&self, end: Instant) -> Requests {
        let mut waiting = self.0.waiting.lock();
        loop {
            let known = Requests::of(self.0.word.load(Ordering::Acquire));
            if known != Requests::UnderWay || self.0.delivered.wait_until(&mut waiting, end).timed_out() {
                return known;
            }
        }
    }
}

/// A cancel request under way. It counts until dropped, panics included.
pub(super) struct Request {
    checkouts: Checkouts,
    may_be_lost: bool,
}

impl Request {
    /// Records that the server may receive the request from now on.
    pub(super) fn is_sent(&mut self) {
        self.may_be_lost = true;
    }

    /// Records that the server has taken the request.
    pub(super) fn is_delivered(&mut self) {
        self.may_be_lost = false;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let shared = &self.checkouts.0;
        if self.may_be_lost {
            shared.word.fetch_or(LOST, Ordering::AcqRel);
        }
        shared.word.fetch_sub(1, Ordering::AcqRel);
        drop(shared.waiting.lock());
        shared.delivered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn within(millis: u64) -> Instant {
        Instant::now() + Duration::from_millis(millis)
    }

    #[test]
    fn a_request_begins_only_during_its_checkout_and_counts_until_it_is_delivered() {
        let checkouts = Checkouts::default();
        assert_eq!(checkouts.end_checkout(), Requests::Settled);
        let checkout = checkouts.present();
        let mut request = checkouts.begin_request(checkout).expect("the checkout lasts");
        request.is_sent();
        assert_eq!(checkouts.end_checkout(), Requests::UnderWay);
        assert!(checkouts.begin_request(checkout).is_none(), "the checkout is over");
        assert_eq!(checkouts.wait_for_requests(within(1)), Requests::UnderWay);
        thread::scope(|scope| {
            let waits = scope.spawn(|| checkouts.wait_for_requests(within(10_000)));
            request.is_delivered();
            drop(request);
            assert_eq!(waits.join().unwrap(), Requests::Settled);
        });
        assert_eq!((checkouts.end_checkout(), checkouts.present()), (Requests::Settled, 3));
    }

    #[test]
    fn a_request_never_sent_is_settled_and_one_of_unknown_fate_is_lost_for_good() {
        let checkouts = Checkouts::default();
        drop(checkouts.begin_request(0).unwrap());
        assert_eq!(checkouts.end_checkout(), Requests::Settled);
        checkouts.begin_request(1).unwrap().is_sent();
        assert_eq!(checkouts.wait_for_requests(within(1)), Requests::Lost);
        assert_eq!((checkouts.end_checkout(), checkouts.end_checkout()), (Requests::Lost, Requests::Lost));
    }
}
