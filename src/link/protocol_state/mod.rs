//! The protocol state of a connection, read off its traffic: transaction status, replies owed, errors, counts.
//!
//! The messages of both directions are followed, so the state holds for every use of `postgres::Client` and of the session
//! alike. It is read by other threads and written only by the thread that drives the connection, hence plain loads and
//! stores on atomics.

mod backend_key;
mod changed_parameters;
mod leftovers;
mod role_evidence;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::sys::sync::Mutex;

use crate::error::ServerMessage;
use crate::named_enum::named_enum;
use crate::observe::traffic::{OTHER_CODE, Traffic};
use crate::protocol::fatal_message;
use crate::protocol::framing::Message;
use crate::protocol::session_parameters::{Reported, TextSettings};
pub(crate) use backend_key::BackendKey;
use changed_parameters::ChangedParameters;
pub(crate) use changed_parameters::Report;
pub(crate) use leftovers::Leftover;
use leftovers::Leftovers;
pub(crate) use role_evidence::RoleEvidence;
use role_evidence::RoleEvidenceLog;
use trace::Trace;
pub(crate) use trace::Traced;

/// Returns whether the body of a message of this kind is read.
pub(crate) fn wants_backend_body(kind: u8) -> bool {
    matches!(kind, b'C' | b'Z' | b'E' | b'S')
}

named_enum! {
    /// The transaction status of a session, as the server reported it after its last statement.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum TransactionStatus {
        /// The server has not reported it.
        Unknown "unknown",
        /// No transaction is open.
        Idle "idle",
        /// A transaction is open.
        InTransaction "in_transaction",
        /// A statement of the open transaction has failed: only a rollback is accepted.
        Failed "failed",
    }
}

/// A COPY FROM STDIN that waits for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyIn {
    /// Begun by a `Query`.
    Simple,
    /// Begun by an `Execute`: the server ignores every `Sync` until the copy ends, and then waits for another.
    Extended,
}

/// The prepared statements that a command has removed, by whichever API it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostStatements {
    /// `DEALLOCATE name`: the name is unknown, and another statement may have it by now.
    One,
    /// `DEALLOCATE ALL`, `DISCARD ALL`.
    All,
}

const LOST_NONE: u8 = 0;
const LOST_ONE: u8 = 1;
const LOST_ALL: u8 = 2;

const COPY_NONE: u8 = 0;
const COPY_IN_EXTENDED: u8 = 1;
const COPY_IN_SIMPLE: u8 = 2;
/// The server has failed a copy begun by an `Execute`. It has ignored the `Sync`, and ignores everything until another comes.
const COPY_FAILED: u8 = 3;

/// The protocol state of one connection.
#[derive(Debug, Default)]
pub(crate) struct ProtocolState {
    /// The number of `ReadyForQuery` messages that the server owes.
    owed: AtomicU32,
    status: AtomicU8,
    copy: AtomicU8,
    /// 1 if the last request was a `Query` message (simple protocol).
    simple: AtomicU8,
    /// Set when the server has accepted the last `Bind`.
    bound: AtomicBool,
    /// Set when the last reply reported a completed statement, and no error came instead.
    completed: AtomicBool,
    /// Set once, when the session begins.
    backend_key: OnceLock<BackendKey>,
    /// The SQLSTATE of the last error as its five bytes, 0 for none.
    sqlstate: AtomicU64,
    /// The same of the error that failed the present transaction. All that follows in it is 25P02, which has no information.
    failure: AtomicU64,
    /// Set when a stale statement failed the present transaction; kept like `failure`.
    failed_stale: AtomicBool,
    /// The prepared statements that commands have removed: one of the `LOST_` values.
    lost: AtomicU8,
    /// Statements, bytes and times.
    pub(crate) traffic: Traffic,
    /// Set when the server has ended the session.
    ended: AtomicBool,
    /// The first bytes of the message with which it did.
    fatal_message: Mutex<Option<Box<[u8]>>>,
    settings: Reported,
    changed_parameters: ChangedParameters,
    trace: Trace,
    pub(super) leftovers: Leftovers,
    pub(super) role_evidence: RoleEvidenceLog,
}

/// The replies still to come from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    Nothing,
    Replies,
}

impl ProtocolState {
    /// Follows a message that was sent whole.
    pub(crate) fn sent(&self, message: &Message<'_>) {
        self.trace.note(true, message.kind);
        if matches!(message.kind, b'Q' | b'F' | b'P' | b'B' | b'D' | b'E' | b'C') {
            // None of these is valid within a copy, and one sent there ends it. The sender knows that the server has given
            // the copy up, or is about to receive it.
            self.copy.store(COPY_NONE, Relaxed);
            self.traffic.asked();
        }
        match message.kind {
            0 => self.owed.store(1, Relaxed),
            b'Q' | b'F' => {
                self.simple.store(1, Relaxed);
                self.owe(1);
            }
            b'S' => self.sync(),
            b'B' => self.bound.store(false, Relaxed),
            b'c' | b'f' if self.copy.load(Relaxed) != COPY_FAILED => self.copy.store(COPY_NONE, Relaxed),
            _ => {}
        }
    }

