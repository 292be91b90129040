//! Connections that the pool uses itself, such as for a validation, and what becomes of them when the idle ones are released.

use super::{Account, Admission, Pooled, State};
use crate::pool::telemetry::stats::CloseReason;

/// A number of releases of idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::pool) struct Releases(u32);

impl<P: Pooled> State<P> {
    /// Takes an idle connection for the pool's own use: in use, but not checked out.
    pub(super) fn take_for_pool(&mut self, place: usize) -> P {
        let mut taken = self.idle.remove(place);
        self.in_use += 1;
        self.begins_pool_use(&mut taken);
        taken
    }

    fn begins_pool_use(&mut self, parked: &mut P) {
        parked.counts_as(Account::PoolUse(self.releases));
        self.pool_use += 1;
    }

    /// Returns the number of connections that the pool uses itself and parks after that.
    pub(super) fn soon_parked(&self) -> u32 {
        self.pool_use - self.to_release
    }

    /// Returns whether the idle connections were released while the pool used this one.
    pub(super) fn was_released(&self, account: Account) -> bool {
        matches!(account, Account::PoolUse(since) if since != self.releases)
    }

    /// Takes a connection in use out of the counts.
    #[inline]
    pub(super) fn ends_use(&mut self, account: Account) {
        self.in_use -= 1;
        if matches!(account, Account::PoolUse(_)) {
            self.pool_use -= 1;
            self.to_release -= u32::from(self.was_released(account));
        }
    }
}

impl<P: Pooled> Admission<P> {
    /// Takes the longest idle connection that `pick` chooses, unless callers wait: then idle connections are about to be used.
    /// It counts as in use, but not as a checkout.
    pub(in crate::pool) fn take_for_validation(&self, pick: impl FnMut(&P) -> bool) -> Option<P> {
        let mut state = self.state.lock();
        if state.closed || !state.waiters.is_empty() {
            return None;
        }
        let place = state.idle.iter().position(pick)?;
        Some(state.take_for_pool(place))
    }

    /// Counts a connection that its caller has returned as one that the pool uses itself.
    pub(in crate::pool) fn begin_pool_use(&self, parked: &mut P) {
        if parked.account() == Account::InUse {
            self.state.lock().begins_pool_use(parked);
        }
    }

    /// Counts an opened connection as one that the pool uses itself until it is parked, for `min_idle`. Else as `opened`.
    pub(in crate::pool) fn opened_for_pool(&self, conn: &mut P) -> bool {
        self.opened_as(conn, State::begins_pool_use)
    }

    /// Puts a validated connection back to its place in the stack, as it was not used, or hands it to a waiter. Returns it, with
    /// the reason, if it has to be closed.
    pub(in crate::pool) fn back_from_validation(&self, parked: P) -> Option<(P, CloseReason)> {
        self.end_use(parked, |state, mut parked| {
            let since = parked.idle_since();
            // Below those of the same tick: it was taken from below them.
            let place = state.idle.partition_point(|other| other.idle_since() < since);
            parked.counts_as(Account::Idle);
            state.idle.insert(place, parked);
        })
    }

