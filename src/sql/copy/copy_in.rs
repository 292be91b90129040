//! Data for COPY FROM STDIN, as a writer.

use std::fmt;
use std::io;

use crate::error::Result;
use crate::session::CopyInCursor;
use crate::sql::handle::Handle;

/// Data for `COPY ... FROM STDIN`, as [`copy_in`](crate::PooledConnection::copy_in) returns it.
///
/// Small pieces are gathered. Dropped before [`finish`](Self::finish), the copy is aborted and nothing of it stays in the
/// table. The drop does not block.
#[must_use = "the copy is given up unless `finish` is called"]
pub struct CopyInWriter<'a> {
    handle: Handle<'a>,
    cursor: CopyInCursor,
}

impl<'a> CopyInWriter<'a> {
    pub(crate) fn open(mut handle: Handle<'a>, sql: &str) -> Result<Self> {
        let cursor = handle.raw().open_copy_in(sql).map_err(|e| handle.explain(e))?;
        Ok(Self { handle, cursor })
    }

    /// Ends the data and returns the number of rows copied. Blocks until the server has answered. Blocks until the server has
    /// taken them all.
    ///
    /// # Errors
    /// The server's error about the data; nothing of the copy stays in the table.
    pub fn finish(mut self) -> Result<u64> {
        self.cursor.finish(self.handle.raw()).map_err(|e| self.handle.explain(e))
    }
}

impl io::Write for CopyInWriter<'_> {
    /// Takes all of `data`; rows may be cut anywhere. Blocks while the server cannot keep up.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.cursor.write(self.handle.raw(), data);
        written.map(|()| data.len()).map_err(|e| io::Error::other(self.handle.explain(e)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.cursor.flush(self.handle.raw()).map_err(|e| io::Error::other(self.handle.explain(e)))
    }
}

impl fmt::Debug for CopyInWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyInWriter").finish_non_exhaustive()
    }
}
