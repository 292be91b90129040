//! The threads of the library.
//!
//! Each starts with every signal blocked that is sent to a process as a whole, so that the program's own threads get them: a
//! daemon that reads SIGTERM by `sigwait` or a signalfd blocks it in its threads, and one thread without that block would be
//! ended by it. Signals that a thread raises by its own fault (SIGSEGV and the like) stay deliverable, for crash reporters.
//!
//! Not `std::thread`: it stops every unwind at a thread's start, so that `pthread_exit` in a callback of the program's, as
//! interpreters call it at their end, would end the process. Here that thread ends, and what it held is dropped.

#![allow(unsafe_code)]

use std::ffi::{CString, c_void};
use std::mem::MaybeUninit;
use std::{io, ptr};

use super::unwind::catch_panic;

/// As much as std gives its threads.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// The signals that stay deliverable: raised by the thread itself.
const OWN_FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

type Work = Box<dyn FnOnce() + Send>;

struct Start {
    name: CString,
    work: Work,
}

/// A started thread. Runs on by itself when this is dropped.
pub(crate) struct Thread(Option<libc::pthread_t>);

impl Thread {
    /// Starts a thread that runs `work`. Names are cut after 15 bytes by the system. A panic of `work` ends the thread alone.
    ///
    /// # Errors
    /// When the system has no thread, or no memory for its stack; `work` is dropped.
    pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        Self::start_with_stack(name, STACK_BYTES, work)
    }

    pub(crate) fn start_with_stack(
        name: &str,
        bytes: usize,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let name = CString::new(&name[..name.len().min(15)])?;
        let start = Box::new(Start { name, work: Box::new(work) });
        let blocked = SignalsBlocked::begin();
        let thread = create(bytes, start);
        drop(blocked);
        thread.map(|id| Self(Some(id)))
    }

    #[cfg(any(feature = "http", test))]
    pub(crate) fn is_current(&self) -> bool {
        // SAFETY: always sound.
        self.0 == Some(unsafe { libc::pthread_self() })
    }

    /// Waits until the thread has ended. Must not be called by the thread itself.
    pub(crate) fn join(mut self) {
        if let Some(id) = self.0.take() {
            // SAFETY: the thread is neither joined nor detached yet.
            unsafe { libc::pthread_join(id, ptr::null_mut()) };
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(id) = self.0.take() {
            // SAFETY: the thread is neither joined nor detached yet.
            unsafe { libc::pthread_detach(id) };
        }
    }
}

type Main = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

fn create(stack_bytes: usize, start: Box<Start>) -> io::Result<libc::pthread_t> {
    let mut attributes = MaybeUninit::uninit();
    let mut id = MaybeUninit::uninit();
    let start = Box::into_raw(start);
    // SAFETY: attributes are initialised before use and destroyed after it. `main` takes the box that it is given. It has the
    // signature that is asked for, but for unwinding, which the system's start of a thread allows.
    let status = unsafe {
        let main = std::mem::transmute::<Main, extern "C" fn(*mut c_void) -> *mut c_void>(main);
        let mut status = libc::pthread_attr_init(attributes.as_mut_ptr());
        if status == 0 {
            // Refused only if it is below the system's least, which ours are not; the default would do as well.
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack_bytes);
            status = libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), main, start.cast());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        status
    };
    if status != 0 {
        // SAFETY: no thread was started, so the box is still ours.
        drop(unsafe { Box::from_raw(start) });
        return Err(io::Error::from_raw_os_error(status));
    }
    // SAFETY: filled by a successful `pthread_create`.
    Ok(unsafe { id.assume_init() })
}

extern "C-unwind" fn main(start: *mut c_void) -> *mut c_void {
    // SAFETY: `create` gave the box away.
    let Start { name, work } = *unsafe { Box::from_raw(start.cast::<Start>()) };
    set_name(&name);
    // The panic hook has reported it.
    let _ = catch_panic(work);
    ptr::null_mut()
}

#[cfg(target_os = "linux")]
fn set_name(name: &CString) {
    // SAFETY: the name ends with NUL and has at most 16 bytes with it.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr()) };
}

#[cfg(target_vendor = "apple")]
fn set_name(name: &CString) {
    // SAFETY: the name ends with NUL.
    unsafe { libc::pthread_setname_np(name.as_ptr()) };
}

/// Debuggers show the thread without a name.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn set_name(_: &CString) {}

/// Blocks signals in this thread, whose mask threads inherit that it starts; until dropped.
pub(crate) struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    pub(crate) fn begin() -> Self {
        let mut blocked = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: the sets are filled before they are read; the signals exist.
        unsafe {
            libc::sigfillset(blocked.as_mut_ptr());
            for signal in OWN_FAULTS {
                libc::sigdelset(blocked.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that `begin` found.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Returns whether the calling thread blocks a signal.
    fn is_blocked(signal: i32) -> bool {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: `mask` is filled before it is read.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr());
            libc::sigismember(mask.as_ptr(), signal) == 1
        }
    }

    #[test]
    fn a_thread_blocks_signals_and_its_starter_does_not() {
        let (sender, seen) = mpsc::channel();
        let thread = Thread::start("holdfast-a-name-too-long", move || {
            assert!(!OWN_FAULTS.into_iter().any(is_blocked));
            sender
                .send([libc::SIGTERM, libc::SIGUSR1, libc::SIGPIPE, libc::SIGCHLD].map(is_blocked))
                .unwrap();
        });
        let thread = thread.unwrap();
        assert!(!thread.is_current());
        thread.join();
        assert_eq!(seen.recv().unwrap(), [true; 4]);
        assert!(!is_blocked(libc::SIGTERM));
    }

    #[test]
    fn a_panic_ends_the_thread_alone_and_drops_what_it_holds() {
        let (sender, gone) = mpsc::channel::<()>();
        let work = move || {
            let _held = sender;
            panic!("on purpose");
        };
        Thread::start("holdfast-panics", work).unwrap().join();
        assert!(gone.recv().is_err());
    }

    #[test]
    fn work_is_dropped_where_no_thread_can_be_made() {
        let (sender, gone) = mpsc::channel::<()>();
        let work = move || drop(sender);
        let outcome = Thread::start_with_stack("holdfast-huge", usize::MAX / 2, work);
        assert!(outcome.is_err() || gone.recv().is_err());
        assert!(gone.recv().is_err());
    }
}
