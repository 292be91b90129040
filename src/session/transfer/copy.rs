//! COPY in both directions, as streams of bytes.

use postgres_protocol::message::frontend::{self, CopyData};

use crate::error::{Error, Phase, Result};
use crate::link::CopyIn as Begun;
use crate::protocol::command_tag::CommandTag;
use crate::session::exchange::request;
use crate::session::exchange::state::{CursorState, ExchangeKind};
use crate::session::exchange::{Exchange, Reply, refused};
use crate::session::raw_session::{RawSession, end};

/// Gathered data is sent once it reaches this size.
const SEND_THRESHOLD_BYTES: usize = 64 * 1024;

/// Larger pieces of data are cut. The protocol allows 1 GB for a message, and memory must hold it.
const MAX_PIECE_BYTES: usize = 1 << 20;

/// A `COPY ... FROM STDIN` in progress, without a borrow of its connection, for callers that cannot keep a [`CopyIn`]. It is
/// valid only with the connection it was opened on.
///
/// Dropped before [`finish`](Self::finish), the copy is aborted and nothing of it stays in the table. The statement deadline
/// applies to each call by itself; the time between two calls does not count.
#[must_use = "it is the only way to finish the copy"]
#[derive(Debug)]
pub struct CopyInCursor {
    state: CursorState,
}

/// A `COPY ... TO STDOUT` in progress, without a borrow of its connection, for callers that cannot keep a [`CopyOut`]. It is
/// valid only with the connection it was opened on.
///
/// Dropped before the end, the copy is aborted. The statement deadline applies to each call by itself; the time between two
/// calls does not count.
#[must_use = "it is the only way to the data of the copy"]
#[derive(Debug)]
pub struct CopyOutCursor {
    state: CursorState,
    tag: CommandTag,
}

/// Data for `COPY ... FROM STDIN`, in the format the statement names.
///
/// Dropped before [`finish`](Self::finish), the copy is aborted and nothing of it stays in the table.
#[must_use = "the copy is given up unless `finish` is called"]
#[derive(Debug)]
pub struct CopyIn<'a> {
    raw: RawSession<'a>,
    cursor: CopyInCursor,
}

/// Data of `COPY ... TO STDOUT`. Dropped before the end, the rest is cancelled and skipped before the connection's next
/// statement, or by the pool.
#[must_use = "the rest of the copy is thrown away when this is dropped"]
#[derive(Debug)]
pub struct CopyOut<'a> {
    raw: RawSession<'a>,
    cursor: CopyOutCursor,
}

fn not_a_copy(direction: &str) -> Error {
    Error::misuse(format!("the statement is not a COPY {direction}")).in_phase(Phase::Query)
}

