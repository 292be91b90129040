//! Notifications, as iterators.

use std::fmt;
use std::time::Duration;

use fallible_iterator::FallibleIterator;

use super::handle::Handle;
use crate::error::{Error, Result};
use crate::session::Notification;

/// What `NOTIFY` sent to a connection that listens, as [`notifications`](crate::PooledConnection::notifications) returns it.
///
/// What was not fetched when the connection goes back to its pool is forgotten.
pub struct Notifications<'a> {
    /// `None` while a client on the same session is at work.
    handle: Option<Handle<'a>>,
}

impl<'a> Notifications<'a> {
    pub(crate) fn new(handle: Result<Handle<'a>>) -> Self {
        Self { handle: handle.ok() }
    }

    /// How many notifications have come with other replies and were not fetched.
    pub fn len(&self) -> usize {
        self.handle.as_ref().map_or(0, |handle| handle.lane_ref().kept_notifications())
    }

    /// Whether none has come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that have come. Does not block.
    pub fn iter(&mut self) -> Iter<'_> {
        Iter { handle: self.handle.as_mut().map(Handle::reborrow) }
    }

    /// Those that have come and that will; blocks for the next, and ends with the connection only.
    pub fn blocking_iter(&mut self) -> BlockingIter<'_> {
        BlockingIter { handle: self.handle.as_mut().map(Handle::reborrow) }
    }

    /// Those that have come and that will; ends when none comes within `timeout` after the last.
    pub fn timeout_iter(&mut self, timeout: Duration) -> TimeoutIter<'_> {
        TimeoutIter { handle: self.handle.as_mut().map(Handle::reborrow), timeout }
    }
}

fn next(handle: &mut Option<Handle<'_>>, patience: Duration) -> Result<Option<Notification>> {
    let Some(handle) = handle else {
        return Err(Error::misuse("a result of this connection is still being read"));
    };
    handle.lane().notification(patience).map_err(|e| handle.explain(e))
}

fn hint(handle: &Option<Handle<'_>>) -> (usize, Option<usize>) {
    (handle.as_ref().map_or(0, |handle| handle.lane_ref().kept_notifications()), None)
}

/// The notifications that have come.
pub struct Iter<'a> {
    handle: Option<Handle<'a>>,
}

impl FallibleIterator for Iter<'_> {
    type Item = Notification;
    type Error = Error;

    fn next(&mut self) -> Result<Option<Notification>> {
        next(&mut self.handle, Duration::ZERO)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        hint(&self.handle)
    }
}

/// The notifications that have come and those that will.
pub struct BlockingIter<'a> {
    handle: Option<Handle<'a>>,
}

impl FallibleIterator for BlockingIter<'_> {
    type Item = Notification;
    type Error = Error;

    fn next(&mut self) -> Result<Option<Notification>> {
        next(&mut self.handle, Duration::MAX)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        hint(&self.handle)
    }
}

/// The notifications that have come and those that will within a time.
pub struct TimeoutIter<'a> {
    handle: Option<Handle<'a>>,
    timeout: Duration,
}

impl FallibleIterator for TimeoutIter<'_> {
    type Item = Notification;
    type Error = Error;

    fn next(&mut self) -> Result<Option<Notification>> {
        next(&mut self.handle, self.timeout)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        hint(&self.handle)
    }
}

impl fmt::Debug for Notifications<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}
