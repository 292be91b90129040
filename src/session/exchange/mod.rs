//! One request and its replies, up to `ReadyForQuery`.

pub(super) mod bound;
mod copy;
pub(super) mod description;
pub(super) mod messages;
pub(super) mod reader;
pub(super) mod request;
pub(super) mod state;
pub(super) mod unanswered;

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use bytes::BytesMut;

pub(super) use self::copy::copy_by_query;
use self::description::{parse_columns, parse_types};
use self::messages::Notification;
use self::reader::{Received, malformed, parse_server_message, text_at};
use self::state::{ExchangeKind, ExchangeState, ExchangeTicket, UnreadReplies};
use super::raw_session::SessionState;
use super::statements::statement_cache::Statements;
use super::transfer::result::{Column, ResultBlock};
use crate::error::{Error, ErrorKind, LinkFault, Phase, ServerMessage, find_source};
use crate::link::CopyIn;
use crate::link::blocking::BlockingLink;
use crate::protocol::command_tag::CommandTag;

/// Buffers that grew beyond this for one request are freed at its end.
pub(super) const MAX_KEPT_BUFFER_BYTES: usize = 1 << 20;

/// An exchange under way, for the time of a call. It holds the line, and its request was sent.
pub(super) struct Exchange<'a> {
    pub(super) line: BlockingLink<'a>,
    pub(super) state: &'a mut SessionState,
    /// Set when the rest of the replies is abandoned. The statement is cancelled before the next one, or by the pool.
    abandoned: bool,
}

/// A message that belongs to the reply. Messages the server sends unasked are handled before.
pub(super) enum Reply {
    Row,
    Described(Vec<Column>),
    ParameterTypes(Vec<u32>),
    NoRows,
    /// See [`Exchange::tag`].
    Complete,
    EmptyQuery,
    /// A portal has more rows than were asked for.
    Suspended,
    Error(Box<ServerMessage>),
    CopyIn,
    CopyOut,
    CopyData,
    CopyDone,
    Ready,
    Parsed,
    Bound,
    /// A statement was closed. No caller waits for it.
    Closed,
}

impl<'a> Exchange<'a> {
    /// Sends `state.out`.
    pub(super) fn begin(line: BlockingLink<'a>, state: &'a mut SessionState) -> Result<Self, Error> {
        let mut exchange = Self { line, state, abandoned: false };
        exchange.state.settings = exchange.line.text_settings();
        exchange.state.exchange_state = ExchangeState::Left;
        exchange.state.unread = UnreadReplies::default();
        exchange.state.reader.begin_exchange();
        exchange.send()?;
        Ok(exchange)
    }

    /// Resumes an exchange that an earlier call began.
    pub(super) fn resume(line: BlockingLink<'a>, state: &'a mut SessionState) -> Self {
        Self { line, state, abandoned: false }
    }

    /// Ends the call that began the exchange, and returns the ticket with which later calls resume it.
    pub(super) fn suspend(self, kind: ExchangeKind) -> ExchangeTicket {
        self.line.pause();
        self.state.exchange_state.open(kind)
    }

    /// Ends a call in the middle of the exchange.
    pub(super) fn pause(self) {
        self.line.pause();
    }

    /// Receives messages that the server sends unasked; `false` when none comes within `timeout`. A message received only in
    /// part is left for the next reader.
    pub(super) fn listen(
        line: BlockingLink<'a>,
        state: &'a mut SessionState,
        timeout: Duration,
    ) -> Result<bool, Error> {
        let mut exchange = Self { line, state, abandoned: false };
        let took_any = exchange.take_unasked(timeout);
        exchange.state.reader.hand_back(&mut exchange.line);
        took_any
    }