    fn sync(&self) {
        match self.copy.load(Relaxed) {
            // Ignored by the server while it is in copy mode.
            COPY_IN_SIMPLE | COPY_IN_EXTENDED => {}
            _ => {
                self.copy.store(COPY_NONE, Relaxed);
                self.simple.store(0, Relaxed);
                self.owe(1);
            }
        }
    }

    /// Follows a message that was received whole.
    pub(crate) fn received(&self, message: &Message<'_>) {
        self.trace.note(false, message.kind);
        match message.kind {
            b'C' => {
                self.traffic.completed();
                self.completed.store(true, Relaxed);
                if message.head.first() == Some(&b'D') {
                    self.note_lost_statements(message.head);
                }
                self.leftovers.note_tag(message.head);
            }
            // No statement, or a portion of one that is not over.
            b'I' | b's' => self.completed.store(true, Relaxed),
            b'2' => self.bound.store(true, Relaxed),
            b'Z' => self.ready(message.head),
            b'E' => self.error(message.head),
            b'G' => self.copy_in_begins(),
            b'A' => self.leftovers.note_notification(),
            b'S' => {
                self.settings.apply(message.head);
                self.leftovers.note_report(message.head);
                self.role_evidence.note_report(message.head);
                // Those of the start are kept with the connection.
                if self.status.load(Relaxed) != 0 {
                    self.changed_parameters.note_report(message.head);
                }
            }
            _ => {}
        }
    }

    /// Returns the newest report of a setting since the session's start; `None` when there was none.
    pub(crate) fn changed_parameter(&self, name: &str) -> Option<Report> {
        self.changed_parameters.get(name)
    }

    pub(crate) fn begin_trace(&self) {
        self.trace.begin();
    }

    /// Takes the messages since the last call; `None` when they are not traced.
    #[inline]
    pub(crate) fn take_trace(&self) -> Option<Traced> {
        self.trace.take()
    }

    fn owe(&self, n: u32) {
        self.owed.store(self.owed.load(Relaxed) + n, Relaxed);
    }

    fn ready(&self, head: &[u8]) {
        let owed = self.owed.load(Relaxed).saturating_sub(1);
        self.owed.store(owed, Relaxed);
        if owed == 0 {
            self.traffic.answered();
        }
        self.copy.store(COPY_NONE, Relaxed);
        self.status.store(head.first().copied().unwrap_or(0), Relaxed);
    }

    fn copy_in_begins(&self) {
        if self.simple.load(Relaxed) == 1 {
            // `Query` has one reply, after the copy: it stays owed.
            self.copy.store(COPY_IN_SIMPLE, Relaxed);
        } else {
            // The `Sync` that followed `Execute` falls into copy mode and is ignored: its reply is not owed.
            self.copy.store(COPY_IN_EXTENDED, Relaxed);
            self.owed.store(self.owed.load(Relaxed).saturating_sub(1), Relaxed);
        }
    }

    fn error(&self, head: &[u8]) {
        // An error ends copy mode; from here on a `Sync` is answered again.
        let failed = matches!(self.copy.load(Relaxed), COPY_IN_EXTENDED | COPY_FAILED);
        self.copy.store(if failed { COPY_FAILED } else { COPY_NONE }, Relaxed);
        let code = sqlstate_in(head);
        // A fatal message on a session without a request is no reply.
        if self.owed() == Owed::Replies {
            self.completed.store(false, Relaxed);
            self.traffic.failed(code.unwrap_or(OTHER_CODE));
        }
        if let Some(code) = code {
            self.sqlstate.store(pack(code), Relaxed);
            self.role_evidence.note_error(code);
            // The status is still that of the last `ReadyForQuery`: whether the transaction had failed before this error.
            if self.status.load(Relaxed) != b'E' || ends_the_session(head) {
                self.failure.store(pack(code), Relaxed);
                self.failed_stale.store(false, Relaxed);
            }
        }
        if ends_the_session(head) {
            *self.fatal_message.lock() = Some(head.into());
            self.ended.store(true, Relaxed);
        }
    }

    pub(crate) fn owed(&self) -> Owed {
        if self.replies_owed() == 0 { Owed::Nothing } else { Owed::Replies }
    }

    /// Returns the number of `ReadyForQuery` messages still to come.
    pub(crate) fn replies_owed(&self) -> u32 {
        self.owed.load(Relaxed)
    }

    /// Returns whether the last prepared statement began to run: `BindComplete` precedes that.
    pub(crate) fn was_bound(&self) -> bool {
        self.bound.load(Relaxed)
    }

    /// Returns whether the last reply reported a completed statement.
    pub(crate) fn has_completed(&self) -> bool {
        self.completed.load(Relaxed)
    }

