//! The latency profile of each statement text, which decides whether it may be coalesced with others on one connection.
//!
//! A coalesced request waits for those ahead of it, while other workers may be idle. So only statements are coalesced that
//! read only, judging by their text, and that were short in each of their last runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::sys::sync::Mutex;
use lru::LruCache;

/// The most texts to remember; the least recently used are forgotten.
const MAX_TEXTS: usize = 512;

/// Longer texts have no profile.
const MAX_TEXT_BYTES: usize = 2048;

/// The longest run of a short statement.
const SHORT_STATEMENT: Duration = if cfg!(test) {
    // Test results must not depend on how busy the machine is.
    Duration::from_millis(100)
} else {
    Duration::from_millis(1)
};

/// The number of consecutive short runs before a statement is coalesced.
const SHORT_RUNS_NEEDED: u32 = 8;

pub(super) struct StatementProfile {
    short_in_a_row: AtomicU32,
}

impl StatementProfile {
    pub(super) fn note(&self, took: Duration) {
        let so_far = self.short_in_a_row.load(Relaxed);
        // Concurrent workers may count one too few, which is harmless.
        if took > SHORT_STATEMENT {
            self.short_in_a_row.store(0, Relaxed);
        } else if so_far < SHORT_RUNS_NEEDED {
            self.short_in_a_row.store(so_far + 1, Relaxed);
        }
    }

    pub(super) fn is_short(&self) -> bool {
        self.short_in_a_row.load(Relaxed) >= SHORT_RUNS_NEEDED
    }
}

/// The statement profiles of one pool.
pub(super) struct StatementProfiles(Mutex<LruCache<Box<str>, Option<Arc<StatementProfile>>>>);

impl Default for StatementProfiles {
    fn default() -> Self {
        let mut cache = LruCache::unbounded();
        if let Some(most) = std::num::NonZeroUsize::new(MAX_TEXTS) {
            cache.resize(most);
        }
        Self(Mutex::new(cache))
    }
}

impl StatementProfiles {
    /// Returns the profile of a statement; `None` for one that may not be coalesced.
    pub(super) fn of(&self, text: &str) -> Option<Arc<StatementProfile>> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let mut cache = self.0.lock();
        if let Some(profile) = cache.get(text) {
            return profile.clone();
        }
        let profile =
            only_reads(text).then(|| Arc::new(StatementProfile { short_in_a_row: AtomicU32::new(0) }));
        cache.put(text.into(), profile.clone());
        profile
    }
}

/// Returns whether a text is a `SELECT` that locks no rows, judged without parsing it. Functions may do anything, so no
/// statement is ever repeated on the strength of this.
fn only_reads(text: &str) -> bool {
    let text = text.trim_ascii_start().as_bytes();
    text.get(..7)
        .is_some_and(|verb| verb[..6].eq_ignore_ascii_case(b"select") && verb[6].is_ascii_whitespace())
        && !text.windows(4).any(|word| {
            word[..3].eq_ignore_ascii_case(b"for") && word[3].is_ascii_whitespace()
                || word.eq_ignore_ascii_case(b"into")
                || word.eq_ignore_ascii_case(b"lock")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_and_locks_nothing_may_be_coalesced() {
        for text in ["select 1", "  SELECT a, b\nfrom t where id = $1", "Select\t1"] {
            assert!(only_reads(text), "{text}");
        }
        for text in [
            "",
            "select",
            "selection",
            "update t set a = 1",
            "with gone as (delete from t returning a) select * from gone",
            "select * from t for update",
            "select * from t FOR\nSHARE",
            "select a into u from t",
            "select pg_advisory_lock(1)",
            "call p()",
        ] {
            assert!(!only_reads(text), "{text}");
        }
    }

    #[test]
    fn a_statement_is_short_when_it_was_so_often_and_no_longer_when_it_was_slow_once() {
        let profiles = StatementProfiles::default();
        let profile = profiles.of("select 1").unwrap();
        for _ in 0..SHORT_RUNS_NEEDED {
            assert!(!profile.is_short());
            profiles.of("select 1").unwrap().note(SHORT_STATEMENT);
        }
        assert!(profile.is_short());
        profile.note(2 * SHORT_STATEMENT);
        assert!(!profile.is_short());
        assert!(profiles.of("delete from t").is_none());
    }
}
