//! The session as used by one call of the typed API.

use super::statements::describe::{Context, describe, describe_columns};
use super::statements::described::Described;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::cancel::CancelHandle;
use crate::session::{self, RawSession};

/// A session borrowed for a call or a guard.
pub(crate) struct Handle<'c> {
    raw: RawSession<'c>,
    context: Context<'c>,
}

impl<'c> Handle<'c> {
    pub(crate) fn new(raw: RawSession<'c>, context: Context<'c>) -> Self {
        Self { raw, context }
    }

    /// Reborrows it for a shorter time.
    #[inline]
    pub(super) fn reborrow(&mut self) -> Handle<'_> {
        Handle { raw: self.raw.reborrow(), context: self.context }
    }

    pub(super) fn raw_ref(&self) -> &RawSession<'c> {
        &self.raw
    }

    #[inline]
    pub(super) fn raw(&mut self) -> &mut RawSession<'c> {
        &mut self.raw
    }

    pub(super) fn link(&self) -> &crate::link::Link {
        self.raw.link()
    }

    pub(super) fn target(&self) -> &str {
        self.context.target
    }

    pub(crate) fn cancel_handle(&self) -> CancelHandle {
        self.raw.cancel_of().for_present_checkout(self.context.checkouts)
    }

    /// Adds the target to an error. If the server reported why it ended the session, that becomes the error.
    #[cold]
    pub(super) fn explain(&self, error: Error) -> Error {
        let error = match self.link().fatal_message() {
            Some(reported) if error.kind() == ErrorKind::ConnectionLost && error.server().is_none() => {
                Error::from_server(reported, Phase::Query).with_source(error)
            }
            _ => error,
        };
        if error.target().is_none() { error.at_target(self.target()) } else { error }
    }

    pub(crate) fn batch_execute(&mut self, sql: &str) -> Result<()> {
        self.raw.run_batch(sql).map_err(|e| self.explain(e))
    }

    /// Finds the types of a description, with one look-up for all that are not known. The session must be at rest.
    pub(super) fn describe(&mut self, parameters: &[u32], columns: &[session::Column]) -> Result<Described> {
        describe(&mut self.raw, self.context, parameters, columns)
    }

    pub(super) fn context(&self) -> Context<'c> {
        self.context
    }

    /// Describes columns without a look-up; `None` if the type of one is not known.
    pub(super) fn describe_columns(&self, columns: &[session::Column]) -> Option<Described> {
        describe_columns(self.context, columns)
    }
}
