//! The connection attempt to each host, phase by phase, with durations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::certificate;
use super::certificate::Certificate;
use crate::config::settings::{
    Host, HostSettings, ServerSettings, SslMode, SslNegotiation, TargetSessionAttrs,
};
use crate::connect::{Connector, Opened};
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::dial::resolve::resolve;
use crate::session::SessionState;

/// The duration of one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// Its duration.
    pub took: Duration,
}

/// The progress of the connection attempt to one host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostReach {
    /// `host:port` as configured.
    pub name: String,
    /// The addresses of the name, where it is a name; empty if they could not be looked up.
    pub addresses: Vec<String>,
    /// The phases that were passed, in their order.
    pub phases: Vec<PhaseTime>,
    /// The phase that failed, and the time it took to fail, if one did.
    pub failed: Option<PhaseTime>,
    /// Whether the session is encrypted.
    pub encrypted: bool,
    /// The server's certificate, where it offers TLS.
    pub certificate: Option<Certificate>,
    /// The error that prevented a session, if none came about.
    pub error: Option<Arc<Error>>,
    /// The time from the first step to the last, without the inspection of the certificate.
    pub took: Duration,
    /// It is a local socket or a loopback address.
    pub(super) is_local: bool,
}

/// The session is with the first host that lets one in.
pub(super) fn reach(
    server: &ServerSettings,
    timeout: Duration,
    tell: &mut dyn FnMut(&str),
) -> Result<(Vec<HostReach>, Option<Opened>)> {
    let (mut hosts, mut session) = (Vec::new(), None);
    for host in &server.hosts {
        // Each host is examined for itself: that a standby is one is no failure where a pool looks for the primary.
        let alone = ServerSettings {
            hosts: vec![host.clone()],
            target_session_attrs: TargetSessionAttrs::Any,
            ..server.clone()
        };
        let connector = Connector::new(alone)?;
        tell(&format!("connecting to {}", connector.target()));
        let (reached, opened) = reach_one(&connector, host, server, timeout);
        hosts.push(reached);
        session = session.or(opened);
    }
    Ok((hosts, session))
}

fn reach_one(
    connector: &Connector,
    host: &HostSettings,
    server: &ServerSettings,
    timeout: Duration,
) -> (HostReach, Option<Opened>) {
    let began = Instant::now();
    let opened = connector.open(began + timeout, &Arc::default(), &SessionState::default);
    let took = began.elapsed();
    let addresses = addresses(host, timeout);
    let is_local = addresses.iter().all(|address| address.ip().is_loopback());
    let of_session = opened.as_ref().ok().and_then(|opened| certificate::of_session(&opened.link));
    let certificate = match (&host.host, addresses.first()) {
        (Host::Tcp(name), Some(address)) if of_session.is_none() && may_show_one(server, &opened) => {
            let direct = server.tls.negotiation == SslNegotiation::Direct;
            certificate::look(*address, name, direct, timeout)
        }
        _ => of_session,
    };
    let mut reached = HostReach {
        name: connector.target(),
        addresses: addresses.iter().map(|address| address.ip().to_string()).collect(),
        phases: Vec::new(),
        failed: None,
        encrypted: false,
        certificate,
        error: None,
        took,
        is_local,
    };
    match opened {
        Ok(opened) => {
            reached.encrypted = opened.timing.tls.is_some();
            let timing = opened.timing;
            let passed = [
                (Phase::Resolve, Some(timing.resolve)),
                (Phase::Connect, Some(timing.connect)),
                (Phase::Tls, timing.tls),
                (Phase::Auth, Some(timing.session)),
            ];
            reached.phases = phases(host, &passed);
            (reached, Some(opened))
        }
        Err(error) => {
            let passed = error.phase_timings();
            reached.phases = phases(
                host,
                &[
                    (Phase::Resolve, passed.resolve),
                    (Phase::Connect, passed.connect),
                    (Phase::Tls, passed.tls),
                ],
            );
            reached.failed = error.phase().map(|phase| PhaseTime { phase, took: passed.failing });
            reached.error = Some(Arc::new(error));
            (reached, None)
        }
    }
}

/// Whether the server may have a certificate although no encrypted session came about. One that could not be reached, or is
/// something else, is not asked again.
fn may_show_one(server: &ServerSettings, opened: &Result<Opened>) -> bool {
    let answers = match opened {
        Ok(_) => true,
        Err(e) => {
            matches!(e.phase(), Some(Phase::Tls | Phase::Auth))
                && e.kind() != ErrorKind::ConnectTimeout
                && !e.is_of_other_service()
        }
    };
    answers && server.tls.mode != SslMode::Disable
}

/// A name that is not looked up has no such phase.
fn phases(host: &HostSettings, passed: &[(Phase, Option<Duration>)]) -> Vec<PhaseTime> {
    let looked_up = matches!(host.host, Host::Tcp(_)) && host.hostaddr.is_none();
    let happened = passed.iter().filter(|(phase, _)| looked_up || *phase != Phase::Resolve);
    happened.filter_map(|(phase, took)| Some(PhaseTime { phase: *phase, took: (*took)? })).collect()
}

fn addresses(host: &HostSettings, timeout: Duration) -> Vec<std::net::SocketAddr> {
    match (&host.host, host.hostaddr) {
        (_, Some(ip)) => vec![(ip, host.port).into()],
        (Host::Tcp(name), None) => resolve(name, host.port, Instant::now() + timeout).unwrap_or_default(),
        (Host::Unix(_), None) => Vec::new(),
    }
}
