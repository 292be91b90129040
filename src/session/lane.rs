//! The lane itself: what an embedder does with a connection.

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

/// Memory of requests that an idle connection keeps.
const MAX_IDLE_REQUEST_BYTES: usize = 4096;

/// How long it may take to have the server cancel what was given up half-way, if the deadline allows it.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// What the lane remembers about a connection between exchanges.
pub(crate) struct LaneState {
    pub(super) reader: Reader,
    pub(super) out: BytesMut,
    /// The longest request that was written into `out`, of which it may still hold the memory.
    pub(super) longest_request: usize,
    pub(super) statements: Statements,
    messages: Messages,
    /// The settings under which the values that come now were made.
    pub(super) settings: TextSettings,
    /// What the last statement that ended did.
    pub(super) last_tag: CommandTag,
    pub(super) exchange_state: ExchangeState,
    pub(super) unread: UnreadReplies,
    /// A statement that the kernel did not take when it was to be sent without waiting: it goes first.
    pub(super) unsent: Option<Box<str>>,
    /// `None` until a portal is first bound.
    pub(super) dropped_portals: Option<Arc<DroppedPortals>>,
}

/// The state of a session that belongs to no pool, and prepares nothing by name.
impl Default for LaneState {
    fn default() -> Self {
        Self::new(0, Arc::default())
    }
}

impl LaneState {
    /// `statement_cache` as in the configuration, `mode` that of the pool.
    pub(crate) fn new(statement_cache: usize, mode: Arc<StatementMode>) -> Self {
        Self {
            reader: Reader::new(),
            out: BytesMut::new(),
            longest_request: 0,
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

    /// Whether an exchange is open, or was given up half-way: the client must not use the connection before its end.
    #[inline]
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.exchange_state.is_at_rest()
    }

    /// Whether what is left half-way has to be cancelled, so that it ends in bounded time.
    pub(crate) fn needs_cancel(&self) -> bool {
        !self.unread.only_rollback
    }

    /// Statements that others have prepared on the session are closed with the next request.
    pub(crate) fn close_later(&mut self, names: Vec<String>) {
        self.statements.close_later(names);
    }

    /// How many statements are prepared and kept.
    pub(crate) fn cached_statements(&self) -> usize {
        self.statements.len()
    }

    /// The next loan starts with nothing of the last one.
    #[inline]
    pub(crate) fn forget_messages(&mut self) {
        self.messages.forget();
    }

    /// Gives back memory that only the last loan needed. What is left of an idle connection is some kilobytes.
    #[inline]
    fn trim(&mut self) {
        self.reader.trim();
        self.statements.trim();
        if self.longest_request > MAX_IDLE_REQUEST_BYTES {
            self.out = BytesMut::new();
            self.longest_request = 0;
        }
    }
}

/// A connection used directly. Borrowed from it for as long as the client stays at rest.
///
/// While a [stream](Lane::stream) or a COPY is open on the connection, other calls are refused as
/// [`Misuse`](crate::ErrorKind::Misuse). One that was given up half-way, by dropping it, is ended by the next call: the
/// server is asked to cancel (a transaction fails by that), or told that no more data comes, and what it still sends is
/// skipped. That counts as part of the call, also against its deadline.
pub struct Lane<'c> {
    pub(super) link: &'c Link,
    cancel: &'c CancelHandle,
    pub(super) state: &'c mut LaneState,
    /// When the call under way has to be over.
    end: Option<Instant>,
}

impl<'c> Lane<'c> {
    pub(crate) fn new(link: &'c Link, cancel: &'c CancelHandle, state: &'c mut LaneState) -> Self {
        Self { link, cancel, state, end: None }
    }

