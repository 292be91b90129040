//! What is known of a statement from how it ran before: whether others may be sent behind it, and it behind others, on one
//! connection.
//!
//! What is sent behind a statement waits for it, while other workers may have nothing to do. So only those travel together
//! that only read, as far as their text tells, and that were quick every time of late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

/// As many texts are remembered, those used last.
const MOST_TEXTS: usize = 512;

/// Longer ones are not looked at.
const LONGEST_TEXT: usize = 2048;

/// A statement that took longer is not quick.
const QUICK: Duration = if cfg!(test) {
    // What the tests see must not depend on how busy the machine is.
    Duration::from_millis(100)
} else {
    Duration::from_millis(1)
};

/// So often in a row a statement must have been quick.
const OFTEN: u32 = 8;

pub(super) struct Habit {
    quick_in_a_row: AtomicU32,
}

impl Habit {
    pub(super) fn note(&self, took: Duration) {
        let so_far = self.quick_in_a_row.load(Relaxed);
        // Workers that note at the same time may count one too few, which does no harm.
        if took > QUICK {
            self.quick_in_a_row.store(0, Relaxed);
        } else if so_far < OFTEN {
            self.quick_in_a_row.store(so_far + 1, Relaxed);
        }
    }

    pub(super) fn is_quick(&self) -> bool {
        self.quick_in_a_row.load(Relaxed) >= OFTEN
    }
}

/// The habits of the statements of one pool.
pub(super) struct Habits(Mutex<LruCache<Box<str>, Option<Arc<Habit>>>>);

impl Default for Habits {
    fn default() -> Self {
        let mut cache = LruCache::unbounded();
        if let Some(most) = std::num::NonZeroUsize::new(MOST_TEXTS) {
            cache.resize(most);
        }
        Self(Mutex::new(cache))
    }
}

impl Habits {
    /// The habit of a statement; `None` for one that may not travel with others.
    pub(super) fn of(&self, text: &str) -> Option<Arc<Habit>> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        let mut cache = self.0.lock();
        if let Some(habit) = cache.get(text) {
            return habit.clone();
        }
        let habit = only_reads(text).then(|| Arc::new(Habit { quick_in_a_row: AtomicU32::new(0) }));
        cache.put(text.into(), habit.clone());
        habit
    }
}

/// A `SELECT` that locks no rows, as far as can be told without parsing it. Functions may do anything, of course, which
/// is why none is ever repeated on the strength of this.
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
    fn only_what_reads_and_locks_nothing_may_travel_with_others() {
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
    fn a_statement_is_quick_when_it_was_so_often_and_not_any_more_when_it_was_slow_once() {
        let habits = Habits::default();
        let habit = habits.of("select 1").unwrap();
        for _ in 0..OFTEN {
            assert!(!habit.is_quick());
            habits.of("select 1").unwrap().note(QUICK);
        }
        assert!(habit.is_quick());
        habit.note(2 * QUICK);
        assert!(!habit.is_quick());
        assert!(habits.of("delete from t").is_none());
    }
}
