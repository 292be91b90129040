//! Tracks hosts and addresses that recently gave no answer.
//!
//! A host that refuses costs nothing. One that does not answer costs each opening its share of the time, half of it where
//! there are two hosts. So a host or an address that timed out is tried last for a while, whatever role is asked for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sys::sync::Mutex;

use crate::error::{Error, ErrorKind};
use crate::sys::clock::Tick;

/// The time for which a host that timed out is tried last.
const TRY_LAST_FOR: Duration = Duration::from_secs(30);

/// The least time without an answer that counts: a host that was given less may just be slow.
pub(super) const MIN_SILENCE: Duration = Duration::from_millis(900);

/// The most addresses remembered; a name may have any number of them over time.
const MAX_ADDRESSES: usize = 64;

/// The hosts and addresses of one target that timed out.
#[derive(Debug)]
pub(super) struct Unresponsive {
    /// The moment for each host until which it is tried last.
    hosts: Vec<AtomicU64>,
    /// The addresses that are tried last, each until a moment; oldest first.
    addresses: Mutex<Vec<(SocketAddr, Tick)>>,
}

impl Unresponsive {
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts: (0..hosts).map(|_| AtomicU64::new(0)).collect(), addresses: Mutex::default() }
    }

    /// Moves the hosts to the end that timed out recently.
    pub(super) fn put_last(&self, hosts: &mut [usize], now: Tick) {
        hosts.sort_by_key(|&host| self.is_silent(host, now));
    }

    fn is_silent(&self, host: usize, now: Tick) -> bool {
        self.hosts.get(host).is_some_and(|until| Tick::from_word(until.load(Relaxed)) > now)
    }

    /// Moves the addresses to the end that gave no answer recently.
    pub(super) fn put_addresses_last<T>(
        &self,
        candidates: &mut [T],
        address_of: impl Fn(&T) -> Option<SocketAddr>,
        now: Tick,
    ) {
        let known = self.addresses.lock();
        if known.is_empty() {
            return;
        }
        candidates.sort_by_key(|candidate| {
            let address = address_of(candidate);
            known.iter().any(|(silent, until)| Some(*silent) == address && *until > now)
        });
    }

    /// Records the outcome of trying a host, from `asked` to `now`.
    pub(super) fn note(&self, host: usize, failure: Option<&Error>, asked: Tick, now: Tick) {
        let Some(until) = self.hosts.get(host) else { return };
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

    /// Records whether an address gave an answer.
    pub(super) fn note_address(&self, address: SocketAddr, answered: bool, now: Tick) {
        let mut known = self.addresses.lock();
        if answered && known.is_empty() {
            return;
        }
        known.retain(|(other, until)| *other != address && *until > now);
        if !answered {
            if known.len() >= MAX_ADDRESSES {
                known.remove(0);
            }
            known.push((address, now.plus(TRY_LAST_FOR)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_word((1_000 + seconds) * 1_000_000_000)
    }

    #[test]
    fn a_host_that_timed_out_is_tried_last_until_it_answers_or_the_time_is_over() {
        let hosts = Unresponsive::new(3);
        let silent = Error::new(ErrorKind::ConnectTimeout, "no answer");
        let order = |hosts: &Unresponsive, now| {
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

    #[test]
    fn an_address_that_gave_no_answer_is_tried_last_and_no_more_than_a_bounded_number_is_kept() {
        let address = |n: u16| SocketAddr::from(([10, 0, 0, 1], n));
        let known = Unresponsive::new(1);
        let order = |now| {
            let mut order = [address(1), address(2), address(3)];
            known.put_addresses_last(&mut order, |address| Some(*address), now);
            order.map(|address| address.port())
        };
        known.note_address(address(1), true, at(0));
        assert_eq!(order(at(0)), [1, 2, 3]);
        known.note_address(address(1), false, at(0));
        assert_eq!(order(at(29)), [2, 3, 1]);
        assert_eq!(order(at(30)), [1, 2, 3], "long ago");
        known.note_address(address(1), false, at(40));
        known.note_address(address(1), true, at(41));
        assert_eq!(order(at(41)), [1, 2, 3], "it answered");
        for port in 0..1_000 {
            known.note_address(address(port), false, at(50));
        }
        assert_eq!(known.addresses.lock().len(), MAX_ADDRESSES);
    }
}
