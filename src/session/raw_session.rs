//! The raw session: the protocol without conversions, on one connection.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::exchange::messages::{Messages, Notification};
use super::exchange::reader::Reader;
use super::exchange::request;
use super::exchange::state::{CursorState, ExchangeKind, ExchangeState, ExchangeTicket, UnreadReplies};
use super::exchange::{Exchange, broken, refused};
use super::statements::mode::StatementMode;
use super::statements::statement_cache::Statements;
use super::transfer::portal::DroppedPortals;
use crate::error::{LinkFault, Result, ServerMessage};
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::protocol::command_tag::CommandTag;
use crate::protocol::session_parameters::TextSettings;

/// The request buffer that an idle connection may keep, in bytes.
const MAX_IDLE_REQUEST_BYTES: usize = 4096;

/// The time limit of a cancel request for an abandoned exchange; the deadline may shorten it.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// The session's state between exchanges.
pub(crate) struct SessionState {
    pub(super) reader: Reader,
    pub(super) out: BytesMut,
    pub(super) statements: Statements,
    pub(super) messages: Messages,
    /// The settings under which the server wrote the values now being received.
    pub(super) settings: TextSettings,
    /// The tag of the last statement that ended.
    pub(super) last_tag: CommandTag,
    pub(super) exchange_state: ExchangeState,
    pub(super) unread: UnreadReplies,
    /// A statement that could not be sent without waiting. The next call sends it first.
    pub(super) unsent: Option<Box<str>>,
    /// `None` until a portal is first bound.
    pub(super) dropped_portals: Option<Arc<DroppedPortals>>,
}

/// The state of a session outside any pool, which prepares nothing by name.
impl Default for SessionState {
    fn default() -> Self {
        Self::new(0, Arc::default())
    }
}

impl SessionState {
    /// Notes that other sessions of the server have the same prepared statements.
    #[cold]
    pub(crate) fn note_shared_backend(&self) {
        self.statements.note_shared_backend();
    }

    /// `statement_cache` is the configured number, `mode` the pool's.
    pub(crate) fn new(statement_cache: usize, mode: Arc<StatementMode>) -> Self {
        Self {
            reader: Reader::new(),
            out: BytesMut::new(),
            statements: Statements::new(statement_cache, mode),
            messages: Messages::default(),
            settings: TextSettings::default(),
            last_tag: CommandTag::default(),
            exchange_state: ExchangeState::Rest,
            unread: UnreadReplies::default(),
            unsent: None,
            dropped_portals: None,
        }
    }

    pub(super) fn notice(&mut self, notice: ServerMessage) {
        self.messages.notices.push(notice);
    }

    pub(super) fn notified(&mut self, notification: Notification) {
        self.messages.notifications.push(notification);
    }

    /// Returns whether an exchange is open or was abandoned. The client must not use the connection before its end.
    #[inline]
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.exchange_state.is_at_rest()
    }

    /// Returns whether the abandoned exchange has to be cancelled to end in bounded time.
    pub(crate) fn needs_cancel(&self) -> bool {
        !self.unread.only_rollback
    }

    /// Closes, with the next request, statements that other clients prepared on the session.
    pub(crate) fn close_later(&mut self, names: Vec<String>) {
        self.statements.close_later(names);
    }

    /// Returns the number of cached statements.
    pub(crate) fn cached_statements(&self) -> usize {
        self.statements.len()
    }

    /// Drops the messages of one checkout, so that the next starts with none.
    #[inline]
    pub(crate) fn forget_messages(&mut self) {
        self.messages.forget();
    }

    /// Frees memory that only the last checkout needed. An idle connection keeps some kilobytes.
    #[inline]
    fn trim(&mut self) {
        self.reader.trim();
        self.statements.trim();
        if self.out.capacity() > MAX_IDLE_REQUEST_BYTES {
            self.out = BytesMut::new();
        }
    }
}

