//! The link: every byte of a connection passes here.
//!
//! Transport and no more: dialling, TLS, deadlines, interruption from other threads, a look at an idle connection, framing,
//! and a tap that follows the protocol. It knows nothing of who speaks over it: the session, the start-up in `connect`, a
//! driver that is a guest.

pub(crate) mod abort;
pub(crate) mod address;
mod backend_key;
pub(crate) mod blocking;
pub(crate) mod cancel;
mod deadline;
#[cfg(feature = "capi")]
pub(crate) mod deferred;
pub(crate) mod dial;
#[cfg(test)]
mod dial_tests;
pub(crate) mod driver_bridge;
mod framed;
pub(crate) mod in_process;
mod listening;
pub(crate) mod loans;
mod protocol_state;
pub(crate) mod resolve;
mod role_evidence;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod scripted_server;
mod socket;
mod tls;
pub(crate) mod tls_cache;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use backend_key::BackendKey;
#[cfg(feature = "diagnose")]
pub(crate) use dial::SSL_REQUEST;
#[cfg(feature = "diagnose")]
use framed::TlsFacts;
use framed::Turnstile;
pub(crate) use protocol_state::{CopyIn, LostStatements, TransactionStatus};
use protocol_state::{Owed, Tap};
pub(crate) use role_evidence::RoleSign;
pub(crate) use socket::Look;
use socket::{Reading, Socket};
pub(crate) use tls::alert_of;

use crate::error::{LinkFault, ServerMessage};
use crate::observe::traffic::Traffic;

struct Shared {
    socket: Arc<Socket>,
    tap: Tap,
    turnstile: Turnstile,
}

/// The handle of one connection's transport, for whoever is not reading or writing: clone it, keep it, use it from any
/// thread.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

impl Link {
    fn new(socket: Arc<Socket>, line: framed::Line) -> Self {
        Self(Arc::new(Shared { socket, tap: Tap::default(), turnstile: Turnstile::new(line) }))
    }

