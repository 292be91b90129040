//! A finished configuration, in types: the settings of the pool and of its connections.
//!
//! Texts become these types in `options` (the table of keys), `dsn`, `environment`, `passfile` and `service`; the rest
//! of the crate reads only these.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::passfile::PasswordEntry;
use super::password::PasswordCallback;
use super::require_auth::RequireAuth;

/// An enum whose variants have a name that users write: the same in URLs, in the environment and in `Display`.
macro_rules! named_values {
    ($(#[$meta:meta])* pub enum $Name:ident { $($(#[$doc:meta])* $Variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Name { $($(#[$doc])* $Variant,)+ }

        impl $Name {
            /// Every name, in the order of the enum.
            pub(crate) const NAMES: &[&str] = &[$($text),+];

            /// The name as users write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Variant => $text,)+ }
            }

            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$Variant),)+ _ => None }
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// A text that must never be shown: its `Debug` prints a mask.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for the wire only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The settings of the pool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoolSettings {
    pub(crate) name: Option<String>,
    pub(crate) max_size: u32,
    pub(crate) min_idle: u32,
    /// The most callers that may wait; 0 is any number.
    pub(crate) max_waiting: u32,
    pub(crate) idle_timeout: Duration,
    pub(crate) connection_timeout: Duration,
    pub(crate) retry_max: u32,
    pub(crate) retry_base_delay: Duration,
    pub(crate) retry_max_delay: Duration,
    /// Share of each wait that may be cut off at random, 0 to 1.
    pub(crate) retry_jitter: f64,
    /// `None`: the circuit never opens.
    pub(crate) breaker_after: Option<Duration>,
    pub(crate) fleet_share: bool,
    pub(crate) allow_exit_on_idle: bool,
    /// `None`: connections live for ever.
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) validate_after_idle: Duration,
    /// `None`: idle connections are left alone.
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) validation_timeout: Duration,
    pub(crate) settle_timeout: Duration,
    pub(crate) session_reset: SessionReset,
    pub(crate) close_timeout: Duration,
    /// Prepared statements kept per connection; 0 uses unnamed statements only.
    pub(crate) statement_cache: usize,
    /// Deadline of every statement; `None` is no deadline.
    pub(crate) statement_deadline: Option<Duration>,
    /// Durations are measured.
    pub(crate) metrics: bool,
    /// `None`: checkouts of any length are allowed.
    pub(crate) leak_detection_threshold: Option<Duration>,
    pub(crate) leak_backtrace: bool,
    pub(crate) protocol_trace: bool,
}

named_values! {
    /// The reset of a session that comes back, before the next caller gets it.
    pub enum SessionReset {
        /// None: what a caller has set stays.
        None = "none",
        /// What `DISCARD ALL` does, but for prepared statements and plans.
        State = "state",
        /// What `DISCARD ALL` does.
        Discard = "discard",
    }
}

named_values! {
    /// The TLS that a connection must have: libpq's six modes, with libpq's meaning.
    pub enum SslMode {
        /// Never TLS.
        Disable = "disable",
        /// Without TLS first; with TLS where the server insists.
        Allow = "allow",
        /// TLS where the server offers it, else without. Protects against nothing; the default, as in libpq.
        Prefer = "prefer",
        /// TLS or no connection. The certificate is checked only where a root certificate is at hand.
        Require = "require",
        /// TLS with a certificate signed by a trusted authority.
        VerifyCa = "verify-ca",
        /// TLS with a certificate signed by a trusted authority and made out to the host that was asked for.
        VerifyFull = "verify-full",
    }
}

named_values! {
    /// The way TLS starts.
    pub enum SslNegotiation {
        /// PostgreSQL's own request first.
        Postgres = "postgres",
        /// The TLS handshake at once, which PostgreSQL 17 and later understand.
        Direct = "direct",
    }
}

/// Certificates, a key or a list of revoked certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pem {
    File(PathBuf),
    /// The PEM text itself, which may be a key.
    Text(Secret),
}

