//! What the traffic of a connection tells, whoever causes it: transaction status, replies owed, errors, counts.
//!
//! The tap listens to both directions, so what it knows holds for every use of `postgres::Client` and of the direct
//! lane alike. Its state is read by other threads and written only by the one that drives the connection, hence plain
//! loads and stores on atomics.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::backend_key::BackendKey;
use super::listening::Listening;
use super::role_evidence::RoleSigns;
use crate::error::ServerMessage;
use crate::observe::traffic::{OTHER_CODE, Traffic};
use crate::protocol::fatal_message;
use crate::protocol::framing::Message;
use crate::protocol::session_parameters::{Reported, TextSettings};

/// Kinds of messages whose bodies the tap looks into.
pub(crate) fn wants_backend_body(kind: u8) -> bool {
    matches!(kind, b'C' | b'Z' | b'E' | b'S')
}

/// The server's transaction status, from `ReadyForQuery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    /// No `ReadyForQuery` was seen yet.
    Unknown,
    Idle,
    InTransaction,
    Failed,
}

/// A COPY FROM STDIN that waits for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyIn {
    /// Begun by a `Query`.
    Simple,
    /// Begun by an `Execute`: the server swallows every `Sync` until the copy ends, and then waits for another.
    Extended,
}

/// Prepared statements that a command took away, by whichever way it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostStatements {
    /// `DEALLOCATE name`: it is not known which, and another may have its name by now.
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
/// The server has failed a copy begun by an `Execute`. It has swallowed the `Sync`, and ignores everything until another comes.
const COPY_FAILED: u8 = 3;

#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// `ReadyForQuery` messages the server owes us.
    owed: AtomicU32,
    status: AtomicU8,
    copy: AtomicU8,
    /// Whether the last request was a `Query` message (simple protocol).
    simple: AtomicU8,
    /// Whether the server has accepted the last `Bind`.
    bound: AtomicBool,
    /// Whether the last reply was that a statement had completed, and no error came instead.
    completed: AtomicBool,
    /// Set once, when the session begins.
    backend_key: OnceLock<BackendKey>,
    /// SQLSTATE of the last error as its five bytes, 0 for none.
    sqlstate: AtomicU64,
    /// The same of the error that failed the present transaction. What follows in a failed one is 25P02, which tells nothing.
    failure: AtomicU64,
    /// The present transaction failed with a stale statement; as for `failure`.
    failed_stale: AtomicBool,
    /// Prepared statements that commands took away.
    lost: AtomicU8,
    /// Statements, bytes and times.
    pub(crate) traffic: Traffic,
    /// The server has said its last word.
    ended: AtomicBool,
    /// That word, as far as it was kept.
    last_words: Mutex<Option<Box<[u8]>>>,
    settings: Reported,
    pub(super) listening: Listening,
    pub(super) role_signs: RoleSigns,
}

/// Whether the server has something to say yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    Nothing,
    Replies,
}

impl Tap {
    /// A whole message was sent.
    pub(crate) fn sent(&self, message: &Message<'_>) {
        if matches!(message.kind, b'Q' | b'F' | b'P' | b'B' | b'D' | b'E' | b'C') {
            // Nothing of the kind is sent into a copy, and if it is, it ends the copy: whoever sends this knows, or will
            // be told, that the server has given the copy up.
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
            // Swallowed by the server while it is in copy mode.
            COPY_IN_SIMPLE | COPY_IN_EXTENDED => {}
            _ => {
                self.copy.store(COPY_NONE, Relaxed);
                self.simple.store(0, Relaxed);
                self.owe(1);
            }
        }
    }

