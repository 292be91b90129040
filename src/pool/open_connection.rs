//! One open server connection and what the pool remembers about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::admission::Pooled;
use super::in_doubt::Origin;
use super::slot::SlotLease;
use super::trust::Era;
use crate::clock::Tick;
use crate::config::settings::PoolSettings;
use crate::error::Error;
use crate::link::Link;
use crate::link::cancel::{CancelHandle, Loans};
use crate::link::connector::Opened;
use crate::observe::loan::LoanRecord;
use crate::session::LaneState;

/// Up to this share of `max_lifetime` is cut off per connection, so that connections opened together do not end
/// together (HikariCP's figure since 6.1).
const LIFETIME_SPREAD: f64 = 0.25;

/// Boxed, since it moves between threads and stacks all day.
pub(super) type Parked = Box<OpenConnection>;

pub(super) struct OpenConnection {
    pub(super) client: Client,
    pub(super) link: Link,
    /// Made when the session is first used.
    pub(super) lane: Option<Box<LaneState>>,
    pub(super) cancel: CancelHandle,
    pub(super) loans: Loans,
    /// `host:port`, for messages.
    pub(super) target: String,
    pub(super) id: u64,
    /// Learnt when a transaction is to be resolved.
    pub(super) origin: Option<Origin>,
    /// When it was last put on the idle stack (or opened).
    pub(super) parked_at: Tick,
    /// When its server was last heard of: it was used, or proved itself, until then.
    pub(super) heard_at: Tick,
    /// The era in which it last proved itself (or was opened).
    pub(super) era: Era,
    /// When it was last lent (or opened).
    pub(super) lent_at: Tick,
    /// Which thread gave it back last.
    pub(super) last_user: Option<ThreadMark>,
    /// The server said something unasked, which may have been its last words: a round trip must tell.
    pub(super) doubtful: bool,
    /// `None`: never.
    expires_at: Option<Tick>,
    /// The borrower set a deadline of its own, to be undone on return.
    pub(super) deadline_changed: bool,
    /// Who has it, and what its loans took.
    pub(super) loan: Arc<LoanRecord>,
    /// Dropped last: the slot is free only once the client is gone.
    _slot: SlotLease,
}

impl OpenConnection {
    /// `era`: as of before it was opened.
    pub(super) fn new(opened: Opened, slot: SlotLease, id: u64, era: Era, settings: &PoolSettings) -> Self {
        let now = Tick::now();
        let life = settings.max_lifetime.map(|life| life.mul_f64(1.0 - LIFETIME_SPREAD * fastrand::f64()));
        opened.link.set_statement_limit(settings.statement_deadline);
        opened.link.traffic().time_statements(settings.metrics);
        Self {
            client: opened.client,
            link: opened.link,
            lane: None,
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
            loan: Arc::new(LoanRecord::new(settings.metrics)),
            _slot: slot,
        }
    }

    /// Runs something of the pool's own, which does not count as statements of its users.
    pub(super) fn off_the_record<T>(&mut self, run: impl FnOnce(&mut Client) -> T) -> T {
        let traffic = self.link.traffic();
        let counted = traffic.counts_statements();
        traffic.count_statements(false);
        let done = run(&mut self.client);
        self.link.traffic().count_statements(counted);
        done
    }

    /// Asks the server something for the pool, to be answered by `deadline`.
    pub(super) fn ask_for_pool(
        &mut self,
        sql: &str,
        deadline: Instant,
    ) -> Result<Vec<SimpleQueryRow>, Error> {
        self.link.set_deadline(Some(deadline));
        let answered = self.off_the_record(|client| client.simple_query(sql));
        self.link.set_deadline(None);
        let rows = answered?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.collect())
    }

    pub(super) fn has_expired(&self, now: Tick) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// When housekeeping has to close it if it stays idle. Rounded up by the clock's lag: never early.
    pub(super) fn due(&self, idle_timeout: Duration) -> Tick {
        let idle_end = self.parked_at.plus(idle_timeout + Tick::RESOLUTION);
        self.expires_at.map_or(idle_end, |end| end.min(idle_end))
    }

    /// When its life ends, whether idle or not.
    pub(super) fn expiry(&self) -> Option<Tick> {
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
}

/// Tells threads apart, for the price of an address. One that has ended may pass its mark on, which does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ThreadMark(usize);

impl ThreadMark {
    #[inline]
    pub(super) fn here() -> Self {
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
