//! Cancel requests that a signal handler asks for. A handler may only set a flag and write into a socket: a thread, one for all
//! of them in the process, sends the requests. It is there while any handle is armed.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::cancel::CancelHandle;
use crate::sys::errno;
use crate::sys::process_local::ProcessLocal;
use crate::sys::sync::Mutex;
use crate::sys::thread::Thread;

/// A cancel handle that a signal handler can use.
pub(crate) struct SignalCancel {
    is_wanted: AtomicBool,
    handle: CancelHandle,
    canceller: Arc<Canceller>,
}

/// What the armed handles share with the thread.
struct Canceller {
    /// Never blocks.
    wake: UnixStream,
    armed: Mutex<Vec<Weak<SignalCancel>>>,
}

/// The canceller whose thread runs.
static CURRENT: ProcessLocal<Mutex<Weak<Canceller>>> = ProcessLocal::new(|| Mutex::new(Weak::new()));

impl SignalCancel {
    /// Arms a handle.
    ///
    /// # Errors
    /// When the process has no descriptors or no thread left.
    pub(crate) fn arm(handle: CancelHandle) -> io::Result<Arc<Self>> {
        let mut current = CURRENT.get().lock();
        let canceller = match current.upgrade() {
            Some(canceller) => canceller,
            None => {
                let (wake, woken) = UnixStream::pair()?;
                wake.set_nonblocking(true)?;
                let canceller = Arc::new(Canceller { wake, armed: Mutex::default() });
                let kept = canceller.clone();
                drop(Thread::start("holdfast-cancel", move || kept.serve(woken))?);
                *current = Arc::downgrade(&canceller);
                canceller
            }
        };
        let armed =
            Arc::new(Self { is_wanted: AtomicBool::new(false), handle, canceller: canceller.clone() });
        canceller.armed.lock().push(Arc::downgrade(&armed));
        Ok(armed)
    }

    /// Has the thread send the request. Safe in a signal handler: an atomic store and a `send(2)` that does not block.
    pub(crate) fn raise(&self) {
        self.is_wanted.store(true, Ordering::Release);
        errno::kept(|| self.canceller.wake());
    }
}

impl Drop for SignalCancel {
    fn drop(&mut self) {
        // The thread may be there for this one only.
        self.canceller.wake();
    }
}

impl Canceller {
    fn wake(&self) {
        // It fails when so much was written that the thread has not read yet: that is woken anyway.
        let _ = (&self.wake).write(&[1]);
    }

    fn serve(self: Arc<Self>, mut woken: UnixStream) {
        let mut bytes = [0; 256];
        loop {
            match woken.read(&mut bytes) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            for armed in self.wanted() {
                if let Err(e) = armed.handle.cancel() {
                    log::debug!(target: "holdfast", "could not cancel what a signal was to end: {e}");
                }
            }
            if self.ends() {
                return;
            }
        }
    }

    fn wanted(&self) -> Vec<Arc<SignalCancel>> {
        let armed: Vec<_> = self.armed.lock().iter().filter_map(Weak::upgrade).collect();
        armed.into_iter().filter(|one| one.is_wanted.swap(false, Ordering::AcqRel)).collect()
    }

    /// Returns whether no handle is armed any more, and takes on no further one then.
    fn ends(&self) -> bool {
        let mut current = CURRENT.get().lock();
        let mut armed = self.armed.lock();
        armed.retain(|one| one.strong_count() > 0);
        if armed.is_empty() {
            *current = Weak::new();
        }
        armed.is_empty()
    }
}
