//! Streams: results larger than memory, read in portions at the caller's pace. TCP flow control holds the server back, so
//! nothing piles up on either side.

use std::sync::Arc;
use std::time::Instant;

use super::result::{Column, ResultBlock};
use crate::error::{Error, Result};
use crate::link::CopyIn;
use crate::protocol::command_tag::CommandTag;
use crate::session::exchange::request;
use crate::session::exchange::request::{Param, ResultFormat};
use crate::session::exchange::state::{CursorState, ExchangeKind};
use crate::session::exchange::{Exchange, Reply, copy_by_query, refused};
use crate::session::raw_session::{RawSession, end};
use crate::session::statements::prepared::Prepared;
use crate::session::statements::statement::Sql;
use crate::session::statements::values::BindValues;

/// The size at which a portion ends, so that rows larger than expected do not fill the memory.
const MAX_PORTION_BYTES: usize = 16 << 20;

/// A stream in progress, without a borrow of its connection, for callers that cannot keep a [`RowStream`]. It is valid only
/// with the connection it was opened on.
///
/// Dropping it before the end abandons the stream. The statement deadline applies to each call by itself; the time between two
/// calls does not count.
#[must_use = "it is the only way to the rows of the stream"]
#[derive(Debug)]
pub struct StreamCursor {
    state: CursorState,
    columns: Arc<[Column]>,
    tag: CommandTag,
    /// Set when the end was the limit of a request for rows of a portal, and not the end of the statement.
    is_cut: bool,
    /// The deadline of the statement as a whole; `None` where it applies to each call by itself.
    end: Option<Instant>,
}

/// The rows of one statement, portion by portion. Dropped before the end, the rest is cancelled and skipped before the
/// connection's next statement, or by the pool.
#[must_use = "the rest of the rows is thrown away when this is dropped"]
#[derive(Debug)]
pub struct RowStream<'a> {
    raw: RawSession<'a>,
    cursor: StreamCursor,
}

impl RawSession<'_> {
    /// Runs a statement whose rows are read in portions, prepared as for [`query`](Self::query). Blocks until the server has
    /// accepted it.
    ///
    /// # Errors
    /// As for [`query`](Self::query), where the statement cannot be begun.
    ///
    /// ```
    /// use holdfast::session::ResultFormat;
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut raw = conn.raw()?;
    /// let mut stream = raw.stream("echo:rows 2500", &[], ResultFormat::Text)?;
    /// let mut rows = 0;
    /// while let Some(block) = stream.next_portion(1000)? {
    ///     rows += block.rows();
    /// }
    /// assert_eq!(rows, 2500);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn stream<'a>(
        &mut self,
        sql: impl Into<Sql<'a>>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<RowStream<'_>> {
        let cursor = self.open_stream(sql, params, format)?;
        Ok(RowStream { raw: self.reborrow(), cursor })
    }

    /// Does the same as [`stream`](Self::stream), without keeping the session borrowed.
    ///
    /// # Errors
    /// As for [`stream`](Self::stream).
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut raw = conn.raw()?;
    /// let mut cursor = raw.open_stream("echo:rows 2500", &[], holdfast::session::ResultFormat::Text)?;
    /// assert_eq!(cursor.columns()[1].name, "word");
    /// while let Some(block) = cursor.next_portion(&mut raw, 1000)? {
    ///     assert!(block.rows() <= 1000);
    /// }
    /// assert_eq!((cursor.is_ended(), cursor.command_tag()), (true, "SELECT 2500"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn open_stream<'a>(
        &mut self,
        sql: impl Into<Sql<'a>>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<StreamCursor> {
        let sql = sql.into();
        self.start()?;
        if !self.statements().is_named() && self.statements().find(sql, params).is_none() {
            return self.stream_undescribed(sql, params, format);
        }
        self.stream_known(sql, params, format).map(|(cursor, _)| cursor)
    }

    /// Does the same with values of any kind. Also returns the statement as it was run, which decides how to read the values.
    pub(crate) fn stream_values<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
        format: ResultFormat,
    ) -> Result<(StreamCursor, Arc<Prepared>)> {
        self.start()?;
        self.stream_known(sql, values, format)
    }

    fn stream_known<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
        format: ResultFormat,
    ) -> Result<(StreamCursor, Arc<Prepared>)> {
        sql.check(values)?;
        self.with_prepared(sql, values, |raw, prepared| {
            let shape = prepared.shape(format, raw.text_settings());
            request::bind_values("", sql, prepared, values, &shape.codes, raw.request()?)?;
            raw.begin_stream(|exchange| {
                if prepared.is_named() {
                    exchange.await_bound().map(|()| shape.columns.clone())
                } else {
                    exchange.await_columns(prepared, shape)
                }
            })
        })
    }

    fn stream_undescribed(
        &mut self,
        sql: Sql<'_>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<StreamCursor> {
        sql.check(params)?;
        let (format, settings) = (format.unless_automatic(), self.text_settings());
        let key = self.statements().key_of(sql, params);
        request::bind_undescribed(sql, params, format, self.request()?)?;
        self.begin_stream(|exchange| {
            let prepared = exchange.await_described_and_bound(key)?;
            Ok(prepared.shape(format, settings).columns.clone())
        })
    }

    /// Sends the `Bind` in the buffer, and reads until the server has accepted it.
    pub(in crate::session) fn begin_stream(
        &mut self,
        bound: impl FnOnce(&mut Exchange<'_>) -> Result<Arc<[Column]>>,
    ) -> Result<StreamCursor> {
        let out = self.out();
        // Without it, the server would send `BindComplete` only along with rows.
        request::flush(out);
        request::execute(out);
        request::sync(out);
        let mut exchange = self.begin()?;
        match bound(&mut exchange) {
            Ok(columns) => Ok(StreamCursor::over(exchange, columns)),
            Err(e) => end(exchange, Err(e)),
        }
    }
}

