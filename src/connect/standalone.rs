//! Sessions without a pool, for programs that examine a server: each host of a configuration by itself, and the time that every
//! phase of an opening takes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connector::{Connector, Opened};
use super::timing::Timing;
use crate::config::PoolConfig;
use crate::config::settings::{Host, HostSettings, ServerSettings, TargetSessionAttrs};
use crate::error::Result;
use crate::link::Encryption;
use crate::link::dial::resolve::resolve;
use crate::session::{RawSession, SessionState};

/// The server that standalone sessions are opened to.
///
/// ```
/// let config = holdfast::PoolConfig::from_url("postgresql://app@192.0.2.7,db2/orders")?;
/// let hosts = holdfast::connect::Target::each_host(&config)?;
/// assert_eq!((hosts[1].name().as_str(), hosts[1].tcp_host(), hosts[1].is_looked_up()), ("db2:5432", Some("db2"), true));
/// assert_eq!(hosts[0].addresses(std::time::Duration::from_secs(1)), ["192.0.2.7:5432".parse().unwrap()]);
/// # Ok::<(), holdfast::Error>(())
/// ```
pub struct Target {
    connector: Connector,
    /// The host, where the target is a single one.
    host: Option<HostSettings>,
}

impl Target {
    /// Returns a configuration's server as a pool sees it: the first host that can be reached and has the role wanted.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) or [`Tls`](crate::ErrorKind::Tls) if the configuration cannot be used.
    pub fn new(config: &PoolConfig) -> Result<Self> {
        let (_, server) = config.settings()?;
        Ok(Self { connector: Connector::new(server)?, host: None })
    }

    /// Returns each host of a configuration by itself. Its role is not checked: that a standby is one is no failure of it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn each_host(config: &PoolConfig) -> Result<Vec<Self>> {
        let (_, server) = config.settings()?;
        let alone = |host: &HostSettings| {
            let settings = ServerSettings {
                hosts: vec![host.clone()],
                target_session_attrs: TargetSessionAttrs::Any,
                ..server.clone()
            };
            Ok(Self { connector: Connector::new(settings)?, host: Some(host.clone()) })
        };
        server.hosts.iter().map(alone).collect()
    }

    /// Returns the server or servers as configured: `db:5432`, or the path of a socket.
    pub fn name(&self) -> String {
        self.connector.target()
    }

    /// Returns the name or address of a single host that is reached by TCP; `None` for a socket of this machine, and for
    /// several hosts.
    pub fn tcp_host(&self) -> Option<&str> {
        match &self.host.as_ref()?.host {
            Host::Tcp(name) => Some(name),
            Host::Unix(_) => None,
        }
    }

    /// Returns whether opening a session looks a name up: the host is reached by TCP, and `hostaddr` is not given.
    pub fn is_looked_up(&self) -> bool {
        self.tcp_host().is_some() && self.host.as_ref().is_some_and(|host| host.hostaddr.is_none())
    }

    /// Returns the addresses of a single host, in the resolver's order. Blocks for up to `limit`. Empty if the name cannot be
    /// looked up, for a socket of this machine, and for several hosts.
    pub fn addresses(&self, limit: Duration) -> Vec<SocketAddr> {
        let Some(host) = &self.host else { return Vec::new() };
        match (&host.host, host.hostaddr) {
            (_, Some(ip)) => vec![(ip, host.port).into()],
            (Host::Tcp(name), None) => resolve(name, host.port, after(limit)).unwrap_or_default(),
            (Host::Unix(_), None) => Vec::new(),
        }
    }

    /// Opens a session: name look-up, connecting, TLS, authentication. Blocks for up to `limit`. Nothing is tried again, and no
    /// pool learns of it.
    ///
    /// # Errors
    /// The kinds of a failed opening; [`phase_timings`](crate::Error::phase_timings) has the time of each phase.
    pub fn open(&self, limit: Duration) -> Result<StandaloneSession> {
        let opened = self.connector.open(after(limit), &Arc::default(), &SessionState::default)?;
        Ok(StandaloneSession(opened))
    }
}

/// Longer than any of this lasts: a caller may give `Duration::MAX` for no limit.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn after(limit: Duration) -> Instant {
    Instant::now() + limit.min(LONGEST)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name()).finish()
    }
}

/// A session that belongs to no pool. Its drop tells the server, and does not block.
///
/// ```no_run
/// use std::time::Duration;
/// use holdfast::PoolConfig;
/// use holdfast::connect::Target;
///
/// let config = PoolConfig::from_url("postgresql://app@db1,db2/orders")?;
/// for target in Target::each_host(&config)? {
///     match target.open(Duration::from_secs(5)) {
///         Ok(mut session) => {
///             session.set_deadline(Some(Duration::from_secs(1)));
///             let answer = session.raw().script("select pg_is_in_recovery()")?;
///             println!("{}: {:?}, {:?}", target.name(), answer[0].text(0, 0), session.timings());
///         }
///         Err(error) => println!("{}: {}", target.name(), error.summary()),
///     }
/// }
/// # Ok::<(), holdfast::Error>(())
/// ```
pub struct StandaloneSession(Opened);

impl StandaloneSession {
    /// Returns the session for calls. They have no deadline of their own.
    pub fn raw(&mut self) -> RawSession<'_> {
        self.0.raw()
    }

    /// Sets a limit, from now on, over all calls until it is set anew; `None` is no limit. A call that exceeds it fails and
    /// ends the session.
    pub fn set_deadline(&self, limit: Option<Duration>) {
        self.0.link.set_deadline(limit.map(after));
    }

    /// Returns the time that each phase of the opening took.
    pub fn timings(&self) -> Timing {
        self.0.timing
    }

    /// Returns the server's process id as it was sent at the start of the session. Behind a pooler it is not that of the process
    /// that answers.
    pub fn backend_pid(&self) -> Option<u32> {
        self.0.link.backend_key().map(|key| key.process_id)
    }

    /// Returns the negotiated TLS; `None` on a plain connection.
    ///
    /// ```no_run
    /// # fn shown(session: &holdfast::connect::StandaloneSession) {
    /// match session.encryption() {
    ///     Some(tls) => println!("{tls:?}"),
    ///     None => println!("not encrypted"),
    /// }
    /// # }
    /// ```
    pub fn encryption(&self) -> Option<Encryption> {
        self.0.link.encryption()
    }
}

impl Drop for StandaloneSession {
    fn drop(&mut self) {
        self.0.link.retire();
    }
}

impl fmt::Debug for StandaloneSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandaloneSession").field("target", &self.0.target).finish_non_exhaustive()
    }
}