    /// Takes all idle connections; they count as departing from here on. Those that the pool uses at the moment will not be
    /// parked again.
    pub(in crate::pool) fn release_idle(&self) -> Vec<P> {
        let mut state = self.state.lock();
        state.releases.0 = state.releases.0.wrapping_add(1);
        state.to_release = state.pool_use;
        let mut idle: Vec<P> = state.idle.drain(..).collect();
        for parked in &mut idle {
            state.departs(parked);
            state.counters.closed(CloseReason::Released);
        }
        idle
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::Grant;
    use super::super::tests::within;
    use super::*;
    use crate::resilience::effective_limit::EffectiveLimit;
    use crate::resilience::learned_limit::TryIntervals;
    use crate::sys::clock::Tick;

    /// A connection with a number. All came back within the same tick.
    struct Numbered(u8, Account);

    impl Pooled for Numbered {
        fn was_just_used_here(&self) -> bool {
            false
        }

        fn idle_since(&self) -> Tick {
            Tick::from_word(1)
        }

        fn counts_as(&mut self, account: Account) {
            self.1 = account;
        }

        fn account(&self) -> Account {
            self.1
        }
    }

    /// Returns a queue with that many connections, numbered from 0 and all idle.
    fn all_idle(count: u8) -> Admission<Numbered> {
        let second = Duration::from_secs(1);
        let size = u32::from(count);
        let limit = EffectiveLimit::new(size, TryIntervals { first: second, longest: second }, None);
        let queue = Admission::new(size, limit);
        let opened = (0..count).map(|number| {
            assert!(matches!(queue.wait(within(Duration::ZERO)), Ok(Grant::Capacity)), "number {number}");
            let mut conn = Numbered(number, Account::Opening);
            assert!(queue.opened(&mut conn));
            conn
        });
        opened.collect::<Vec<_>>().into_iter().for_each(|conn| assert!(queue.park(conn).is_none()));
        queue
    }

    fn check_out(queue: &Admission<Numbered>) -> Numbered {
        let Some(Grant::Connection(conn)) = queue.try_idle() else { panic!("one is idle") };
        conn
    }

    #[test]
    fn a_validated_one_goes_back_below_those_that_came_back_within_the_same_tick() {
        let queue = all_idle(2);
        let taken = queue.take_for_validation(|_| true).expect("nobody waits");
        assert_eq!(taken.0, 0, "the longest idle");
        assert!(queue.back_from_validation(taken).is_none());
        assert_eq!(queue.inspect_idle(|conn| conn.0), [0, 1]);
    }

    #[test]
    fn what_the_pool_uses_while_idle_ones_are_released_is_awaited_and_not_parked() {
        let queue = all_idle(3);
        let validated = queue.take_for_validation(|_| true).expect("nobody waits");
        let mut returned = check_out(&queue);
        queue.begin_pool_use(&mut returned);
        let released = queue.release_idle();
        assert_eq!(released.iter().map(|conn| conn.0).collect::<Vec<_>>(), [1]);
        queue.departed();
        assert!(!queue.wait_released(Instant::now()), "two are in use still");
        for (conn, number) in [(queue.back_from_validation(validated), 0), (queue.park(returned), 2)] {
            let Some((mut conn, CloseReason::Released)) = conn else { panic!("number {number} was parked") };
            assert_eq!(conn.0, number);
            queue.retire_in_use(&mut conn, |_| {});
            queue.departed();
        }
        assert!(queue.wait_released(Instant::now()));
        assert_eq!(queue.snapshot().0.total, 0);
    }

    #[test]
    fn what_a_caller_has_or_the_pool_uses_later_is_not_released() {
        let queue = all_idle(2);
        let mut used = check_out(&queue);
        queue.begin_pool_use(&mut used);
        let conn = check_out(&queue);
        assert!(queue.release_idle().is_empty());
        assert!(matches!(queue.park(used), Some((_, CloseReason::Released))));
        assert!(queue.park(conn).is_none());
        let mut later = check_out(&queue);
        queue.begin_pool_use(&mut later);
        assert!(queue.park(later).is_none());
    }

    #[test]
    fn what_the_pool_uses_serves_a_waiter_though_it_was_to_be_released() {
        let queue = all_idle(1);
        let used = queue.take_for_validation(|_| true).expect("nobody waits");
        assert!(queue.release_idle().is_empty());
        std::thread::scope(|scope| {
            let wait = || queue.wait(within(Duration::from_secs(5)));
            let waiter = scope.spawn(move || matches!(wait(), Ok(Grant::Connection(_))));
            while queue.snapshot().0.waiting == 0 {
                std::thread::yield_now();
            }
            assert!(queue.back_from_validation(used).is_none());
            assert!(waiter.join().expect("no panic"));
        });
        assert!(queue.wait_released(Instant::now()), "nothing is owed any more");
    }

    #[test]
    fn a_closed_pool_takes_nothing_back_from_its_own_use() {
        let queue = all_idle(1);
        let used = queue.take_for_validation(|_| true).expect("nobody waits");
        queue.close();
        assert!(matches!(queue.back_from_validation(used), Some((_, CloseReason::PoolClosed))));
    }
}
