//! Connections on loan.
//!
//! A connection is used by one thread at a time, any thread; a second one gets HOLDFAST_STATUS_BUSY. What takes a
//! const holdfast_connection may be called at any time. What a borrower leaves behind is cleaned up before the next one
//! gets the connection: an open transaction is rolled back, an unfinished result or COPY drained. Session settings stay.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::error::holdfast_error;
use super::guard::{Failure, Outcome, guard, milliseconds, or_default};
use super::handle::{Handle, free, hold, look, mark};
use super::status::{HOLDFAST_STATUS_MISUSE, holdfast_status};
use super::text::{EMPTY, Text, holdfast_str};
use crate::link::cancel::CancelHandle;
use crate::pool::PooledConnection;

/// A connection borrowed from a pool. Give it back with holdfast_connection_release.
pub struct holdfast_connection {
    _opaque: [u8; 0],
}

impl Handle for holdfast_connection {
    type Value = Lent;
    const NAME: &'static str = "holdfast_connection";
    const MARK: u64 = mark(b"hf-conn.");
    const STAYS_IN_ITS_PROCESS: bool = true;
}

/// A connection, and what may be asked of it while a call runs on it.
pub struct Lent {
    /// Empty after a panic, which leaves nothing that could be trusted.
    core: Mutex<Option<PooledConnection>>,
    /// Close it instead of giving it back.
    discard: AtomicBool,
    pub(super) cancel: CancelHandle,
    backend_pid: u32,
    target: Text,
}

impl Lent {
    pub(super) fn new(core: PooledConnection) -> Self {
        Self {
            discard: AtomicBool::new(false),
            cancel: core.cancel_handle(),
            backend_pid: core.backend_pid().unwrap_or(0),
            target: Text::new(core.target()),
            core: Mutex::new(Some(core)),
        }
    }

    /// Works on the connection, alone. Never waits for another thread. A panic on the way discards the connection.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut PooledConnection) -> Outcome<T>) -> Outcome<T> {
        let mut core = self.core.try_lock().ok_or_else(|| Failure::busy(holdfast_connection::NAME))?;
        let Some(conn) = core.as_mut() else {
            return Err(Failure::new(
                HOLDFAST_STATUS_MISUSE,
                "this connection was discarded after a defect in the library; release it",
            ));
        };
        match catch_unwind(AssertUnwindSafe(|| work(conn))) {
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

impl Drop for Lent {
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
/// then lost, and the server asked to cancel. The default is the option statement_deadline. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_set_deadline(
    connection: *mut holdfast_connection,
    limit_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or live.
        let lent = unsafe { hold(connection.cast_const())? };
        lent.with(|conn| {
            conn.set_deadline((limit_ms != 0).then(|| milliseconds(limit_ms)));
            Ok(())
        })
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The server's process id for this session, as in pg_stat_activity; 0 if it gave none. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_backend_pid(connection: *const holdfast_connection) -> u32 {
    // SAFETY: the caller gives NULL or a live connection.
    or_default(0, || Ok(unsafe { look(connection)? }.backend_pid))
}

/// The server it leads to, as host:port or a socket path. Belongs to the connection. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_target(connection: *const holdfast_connection) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live connection.
    or_default(EMPTY, || Ok(unsafe { look(connection)? }.target.view()))
}

/// Gives a connection back to its pool. NULL is allowed. Never blocks on the network. The handle is gone; if another thread
/// is still in a call on it, the connection goes back when that call ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_release(connection: *mut holdfast_connection) {
    // SAFETY: the caller gives NULL or a live connection, and does not use it again.
    unsafe { free(connection) }
}

/// Closes a connection instead of giving it back; the pool opens another when one is needed. Else as
/// holdfast_connection_release.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_discard(connection: *mut holdfast_connection) {
    // SAFETY: the caller gives NULL or a live connection, and does not use it again.
    unsafe {
        or_default((), || {
            look(connection.cast_const())?.discard.store(true, Ordering::Relaxed);
            Ok(())
        });
        free(connection);
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::Pool;
    use crate::embedded::EmbeddedPostgres;
    use crate::pool::CloseReason;

    #[test]
    fn a_panic_while_a_connection_is_used_discards_it() {
        let server = EmbeddedPostgres::start().unwrap();
        let pool = Pool::from_url(&server.url()).unwrap();
        let lent = Lent::new(pool.get().unwrap());
        let outcome = catch_unwind(AssertUnwindSafe(|| lent.with::<()>(|_| panic!("a slip"))));
        assert!(outcome.is_err());
        assert!(matches!(lent.with(|_| Ok(())), Err(Failure::Call { status: HOLDFAST_STATUS_MISUSE, .. })));
        drop(lent);
        assert_eq!(pool.stats().closes_by(CloseReason::Discarded), 1);
    }
}
