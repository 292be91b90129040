//! The step from lists of hosts, addresses and ports to one entry per server, by libpq's rules (`pqConnectOptions2`).

use std::net::IpAddr;
use std::path::PathBuf;

use super::passfile::PasswordEntry;
use super::settings::{Host, HostSettings, Secret};
use crate::error::{Error, Result};

const DEFAULT_PORT: u16 = 5432;

/// The options that name the servers. An empty text counts as not given.
pub(super) struct Places<'a> {
    pub(super) host: &'a str,
    pub(super) hostaddr: &'a str,
    pub(super) port: &'a str,
    pub(super) socket_directory: &'a str,
}

/// The source of passwords.
pub(super) struct Passwords<'a> {
    /// A password given outright, for all hosts.
    pub(super) given: Option<Secret>,
    pub(super) passfile: Option<PathBuf>,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// One entry per host, in order.
pub(super) fn hosts(places: &Places<'_>, passwords: &Passwords<'_>) -> Result<Vec<HostSettings>> {
    let (names, addresses) = (list(places.host), list(places.hostaddr));
    let count = [addresses.len(), names.len(), 1].into_iter().find(|n| *n > 0).unwrap_or(1);
    if !names.is_empty() && names.len() != count {
        return Err(Error::config(format!(
            "host lists {} and hostaddr {}: there must be as many of one as of the other",
            counted(names.len(), "name"),
            counted(addresses.len(), "address")
        )));
    }
    let ports = ports(places.port, count)?;
    let mut found = Vec::with_capacity(count);
    for (index, port) in ports.into_iter().enumerate() {
        let name = names.get(index).copied().unwrap_or_default();
        let hostaddr = addresses.get(index).copied().unwrap_or_default();
        let host = host(name, hostaddr, places.socket_directory)?;
        let (hostaddr, zone) = address(hostaddr)?.unzip();
        let zone = zone.flatten();
        let password_entry = passwords.passfile.as_ref().map(|file| PasswordEntry {
            file: file.clone(),
            host: passfile_name(&host, places.socket_directory),
            port,
            dbname: passwords.dbname.to_owned(),
            user: passwords.user.to_owned(),
        });
        let password = passwords.given.clone();
        found.push(HostSettings { host, hostaddr, zone, port, password, password_entry });
    }
    Ok(found)
}

/// The parts between commas; none at all for an empty text.
fn list(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split(',').collect() }
}

fn counted(n: usize, what: &str) -> String {
    match (n, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{n} {what}es"), // addresses
        (_, false) => format!("{n} {what}s"),
    }
}

/// One port for all, or one each; an empty one is the default.
fn ports(text: &str, count: usize) -> Result<Vec<u16>> {
    let mut ports = Vec::with_capacity(count);
    for part in list(text) {
        ports.push(match part.trim() {
            "" => DEFAULT_PORT,
            // The value was checked when it was given.
            number => number.parse().map_err(|_| Error::config("port is not a number from 1 to 65535"))?,
        });
    }
    match ports[..] {
        [] => Ok(vec![DEFAULT_PORT; count]),
        [one] => Ok(vec![one; count]),
        _ if ports.len() == count => Ok(ports),
        _ => Err(Error::config(format!(
            "port lists {} for {}: allowed is one for all or one each",
            counted(ports.len(), "port"),
            counted(count, "host")
        ))),
    }
}

fn host(name: &str, hostaddr: &str, socket_directory: &str) -> Result<Host> {
    let is_directory = name.starts_with(['/', '@']);
    if !name.starts_with('/') && name.chars().skip(1).any(|c| c == '@') {
        // Not repeated: the text before the last @ is likely the rest of a password.
        return Err(Error::config("a host contains \"@\": in a URL's user name or password, write it %40"));
    }
    Ok(match (name, hostaddr) {
        ("", "") => Host::Unix(PathBuf::from(socket_directory)),
        ("", address) => Host::Tcp(address.trim().to_owned()),
        // With an address, the name is only a name and no path in the file system.
        (directory, "") if is_directory => Host::Unix(PathBuf::from(directory)),
        (name, _) => Host::Tcp(name.to_owned()),
    })
}

/// A numeric address, and the zone behind `%` of one that is local to a link.
fn address(text: &str) -> Result<Option<(IpAddr, Option<String>)>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        Error::config(
            "hostaddr is not valid: allowed are numeric IPv4 and IPv6 addresses, one per host; names belong into host",
        )
    };
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => (address, Some(zone.to_owned())),
        Some(_) => return Err(invalid()),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    if zone.is_some() && address.is_ipv4() {
        return Err(invalid());
    }
    Ok(Some((address, zone)))
}

/// The name a password file knows the host by: the default socket directory is `localhost` there.
fn passfile_name(host: &Host, socket_directory: &str) -> String {
    match host {
        Host::Unix(path) if path.as_os_str() == socket_directory => "localhost".to_owned(),
        Host::Unix(path) => path.to_string_lossy().into_owned(),
        Host::Tcp(name) => name.clone(),
    }
}