    /// Returns whether a COPY FROM STDIN is being fed, or has to be ended by the client. The server waits for the client then.
    pub(crate) fn in_copy_in(&self) -> bool {
        self.copy.load(Relaxed) != COPY_NONE
    }

    /// Returns the COPY FROM STDIN that is being fed or has to be ended.
    pub(crate) fn copy_in(&self) -> Option<CopyIn> {
        match self.copy.load(Relaxed) {
            COPY_IN_SIMPLE => Some(CopyIn::Simple),
            COPY_IN_EXTENDED | COPY_FAILED => Some(CopyIn::Extended),
            _ => None,
        }
    }

    /// Returns the transaction status. Valid only while no reply is owed: the client returns an error before it has read
    /// `ReadyForQuery`.
    pub(crate) fn transaction_status(&self) -> TransactionStatus {
        match self.status.load(Relaxed) {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            b'E' => TransactionStatus::Failed,
            _ => TransactionStatus::Unknown,
        }
    }

    /// Returns whether the server ended the session: an error of severity FATAL or PANIC, in reply or unsolicited.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Returns the message with which the server ended the session.
    pub(crate) fn fatal_message(&self) -> Option<ServerMessage> {
        self.fatal_message.lock().as_deref().map(fatal_message::parse)
    }

    /// Returns whether the session is outside a transaction, with no reply owed and no copy.
    pub(crate) fn is_clean(&self) -> bool {
        self.owed.load(Relaxed) == 0 && self.status.load(Relaxed) == b'I' && !self.in_copy_in()
    }

    pub(crate) fn backend_key(&self) -> Option<&BackendKey> {
        self.backend_key.get()
    }

    /// Keeps the key of the session. A second one is ignored.
    pub(crate) fn keep_backend_key(&self, key: BackendKey) {
        let _ = self.backend_key.set(key);
    }

    /// Returns the SQLSTATE of the last error that the server sent on this connection.
    pub(crate) fn last_sqlstate(&self) -> Option<String> {
        unpack(self.sqlstate.load(Relaxed))
    }

    /// Clears the recorded failure: a transaction is about to begin.
    pub(crate) fn forget_failure(&self) {
        self.failure.store(0, Relaxed);
        self.failed_stale.store(false, Relaxed);
    }

    /// Records that only a stale statement failed the present transaction, so that it may be run again.
    pub(crate) fn note_stale_failure(&self) {
        self.failed_stale.store(true, Relaxed);
    }

    pub(crate) fn has_failed_stale(&self) -> bool {
        self.failed_stale.load(Relaxed)
    }

    /// Records what a command tag removes. PREPARE removes nothing: a name in use cannot go to another statement before it is
    /// deallocated.
    fn note_lost_statements(&self, tag: &[u8]) {
        match tag {
            b"DISCARD ALL\0" | b"DEALLOCATE ALL\0" => self.lost.store(LOST_ALL, Relaxed),
            b"DEALLOCATE\0" if self.lost.load(Relaxed) == LOST_NONE => self.lost.store(LOST_ONE, Relaxed),
            _ => {}
        }
    }

    /// Returns which prepared statements commands have removed since the last call.
    #[inline]
    pub(crate) fn take_lost_statements(&self) -> Option<LostStatements> {
        if self.lost.load(Relaxed) == LOST_NONE { None } else { self.take_lost() }
    }

    #[cold]
    fn take_lost(&self) -> Option<LostStatements> {
        let lost = self.lost.load(Relaxed);
        self.lost.store(LOST_NONE, Relaxed);
        Some(if lost == LOST_ONE { LostStatements::One } else { LostStatements::All })
    }

    /// Returns the SQLSTATE of the error that failed the present transaction or ended the session. An error inside a savepoint
    /// counts too.
    pub(crate) fn failure(&self) -> Option<String> {
        unpack(self.failure.load(Relaxed))
    }

    /// Returns the session settings as the server last reported them.
    pub(crate) fn text_settings(&self) -> TextSettings {
        self.settings.now()
    }
}

/// Returns the `C` field of an `ErrorResponse`: fields are a type byte and a NUL-terminated text each.
fn sqlstate_in(fields: &[u8]) -> Option<[u8; 5]> {
    fields
        .split(|b| *b == 0)
        .find(|field| field.first() == Some(&b'C'))
        .and_then(|field| field[1..].try_into().ok())
}

/// Returns whether an error ends the session, by its `V` field, which is never localized; servers before 9.6 have only `S`.
fn ends_the_session(fields: &[u8]) -> bool {
    let severity =
        |kind: u8| fields.split(|b| *b == 0).find(|field| field.first() == Some(&kind)).map(|f| &f[1..]);
    matches!(severity(b'V').or(severity(b'S')), Some(b"FATAL" | b"PANIC"))
}

fn pack(code: [u8; 5]) -> u64 {
    code.iter().fold(0, |word, b| word << 8 | u64::from(*b))
}

fn unpack(word: u64) -> Option<String> {
    (word != 0).then(|| word.to_be_bytes()[3..].iter().map(|b| char::from(*b)).collect())
}
