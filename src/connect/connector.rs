//! Opens sessions: tries hosts and addresses under one deadline over name look-up, connecting, TLS, authentication and role
//! check.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use super::candidates::Candidate;
use super::password::{HostPassword, RefusedPasswords};
use super::role::{FirstRow, misfit};
use super::server_timeouts::set_timeouts;
use super::session_options::OptionsForm;
use super::startup::SessionStart;
use super::timing::Timing;
use super::unresponsive::{MIN_SILENCE, Unresponsive};
use crate::config::password::PasswordCallback;
use crate::config::settings::{Host, HostSettings, ServerSettings, SslMode, TargetSessionAttrs};
use crate::error::{Error, ErrorKind, find_source};
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::link::dial::abort::Abort;
use crate::link::dial::address::Address;
use crate::link::dial::in_process::InProcess;
use crate::link::tls::cache::Tls;
use crate::resilience::fleet::census::unmarked;
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
    unresponsive: Unresponsive,
    refused_passwords: RefusedPasswords,
    options_form: OptionsForm,
    /// Set once a pooler is known to be in between: there a fleet's mark is of no use, and each name of its own costs a `SET`.
    leaves_out_mark: AtomicBool,
    tls: Arc<Tls>,
    /// An in-process server, in place of the server's hosts.
    in_process: Option<InProcess>,
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
        Ok(Self::with(server, tls, None))
    }

    /// Makes a connector to a server within this process, whatever hosts the settings have.
    pub(crate) fn in_process(server: ServerSettings, in_process: InProcess) -> Self {
        let tls = Arc::new(Tls::new(server.tls.clone()));
        Self::with(server, tls, Some(in_process))
    }

    fn with(server: ServerSettings, tls: Arc<Tls>, in_process: Option<InProcess>) -> Self {
        Self {
            unresponsive: Unresponsive::new(server.hosts.len()),
            refused_passwords: RefusedPasswords::default(),
            options_form: OptionsForm::default(),
            leaves_out_mark: AtomicBool::new(false),
            server,
            tls,
            in_process,
        }
    }

    /// Returns the server as the user named it, for messages: `db:5432`, or several.
    pub(crate) fn target(&self) -> String {
        match &self.in_process {
            Some(in_process) => in_process.name().to_owned(),
            None => self.server.hosts.iter().map(label).collect::<Vec<_>>().join(","),
        }
    }

    pub(crate) fn user(&self) -> &str {
        &self.server.user
    }

    pub(crate) fn dbname(&self) -> &str {
        &self.server.dbname
    }

    /// Returns what decides whether a connection can be made: all settings but the application name. `None` for a server
    /// within the process.
    pub(crate) fn reachability(&self) -> Option<Reachability> {
        let password_callback = self.server.password_callback.as_ref().map(PasswordCallback::id);
        let settings =
            ServerSettings { application_name: None, password_callback: None, ..self.server.clone() };
        self.in_process.is_none().then_some(Reachability { settings, password_callback })
    }

    /// Returns whether the source of a password that the server refused last gives another one now. May block up to
    /// `deadline`, in the program's callback: no lock may be held.
    pub(crate) fn has_another_password(&self, deadline: Instant) -> bool {
        self.refused_passwords.has_another(&self.server, deadline)
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

    /// Sets the server's time limits on a session that was reset.
    pub(crate) fn set_timeouts_again(&self, raw: &mut RawSession<'_>, link: &Link) -> Result<(), Error> {
        set_timeouts(raw, link, &self.server.orphans)
    }

    /// Has sessions opened from now on go without the fleet's mark in their names.
    pub(crate) fn leave_out_mark(&self) {
        self.leaves_out_mark.store(true, Relaxed);
    }

    fn application_name(&self) -> Option<&str> {
        let name = self.server.application_name.as_deref()?;
        if self.leaves_out_mark.load(Relaxed) { unmarked(name) } else { Some(name) }
    }

    /// Opens a session. Blocks up to `deadline`, or until `abort` is requested. `new_session` makes its initial state.
    pub(crate) fn open(
        &self,
        deadline: Instant,
        abort: &Arc<Abort>,
        new_session: &dyn Fn() -> SessionState,
    ) -> Result<Opened, Error> {
        let Self { server, unresponsive, options_form, tls, .. } = self;
        let application_name = self.application_name();
        let passwords: Vec<_> = server.hosts.iter().map(|host| HostPassword::new(server, host)).collect();
        let opened = Opening {
            application_name,
            server,
            passwords: &passwords,
            refused_passwords: &self.refused_passwords,
            unresponsive,
            options_form,
            tls,
            in_process: self.in_process.as_ref(),
            abort,
            new_session,
        }
        .run(deadline);
        if !opened.as_ref().is_err_and(Error::is_of_refused_password) {
            self.refused_passwords.clear();
        }
        opened
    }
}

/// The part of the configuration that two pools must share for one to learn from the other whether the server can be reached.
#[derive(PartialEq, Eq)]
pub(crate) struct Reachability {
    /// Without the password callback, which would be kept alive.
    settings: ServerSettings,
    password_callback: Option<u64>,
}

