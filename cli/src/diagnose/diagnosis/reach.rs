//! The connection attempt to each host, phase by phase, with durations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::connect::{StandaloneSession, Target};
use holdfast::{Error, ErrorKind, Phase, PoolConfig, Result};

use super::certificate;
use super::certificate::Certificate;

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
    config: &PoolConfig,
    timeout: Duration,
    tell: &mut dyn FnMut(&str),
) -> Result<(Vec<HostReach>, Option<StandaloneSession>)> {
    let (mut hosts, mut session) = (Vec::new(), None);
    let transport = Transport::of(config)?;
    // Each host is examined for itself: that a standby is one is no failure where a pool looks for the primary.
    for host in Target::each_host(config)? {
        tell(&format!("connecting to {}", host.name()));
        let (reached, opened) = reach_one(&host, &transport, timeout);
        hosts.push(reached);
        session = session.or(opened);
    }
    Ok((hosts, session))
}

/// The options that decide how a host is asked for its certificate.
struct Transport {
    may_be_encrypted: bool,
    begins_with_tls: bool,
}

impl Transport {
    fn of(config: &PoolConfig) -> Result<Self> {
        Ok(Self {
            may_be_encrypted: config.get("sslmode")?.as_deref() != Some("disable"),
            begins_with_tls: config.get("sslnegotiation")?.as_deref() == Some("direct"),
        })
    }
}

fn reach_one(
    host: &Target,
    transport: &Transport,
    timeout: Duration,
) -> (HostReach, Option<StandaloneSession>) {
    let began = Instant::now();
    let opened = host.open(timeout);
    let took = began.elapsed();
    let addresses = host.addresses(timeout);
    let is_local = addresses.iter().all(|address| address.ip().is_loopback());
    let of_session = opened.as_ref().ok().and_then(certificate::of_session);
    let certificate = match (host.tcp_host(), addresses.first()) {
        (Some(name), Some(address))
            if of_session.is_none() && transport.may_be_encrypted && may_show_one(&opened) =>
        {
            certificate::look(*address, name, transport.begins_with_tls, timeout)
        }
        _ => of_session,
    };
    let mut reached = HostReach {
        name: host.name(),
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
        Ok(session) => {
            let timing = session.timings();
            reached.encrypted = timing.tls.is_some();
            let passed = [
                (Phase::Resolve, Some(timing.resolve)),
                (Phase::Connect, Some(timing.connect)),
                (Phase::Tls, timing.tls),
                (Phase::Auth, Some(timing.session)),
            ];
            reached.phases = phases(host, &passed);
            (reached, Some(session))
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
fn may_show_one(opened: &Result<StandaloneSession>) -> bool {
    match opened {
        Ok(_) => true,
        Err(e) => {
            matches!(e.phase(), Some(Phase::Tls | Phase::Auth))
                && e.kind() != ErrorKind::ConnectTimeout
                && !e.is_of_other_service()
        }
    }
}

/// A name that is not looked up has no such phase.
fn phases(host: &Target, passed: &[(Phase, Option<Duration>)]) -> Vec<PhaseTime> {
    let looked_up = host.is_looked_up();
    let happened = passed.iter().filter(|(phase, _)| looked_up || *phase != Phase::Resolve);
    happened.filter_map(|(phase, took)| Some(PhaseTime { phase: *phase, took: (*took)? })).collect()
}
