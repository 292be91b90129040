//! Guards that flows hold and tasks carry: whatever becomes of a task, its capacity goes back and its timer is set again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::admission::{Asking, Denied, ForMinIdle, Grant, Learned, Request};
use super::connection::server_connection::Parked;
use super::core::Core;
use crate::error::LimitedBy;
use crate::sys::single_flight::Flight;

/// The right to open one connection, which counts as an opening. Dropped unused, it goes to the next waiter: on every way out,
/// panics and jobs that never run included.
pub(in crate::pool) struct Capacity {
    core: Arc<Core>,
    used: bool,
    /// The connection is opened for `min_idle`, not for a caller.
    is_for_min_idle: bool,
}

impl Capacity {
    fn granted(core: &Arc<Core>) -> Self {
        Self { core: core.clone(), used: false, is_for_min_idle: false }
    }

    fn granted_for_min_idle(core: &Arc<Core>) -> Self {
        Self { core: core.clone(), used: false, is_for_min_idle: true }
    }

    /// Turns the capacity into a connection in use: the pool's own use if it is for `min_idle`, so that nothing else is opened
    /// until it is parked. Returns `false` when the pool was closed meanwhile.
    pub(in crate::pool) fn opened(mut self, conn: &mut Parked) -> bool {
        self.used = true;
        let admission = &self.core.admission;
        if self.is_for_min_idle { admission.opened_for_pool(conn) } else { admission.opened(conn) }
    }

    /// Gives the capacity back: the server refused because of a limit.
    pub(in crate::pool) fn refused(mut self, by: LimitedBy) -> Learned {
        self.used = true;
        self.core.admission.opening_refused(by)
    }

    /// Gives the capacity back after a permanent failure.
    pub(in crate::pool) fn failed_permanently(mut self) {
        self.used = true;
        self.core.admission.opening_failed_permanently();
    }
}

impl Drop for Capacity {
    fn drop(&mut self) {
        if !self.used {
            self.core.admission.opening_failed();
        }
    }
}

/// The outcome of waiting for a connection.
pub(in crate::pool) enum Granted {
    Connection(Parked),
    Capacity(Capacity),
    /// The server refuses this pool permanently, and there is no connection to wait for.
    Refused,
    Closed,
}

/// The work that `min_idle` calls for.
pub(in crate::pool) enum MinIdle {
    IsMet,
    MayOpen(Capacity),
    HasNoCapacity,
}

/// The outcome of asking a server again after a permanent failure.
pub(in crate::pool) enum AskAgain {
    Begins(AskingAgain),
    IsUnderWay,
    HasNoRoom,
}

/// A guard that lasts while a server is asked again. New callers wait for the answer, at most until this is dropped.
pub(in crate::pool) struct AskingAgain {
    core: Arc<Core>,
    capacity: Option<Capacity>,
}

impl AskingAgain {
    /// Returns the capacity to ask with; `None` the second time.
    pub(in crate::pool) fn take_capacity(&mut self) -> Option<Capacity> {
        self.capacity.take()
    }
}

impl Drop for AskingAgain {
    fn drop(&mut self) {
        drop(self.capacity.take());
        self.core.admission.asking_ends();
    }
}

/// Sets housekeeping's next timer on every way out.
pub(in crate::pool) struct NextTimer(pub(in crate::pool) Arc<Core>);

impl Drop for NextTimer {
    fn drop(&mut self) {
        self.0.set_next_timer();
    }
}

/// A run that validates idle connections, one after another. However it ends, the next timer is set.
pub(in crate::pool) struct IdleValidation {
    /// Dropped first: while it lasts no next timer is set.
    _flight: Flight,
    _next: NextTimer,
}

/// The opening of one connection for `min_idle`. Unless it succeeds, it is tried again later.
pub(in crate::pool) struct Refill {
    core: Arc<Core>,
    capacity: Option<Capacity>,
    is_done: bool,
}

impl Refill {
    pub(in crate::pool) fn new(core: &Arc<Core>, capacity: Capacity) -> Self {
        Self { core: core.clone(), capacity: Some(capacity), is_done: false }
    }

    /// Returns the capacity to open with; `None` the second time.
    pub(in crate::pool) fn take_capacity(&mut self) -> Option<Capacity> {
        self.capacity.take()
    }

    pub(in crate::pool) fn succeeds(mut self) {
        self.is_done = true;
    }
}

impl Drop for Refill {
    fn drop(&mut self) {
        drop(self.capacity.take());
        if !self.is_done {
            self.core.refill_later();
        }
    }
}

/// A call waits until the pool is warm. Until it ends `min_idle` is filled by what it opens: else more than it asks for would be
/// opened.
pub(in crate::pool) struct Warming(Arc<Core>);

impl Warming {
    pub(in crate::pool) fn begin(core: &Arc<Core>) -> Self {
        core.warming.fetch_add(1, Ordering::AcqRel);
        Self(core.clone())
    }
}

impl Drop for Warming {
    fn drop(&mut self) {
        self.0.warming.fetch_sub(1, Ordering::AcqRel);
        self.0.refill();
    }
}

impl Core {
    /// Returns whether a call waits until the pool is warm.
    fn is_warming(&self) -> bool {
        self.warming.load(Ordering::Acquire) > 0
    }

    /// Begins to validate idle connections, unless a run is under way.
    pub(in crate::pool) fn begin_idle_validation(self: &Arc<Self>) -> Option<IdleValidation> {
        let flight = self.validates_idle.begin()?;
        Some(IdleValidation { _flight: flight, _next: NextTimer(self.clone()) })
    }

    /// Waits in the queue until this thread is granted something.
    pub(in crate::pool) fn wait(self: &Arc<Self>, request: Request) -> Result<Granted, Denied> {
        Ok(match self.admission.wait(request)? {
            Grant::Connection(parked) => Granted::Connection(parked),
            Grant::Capacity => Granted::Capacity(Capacity::granted(self)),
            Grant::Refused => Granted::Refused,
            Grant::Closed => Granted::Closed,
        })
    }

    /// Takes capacity for an idle connection, if `min_idle` calls for one.
    pub(in crate::pool) fn reserve_for_min_idle(self: &Arc<Self>) -> MinIdle {
        match self.admission.reserve_for_min_idle(self.settings.min_idle, || self.is_warming()) {
            ForMinIdle::Enough => MinIdle::IsMet,
            ForMinIdle::Reserved => MinIdle::MayOpen(Capacity::granted_for_min_idle(self)),
            ForMinIdle::NoCapacity => MinIdle::HasNoCapacity,
        }
    }

    /// Takes capacity for a probe, if there is any.
    pub(in crate::pool) fn reserve_for_probe(self: &Arc<Self>) -> Option<Capacity> {
        self.admission.reserve_for_probe().then(|| Capacity::granted(self))
    }

    /// Takes capacity for asking a server again after a permanent failure.
    pub(in crate::pool) fn begin_asking_again(self: &Arc<Self>) -> AskAgain {
        match self.admission.ask_again() {
            Asking::Begins => {
                AskAgain::Begins(AskingAgain { capacity: Some(Capacity::granted(self)), core: self.clone() })
            }
            Asking::IsUnderWay => AskAgain::IsUnderWay,
            Asking::HasNoRoom => AskAgain::HasNoRoom,
        }
    }
}
