//! Tracks hosts that recently gave no answer.
//!
//! A host that refuses costs nothing. One that does not answer costs each opening its share of the time, half of it where
//! there are two hosts. Where a role is demanded, the order of hosts decides only which is tried first, so a host that timed
//! out is tried last for a while.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::sys::clock::Tick;

/// The time for which a host that timed out is tried last.
const TRY_LAST_FOR: Duration = Duration::from_secs(30);

/// The least time without an answer that counts: a host that was given less may just be slow.
const MIN_SILENCE: Duration = Duration::from_millis(900);

/// The hosts of one target, with the time of their last timeout.
#[derive(Debug)]
pub(super) struct UnresponsiveHosts {
    /// The moment for each host until which it is tried last.
    until: Vec<AtomicU64>,
}

impl UnresponsiveHosts {
    pub(super) fn new(hosts: usize) -> Self {
        Self { until: (0..hosts).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Moves the hosts to the end that timed out recently.
    pub(super) fn put_last(&self, hosts: &mut [usize], now: Tick) {
        hosts.sort_by_key(|&host| self.is_silent(host, now));
    }

    fn is_silent(&self, host: usize, now: Tick) -> bool {
        self.until.get(host).is_some_and(|until| Tick::from_word(until.load(Relaxed)) > now)
    }

    /// Records the outcome of trying a host, from `asked` to `now`.
    pub(super) fn note(&self, host: usize, failure: Option<&Error>, asked: Tick, now: Tick) {
        let Some(until) = self.until.get(host) else { return };
        match failure {
            Some(error) if error.kind() == ErrorKind::ConnectTimeout => {
                if now.since(asked) >= MIN_SILENCE {
                    until.store(now.plus(TRY_LAST_FOR).to_word(), Relaxed);
                }
            }
            // Any other failure is an answer.
            _ => until.store(0, Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_timed_out_is_tried_last_until_it_answers_or_the_time_is_over() {
        let hosts = UnresponsiveHosts::new(3);
        let at = |seconds: u64| Tick::from_word((1_000 + seconds) * 1_000_000_000);
        let silent = Error::new(ErrorKind::ConnectTimeout, "no answer");
        let order = |hosts: &UnresponsiveHosts, now| {
            let mut order = [0, 1, 2];
            hosts.put_last(&mut order, now);
            order
        };
        let refused = Error::new(ErrorKind::Refused, "nobody listens");
        assert_eq!(order(&hosts, at(0)), [0, 1, 2]);
        hosts.note(0, Some(&silent), at(0), at(0));
        assert_eq!(order(&hosts, at(0)), [0, 1, 2], "it had no time to answer");
        hosts.note(0, Some(&silent), at(0), at(4));
        hosts.note(1, Some(&refused), at(4), at(4));
        assert_eq!(order(&hosts, at(4)), [1, 2, 0]);
        assert_eq!(order(&hosts, at(33)), [1, 2, 0]);
        assert_eq!(order(&hosts, at(34)), [0, 1, 2], "long ago");
        hosts.note(0, Some(&silent), at(34), at(38));
        hosts.note(0, None, at(38), at(38));
        assert_eq!(order(&hosts, at(38)), [0, 1, 2], "it spoke");
        for host in 0..3 {
            hosts.note(host, Some(&silent), at(40), at(44));
        }
        assert_eq!(order(&hosts, at(44)), [0, 1, 2], "all are alike");
    }
}