    /// A whole message was received.
    pub(crate) fn received(&self, message: &Message<'_>) {
        match message.kind {
            b'C' => {
                self.traffic.completed();
                self.completed.store(true, Relaxed);
                if message.head.first() == Some(&b'D') {
                    self.may_lose_statements(message.head);
                }
                self.listening.note_tag(message.head);
            }
            // No statement, or a portion of one that is not over yet.
            b'I' | b's' => self.completed.store(true, Relaxed),
            b'2' => self.bound.store(true, Relaxed),
            b'Z' => self.ready(message.head),
            b'E' => self.error(message.head),
            b'G' => self.copy_in_begins(),
            b'A' => self.listening.note_notification(),
            b'S' => {
                self.settings.take_in(message.head);
                self.role_signs.note_report(message.head);
            }
            _ => {}
        }
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
            // `Query` is answered once, after the copy: the reply stays owed.
            self.copy.store(COPY_IN_SIMPLE, Relaxed);
        } else {
            // The `Sync` that followed `Execute` falls into copy mode and is swallowed: its reply is not owed.
            self.copy.store(COPY_IN_EXTENDED, Relaxed);
            self.owed.store(self.owed.load(Relaxed).saturating_sub(1), Relaxed);
        }
    }

    fn error(&self, head: &[u8]) {
        // An error ends copy mode; from here on a `Sync` is answered again.
        let failed = matches!(self.copy.load(Relaxed), COPY_IN_EXTENDED | COPY_FAILED);
        self.copy.store(if failed { COPY_FAILED } else { COPY_NONE }, Relaxed);
        let code = sqlstate_in(head);
        // The last words of a session that nothing was asked of are no reply.
        if self.owed() == Owed::Replies {
            self.completed.store(false, Relaxed);
            self.traffic.failed(code.unwrap_or(OTHER_CODE));
        }
        if let Some(code) = code {
            self.sqlstate.store(pack(code), Relaxed);
            self.role_signs.note_error(code);
            // Still that of the last `ReadyForQuery`: whether the transaction was well before this error.
            if self.status.load(Relaxed) != b'E' || ends_the_session(head) {
                self.failure.store(pack(code), Relaxed);
                self.failed_stale.store(false, Relaxed);
            }
        }
        if ends_the_session(head) {
            *self.last_words.lock() = Some(head.into());
            self.ended.store(true, Relaxed);
        }
    }

    pub(crate) fn owed(&self) -> Owed {
        if self.owed.load(Relaxed) == 0 { Owed::Nothing } else { Owed::Replies }
    }

    /// Whether the last prepared statement got as far as being run: `BindComplete` precedes it.
    pub(crate) fn was_bound(&self) -> bool {
        self.bound.load(Relaxed)
    }

    /// Whether the last reply was that a statement had completed.
    pub(crate) fn has_completed(&self) -> bool {
        self.completed.load(Relaxed)
    }

    /// Whether a COPY FROM STDIN is being fed, or was and has to be ended by us: the server waits for us, not we for it.
    pub(crate) fn in_copy_in(&self) -> bool {
        self.copy.load(Relaxed) != COPY_NONE
    }

    /// The COPY FROM STDIN that is being fed or has to be ended.
    pub(crate) fn copy_in(&self) -> Option<CopyIn> {
        match self.copy.load(Relaxed) {
            COPY_IN_SIMPLE => Some(CopyIn::Simple),
            COPY_IN_EXTENDED | COPY_FAILED => Some(CopyIn::Extended),
            _ => None,
        }
    }

    /// True only while nothing is owed: the client returns an error before it has read `ReadyForQuery`.
    pub(crate) fn transaction_status(&self) -> TransactionStatus {
        match self.status.load(Relaxed) {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            b'E' => TransactionStatus::Failed,
            _ => TransactionStatus::Unknown,
        }
    }

    /// The server ended the session: an error of severity FATAL or PANIC, whether in reply to something or unasked.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// What it said then.
    pub(crate) fn last_words(&self) -> Option<ServerMessage> {
        self.last_words.lock().as_deref().map(fatal_message::parse)
    }

    /// Outside a transaction, nothing owed, no copy.
    pub(crate) fn is_clean(&self) -> bool {
        self.owed.load(Relaxed) == 0 && self.status.load(Relaxed) == b'I' && !self.in_copy_in()
    }

    pub(crate) fn backend_key(&self) -> Option<&BackendKey> {
        self.backend_key.get()
    }

    /// The key of the session that begins. A second one changes nothing.
    pub(crate) fn keep_backend_key(&self, key: BackendKey) {
        let _ = self.backend_key.set(key);
    }

    /// SQLSTATE of the last error the server sent on this connection.
    pub(crate) fn last_sqlstate(&self) -> Option<String> {
        unpack(self.sqlstate.load(Relaxed))
    }

    /// A transaction is about to begin.
    pub(crate) fn forget_failure(&self) {
        self.failure.store(0, Relaxed);
        self.failed_stale.store(false, Relaxed);
    }

    /// What failed the present transaction was that a statement was stale, and nothing but that: it may be run again.
    pub(crate) fn note_stale_failure(&self) {
        self.failed_stale.store(true, Relaxed);
    }

    pub(crate) fn has_failed_stale(&self) -> bool {
        self.failed_stale.load(Relaxed)
    }

    /// A command tag. PREPARE is none of those meant here: a name in use cannot be given to another statement, before it
    /// was taken away.
    fn may_lose_statements(&self, tag: &[u8]) {
        match tag {
            b"DISCARD ALL\0" | b"DEALLOCATE ALL\0" => self.lost.store(LOST_ALL, Relaxed),
            b"DEALLOCATE\0" if self.lost.load(Relaxed) == LOST_NONE => self.lost.store(LOST_ONE, Relaxed),
            _ => {}
        }
    }

    /// Whether commands took prepared statements away since this was asked last.
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

    /// SQLSTATE of the error that failed the present transaction, or would have if it had not been met inside a savepoint;
    /// or that ended the session.
    pub(crate) fn failure(&self) -> Option<String> {
        unpack(self.failure.load(Relaxed))
    }

    /// What the server reported of the session's settings.
    pub(crate) fn text_settings(&self) -> TextSettings {
        self.settings.now()
    }
}