impl RawSession<'_> {
    /// Begins `COPY ... FROM STDIN`.
    ///
    /// # Errors
    /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) if the statement is something else.
    ///
    /// ```no_run
    /// # let mut conn = holdfast::Pool::from_url("postgresql://app@db/orders")?.get()?;
    /// let mut raw = conn.raw()?;
    /// let mut copy = raw.copy_in("copy item (id, name) from stdin")?;
    /// copy.write(b"1\tapple\n2\tpear\n")?;
    /// assert_eq!(copy.finish()?, 2);
    /// raw.copy_in("copy item from stdin")?.abort("the data is incomplete")?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        let cursor = self.open_copy_in(sql)?;
        Ok(CopyIn { raw: self.reborrow(), cursor })
    }

    /// Begins `COPY ... TO STDOUT`.
    ///
    /// # Errors
    /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) if the statement is something else.
    ///
    /// ```no_run
    /// # let mut conn = holdfast::Pool::from_url("postgresql://app@db/orders")?.get()?;
    /// let (mut raw, mut data) = (conn.raw()?, Vec::new());
    /// let mut copy = raw.copy_out("copy item to stdout")?;
    /// while let Some(piece) = copy.read()? {
    ///     data.extend_from_slice(&piece);
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        let cursor = self.open_copy_out(sql)?;
        Ok(CopyOut { raw: self.reborrow(), cursor })
    }

    /// Does the same as [`copy_in`](Self::copy_in), without keeping the session borrowed.
    ///
    /// # Errors
    /// As for [`copy_in`](Self::copy_in).
    ///
    /// ```no_run
    /// # let mut conn = holdfast::Pool::from_url("postgresql://app@db/orders")?.get()?;
    /// let mut raw = conn.raw()?;
    /// let mut copy = raw.open_copy_in("copy item (id, name) from stdin")?;
    /// copy.write(&mut raw, b"1\tapple\n")?;
    /// assert_eq!(copy.finish(&mut raw)?, 1); // or abort
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn open_copy_in(&mut self, sql: &str) -> Result<CopyInCursor> {
        let mut exchange = self.begin_copy(sql)?;
        match exchange.next()?.0 {
            Reply::CopyIn => {
                Ok(CopyInCursor { state: CursorState::Open(exchange.suspend(ExchangeKind::CopyIn)) })
            }
            Reply::Error(e) => end(exchange, Err(refused(*e))),
            _ => end(exchange, Err(not_a_copy("FROM STDIN"))),
        }
    }

    /// Does the same as [`copy_out`](Self::copy_out), without keeping the session borrowed.
    ///
    /// # Errors
    /// As for [`copy_out`](Self::copy_out).
    ///
    /// ```no_run
    /// # let mut conn = holdfast::Pool::from_url("postgresql://app@db/orders")?.get()?;
    /// let (mut raw, mut row) = (conn.raw()?, Vec::new());
    /// let mut copy = raw.open_copy_out("copy item to stdout")?;
    /// while copy.read_into(&mut raw, &mut row)? {
    ///     println!("{}", String::from_utf8_lossy(&row));
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn open_copy_out(&mut self, sql: &str) -> Result<CopyOutCursor> {
        let mut exchange = self.begin_copy(sql)?;
        match exchange.next()?.0 {
            Reply::CopyOut => {
                let state = CursorState::Open(exchange.suspend(ExchangeKind::CopyOut));
                Ok(CopyOutCursor { state, tag: CommandTag::default() })
            }
            Reply::Error(e) => end(exchange, Err(refused(*e))),
            Reply::CopyIn => {
                exchange.abort_copy(Begun::Simple, "no data was given")?;
                end(exchange, Err(not_a_copy("TO STDOUT")))
            }
            _ => end(exchange, Err(not_a_copy("TO STDOUT"))),
        }
    }

    /// Sends the copy as a `Query`, which the server answers once however the copy ends.
    fn begin_copy(&mut self, sql: &str) -> Result<Exchange<'_>> {
        self.start()?;
        request::query(sql, self.request()?)?;
        self.begin()
    }
}

impl CopyInCursor {
    /// Sends a piece of the data, cut anywhere. Small pieces are gathered. `raw` belongs to the connection on which the copy
    /// was begun. Blocks while the server cannot keep up.
    ///
    /// # Errors
    /// The server's error about the data so far, in this call or a later one; the copy is then over.
    pub fn write(&mut self, raw: &mut RawSession<'_>, data: &[u8]) -> Result<()> {
        self.go_on(raw, |exchange| {
            for piece in data.chunks(MAX_PIECE_BYTES) {
                let message = CopyData::new(piece).map_err(|e| Error::misuse(e.to_string()))?;
                message.write(exchange.out());
                if exchange.out().len() >= SEND_THRESHOLD_BYTES
                    && let Some(reply) = send_data(exchange)?
                {
                    return Ok(Some(reply));
                }
            }
            Ok(None)
        })
    }

    /// Sends the gathered data. Blocks while the server cannot keep up.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub(crate) fn flush(&mut self, raw: &mut RawSession<'_>) -> Result<()> {
        self.go_on(raw, send_data)
    }

    /// Calls `send` in the copy's exchange, which ends if `send` returns a reply of the server.
    fn go_on(
        &mut self,
        raw: &mut RawSession<'_>,
        send: impl FnOnce(&mut Exchange<'_>) -> Result<Option<Reply>>,
    ) -> Result<()> {
        let (mut exchange, ticket) = raw.resume(ExchangeKind::CopyIn, &mut self.state, None)?;
        if let Some(reply) = send(&mut exchange)? {
            return end(exchange, Err(failed_early(reply)));
        }
        exchange.pause();
        self.state = CursorState::Open(ticket);
        Ok(())
    }

    /// Ends the data and returns the number of rows copied. Blocks until the server has answered.
    ///
    /// # Errors
    /// The server's error about the data; nothing of the copy stays in the table.
    pub fn finish(&mut self, raw: &mut RawSession<'_>) -> Result<u64> {
        let (mut exchange, _) = raw.resume(ExchangeKind::CopyIn, &mut self.state, None)?;
        frontend::copy_done(exchange.out());
        exchange.send()?;
        let (reply, message) = exchange.next()?;
        let rows = match reply {
            Reply::Complete => Ok(exchange.tag(&message)?.rows().unwrap_or(0)),
            Reply::Error(e) => Err(refused(*e)),
            _ => return Err(exchange.unexpected()),
        };
        end(exchange, rows)
    }

    /// Aborts the copy; `reason` appears in the server's log.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) if the copy is over, or if `reason` contains a NUL; the copy then goes on.
    pub fn abort(&mut self, raw: &mut RawSession<'_>, reason: &str) -> Result<()> {
        if reason.contains('\0') {
            return Err(Error::misuse("a reason cannot contain a NUL").in_phase(Phase::Query));
        }
        let (mut exchange, _) = raw.resume(ExchangeKind::CopyIn, &mut self.state, None)?;
        // Data not sent yet is discarded.
        exchange.out().clear();
        exchange.abort_copy(Begun::Simple, reason)?;
        // The server answers with the error that was asked for.
        exchange.skip_to_ready().map(drop)
    }
}

