//! The addresses of one host, in the order in which they are tried.

use std::cell::Cell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::connector::{Opening, name_of};
use super::password::HostPassword;
use crate::config::settings::{Host, HostSettings};
use crate::error::Error;
use crate::link::dial::address::Address;
use crate::link::dial::race::race;
use crate::link::dial::resolve::resolve;
use crate::sys::clock::Tick;

/// An address to try.
pub(super) struct Candidate<'a> {
    pub(super) host: &'a HostSettings,
    pub(super) password: &'a HostPassword<'a>,
    pub(super) address: Address,
    /// The socket of the connection that was made to it first of all addresses, and the time that took.
    pub(super) connected: Cell<Option<(OwnedFd, Duration)>>,
}

impl Candidate<'_> {
    pub(super) fn tcp(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Tcp(address) => Some(address),
            _ => None,
        }
    }
}

impl Opening<'_> {
    /// Returns the addresses of a host. Those that gave no answer recently are last.
    pub(super) fn candidates<'a>(
        &self,
        host: &'a HostSettings,
        password: &'a HostPassword<'a>,
        deadline: Instant,
    ) -> Result<Vec<Candidate<'a>>, Error> {
        let addresses = match self.in_process {
            Some(in_process) => vec![Address::InProcess(in_process.clone())],
            None => addresses(host, deadline)?,
        };
        let mut candidates: Vec<_> = addresses
            .into_iter()
            .map(|address| Candidate { host, password, address, connected: Cell::default() })
            .collect();
        if self.server.load_balance_hosts {
            fastrand::shuffle(&mut candidates);
        }
        self.unresponsive.put_addresses_last(&mut candidates, Candidate::tcp, Tick::now());
        Ok(candidates)
    }

    /// Takes the next address to try. Of several, it is the first that lets a connection be made, with that connection; those
    /// that refused go to `failures`. `None` when there is none left.
    ///
    /// # Errors
    /// When the opening was aborted.
    pub(super) fn next_candidate<'a>(
        &self,
        left: &mut Vec<Candidate<'a>>,
        deadline: Instant,
        failures: &mut Vec<Error>,
    ) -> Result<Option<Candidate<'a>>, Error> {
        let addresses: Vec<SocketAddr> = left.iter().filter_map(Candidate::tcp).collect();
        if left.len() < 2 || addresses.len() < left.len() {
            return Ok(if left.is_empty() { None } else { Some(left.remove(0)) });
        }
        let began = Instant::now();
        let deadline = match self.server.connect_timeout {
            // Of the last address, which is tried after all others.
            Some(limit) => deadline.min(began + limit),
            None => deadline,
        };
        let race = race(&addresses, deadline, self.abort)?;
        let took = began.elapsed();
        let now = Tick::now();
        for index in race.silent {
            self.unresponsive.note_address(addresses[index], false, now);
        }
        let mut gone: Vec<usize> = Vec::new();
        for (index, error) in race.failures {
            let error = error.with_timings(|timings| timings.failing = took);
            failures.push(error.at_target(name_of(&left[index])));
            gone.push(index);
        }
        let winner = race.winner.map(|(index, socket)| {
            self.unresponsive.note_address(addresses[index], true, now);
            left[index].connected.set(Some((socket, took)));
            gone.push(index);
            index
        });
        let mut winning = None;
        for (index, candidate) in std::mem::take(left).into_iter().enumerate() {
            if Some(index) == winner {
                winning = Some(candidate);
            } else if !gone.contains(&index) {
                left.push(candidate);
            }
        }
        Ok(winning)
    }
}

fn addresses(host: &HostSettings, deadline: Instant) -> Result<Vec<Address>, Error> {
    Ok(match (&host.host, host.hostaddr, &host.zone) {
        (_, Some(ip), Some(zone)) => {
            resolve(&format!("{ip}%{zone}"), host.port, deadline)?.into_iter().map(Address::Tcp).collect()
        }
        (_, Some(ip), None) => vec![Address::Tcp((ip, host.port).into())],
        (Host::Unix(directory), None, _) => {
            vec![Address::Unix(directory.join(format!(".s.PGSQL.{}", host.port)))]
        }
        (Host::Tcp(name), None, _) => {
            resolve(name, host.port, deadline)?.into_iter().map(Address::Tcp).collect()
        }
    })
}
