//! A port at which something else answers: HTTP, SSH, Redis, MySQL. libpq names what it received; so does this.

use std::fmt;

use crate::error::{Error, ErrorKind, Phase, find_source};

/// The source of an error that says that what answers is no PostgreSQL server: no other try, encrypted or plain, can
/// change that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotPostgreSql {
    /// The first byte that was received.
    first: u8,
}

/// Bytes shown of what was received.
const SHOWN: usize = 60;

impl NotPostgreSql {
    /// Something was received instead of `S` or `N`, or more than that.
    pub(crate) fn answered_tls_request(first: u8, rest: &[u8]) -> Error {
        Self { first }.error(
            ErrorKind::Tls,
            Phase::Tls,
            "received invalid response to SSL negotiation: ",
            rest,
        )
    }

    /// Something was received instead of an authentication request.
    pub(crate) fn answered_start(first: u8, rest: &[u8]) -> Error {
        let words = "expected authentication request from server, but received ";
        Self { first }.error(ErrorKind::Auth, Phase::Auth, words, rest)
    }

    fn error(self, kind: ErrorKind, phase: Phase, words: &str, rest: &[u8]) -> Error {
        let first = char::from(self.first).escape_default();
        let shown =
            if is_readable(rest) && !self.first.is_ascii_control() { line_of(rest) } else { String::new() };
        let whole = if shown.is_empty() { String::new() } else { format!(" (\"{first}{shown}\")") };
        Error::new(kind, format!("{words}{first}{whole}: what answers there is not PostgreSQL"))
            .in_phase(phase)
            .set_retryable(false)
            .with_source(self)
    }

    /// Whether an error is one of these.
    pub(crate) fn is_behind(error: &Error) -> bool {
        find_source::<Self>(error).is_some()
    }
}

impl fmt::Display for NotPostgreSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer began with the byte {:#04x}", self.first)
    }
}

impl std::error::Error for NotPostgreSql {}

/// The beginning of a text, up to the end of its line.
fn line_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| b.is_ascii_control()).unwrap_or(bytes.len()).min(SHOWN);
    bytes[..end].escape_ascii().to_string()
}

/// Whether bytes are a text in ASCII, as other services speak. No message of PostgreSQL's is: each has a length whose first
/// byte is zero, or a NUL at its end.
pub(crate) fn is_readable(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_is_named_and_never_acted_on_again() {
        let error = NotPostgreSql::answered_start(b'H', b"TTP/1.1 400 Bad Request\r\nServer: x");
        assert!(error.to_string().contains("but received H (\"HTTP/1.1 400 Bad Request\")"), "{error}");
        assert!(!error.is_retryable() && NotPostgreSql::is_behind(&error));
        let error = NotPostgreSql::answered_tls_request(b'J', &[0, 0, 0, 10]);
        assert!(error.to_string().contains("SSL negotiation: J: what answers"), "{error}");
        let error = NotPostgreSql::answered_start(0x1b, b"[2J");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }

    #[test]
    fn messages_of_the_protocol_are_not_readable_text() {
        assert!(is_readable(b"SH-2.0-OpenSSH_9.2\r\n"));
        for message in [&b"R\0\0\0\x08\0\0\0\0"[..], b"", b"\x16\x03\x03", b"text\0"] {
            assert!(!is_readable(message));
        }
    }
}
