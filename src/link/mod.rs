//! The link: every byte of a connection passes through here.
//!
//! Transport only: dialling, TLS, deadlines, interruption from other threads, polling an idle connection, framing, and the
//! protocol state that follows from the messages. It does not depend on its users: the session, the start-up in `connect`, a
//! guest driver.

pub(crate) mod blocking;
pub(crate) mod cancel;
pub(crate) mod checkouts;
pub(crate) mod deadline;
#[cfg(feature = "capi")]
pub(crate) mod deferred;
pub(crate) mod dial;
pub(crate) mod driver_bridge;
mod framed;
#[cfg(feature = "fuzzing")]
#[path = "../../fuzz/drivers/link/mod.rs"]
pub(crate) mod fuzzing;
mod protocol_state;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod scripted_server;
#[cfg(feature = "capi")]
pub(crate) mod signal_cancel;
mod socket;
pub(crate) mod tls;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use framed::Encryption;
use framed::FramedLock;
pub use protocol_state::TransactionStatus;
pub(crate) use protocol_state::{BackendKey, CopyIn, Leftover, LostStatements, Report, RoleEvidence, Traced};
use protocol_state::{Owed, ProtocolState};
pub(crate) use socket::IdlePoll;
use socket::{Reading, Socket};
pub(crate) use tls::alert_of;

use crate::error::{LinkFault, ServerMessage};
use crate::observe::traffic::Traffic;

struct Shared {
    socket: Arc<Socket>,
    protocol: ProtocolState,
    framed: FramedLock,
}

/// The handle of one connection's transport. Cheap to clone; usable from any thread, also while another reads or writes.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

impl Link {
    fn new(socket: Arc<Socket>, framed: framed::Framed) -> Self {
        Self(Arc::new(Shared { socket, protocol: ProtocolState::default(), framed: FramedLock::new(framed) }))
    }

