//! A pool as seen by those who borrow from it on behalf of others: it lends, but is not kept open by them.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::core::Inner;
use super::lifecycle::acquire::{Call, pool_closed};
use super::pooled_connection::PooledConnection;
use crate::error::Error;
use crate::resilience::statement_retry::Repeats;
use crate::sys::clock::Tick;

/// Something that ends with the pool. There is at most one for each pool.
pub(crate) trait Follower: Any + Send + Sync {
    /// The pool was closed, or its last handle dropped. Called on the thread that did it, with no lock held, perhaps more
    /// than once. Must not block.
    fn pool_shuts(&self);
}

/// How a connection was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// When: limits and the place in the queue count from then.
    pub(crate) since: Instant,
    /// Limit of the whole, retries and waits included.
    pub(crate) timeout: Option<Duration>,
    /// Replaces `retry_max`.
    pub(crate) retries: Option<u32>,
}

impl From<Asked> for Call {
    fn from(asked: Asked) -> Self {
        Self { timeout: asked.timeout, retries: asked.retries, since: Some(asked.since), place: None }
    }
}

/// The connections of a pool, without a say in how long it stays open.
#[derive(Clone)]
pub(crate) struct Lender(Arc<Inner>);

/// A [`Lender`] that does not even keep the memory.
pub(crate) struct WeakLender(Weak<Inner>);

impl super::Pool {
    pub(crate) fn lender(&self) -> Lender {
        Lender(self.inner.clone())
    }
}

impl Lender {
    /// What follows the pool, made now if there is nothing yet.
    ///
    /// # Panics
    /// If something of another type follows it.
    pub(crate) fn followed_by<F: Follower>(&self, make: impl FnOnce(WeakLender) -> Arc<F>) -> Arc<F> {
        let follower = self.0.follower.get_or_init(|| make(WeakLender(Arc::downgrade(&self.0))));
        let follower: Arc<dyn Any + Send + Sync> = follower.clone();
        follower.downcast().unwrap_or_else(|_| unreachable!("one type follows pools"))
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Borrows a connection, as [`Pool::get_with`](super::Pool::get_with) does.
    pub(crate) fn get(&self, asked: Asked) -> Result<PooledConnection, Error> {
        self.0.get(asked.into())
    }

    /// What is said to somebody who asked and whose time was up before a connection could be tried for.
    pub(crate) fn timed_out(&self, asked: Asked) -> Error {
        self.0.timed_out(asked.into())
    }

    /// How often a statement may be run again that may be repeated.
    pub(crate) fn repeats(&self, asked: Asked) -> Repeats {
        let end = asked.timeout.and_then(|limit| asked.since.checked_add(limit));
        self.0.repeats(asked.retries, end)
    }

    /// How long to wait before it is; or what is to be said when it is not any more.
    pub(crate) fn wait_to_repeat(&self, repeats: &mut Repeats, lost: Error) -> Result<Duration, Error> {
        self.0.wait_to_repeat(repeats, lost)
    }

    /// How long somebody may wait for a connection before the first attempt is over.
    pub(crate) fn patience(&self, timeout: Option<Duration>) -> Duration {
        let attempt = self.0.settings.connection_timeout;
        timeout.map_or(attempt, |limit| limit.min(attempt))
    }

    pub(crate) fn max_size(&self) -> u32 {
        self.0.settings.max_size
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.admission.is_closed()
    }

    /// Runs `job` after `delay` on the thread that keeps time for all pools. It must not block.
    pub(crate) fn after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) {
        self.0.workers.after(delay, job);
    }
}

impl WeakLender {
    /// `None` when nothing of the pool is left.
    pub(crate) fn upgrade(&self) -> Option<Lender> {
        self.0.upgrade().map(Lender)
    }
}

/// What is said to whoever comes after the pool was closed.
pub(crate) fn closed() -> Error {
    pool_closed()
}

impl PooledConnection {
    /// The pool it came from.
    pub(crate) fn lender(&self) -> Lender {
        Lender(self.inner.clone())
    }

    /// Whether it may be used for somebody else without going back first: it is in the state in which the pool lends
    /// connections, and nobody waits for one.
    pub(crate) fn is_fit_to_keep(&mut self) -> bool {
        if self.inner.admission.is_wanted() || self.inner.fleet.is_due(Tick::now()) {
            return false;
        }
        let limit = self.inner.settings.statement_deadline;
        let conn = self.conn_mut();
        if conn.deadline_changed {
            conn.link.set_statement_limit(limit);
            conn.deadline_changed = false;
        }
        conn.lane.forget_messages();
        conn.is_at_rest() && !conn.link.listens() && !conn.has_expired(Tick::now())
    }

    /// Whether so many statements of several callers may be on it at once: each is prepared, with room for all in the cache,
    /// and none has a deadline, which would take the connection from all of them.
    pub(crate) fn may_be_shared(&mut self, together: usize) -> bool {
        self.inner.settings.statement_cache >= together && self.deadline().is_none()
    }

    /// The time that every statement may take at present.
    pub(crate) fn deadline(&mut self) -> Option<Duration> {
        self.conn_mut().link.statement_limit()
    }
}
