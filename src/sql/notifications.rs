//! Notifications, as iterators.

use std::fmt;
use std::time::Duration;

use fallible_iterator::FallibleIterator;

use super::handle::Handle;
use crate::error::{Error, Result};
use crate::session::Notification;

/// The notifications of a listening connection, as [`notifications`](crate::PooledConnection::notifications) returns them.
///
/// Notifications not fetched are dropped when the connection is returned to its pool.
///
/// ```
/// use holdfast::fallible_iterator::FallibleIterator;
/// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
/// conn.batch_execute("echo:notify news of today")?; // with a server: LISTEN, and NOTIFY elsewhere
/// let mut notifications = conn.notifications();
/// assert_eq!(notifications.len(), 1);
/// let mut iter = notifications.timeout_iter(std::time::Duration::from_millis(10));
/// while let Some(notification) = iter.next()? {
///     assert_eq!(notification.payload(), "of today");
/// }
/// # Ok::<(), holdfast::Error>(())
/// ```
#[must_use = "it gives access to notifications and does nothing else"]
pub struct Notifications<'a> {
    /// `None` while another client uses the session.
    handle: Option<Handle<'a>>,
}

impl<'a> Notifications<'a> {
    pub(crate) fn new(handle: Result<Handle<'a>>) -> Self {
        Self { handle: handle.ok() }
    }

    /// Returns the number of notifications received with other replies and not fetched.
    pub fn len(&self) -> usize {
        self.handle.as_ref().map_or(0, |handle| handle.raw_ref().kept_notifications())
    }

    /// Returns whether no notification is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the notifications received. Does not block.
    pub fn iter(&mut self) -> Iter<'_> {
        Iter { handle: self.handle.as_mut().map(Handle::reborrow) }
    }

    /// Iterates over notifications, received and to come. Blocks for the next, and ends only with the connection.
    ///
    /// ```no_run
    /// use fallible_iterator::FallibleIterator;
    ///
    /// let mut conn = holdfast::Pool::from_env()?.get()?;
    /// conn.batch_execute("listen orders")?;
    /// let mut notifications = conn.notifications();
    /// let mut iter = notifications.blocking_iter();
    /// while let Some(notification) = iter.next()? {
    ///     println!("{}: {}", notification.channel(), notification.payload());
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn blocking_iter(&mut self) -> BlockingIter<'_> {
        BlockingIter { handle: self.handle.as_mut().map(Handle::reborrow) }
    }

    /// Iterates over notifications, received and to come. Blocks, and ends when none comes within `timeout` after the last.
    pub fn timeout_iter(&mut self, timeout: Duration) -> TimeoutIter<'_> {
        TimeoutIter { handle: self.handle.as_mut().map(Handle::reborrow), timeout }
    }
}

fn next(handle: &mut Option<Handle<'_>>, timeout: Duration) -> Result<Option<Notification>> {
    let Some(handle) = handle else {
        return Err(Error::misuse("a result of this connection is still being read"));
    };
    handle.raw().notification(timeout).map_err(|e| handle.explain(e))
}

fn hint(handle: &Option<Handle<'_>>) -> (usize, Option<usize>) {
    (handle.as_ref().map_or(0, |handle| handle.raw_ref().kept_notifications()), None)
}

/// An iterator over the notifications received.
#[must_use = "iterators do nothing unless they are read"]
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

/// An iterator over notifications, which blocks for the next.
#[must_use = "iterators do nothing unless they are read"]
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

/// An iterator over notifications, which ends when none comes within a time.
#[must_use = "iterators do nothing unless they are read"]
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

macro_rules! opaque_debug {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}

opaque_debug!(Notifications, Iter, BlockingIter, TimeoutIter);
