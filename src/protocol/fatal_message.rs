//! The message with which a server ended a session, as far as it was kept. The driver does not always pass it on.

use postgres::error::SqlState;

use crate::error::ServerMessage;

/// Parses the first bytes of an `ErrorResponse`: fields of a type byte and a NUL-terminated text each, of which the last may
/// be cut off. Severity, SQLSTATE and message come first.
pub(crate) fn parse(head: &[u8]) -> ServerMessage {
    let field = |kind: u8| {
        let found = head.split(|b| *b == 0).find(|field| field.first() == Some(&kind))?;
        Some(String::from_utf8_lossy(&found[1..]).into_owned())
    };
    let cut = head.len() >= super::framing::KEPT && !head.ends_with(&[0, 0]);
    let mut message = field(b'M').unwrap_or_default();
    if cut && head.rsplit(|b| *b == 0).next().is_some_and(|last| last.first() == Some(&b'M')) {
        message.push_str("...");
    }
    let severity = field(b'V').or_else(|| field(b'S')).unwrap_or_default();
    let sqlstate = field(b'C').map_or(SqlState::INTERNAL_ERROR, |code| SqlState::from_code(&code));
    ServerMessage::new(severity, sqlstate, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_code_and_message_are_read_and_a_long_message_is_cut() {
        let message = parse(b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0Fpostgres.c\0\0");
        assert_eq!((message.severity.as_str(), message.sqlstate.code()), ("FATAL", "57P01"));
        assert_eq!(message.message, "terminating connection");
        let mut long = b"SFATAL\0C08P01\0M".to_vec();
        long.resize(crate::protocol::framing::KEPT, b'x');
        let message = parse(&long);
        assert_eq!((message.severity.as_str(), message.sqlstate.code()), ("FATAL", "08P01"));
        assert!(message.message.ends_with("xx..."), "{}", message.message);
        assert_eq!(parse(b"").message, "");
    }
}
