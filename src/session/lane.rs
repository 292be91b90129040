//! The lane itself: what an embedder does with a connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::block::{Column, ResultBlock};
use super::exchange::{Exchange, Reply, broken, copy_by_query, refused};
use super::request::{self, Param, ResultFormat};
use super::statements::{Prepared, Statements};
use super::wire::{Inbound, malformed, take_text};
use crate::error::{Error, Phase, Result, ServerMessage};
use crate::link::Link;

/// Notifications and notices kept for a caller who does not fetch them; older ones are dropped first.
const MOST_KEPT: usize = 10_000;

/// What `NOTIFY` sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The session that sent it.
    pub process_id: u32,
    /// The channel it was sent on.
    pub channel: String,
    /// What was sent; empty when nothing was.
    pub payload: String,
}

impl Notification {
    pub(super) fn parse(body: &[u8]) -> io::Result<Self> {
        let (process_id, rest) = body.split_first_chunk::<4>().ok_or_else(malformed)?;
        let (channel, rest) = take_text(rest)?;
        let (payload, _) = take_text(rest)?;
        Ok(Self { process_id: u32::from_be_bytes(*process_id), channel, payload })
    }
}

/// What the lane remembers about a connection between exchanges.
pub(crate) struct LaneState {
    pub(super) inbound: Inbound,
    pub(super) out: BytesMut,
    pub(super) statements: Statements,
    notifications: VecDeque<Notification>,
    notices: VecDeque<ServerMessage>,
    /// Replies to a request of this lane are still to come: the client must not use the connection before.
    pub(super) unfinished: bool,
}

fn keep<T>(kept: &mut VecDeque<T>, new: T) {
    if kept.len() == MOST_KEPT {
        kept.pop_front();
    }
    kept.push_back(new);
}

impl LaneState {
    /// `statement_cache` as in the configuration.
    pub(crate) fn new(statement_cache: usize) -> Self {
        Self {
            inbound: Inbound::new(),
            out: BytesMut::new(),
            statements: Statements::new(statement_cache),
            notifications: VecDeque::new(),
            notices: VecDeque::new(),
            unfinished: false,
        }
    }

    pub(super) fn notice(&mut self, notice: ServerMessage) {
        keep(&mut self.notices, notice);
    }

    pub(super) fn notified(&mut self, notification: Notification) {
        keep(&mut self.notifications, notification);
    }

    /// Whether an exchange was given up half-way.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// The next loan starts with nothing of the last one.
    pub(crate) fn forget_messages(&mut self) {
        self.notifications.clear();
        self.notices.clear();
    }
}

/// A connection used directly. Borrowed from it for as long as the client stays at rest.
pub struct Lane<'c> {
    link: &'c Link,
    state: &'c mut LaneState,
}

impl<'c> Lane<'c> {
    pub(crate) fn new(link: &'c Link, state: &'c mut LaneState) -> Self {
        Self { link, state }
    }

    /// Reads what is left of an exchange that was given up half-way, so that the connection can be used again.
    pub(crate) fn drain(&mut self) -> Result<()> {
        if self.state.unfinished {
            let line = self.link.direct_again().map_err(broken)?;
            self.state.out.clear();
            Exchange::begin(line, self.state)?.skip_to_ready()?;
        }
        Ok(())
    }

