//! Data of COPY TO STDOUT, as a reader.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::error::Result;
use crate::session::CopyOutCursor;
use crate::sql::handle::Handle;

/// Data of `COPY ... TO STDOUT`, as [`copy_out`](crate::PooledConnection::copy_out) returns it.
///
/// Dropped before the end, it does not block. The connection's next call skips the rest, or it is cancelled when the connection
/// is returned to its pool.
#[must_use = "the rest of the copy is thrown away when this is dropped"]
pub struct CopyOutReader<'a> {
    handle: Handle<'a>,
    cursor: CopyOutCursor,
    data: Vec<u8>,
    read: usize,
}

impl<'a> CopyOutReader<'a> {
    pub(crate) fn open(mut handle: Handle<'a>, sql: &str) -> Result<Self> {
        let cursor = handle.raw().open_copy_out(sql).map_err(|e| handle.explain(e))?;
        Ok(Self { handle, cursor, data: Vec::new(), read: 0 })
    }
}

impl Read for CopyOutReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let n = ready.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for CopyOutReader<'_> {
    /// Blocks until data has come; empty at the end.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.data.len() {
            (self.read, self.data) = (0, std::mem::take(&mut self.data));
            match self.cursor.read_into(self.handle.raw(), &mut self.data) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(io::Error::other(self.handle.explain(error))),
            }
        }
        Ok(&self.data[self.read..])
    }

    fn consume(&mut self, n: usize) {
        self.read = (self.read + n).min(self.data.len());
    }
}

impl Drop for CopyOutReader<'_> {
    fn drop(&mut self) {
        self.cursor.abandon();
        self.handle.raw().leave_unread();
    }
}

impl fmt::Debug for CopyOutReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOutReader").finish_non_exhaustive()
    }
}