/// A raw session on a connection, borrowed while the client stays at rest.
///
/// While a [stream](RawSession::stream) or a COPY is open on the connection, other calls are refused as
/// [`Misuse`](crate::ErrorKind::Misuse). One that was dropped before its end is ended by the next call. That call asks the
/// server to cancel (which fails a transaction), or ends the data, and skips the remaining replies. This counts as part of the
/// call, also against its deadline.
pub struct RawSession<'c> {
    pub(super) link: &'c Link,
    cancel: &'c CancelHandle,
    pub(super) state: &'c mut SessionState,
    /// The deadline of the call under way.
    end: Option<Instant>,
}

impl fmt::Debug for RawSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSession").finish_non_exhaustive()
    }
}

impl<'c> RawSession<'c> {
    pub(crate) fn new(link: &'c Link, cancel: &'c CancelHandle, state: &'c mut SessionState) -> Self {
        Self { link, cancel, state, end: None }
    }

    pub(crate) fn link(&self) -> &'c Link {
        self.link
    }

    /// Reborrows it for a shorter time.
    pub(crate) fn reborrow(&mut self) -> RawSession<'_> {
        RawSession { link: self.link, cancel: self.cancel, state: self.state, end: None }
    }

    /// Ends the checkout, and with it any exchange that one of its cursors had open, even if the cursor still exists. The rest
    /// of an exchange is skipped if all of it has arrived.
    #[inline]
    pub(crate) fn end_checkout(&mut self) {
        self.state.forget_messages();
        self.state.exchange_state.revoke();
        self.skip_received();
        if !self.state.is_unfinished() {
            self.state.trim();
        }
    }

    /// Brings the connection to rest, as the next call would: ends an open or abandoned exchange. Blocks within the deadline in
    /// force.
    ///
    /// # Errors
    /// The connection's error; the connection is then lost.
    pub(crate) fn bring_to_rest(&mut self) -> Result<()> {
        self.state.exchange_state.revoke();
        self.start()
    }

    /// Ends an open or abandoned exchange before the client uses the connection. A failure loses the connection, which the
    /// client's own call then reports.
    pub(crate) fn end_open_exchange(&mut self) {
        if let Err(e) = self.bring_to_rest() {
            log::debug!(target: "holdfast", "could not end what was left half-way: {e}");
        }
    }

    /// Skips the rest of an exchange if all of it has arrived. Does not block.
    #[inline]
    pub(super) fn skip_received(&mut self) {
        if !self.state.is_unfinished() {
            return;
        }
        if !self.link.is_busy() && self.link.fault().is_none() {
            // No reply is outstanding: the last one is in the buffer, if the server keeps to the protocol.
            if let Ok(line) = self.link.resume_blocking(None) {
                Exchange::resume(line, self.state).skip_received();
            }
        }
    }

    /// Reads the rest of an abandoned exchange, so that the connection can be used again.
    pub(crate) fn drain(&mut self) -> Result<()> {
        if !self.state.is_unfinished() {
            return Ok(());
        }
        let line = self.link.resume_blocking(self.end).map_err(broken)?;
        // Discard data of a copy that was not sent.
        self.state.out.clear();
        let mut exchange = Exchange::resume(line, self.state);
        exchange.abort_open_copy()?;
        exchange.skip_remaining()
    }

    /// The deadline of the call under way.
    pub(crate) fn call_end(&self) -> Option<Instant> {
        self.end
    }

    /// Reads to the end of all exchanges under way, of a guest client or of the session, even of one that a cursor could resume,
    /// for a connection whose caller is gone. Long statements have to be cancelled before.
    pub(crate) fn clear(&mut self) -> Result<()> {
        if self.state.exchange_state.is_at_rest() {
            // The requests are those of a guest, which may have sent several at once.
            self.state.unread.more = self.link.replies_owed().saturating_sub(1);
            self.state.reader.begin_exchange();
        }
        self.state.exchange_state = ExchangeState::Left;
        self.drain()?;
        while self.link.is_busy() {
            self.state.exchange_state = ExchangeState::Left;
            self.drain()?;
        }
        Ok(())
    }

    /// Begins a call: its time starts, and the connection is brought to rest.
    pub(super) fn start(&mut self) -> Result<()> {
        // A connection lost in the middle of an exchange is reported as lost, not as misused.
        if let Some(fault) = self.link.fault() {
            return Err(broken(fault.into()));
        }
        self.end = self.link.end_of_statement();
        if let Some(lost) = self.link.take_lost_statements() {
            self.state.statements.forget_lost(lost);
        }
        if self.state.exchange_state.is_at_rest() && self.state.unsent.is_none() {
            return Ok(());
        }
        self.end_abandoned_exchange()
    }

    #[cold]
    fn end_abandoned_exchange(&mut self) -> Result<()> {
        self.state.exchange_state.refuse_if_open()?;
        // The server does not handle cancel requests while it waits for data.
        if self.link.is_busy() && !self.link.in_copy_in() && !self.state.unread.to_the_end {
            self.cancel_abandoned_exchange()?;
        }
        self.drain()?;
        match self.state.unsent.take() {
            Some(sql) => self.script(&sql).map(drop),
            None => Ok(()),
        }
    }

    /// Asks the server to cancel an abandoned exchange. If that fails, the request may still arrive and hit a later statement,
    /// so the connection is closed.
    fn cancel_abandoned_exchange(&mut self) -> Result<()> {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let timeout = self.end.map_or(CANCEL_TIMEOUT, |end| left(end).min(CANCEL_TIMEOUT));
        let Err(e) = self.cancel.cancel_within(timeout) else { return Ok(()) };
        log::debug!(target: "holdfast", "could not cancel what was left half-way: {e}");
        let late = self.end.is_some_and(|end| left(end).is_zero());
        let fault = if late { LinkFault::DeadlinePassed } else { LinkFault::NotCancelled };
        self.link.fail(fault);
        Err(broken(fault.into()))
    }

    /// Sends the buffer and begins to read the replies.
    pub(super) fn begin(&mut self) -> Result<Exchange<'_>> {
        let line = self.link.blocking(self.end).map_err(broken)?;
        Exchange::begin(line, self.state)
    }

    /// Resumes the exchange of a cursor, as a separate call. The caller puts the ticket back if the exchange goes on after it.
    /// The deadline is `end`, or the statement's.
    pub(super) fn resume(
        &mut self,
        kind: ExchangeKind,
        state: &mut CursorState,
        end: Option<Instant>,
    ) -> Result<(Exchange<'_>, ExchangeTicket)> {
        if let Some(fault) = self.link.fault() {
            return Err(broken(fault.into()));
        }
        match state {
            CursorState::Open(ticket) if !self.state.exchange_state.admits(ticket) => {
                return Err(CursorState::lost(kind));
            }
            CursorState::Open(_) => {}
            CursorState::Ended | CursorState::Broken => return Err(CursorState::over(kind)),
        }
        let end = end.or_else(|| self.link.end_of_statement());
        let line = self.link.resume_blocking(end).map_err(broken)?;
        match std::mem::replace(state, CursorState::Broken) {
            CursorState::Open(ticket) => Ok((Exchange::resume(line, self.state), ticket)),
            CursorState::Ended | CursorState::Broken => Err(CursorState::over(kind)),
        }
    }

    /// Returns the settings under which the server will write the values of a request sent now.
    pub(crate) fn text_settings(&self) -> TextSettings {
        self.link.text_settings()
    }

    pub(super) fn statements(&mut self) -> &mut Statements {
        &mut self.state.statements
    }

    /// Returns whether no transaction is open and no exchange is under way.
    pub(crate) fn is_outside_transaction(&self) -> bool {
        self.link.is_clean()
    }

    /// Returns whether the server began to run the last statement.
    pub(crate) fn ran_last_statement(&self) -> bool {
        self.link.ran_last_statement()
    }

    /// Returns an empty buffer for a request. Statements evicted from the cache are closed with it.
    #[inline]
    pub(super) fn request(&mut self) -> Result<&mut BytesMut> {
        self.state.out.clear();
        if self.state.statements.has_names_to_close() {
            self.close_statements()?;
        }
        Ok(&mut self.state.out)
    }

    #[cold]
    fn close_statements(&mut self) -> Result<()> {
        for name in self.state.statements.take_to_close() {
            request::close_statement(&name, &mut self.state.out)?;
        }
        Ok(())
    }

    /// Returns an empty buffer for a request that closes nothing, since it may run statements evicted meanwhile.
    #[cfg(feature = "capi")]
    pub(super) fn request_closing_nothing(&mut self) -> &mut BytesMut {
        self.state.out.clear();
        &mut self.state.out
    }

    /// Returns the request buffer with its present contents.
    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.state.out
    }

    pub(crate) fn cancel_of(&self) -> &'c CancelHandle {
        self.cancel
    }

    /// Returns the number of notifications received and not fetched.
    pub(crate) fn kept_notifications(&self) -> usize {
        self.state.messages.notifications.len()
    }

    /// Returns the next notification; `None` when none comes within `timeout`, during which it blocks. The connection must be
    /// listening.
    ///
    /// # Errors
    /// [`ErrorKind::ConnectionLost`](crate::ErrorKind::ConnectionLost) when the session has ended;
    /// [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) in a forked child.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut raw = conn.raw()?;
    /// raw.script("echo:notify news of today")?; // with a server: LISTEN, and NOTIFY elsewhere
    /// let notification = raw.notification(Duration::from_secs(2))?.unwrap();
    /// assert_eq!((notification.channel(), notification.payload()), ("news", "of today"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn notification(&mut self, timeout: Duration) -> Result<Option<Notification>> {
        let end = Instant::now().checked_add(timeout);
        loop {
            if let Some(notification) = self.state.messages.notifications.pop() {
                return Ok(Some(notification));
            }
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if !self.receive_unasked(left)? {
                return Ok(None);
            }
        }
    }

    /// Receives messages that the server sends unasked; `false` when none comes within `timeout`.
    fn receive_unasked(&mut self, timeout: Duration) -> Result<bool> {
        self.start()?;
        let line = self.link.blocking(None).map_err(broken)?;
        Exchange::listen(line, self.state, timeout)
    }

    /// Returns how many notifications and notices of this checkout were dropped, because more than 10,000 of either, or half a
    /// megabyte, were not fetched.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// assert_eq!(conn.raw()?.dropped_messages(), 0);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn dropped_messages(&self) -> u64 {
        self.state.messages.dropped()
    }

    /// Returns the notices (`NOTICE`, `WARNING`) received since the last call, oldest first.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut raw = conn.raw()?;
    /// raw.script("echo:notice mind the gap")?;
    /// assert_eq!(raw.take_notices()[0].message, "mind the gap");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn take_notices(&mut self) -> Vec<ServerMessage> {
        self.state.take_notices()
    }
}

/// Ends an exchange whose statement is over: reads up to `ReadyForQuery`, so that the connection is at rest even after an
/// error. An error that comes only now (at commit, from a deferred constraint) counts too.
pub(super) fn end<T>(exchange: Exchange<'_>, outcome: Result<T>) -> Result<T> {
    match outcome {
        Ok(done) => match exchange.skip_to_ready()? {
            Some(late) => Err(refused(*late)),
            None => Ok(done),
        },
        Err(e) if exchange.is_abandoned() => Err(e),
        Err(e) => {
            // On a broken line this fails at once; the first error is more useful.
            let _ = exchange.skip_to_ready();
            Err(e)
        }
    }
}
