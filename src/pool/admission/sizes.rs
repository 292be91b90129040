//! The sizes of a pool: room for `min_idle`, and another `max_size` at run time.

use std::time::Instant;

use super::{Admission, Pooled, State};
use crate::pool::telemetry::stats::CloseReason;

/// The outcome of [`Admission::resize`].
pub(in crate::pool) struct Resized<P> {
    /// The size until then.
    pub(in crate::pool) from: u32,
    /// The idle connections that exceed the new size; they count as departing.
    pub(in crate::pool) surplus: Vec<P>,
}

/// The work that `min_idle` calls for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pool) enum ForMinIdle {
    Enough,
    /// Capacity is taken for another connection.
    Reserved,
    NoCapacity,
}

impl<P: Pooled> State<P> {
    /// Returns the number of connections that exceed `max_size`, without those that are departing already.
    pub(super) fn surplus(&self) -> u32 {
        (self.held() + self.opening).saturating_sub(self.limit.most())
    }

    /// Returns the reason why a connection in use that came back is not kept, if there is one.
    #[inline]
    pub(super) fn keeps_none(&self) -> Option<CloseReason> {
        if self.closed {
            Some(CloseReason::PoolClosed)
        } else if self.surplus() > 0 {
            Some(CloseReason::Surplus)
        } else {
            None
        }
    }
}

impl<P: Pooled> Admission<P> {
    /// Takes capacity for an idle connection, if fewer than `min_idle` are idle, opening or in the pool's own use, which returns
    /// them soon, and no call waits until the pool is warm. `is_warming` is asked under the lock, under which that call checks out
    /// what it holds: asked before it, a connection that the call has just taken would be opened again.
    pub(in crate::pool) fn reserve_for_min_idle(
        &self,
        min_idle: u32,
        is_warming: impl FnOnce() -> bool,
    ) -> ForMinIdle {
        let mut state = self.state.lock();
        let soon_idle = state.opening + state.soon_parked();
        let has_enough = state.idle.len() as u32 + soon_idle >= min_idle.min(state.limit.most());
        if state.closed || has_enough || is_warming() {
            return ForMinIdle::Enough;
        }
        if !state.has_capacity() {
            return ForMinIdle::NoCapacity;
        }
        state.opening += 1;
        ForMinIdle::Reserved
    }

