//! Whether a session may be listening to channels, as far as its traffic tells.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Written by the thread that drives the connection.
#[derive(Debug, Default)]
pub(super) struct Listening(AtomicBool);

impl Listening {
    /// A statement has completed. The tag of `UNLISTEN` says nothing: it is the same for one channel and for all.
    #[inline]
    pub(super) fn note_tag(&self, tag: &[u8]) {
        match tag {
            b"LISTEN\0" => self.0.store(true, Relaxed),
            b"DISCARD ALL\0" => self.0.store(false, Relaxed),
            _ => {}
        }
    }

    /// A notification has come: what a function listens to shows in nothing else.
    pub(super) fn note_notification(&self) {
        self.0.store(true, Relaxed);
    }

    #[inline]
    pub(super) fn is_possible(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// The session was told to stop listening to all channels, and has.
    pub(super) fn forget(&self) {
        self.0.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_listens_once_it_was_told_to_or_was_told_something_until_all_is_discarded() {
        let listening = Listening::default();
        listening.note_tag(b"SELECT 1\0");
        assert!(!listening.is_possible());
        listening.note_tag(b"LISTEN\0");
        assert!(listening.is_possible());
        listening.note_tag(b"UNLISTEN\0");
        assert!(listening.is_possible(), "perhaps to others");
        listening.note_tag(b"DISCARD ALL\0");
        assert!(!listening.is_possible());
        listening.note_notification();
        assert!(listening.is_possible());
        listening.forget();
        assert!(!listening.is_possible());
    }
}
