//! Resolves host names. A stuck resolver cannot hold a caller past its deadline.
//!
//! `getaddrinfo` cannot be interrupted, so it runs on a thread of its own, one per name at a time. Callers that ask for a
//! name already being resolved wait for the same answer: a dead resolver costs one stuck thread per name, not one per
//! attempt. Nothing is cached beyond the look-up itself: each attempt after a failure asks afresh.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, ErrorKind, Phase};
use crate::sys::process_local::ProcessLocal;
use crate::sys::sync::{Condvar, Mutex};
use crate::sys::thread::Thread;

/// The addresses, which include the zone of a link-local one and no port, or a failure's text with the system's error number where
/// it has one (out of descriptors, say).
type Answer = Result<Vec<SocketAddr>, (String, Option<i32>)>;

#[derive(Default)]
struct Lookup {
    answer: Mutex<Option<Answer>>,
    answered: Condvar,
}

/// A look-up that is under way at a fork is never answered in the child, which has a table of its own.
static UNDER_WAY: ProcessLocal<Mutex<HashMap<String, Arc<Lookup>>>> = ProcessLocal::new(Mutex::default);

/// Returns all addresses of `host`, in the resolver's order. Blocks up to `deadline`.
///
/// # Errors
/// [`ErrorKind::Resolve`]; [`ErrorKind::ConnectTimeout`] when the deadline passes.
pub(crate) fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let lookup = join_or_start(host).map_err(|e| {
        let message = format!("could not resolve host name \"{host}\": no thread for it ({e})");
        Error::no_thread(e, message).in_phase(Phase::Resolve)
    })?;
    let mut answer = lookup.answer.lock();
    while answer.is_none() {
        if lookup.answered.wait_until(&mut answer, deadline).timed_out() && answer.is_none() {
            let message = format!("the resolver gave no answer for \"{host}\" in time");
            return Err(Error::new(ErrorKind::ConnectTimeout, message).in_phase(Phase::Resolve));
        }
    }
    match answer.as_ref() {
        Some(Ok(addresses)) => Ok(addresses.iter().map(|address| with_port(*address, port)).collect()),
        Some(Err((cause, number))) => {
            let cause_in_chain = number.map(io::Error::from_raw_os_error);
            Err(failed(host, cause, cause_in_chain))
        }
        None => Err(failed(host, "no answer", None)),
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

fn failed(host: &str, cause: &str, system: Option<io::Error>) -> Error {
    let message = format!("could not resolve host name \"{host}\": {cause}");
    let error = match system {
        Some(system) => Error::from_local_io(system, ErrorKind::Resolve, message),
        None => Error::new(ErrorKind::Resolve, message),
    };
    error.in_phase(Phase::Resolve)
}

fn join_or_start(host: &str) -> io::Result<Arc<Lookup>> {
    let mut under_way = UNDER_WAY.get().lock();
    if let Some(lookup) = under_way.get(host) {
        return Ok(lookup.clone());
    }
    let lookup = Arc::new(Lookup::default());
    let (name, shared) = (host.to_owned(), lookup.clone());
    Thread::start("holdfast-dns", move || look_up(&name, &shared))?;
    under_way.insert(host.to_owned(), lookup.clone());
    Ok(lookup)
}

fn look_up(name: &str, lookup: &Lookup) {
    let answer = match (name, 0).to_socket_addrs() {
        Ok(addresses) => {
            let mut unique: Vec<SocketAddr> = Vec::new();
            for address in addresses {
                if !unique.contains(&address) {
                    unique.push(address);
                }
            }
            if unique.is_empty() { Err(("it has no address".to_owned(), None)) } else { Ok(unique) }
        }
        Err(e) => Err((e.to_string(), e.raw_os_error())),
    };
    UNDER_WAY.get().lock().remove(name);
    *lookup.answer.lock() = Some(answer);
    lookup.answered.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn an_address_in_text_form_needs_no_look_up() {
        let found = resolve("::1", 5432, Instant::now()).expect("no waiting is needed");
        assert_eq!(found, ["[::1]:5432".parse().expect("an address")]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_zone_of_a_link_local_address_is_kept() {
        let found = resolve("fe80::1%lo", 5432, soon()).expect("a numeric address");
        let number = std::fs::read_to_string("/sys/class/net/lo/ifindex").expect("Linux has one");
        let zone = number.trim().parse().expect("a number");
        assert_eq!(found, [std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 5432, 0, zone).into()]);
    }

    #[test]
    fn a_name_that_does_not_exist_is_named_in_the_error() {
        let error = resolve("no-such-host.invalid", 5432, soon()).expect_err("reserved by RFC 2606");
        assert_eq!(error.kind(), ErrorKind::Resolve);
        assert!(error.to_string().contains("no-such-host.invalid"));
    }

    #[test]
    fn a_resolver_that_gives_no_answer_does_not_hold_the_caller() {
        let stuck = Arc::new(Lookup::default());
        UNDER_WAY.get().lock().insert("stuck.invalid".to_owned(), stuck);
        let start = Instant::now();
        let error = resolve("stuck.invalid", 1, start + Duration::from_millis(50)).expect_err("stuck");
        assert_eq!(error.kind(), ErrorKind::ConnectTimeout);
        assert_eq!(error.phase(), Some(Phase::Resolve));
        assert!(start.elapsed() < Duration::from_secs(2));
        UNDER_WAY.get().lock().remove("stuck.invalid");
    }
}
