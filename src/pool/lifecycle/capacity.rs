//! The right to open one connection, from the moment it is granted until it is used or given back.

use std::sync::Arc;

use crate::error::LimitedBy;
use crate::pool::admission::{Asking, Denied, ForMinIdle, Grant, Learned, Request};
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Inner;

/// Counted as an opening. Goes back to whoever is next when it is dropped unused: on every way out, panics and jobs that are
/// never run included.
pub(in crate::pool) struct Capacity {
    inner: Arc<Inner>,
    used: bool,
}

impl Capacity {
    fn granted(inner: &Arc<Inner>) -> Self {
        Self { inner: inner.clone(), used: false }
    }

    /// It became a connection. `false` when the pool was closed meanwhile.
    pub(in crate::pool) fn opened(mut self, conn: &mut Parked) -> bool {
        self.used = true;
        self.inner.admission.opened(conn)
    }

    /// The server refused because of a limit.
    pub(in crate::pool) fn refused(mut self, by: LimitedBy) -> Learned {
        self.used = true;
        self.inner.admission.opening_refused(by)
    }

    /// The server refused, and will until something is changed.
    pub(in crate::pool) fn refused_for_good(mut self) {
        self.used = true;
        self.inner.admission.opening_refused_for_good();
    }
}

impl Drop for Capacity {
    fn drop(&mut self) {
        if !self.used {
            self.inner.admission.opening_failed();
        }
    }
}

/// What a thread that waited for a connection is given.
pub(in crate::pool) enum Granted {
    Connection(Parked),
    Capacity(Capacity),
    /// The server refuses this pool for good, and there is no connection to wait for.
    Refused,
    Closed,
}

/// What there is to do for `min_idle`.
pub(in crate::pool) enum MinIdle {
    IsMet,
    MayOpen(Capacity),
    HasNoCapacity,
}

/// What comes of asking a server again that refused for good.
pub(in crate::pool) enum AskAgain {
    Begins(AskingAgain),
    IsUnderWay,
    HasNoRoom,
}

/// A server is being asked again. Whoever comes waits for its answer, until this is dropped at the latest.
pub(in crate::pool) struct AskingAgain {
    inner: Arc<Inner>,
    capacity: Option<Capacity>,
}

impl AskingAgain {
    /// The capacity to ask with; `None` the second time.
    pub(in crate::pool) fn take_capacity(&mut self) -> Option<Capacity> {
        self.capacity.take()
    }
}

impl Drop for AskingAgain {
    fn drop(&mut self) {
        drop(self.capacity.take());
        self.inner.admission.asking_ends();
    }
}

impl Inner {
    /// Waits in the queue until there is something for this thread.
    pub(in crate::pool) fn wait(self: &Arc<Self>, request: Request) -> Result<Granted, Denied> {
        Ok(match self.admission.wait(request)? {
            Grant::Connection(parked) => Granted::Connection(parked),
            Grant::Capacity => Granted::Capacity(Capacity::granted(self)),
            Grant::Refused => Granted::Refused,
            Grant::Closed => Granted::Closed,
        })
    }

    /// Takes capacity for a connection that nobody asked for, if `min_idle` wants it.
    pub(in crate::pool) fn reserve_for_min_idle(self: &Arc<Self>) -> MinIdle {
        match self.admission.reserve_for_min_idle(self.settings.min_idle) {
            ForMinIdle::Enough => MinIdle::IsMet,
            ForMinIdle::Reserved => MinIdle::MayOpen(Capacity::granted(self)),
            ForMinIdle::NoCapacity => MinIdle::HasNoCapacity,
        }
    }

    /// Takes capacity for a probe, if there is any.
    pub(in crate::pool) fn reserve_for_probe(self: &Arc<Self>) -> Option<Capacity> {
        self.admission.reserve_for_probe().then(|| Capacity::granted(self))
    }

    /// Takes capacity for asking a server again that refused for good.
    pub(in crate::pool) fn begin_asking_again(self: &Arc<Self>) -> AskAgain {
        match self.admission.ask_again() {
            Asking::Begins => {
                AskAgain::Begins(AskingAgain { capacity: Some(Capacity::granted(self)), inner: self.clone() })
            }
            Asking::IsUnderWay => AskAgain::IsUnderWay,
            Asking::HasNoRoom => AskAgain::HasNoRoom,
        }
    }
}
