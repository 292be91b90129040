//! Slow start: limits how many connections are opened at once.
//!
//! A server would otherwise get all opens at once when processes start or when it comes back: 8 from each of a hundred
//! processes. So it begins with two, and each success allows one more, up to [`MAX_OPENING`]: eight connections take three
//! turns instead of one. After a failure, or the loss of a connection, it begins with one. (TCP's slow start, for the same
//! reason.)

/// The most connections opened at once. HikariCP opens one at a time, and is blamed for it when connecting is slow.
const MAX_OPENING: u32 = 4;
const FIRST_OPENING: u32 = 2;

#[derive(Debug)]
pub(crate) struct SlowStart(u32);

impl Default for SlowStart {
    fn default() -> Self {
        Self(FIRST_OPENING)
    }
}

impl SlowStart {
    pub(crate) fn succeeded(&mut self) {
        self.0 = (self.0 + 1).min(MAX_OPENING);
    }

    /// Records that opening failed or that a connection was lost.
    pub(crate) fn failed(&mut self) {
        self.0 = 1;
    }

    /// Returns the limit of each of `pools` that share the server: an equal part, at least one.
    pub(crate) fn for_each_of(&self, pools: usize) -> u32 {
        (self.0 / u32::try_from(pools.max(1)).unwrap_or(u32::MAX)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_two_rises_with_success_to_four_and_begins_with_one_after_a_failure() {
        let mut slow_start = SlowStart::default();
        let mut allowed = vec![slow_start.for_each_of(1)];
        for _ in 0..4 {
            slow_start.succeeded();
            allowed.push(slow_start.for_each_of(1));
        }
        assert_eq!(allowed, [2, 3, 4, 4, 4]);
        slow_start.failed();
        assert_eq!(slow_start.for_each_of(1), 1);
    }

    #[test]
    fn pools_share_it_and_each_may_open_one() {
        let mut slow_start = SlowStart::default();
        (0..9).for_each(|_| slow_start.succeeded());
        assert_eq!([1, 2, 3, 4, 50].map(|pools| slow_start.for_each_of(pools)), [4, 2, 1, 1, 1]);
    }
}