    /// Sends what stands in the buffer and begins to read the replies.
    pub(super) fn begin(&mut self) -> Result<Exchange<'_>> {
        // A connection that was lost half-way is lost, not misused.
        if let Some(fault) = self.link.fault() {
            return Err(broken(fault.into()));
        }
        if self.state.unfinished {
            return Err(Error::misuse("an earlier result of this connection was not read to its end"));
        }
        let line = self.link.direct().map_err(broken)?;
        Exchange::begin(line, self.state)
    }

    /// Whether statements are prepared by name.
    pub(super) fn keeps_statements(&self) -> bool {
        self.state.statements.is_on()
    }

    /// A clean buffer to write a request into.
    pub(super) fn request(&mut self) -> Result<&mut BytesMut> {
        self.state.out.clear();
        for name in self.state.statements.take_to_close() {
            request::close_statement(&name, &mut self.state.out)?;
        }
        Ok(&mut self.state.out)
    }

    /// Runs one statement and returns its rows. Prepared at first use and kept, unless `statement_cache` is 0.
    ///
    /// A cached statement that no longer fits because a table changed is prepared anew and run again: the server found
    /// that out before it ran anything. Inside a transaction the error stands, since the transaction has failed.
    pub fn query(&mut self, sql: &str, params: &[Param<'_>], format: ResultFormat) -> Result<ResultBlock> {
        if !self.state.statements.is_on() {
            return self.query_unnamed(sql, params, format);
        }
        let outside_transaction = self.link.is_clean();
        let (prepared, fresh) = self.prepared(sql, params)?;
        match self.execute(&prepared, params, format) {
            Err(e) if !fresh && is_stale(&e) && !self.link.ran_last_statement() => {
                self.state.statements.forget(sql, params);
                if !outside_transaction {
                    return Err(e);
                }
                let (prepared, _) = self.prepared(sql, params)?;
                self.execute(&prepared, params, format)
            }
            done => done,
        }
    }

    /// The statement for a text; whether it was prepared just now.
    pub(super) fn prepared(&mut self, sql: &str, params: &[Param<'_>]) -> Result<(Arc<Prepared>, bool)> {
        if let Some(prepared) = self.state.statements.find(sql, params) {
            return Ok((prepared, false));
        }
        let name = self.state.statements.next_name();
        let prepared = Arc::new(self.prepare(name, sql, params)?);
        self.state.statements.keep(sql, params, prepared.clone());
        Ok((prepared, true))
    }

    fn prepare(&mut self, name: String, sql: &str, params: &[Param<'_>]) -> Result<Prepared> {
        let out = self.request()?;
        request::parse(&name, sql, params, out)?;
        request::describe_statement(&name, out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let (mut parameters, mut columns) = (Vec::new(), Vec::new());
        loop {
            match exchange.next()?.0 {
                Reply::Step => {}
                Reply::ParameterTypes(types) => parameters = types,
                Reply::Described(described) => columns = described,
                Reply::NoRows => {}
                Reply::Error(e) => {
                    exchange.skip_to_ready()?;
                    return Err(refused(*e));
                }
                Reply::Ready => {
                    exchange.finish();
                    return Ok(Prepared::new(name, parameters, &columns));
                }
                _ => return Err(exchange.unexpected()),
            }
        }
    }

    fn execute(
        &mut self,
        prepared: &Prepared,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        check_count(prepared, params)?;
        let out = self.request()?;
        let shape = prepared.shape(format);
        request::bind_and_execute(&prepared.name, params, &shape.codes, out)?;
        request::sync(out);
        let mut block = ResultBlock::new(shape.columns.clone());
        let mut exchange = self.begin()?;
        let read = exchange.read_rows(&mut block);
        end(exchange, read)?;
        Ok(block)
    }

    /// Everything in one request, nothing left on the server: for poolers that give each request another server
    /// connection. The types of the result are not known beforehand, so automatic format means text here.
    fn query_unnamed(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        let format = if format == ResultFormat::Automatic { ResultFormat::Text } else { format };
        let out = self.request()?;
        request::parse("", sql, params, out)?;
        request::describe_statement("", out)?;
        request::bind_and_execute("", params, &format.codes(&[]), out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let read = read_described(&mut exchange, format);
        end(exchange, read)
    }

    /// Runs a text of one or more statements without parameters; a block for each statement, values as text. They form
    /// one transaction unless the text says otherwise, and an error ends the whole text.
    pub fn script(&mut self, sql: &str) -> Result<Vec<ResultBlock>> {
        let out = self.request()?;
        request::query(sql, out)?;
        let mut exchange = self.begin()?;
        let mut blocks = Vec::new();
        let mut current = ResultBlock::new([].into());
        let failure = loop {
            let (reply, message) = exchange.next()?;
            match reply {
                Reply::Described(columns) => current = ResultBlock::new(columns.into()),
                Reply::Row => exchange.push_row(&mut current, &message)?,
                Reply::Complete(tag) => {
                    current.finish(tag);
                    blocks.push(std::mem::replace(&mut current, ResultBlock::new([].into())));
                }
                Reply::EmptyQuery | Reply::Step => {}
                Reply::Error(e) => break refused(*e),
                Reply::Ready => {
                    exchange.finish();
                    return Ok(blocks);
                }
                Reply::CopyIn => break exchange.refuse_copy(false),
                Reply::CopyOut => break copy_by_query(),
                _ => return Err(exchange.unexpected()),
            }
        };
        end(exchange, Err(failure))
    }

    /// The next notification, waiting for at most `patience`. The connection must be listening.
    pub fn notification(&mut self, patience: Duration) -> Result<Option<Notification>> {
        let end = Instant::now().checked_add(patience);
        loop {
            if let Some(notification) = self.state.notifications.pop_front() {
                return Ok(Some(notification));
            }
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if !self.take_in(left)? {
                return Ok(None);
            }
        }
    }

    /// Takes in what the server says unasked. `false` when it says nothing within `patience`.
    fn take_in(&mut self, patience: Duration) -> Result<bool> {
        if self.state.unfinished {
            return Err(Error::misuse("an earlier result of this connection was not read to its end"));
        }
        let line = self.link.direct().map_err(broken)?;
        Exchange::listen(line, self.state, patience)
    }

    /// What the server remarked since the last call (`NOTICE`, `WARNING`), oldest first.
    pub fn take_notices(&mut self) -> Vec<ServerMessage> {
        self.state.notices.drain(..).collect()
    }
}

/// Ends an exchange whose statement is over: reads on to `ReadyForQuery`, so that the connection is at rest even after
/// an error. An error that comes only now (at commit, from a deferred constraint) counts too.
pub(super) fn end<T>(exchange: Exchange<'_>, outcome: Result<T>) -> Result<T> {
    match outcome {
        Ok(done) => match exchange.skip_to_ready()? {
            Some(late) => Err(refused(*late)),
            None => Ok(done),
        },
        Err(e) if exchange.is_given_up() => Err(e),
        Err(e) => {
            // On a broken line this fails at once, and the first error tells more.
            let _ = exchange.skip_to_ready();
            Err(e)
        }
    }
}

/// Reads the replies to parse, describe, bind and execute sent as one.
fn read_described(exchange: &mut Exchange<'_>, format: ResultFormat) -> Result<ResultBlock> {
    let columns: Vec<Column> = loop {
        match exchange.next()?.0 {
            Reply::Step | Reply::ParameterTypes(_) => {}
            Reply::Described(columns) => break columns,
            Reply::NoRows => break Vec::new(),
            Reply::Error(e) => return Err(refused(*e)),
            _ => return Err(exchange.unexpected()),
        }
    };
    let mut block = ResultBlock::new(format.applied_to(&columns));
    exchange.read_rows(&mut block)?;
    Ok(block)
}

pub(super) fn check_count(prepared: &Prepared, params: &[Param<'_>]) -> Result<()> {
    let (wanted, given) = (prepared.parameters.len(), params.len());
    if wanted == given {
        return Ok(());
    }
    Err(Error::misuse(format!("the statement has {wanted} parameters, but {given} were given"))
        .in_phase(Phase::Query))
}

/// See the pool's statement cache, which asks the same of the client's errors.
fn is_stale(error: &Error) -> bool {
    match error.sqlstate().map(|s| s.code()) {
        Some("0A000") => error.server_message() == Some("cached plan must not change result type"),
        Some("26000") => true,
        _ => false,
    }
}
