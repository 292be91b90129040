//! Notification of the program that completions wait: a readable descriptor, a callback.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::sys::callback;
use crate::sys::gate::Gate;

/// The program's callback. Dropped once it will not be called any more.
pub(crate) struct Callback(Gate<Box<dyn Fn() + Send + Sync>>);

/// For a callback that ends when it ends.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

impl Callback {
    pub(crate) fn new(run: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Gate::new(Box::new(run))))
    }

    pub(super) fn call(&self) {
        if let Some(run) = self.0.pass() {
            callback::run(|| run());
        }
    }

    /// Gives up a callback that was taken away, and blocks until every call of it has returned and it is dropped. Inside a
    /// callback, which may be this one, it does not block.
    pub(crate) fn end(&self) {
        self.0.shut(FOREVER);
    }

    /// Does the same for at most `patience`; returns `false` if that was not enough.
    pub(crate) fn end_within(&self, patience: Duration) -> bool {
        self.0.shut(patience)
    }
}

/// An eventfd, created on first use, so that programs without one pay nothing.
#[derive(Default)]
pub(super) struct Descriptor(OnceLock<Option<OwnedFd>>);

impl Descriptor {
    /// Returns the descriptor, `None` where the system has none, and whether this call created it.
    pub(super) fn get(&self) -> (Option<BorrowedFd<'_>>, bool) {
        let mut made = false;
        let fd = self.0.get_or_init(|| {
            made = true;
            open()
        });
        (fd.as_ref().map(AsFd::as_fd), made)
    }

    fn existing(&self) -> Option<&OwnedFd> {
        self.0.get()?.as_ref()
    }

    pub(super) fn exists(&self) -> bool {
        self.existing().is_some()
    }

    /// Makes it readable.
    pub(super) fn raise(&self) {
        if let Some(fd) = self.existing() {
            // It can only fail when it has been raised 2^64 - 2 times without a read.
            let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
        }
    }

    /// Makes it unreadable.
    pub(super) fn clear(&self) {
        if let Some(fd) = self.existing() {
            // It fails when it was not raised.
            let _ = rustix::io::read(fd, &mut [0; 8]);
        }
    }
}

#[cfg(target_os = "linux")]
fn open() -> Option<OwnedFd> {
    use rustix::event::{EventfdFlags, eventfd};
    match eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) {
        Ok(fd) => Some(fd),
        Err(e) => {
            log::warn!(target: "holdfast", "could not make an eventfd for a queue: {e}");
            None
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn open() -> Option<OwnedFd> {
    None
}
