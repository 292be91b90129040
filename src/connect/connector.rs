//! Opens sessions: tries hosts and addresses under one deadline over name look-up, connecting, TLS, authentication and role
//! check.

use std::sync::Arc;
use std::time::Instant;

use super::role::{FirstRow, misfit};
use super::startup::SessionStart;
use super::timing::Timing;
use super::unresponsive_hosts::UnresponsiveHosts;
use crate::config::settings::{Host, HostSettings, ServerSettings, SslMode, TargetSessionAttrs};
use crate::error::Error;
use crate::link::Link;
use crate::link::abort::Abort;
use crate::link::address::Address;
use crate::link::cancel::CancelHandle;
use crate::link::in_process::InProcess;
use crate::link::resolve::resolve;
use crate::link::tls_cache::Tls;
use crate::session::{RawSession, SessionState};
use crate::sys::clock::Tick;

/// A session that is ready for statements.
pub(crate) struct Opened {
    pub(crate) link: Link,
    /// The state that the session keeps between exchanges.
    pub(crate) state: Box<SessionState>,
    /// The settings and key sent at its start; for a guest.
    pub(crate) start: SessionStart,
    /// `host:port` as the user named it; for messages.
    pub(crate) target: String,
    pub(crate) cancel: CancelHandle,
    #[cfg_attr(not(feature = "diagnose"), allow(dead_code))]
    pub(crate) timing: Timing,
}

impl Opened {
    /// Returns the session, for a call.
    pub(crate) fn raw(&mut self) -> RawSession<'_> {
        RawSession::new(&self.link, &self.cancel, &mut self.state)
    }

    /// Closes the session with a `Terminate`. Does not block.
    pub(crate) fn end(self) {
        self.link.retire();
    }
}

/// Makes connections to one configured target.
pub(crate) struct Connector {
    server: ServerSettings,
    unresponsive: UnresponsiveHosts,
    tls: Arc<Tls>,
    /// An in-process server, in place of the server's hosts.
    in_process: Option<InProcess>,
}

/// One address to try.
pub(super) struct Candidate<'a> {
    pub(super) host: &'a HostSettings,
    pub(super) address: Address,
}

impl Connector {
    /// Makes a connector. Reads the certificate files once, so that a wrong path is reported now and not at the first
    /// connection.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`] with the file's name.
    pub(crate) fn new(server: ServerSettings) -> Result<Self, Error> {
        let tls = Arc::new(Tls::new(server.tls.clone()));
        let over_tcp = server.hosts.iter().any(|h| matches!(h.host, Host::Tcp(_)));
        if over_tcp && matches!(server.tls.mode, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) {
            tls.context()?;
        }
        Ok(Self { unresponsive: UnresponsiveHosts::new(server.hosts.len()), server, tls, in_process: None })
    }

    /// Makes a connector to a server within this process, whatever hosts the settings have.
    pub(crate) fn in_process(server: ServerSettings, in_process: InProcess) -> Self {
        let unresponsive = UnresponsiveHosts::new(server.hosts.len());
        Self {
            unresponsive,
            tls: Arc::new(Tls::new(server.tls.clone())),
            server,
            in_process: Some(in_process),
        }
    }

    /// Returns the server as the user named it, for messages: `db:5432`, or several.
    pub(crate) fn target(&self) -> String {
        match &self.in_process {
            Some(in_process) => in_process.name().to_owned(),
            None => self.server.hosts.iter().map(label).collect::<Vec<_>>().join(","),
        }
    }

    /// Returns the settings that decide whether a connection can be made: all but the application name. `None` for a server
    /// within the process.
    pub(crate) fn reachability(&self) -> Option<ServerSettings> {
        let settings = ServerSettings { application_name: None, ..self.server.clone() };
        self.in_process.is_none().then_some(settings)
    }

    /// Returns whether open sessions depend on the server's role. `PreferStandby` accepts any role.
    pub(crate) fn asks_for_role(&self) -> bool {
        !matches!(
            self.server.target_session_attrs,
            TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby
        )
    }

    /// Asks the server of an open session for its role. Returns the mismatch, if there is one.
    pub(crate) fn misfit(&self, ask: FirstRow<'_>) -> Result<Option<&'static str>, Error> {
        misfit(ask, self.server.target_session_attrs)
    }

    /// Opens a session. Blocks up to `deadline`, or until `abort` is requested. `new_session` makes its initial state.
    pub(crate) fn open(
        &self,
        deadline: Instant,
        abort: &Arc<Abort>,
        new_session: &dyn Fn() -> SessionState,
    ) -> Result<Opened, Error> {
        let (server, unresponsive, tls) = (&self.server, &self.unresponsive, &self.tls);
        Opening { server, unresponsive, tls, in_process: self.in_process.as_ref(), abort, new_session }
            .run(deadline)
    }
}

/// One call of [`Connector::open`].
pub(super) struct Opening<'a> {
    pub(super) server: &'a ServerSettings,
    unresponsive: &'a UnresponsiveHosts,
    pub(super) tls: &'a Arc<Tls>,
    in_process: Option<&'a InProcess>,
    pub(super) abort: &'a Arc<Abort>,
    pub(super) new_session: &'a dyn Fn() -> SessionState,
}