    /// One deadline over everything until it is set anew; for the pool's own work.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        self.0.socket.deadlines().set_fixed(deadline);
    }

    /// The time every statement from now on may take.
    pub(crate) fn set_statement_limit(&self, limit: Option<Duration>) {
        self.0.socket.deadlines().set_statement_limit(limit);
    }

    /// When a statement that starts now has to be finished.
    pub(crate) fn end_of_statement(&self) -> Option<Instant> {
        self.0.socket.deadlines().end_of_statement()
    }

    /// The time every statement may take at present.
    pub(crate) fn statement_limit(&self) -> Option<Duration> {
        self.0.socket.deadlines().statement_limit()
    }

    /// One `poll(2)` at an idle connection.
    pub(crate) fn look(&self) -> Look {
        self.0.socket.look()
    }

    /// What ended it, if something did.
    pub(crate) fn fault(&self) -> Option<LinkFault> {
        self.0.socket.fault()
    }

    /// Ends it for a reason that only its user knows.
    pub(crate) fn fail(&self, fault: LinkFault) {
        self.0.socket.fail(fault);
    }

    /// Cuts it from any thread; a call blocked on it returns at once.
    pub(crate) fn interrupt(&self) {
        self.0.socket.cut(LinkFault::Interrupted);
    }

    /// Outside a transaction, nothing in flight, usable.
    pub(crate) fn is_clean(&self) -> bool {
        self.fault().is_none() && self.0.tap.is_clean()
    }

    /// Replies are owed: a statement runs, or was abandoned half-way.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.tap.owed() == Owed::Replies || self.0.tap.in_copy_in()
    }

    /// A COPY FROM STDIN waits for data.
    pub(crate) fn in_copy_in(&self) -> bool {
        self.0.tap.in_copy_in()
    }

    pub(crate) fn transaction_status(&self) -> TransactionStatus {
        self.0.tap.transaction_status()
    }

    /// The transaction status, as far as it can be told now: not while a reply is owed, nor of a connection that is lost.
    #[cfg(feature = "capi")]
    pub(crate) fn known_transaction_status(&self) -> TransactionStatus {
        if self.fault().is_some() || self.is_busy() {
            return TransactionStatus::Unknown;
        }
        self.transaction_status()
    }

    /// The socket, for those who wait for it.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }

    pub(crate) fn backend_key(&self) -> Option<&BackendKey> {
        self.0.tap.backend_key()
    }

    /// The key of the session that begins, as its start-up was told it.
    pub(crate) fn keep_backend_key(&self, key: BackendKey) {
        self.0.tap.keep_backend_key(key);
    }

    /// What was agreed on with the server for an encrypted connection; `None` for a plain one, and while another uses it.
    #[cfg(feature = "diagnose")]
    pub(crate) fn tls(&self) -> Option<TlsFacts> {
        self.0.turnstile.enter()?.transport.tls_facts()
    }

    /// The certificate that the server showed.
    #[cfg(feature = "diagnose")]
    pub(crate) fn certificate(&self) -> Option<openssl::x509::X509> {
        self.0.turnstile.enter()?.transport.certificate()
    }

    pub(crate) fn last_sqlstate(&self) -> Option<String> {
        self.0.tap.last_sqlstate()
    }

    /// Whether the session may be listening: it was told to (`LISTEN`), or a notification has come.
    #[inline]
    pub(crate) fn listens(&self) -> bool {
        self.0.tap.listening.is_possible()
    }

    /// The session was told to stop listening to all channels, and has.
    pub(crate) fn forget_listening(&self) {
        self.0.tap.listening.forget();
    }

    /// What was seen since the server's role was last checked that speaks against it.
    #[inline]
    pub(crate) fn role_sign(&self) -> Option<RoleSign> {
        self.0.tap.role_signs.seen()
    }

    /// The role was checked.
    pub(crate) fn forget_role_signs(&self) {
        self.0.tap.role_signs.forget();
    }

    /// A transaction is about to begin.
    pub(crate) fn forget_failure(&self) {
        self.0.tap.forget_failure();
    }

    /// SQLSTATE of what failed the present transaction, or ended the session.
    pub(crate) fn failure(&self) -> Option<String> {
        self.0.tap.failure()
    }

    /// What failed the present transaction was a stale statement.
    pub(crate) fn note_stale_failure(&self) {
        self.0.tap.note_stale_failure();
    }

    /// Whether that is so: run again, it may do better.
    pub(crate) fn has_failed_stale(&self) -> bool {
        self.0.tap.has_failed_stale()
    }

    /// Whether commands took prepared statements away since this was asked last.
    #[inline]
    pub(crate) fn take_lost_statements(&self) -> Option<LostStatements> {
        self.0.tap.take_lost_statements()
    }

    /// What the server said when it ended the session, if it did.
    pub(crate) fn last_words(&self) -> Option<ServerMessage> {
        self.0.tap.last_words()
    }

    /// Whether the server got as far as running the last prepared statement.
    pub(crate) fn ran_last_statement(&self) -> bool {
        self.0.tap.was_bound()
    }

    /// Whether the reply that came last says that a statement completed, rather than failed.
    pub(crate) fn completed_last_statement(&self) -> bool {
        self.0.tap.has_completed()
    }

    /// The settings of the session that show in the text of values, as last reported.
    pub(crate) fn text_settings(&self) -> crate::protocol::session_parameters::TextSettings {
        self.0.tap.text_settings()
    }

    /// What passed over it.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.tap.traffic
    }

    /// Says goodbye without waiting and refuses all further use. What the server has not closed yet is awaited with
    /// [`wait_for_hangup`](Self::wait_for_hangup).
    pub(crate) fn retire(&self) {
        // A TLS layer that answers a key update may read while it writes: it must not wait for a reply here.
        self.0.socket.read_by(Reading::Glancing);
        if self.fault().is_none()
            && let Some(mut line) = self.0.turnstile.enter()
        {
            line.say_terminate();
        }
        self.0.socket.fail(LinkFault::Retired);
        self.0.socket.finish_writing();
    }

    /// Whether the server has closed its side, within `patience`.
    pub(crate) fn wait_for_hangup(&self, patience: Duration) -> bool {
        self.0.socket.wait_for_hangup(patience)
    }

    /// The close to come is a reset: for a server that no longer answers.
    pub(crate) fn reset_on_close(&self) {
        self.0.socket.reset_on_close();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("fault", &self.fault()).finish_non_exhaustive()
    }
}
