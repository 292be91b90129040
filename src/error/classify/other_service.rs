//! Errors of a port at which another service answers: HTTP, SSH, Redis, MySQL. They name what was received, as libpq
//! does.

use crate::error::{Error, ErrorKind, Phase};

/// The most bytes shown of what was received.
const SHOWN: usize = 60;

impl Error {
    /// Makes the error of an answer to `SSLRequest` that is not one byte, `S` or `N`.
    pub(crate) fn answered_tls_request(first: u8, rest: &[u8]) -> Self {
        let words = "received invalid response to SSL negotiation: ";
        Self::of_other_service(ErrorKind::Tls, Phase::Tls, words, first, rest)
    }

    /// Makes the error of an answer to the start-up packet that is no authentication request.
    pub(crate) fn answered_start(first: u8, rest: &[u8]) -> Self {
        let words = "expected authentication request from server, but received ";
        Self::of_other_service(ErrorKind::Auth, Phase::Auth, words, first, rest)
    }

    fn of_other_service(kind: ErrorKind, phase: Phase, words: &str, first: u8, rest: &[u8]) -> Self {
        let readable = is_readable(rest) && !first.is_ascii_control();
        let first = char::from(first).escape_default();
        let whole = if readable { format!(" (\"{first}{}\")", line_of(rest)) } else { String::new() };
        let message = format!("{words}{first}{whole}: what answers there is not PostgreSQL");
        let mut error = Self::new(kind, message).in_phase(phase).set_retryable(false);
        error.0.of_other_service = true;
        error
    }

    /// Returns whether another service than PostgreSQL answered. No other attempt, encrypted or plain, can change that.
    pub fn is_of_other_service(&self) -> bool {
        self.0.of_other_service
    }
}

/// Returns the beginning of a text, up to the end of its line.
fn line_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| b.is_ascii_control()).unwrap_or(bytes.len()).min(SHOWN);
    bytes[..end].escape_ascii().to_string()
}

/// Returns whether bytes are a text in ASCII, as other services send. No message of PostgreSQL's is: each has a length
/// whose first byte is zero, or a NUL at its end.
pub(crate) fn is_readable(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_is_named_and_never_acted_on_again() {
        let error = Error::answered_start(b'H', b"TTP/1.1 400 Bad Request\r\nServer: x");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("port")), "{error}");
        assert!(error.to_string().contains("but received H (\"HTTP/1.1 400 Bad Request\")"), "{error}");
        assert!(!error.is_retryable() && error.again().is_of_other_service());
        let error = Error::answered_tls_request(b'J', &[0, 0, 0, 10]);
        assert!(error.to_string().contains("SSL negotiation: J: what answers"), "{error}");
        let error = Error::answered_start(0x1b, b"[2J");
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
