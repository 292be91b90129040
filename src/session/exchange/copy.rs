//! Copies that a call for something else has begun: they are ended without data, and the call gets an error.

use postgres_protocol::message::frontend;

use super::{Exchange, broken};
use crate::error::{Error, Phase};
use crate::link::CopyIn;

impl Exchange<'_> {
    /// Aborts a COPY FROM STDIN that a call for something else has begun, and returns the caller's error.
    pub(in crate::session) fn refuse_copy(&mut self, copy: CopyIn) -> Error {
        match self.abort_copy(copy, "no data was given") {
            Ok(()) => copy_by_query(),
            Err(e) => e,
        }
    }

    /// Ends a COPY FROM STDIN without its data. Under the extended protocol the server then waits for another `Sync`, since it
    /// discarded the first while it waited for the data.
    pub(in crate::session) fn abort_copy(&mut self, copy: CopyIn, reason: &str) -> Result<(), Error> {
        frontend::copy_fail(reason, self.out()).map_err(broken)?;
        if copy == CopyIn::Extended {
            frontend::sync(self.out());
        }
        self.send()
    }

    /// Ends the COPY FROM STDIN that waits for data, if there is one.
    pub(in crate::session) fn abort_open_copy(&mut self) -> Result<(), Error> {
        match self.line.copy_in() {
            Some(copy) => self.abort_copy(copy, "no data was given"),
            None => Ok(()),
        }
    }
}

pub(in crate::session) fn copy_by_query() -> Error {
    Error::misuse("the statement is a COPY: use copy_in or copy_out").in_phase(Phase::Query)
}