/// Sends the gathered data. Returns a reply that has come, with which the server ends the copy.
fn send_data(exchange: &mut Exchange<'_>) -> Result<Option<Reply>> {
    exchange.send()?;
    Ok(exchange.try_next()?.map(|(reply, _)| reply))
}

/// The error of a copy that the server ended before the end of its data.
fn failed_early(reply: Reply) -> Error {
    match reply {
        Reply::Error(e) => refused(*e),
        _ => Error::misuse("the server ended the copy before its data").in_phase(Phase::Query),
    }
}

impl CopyOutCursor {
    /// Returns the next piece of data, one row in text and CSV format; `None` at the end. `raw` belongs to the connection on
    /// which the copy was begun. Blocks until data has come.
    ///
    /// # Errors
    /// The server's error in the middle of the data; the copy is then over.
    pub fn read(&mut self, raw: &mut RawSession<'_>) -> Result<Option<Vec<u8>>> {
        let mut data = Vec::new();
        Ok(self.read_into(raw, &mut data)?.then_some(data))
    }

    /// Like [`read`](Self::read), but replaces the contents of `data`; returns `false` at the end.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_into(&mut self, raw: &mut RawSession<'_>, data: &mut Vec<u8>) -> Result<bool> {
        data.clear();
        if matches!(self.state, CursorState::Ended) {
            return Ok(false);
        }
        let (mut exchange, ticket) = raw.resume(ExchangeKind::CopyOut, &mut self.state, None)?;
        loop {
            let (reply, message) = exchange.next()?;
            match reply {
                Reply::CopyData => {
                    if let Err(e) = exchange.push_data(data, &message) {
                        return end(exchange, Err(e));
                    }
                    exchange.pause();
                    self.state = CursorState::Open(ticket);
                    return Ok(true);
                }
                Reply::CopyDone => {}
                Reply::Complete => {
                    let tag = exchange.tag(&message)?;
                    end(exchange, Ok(()))?;
                    (self.tag, self.state) = (tag, CursorState::Ended);
                    return Ok(false);
                }
                Reply::Error(e) => return end(exchange, Err(refused(*e))),
                _ => return Err(exchange.unexpected()),
            }
        }
    }

    /// Returns the number of rows copied, once the end was read; 0 before.
    pub fn rows(&self) -> u64 {
        self.tag.rows().unwrap_or(0)
    }

    /// Abandons the copy.
    pub(crate) fn abandon(&mut self) {
        if !matches!(self.state, CursorState::Ended) {
            self.state = CursorState::Broken;
        }
    }
}

impl CopyIn<'_> {
    /// Sends a piece of the data; see [`CopyInCursor::write`].
    ///
    /// # Errors
    /// The server's error about the data so far; the copy is then over.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.cursor.write(&mut self.raw, data)
    }

    /// Ends the data and returns the number of rows copied. Blocks until the server has answered.
    ///
    /// # Errors
    /// The server's error about the data.
    pub fn finish(mut self) -> Result<u64> {
        self.cursor.finish(&mut self.raw)
    }

    /// Aborts the copy; `reason` appears in the server's log.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) if the copy is over, or if `reason` contains a NUL.
    pub fn abort(mut self, reason: &str) -> Result<()> {
        self.cursor.abort(&mut self.raw, reason)
    }
}

impl CopyOut<'_> {
    /// Returns the next piece of data, one row in text and CSV format; `None` at the end. Blocks until data has come.
    ///
    /// # Errors
    /// The server's error in the middle of the data; the copy is then over.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        self.cursor.read(&mut self.raw)
    }

    /// Returns the number of rows copied, once the end was read; 0 before.
    pub fn rows(&self) -> u64 {
        self.cursor.rows()
    }
}

impl Drop for CopyOut<'_> {
    /// Skips the part of the rest that was received already.
    fn drop(&mut self) {
        self.cursor.state = CursorState::Broken;
        self.raw.skip_received();
    }
}
