//! The base of streams and copies, which last over several calls on a connection that may be given back meanwhile.

use crate::sys::sync::Mutex;

use super::query::with_raw;
use crate::ffi::capi::boundary::guard::{Failure, Outcome};
use crate::ffi::capi::boundary::handle::{Handle, Held, Watched};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::status::HOLDFAST_STATUS_MISUSE;
use crate::session::RawSession;

/// A cursor, and the connection it goes with. It does not keep the connection checked out, so that a forgotten cursor
/// costs a pool nothing.
pub(in crate::ffi::capi) struct OnConnection<C> {
    connection: Watched<holdfast_connection>,
    cursor: Mutex<C>,
}

impl<C> OnConnection<C> {
    pub(in crate::ffi::capi) fn new(connection: Watched<holdfast_connection>, cursor: C) -> Self {
        Self { connection, cursor: Mutex::new(cursor) }
    }

    /// Works on the connection, alone, on behalf of a handle of type `H`. Never waits for another thread.
    pub(in crate::ffi::capi) fn with<H: Handle, T>(
        &self,
        work: impl FnOnce(&mut C, &mut RawSession<'_>) -> crate::Result<T>,
    ) -> Outcome<T> {
        let mut cursor = self.cursor.try_lock().ok_or_else(|| Failure::busy(H::NAME))?;
        let checkout = self.connection::<H>()?;
        checkout.with(|conn| with_raw(conn, |raw| work(&mut cursor, raw)))
    }

    /// Returns the connection, unless it was given back.
    pub(in crate::ffi::capi) fn connection<H: Handle>(&self) -> Outcome<Held<holdfast_connection>> {
        self.connection.hold().ok_or_else(|| {
            Failure::new(
                HOLDFAST_STATUS_MISUSE,
                format!("the connection was given back, and with that this {} ended", H::NAME),
            )
        })
    }

    /// Works for a thread of the library that has the connection to itself. Waits for a caller that is about to be refused.
    pub(in crate::ffi::capi) fn step<T>(
        &self,
        raw: &mut RawSession<'_>,
        work: impl FnOnce(&mut C, &mut RawSession<'_>) -> crate::Result<T>,
    ) -> crate::Result<T> {
        work(&mut self.cursor.lock(), raw)
    }
}
