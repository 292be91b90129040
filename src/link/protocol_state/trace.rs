//! A trace of the protocol: the kinds and times of messages, never their contents.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::sys::sync::Mutex;

/// The most entries of one checkout; what comes then is counted. A row of entries alike is one.
const MOST_ENTRIES: usize = 1_000;

/// One or several messages of a kind, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceEntry {
    /// The time of the first.
    pub(crate) at: Instant,
    is_sent: bool,
    kind: u8,
    pub(crate) count: u32,
}

impl TraceEntry {
    /// Returns the direction and the name of the message, as in the documentation of the protocol.
    pub(crate) fn name(&self) -> String {
        let direction = if self.is_sent { '>' } else { '<' };
        match name(self.is_sent, self.kind) {
            Some(name) => format!("{direction} {name}"),
            None => format!("{direction} a message of kind '{}'", char::from(self.kind).escape_default()),
        }
    }
}

fn name(is_sent: bool, kind: u8) -> Option<&'static str> {
    Some(match (is_sent, kind) {
        (true, b'B') => "Bind",
        (true, b'C') => "Close",
        (true, b'D') => "Describe",
        (true, b'E') => "Execute",
        (true, b'F') => "FunctionCall",
        (true, b'H') => "Flush",
        (true, b'P') => "Parse",
        (true, b'Q') => "Query",
        (true, b'S') => "Sync",
        (true, b'X') => "Terminate",
        (true, b'f') => "CopyFail",
        (_, b'c') => "CopyDone",
        (_, b'd') => "CopyData",
        (false, b'1') => "ParseComplete",
        (false, b'2') => "BindComplete",
        (false, b'3') => "CloseComplete",
        (false, b'A') => "NotificationResponse",
        (false, b'C') => "CommandComplete",
        (false, b'D') => "DataRow",
        (false, b'E') => "ErrorResponse",
        (false, b'G') => "CopyInResponse",
        (false, b'H') => "CopyOutResponse",
        (false, b'I') => "EmptyQueryResponse",
        (false, b'N') => "NoticeResponse",
        (false, b'S') => "ParameterStatus",
        (false, b'T') => "RowDescription",
        (false, b'W') => "CopyBothResponse",
        (false, b'Z') => "ReadyForQuery",
        (false, b'n') => "NoData",
        (false, b's') => "PortalSuspended",
        (false, b't') => "ParameterDescription",
        _ => return None,
    })
}

/// The messages since the trace was last taken.
#[derive(Debug, Default)]
pub(crate) struct Traced {
    pub(crate) entries: Vec<TraceEntry>,
    /// Messages beyond the most that are kept.
    pub(crate) left_out: u64,
}

impl Traced {
    fn note(&mut self, is_sent: bool, kind: u8) {
        let is_full = self.entries.len() == MOST_ENTRIES;
        match self.entries.last_mut() {
            _ if self.left_out > 0 => self.left_out += 1,
            Some(last) if (last.is_sent, last.kind) == (is_sent, kind) => last.count += 1,
            _ if is_full => self.left_out = 1,
            _ => self.entries.push(TraceEntry { at: Instant::now(), is_sent, kind, count: 1 }),
        }
    }

    /// Returns the entries with their times since the first.
    pub(crate) fn since_the_first(&self) -> impl Iterator<Item = (Duration, &TraceEntry)> {
        let first = self.entries.first().map(|entry| entry.at);
        self.entries.iter().map(move |entry| (first.map_or(Duration::ZERO, |first| entry.at - first), entry))
    }
}

/// The trace of one connection, if there is to be one.
#[derive(Debug, Default)]
pub(super) struct Trace(OnceLock<Mutex<Traced>>);

impl Trace {
    pub(super) fn begin(&self) {
        self.0.get_or_init(Mutex::default);
    }

    #[inline]
    pub(super) fn note(&self, is_sent: bool, kind: u8) {
        if let Some(traced) = self.0.get() {
            traced.lock().note(is_sent, kind);
        }
    }

    /// Takes what was traced since the last call; `None` when nothing is.
    #[inline]
    pub(super) fn take(&self) -> Option<Traced> {
        self.0.get().map(|traced| std::mem::take(&mut *traced.lock()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_kind_are_one_entry_and_there_is_a_most() {
        let trace = Trace::default();
        trace.note(true, b'Q');
        assert!(trace.take().is_none(), "it has not begun");
        trace.begin();
        trace.note(true, b'Q');
        (0..3).for_each(|_| trace.note(false, b'D'));
        trace.note(false, b'\n');
        let traced = trace.take().unwrap();
        let told: Vec<_> = traced.entries.iter().map(|entry| (entry.name(), entry.count)).collect();
        let expected = [("> Query", 1), ("< DataRow", 3), ("< a message of kind '\\n'", 1)];
        assert_eq!(told, expected.map(|(name, count)| (name.to_owned(), count)));
        for _ in 0..MOST_ENTRIES {
            trace.note(true, b'S');
            trace.note(false, b'Z');
        }
        let traced = trace.take().unwrap();
        assert_eq!((traced.entries.len(), traced.left_out), (MOST_ENTRIES, MOST_ENTRIES as u64));
        assert!(trace.take().unwrap().entries.is_empty());
    }
}
