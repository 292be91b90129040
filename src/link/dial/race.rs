//! Connects to the addresses of one name in staggered fashion (RFC 8305, "Happy Eyeballs"): an address that gives no answer
//! within a quarter of a second has the next one tried beside it, and the first that answers is used.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::abort::Abort;
use super::{ABORT_CHECK_INTERVAL, given_up, is_under_way, no_socket, timed_out};
use crate::error::{Error, Phase};

/// The wait for an answer before the next address is tried as well ("Connection Attempt Delay", RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The outcome of a race, by the addresses' indices.
pub(crate) struct Race {
    /// The address that answered first and its socket, which does not block.
    pub(crate) winner: Option<(usize, OwnedFd)>,
    /// The addresses that refused, or could not be reached.
    pub(crate) failures: Vec<(usize, Error)>,
    /// The addresses that had time to answer and did not.
    pub(crate) silent: Vec<usize>,
}

struct Attempt {
    index: usize,
    socket: OwnedFd,
    began: Instant,
}

struct Runner<'a> {
    addresses: std::iter::Enumerate<std::slice::Iter<'a, SocketAddr>>,
    attempts: Vec<Attempt>,
    failures: Vec<(usize, Error)>,
    next_at: Instant,
}

/// Connects to whichever of the addresses answers first. Blocks up to `deadline`.
///
/// # Errors
/// [`ErrorKind::PoolClosed`](crate::ErrorKind::PoolClosed) when the opening was aborted.
pub(crate) fn race(addresses: &[SocketAddr], deadline: Instant, abort: &Abort) -> Result<Race, Error> {
    let mut runner = Runner {
        addresses: addresses.iter().enumerate(),
        attempts: Vec::new(),
        failures: Vec::new(),
        next_at: Instant::now(),
    };
    loop {
        if abort.is_requested() {
            return Err(given_up(Phase::Connect));
        }
        let now = Instant::now();
        if now >= deadline {
            return Ok(runner.end(None, now));
        }
        if let Some(connected) = runner.begin_next(now) {
            return Ok(runner.end(Some(connected), now));
        }
        if runner.attempts.is_empty() {
            if runner.addresses.len() == 0 {
                return Ok(runner.end(None, now));
            }
            continue;
        }
        if let Some(connected) = runner.wait(deadline) {
            return Ok(runner.end(Some(connected), Instant::now()));
        }
    }
}

impl Runner<'_> {
    /// Begins the next attempt if it is due: at once where none is under way. Returns a connection made at once.
    fn begin_next(&mut self, now: Instant) -> Option<(usize, OwnedFd)> {
        if now < self.next_at && !self.attempts.is_empty() {
            return None;
        }
        let (index, address) = self.addresses.next()?;
        self.next_at = now + ATTEMPT_DELAY;
        match begin(*address) {
            Ok((socket, true)) => return Some((index, socket)),
            Ok((socket, false)) => self.attempts.push(Attempt { index, socket, began: now }),
            Err(error) => self.fail(index, error),
        }
        None
    }

    fn fail(&mut self, index: usize, error: Error) {
        self.failures.push((index, error));
        self.next_at = Instant::now();
    }

    /// Waits for an answer, up to the moment at which something else is due. Returns the connection that was made.
    fn wait(&mut self, deadline: Instant) -> Option<(usize, OwnedFd)> {
        let until = if self.addresses.len() > 0 { deadline.min(self.next_at) } else { deadline };
        let limit = until.saturating_duration_since(Instant::now()).min(ABORT_CHECK_INTERVAL);
        let limit = Timespec::try_from(limit).ok()?;
        let mut polled: Vec<_> =
            self.attempts.iter().map(|attempt| PollFd::new(&attempt.socket, PollFlags::OUT)).collect();
        // An interruption by a signal, or a failure: the caller looks at its deadline and comes again.
        poll(&mut polled, Some(&limit)).ok()?;
        let answered: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut connected = None;
        let attempts = std::mem::take(&mut self.attempts);
        for (attempt, answered) in attempts.into_iter().zip(answered) {
            if !answered || connected.is_some() {
                self.attempts.push(attempt);
                continue;
            }
            match SockRef::from(&attempt.socket).take_error() {
                Ok(None) => connected = Some((attempt.index, attempt.socket)),
                Ok(Some(e)) | Err(e) => {
                    self.fail(attempt.index, Error::from_connect_io(e, Phase::Connect, ""))
                }
            }
        }
        connected
    }

    /// Ends the race. What had no answer yet is given up.
    fn end(mut self, winner: Option<(usize, OwnedFd)>, now: Instant) -> Race {
        let silent = |attempt: &&Attempt| now.duration_since(attempt.began) >= ATTEMPT_DELAY;
        let silent: Vec<usize> = self.attempts.iter().filter(silent).map(|attempt| attempt.index).collect();
        if winner.is_none() {
            let unanswered = self.attempts.iter().map(|attempt| attempt.index);
            self.failures.extend(unanswered.map(|index| (index, timed_out(Phase::Connect))));
        }
        Race { winner, failures: self.failures, silent }
    }
}

/// Begins to connect. Returns whether the connection was made at once.
fn begin(address: SocketAddr) -> Result<(OwnedFd, bool), Error> {
    let failed = |e| Error::from_connect_io(e, Phase::Connect, "");
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(no_socket)?;
    socket.set_nonblocking(true).map_err(failed)?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => Ok((socket.into(), true)),
        Err(e) if is_under_way(&e) => Ok((socket.into(), false)),
        Err(e) => Err(failed(e)),
    }
}
