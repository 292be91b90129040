//! An open server connection and the state that the pool keeps about it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use postgres::Client;

use super::origin::Origin;
use super::place::{Place, PlaceOwner};
use super::revalidation::Epoch;
use super::slot::SlotLease;
use crate::config::settings::PoolSettings;
use crate::connect::{Guest, Opened, SessionStart, open_guest};
use crate::error::Result;
use crate::link::cancel::CancelHandle;
use crate::link::checkouts::Checkouts;
use crate::link::{Link, Report};
use crate::observe::checkout::Checkout;
use crate::pool::admission::{Account, Pooled};
use crate::session::SessionState;
use crate::sys::clock::Tick;

/// The largest share of `max_lifetime` that is cut off per connection, so that connections opened together do not end
/// together (HikariCP's value since 6.1).
const LIFETIME_SPREAD: f64 = 0.25;

/// A connection as the queue holds it; boxed, since it moves between threads and stacks all day.
pub(in crate::pool) type Parked = Box<OpenConnection>;

pub(in crate::pool) struct OpenConnection {
    /// A client of the `postgres` crate on the session, made when the caller asks for one and dropped on return.
    guest: Option<Guest>,
    /// The parameters of the session's start.
    start: SessionStart,
    pub(in crate::pool) link: Link,
    pub(in crate::pool) session: SessionState,
    pub(in crate::pool) cancel: CancelHandle,
    pub(in crate::pool) checkouts: Checkouts,
    /// `host:port`, for messages.
    pub(in crate::pool) target: String,
    pub(in crate::pool) id: u64,
    /// The cluster behind the connection, found out when a transaction is to be resolved.
    pub(in crate::pool) origin: Option<Origin>,
    /// The time at which it was last put on the idle stack (or opened).
    pub(in crate::pool) parked_at: Tick,
    /// The time at which its server was last heard of: the end of its last use or validation.
    pub(in crate::pool) heard_at: Tick,
    /// The epoch in which it was last validated (or opened).
    pub(in crate::pool) epoch: Epoch,
    /// The time at which it was last checked out (or opened).
    pub(in crate::pool) checked_out_at: Tick,
    /// The thread that gave it back last.
    pub(in crate::pool) last_user: Option<ThreadMark>,
    /// The server sent something unasked, which may have been its last message: only a round trip shows.
    pub(in crate::pool) must_revalidate: bool,
    /// `None`: never.
    expires_at: Option<Tick>,
    /// A caller has had it since its session was reset, or opened.
    pub(in crate::pool) was_checked_out: bool,
    /// The caller set a deadline of its own, to be undone on return.
    pub(in crate::pool) deadline_changed: bool,
    /// The present checkout, and the durations of all.
    pub(in crate::pool) checkout: Arc<Checkout>,
    /// Dropped after everything that is open: the slot is free only once the client is gone.
    _slot: SlotLease,
    /// Dropped last: the capacity is offered to the next only once the slot is free.
    place: Place,
}

impl OpenConnection {
    /// Makes a connection of an opened session. `epoch` must have been read before the opening.
    pub(in crate::pool) fn new(
        opened: Opened,
        slot: SlotLease,
        id: u64,
        epoch: Epoch,
        settings: &PoolSettings,
        owner: Weak<dyn PlaceOwner>,
    ) -> Self {
        let now = Tick::now();
        let life = settings.max_lifetime.map(|life| life.mul_f64(1.0 - LIFETIME_SPREAD * fastrand::f64()));
        opened.link.set_statement_limit(settings.statement_deadline);
        opened.link.traffic().time_statements(settings.metrics);
        if settings.protocol_trace {
            opened.link.begin_trace();
        }
        Self {
            guest: None,
            start: opened.start,
            link: opened.link,
            session: *opened.state,
            cancel: opened.cancel,
            checkouts: Checkouts::default(),
            target: opened.target,
            id,
            origin: None,
            parked_at: now,
            heard_at: now,
            epoch,
            checked_out_at: now,
            last_user: None,
            must_revalidate: false,
            expires_at: life.map(|life| now.plus(life)),
            was_checked_out: false,
            deadline_changed: false,
            checkout: Arc::new(Checkout::new(settings.metrics)),
            _slot: slot,
            place: Place::new(owner, id),
        }
    }

    /// Returns a setting as the server reported it last, by its exact name.
    pub(in crate::pool) fn parameter(&self, name: &str) -> Option<String> {
        match self.link.changed_parameter(name) {
            Some(Report::Value(value)) => Some(value),
            Some(Report::TooLong) => None,
            None => {
                let mut reported = self.start.parameters();
                let (_, value) = reported.find(|(known, _)| *known == name.as_bytes())?;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        }
    }

    /// Returns whether it is in the state for a checkout: between two requests, outside of a transaction, usable.
    #[inline]
    pub(in crate::pool) fn is_at_rest(&self) -> bool {
        self.link.is_clean() && !self.session.is_unfinished() && !self.guest_has_given_up()
    }

    /// Returns the guest client, made now if there is none. The session must be at rest.
    ///
    /// # Errors
    /// The reason why the client cannot be made.
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

    /// Returns whether the guest accepts no more statements, for reasons of its own: the link may be in order.
    #[inline]
    pub(in crate::pool) fn guest_has_given_up(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.is_closed())
    }

    /// Drops the guest at the end of a checkout. Its prepared statements are closed with the session's next request.
    pub(in crate::pool) fn dismiss_guest(&mut self) {
        if let Some(guest) = self.guest.take() {
            self.session.close_later(guest.leave());
        }
    }

    pub(in crate::pool) fn has_expired(&self, now: Tick) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns when housekeeping has to close it if it stays idle. Rounded up by the clock's lag: never early.
    pub(in crate::pool) fn due(&self, idle_timeout: Duration) -> Tick {
        let idle_end = self.parked_at.plus(idle_timeout + Tick::RESOLUTION);
        self.expires_at.map_or(idle_end, |end| end.min(idle_end))
    }

    /// Returns when its life ends, whether idle or not.
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

    #[inline]
    fn account(&self) -> Account {
        self.place.account
    }
}

/// A mark that distinguishes threads, for the price of an address. A new thread may get the mark of an ended one, which does no
/// harm.
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
