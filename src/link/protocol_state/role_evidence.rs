//! Evidence in a session's traffic that its server's role has changed.
//!
//! Servers report two settings at the start of a session and whenever they change, in that case before the next
//! `ReadyForQuery` (PostgreSQL 14 and later). A refused write is evidence on every version.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::error::sqlstate::is_read_only;

/// One kind of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleEvidence {
    /// The server refused a write (25006): it is read-only, or the caller made the transaction so.
    RefusedWrite,
    /// The server reported that it has become read-only or a standby, or has ceased to be.
    Reported,
}

const REFUSED: u8 = 1;
const REPORTED: u8 = 2;

/// The evidence seen on one connection. Written by the thread that drives it, read by any.
#[derive(Debug, Default)]
pub(in crate::link) struct RoleEvidenceLog {
    seen: AtomicU8,
    /// The settings as last reported: one bit each for "reported" and "on".
    reported: AtomicU8,
}

impl RoleEvidenceLog {
    /// Records an error.
    pub(in crate::link) fn note_error(&self, sqlstate: [u8; 5]) {
        if is_read_only(sqlstate) {
            self.note(REFUSED);
        }
    }

    /// Records a `ParameterStatus`.
    pub(in crate::link) fn note_report(&self, body: &[u8]) {
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

    fn note(&self, evidence: u8) {
        self.seen.store(self.seen.load(Relaxed) | evidence, Relaxed);
    }

    /// Returns the strongest evidence seen.
    #[inline]
    pub(in crate::link) fn seen(&self) -> Option<RoleEvidence> {
        match self.seen.load(Relaxed) {
            0 => None,
            seen if seen & REFUSED != 0 => Some(RoleEvidence::RefusedWrite),
            _ => Some(RoleEvidence::Reported),
        }
    }

    /// Clears the evidence: the role was checked.
    pub(in crate::link) fn forget(&self) {
        self.seen.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_at_the_start_is_no_evidence_but_a_change_is() {
        let signs = RoleEvidenceLog::default();
        for report in
            [&b"in_hot_standby\0off\0"[..], b"default_transaction_read_only\0on\0", b"TimeZone\0UTC\0"]
        {
            signs.note_report(report);
            signs.note_report(report);
        }
        assert_eq!(signs.seen(), None);
        signs.note_report(b"in_hot_standby\0on\0");
        assert_eq!(signs.seen(), Some(RoleEvidence::Reported));
        signs.forget();
        assert_eq!(signs.seen(), None);
        signs.note_report(b"default_transaction_read_only\0off\0");
        assert_eq!(signs.seen(), Some(RoleEvidence::Reported));
    }

    #[test]
    fn a_refused_write_is_evidence_and_other_errors_are_not() {
        let signs = RoleEvidenceLog::default();
        signs.note_error(*b"23505");
        assert_eq!(signs.seen(), None);
        signs.note_error(*b"25006");
        signs.note_error(*b"25P02");
        assert_eq!(signs.seen(), Some(RoleEvidence::RefusedWrite));
    }
}
