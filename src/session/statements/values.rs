//! The values of a statement's parameters, written straight into the request that binds them.

use std::error::Error as StdError;

use bytes::BytesMut;
use postgres_protocol::IsNull;

use super::prepared::Prepared;
use super::statement::check_count;
use crate::error::{Error, Result};
use crate::session::exchange::request::Param;
use crate::session::raw_session::RawSession;

/// The error of a value that cannot be written.
pub(crate) type Unwritable = Box<dyn StdError + Send + Sync>;

/// The values of a statement's parameters: [`Param`]s, or values of the caller's own types.
pub(crate) trait BindValues {
    /// True if values are written in the types that the server settled for the statement. The statement then has to be
    /// described before its first run, and a text parsed again is declared with those types.
    const NEEDS_DESCRIPTION: bool;

    /// Returns the number of values.
    fn len(&self) -> usize;

    /// Returns the type to declare for a parameter when the text is parsed; 0 lets the server infer it.
    fn declared(&self, index: usize) -> u32;

    /// Prepares the values for a statement before they are written. The session is at rest and may be used to look up types. An
    /// error means that the values do not match the statement; if it was not described in this call, it is described anew and
    /// the values are fitted once more.
    fn fit(&self, raw: &mut RawSession<'_>, statement: &Prepared) -> Result<()>;

    /// Returns whether values that could not be written may fit once the statement is described anew; nothing was sent.
    /// `fresh`: it was described in this very call.
    fn may_fit_after_describing(&self, _: &Error, _fresh: bool) -> bool {
        false
    }

    /// Returns the format code of a value: 0 for text, 1 for binary.
    fn format(&self, statement: &Prepared, index: usize) -> i16;

    /// Appends a value, without its length.
    fn write(
        &self,
        statement: &Prepared,
        index: usize,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Unwritable>;
}

impl BindValues for [Param<'_>] {
    /// The caller chooses the form of its values, so the server infers undeclared types each time.
    const NEEDS_DESCRIPTION: bool = false;

    #[inline]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline]
    fn declared(&self, index: usize) -> u32 {
        self[index].type_oid
    }

    #[inline]
    fn fit(&self, _: &mut RawSession<'_>, statement: &Prepared) -> Result<()> {
        check_count(statement.parameters().len(), self.len())
    }

    #[inline]
    fn format(&self, _: &Prepared, index: usize) -> i16 {
        self[index].format.code()
    }

    #[inline]
    fn write(
        &self,
        _: &Prepared,
        index: usize,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Unwritable> {
        self[index].write(out)
    }
}
