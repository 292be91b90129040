//! Throttles opening below the limit: too many openings under way, or a permanent failure. Ends backoffs early when the server
//! is back.

use std::time::{Duration, Instant};

use super::{Account, Admission, Pooled, State};
use crate::resilience::slow_start::SlowStart;

/// The server's willingness to let this pool in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerAccess {
    Granted,
    Refused,
    /// The server refused permanently and is being asked again: new callers wait for the answer.
    AskedAgain,
}

/// The outcome of asking a server again.
pub(in crate::pool) enum Asking {
    /// Capacity is taken for it.
    Begins,
    IsUnderWay,
    /// Closed connections still hold the capacity.
    HasNoRoom,
}

#[derive(Debug)]
pub(super) struct Gate {
    at_once: u32,
    access: ServerAccess,
    /// The time at which the server was last found to be back.
    opened: Option<Instant>,
    /// A census runs over a connection that would be idle; callers wait for it until then at the latest.
    census_until: Option<Instant>,
}

/// The longest wait for a connection that takes a census. A census takes a millisecond or two, less than an opening.
const CENSUS_WAIT: Duration = Duration::from_millis(20);

impl Default for Gate {
    fn default() -> Self {
        Self {
            at_once: SlowStart::default().for_each_of(1),
            access: ServerAccess::Granted,
            opened: None,
            census_until: None,
        }
    }
}

impl Gate {
    pub(super) fn lets_open(&self, opening: u32) -> bool {
        opening < self.at_once && self.access == ServerAccess::Granted
    }

    pub(super) fn census_begins(&mut self, now: Instant) {
        self.census_until = Some(now + CENSUS_WAIT);
    }

    pub(super) fn census_ends(&mut self) {
        self.census_until = None;
    }

    /// Returns until when a newcomer waits for a connection that takes a census, if one does.
    pub(super) fn census_until(&self, now: Instant) -> Option<Instant> {
        self.census_until.filter(|until| *until > now)
    }

    pub(super) fn was_opened_since(&self, moment: Instant) -> bool {
        self.opened.is_some_and(|opened| moment <= opened)
    }
}

impl<P: Pooled> State<P> {
    /// Returns whether no waiter can be served: the server refuses, and no connection is left.
    pub(super) fn refuses_all(&self) -> bool {
        self.gate.access == ServerAccess::Refused && self.held() == 0
    }

    /// Returns whether there is room under the limit, regardless of the gate.
    fn has_room(&self) -> bool {
        !self.closed && self.limit.may_open(self.live(), Instant::now())
    }
}

impl<P: Pooled> Admission<P> {
    /// Sets the number of openings that may be under way at once.
    pub(in crate::pool) fn allow_at_once(&self, count: u32) {
        self.free_capacity(|state| state.gate.at_once = count);
    }

    /// Lets waiters in backoff open at once, since the server is back.
    pub(in crate::pool) fn end_backoff(&self) {
        let now = Instant::now();
        self.free_capacity(|state| state.gate.opened = Some(now));
    }

    /// Takes capacity for a probe, if there is any.
    pub(in crate::pool) fn reserve_for_probe(&self) -> bool {
        let mut state = self.state.lock();
        let granted = state.has_room() && state.opening < state.gate.at_once;
        state.opening += u32::from(granted);
        state.counters.probes += u64::from(granted);
        granted
    }

    /// Counts an opened connection as in use. Returns `false` when the pool was closed meanwhile; it still counts.
    pub(in crate::pool) fn opened(&self, conn: &mut P) -> bool {
        self.opened_as(conn, |_, conn| conn.counts_as(Account::InUse))
    }

    pub(super) fn opened_as(&self, conn: &mut P, count: impl FnOnce(&mut State<P>, &mut P)) -> bool {
        let mut still_wanted = false;
        // The next opening may begin.
        self.free_capacity(|state| {
            count(state, conn);
            state.opening -= 1;
            state.in_use += 1;
            state.counters.opens += 1;
            state.limit.opened(state.held(), Instant::now(), fastrand::f64());
            still_wanted = !state.closed;
        });
        still_wanted
    }

    /// Notes a permanent failure of an opening. No further opening begins; if there is no connection to wait for, all waiters
    /// are refused.
    pub(in crate::pool) fn opening_failed_permanently(&self) {
        self.free_capacity(|state| {
            state.opening -= 1;
            state.gate.access = ServerAccess::Refused;
        });
    }

    /// Takes capacity for asking a server again after a permanent failure.
    pub(in crate::pool) fn ask_again(&self) -> Asking {
        let mut state = self.state.lock();
        if state.gate.access != ServerAccess::Refused {
            return Asking::IsUnderWay;
        }
        if !state.has_room() {
            return Asking::HasNoRoom;
        }
        state.gate.access = ServerAccess::AskedAgain;
        state.opening += 1;
        state.counters.probes += 1;
        Asking::Begins
    }

    /// Ends asking again. Without an answer the permanent failure still stands.
    pub(in crate::pool) fn asking_ends(&self) {
        self.free_capacity(|state| {
            if state.gate.access == ServerAccess::AskedAgain {
                state.gate.access = ServerAccess::Refused;
            }
        });
    }

