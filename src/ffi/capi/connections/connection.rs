//! Connections checked out of a pool.
//!
//! A connection is used by one thread at a time, any thread; a second one gets HOLDFAST_STATUS_BUSY. What takes a
//! const holdfast_connection may be called at any time. What a caller leaves behind is cleaned up before the next one
//! gets the connection: an open transaction is rolled back, an unfinished result or COPY drained. Session settings stay.
//!
//! While a stream or a COPY is open on a connection, other calls on it give HOLDFAST_STATUS_MISUSE. The next call ends
//! one that was freed before its end, within the deadline of that call: the server is asked to cancel it, by which an
//! open transaction fails, or receives the end of the data; the rest of its answer is skipped.

use std::ffi::c_int;
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{Handle, Object, free, handle, hold, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_BUSY, HOLDFAST_STATUS_MISUSE, holdfast_status};
use crate::ffi::capi::library::text::{EMPTY, Text, holdfast_str};
use crate::ffi::capi::statements::query::with_raw;
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::pool::{CheckoutHandle, PooledConnection};
use crate::queue::{ConnectionQueue, HeldConnection};
use crate::sys::sync::{Mutex, MutexGuard};
use crate::sys::unwind::catch_panic;

/// A connection checked out of a pool. Give it back with holdfast_connection_release.
pub struct holdfast_connection {
    _opaque: [u8; 0],
}

handle!(holdfast_connection: CheckedOut, b"hf-conn.", stays_in_its_process = true);

const DISCARDED: &str = "this connection was discarded after a defect in the library; release it";

/// A function of the program's that the library gives a connection to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    /// The body of a transaction, which has no say in the transaction's end either.
    Body,
    /// The callback that sets up a session.
    Hook,
}

/// A connection, and what may be asked of it while a call runs on it.
pub struct CheckedOut {
    /// Empty after a panic, which leaves nothing that could be trusted.
    core: Mutex<Option<PooledConnection>>,
    /// Close it instead of giving it back.
    discard: AtomicBool,
    /// Given to a function of the program's that has to leave it to the library.
    given_to: Option<Function>,
    /// The body tried to give it back all the same.
    given_back: AtomicBool,
    pub(in crate::ffi::capi) link: Link,
    pub(in crate::ffi::capi) cancel: Arc<CancelHandle>,
    /// Requests submitted to it, which have the connection to themselves while there are any.
    connection_queue: Arc<ConnectionQueue>,
    handle: CheckoutHandle,
    backend_pid: u32,
    target: Text,
}

impl CheckedOut {
    pub(in crate::ffi::capi) fn new(core: PooledConnection) -> Self {
        Self {
            discard: AtomicBool::new(false),
            given_to: None,
            given_back: AtomicBool::new(false),
            link: core.link().clone(),
            cancel: Arc::new(core.cancel_handle()),
            connection_queue: Arc::default(),
            handle: core.checkout_handle(),
            backend_pid: core.backend_pid().unwrap_or(0),
            target: Text::new(core.target()),
            core: Mutex::new(Some(core)),
        }
    }

    /// For the body of a transaction.
    pub(in crate::ffi::capi) fn to_body(core: PooledConnection) -> Self {
        let mut checkout = Self::new(core);
        checkout.given_to = Some(Function::Body);
        checkout
    }

    /// For the callback that sets up a session.
    pub(in crate::ffi::capi) fn to_hook(core: PooledConnection) -> Self {
        let mut checkout = Self::new(core);
        checkout.given_to = Some(Function::Hook);
        checkout
    }

    /// Takes the connection back from a function that has returned.
    pub(in crate::ffi::capi) fn take_back(&self) -> Outcome<PooledConnection> {
        let taken = match self.core.try_lock() {
            Some(mut core) => core.take(),
            None => {
                return Err(Failure::new(
                    HOLDFAST_STATUS_BUSY,
                    "the function returned while another thread was in a call on its connection: that is closed, or rolled back, when the call ends",
                ));
            }
        };
        taken.ok_or_else(discarded)
    }

