//! Tracks from a session's traffic whether it may be listening to channels.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A flag that is set while a session may listen. Written by the thread that drives the connection.
#[derive(Debug, Default)]
pub(in crate::link) struct Listening(AtomicBool);

impl Listening {
    /// Records the tag of a completed statement. The tag of `UNLISTEN` is of no use: it is the same for one channel and for all.
    #[inline]
    pub(in crate::link) fn note_tag(&self, tag: &[u8]) {
        match tag {
            b"LISTEN\0" => self.0.store(true, Relaxed),
            b"DISCARD ALL\0" => self.0.store(false, Relaxed),
            _ => {}
        }
    }

    /// Records a notification, the only sign of a `LISTEN` run inside a function.
    pub(in crate::link) fn note_notification(&self) {
        self.0.store(true, Relaxed);
    }

    #[inline]
    pub(in crate::link) fn is_possible(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Records that the session has stopped listening to all channels.
    pub(in crate::link) fn forget(&self) {
        self.0.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_listens_after_listen_or_a_notification_until_all_is_discarded() {
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