    /// Sets one deadline over everything until it is set anew; for the pool's own work.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        self.0.socket.deadlines().set_fixed(deadline);
    }

    /// Sets a deadline that [`set_deadline`](Self::set_deadline) can only bring forward, or lifts it.
    pub(crate) fn bound_deadlines(&self, bound: Option<Instant>) {
        self.0.socket.deadlines().set_bound(bound);
    }

    /// Sets the time that every statement from now on may take.
    pub(crate) fn set_statement_limit(&self, limit: Option<Duration>) {
        self.0.socket.deadlines().set_statement_limit(limit);
    }

    /// Returns the deadline of a statement that starts now.
    pub(crate) fn end_of_statement(&self) -> Option<Instant> {
        self.0.socket.deadlines().end_of_statement()
    }

    /// Returns the time that every statement may take at present.
    pub(crate) fn statement_limit(&self) -> Option<Duration> {
        self.0.socket.deadlines().statement_limit()
    }

    /// Polls an idle connection with one `poll(2)`. Does not block.
    pub(crate) fn poll_idle(&self) -> IdlePoll {
        self.0.socket.poll_idle()
    }

    /// Returns the fault that ended the connection, if any.
    pub(crate) fn fault(&self) -> Option<LinkFault> {
        self.0.socket.fault()
    }

    /// Ends the connection with a fault found by its user.
    pub(crate) fn fail(&self, fault: LinkFault) {
        self.0.socket.fail(fault);
    }

    /// Cuts the connection from any thread; a call blocked on it returns at once.
    pub(crate) fn interrupt(&self) {
        self.0.socket.cut(LinkFault::Interrupted);
    }

    /// Returns whether the connection is usable, outside a transaction, and has nothing in flight.
    pub(crate) fn is_clean(&self) -> bool {
        self.fault().is_none() && self.0.protocol.is_clean()
    }

    /// Returns whether replies are owed: a statement runs, or was abandoned before its end.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.protocol.owed() == Owed::Replies || self.0.protocol.in_copy_in()
    }

    /// Returns the number of requests whose last reply has not been received.
    pub(crate) fn replies_owed(&self) -> u32 {
        self.0.protocol.replies_owed()
    }

    /// Returns whether a COPY FROM STDIN waits for data.
    pub(crate) fn in_copy_in(&self) -> bool {
        self.0.protocol.in_copy_in()
    }

    pub(crate) fn transaction_status(&self) -> TransactionStatus {
        self.0.protocol.transaction_status()
    }

    /// Returns the transaction status, `Unknown` while a reply is owed and on a lost connection.
    #[cfg(feature = "capi")]
    pub(crate) fn known_transaction_status(&self) -> TransactionStatus {
        if self.fault().is_some() || self.is_busy() {
            return TransactionStatus::Unknown;
        }
        self.transaction_status()
    }

    /// Returns the socket's descriptor, for waiting.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }

    pub(crate) fn backend_key(&self) -> Option<&BackendKey> {
        self.0.protocol.backend_key()
    }

    /// Keeps the key that the server sent at the start of the session.
    pub(crate) fn keep_backend_key(&self, key: BackendKey) {
        self.0.protocol.keep_backend_key(key);
    }

    /// Returns the negotiated TLS; `None` for a plain connection, and while another thread uses it.
    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.0.framed.try_lock()?.transport.encryption()
    }

    /// Returns the newest report of a setting since the session's start; `None` when there was none.
    pub(crate) fn changed_parameter(&self, name: &str) -> Option<Report> {
        self.0.protocol.changed_parameter(name)
    }

    /// Notes every message from now on, for [`take_trace`](Self::take_trace).
    pub(crate) fn begin_trace(&self) {
        self.0.protocol.begin_trace();
    }

    /// Takes the messages since the last call; `None` when they are not traced.
    #[inline]
    pub(crate) fn take_trace(&self) -> Option<Traced> {
        self.0.protocol.take_trace()
    }

    pub(crate) fn last_sqlstate(&self) -> Option<String> {
        self.0.protocol.last_sqlstate()
    }

    /// Returns whether the session has nothing that would reach its next caller: no channels, no other encoding.
    #[inline]
    pub(crate) fn has_no_leftovers(&self) -> bool {
        self.0.protocol.leftovers.is_none()
    }

    /// Returns whether the session may have this.
    pub(crate) fn has_leftover(&self, leftover: Leftover) -> bool {
        self.0.protocol.leftovers.has(leftover)
    }

    /// Records that the session has it no more.
    pub(crate) fn forget_leftover(&self, leftover: Leftover) {
        self.0.protocol.leftovers.forget(leftover);
    }

    /// Returns the evidence of a role change seen since the server's role was last checked.
    #[inline]
    pub(crate) fn role_evidence(&self) -> Option<RoleEvidence> {
        self.0.protocol.role_evidence.seen()
    }

    /// Clears the evidence: the role was checked.
    pub(crate) fn forget_role_evidence(&self) {
        self.0.protocol.role_evidence.forget();
    }

    /// Clears the recorded failure: a transaction is about to begin.
    pub(crate) fn forget_failure(&self) {
        self.0.protocol.forget_failure();
    }

    /// Returns the SQLSTATE of the error that failed the present transaction, or ended the session.
    pub(crate) fn failure(&self) -> Option<String> {
        self.0.protocol.failure()
    }

    /// Records that a stale statement failed the present transaction.
    pub(crate) fn note_stale_failure(&self) {
        self.0.protocol.note_stale_failure();
    }

    /// Returns whether a stale statement failed the present transaction, so that running it again may succeed.
    pub(crate) fn has_failed_stale(&self) -> bool {
        self.0.protocol.has_failed_stale()
    }

    /// Returns which prepared statements commands have removed since the last call.
    #[inline]
    pub(crate) fn take_lost_statements(&self) -> Option<LostStatements> {
        self.0.protocol.take_lost_statements()
    }

    /// Returns the message with which the server ended the session, if it did.
    pub(crate) fn fatal_message(&self) -> Option<ServerMessage> {
        self.0.protocol.fatal_message()
    }

    /// Returns whether the server began to run the last prepared statement.
    pub(crate) fn ran_last_statement(&self) -> bool {
        self.0.protocol.was_bound()
    }

    /// Returns whether the last reply reports a completed statement rather than a failed one.
    pub(crate) fn completed_last_statement(&self) -> bool {
        self.0.protocol.has_completed()
    }

    /// Returns the session settings that affect the text of values, as last reported.
    pub(crate) fn text_settings(&self) -> crate::protocol::session_parameters::TextSettings {
        self.0.protocol.text_settings()
    }

    /// Returns the counts of statements, bytes and times.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.protocol.traffic
    }

    /// Sends `Terminate` without blocking and refuses all further use. [`wait_for_hangup`](Self::wait_for_hangup) waits for the
    /// server to close its side.
    pub(crate) fn retire(&self) {
        // A TLS layer that answers a key update may read while it writes: it must not block on a reply here.
        self.0.socket.read_by(Reading::Polling);
        if self.fault().is_none()
            && let Some(mut framed) = self.0.framed.try_lock()
        {
            framed.send_terminate();
        }
        self.0.socket.fail(LinkFault::Retired);
        self.0.socket.finish_writing();
    }

    /// Blocks until the server has closed its side; `false` when it has not within `patience`.
    pub(crate) fn wait_for_hangup(&self, patience: Duration) -> bool {
        self.0.socket.wait_for_hangup(patience)
    }

    /// Makes the close that follows a reset: for a server that no longer answers.
    pub(crate) fn reset_on_close(&self) {
        self.0.socket.reset_on_close();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("fault", &self.fault()).finish_non_exhaustive()
    }
}
