//! The pool's interface for queues that check out connections on behalf of other callers, without keeping the pool open.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::admission::{Backlog, Shed};
use super::core::{Core, Follower, pool_closed};
use super::handle::Pool;
use super::lifecycle::acquire::Call;
use super::pooled_connection::PooledConnection;
use crate::error::Error;
use crate::resilience::statement_retry::Repeats;
use crate::sys::clock::Tick;

/// The conditions of a request for a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The time of the request: limits and the place in the queue count from then.
    pub(crate) since: Instant,
    /// The limit of the whole call, retries and waits included.
    pub(crate) timeout: Option<Duration>,
    /// Replaces `retry_max`.
    pub(crate) retries: Option<u32>,
}

impl From<Asked> for Call {
    fn from(asked: Asked) -> Self {
        Self { timeout: asked.timeout, retries: asked.retries, since: Some(asked.since), place: None }
    }
}

/// A handle that checks out connections of a pool, without keeping the pool open.
#[derive(Clone)]
pub(crate) struct CheckoutHandle(Arc<Core>);

/// A weak [`CheckoutHandle`], which does not keep the pool's memory.
pub(crate) struct WeakCheckoutHandle(Weak<Core>);

impl Pool {
    pub(crate) fn checkout_handle(&self) -> CheckoutHandle {
        CheckoutHandle(self.core.clone())
    }
}

impl CheckoutHandle {
    /// Returns the pool's follower, made now if there is none.
    ///
    /// # Panics
    /// If the follower has another type.
    pub(crate) fn followed_by<F: Follower>(&self, make: impl FnOnce(WeakCheckoutHandle) -> Arc<F>) -> Arc<F> {
        let follower = self.0.follower.get_or_init(|| make(WeakCheckoutHandle(Arc::downgrade(&self.0))));
        let follower: Arc<dyn Any + Send + Sync> = follower.clone();
        follower.downcast().unwrap_or_else(|_| unreachable!("one type follows pools"))
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.0
    }

    /// Checks out a connection, as [`Pool::get_with`](Pool::get_with) does.
    pub(crate) fn get(&self, asked: Asked) -> Result<PooledConnection, Error> {
        self.0.get(asked.into())
    }

    /// Returns the error of a request whose time was over before a connection could be tried for.
    pub(crate) fn timed_out(&self, asked: Asked) -> Error {
        self.0.timed_out(asked.into())
    }

    /// Returns the number and age of the requests that wait for a connection in a queue; they count as waiters of the pool.
    pub(crate) fn backlog(&self) -> Arc<Backlog> {
        self.0.admission.backlog()
    }

    /// Returns why another request may not wait for a connection, if it may not.
    pub(crate) fn sheds_submission(&self) -> Option<Shed> {
        if self.0.settings.max_waiting == 0 {
            return None;
        }
        self.0.admission.sheds_submission()
    }

    /// Returns the error of a request that is rejected without waiting.
    pub(crate) fn shed(&self, asked: Asked, shed: Shed) -> Error {
        self.0.shed(asked.into(), shed)
    }

    /// Returns the repeats that are allowed for an idempotent statement.
    pub(crate) fn repeats(&self, asked: Asked) -> Repeats {
        let end = asked.timeout.and_then(|limit| asked.since.checked_add(limit));
        self.0.repeats(asked.retries, end)
    }

    /// Returns the wait before the next repeat; or the error when there is none.
    pub(crate) fn wait_to_repeat(&self, repeats: &mut Repeats, lost: Error) -> Result<Duration, Error> {
        self.0.wait_to_repeat(repeats, lost)
    }

    /// Returns how long a request may wait for a connection before its first attempt is over.
    pub(crate) fn patience(&self, timeout: Option<Duration>) -> Duration {
        let attempt = self.0.settings.connection_timeout;
        timeout.map_or(attempt, |limit| limit.min(attempt))
    }

    pub(crate) fn max_size(&self) -> u32 {
        self.0.admission.max_size()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.admission.is_closed()
    }

    /// Runs `job` after `delay` on the timer thread of all pools. It must not block.
    pub(crate) fn after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) {
        self.0.workers.after(delay, job);
    }
}

impl WeakCheckoutHandle {
    /// Returns `None` when the pool no longer exists.
    pub(crate) fn upgrade(&self) -> Option<CheckoutHandle> {
        self.0.upgrade().map(CheckoutHandle)
    }
}

/// Returns the error of requests that come after the pool was closed.
pub(crate) fn closed() -> Error {
    pool_closed()
}

impl PooledConnection {
    /// Returns the pool of the connection.
    pub(crate) fn checkout_handle(&self) -> CheckoutHandle {
        CheckoutHandle(self.core.clone())
    }

    /// Returns whether it may be used for another request without going back first: it is in the state for a checkout, and no
    /// caller waits for one.
    pub(crate) fn is_fit_to_keep(&mut self) -> bool {
        // A session that is reset between two checkouts is reset between two requests.
        if self.core.resets_sessions()
            || self.core.admission.is_wanted()
            || self.core.fleet.is_due(Tick::now())
        {
            return false;
        }
        let limit = self.core.settings.statement_deadline;
        let conn = self.conn_mut();
        if conn.deadline_changed {
            conn.link.set_statement_limit(limit);
            conn.deadline_changed = false;
        }
        conn.session.forget_messages();
        conn.is_at_rest() && conn.link.has_no_leftovers() && !conn.has_expired(Tick::now())
    }

    /// Returns whether so many statements of several callers may be on it at once: the cache has room for all, and none has a
    /// deadline, which would end the connection for all of them.
    pub(crate) fn may_be_shared(&mut self, together: usize) -> bool {
        !self.core.resets_sessions()
            && self.core.settings.statement_cache >= together
            && self.deadline().is_none()
    }

    /// Returns the present limit of every statement.
    pub(crate) fn deadline(&mut self) -> Option<Duration> {
        self.conn_mut().link.statement_limit()
    }
}
