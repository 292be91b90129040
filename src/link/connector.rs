//! Opens connections: goes through hosts and addresses, applies `sslmode` and `target_session_attrs`, keeps one
//! deadline over name look-up, connecting, TLS, authentication and role check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::{Client, SimpleQueryMessage};

use super::Link;
use super::abort::Abort;
use super::cancel::CancelHandle;
use super::dial::{Address, Dial, Encryption};
use super::doorstep::open_client;
use super::inside::Inside;
use super::orphans::limit_orphans;
use super::resolve::resolve;
use super::role::{FirstRow, check_role, misfit};
use super::silent_hosts::SilentHosts;
use super::timing::Timing;
use super::tls_cache::Tls;
use crate::clock::Tick;
use crate::config::settings::{
    ChannelBinding, Host, HostSettings, ServerSettings, SslMode, TargetSessionAttrs,
};
use crate::error::{Error, ErrorKind, Phase};

/// A session that is ready for statements.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) link: Link,
    /// `host:port` as the user named it; for messages.
    pub(crate) target: String,
    pub(crate) cancel: CancelHandle,
    #[cfg_attr(not(feature = "diagnose"), allow(dead_code))]
    pub(crate) timing: Timing,
}

/// Makes connections to one configured target.
pub(crate) struct Connector {
    server: ServerSettings,
    silent: SilentHosts,
    tls: Arc<Tls>,
    /// Instead of the server's hosts.
    inside: Option<Inside>,
}

/// One address to try.
struct Candidate<'a> {
    host: &'a HostSettings,
    address: Address,
}

/// How one try goes about encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Plain,
    TlsIfOffered,
    Tls,
}

impl Connector {
    /// Reads the certificate files once, so that a wrong path is reported now and not at the first connection.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`] with the file's name.
    pub(crate) fn new(server: ServerSettings) -> Result<Self, Error> {
        let tls = Arc::new(Tls::new(server.tls.clone()));
        let over_tcp = server.hosts.iter().any(|h| matches!(h.host, Host::Tcp(_)));
        if over_tcp && matches!(server.tls.mode, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) {
            tls.context()?;
        }
        Ok(Self { silent: SilentHosts::new(server.hosts.len()), server, tls, inside: None })
    }

    /// Connects to a server within this process, whatever hosts the settings have.
    pub(crate) fn to_inside(server: ServerSettings, inside: Inside) -> Self {
        let silent = SilentHosts::new(server.hosts.len());
        Self { silent, tls: Arc::new(Tls::new(server.tls.clone())), server, inside: Some(inside) }
    }

    /// The server as the user named it, for messages: `db:5432`, or several.
    pub(crate) fn target(&self) -> String {
        match &self.inside {
            Some(inside) => inside.name().to_owned(),
            None => self.server.hosts.iter().map(label).collect::<Vec<_>>().join(","),
        }
    }

    /// What decides whether a connection can be made: all that is said of the server but the name of the application. `None`
    /// for a server within the process.
    pub(crate) fn reachability(&self) -> Option<ServerSettings> {
        let settings = ServerSettings { application_name: None, ..self.server.clone() };
        self.inside.is_none().then_some(settings)
    }

    /// Whether it matters which role the server of an open session has. Those who prefer a standby take any.
    pub(crate) fn asks_for_role(&self) -> bool {
        !matches!(
            self.server.target_session_attrs,
            TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby
        )
    }

    /// Asks the server of an open session for its role; what is wrong with it, if something is.
    pub(crate) fn misfit(&self, ask: FirstRow<'_>) -> Result<Option<&'static str>, Error> {
        misfit(ask, self.server.target_session_attrs)
    }

    /// Opens a session by `deadline`, unless it is given up before.
    pub(crate) fn open(&self, deadline: Instant, abort: &Arc<Abort>) -> Result<Opened, Error> {
        let (server, silent, tls) = (&self.server, &self.silent, &self.tls);
        Opening { server, silent, tls, inside: self.inside.as_ref(), abort }.run(deadline)
    }
}

/// One call of [`Connector::open`].
struct Opening<'a> {
    server: &'a ServerSettings,
    silent: &'a SilentHosts,
    tls: &'a Arc<Tls>,
    inside: Option<&'a Inside>,
    abort: &'a Arc<Abort>,
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

