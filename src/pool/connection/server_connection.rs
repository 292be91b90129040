//! One open server connection and what the pool remembers about it.

use std::sync::Arc;
use std::time::Duration;

use postgres::Client;

use super::place::Place;
use super::revalidation::Era;
use super::slot::SlotLease;
use crate::connect::{Guest, Opened, SessionStart, open_guest};
use crate::error::Result;
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::link::loans::Loans;
use crate::observe::checkout::CheckoutRecord;
use crate::pool::admission::{Account, Pooled};
use crate::pool::core::Inner;
use crate::pool::transaction::commit_outcome::Origin;
use crate::session::LaneState;
use crate::sys::clock::Tick;

/// Up to this share of `max_lifetime` is cut off per connection, so that connections opened together do not end
/// together (HikariCP's figure since 6.1).
const LIFETIME_SPREAD: f64 = 0.25;

/// Boxed, since it moves between threads and stacks all day.
pub(in crate::pool) type Parked = Box<OpenConnection>;

pub(in crate::pool) struct OpenConnection {
    /// A client of the `postgres` crate on the session, made when the borrower asks for one and gone with the loan.
    guest: Option<Guest>,
    /// What the session's start was told, for the guest.
    start: SessionStart,
    pub(in crate::pool) link: Link,
    pub(in crate::pool) lane: LaneState,
    pub(in crate::pool) cancel: CancelHandle,
    pub(in crate::pool) loans: Loans,
    /// `host:port`, for messages.
    pub(in crate::pool) target: String,
    pub(in crate::pool) id: u64,
    /// Learnt when a transaction is to be resolved.
    pub(in crate::pool) origin: Option<Origin>,
    /// When it was last put on the idle stack (or opened).
    pub(in crate::pool) parked_at: Tick,
    /// When its server was last heard of: it was used, or proved itself, until then.
    pub(in crate::pool) heard_at: Tick,
    /// The era in which it last proved itself (or was opened).
    pub(in crate::pool) era: Era,
    /// When it was last lent (or opened).
    pub(in crate::pool) lent_at: Tick,
    /// Which thread gave it back last.
    pub(in crate::pool) last_user: Option<ThreadMark>,
    /// The server said something unasked, which may have been its last words: a round trip must tell.
    pub(in crate::pool) doubtful: bool,
    /// `None`: never.
    expires_at: Option<Tick>,
    /// The borrower set a deadline of its own, to be undone on return.
    pub(in crate::pool) deadline_changed: bool,
    /// Who has it, and what its loans took.
    pub(in crate::pool) loan: Arc<CheckoutRecord>,
    /// Dropped behind all that is open: the slot is free only once the client is gone.
    _slot: SlotLease,
    /// Dropped last: the capacity is offered to the next only once the slot is free.
    place: Place,
}

impl OpenConnection {
    /// `era`: as of before it was opened.
    pub(in crate::pool) fn new(
        opened: Opened,
        slot: SlotLease,
        id: u64,
        era: Era,
        pool: &Arc<Inner>,
    ) -> Self {
        let settings = &pool.settings;
        let now = Tick::now();
        let life = settings.max_lifetime.map(|life| life.mul_f64(1.0 - LIFETIME_SPREAD * fastrand::f64()));
        opened.link.set_statement_limit(settings.statement_deadline);
        opened.link.traffic().time_statements(settings.metrics);
        Self {
            guest: None,
            start: opened.start,
            link: opened.link,
            lane: *opened.state,
            cancel: opened.cancel,
            loans: Loans::default(),
            target: opened.target,
            id,
            origin: None,
            parked_at: now,
            heard_at: now,
            era,
            lent_at: now,
            last_user: None,
            doubtful: false,
            expires_at: life.map(|life| now.plus(life)),
            deadline_changed: false,
            loan: Arc::new(CheckoutRecord::new(settings.metrics)),
            _slot: slot,
            place: Place::new(pool, id),
        }
    }

    /// Whether it is in the state in which connections are lent: between two requests, outside of a transaction, usable.
    #[inline]
    pub(in crate::pool) fn is_at_rest(&self) -> bool {
        self.link.is_clean() && !self.lane.is_unfinished() && !self.guest_has_given_up()
    }

    /// The guest client, made now unless it is there. The session is at rest.
    ///
    /// # Errors
    /// What keeps the client from being made.
    pub(in crate::pool) fn guest(&mut self) -> Result<&mut Client> {
        if self.guest.is_none() {
            self.guest = Some(open_guest(&self.link, &self.start)?);
        }
        match &mut self.guest {
            Some(guest) => Ok(guest),
            None => unreachable!("it was made"),
        }
    }

    pub(in crate::pool) fn has_guest(&self) -> bool {
        self.guest.is_some()
    }

    /// Whether the guest takes no more statements, for reasons of its own: the link may be in order.
    #[inline]
    pub(in crate::pool) fn guest_has_given_up(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.is_closed())
    }

    /// Has the guest read what it left half-way, under the link's deadline. Its answer may be the error of a statement that
    /// was cancelled or its own; what counts is the link's state afterwards.
    pub(in crate::pool) fn finish_what_the_guest_left(&mut self) {
        let Some(guest) = &mut self.guest else { return };
        let _ = guest.batch_execute("");
        if self.link.is_busy() {
            let _ = guest.batch_execute("");
        }
    }

    /// The loan is over, and with it the guest. What it prepared is closed with the session's next request.
    pub(in crate::pool) fn dismiss_guest(&mut self) {
        if let Some(guest) = self.guest.take() {
            self.lane.close_later(guest.leave());
        }
    }

    pub(in crate::pool) fn has_expired(&self, now: Tick) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// When housekeeping has to close it if it stays idle. Rounded up by the clock's lag: never early.
    pub(in crate::pool) fn due(&self, idle_timeout: Duration) -> Tick {
        let idle_end = self.parked_at.plus(idle_timeout + Tick::RESOLUTION);
        self.expires_at.map_or(idle_end, |end| end.min(idle_end))
    }

    /// When its life ends, whether idle or not.
    pub(in crate::pool) fn expiry(&self) -> Option<Tick> {
        self.expires_at
    }
}

impl Pooled for Parked {
    #[inline]
    fn was_just_used_here(&self) -> bool {
        self.last_user == Some(ThreadMark::here()) && self.parked_at == Tick::now()
    }

    fn idle_since(&self) -> Tick {
        self.parked_at
    }

    #[inline]
    fn counts_as(&mut self, account: Account) {
        self.place.account = account;
    }
}

/// Tells threads apart, for the price of an address. One that has ended may pass its mark on, which does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) struct ThreadMark(usize);

impl ThreadMark {
    #[inline]
    pub(in crate::pool) fn here() -> Self {
        thread_local!(static MARK: u8 = const { 0 });
        Self(MARK.with(|mark| std::ptr::from_ref(mark).addr()))
    }
}

#[cfg(test)]
mod tests {
    use super::ThreadMark;

    #[test]
    fn threads_that_live_at_the_same_time_have_different_marks() {
        let here = ThreadMark::here();
        assert_eq!(here, ThreadMark::here());
        assert_ne!(Ok(here), std::thread::spawn(ThreadMark::here).join().map_err(drop));
    }
}