impl StreamCursor {
    /// Leaves an exchange that goes on with rows.
    pub(super) fn over(exchange: Exchange<'_>, columns: Arc<[Column]>) -> Self {
        let state = CursorState::Open(exchange.suspend(ExchangeKind::Stream));
        Self { state, columns, tag: CommandTag::default(), is_cut: false, end: None }
    }

    /// Returns the description of the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the command tag, once the end was read.
    pub fn command_tag(&self) -> &str {
        self.tag.as_str()
    }

    /// Returns whether the end was read.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, CursorState::Ended)
    }

    /// Returns the number of rows changed or returned, once the end of the statement was read.
    pub(crate) fn rows_affected(&self) -> Option<u64> {
        (self.is_ended() && !self.is_cut).then(|| self.tag.rows().unwrap_or(0))
    }

    #[cfg(feature = "capi")]
    pub(crate) fn tag(&self) -> &CommandTag {
        &self.tag
    }

    #[cfg(feature = "capi")]
    pub(crate) fn shared_columns(&self) -> Arc<[Column]> {
        self.columns.clone()
    }

    /// Returns the next rows, at most `most` (0 counts as 1) and fewer where they are large; `None` at the end. `raw` belongs
    /// to the connection on which the stream was opened. Blocks until the rows have come.
    ///
    /// # Errors
    /// The server's error in the middle of the result; the stream is then over. [`Misuse`](crate::ErrorKind::Misuse) after
    /// that, once the connection has gone back to its pool, and if it is another one.
    pub fn next_portion(&mut self, raw: &mut RawSession<'_>, most: usize) -> Result<Option<ResultBlock>> {
        self.portion(raw, most, false)
    }

    /// Returns the next rows: waits for one, and takes those that have arrived with it.
    pub(crate) fn next_arrived(&mut self, raw: &mut RawSession<'_>) -> Result<Option<ResultBlock>> {
        self.portion(raw, usize::MAX, true)
    }

    /// Reads all remaining rows as one block.
    pub(crate) fn rest(&mut self, raw: &mut RawSession<'_>) -> Result<ResultBlock> {
        let (mut exchange, _) = raw.resume(ExchangeKind::Stream, &mut self.state, self.end)?;
        let mut block = ResultBlock::new(self.columns.clone());
        let read = exchange.read_rows(&mut block);
        end(exchange, read)?;
        self.state = CursorState::Ended;
        Ok(block)
    }

    /// Sets the deadline of the statement as a whole.
    pub(crate) fn until(mut self, end: Option<Instant>) -> Self {
        self.end = end;
        self
    }

    /// Abandons the stream.
    pub(crate) fn abandon(&mut self) {
        if !self.is_ended() {
            self.state = CursorState::Broken;
        }
    }

    fn portion(
        &mut self,
        raw: &mut RawSession<'_>,
        most: usize,
        only_arrived: bool,
    ) -> Result<Option<ResultBlock>> {
        if matches!(self.state, CursorState::Ended) {
            return Ok(None);
        }
        let (mut exchange, ticket) = raw.resume(ExchangeKind::Stream, &mut self.state, self.end)?;
        let mut block = ResultBlock::new(self.columns.clone());
        match read_portion(&mut exchange, &mut block, most.max(1), only_arrived) {
            Ok(None) => {
                exchange.pause();
                self.state = CursorState::Open(ticket);
                Ok(Some(block))
            }
            Ok(Some(ended)) => {
                end(exchange, Ok(()))?;
                self.state = CursorState::Ended;
                match ended {
                    Ended::Complete(tag) => {
                        self.tag = tag.clone();
                        block.finish(tag);
                    }
                    Ended::Cut => self.is_cut = true,
                }
                Ok((block.rows() > 0).then_some(block))
            }
            Err(e) => end(exchange, Err(e)),
        }
    }
}