    fn take_unasked(&mut self, timeout: Duration) -> Result<bool, Error> {
        let end = Instant::now().checked_add(timeout);
        let mut took_any = false;
        loop {
            match self.state.reader.parse() {
                Ok(Some(message)) => {
                    self.take_unasked_message(&message)?;
                    took_any = true;
                }
                Ok(None) if took_any => return Ok(true),
                Ok(None) => {
                    let came = self.state.reader.try_fill(&mut self.line).map_err(broken)?;
                    let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
                    if !came && !self.line.wait_for_bytes(left).map_err(broken)? {
                        return Ok(false);
                    }
                }
                Err(e) => return Err(broken(self.line.fail_reading(&e))),
            }
        }
    }

    fn take_unasked_message(&mut self, message: &Received) -> Result<(), Error> {
        match self.reply(message)? {
            None => Ok(()),
            // The error that ends the session: an administrator's command or a time-out.
            Some(Reply::Error(e)) => Err(refused(*e)),
            Some(_) => Err(self.unexpected()),
        }
    }

    /// Sends `state.out` in the middle of an exchange.
    pub(super) fn send(&mut self) -> Result<(), Error> {
        let mut out = mem::take(&mut self.state.out);
        let reader = &mut self.state.reader;
        let sent = self.line.send(&out, |line| reader.try_fill(line).map(drop)).map_err(broken);
        if out.capacity() <= MAX_KEPT_BUFFER_BYTES {
            out.clear();
            self.state.out = out;
        }
        sent
    }

    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.state.out
    }

    /// Returns the next message of the reply. Its body stays readable until the next call.
    #[inline]
    pub(super) fn next(&mut self) -> Result<(Reply, Received), Error> {
        loop {
            let message = self.next_message()?;
            if let Some(reply) = self.reply(&message)? {
                return Ok((reply, message));
            }
        }
    }

    #[inline]
    fn next_message(&mut self) -> Result<Received, Error> {
        self.state.reader.next(&mut self.line).map_err(broken)
    }

    /// Parses a message; `None` for one that belongs to no reply.
    #[inline]
    fn reply(&mut self, message: &Received) -> Result<Option<Reply>, Error> {
        self.classify(message).map_err(|e| broken(self.line.fail_reading(&e)))
    }

    /// Returns the next message of the reply if it has arrived.
    pub(super) fn try_next(&mut self) -> Result<Option<(Reply, Received)>, Error> {
        loop {
            if let Some(buffered) = self.next_buffered()? {
                return Ok(Some(buffered));
            }
            if !self.state.reader.try_fill(&mut self.line).map_err(broken)? {
                return Ok(None);
            }
        }
    }

    /// Notes how many statements are still to be answered.
    pub(super) fn expect_replies(&mut self, statements: usize) {
        self.state.reader.expect_replies(statements);
    }

    pub(super) fn statements(&mut self) -> &mut Statements {
        &mut self.state.statements
    }

    /// Returns the tag of a [`Reply::Complete`].
    pub(super) fn tag(&mut self, message: &Received) -> Result<CommandTag, Error> {
        let body = self.state.reader.body(message);
        if body != self.state.last_tag.with_nul().as_bytes() {
            let Ok(text) = text_at(body) else { return Err(self.unexpected()) };
            self.state.last_tag = CommandTag::new(&text);
        }
        Ok(self.state.last_tag.clone())
    }

    /// Parses a message; `None` for one that belongs to no reply.
    #[inline]
    fn classify(&mut self, message: &Received) -> io::Result<Option<Reply>> {
        // Most messages of a large result.
        if message.kind == b'D' { Ok(Some(Reply::Row)) } else { self.classify_rarer(message) }
    }

    fn classify_rarer(&mut self, message: &Received) -> io::Result<Option<Reply>> {
        let body = self.state.reader.body(message);
        Ok(Some(match message.kind {
            b'T' => Reply::Described(parse_columns(body)?),
            b't' => Reply::ParameterTypes(parse_types(body)?),
            b'n' => Reply::NoRows,
            b'C' => Reply::Complete,
            b'I' => Reply::EmptyQuery,
            b's' => Reply::Suspended,
            b'E' => Reply::Error(Box::new(parse_server_message(body)?)),
            b'G' => Reply::CopyIn,
            b'H' => Reply::CopyOut,
            b'd' => Reply::CopyData,
            b'c' => Reply::CopyDone,
            b'1' => Reply::Parsed,
            b'2' => Reply::Bound,
            b'3' => Reply::Closed,
            b'Z' => Reply::Ready,
            b'N' => {
                let notice = parse_server_message(body)?;
                self.state.notice(notice);
                return Ok(None);
            }
            b'A' => {
                let notification = Notification::parse(body)?;
                self.state.notified(notification);
                return Ok(None);
            }
            b'S' => {
                // Settings are taken in the order of the messages: the tap is ahead, since it follows every byte received.
                let settings = self.state.settings.after_report(body);
                self.state.settings = settings;
                return Ok(None);
            }
            _ => return Err(malformed()),
        }))
    }

    /// Fails the connection: the server sent a message that fits no reply to this request.
    pub(super) fn unexpected(&self) -> Error {
        broken(self.line.fail_protocol())
    }

    /// Ends the exchange after `ReadyForQuery`; the connection is at rest.
    pub(super) fn finish(mut self) {
        self.state.reader.hand_back(&mut self.line);
        self.state.exchange_state = ExchangeState::Rest;
        self.state.unread = UnreadReplies::default();
    }

    /// Skips to `ReadyForQuery` and ends the exchange; returns the first error on the way.
    pub(super) fn skip_to_ready(mut self) -> Result<Option<Box<ServerMessage>>, Error> {
        let first_error = self.skip_one()?;
        self.finish();
        Ok(first_error)
    }

    /// Skips the rest of an exchange, and the replies to statements sent behind it without waiting.
    pub(super) fn skip_remaining(mut self) -> Result<(), Error> {
        while self.state.unread.more > 0 {
            self.skip_one()?;
            self.state.unread.more -= 1;
        }
        self.skip_to_ready().map(drop)
    }

    /// Ends the exchange if its end is in the buffer. Neither waits nor sends.
    pub(super) fn skip_received(mut self) {
        while let Ok(Some(message)) = self.state.reader.parse() {
            match self.classify(&message) {
                Ok(Some(Reply::Ready)) if self.state.unread.more > 0 => self.state.unread.more -= 1,
                Ok(Some(Reply::Ready)) => return self.finish(),
                Ok(_) => {}
                Err(_) => return drop(self.line.fail_protocol()),
            }
        }
        self.pause();
    }

    /// Skips to the next `ReadyForQuery`; returns the first error on the way.
    pub(super) fn skip_one(&mut self) -> Result<Option<Box<ServerMessage>>, Error> {
        let mut first_error = None;
        loop {
            let message = self.next_message()?;
            // What an ordinary result has left.
            if message.kind == b'Z' {
                return Ok(first_error);
            }
            match self.reply(&message)? {
                Some(Reply::Error(e)) => {
                    first_error.get_or_insert(e);
                }
                Some(Reply::CopyIn) => self.abort_open_copy()?,
                _ => {}
            }
        }
    }

    /// Returns whether the connection is cut, closed, or past its deadline, so that nothing more can be read.
    pub(super) fn is_broken(&self) -> bool {
        self.line.is_broken()
    }

    /// Reads rows into `block` until the statement ends, then its tag.
    pub(super) fn read_rows(&mut self, block: &mut ResultBlock) -> Result<(), Error> {
        loop {
            let message = self.next_message()?;
            // The messages of an ordinary result, without a `Reply` for each: a tenth of the instructions of a point query.
            match message.kind {
                b'D' => self.push_row(block, &message)?,
                b'2' => {}
                b'C' => {
                    block.finish(self.tag(&message)?);
                    return Ok(());
                }
                _ if self.ends_rows(&message)? => return Ok(()),
                _ => {}
            }
        }
    }

    /// Takes one of the rarer messages among rows; `true` for one that ends them.
    #[cold]
    fn ends_rows(&mut self, message: &Received) -> Result<bool, Error> {
        match self.reply(message)? {
            // A portal is suspended once the rows asked for have come.
            Some(Reply::EmptyQuery | Reply::Suspended) => Ok(true),
            Some(Reply::Error(e)) => Err(refused(*e)),
            None | Some(Reply::Closed) => Ok(false),
            Some(Reply::CopyIn) => Err(self.refuse_copy(CopyIn::Extended)),
            Some(Reply::CopyOut) => Err(copy_by_query()),
            Some(_) => Err(self.unexpected()),
        }
    }

    /// Skips rows until the statement ends; returns how many rows it changed or returned.
    pub(super) fn count_rows(&mut self) -> Result<u64, Error> {
        loop {
            let message = self.next_message()?;
            match message.kind {
                b'D' | b'2' => {}
                b'C' => return Ok(self.tag(&message)?.rows().unwrap_or(0)),
                _ if self.ends_rows(&message)? => return Ok(0),
                _ => {}
            }
        }
    }

    /// Returns the next message of the reply if it is in the buffer.
    pub(super) fn next_buffered(&mut self) -> Result<Option<(Reply, Received)>, Error> {
        loop {
            let message = match self.state.reader.parse() {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(None),
                Err(e) => return Err(broken(self.line.fail_reading(&e))),
            };
            if let Some(reply) = self.reply(&message)? {
                return Ok(Some((reply, message)));
            }
        }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    pub(super) fn push_row(&mut self, block: &mut ResultBlock, message: &Received) -> Result<(), Error> {
        let body = self.state.reader.body(message);
        if !block.has_room_for(body.len()) {
            self.abandoned = true;
            return Err(
                Error::misuse("the result is larger than 4 GiB: read it as a stream").in_phase(Phase::Query)
            );
        }
        match block.push_row(body, self.state.settings) {
            Ok(()) => Ok(()),
            Err(e) => Err(self.row_refused(&e)),
        }
    }

    #[cold]
    fn row_refused(&mut self, error: &io::Error) -> Error {
        if error.kind() != io::ErrorKind::OutOfMemory {
            return self.unexpected();
        }
        self.no_memory_for("the result: read it as a stream")
    }

    #[cold]
    fn no_memory_for(&mut self, what: &str) -> Error {
        self.abandoned = true;
        Error::no_memory(format!("there is not enough memory for {what}"))
    }

    /// Appends the data of a COPY TO STDOUT to `data`.
    pub(super) fn push_data(&mut self, data: &mut Vec<u8>, message: &Received) -> Result<(), Error> {
        let body = self.state.reader.body(message);
        if data.try_reserve(body.len()).is_err() {
            return Err(self.no_memory_for("a row of the copy"));
        }
        data.extend_from_slice(body);
        Ok(())
    }
}

/// Converts an I/O failure of an exchange.
pub(super) fn broken(error: io::Error) -> Error {
    let fault = find_source::<LinkFault>(&error).copied();
    if fault == Some(LinkFault::OutOfMemory) {
        return Error::no_memory(error.to_string());
    }
    let kind = match fault {
        Some(LinkFault::DeadlinePassed) => ErrorKind::QueryTimeout,
        Some(LinkFault::Forked) => ErrorKind::Misuse,
        None if error.kind() == io::ErrorKind::Other => ErrorKind::Misuse,
        _ => ErrorKind::ConnectionLost,
    };
    let text = error.to_string();
    Error::new(kind, text).in_phase(Phase::Query).set_retryable(false).with_source(error)
}

/// Converts the server's error for a statement.
pub(super) fn refused(message: ServerMessage) -> Error {
    Error::from_server(message, Phase::Query)
}