impl Pem {
    /// Takes an option's value for PEM text if it contains any, else for a path.
    pub(super) fn new(value: String) -> Self {
        if Self::is_text(&value) { Self::Text(Secret::new(value)) } else { Self::File(value.into()) }
    }

    pub(super) fn is_text(value: &str) -> bool {
        value.contains("-----BEGIN ")
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootCertificates {
    /// `~/.postgresql/root.crt` where it exists.
    Default,
    /// The operating system's trust store (`sslrootcert=system`).
    System,
    Given(Pem),
}

named_values! {
    /// The use of the client certificate.
    pub enum SslCertMode {
        /// None is sent, even where there is one.
        Disable = "disable",
        /// Sent where there is one and the server asks for it.
        Allow = "allow",
        /// The server must ask for one and get it, or there is no connection.
        Require = "require",
    }
}

named_values! {
    /// The binding of the password exchange to the TLS connection it runs over.
    pub enum ChannelBinding {
        /// Never.
        Disable = "disable",
        /// Bound where server and TLS allow it.
        Prefer = "prefer",
        /// Or no connection.
        Require = "require",
    }
}

named_values! {
    /// The role a server must have.
    pub enum TargetSessionAttrs {
        /// Any server.
        Any = "any",
        /// Sessions may write by default.
        ReadWrite = "read-write",
        /// Sessions may not write by default.
        ReadOnly = "read-only",
        /// Not in hot standby.
        Primary = "primary",
        /// In hot standby.
        Standby = "standby",
        /// A standby where one of the hosts is, else any server.
        PreferStandby = "prefer-standby",
    }
}

named_values! {
    /// A version of TLS.
    #[derive(PartialOrd, Ord)]
    pub enum TlsVersion {
        /// TLS 1.0.
        V1_0 = "TLSv1",
        /// TLS 1.1.
        V1_1 = "TLSv1.1",
        /// TLS 1.2.
        V1_2 = "TLSv1.2",
        /// TLS 1.3.
        V1_3 = "TLSv1.3",
    }
}

named_values! {
    /// A version of PostgreSQL's protocol.
    #[derive(PartialOrd, Ord)]
    pub enum ProtocolVersion {
        /// 3.0, which every server supports.
        V3_0 = "3.0",
        /// 3.2, which came with PostgreSQL 18: longer keys for cancelling.
        V3_2 = "3.2",
        /// The newest there is.
        Latest = "latest",
    }
}

impl ProtocolVersion {
    /// As the start-up packet has it: major and minor version in 16 bits each.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::V3_0 => 0x3_0000,
            Self::V3_2 | Self::Latest => 0x3_0002,
        }
    }
}

/// The acceptable methods of authentication, and the acceptable cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthSettings {
    /// `None`: any.
    pub(crate) required: Option<RequireAuth>,
    /// The most iterations of the password hash a server may ask for.
    pub(crate) scram_max_iterations: u32,
    /// The oldest and the newest version of the protocol.
    pub(crate) versions: (ProtocolVersion, ProtocolVersion),
}

/// The address of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name or an address in text form; also the name a certificate is checked against.
    Tcp(String),
    /// The directory of a Unix-domain socket (`/...`, or `@...` for the abstract name space).
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostSettings {
    pub(crate) host: Host,
    /// Given by `hostaddr`: no name look-up is made.
    pub(crate) hostaddr: Option<IpAddr>,
    /// The zone of a link-local address in `hostaddr`: a network device's name or number.
    pub(crate) zone: Option<String>,
    pub(crate) port: u16,
    /// From the DSN or the environment.
    pub(crate) password: Option<Secret>,
    /// Where to look for a password if none was given.
    pub(crate) password_entry: Option<PasswordEntry>,
}

