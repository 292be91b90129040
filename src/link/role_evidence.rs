//! Signs in a session's traffic that its server's role is not what it was.
//!
//! Servers report two settings at the start of a session and whenever they change (PostgreSQL 14 and later), the latter
//! before the next `ReadyForQuery`. A write that is refused tells on every version.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::error::sqlstate::is_read_only;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleSign {
    /// The server refused to write (25006): it is read-only, or the borrower made a transaction so.
    RefusedWrite,
    /// The server says that it has become read-only or a standby, or has ceased to be.
    Reported,
}

const REFUSED: u8 = 1;
const REPORTED: u8 = 2;

/// Written by the thread that drives the connection, read by any.
#[derive(Debug, Default)]
pub(super) struct RoleSigns {
    seen: AtomicU8,
    /// The settings as last reported: one bit each for "reported" and "on".
    reported: AtomicU8,
}

impl RoleSigns {
    /// An error came.
    pub(super) fn note_error(&self, sqlstate: [u8; 5]) {
        if is_read_only(sqlstate) {
            self.note(REFUSED);
        }
    }

    /// A `ParameterStatus` came.
    pub(super) fn note_report(&self, body: &[u8]) {
        let mut parts = body.split(|b| *b == 0);
        let (known, on) = match parts.next() {
            Some(b"default_transaction_read_only") => (1, 2),
            Some(b"in_hot_standby") => (4, 8),
            _ => return,
        };
        let before = self.reported.load(Relaxed);
        let now = before & !on | known | if parts.next() == Some(b"on") { on } else { 0 };
        self.reported.store(now, Relaxed);
        if before & known != 0 && now != before {
            self.note(REPORTED);
        }
    }

    fn note(&self, sign: u8) {
        self.seen.store(self.seen.load(Relaxed) | sign, Relaxed);
    }

    #[inline]
    pub(super) fn seen(&self) -> Option<RoleSign> {
        match self.seen.load(Relaxed) {
            0 => None,
            seen if seen & REFUSED != 0 => Some(RoleSign::RefusedWrite),
            _ => Some(RoleSign::Reported),
        }
    }

    /// The role was found to be right after all.
    pub(super) fn forget(&self) {
        self.seen.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_at_the_start_is_no_sign_but_a_change_is() {
        let signs = RoleSigns::default();
        for report in
            [&b"in_hot_standby\0off\0"[..], b"default_transaction_read_only\0on\0", b"TimeZone\0UTC\0"]
        {
            signs.note_report(report);
            signs.note_report(report);
        }
        assert_eq!(signs.seen(), None);
        signs.note_report(b"in_hot_standby\0on\0");
        assert_eq!(signs.seen(), Some(RoleSign::Reported));
        signs.forget();
        assert_eq!(signs.seen(), None);
        signs.note_report(b"default_transaction_read_only\0off\0");
        assert_eq!(signs.seen(), Some(RoleSign::Reported));
    }

    #[test]
    fn a_refused_write_is_a_sign_and_other_errors_are_none() {
        let signs = RoleSigns::default();
        signs.note_error(*b"23505");
        assert_eq!(signs.seen(), None);
        signs.note_error(*b"25006");
        signs.note_error(*b"25P02");
        assert_eq!(signs.seen(), Some(RoleSign::RefusedWrite));
    }
}
