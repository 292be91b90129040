//! Tracks from a session's traffic what its checkout may leave to the next one, besides transactions and unread results: channels
//! that it listens to, and another encoding of texts.
//!
//! Other settings are the callers' own business. The encoding is not: all texts are read and written as UTF-8.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const CHANNELS: u8 = 1;
const ENCODING: u8 = 2;

/// Flags for what a session may have. Written by the thread that drives the connection.
#[derive(Debug, Default)]
pub(in crate::link) struct Leftovers(AtomicU8);

/// One thing that a session may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// It may be listening to channels.
    Channels,
    /// Its texts are not in UTF-8.
    Encoding,
}

impl Leftover {
    pub(crate) const ALL: [Self; 2] = [Self::Channels, Self::Encoding];

    fn flag(self) -> u8 {
        match self {
            Self::Channels => CHANNELS,
            Self::Encoding => ENCODING,
        }
    }

    /// Returns the statement that removes it.
    pub(crate) fn remover(self) -> &'static str {
        match self {
            Self::Channels => "UNLISTEN *",
            // The default of the server's session may be another one behind a pooler.
            Self::Encoding => "SET client_encoding = 'UTF8'",
        }
    }
}

impl Leftovers {
    /// Records the tag of a completed statement. The tag of `UNLISTEN` is of no use: it is the same for one channel and for all.
    #[inline]
    pub(super) fn note_tag(&self, tag: &[u8]) {
        match tag {
            b"LISTEN\0" => self.set(CHANNELS, true),
            b"DISCARD ALL\0" => self.set(CHANNELS, false),
            _ => {}
        }
    }

    /// Records a notification, the only sign of a `LISTEN` run inside a function.
    pub(super) fn note_notification(&self) {
        self.set(CHANNELS, true);
    }

    /// Records a report of a setting: the body of a `ParameterStatus`, or its beginning.
    pub(super) fn note_report(&self, body: &[u8]) {
        if let Some(encoding) = body.strip_prefix(b"client_encoding\0") {
            let is_utf8 = [&b"UTF8\0"[..], b"UTF-8\0", b"UNICODE\0"];
            self.set(ENCODING, !is_utf8.iter().any(|name| encoding.eq_ignore_ascii_case(name)));
        }
    }

    fn set(&self, flag: u8, on: bool) {
        let flags = self.0.load(Relaxed);
        self.0.store(if on { flags | flag } else { flags & !flag }, Relaxed);
    }

    /// Returns whether there is nothing.
    #[inline]
    pub(in crate::link) fn is_none(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    pub(in crate::link) fn has(&self, leftover: Leftover) -> bool {
        self.0.load(Relaxed) & leftover.flag() != 0
    }

    /// Records that it was removed.
    pub(in crate::link) fn forget(&self, leftover: Leftover) {
        self.set(leftover.flag(), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_listens_after_listen_or_a_notification_until_all_is_discarded() {
        let leftovers = Leftovers::default();
        leftovers.note_tag(b"SELECT 1\0");
        assert!(leftovers.is_none());
        leftovers.note_tag(b"LISTEN\0");
        assert!(leftovers.has(Leftover::Channels));
        leftovers.note_tag(b"UNLISTEN\0");
        assert!(leftovers.has(Leftover::Channels), "perhaps to others");
        leftovers.note_tag(b"DISCARD ALL\0");
        assert!(leftovers.is_none());
        leftovers.note_notification();
        assert!(leftovers.has(Leftover::Channels));
        leftovers.forget(Leftover::Channels);
        assert!(leftovers.is_none());
    }

    #[test]
    fn another_encoding_than_utf8_is_noticed_until_it_is_changed_back() {
        let leftovers = Leftovers::default();
        for (report, is_other) in [
            (&b"client_encoding\0UTF8\0"[..], false),
            (b"client_encoding\0LATIN1\0", true),
            (b"TimeZone\0UTC\0", true),
            (b"client_encoding\0unicode\0", false),
            (b"client_encoding\0SQL_ASCII\0", true),
            (b"client_encoding\0UTF8", true),
            (b"client_encoding\0UTF8\0", false),
        ] {
            leftovers.note_report(report);
            assert_eq!(leftovers.has(Leftover::Encoding), is_other, "{}", report.escape_ascii());
        }
        leftovers.note_report(b"client_encoding\0BIG5\0");
        leftovers.note_tag(b"LISTEN\0");
        leftovers.forget(Leftover::Encoding);
        assert!(leftovers.has(Leftover::Channels) && !leftovers.has(Leftover::Encoding));
    }
}