/// The `C` field of an `ErrorResponse`: fields are a type byte and a NUL-terminated text each.
fn sqlstate_in(fields: &[u8]) -> Option<[u8; 5]> {
    fields
        .split(|b| *b == 0)
        .find(|field| field.first() == Some(&b'C'))
        .and_then(|field| field[1..].try_into().ok())
}

/// By the `V` field, which is never localized; servers before 9.6 have only `S`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(tap: &Tap, kind: u8) {
        tap.sent(&Message { kind, head: &[] });
    }

    fn received(tap: &Tap, kind: u8, head: &[u8]) {
        tap.received(&Message { kind, head });
    }

    fn started() -> Tap {
        let tap = Tap::default();
        sent(&tap, 0);
        received(&tap, b'Z', b"I");
        tap
    }

    #[test]
    fn a_connection_is_clean_only_between_requests_and_outside_transactions() {
        let tap = started();
        assert!(tap.is_clean());
        sent(&tap, b'Q');
        assert!(!tap.is_clean());
        received(&tap, b'Z', b"T");
        assert_eq!(tap.owed(), Owed::Nothing);
        assert_eq!(tap.transaction_status(), TransactionStatus::InTransaction);
        assert!(!tap.is_clean());
    }

    #[test]
    fn the_sync_that_falls_into_a_copy_is_not_waited_for() {
        let tap = started();
        for kind in *b"BES" {
            sent(&tap, kind);
        }
        received(&tap, b'G', &[]);
        assert_eq!(tap.owed(), Owed::Nothing);
        assert!(!tap.is_clean(), "the copy is still open");
        for kind in *b"dcS" {
            sent(&tap, kind);
        }
        assert_eq!(tap.owed(), Owed::Replies);
        received(&tap, b'Z', b"I");
        assert!(tap.is_clean());
    }

    #[test]
    fn a_copy_that_the_server_has_failed_is_over_only_with_another_sync() {
        let tap = started();
        for kind in *b"BES" {
            sent(&tap, kind);
        }
        received(&tap, b'G', &[]);
        received(&tap, b'E', b"SERROR\0VERROR\0C57014\0Mcanceling statement\0\0");
        assert_eq!(tap.copy_in(), Some(CopyIn::Extended), "somebody has to send it");
        assert!(!tap.is_clean());
        for kind in *b"fS" {
            sent(&tap, kind);
        }
        assert_eq!((tap.copy_in(), tap.owed()), (None, Owed::Replies));
        received(&tap, b'Z', b"I");
        assert!(tap.is_clean());
    }

    #[test]
    fn a_copy_begun_by_a_simple_query_owes_one_reply() {
        let tap = started();
        sent(&tap, b'Q');
        received(&tap, b'G', &[]);
        sent(&tap, b'c');
        received(&tap, b'Z', b"I");
        assert!(tap.is_clean());
    }

    /// The client does not see the end of a copy that it does not feed: its next request comes upon it.
    #[test]
    fn a_request_sent_when_the_server_has_given_a_copy_up_is_owed_its_reply() {
        let tap = started();
        sent(&tap, b'Q');
        received(&tap, b'G', &[]);
        // Meanwhile the server fails the copy: an error and the reply to the query are on the way.
        for kind in *b"PDS" {
            sent(&tap, kind);
        }
        received(&tap, b'E', b"SERROR\0VERROR\0C57014\0Mcanceling statement\0\0");
        received(&tap, b'Z', b"I");
        assert_eq!(tap.owed(), Owed::Replies, "that of the sync is still to come");
        received(&tap, b'Z', b"I");
        assert!(tap.is_clean());
    }

    #[test]
    fn the_sqlstate_of_an_error_is_read_from_its_fields() {
        let tap = started();
        received(&tap, b'E', b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0");
        assert_eq!(tap.last_sqlstate().as_deref(), Some("53300"));
    }

    #[test]
    fn what_failed_a_transaction_is_told_from_what_follows_in_it() {
        let tap = started();
        let fails = |code: &[u8], then: &[u8]| {
            sent(&tap, b'Q');
            received(&tap, b'E', &[b"SERROR\0VERROR\0C", code, b"\0Mno\0\0"].concat());
            received(&tap, b'Z', then);
        };
        fails(b"42601", b"I");
        tap.forget_failure();
        assert_eq!(tap.failure(), None);
        received(&tap, b'Z', b"T");
        fails(b"40001", b"E");
        fails(b"25P02", b"E");
        assert_eq!(tap.failure().as_deref(), Some("40001"));
        assert_eq!(tap.last_sqlstate().as_deref(), Some("25P02"));
        received(&tap, b'Z', b"T"); // back to a savepoint
        assert_eq!(tap.failure().as_deref(), Some("40001"));
        fails(b"23505", b"E");
        assert_eq!(tap.failure().as_deref(), Some("23505"));
    }

    #[test]
    fn commands_that_take_prepared_statements_away_are_noticed() {
        let tap = started();
        for (tag, lost) in [
            (&b"DEALLOCATE\0"[..], Some(LostStatements::One)),
            (b"DEALLOCATE ALL\0", Some(LostStatements::All)),
            (b"DISCARD ALL\0", Some(LostStatements::All)),
            (b"DISCARD PLANS\0", None),
            (b"DELETE 1\0", None),
            (b"PREPARE\0", None),
        ] {
            received(&tap, b'C', tag);
            assert_eq!(tap.take_lost_statements(), lost, "{}", String::from_utf8_lossy(tag));
            assert_eq!(tap.take_lost_statements(), None);
        }
        received(&tap, b'C', b"DISCARD ALL\0");
        received(&tap, b'C', b"DEALLOCATE\0");
        assert_eq!(tap.take_lost_statements(), Some(LostStatements::All));
    }

    #[test]
    fn a_transaction_that_failed_with_a_stale_statement_is_told_from_what_fails_it_later() {
        let tap = started();
        received(&tap, b'Z', b"T");
        received(&tap, b'E', b"SERROR\0VERROR\0C0A000\0Mno\0\0");
        tap.note_stale_failure();
        received(&tap, b'Z', b"E");
        received(&tap, b'E', b"SERROR\0VERROR\0C25P02\0Mno\0\0");
        assert!(tap.has_failed_stale());
        received(&tap, b'Z', b"T"); // back to a savepoint
        received(&tap, b'E', b"SERROR\0VERROR\0C23505\0Mno\0\0");
        assert!(!tap.has_failed_stale());
        tap.note_stale_failure();
        tap.forget_failure();
        assert!(!tap.has_failed_stale());
    }

    #[test]
    fn only_a_fatal_error_ends_the_session() {
        let tap = started();
        received(&tap, b'E', b"SFEHLER\0VERROR\0C22012\0Mdivision by zero\0\0");
        assert!(!tap.has_ended());
        received(&tap, b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0");
        assert!(tap.has_ended());
    }
}