    /// Set when the function that it was given to tried to release or discard it.
    pub(in crate::ffi::capi) fn was_given_back(&self) -> bool {
        self.given_back.load(Ordering::Relaxed)
    }

    /// Refuses what only the pool may do for the body of a transaction.
    pub(in crate::ffi::capi) fn check_not_in_body(&self) -> Outcome {
        if self.given_to == Some(Function::Body) {
            return Err(Failure::new(
                HOLDFAST_STATUS_MISUSE,
                "inside holdfast_pool_transaction the transaction is begun and ended by the pool: return from the body, or use savepoints",
            ));
        }
        Ok(())
    }

    /// Works on the connection, alone. Never waits for another thread. A panic on the way discards the connection.
    pub(in crate::ffi::capi) fn with<T>(
        &self,
        work: impl FnOnce(&mut PooledConnection) -> Outcome<T>,
    ) -> Outcome<T> {
        let core = self.core.try_lock().ok_or_else(|| Failure::busy(holdfast_connection::NAME))?;
        if self.connection_queue.is_active() {
            return Err(Failure::new(
                HOLDFAST_STATUS_BUSY,
                "requests submitted to this connection are not done",
            ));
        }
        Self::work_on(core, work)
    }

    fn work_on<T>(
        mut core: MutexGuard<'_, Option<PooledConnection>>,
        work: impl FnOnce(&mut PooledConnection) -> Outcome<T>,
    ) -> Outcome<T> {
        let Some(conn) = core.as_mut() else {
            return Err(Failure::new(HOLDFAST_STATUS_MISUSE, DISCARDED));
        };
        match catch_panic(|| work(conn)) {
            Ok(done) => done,
            Err(payload) => {
                if let Some(conn) = core.take() {
                    conn.discard();
                }
                resume_unwind(payload)
            }
        }
    }
}

fn discarded() -> Failure {
    Failure::new(HOLDFAST_STATUS_MISUSE, DISCARDED)
}

impl HeldConnection for Object<CheckedOut> {
    fn connection_queue(&self) -> &Arc<ConnectionQueue> {
        &self.connection_queue
    }

    fn with_connection(&self, work: &mut dyn FnMut(&mut PooledConnection)) -> Result<(), Error> {
        // Others look in for a moment at most: they see that the queue is active.
        let done = CheckedOut::work_on(self.core.lock(), |conn| {
            work(conn);
            Ok(())
        });
        done.map_err(|_| Error::misuse(DISCARDED))
    }

    fn if_unused(&self, claim: &mut dyn FnMut()) -> bool {
        let unused = self.core.try_lock();
        if unused.is_some() {
            claim();
        }
        unused.is_some()
    }

    fn cancel_handle(&self) -> Arc<CancelHandle> {
        self.cancel.clone()
    }

    fn checkout_handle(&self) -> CheckoutHandle {
        self.handle.clone()
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        if let Some(conn) = self.core.get_mut().take()
            && *self.discard.get_mut()
        {
            conn.discard();
        }
    }
}

/// Limits every statement from now until the connection goes back, to limit_ms milliseconds each; 0 lifts the limit. A
/// statement that runs past it fails with HOLDFAST_STATUS_QUERY_TIMEOUT whatever server and network do; the connection is
/// then lost, and the server asked to cancel. The calls on a stream or a COPY are limited one by one: the time between two
/// of them does not count. The default is the option statement_deadline. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_set_deadline(
    connection: *mut holdfast_connection,
    limit_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or live.
        let checkout = unsafe { hold(connection.cast_const())? };
        checkout.with(|conn| {
            conn.set_deadline((limit_ms != 0).then(|| milliseconds(limit_ms)));
            Ok(())
        })
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Asks the server whether it answers, by an empty statement. Blocks as holdfast_connection_query; in a transaction that has
/// failed it succeeds too. HOLDFAST_STATUS_CONNECTION_LOST or _QUERY_TIMEOUT if it does not answer.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_ping(
    connection: *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or live.
        let checkout = unsafe { hold(connection.cast_const())? };
        checkout.with(|conn| with_raw(conn, |raw| raw.script("").map(drop)))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The server's process id for this session, as in pg_stat_activity; 0 if it gave none. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_backend_pid(
    connection: *const holdfast_connection,
) -> u32 {
    // SAFETY: the caller gives NULL or a live connection.
    or_default(0, || Ok(unsafe { look(connection)? }.backend_pid))
}