impl HostSettings {
    /// The password for a connection that is opened now. Reads the password file, in which it may have changed.
    ///
    /// # Errors
    /// The file could not be read because this process is at a limit.
    pub(crate) fn current_password(&self) -> io::Result<Option<Secret>> {
        match (&self.password, &self.password_entry) {
            (None, Some(entry)) => entry.password(),
            (given, _) => Ok(given.clone()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) root: RootCertificates,
    /// Client certificate and key; `None` is libpq's default (`~/.postgresql/postgresql.crt` where it exists).
    pub(crate) cert: Option<Pem>,
    pub(crate) key: Option<Pem>,
    pub(crate) key_password: Option<Secret>,
    pub(crate) cert_mode: SslCertMode,
    pub(crate) crl: Option<Pem>,
    pub(crate) crl_dir: Option<PathBuf>,
    /// The folder of files that no option names: `~/.postgresql`.
    pub(crate) user_folder: Option<PathBuf>,
    /// Send the host name in the clear, so that a TLS proxy can route (`sslsni`).
    pub(crate) sni: bool,
    pub(crate) min_version: Option<TlsVersion>,
    pub(crate) max_version: Option<TlsVersion>,
    pub(crate) channel_binding: ChannelBinding,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeepaliveSettings {
    pub(crate) enabled: bool,
    /// Silence before the first probe; zero leaves it to the system, as for the next two.
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) retries: u32,
    /// The longest time sent bytes may stay unacknowledged; zero leaves it to the system.
    pub(crate) tcp_user_timeout: Duration,
}

/// The users that a server behind a local socket may run as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    /// `requirepeer`.
    pub(crate) required: Option<String>,
    /// The directory of the socket, where no host was given and the socket was found.
    pub(crate) found_in: Option<PathBuf>,
}

/// The server's own timeouts for sessions without a live client; `None` leaves each to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrphanSettings {
    pub(crate) idle_session_timeout: Option<Duration>,
    pub(crate) connection_check_interval: Option<Duration>,
}

/// The settings of a connection: the servers, the user and the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerSettings {
    /// At least one.
    pub(crate) hosts: Vec<HostSettings>,
    /// The program's source of passwords, for all hosts.
    pub(crate) password_callback: Option<PasswordCallback>,
    pub(crate) user: String,
    pub(crate) dbname: String,
    pub(crate) application_name: Option<String>,
    /// The start-up packet's `options`.
    pub(crate) options: Option<String>,
    /// libpq's limit per host (`connect_timeout`), within `connection_timeout`; `None` is no limit of its own.
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) target_session_attrs: TargetSessionAttrs,
    pub(crate) orphans: OrphanSettings,
    /// `load_balance_hosts=random`.
    pub(crate) load_balance_hosts: bool,
    pub(crate) tls: TlsSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) peer: PeerSettings,
    pub(crate) keepalive: KeepaliveSettings,
}

impl ServerSettings {
    /// Returns the settings for a server within this process, which needs none.
    pub(crate) fn within_process(application_name: Option<String>) -> Self {
        let name = "echo".to_owned();
        Self {
            hosts: vec![HostSettings {
                host: Host::Tcp(name.clone()),
                hostaddr: None,
                zone: None,
                port: 0,
                password: None,
                password_entry: None,
            }],
            password_callback: None,
            user: name.clone(),
            dbname: name,
            application_name,
            options: None,
            connect_timeout: None,
            target_session_attrs: TargetSessionAttrs::Any,
            orphans: OrphanSettings::default(),
            load_balance_hosts: false,
            tls: TlsSettings {
                mode: SslMode::Disable,
                negotiation: SslNegotiation::Postgres,
                root: RootCertificates::Default,
                cert: None,
                key: None,
                key_password: None,
                cert_mode: SslCertMode::Allow,
                crl: None,
                crl_dir: None,
                user_folder: None,
                sni: false,
                min_version: None,
                max_version: None,
                channel_binding: ChannelBinding::Disable,
            },
            auth: AuthSettings {
                required: None,
                scram_max_iterations: 1,
                versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_0),
            },
            peer: PeerSettings::default(),
            keepalive: KeepaliveSettings {
                enabled: false,
                idle: Duration::ZERO,
                interval: Duration::ZERO,
                retries: 0,
                tcp_user_timeout: Duration::ZERO,
            },
        }
    }
}