impl Opening<'_> {
    fn run(&self, deadline: Instant) -> Result<Opened, Error> {
        match self.server.target_session_attrs {
            TargetSessionAttrs::PreferStandby => {
                self.open_with_role(TargetSessionAttrs::Standby, halfway(deadline)).or_else(|e| {
                    if is_final(&e) { Err(e) } else { self.open_with_role(TargetSessionAttrs::Any, deadline) }
                })
            }
            wanted => self.open_with_role(wanted, deadline),
        }
    }

    /// Tries every address of every host in turn. Each gets an equal share of the time left, so that one dead host cannot use
    /// it all.
    fn open_with_role(&self, wanted: TargetSessionAttrs, deadline: Instant) -> Result<Opened, Error> {
        let mut failures: Vec<Error> = Vec::new();
        let hosts = self.hosts_in_order(wanted);
        let host_count = hosts.len();
        for (index, (number, host)) in hosts.into_iter().enumerate() {
            let (asked, asked_at) = (Tick::now(), Instant::now());
            let host_deadline = share(deadline, host_count - index);
            let candidates = match self.candidates(host, host_deadline) {
                Ok(candidates) => candidates,
                Err(e) => {
                    let e = e.with_timings(|timings| timings.failing = asked_at.elapsed());
                    failures.push(e.at_target(label(host)));
                    continue;
                }
            };
            let resolved_in = asked_at.elapsed();
            let count = candidates.len();
            for (index, candidate) in candidates.into_iter().enumerate() {
                let mut candidate_deadline = share(host_deadline, count - index);
                if let Some(limit) = self.server.connect_timeout {
                    candidate_deadline = candidate_deadline.min(Instant::now() + limit);
                }
                match self.open_candidate(&candidate, wanted, candidate_deadline) {
                    Ok(mut opened) => {
                        opened.timing.resolve = resolved_in;
                        self.unresponsive.note(number, None, asked, Tick::now());
                        return Ok(opened);
                    }
                    Err(e) => {
                        self.unresponsive.note(number, Some(&e), asked, Tick::now());
                        let final_answer = is_final(&e);
                        let e = e.with_timings(|timings| timings.resolve = Some(resolved_in));
                        failures.push(e.at_target(name_of(&candidate)));
                        if final_answer {
                            return Err(merge(failures));
                        }
                    }
                }
            }
        }
        Err(merge(failures))
    }

    /// Returns the hosts with their numbers, in the order in which they are tried.
    fn hosts_in_order(&self, wanted: TargetSessionAttrs) -> Vec<(usize, &HostSettings)> {
        let mut order: Vec<usize> = (0..self.server.hosts.len()).collect();
        if self.server.load_balance_hosts {
            fastrand::shuffle(&mut order);
        }
        // Where any server will do, the order of hosts is a preference and is kept.
        if wanted != TargetSessionAttrs::Any {
            self.unresponsive.put_last(&mut order, Tick::now());
        }
        order.into_iter().filter_map(|number| Some((number, self.server.hosts.get(number)?))).collect()
    }

    fn candidates<'a>(&self, host: &'a HostSettings, deadline: Instant) -> Result<Vec<Candidate<'a>>, Error> {
        if let Some(in_process) = self.in_process {
            return Ok(vec![Candidate { host, address: Address::InProcess(in_process.clone()) }]);
        }
        let addresses = match (&host.host, host.hostaddr) {
            (_, Some(ip)) => vec![Address::Tcp((ip, host.port).into())],
            (Host::Unix(directory), None) => {
                vec![Address::Unix(directory.join(format!(".s.PGSQL.{}", host.port)))]
            }
            (Host::Tcp(name), None) => {
                resolve(name, host.port, deadline)?.into_iter().map(Address::Tcp).collect()
            }
        };
        let mut candidates: Vec<_> =
            addresses.into_iter().map(|address| Candidate { host, address }).collect();
        if self.server.load_balance_hosts {
            fastrand::shuffle(&mut candidates);
        }
        Ok(candidates)
    }
}

/// Returns whether no other address of the same service can mend a failure: wrong credentials, wrong database, no
/// permission, a certificate that does not match.
fn is_final(error: &Error) -> bool {
    !error.is_retryable()
}

/// Merges all failures into one error: the last, which is the permanent one if any is, with the others in its text.
fn merge(mut failures: Vec<Error>) -> Error {
    let Some(last) = failures.pop() else {
        return Error::config("no host to connect to");
    };
    if failures.is_empty() {
        return last;
    }
    let others: Vec<String> = failures.iter().map(Error::summary).collect();
    last.with_note(format!("also tried: {}", others.join("; ")))
}

/// Returns the deadline of the next of `count` tries: an equal share of the time left.
fn share(deadline: Instant, count: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    now + left / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

fn halfway(deadline: Instant) -> Instant {
    share(deadline, 2)
}

pub(super) fn host_name(host: &HostSettings) -> String {
    match &host.host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(_) => String::new(),
    }
}

fn label(host: &HostSettings) -> String {
    match &host.host {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", host.port),
        Host::Tcp(name) => format!("{name}:{}", host.port),
        Host::Unix(directory) => format!("{}/.s.PGSQL.{}", directory.display(), host.port),
    }
}

/// Returns the host as the user named it, and the address where that differs.
pub(super) fn name_of(candidate: &Candidate<'_>) -> String {
    let address = candidate.address.to_string();
    if let Address::InProcess(_) = candidate.address {
        return address;
    }
    let label = label(candidate.host);
    if label == address { label } else { format!("{label}, {address}") }
}
