//! The loans of one connection, and the cancel requests that are under way for the present one.
//!
//! A request is made for a loan. It begins only while that loan lasts, and is counted until it was delivered: so whoever
//! takes a connection back knows whether one may still be on its way, and would hit the next borrower's statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// The low bits of the word count requests under way; all there could ever be.
const COUNT: u64 = (1 << 20) - 1;
/// A request was sent of which it is not known whether the server has taken it. It may come at any time from now on.
const LOST: u64 = 1 << 20;
/// The bits above count the loans that are over.
const LOAN: u64 = 1 << 21;

/// Counts the loans of one connection, and the requests of the present one.
#[derive(Clone, Default)]
pub(crate) struct Loans(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Loan, loss and count in one, so that "is this the loan still?" and "count me" are one step.
    word: AtomicU64,
    /// For those who wait until all are delivered.
    waiting: Mutex<()>,
    delivered: Condvar,
}

/// What is known of the cancel requests of a loan that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    /// None is on its way.
    Settled,
    UnderWay,
    /// One may come at any time.
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

impl Loans {
    /// The present loan is over: no further request begins for it. Called by the one who holds the connection.
    #[inline]
    pub(crate) fn end_loan(&self) -> Requests {
        // Nobody has a handle, nor is anybody able to get one now: a plain step on, which is the path of nearly every loan.
        if Arc::strong_count(&self.0) == 1 {
            fence(Ordering::Acquire);
            let word = self.0.word.load(Ordering::Relaxed);
            self.0.word.store(word.wrapping_add(LOAN), Ordering::Relaxed);
            return Requests::of(word);
        }
        Requests::of(self.0.word.fetch_add(LOAN, Ordering::AcqRel))
    }

    /// The number of the present loan.
    pub(super) fn present(&self) -> u64 {
        self.0.word.load(Ordering::Acquire) / LOAN
    }

    /// Counts a request for a loan; `None` when that loan is over.
    pub(super) fn begin_request(&self, loan: u64) -> Option<Request> {
        let count = |word: u64| (word / LOAN == loan && word & COUNT < COUNT).then_some(word + 1);
        self.0.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, count).ok()?;
        Some(Request { loans: self.clone(), may_be_lost: false })
    }

    /// Waits until none is under way any more; what is known of them then, or at `end`.
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

/// A cancel request under way. It counts until this is dropped, panics included.
pub(super) struct Request {
    loans: Loans,
    may_be_lost: bool,
}

impl Request {
    /// From now on the server may get it.
    pub(super) fn is_sent(&mut self) {
        self.may_be_lost = true;
    }

    /// The server has taken it.
    pub(super) fn is_delivered(&mut self) {
        self.may_be_lost = false;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let shared = &self.loans.0;
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
    fn a_request_begins_only_during_its_loan_and_counts_until_it_is_delivered() {
        let loans = Loans::default();
        assert_eq!(loans.end_loan(), Requests::Settled);
        let loan = loans.present();
        let mut request = loans.begin_request(loan).expect("the loan lasts");
        request.is_sent();
        assert_eq!(loans.end_loan(), Requests::UnderWay);
        assert!(loans.begin_request(loan).is_none(), "the loan is over");
        assert_eq!(loans.wait_for_requests(within(1)), Requests::UnderWay);
        thread::scope(|scope| {
            let waits = scope.spawn(|| loans.wait_for_requests(within(10_000)));
            request.is_delivered();
            drop(request);
            assert_eq!(waits.join().unwrap(), Requests::Settled);
        });
        assert_eq!((loans.end_loan(), loans.present()), (Requests::Settled, 3));
    }

    #[test]
    fn one_that_was_never_sent_is_settled_and_one_of_which_nothing_is_known_is_lost_for_good() {
        let loans = Loans::default();
        drop(loans.begin_request(0).unwrap());
        assert_eq!(loans.end_loan(), Requests::Settled);
        loans.begin_request(1).unwrap().is_sent();
        assert_eq!(loans.wait_for_requests(within(1)), Requests::Lost);
        assert_eq!((loans.end_loan(), loans.end_loan()), (Requests::Lost, Requests::Lost));
    }
}