/// One call of [`Connector::open`].
pub(super) struct Opening<'a> {
    pub(super) server: &'a ServerSettings,
    pub(super) application_name: Option<&'a str>,
    /// One for each host.
    pub(super) passwords: &'a [HostPassword<'a>],
    pub(super) refused_passwords: &'a RefusedPasswords,
    pub(super) unresponsive: &'a Unresponsive,
    pub(super) options_form: &'a OptionsForm,
    pub(super) tls: &'a Arc<Tls>,
    pub(super) in_process: Option<&'a InProcess>,
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
    /// it all. Of the addresses of one host, the first that lets a connection be made comes first.
    fn open_with_role(&self, wanted: TargetSessionAttrs, deadline: Instant) -> Result<Opened, Error> {
        let mut failures: Vec<Error> = Vec::new();
        let hosts = self.hosts_in_order();
        let host_count = hosts.len();
        for (index, (number, host)) in hosts.into_iter().enumerate() {
            let (asked, asked_at) = (Tick::now(), Instant::now());
            let host_deadline = share(deadline, host_count - index);
            let Some(password) = self.passwords.get(number) else { continue };
            let mut candidates = match self.candidates(host, password, host_deadline) {
                Ok(candidates) => candidates,
                Err(e) => {
                    let e = e.with_timings(|timings| timings.failing = asked_at.elapsed());
                    failures.push(e.at_target(label(host)));
                    continue;
                }
            };
            let resolved_in = asked_at.elapsed();
            loop {
                let next = match self.next_candidate(&mut candidates, host_deadline, &mut failures) {
                    Ok(Some(candidate)) => candidate,
                    Ok(None) => break,
                    Err(aborted) => return Err(aborted),
                };
                let mut deadline = share(host_deadline, 1 + candidates.len());
                if let Some(limit) = self.server.connect_timeout {
                    deadline = deadline.min(Instant::now() + limit);
                }
                let opened = self.open_candidate(&next, wanted, deadline);
                self.note(number, &next, opened.as_ref().err(), asked);
                match opened {
                    Ok(mut opened) => {
                        opened.timing.resolve = resolved_in;
                        return Ok(opened);
                    }
                    Err(e) => {
                        let final_answer = is_final(&e);
                        if e.is_of_refused_password() {
                            self.refused_passwords.note(number, password);
                        }
                        let e = e.with_timings(|timings| timings.resolve = Some(resolved_in));
                        failures.push(e.at_target(name_of(&next)));
                        if final_answer {
                            return Err(merge(failures));
                        }
                    }
                }
            }
            if failures.last().is_some_and(|e| e.kind() == ErrorKind::ConnectTimeout) {
                self.unresponsive.note(number, failures.last(), asked, Tick::now());
            }
        }
        Err(merge(failures))
    }

    /// Notes whether the host and its address gave an answer.
    fn note(&self, host: usize, candidate: &Candidate<'_>, failure: Option<&Error>, asked: Tick) {
        let now = Tick::now();
        self.unresponsive.note(host, failure, asked, now);
        let silent = failure.is_some_and(|e| e.kind() == ErrorKind::ConnectTimeout);
        if let Some(address) = candidate.tcp().filter(|_| !silent || now.since(asked) >= MIN_SILENCE) {
            self.unresponsive.note_address(address, !silent, now);
        }
    }

    /// Returns the hosts with their numbers, in the order in which they are tried.
    fn hosts_in_order(&self) -> Vec<(usize, &HostSettings)> {
        let mut order: Vec<usize> = (0..self.server.hosts.len()).collect();
        if self.server.load_balance_hosts {
            fastrand::shuffle(&mut order);
        }
        self.unresponsive.put_last(&mut order, Tick::now());
        order.into_iter().filter_map(|number| Some((number, self.server.hosts.get(number)?))).collect()
    }
}

/// Returns whether no other address of the same service can mend a failure: wrong credentials, wrong database, no
/// permission, a certificate that does not match, no password from the program.
fn is_final(error: &Error) -> bool {
    !error.is_retryable() || error.is_of_password_callback()
}

/// Merges all failures into one error: the last, which is the permanent one if any is, with the others in its text.
fn merge(mut failures: Vec<Error>) -> Error {
    // Without IPv6, say, this machine has no address for one of those that a name leads to: what the others met says more.
    let lacks_address = |e: &Error| {
        find_source::<io::Error>(e).is_some_and(|cause| cause.kind() == io::ErrorKind::AddrNotAvailable)
    };
    failures.sort_by_key(|e| !lacks_address(e));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Phase;

    #[test]
    fn an_address_that_this_machine_cannot_use_hides_no_refusal_of_another() {
        let of = |errno: rustix::io::Errno| Error::from_connect_io(errno.into(), Phase::Connect, "");
        let (refused, no_ipv6, no_descriptor) = (
            || of(rustix::io::Errno::CONNREFUSED),
            || of(rustix::io::Errno::ADDRNOTAVAIL),
            || of(rustix::io::Errno::MFILE),
        );
        assert_eq!(merge(vec![refused(), no_ipv6()]).kind(), ErrorKind::Refused);
        assert_eq!(merge(vec![no_ipv6(), no_ipv6()]).kind(), ErrorKind::LocalLimit);
        assert_eq!(merge(vec![refused(), no_descriptor()]).kind(), ErrorKind::LocalLimit);
    }
}