/// The connection's socket, to be waited for by poll, epoll or an event loop while nothing runs on the connection and
/// nothing is submitted to it: once it is readable, holdfast_connection_notification with a limit of 0 returns what has
/// come, or reports that the connection is lost. Call that until it has nothing more before the next wait, since some
/// may have been received already. The socket is for waiting only: reading, writing or closing it breaks the
/// connection. It belongs to the connection until that is given back. -1 for NULL. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_socket(connection: *const holdfast_connection) -> c_int {
    // SAFETY: the caller gives NULL or a live connection.
    or_default(-1, || Ok(unsafe { look(connection)? }.link.descriptor().as_raw_fd()))
}

/// The server it leads to, as host:port or a socket path. Belongs to the connection. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_target(
    connection: *const holdfast_connection,
) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live connection.
    or_default(EMPTY, || Ok(unsafe { look(connection)? }.target.view()))
}

/// Gives a connection back to its pool. NULL is allowed. Never blocks on the network. The handle is gone; if another thread
/// is still in a call on it, the connection goes back when that call ends; requests submitted to it are done before, all of
/// them. A stream or a COPY that is open on it ends with that: later calls on it give HOLDFAST_STATUS_MISUSE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_release(connection: *mut holdfast_connection) {
    // SAFETY: the caller gives NULL or a live connection, and does not use it again.
    unsafe { end(connection, false) }
}

/// Closes a connection instead of giving it back; the pool opens another when one is needed. Requests submitted to it that
/// do not run yet end with HOLDFAST_STATUS_CANCELED. Else as holdfast_connection_release.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_discard(connection: *mut holdfast_connection) {
    // SAFETY: the caller gives NULL or a live connection, and does not use it again.
    unsafe { end(connection, true) }
}

/// # Safety
/// `connection` is NULL or live, and not used again, unless it is given to a function of the program's.
unsafe fn end(connection: *mut holdfast_connection, discard: bool) {
    let is_kept = or_default(false, || {
        // SAFETY: as promised.
        let checkout = unsafe { hold(connection.cast_const())? };
        checkout.discard.fetch_or(discard, Ordering::Relaxed);
        if checkout.given_to.is_some() {
            checkout.given_back.store(true, Ordering::Relaxed);
        } else if discard {
            checkout.connection_queue.cancel_waiting();
        }
        Ok(checkout.given_to.is_some())
    });
    if !is_kept {
        // SAFETY: as promised.
        unsafe { free(connection) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pool;
    use crate::pool::CloseReason;
    use holdfast_testkit::embedded::EmbeddedPostgres;

    #[test]
    fn a_panic_while_a_connection_is_used_discards_it() {
        let server = EmbeddedPostgres::start().unwrap();
        let pool = Pool::from_url(&server.url()).unwrap();
        let checkout = CheckedOut::new(pool.get().unwrap());
        let outcome = catch_panic(|| checkout.with::<()>(|_| panic!("a slip")));
        assert!(outcome.is_err());
        assert!(matches!(
            checkout.with(|_| Ok(())),
            Err(Failure::Call { status: HOLDFAST_STATUS_MISUSE, .. })
        ));
        drop(checkout);
        assert_eq!(pool.stats().closes_by(CloseReason::Discarded), 1);
    }
}
