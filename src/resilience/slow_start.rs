//! How many connections may be in the making at once.
//!
//! A process that starts, and a server that has just come back, would otherwise meet with all openings at once: 8 of each
//! of a hundred processes. So it begins with two, and each that succeeds allows one more, up to [`MOST`]: eight connections
//! take three turns instead of one. After a failure, or the loss of a connection, it begins with one. (TCP's slow start, for
//! the same reason.)

/// In the making at once, at most. HikariCP does with one, and is blamed for it when connecting is slow.
const MOST: u32 = 4;
const FIRST: u32 = 2;

#[derive(Debug)]
pub(crate) struct SlowStart(u32);

impl Default for SlowStart {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl SlowStart {
    pub(crate) fn succeeded(&mut self) {
        self.0 = (self.0 + 1).min(MOST);
    }

    /// An opening failed, or a connection was lost.
    pub(crate) fn failed(&mut self) {
        self.0 = 1;
    }

    /// For each of so many pools that share the server: an equal part, and one at least.
    pub(crate) fn for_each_of(&self, pools: usize) -> u32 {
        (self.0 / u32::try_from(pools.max(1)).unwrap_or(u32::MAX)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_two_rises_with_success_to_four_and_begins_with_one_after_a_failure() {
        let mut ramp = SlowStart::default();
        let mut allowed = vec![ramp.for_each_of(1)];
        for _ in 0..4 {
            ramp.succeeded();
            allowed.push(ramp.for_each_of(1));
        }
        assert_eq!(allowed, [2, 3, 4, 4, 4]);
        ramp.failed();
        assert_eq!(ramp.for_each_of(1), 1);
    }

    #[test]
    fn pools_share_it_and_each_may_open_one() {
        let mut ramp = SlowStart::default();
        (0..9).for_each(|_| ramp.succeeded());
        assert_eq!([1, 2, 3, 4, 50].map(|pools| ramp.for_each_of(pools)), [4, 2, 1, 1, 1]);
    }
}
