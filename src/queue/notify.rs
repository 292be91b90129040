//! Notification of the program that completions wait: a readable descriptor, a callback.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use crate::sys::callback;
use crate::sys::sync::{Condvar, Mutex};

/// The program's callback. Dropped once it will not be called any more.
pub(crate) struct Callback {
    run: Box<dyn Fn() + Send + Sync>,
    /// Dropped after `run`, and what that holds.
    gone: TellsGone,
}

#[derive(Default)]
struct Gone {
    is: Mutex<bool>,
    changed: Condvar,
}

struct TellsGone(Arc<Gone>);

impl Drop for TellsGone {
    fn drop(&mut self) {
        *self.0.is.lock() = true;
        self.0.changed.notify_all();
    }
}

impl Callback {
    pub(crate) fn new(run: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { run: Box::new(run), gone: TellsGone(Arc::default()) })
    }

    pub(super) fn call(&self) {
        callback::run(|| (self.run)());
    }

    /// Gives up a callback that was taken away, and blocks until every call of it has returned and it is dropped. Inside a
    /// callback, which may be this one, it does not block.
    pub(crate) fn end(self: Arc<Self>) {
        let gone = self.gone.0.clone();
        drop(self);
        if callback::is_running() {
            return;
        }
        let mut is_gone = gone.is.lock();
        while !*is_gone {
            gone.changed.wait(&mut is_gone);
        }
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