    pub(crate) fn link(&self) -> &'c Link {
        self.link
    }

    /// The same, for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Lane<'_> {
        Lane { link: self.link, cancel: self.cancel, state: self.state, end: None }
    }

    /// The loan is over, and with it what a cursor of it had open, even if the cursor is still somewhere. What is left of an
    /// exchange is skipped if all of it has come.
    #[inline]
    pub(crate) fn end_loan(&mut self) {
        self.state.forget_messages();
        self.state.exchange_state.revoke();
        self.skip_received();
        if !self.state.is_unfinished() {
            self.state.trim();
        }
    }

    /// Brings the connection to rest, as the next call would: what is open or was given up is ended. Blocks within the
    /// deadline in force.
    ///
    /// # Errors
    /// The connection's, which is lost then.
    pub(crate) fn bring_to_rest(&mut self) -> Result<()> {
        self.state.exchange_state.revoke();
        self.start()
    }

    /// The client is about to use the connection: ends what is open or was given up. What goes wrong is the connection's end,
    /// and shows in what the client does.
    pub(crate) fn end_open_exchange(&mut self) {
        if let Err(e) = self.bring_to_rest() {
            log::debug!(target: "holdfast", "could not end what was left half-way: {e}");
        }
    }

    /// Skips the rest of an exchange if all of it has come. Does not block.
    #[inline]
    pub(super) fn skip_received(&mut self) {
        if !self.state.is_unfinished() {
            return;
        }
        if !self.link.is_busy() && self.link.fault().is_none() {
            // Nothing is awaited: the last reply that was owed lies in the buffer, if the server keeps to the protocol.
            if let Ok(line) = self.link.direct_again(None) {
                Exchange::resume(line, self.state).skip_received();
            }
        }
    }

    /// Reads what is left of an exchange that was given up half-way, so that the connection can be used again.
    pub(crate) fn drain(&mut self) -> Result<()> {
        if !self.state.is_unfinished() {
            return Ok(());
        }
        let line = self.link.direct_again(self.end).map_err(broken)?;
        // Data of a copy that was not sent yet.
        self.state.out.clear();
        let mut exchange = Exchange::resume(line, self.state);
        exchange.give_up_any_copy()?;
        exchange.skip_all_left()
    }

    /// When the call under way has to be over.
    pub(crate) fn call_end(&self) -> Option<Instant> {
        self.end
    }

    /// Reads to the end of all that is under way, even of an exchange that somebody could go on with: for a connection whose
    /// borrower is gone. What is to end soon has to be cancelled before.
    pub(crate) fn clear(&mut self) -> Result<()> {
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
        // A connection that was lost half-way is lost, not misused.
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
        self.end_what_is_left()
    }

    #[cold]
    fn end_what_is_left(&mut self) -> Result<()> {
        self.state.exchange_state.refuse_if_open()?;
        // The server does not look at cancel requests while it waits for data.
        if self.link.is_busy() && !self.link.in_copy_in() && !self.state.unread.to_the_end {
            self.cancel_what_was_left()?;
        }
        self.drain()?;
        match self.state.unsent.take() {
            Some(sql) => self.script(&sql).map(drop),
            None => Ok(()),
        }
    }

    /// Has the server cancel what nobody reads on. If that fails, the request may still come, and hit whatever runs then:
    /// the connection is given up.
    fn cancel_what_was_left(&mut self) -> Result<()> {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let patience = self.end.map_or(CANCEL_TIMEOUT, |end| left(end).min(CANCEL_TIMEOUT));
        let Err(e) = self.cancel.cancel_within(patience) else { return Ok(()) };
        log::debug!(target: "holdfast", "could not cancel what was left half-way: {e}");
        let late = self.end.is_some_and(|end| left(end).is_zero());
        let fault = if late { LinkFault::DeadlinePassed } else { LinkFault::NotCancelled };
        self.link.fail(fault);
        Err(broken(fault.into()))
    }

    /// Sends what stands in the buffer and begins to read the replies.
    pub(super) fn begin(&mut self) -> Result<Exchange<'_>> {
        let line = self.link.direct(self.end).map_err(broken)?;
        Exchange::begin(line, self.state)
    }

    /// Goes on, in a call of its own, with the exchange of a cursor. The caller puts the ticket back if the exchange is not
    /// over with that call. It has to be over at `end`, or within the time of a statement.
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
        let line = self.link.direct_again(end).map_err(broken)?;
        match std::mem::replace(state, CursorState::Broken) {
            CursorState::Open(ticket) => Ok((Exchange::resume(line, self.state), ticket)),
            CursorState::Ended | CursorState::Broken => Err(CursorState::over(kind)),
        }
    }

    /// The settings under which values will be made if a request is sent now.
    pub(crate) fn text_settings(&self) -> TextSettings {
        self.link.text_settings()
    }

    pub(super) fn statements(&mut self) -> &mut Statements {
        &mut self.state.statements
    }

    /// Outside a transaction, with nothing under way.
    pub(crate) fn is_outside_transaction(&self) -> bool {
        self.link.is_clean()
    }

    /// Whether the server got as far as running the last statement.
    pub(crate) fn ran_last_statement(&self) -> bool {
        self.link.ran_last_statement()
    }

    /// A clean buffer to write a request into. What was pushed out of the cache is closed with it.
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

    /// A clean buffer for a request that closes nothing: it runs statements that may have been pushed out meanwhile.
    #[cfg(feature = "capi")]
    pub(super) fn request_closing_nothing(&mut self) -> &mut BytesMut {
        self.state.out.clear();
        &mut self.state.out
    }

    /// The buffer for a request that has something in it already, perhaps.
    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.state.out
    }

    pub(crate) fn cancel_of(&self) -> &'c CancelHandle {
        self.cancel
    }

    /// How many notifications have come and were not fetched yet.
    pub(crate) fn kept_notifications(&self) -> usize {
        self.state.messages.notifications.len()
    }

    /// The next notification, waiting for at most `patience`. The connection must be listening.
    pub fn notification(&mut self, patience: Duration) -> Result<Option<Notification>> {
        let end = Instant::now().checked_add(patience);
        loop {
            if let Some(notification) = self.state.messages.notifications.pop() {
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
        self.start()?;
        let line = self.link.direct(None).map_err(broken)?;
        Exchange::listen(line, self.state, patience)
    }

    /// How many notifications and notices of this loan were dropped because too many had come that nothing fetched: 10,000 of
    /// each, or half a megabyte.
    pub fn dropped_messages(&self) -> u64 {
        self.state.messages.dropped()
    }

    /// What the server remarked since the last call (`NOTICE`, `WARNING`), oldest first.
    pub fn take_notices(&mut self) -> Vec<ServerMessage> {
        self.state.messages.notices.take_all()
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