    /// Tries every address of every host in turn. Each gets an equal share of what is left of the time, so that one
    /// dead host cannot spend it all.
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
                    let e = e.having_passed(|passed| passed.failing = asked_at.elapsed());
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
                        self.silent.note(number, None, asked, Tick::now());
                        return Ok(opened);
                    }
                    Err(e) => {
                        self.silent.note(number, Some(&e), asked, Tick::now());
                        let final_answer = is_final(&e);
                        let e = e.having_passed(|passed| passed.resolve = Some(resolved_in));
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

    /// The hosts with their numbers, in the order in which they are tried.
    fn hosts_in_order(&self, wanted: TargetSessionAttrs) -> Vec<(usize, &HostSettings)> {
        let mut order: Vec<usize> = (0..self.server.hosts.len()).collect();
        if self.server.load_balance_hosts {
            fastrand::shuffle(&mut order);
        }
        // To those who take any server the order says which they prefer.
        if wanted != TargetSessionAttrs::Any {
            self.silent.put_last(&mut order, Tick::now());
        }
        order.into_iter().filter_map(|number| Some((number, self.server.hosts.get(number)?))).collect()
    }

    fn candidates<'a>(&self, host: &'a HostSettings, deadline: Instant) -> Result<Vec<Candidate<'a>>, Error> {
        if let Some(inside) = self.inside {
            return Ok(vec![Candidate { host, address: Address::Inside(inside.clone()) }]);
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

    /// `sslmode` for one address, with libpq's second tries: `allow` goes over to TLS when the server refuses a plain
    /// session, `prefer` to plain when TLS fails or the server refuses an encrypted session. A refusal that encryption
    /// cannot change (no slots left, starting up, no such database) is not asked for twice, unlike in libpq.
    fn open_candidate(
        &self,
        candidate: &Candidate<'_>,
        wanted: TargetSessionAttrs,
        deadline: Instant,
    ) -> Result<Opened, Error> {
        let (first, second) = match (&candidate.address, self.server.tls.mode) {
            // libpq: sslmode is ignored for Unix-domain sockets.
            (Address::Unix(_) | Address::Inside(_), _) | (_, SslMode::Disable) => (Layer::Plain, None),
            (_, SslMode::Allow) => (Layer::Plain, Some(Layer::Tls)),
            (_, SslMode::Prefer) => (Layer::TlsIfOffered, Some(Layer::Plain)),
            (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Layer::Tls, None),
        };
        let failure = match self.open_layer(candidate, first, wanted, deadline) {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        let another = second.filter(|second| worth_another_layer(&failure, *second));
        match another {
            Some(layer) => self
                .open_layer(candidate, layer, wanted, deadline)
                .map_err(|second| telling(failure.error, second.error)),
            None => Err(failure.error),
        }
    }

    fn open_layer(
        &self,
        candidate: &Candidate<'_>,
        layer: Layer,
        wanted: TargetSessionAttrs,
        deadline: Instant,
    ) -> Result<Opened, Failure> {
        let began = Instant::now();
        self.try_layer(candidate, layer, wanted, deadline).map_err(|error| {
            let error = error.having_passed(|passed| {
                let before = passed.connect.unwrap_or_default() + passed.tls.unwrap_or_default();
                passed.failing = began.elapsed().saturating_sub(before);
            });
            Failure { error, layer }
        })
    }

    fn try_layer(
        &self,
        candidate: &Candidate<'_>,
        layer: Layer,
        wanted: TargetSessionAttrs,
        deadline: Instant,
    ) -> Result<Opened, Error> {
        let encryption = match layer {
            Layer::Plain => Encryption::Never,
            Layer::TlsIfOffered => Encryption::IfOffered,
            Layer::Tls => Encryption::Always,
        };
        let dial = Dial {
            address: candidate.address.clone(),
            host_name: host_name(candidate.host),
            encryption,
            tls: self.tls.clone(),
            keepalive: self.server.keepalive.clone(),
            deadline,
            abort: self.abort.clone(),
        };
        let began = Instant::now();
        let (mut client, dialled) = open_client(dial, self.startup(candidate.host))?;
        let timing = Timing {
            resolve: Duration::ZERO,
            connect: dialled.connecting,
            tls: dialled.encrypted.then_some(dialled.encrypting),
            session: began.elapsed().saturating_sub(dialled.connecting + dialled.encrypting),
        };
        let link = dialled.link;
        check_role(&mut |sql| first_row(&mut client, sql), wanted)
            .and_then(|()| limit_orphans(&mut client, &link, &self.server.orphans))
            .map_err(|error| error.having_passed(|passed| timing.note(passed)))?;
        let cancel = CancelHandle::new(
            candidate.address.clone(),
            host_name(candidate.host),
            dialled.encrypted.then(|| self.tls.clone()),
            link.backend_key(),
        );
        link.set_deadline(None);
        Ok(Opened { client, link, target: name_of(candidate), cancel, timing })
    }

    /// What the start-up packet and authentication need.
    fn startup(&self, host: &HostSettings) -> postgres::Config {
        let server = self.server;
        let mut startup = postgres::Config::new();
        startup.user(&server.user).dbname(&server.dbname);
        startup.channel_binding(match server.tls.channel_binding {
            ChannelBinding::Disable => postgres::config::ChannelBinding::Disable,
            ChannelBinding::Prefer => postgres::config::ChannelBinding::Prefer,
            ChannelBinding::Require => postgres::config::ChannelBinding::Require,
        });
        if let Some(password) = &host.password {
            startup.password(password.reveal());
        }
        if let Some(name) = &server.application_name {
            startup.application_name(name);
        }
        if let Some(options) = &server.options {
            startup.options(options);
        }
        startup
    }
}

/// The values of the first row of an answer.
fn first_row(client: &mut Client, sql: &str) -> Result<Vec<Option<String>>, Error> {
    let row = client.simple_query(sql)?.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(row.map_or_else(Vec::new, |row| {
        (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
    }))
}

/// A failed try and the layer it was made on.
struct Failure {
    error: Error,
    layer: Layer,
}

fn worth_another_layer(failure: &Failure, second: Layer) -> bool {
    let error = &failure.error;
    // A mere network failure would meet the plain try as well, and time is short.
    let refused_by_server = error.phase() == Some(Phase::Auth) && error.kind() == ErrorKind::Auth;
    match (failure.layer, second) {
        (Layer::TlsIfOffered, Layer::Plain) => {
            let tls_failed = error.phase() == Some(Phase::Tls) && error.kind() != ErrorKind::ConnectTimeout;
            // Where TLS was not offered, the refused try was plain already, and another would send the password once more.
            tls_failed || (refused_by_server && error.passed().tls.is_some())
        }
        _ => refused_by_server,
    }
}

/// Which of two failed layers to report. The first is what the mode asked for and tells more, unless the second got past
/// what stopped it and met something that passes: a full server must not be reported as wrong credentials, for good.
fn telling(first: Error, second: Error) -> Error {
    if second.is_retryable() {
        second.with_note(format!("before that, with the other choice of encryption: {}", first.summary()))
    } else {
        first
    }
}

/// Failures that no other address of the same service can mend: wrong credentials, wrong database, no permission,
/// a certificate that does not match.
fn is_final(error: &Error) -> bool {
    !error.is_retryable()
}

/// One error out of all the failures: the last, or the first that answers for good, with the others in its text.
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

/// An equal share of the time left, for the next of `count` tries.
fn share(deadline: Instant, count: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    now + left / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

fn halfway(deadline: Instant) -> Instant {
    share(deadline, 2)
}

fn host_name(host: &HostSettings) -> String {
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

/// The host as the user named it, with the address where that adds something.
fn name_of(candidate: &Candidate<'_>) -> String {
    let address = candidate.address.to_string();
    if let Address::Inside(_) = candidate.address {
        return address;
    }
    let label = label(candidate.host);
    if label == address { label } else { format!("{label}, {address}") }
}
