//! The state of a session between two calls: at rest, or in an exchange that a cursor resumes.

use std::sync::{Arc, Weak};

use crate::error::{Error, Phase};

/// The kinds of exchange that last over several calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum ExchangeKind {
    Stream,
    CopyIn,
    CopyOut,
}

impl ExchangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::CopyIn => "COPY FROM STDIN",
            Self::CopyOut => "COPY TO STDOUT",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Stream | Self::CopyOut => "read it to its end, or give it up by dropping it",
            Self::CopyIn => "finish it, abort it, or give it up by dropping it",
        }
    }
}

/// The right to resume one exchange. Dropping it abandons the exchange, without a notification.
#[derive(Debug)]
pub(in crate::session) struct ExchangeTicket(Arc<()>);

/// The treatment of an abandoned exchange's remaining replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::session) struct UnreadReplies {
    /// Replies are read to their end without a cancel request, which would undo the effect of the statement.
    pub(in crate::session) to_the_end: bool,
    /// Only the answer to a ROLLBACK is left.
    pub(in crate::session) only_rollback: bool,
    /// The number of `ReadyForQuery` messages still to come, besides the one that ends the exchange.
    pub(in crate::session) more: u32,
}

/// The state between two calls.
#[derive(Debug)]
pub(in crate::session) enum ExchangeState {
    /// At `ReadyForQuery`.
    Rest,
    /// In the middle of an exchange, which the holder of the ticket may resume.
    Open(ExchangeKind, Weak<()>),
    /// In the middle of an exchange of the present call, or of an abandoned one.
    Left,
}

impl ExchangeState {
    pub(in crate::session) fn is_at_rest(&self) -> bool {
        matches!(self, Self::Rest)
    }

    /// Abandons an open exchange, even while its ticket exists.
    pub(in crate::session) fn revoke(&mut self) {
        if matches!(self, Self::Open(..)) {
            *self = Self::Left;
        }
    }

    /// Keeps the exchange open for the returned ticket.
    pub(in crate::session) fn open(&mut self, kind: ExchangeKind) -> ExchangeTicket {
        let ticket = Arc::new(());
        *self = Self::Open(kind, Arc::downgrade(&ticket));
        ExchangeTicket(ticket)
    }

    /// Returns whether the ticket is for the exchange that is open.
    pub(in crate::session) fn admits(&self, ticket: &ExchangeTicket) -> bool {
        matches!(self, Self::Open(_, open) if std::ptr::eq(open.as_ptr(), Arc::as_ptr(&ticket.0)))
    }

    /// Fails while the ticket of an open exchange exists.
    pub(in crate::session) fn refuse_if_open(&self) -> Result<(), Error> {
        match self {
            Self::Open(kind, ticket) if ticket.strong_count() > 0 => {
                Err(Error::misuse(format!("a {} is open on this connection: {}", kind.name(), kind.remedy()))
                    .in_phase(Phase::Query))
            }
            _ => Ok(()),
        }
    }
}

/// The state of a cursor's exchange.
#[derive(Debug)]
pub(in crate::session) enum CursorState {
    Open(ExchangeTicket),
    /// The exchange was read to its end.
    Ended,
    /// The exchange failed or was abandoned.
    Broken,
}

impl CursorState {
    /// Returns the error for a cursor whose exchange is not the one under way on the connection.
    pub(in crate::session) fn lost(kind: ExchangeKind) -> Error {
        Error::misuse(format!(
            "this {} was begun on another connection, or before this one went back to its pool",
            kind.name()
        ))
        .in_phase(Phase::Query)
    }

    /// Returns the error for a cursor whose exchange is over.
    pub(in crate::session) fn over(kind: ExchangeKind) -> Error {
        Error::misuse(format!("this {} is over", kind.name())).in_phase(Phase::Query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_exchange_admits_its_own_ticket_only() {
        let mut exchange_state = ExchangeState::Rest;
        let first = exchange_state.open(ExchangeKind::Stream);
        assert!(exchange_state.admits(&first));
        let second = exchange_state.open(ExchangeKind::CopyOut);
        assert!(exchange_state.admits(&second) && !exchange_state.admits(&first));
        exchange_state = ExchangeState::Rest;
        assert!(!exchange_state.admits(&second));
    }

    #[test]
    fn a_ticket_that_was_leaked_keeps_nothing_open_once_it_is_revoked() {
        let mut exchange_state = ExchangeState::Rest;
        let leaked = exchange_state.open(ExchangeKind::Stream);
        exchange_state.revoke();
        assert!(
            exchange_state.refuse_if_open().is_ok()
                && !exchange_state.admits(&leaked)
                && !exchange_state.is_at_rest()
        );
    }

    #[test]
    fn an_exchange_is_open_for_as_long_as_its_ticket_exists() {
        let mut exchange_state = ExchangeState::Rest;
        let ticket = exchange_state.open(ExchangeKind::CopyIn);
        let error = exchange_state.refuse_if_open().unwrap_err();
        assert!(error.to_string().contains("a COPY FROM STDIN is open"), "{error}");
        drop(ticket);
        assert!(exchange_state.refuse_if_open().is_ok());
        assert!(!exchange_state.is_at_rest());
    }
}