impl RowStream<'_> {
    /// Returns the description of the columns.
    pub fn columns(&self) -> &[Column] {
        self.cursor.columns()
    }

    /// Returns the command tag, once the end was read.
    pub fn command_tag(&self) -> &str {
        self.cursor.command_tag()
    }

    /// Returns the next rows; see [`StreamCursor::next_portion`].
    ///
    /// # Errors
    /// The server's error in the middle of the result; the stream is then over.
    pub fn next_portion(&mut self, most: usize) -> Result<Option<ResultBlock>> {
        self.cursor.next_portion(&mut self.raw, most)
    }
}

impl Drop for RowStream<'_> {
    /// Skips the part of the rest that was received already.
    fn drop(&mut self) {
        self.cursor.state = CursorState::Broken;
        self.raw.skip_received();
    }
}

/// The end of a stream.
enum Ended {
    /// The statement is over.
    Complete(CommandTag),
    /// As many rows of a portal have come as were asked for.
    Cut,
}

/// Reads a portion; returns the end of the stream when it is reached.
fn read_portion(
    exchange: &mut Exchange<'_>,
    block: &mut ResultBlock,
    most: usize,
    only_arrived: bool,
) -> Result<Option<Ended>, Error> {
    while block.rows() < most && block.bytes() < MAX_PORTION_BYTES {
        let (reply, message) = if only_arrived && block.rows() > 0 {
            let Some(arrived) = exchange.next_buffered()? else { return Ok(None) };
            arrived
        } else {
            exchange.next()?
        };
        match reply {
            Reply::Row => exchange.push_row(block, &message)?,
            Reply::Complete => return exchange.tag(&message).map(|tag| Some(Ended::Complete(tag))),
            Reply::EmptyQuery => return Ok(Some(Ended::Complete(CommandTag::default()))),
            Reply::Suspended => return Ok(Some(Ended::Cut)),
            // A dropped portal was closed with the request.
            Reply::Closed => {}
            Reply::Error(e) => return Err(refused(*e)),
            Reply::CopyIn => return Err(exchange.refuse_copy(CopyIn::Extended)),
            Reply::CopyOut => return Err(copy_by_query()),
            _ => return Err(exchange.unexpected()),
        }
    }
    Ok(None)
}