    /// Lifts a permanent failure: the server accepted, or failed in another way.
    pub(in crate::pool) fn permanent_failure_ended(&self) {
        self.free_capacity(|state| state.gate.access = ServerAccess::Granted);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::super::{Denied, Grant, Request};
    use super::*;
    use crate::resilience::effective_limit::EffectiveLimit;
    use crate::resilience::learned_limit::TryIntervals;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn queue() -> Arc<Admission<u32>> {
        let pace = TryIntervals { first: ms(20), longest: ms(1000) };
        Arc::new(Admission::new(8, EffectiveLimit::new(8, pace, None)))
    }

    fn ask(
        queue: &Arc<Admission<u32>>,
        backoff: Option<Duration>,
    ) -> thread::JoinHandle<Result<Grant<u32>, Denied>> {
        let queue = queue.clone();
        let now = Instant::now();
        let opens_from = backoff.map(|backoff| now + backoff);
        let request = Request {
            since: now,
            deadline: now + ms(5000),
            opens_from,
            backs_off: backoff.is_some(),
            is_new: true,
        };
        thread::spawn(move || queue.wait(request))
    }

    fn wait_for_waiters(queue: &Admission<u32>, count: u32) {
        while queue.snapshot().0.waiting < count {
            thread::sleep(ms(1));
        }
    }

    fn is_capacity(answer: thread::JoinHandle<Result<Grant<u32>, Denied>>) -> bool {
        matches!(answer.join().expect("no panic"), Ok(Grant::Capacity))
    }

    #[test]
    fn no_more_are_in_the_making_than_are_allowed_at_once_and_each_that_ends_lets_the_next_begin() {
        let queue = queue();
        queue.allow_at_once(2);
        let askers: Vec<_> = (0..5).map(|_| ask(&queue, None)).collect();
        wait_for_waiters(&queue, 3);
        assert_eq!(queue.snapshot().0.opening, 2);
        assert!(queue.opened(&mut 0));
        wait_for_waiters(&queue, 2);
        assert_eq!(queue.snapshot().0.opening, 2);
        queue.opening_failed();
        queue.allow_at_once(4);
        assert!(askers.into_iter().all(is_capacity));
        assert_eq!((queue.snapshot().0.opening, queue.snapshot().0.in_use), (3, 1));
    }

    #[test]
    fn the_servers_return_ends_the_backoff_of_those_who_wait_and_of_nobody_else() {
        let queue = queue();
        let waiting = ask(&queue, Some(ms(4000)));
        wait_for_waiters(&queue, 1);
        let start = Instant::now();
        queue.end_backoff();
        assert!(is_capacity(waiting));
        assert!(start.elapsed() < ms(2000));
        let later = ask(&queue, Some(ms(4000)));
        wait_for_waiters(&queue, 1);
        queue.allow_at_once(3);
        assert_eq!(queue.snapshot().0.waiting, 1, "its backoff began after the server was back");
        queue.close();
        assert!(matches!(later.join().expect("no panic"), Ok(Grant::Closed)));
    }

    #[test]
    fn a_refusal_for_good_is_told_to_everybody_unless_there_is_a_connection_to_wait_for() {
        let queue = queue();
        for _ in 0..2 {
            assert!(is_capacity(ask(&queue, None)));
        }
        assert!(queue.opened(&mut 0));
        queue.opening_failed_permanently();
        let waiting = ask(&queue, None);
        wait_for_waiters(&queue, 1);
        queue.retire_in_use(&mut 0, |_| {});
        queue.departed();
        assert!(matches!(waiting.join().expect("no panic"), Ok(Grant::Refused)));
        assert!(matches!(ask(&queue, None).join().expect("no panic"), Ok(Grant::Refused)));
        assert!(matches!(queue.ask_again(), Asking::Begins));
        assert!(matches!(queue.ask_again(), Asking::IsUnderWay));
        queue.opening_failed();
        queue.asking_ends();
        assert!(matches!(queue.ask_again(), Asking::Begins), "who asked is gone, without an answer");
        let waiting = ask(&queue, None);
        wait_for_waiters(&queue, 1);
        queue.opening_failed();
        queue.permanent_failure_ended();
        assert!(is_capacity(waiting));
    }

    #[test]
    fn a_newcomer_waits_for_what_is_looked_over_and_opens_when_that_takes_too_long() {
        let queue = queue();
        assert!(is_capacity(ask(&queue, None)));
        assert!(queue.opened(&mut 0));
        queue.state.lock().gate.census_begins(Instant::now() + Duration::from_secs(3600));
        let waiting = ask(&queue, None);
        wait_for_waiters(&queue, 1);
        assert!(queue.park(7).is_none());
        assert!(matches!(waiting.join().expect("no panic"), Ok(Grant::Connection(7))));
        queue.state.lock().gate.census_begins(Instant::now());
        let start = Instant::now();
        assert!(is_capacity(ask(&queue, None)));
        assert!(start.elapsed() < ms(3000), "it waited for {:?}", start.elapsed());
    }
}
