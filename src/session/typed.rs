//! The seam of the typed API: statements with a `Bind` that the caller writes, so that values are encoded where they are sent.

use bytes::BytesMut;

use super::block::{Column, ResultBlock};
use super::exchange::{Exchange, Reply, copy_by_query, refused};
use super::lane::{Lane, end};
use super::query::is_stale;
use super::request::{self, Param, ResultFormat};
use super::statement::Sql;
use super::statements::Prepared;
use super::stream::StreamCursor;
use crate::error::{Error, Result};
use crate::link::CopyIn;

/// How a statement is known to the server.
#[derive(Clone, Copy)]
pub(crate) enum Bound<'a> {
    /// By its name.
    Prepared(&'a Prepared),
    /// It is parsed in the same request, with these types of its parameters, and leaves nothing on the server.
    Unnamed { text: &'a str, types: &'a [u32] },
}

impl Bound<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Prepared(prepared) => &prepared.name,
            Self::Unnamed { .. } => "",
        }
    }
}

/// Writes a `Bind` of a portal to a statement, both by name, for a result in binary.
pub(crate) type WriteBind<'w> = &'w mut dyn FnMut(&str, &str, &mut BytesMut) -> Result<()>;

impl<'c> Lane<'c> {
    /// Begins a call: its time starts, and the connection is brought to rest.
    #[inline]
    pub(crate) fn start_call(&mut self) -> Result<()> {
        self.start()
    }

    /// Whether statements are prepared by name.
    pub(crate) fn prepares_by_name(&self) -> bool {
        self.keeps_statements()
    }

    /// The statement of a text whose parameters have the declared types, prepared now if it is not known; whether it was.
    pub(crate) fn find_or_prepare(
        &mut self,
        text: &str,
        declared: &[Param<'_>],
    ) -> Result<(std::sync::Arc<Prepared>, bool)> {
        self.prepared(Sql::Text(text), declared)
    }

    /// The statement does not fit any more; it is prepared anew when it is next used.
    pub(crate) fn forget_prepared(&mut self, text: &str, declared: &[Param<'_>]) {
        self.statements().forget(Sql::Text(text), declared);
    }

    /// Whether a statement failed because it was prepared under other circumstances, before it was run.
    pub(crate) fn failed_as_stale(&self, error: &Error) -> bool {
        is_stale(error) && !self.ran_last_statement()
    }

    /// Has the server describe a statement without keeping it: types of its parameters, columns.
    pub(crate) fn describe_unnamed(&mut self, text: &str, types: &[u32]) -> Result<(Vec<u32>, Vec<Column>)> {
        let out = self.request()?;
        request::parse("", text, types, out)?;
        request::describe_statement("", out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let described = exchange.await_described();
        end(exchange, described)
    }

    /// Runs a statement and returns its rows in binary.
    pub(crate) fn run_bound(&mut self, bound: Bound<'_>, write: WriteBind<'_>) -> Result<ResultBlock> {
        let settings = self.text_settings();
        self.write_execution(bound, false, write)?;
        let mut exchange = self.begin()?;
        let read = match bound {
            Bound::Prepared(prepared) => {
                let columns = &prepared.shape(ResultFormat::Binary, settings).columns;
                prepared.read(columns, |block| exchange.read_rows(block))
            }
            Bound::Unnamed { .. } => exchange.await_bound().and_then(|described| {
                let described = described.unwrap_or_default();
                let mut block = ResultBlock::new(ResultFormat::Binary.applied_to(&described, settings));
                exchange.read_rows(&mut block).map(|()| block)
            }),
        };
        end(exchange, read)
    }

    /// Runs a statement and returns how many rows it changed or returned.
    pub(crate) fn count_bound(&mut self, bound: Bound<'_>, write: WriteBind<'_>) -> Result<u64> {
        self.write_execution(bound, false, write)?;
        let mut exchange = self.begin()?;
        let counted = exchange.await_bound().and_then(|_| exchange.count_rows());
        end(exchange, counted)
    }

    /// Runs a statement whose rows are read in portions, in binary.
    pub(crate) fn stream_bound(&mut self, bound: Bound<'_>, write: WriteBind<'_>) -> Result<StreamCursor> {
        let settings = self.text_settings();
        self.write_execution(bound, true, write)?;
        let end = self.end();
        let cursor = self.await_stream(|described| match bound {
            Bound::Prepared(prepared) => prepared.shape(ResultFormat::Binary, settings).columns.clone(),
            Bound::Unnamed { .. } => {
                ResultFormat::Binary.applied_to(&described.unwrap_or_default(), settings)
            }
        })?;
        Ok(cursor.until(end))
    }

    /// Writes `Parse` if need be, `Bind`, `Execute` and `Sync`; `flushed`: with the reply to `Bind` sent at once.
    fn write_execution(&mut self, bound: Bound<'_>, flushed: bool, write: WriteBind<'_>) -> Result<()> {
        let out = self.out();
        out.clear();
        if let Bound::Unnamed { text, types } = bound {
            request::parse("", text, types, out)?;
            request::describe_statement("", out)?;
        }
        write("", bound.name(), out)?;
        if flushed {
            request::flush(out);
        }
        request::execute(out)?;
        request::sync(out);
        self.close_first()
    }

    /// Puts what is to be closed on the server before the request in the buffer. It is taken only now, when all of the request
    /// could be written; and goes first, since the server skips what follows a failure.
    #[inline]
    pub(super) fn close_first(&mut self) -> Result<()> {
        if self.statements().to_close() == 0 { Ok(()) } else { self.close_before() }
    }

    #[cold]
    fn close_before(&mut self) -> Result<()> {
        let written = self.out().split();
        self.request()?.unsplit(written);
        Ok(())
    }

    /// Runs a text of any number of statements, whose rows are skipped.
    pub(crate) fn run_batch(&mut self, sql: &str) -> Result<()> {
        self.start()?;
        self.out().clear();
        request::query(sql, self.out())?;
        self.close_first()?;
        let exchange = self.begin()?;
        skip_script(exchange)
    }

    /// The cursor or guard that read on was dropped. What is left is read by the next call, not cancelled: the statement is to
    /// take effect as it would if all of it were read. Does not block.
    pub(crate) fn leave_unread(&mut self) {
        self.mark_unread();
        self.skip_what_has_come();
    }

    /// Sends a statement whose answer the next call skips, as far as that can be done without waiting. If the kernel does not
    /// take it, the next call sends it. Does nothing on a connection that is lost.
    pub(crate) fn send_and_leave(&mut self, sql: &str) {
        if self.link().fault().is_none() && !self.try_to_send(sql) && self.link().fault().is_none() {
            self.keep_unsent(sql);
        }
    }
}

fn skip_script(mut exchange: Exchange<'_>) -> Result<()> {
    let failure = loop {
        match exchange.next()?.0 {
            Reply::Described(_) | Reply::Row | Reply::Complete | Reply::EmptyQuery | Reply::Closed => {}
            Reply::Error(e) => break refused(*e),
            Reply::Ready => {
                exchange.finish();
                return Ok(());
            }
            Reply::CopyIn => break exchange.refuse_copy(CopyIn::Simple),
            Reply::CopyOut => break copy_by_query(),
            _ => return Err(exchange.unexpected()),
        }
    };
    end(exchange, Err(failure))
}