    /// Waits while what is being opened may make it so many open connections.
    pub(in crate::pool) fn wait_for_openings(&self, connections: u32, deadline: Instant) {
        let mut state = self.state.lock();
        while !state.closed && state.held() < connections && state.held() + state.opening >= connections {
            if self.drained.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    #[cfg(feature = "capi")]
    pub(in crate::pool) fn max_size(&self) -> u32 {
        self.state.lock().limit.most()
    }

    /// Sets the largest number of connections: waiters that may open now do, and surplus idle connections are taken, the longest
    /// idle first. `None` when the pool is closed.
    pub(in crate::pool) fn resize(&self, max_size: u32) -> Option<Resized<P>> {
        let mut resized = None;
        self.free_capacity(|state| {
            if state.closed {
                return;
            }
            let from = state.limit.most();
            state.limit.set_most(max_size);
            let count = state.idle.len().min(state.surplus() as usize);
            let mut surplus: Vec<P> = state.idle.drain(..count).collect();
            for parked in &mut surplus {
                state.departs(parked);
                state.counters.closed(CloseReason::Surplus);
            }
            if !surplus.is_empty() {
                state.gave_up_connection();
            }
            resized = Some(Resized { from, surplus });
        });
        resized
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::tests::{all_checked_out, within};
    use super::super::{Grant, Request};
    use super::*;

    fn patient() -> Request {
        within(Duration::from_secs(60))
    }

    #[test]
    fn nothing_is_opened_for_min_idle_while_a_call_warms_the_pool_and_none_can_begin_meanwhile() {
        let queue = all_checked_out(1);
        queue.resize(3).unwrap();
        let outcome = queue.reserve_for_min_idle(2, || {
            assert!(queue.state.try_lock().is_none(), "a call could check out a connection here");
            true
        });
        assert_eq!(outcome, ForMinIdle::Enough);
        assert_eq!(queue.reserve_for_min_idle(2, || false), ForMinIdle::Reserved);
    }

    #[test]
    fn what_was_opened_for_min_idle_counts_for_it_until_it_is_parked_as_well() {
        let queue = all_checked_out(1);
        queue.resize(4).unwrap();
        assert_eq!(queue.reserve_for_min_idle(1, || false), ForMinIdle::Reserved);
        assert_eq!(queue.reserve_for_min_idle(1, || false), ForMinIdle::Enough);
        let mut opened = 2;
        assert!(queue.opened_for_pool(&mut opened));
        assert_eq!(queue.reserve_for_min_idle(1, || false), ForMinIdle::Enough);
        assert_eq!(queue.park(opened), None);
        assert_eq!(queue.reserve_for_min_idle(1, || false), ForMinIdle::Enough);
        let figures = queue.snapshot().0;
        assert_eq!((figures.idle, figures.in_use, figures.opening), (1, 1, 0));
    }

    #[test]
    fn what_the_pool_uses_itself_counts_for_min_idle_unless_it_is_to_be_released() {
        let queue = all_checked_out(2);
        queue.resize(4).unwrap();
        let (mut first, second) = (1, 2);
        queue.begin_pool_use(&mut first);
        assert_eq!(queue.park(second), None);
        assert_eq!(queue.reserve_for_min_idle(2, || false), ForMinIdle::Enough);
        assert_eq!(queue.release_idle(), [2]);
        assert_eq!(queue.reserve_for_min_idle(1, || false), ForMinIdle::Reserved);
    }

    #[test]
    fn a_larger_size_lets_waiters_open_at_once() {
        let queue = all_checked_out(1);
        thread::scope(|scope| {
            let waiters = [(); 2].map(|()| scope.spawn(|| queue.wait(patient())));
            while queue.snapshot().0.waiting < 2 {
                thread::yield_now();
            }
            assert_eq!(queue.resize(3).unwrap().from, 1);
            // One at a time may open.
            for _ in 0..2 {
                while queue.snapshot().0.opening == 0 {
                    thread::yield_now();
                }
                assert!(queue.opened(&mut 0));
            }
            for waiter in waiters {
                assert!(matches!(waiter.join().unwrap(), Ok(Grant::Capacity)));
            }
        });
        let figures = queue.snapshot().0;
        assert_eq!((figures.max_size, figures.limit, figures.in_use), (3, 3, 3));
    }

    #[test]
    fn a_smaller_size_takes_the_longest_idle_and_keeps_as_many_of_those_that_come_back_as_fit() {
        let queue = all_checked_out(8);
        for connection in 1..=3 {
            assert_eq!(queue.park(connection), None);
        }
        let resized = queue.resize(6).unwrap();
        assert_eq!((resized.from, resized.surplus), (8, vec![1, 2]));
        // Idle ones do not suffice for this.
        assert_eq!(queue.resize(2).unwrap().surplus, [3]);
        for connection in 4..=8 {
            let refused = queue.park(connection);
            if connection < 7 {
                assert_eq!(refused, Some((connection, CloseReason::Surplus)));
                queue.retire_in_use(&mut 0, |_| {});
            } else {
                assert_eq!(refused, None, "connection {connection}, while six are departing");
            }
        }
        let figures = queue.snapshot().0;
        assert_eq!((figures.idle, figures.in_use, figures.total), (2, 0, 8));
        // What departs counts against the new size as it did against the old one.
        let both = [queue.wait(patient()), queue.wait(patient())];
        assert!(both.iter().all(|grant| matches!(grant, Ok(Grant::Connection(_)))));
        assert!(!queue.reserve_for_probe());
        assert!(queue.resize(9).unwrap().surplus.is_empty());
        assert!(queue.reserve_for_probe());
        assert!(!queue.reserve_for_probe(), "six are still departing");
        queue.close();
        assert!(queue.resize(3).is_none());
    }
}
