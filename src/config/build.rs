//! The step from values and their sources to the finished settings.
//!
//! An option's value is the first of: the program's setter or connection string; the service file; `HOLDFAST_<KEY>`;
//! libpq's `PG*` variable; the default. Between service file, `PG*` and default this is libpq's order
//! (`conninfo_add_defaults`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::Environment;
use super::hosts;
use super::hosts::{Passwords, Places};
use super::option_info;
use super::option_info::{Default, OptionInfo};
use super::password::PasswordCallback;
use super::require_auth::RequireAuth;
use super::service;
use super::settings::{
    AuthSettings, ChannelBinding, KeepaliveSettings, OrphanSettings, PeerSettings, Pem, PoolSettings,
    ProtocolVersion, RootCertificates, Secret, ServerSettings, SessionReset, SslCertMode, SslMode,
    SslNegotiation, TargetSessionAttrs, TlsSettings, TlsVersion,
};
use super::socket_owner;
use super::value;
use super::value::Bare;
use crate::error::{Error, Result};

/// The effective value of every option that has one, in canonical text.
pub(super) struct Resolved {
    values: BTreeMap<&'static str, String>,
    /// Server parameters that libpq takes from the environment and that are no options of their own.
    session: Vec<(&'static str, String)>,
    /// Neither host nor address was given: the server is where the socket is.
    host_was_found: bool,
    /// The folder of the user's libpq files; `None` where the environment is not to be read.
    user_folder: Option<PathBuf>,
}

/// `MAX_TCP_KEEPCNT` of Linux, which refuses more.
const MOST_KEEPALIVE_PROBES: u32 = 127;

/// libpq's variables for server parameters (`EnvironmentOptions`).
const SESSION_VARIABLES: [(&str, &str); 3] =
    [("PGDATESTYLE", "datestyle"), ("PGTZ", "timezone"), ("PGGEQO", "geqo")];

/// Lays the sources over each other. `explicit` is checked already; `production` is `None` where the environment decides.
pub(super) fn resolve(
    explicit: &BTreeMap<&'static str, String>,
    environment: &Environment,
    production: Option<bool>,
) -> Result<Resolved> {
    let production = production.map_or_else(|| environment.is_production(), Ok)?;
    let mut values = BTreeMap::new();
    for (key, text) in explicit {
        values.insert(*key, option_info::known(key)?.check(text, "")?);
    }
    let service = match explicit.get("service") {
        Some(name) => Some((name.clone(), String::new())),
        None => from_environment(option_info::known("service")?, environment)?,
    };
    if let Some((name, _)) = service.filter(|(name, _)| !name.is_empty()) {
        let own = option_info::known("servicefile")?;
        let file = match explicit.get(own.key()).filter(|path| !path.is_empty()) {
            Some(path) => Some(path.clone()),
            None => from_environment(own, environment)?.map(|(path, _)| path),
        };
        for found in service::look_up(&name, file.map(PathBuf::from), environment)? {
            if !values.contains_key(found.row.key()) {
                let text = found.row.check(&found.value, &format!(" ({})", found.place))?;
                values.insert(found.row.key(), text);
            }
        }
        values.insert("service", name);
    }
    for row in option_info::options().iter().filter(|row| row.key() != "service") {
        if values.contains_key(row.key()) {
            continue;
        }
        if let Some((text, name)) = from_environment(row, environment)? {
            values.insert(row.key(), row.check(&text, &format!(" (from {name})"))?);
        } else if let Some(text) = fixed_default(row, production) {
            values.insert(row.key(), text.to_owned());
        }
    }
    let is_given = |key: &str| values.get(key).is_some_and(|text| !text.is_empty());
    let host_was_found = !is_given("host") && !is_given("hostaddr");
    found_defaults(&mut values, environment);
    let mut session = Vec::new();
    for (variable, parameter) in SESSION_VARIABLES {
        if let Some(text) = environment.get(variable)? {
            session.push((parameter, text.to_owned()));
        }
    }
    let user_folder = environment.home.as_ref().map(|home| home.join(".postgresql"));
    Ok(Resolved { values, session, host_was_found, user_folder })
}

/// The first variable of the option that is set, and its name.
fn from_environment(row: &OptionInfo, environment: &Environment) -> Result<Option<(String, String)>> {
    for name in row.environment() {
        if let Some(text) = environment.get(&name)? {
            return Ok(Some((text.to_owned(), name)));
        }
    }
    if row.key() == "sslmode" && environment.get("PGREQUIRESSL")?.is_some_and(|text| text.starts_with('1')) {
        return Ok(Some(("require".to_owned(), "PGREQUIRESSL".to_owned())));
    }
    Ok(None)
}

fn fixed_default(row: &OptionInfo, production: bool) -> Option<&'static str> {
    match row.default {
        Default::Text(text) => Some(text),
        Default::ByProfile { production: text, .. } if production => Some(text),
        Default::ByProfile { development, .. } => Some(development),
        Default::None | Default::Described(_) => None,
    }
}

/// The defaults that depend on other values or on the machine. As in libpq, a text left empty counts as not given.
fn found_defaults(values: &mut BTreeMap<&'static str, String>, environment: &Environment) {
    let mut put = |key: &'static str, text: Option<String>| {
        if values.get(key).is_none_or(String::is_empty) {
            match text {
                Some(text) => values.insert(key, text),
                None => values.remove(key),
            };
        }
        values.get(key).cloned()
    };
    let user = put("user", environment.os_user.clone());
    put("dbname", user);
    put("port", Some("5432".to_owned()));
    put(
        "servicefile",
        environment.home.as_ref().map(|home| home.join(".pg_service.conf").to_string_lossy().into_owned()),
    );
    put(
        "passfile",
        environment.home.as_ref().map(|home| home.join(".pgpass").to_string_lossy().into_owned()),
    );
    if put("hostaddr", None).is_none() {
        put("host", Some(environment.socket_directory.clone()));
    }
    let fallback = put("fallback_application_name", None);
    put("application_name", fallback);
    let system = put("sslrootcert", None).as_deref() == Some("system");
    put("sslmode", Some(if system { SslMode::VerifyFull } else { SslMode::Prefer }.to_string()));
}

/// A typed value read back from canonical text.
trait FromText: Sized {
    fn from_text(text: &str) -> Option<Self>;
}

macro_rules! from_text {
    ($($type:ty => $read:expr;)+) => {
        $(impl FromText for $type {
            fn from_text(text: &str) -> Option<Self> {
                let read: fn(&str) -> Option<$type> = $read;
                read(text)
            }
        })+
    };
}

from_text! {
    u32 => |text| text.parse().ok();
    f64 => |text| text.parse().ok();
    bool => value::flag;
    // Canonical text always has a unit, except for zero, which needs none.
    Duration => |text| value::duration(text, Bare::Milliseconds);
    String => |text| Some(text.to_owned());
    SessionReset => SessionReset::from_name;
    SslMode => SslMode::from_name;
    SslNegotiation => SslNegotiation::from_name;
    SslCertMode => SslCertMode::from_name;
    ChannelBinding => ChannelBinding::from_name;
    TargetSessionAttrs => TargetSessionAttrs::from_name;
    TlsVersion => TlsVersion::from_name;
    ProtocolVersion => ProtocolVersion::from_name;
}

impl Resolved {
    /// The effective value as text, where there is one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// An option that always has a value.
    fn read<T: FromText>(&self, key: &str) -> Result<T> {
        self.get(key)
            .and_then(T::from_text)
            .ok_or_else(|| Error::config(format!("{key} has no usable value")))
    }

    /// An option that may be absent; an empty text is absence.
    fn find<T: FromText>(&self, key: &str) -> Option<T> {
        self.get(key).filter(|text| !text.is_empty()).and_then(T::from_text)
    }

    /// A duration of which zero means "none".
    fn unless_zero(&self, key: &str) -> Result<Option<Duration>> {
        Ok(Some(self.read::<Duration>(key)?).filter(|duration| !duration.is_zero()))
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.find::<String>(key).map(PathBuf::from)
    }

    fn pem(&self, key: &str) -> Option<Pem> {
        self.find(key).map(Pem::new)
    }

    fn secret(&self, key: &str) -> Option<Secret> {
        self.find::<String>(key).map(Secret::new)
    }

    /// The settings of the pool.
    pub(super) fn pool(&self) -> Result<PoolSettings> {
        let settings = PoolSettings {
            name: self.find("name"),
            max_size: self.read("max_size")?,
            min_idle: self.read("min_idle")?,
            max_waiting: self.read("max_waiting")?,
            idle_timeout: self.read("idle_timeout")?,
            connection_timeout: self.read("connection_timeout")?,
            retry_max: self.read("retry_max")?,
            retry_base_delay: self.read("retry_base_delay")?,
            retry_max_delay: self.read("retry_max_delay")?,
            retry_jitter: self.read("retry_jitter")?,
            breaker_after: self.unless_zero("breaker_after")?,
            fleet_share: self.read("fleet_share")?,
            allow_exit_on_idle: self.read("allow_exit_on_idle")?,
            max_lifetime: self.unless_zero("max_lifetime")?,
            validate_after_idle: self.read("validate_after_idle")?,
            keepalive_interval: self.unless_zero("keepalive_interval")?,
            validation_timeout: self.read("validation_timeout")?,
            settle_timeout: self.read("settle_timeout")?,
            session_reset: self.read("session_reset")?,
            close_timeout: self.read("close_timeout")?,
            statement_cache: self.read::<u32>("statement_cache")? as usize,
            statement_deadline: self.unless_zero("statement_deadline")?,
            metrics: self.read("metrics")?,
            leak_detection_threshold: self.unless_zero("leak_detection_threshold")?,
            leak_backtrace: self.read("leak_backtrace")?,
            protocol_trace: self.read("protocol_trace")?,
        };
        self.forbid(
            settings.min_idle > settings.max_size,
            ["min_idle", "max_size"],
            "min_idle must not be more than max_size",
        )?;
        self.forbid(
            settings.retry_base_delay > settings.retry_max_delay,
            ["retry_base_delay", "retry_max_delay"],
            "retry_base_delay must not be more than retry_max_delay",
        )?;
        Ok(settings)
    }

    /// Refuses a combination, naming both options with their values.
    fn forbid(&self, impossible: bool, [one, other]: [&str; 2], rule: &str) -> Result<()> {
        if !impossible {
            return Ok(());
        }
        let value = |key| self.get(key).unwrap_or_default().escape_debug();
        Err(Error::config(format!(
            "{one} \"{}\" and {other} \"{}\" do not go together: {rule}",
            value(one),
            value(other)
        )))
    }

    /// The settings of a connection. A callback takes the place of all other sources of passwords.
    pub(super) fn server(
        &self,
        environment: &Environment,
        password_callback: Option<PasswordCallback>,
    ) -> Result<ServerSettings> {
        let user: String = self.find("user").ok_or_else(|| {
            Error::config(match self.find("environment") {
                Some(false) => "user is not given, and environment is off: set user",
                _ => "user is not given, and the operating system has no name for this process's user: set user or PGUSER",
            })
        })?;
        let dbname = self.find("dbname").unwrap_or_else(|| user.clone());
        let given = self.secret("password").filter(|_| password_callback.is_none());
        // Read at each opening: passwords change while a pool lives.
        let passfile = self.path("passfile").filter(|_| given.is_none() && password_callback.is_none());
        let places = Places {
            host: self.get("host").unwrap_or_default(),
            hostaddr: self.get("hostaddr").unwrap_or_default(),
            port: self.get("port").unwrap_or_default(),
            socket_directory: &environment.socket_directory,
        };
        let hosts = hosts::hosts(&places, &Passwords { given, passfile, dbname: &dbname, user: &user })?;
        if self.host_was_found {
            for host in &hosts {
                socket_owner::check(Path::new(&environment.socket_directory), host.port)?;
            }
        }
        Ok(ServerSettings {
            hosts,
            password_callback,
            user,
            dbname,
            application_name: self.find("application_name"),
            options: self.session_options(),
            connect_timeout: self.unless_zero("connect_timeout")?,
            target_session_attrs: self.read("target_session_attrs")?,
            orphans: self.orphans()?,
            load_balance_hosts: self.get("load_balance_hosts") == Some("random"),
            tls: self.tls()?,
            auth: self.auth()?,
            peer: PeerSettings {
                required: self.find("requirepeer"),
                found_in: self.host_was_found.then(|| PathBuf::from(&environment.socket_directory)),
            },
            keepalive: KeepaliveSettings {
                enabled: self.read("keepalives")?,
                idle: self.read("keepalives_idle")?,
                interval: self.read("keepalives_interval")?,
                retries: self.read::<u32>("keepalives_count")?.min(MOST_KEEPALIVE_PROBES),
                tcp_user_timeout: self.read("tcp_user_timeout")?,
            },
        })
    }

    fn orphans(&self) -> Result<OrphanSettings> {
        let settings = OrphanSettings {
            idle_session_timeout: self.unless_zero("server_idle_session_timeout")?,
            connection_check_interval: self.unless_zero("server_connection_check_interval")?,
        };
        let idle_timeout = self.read::<Duration>("idle_timeout")?;
        self.forbid(
            settings.idle_session_timeout.is_some_and(|limit| limit <= idle_timeout),
            ["server_idle_session_timeout", "idle_timeout"],
            "the server must not end sessions before the pool lets go of them: server_idle_session_timeout must be longer",
        )?;
        Ok(settings)
    }

    fn tls(&self) -> Result<TlsSettings> {
        let settings = TlsSettings {
            mode: self.read("sslmode")?,
            negotiation: self.read("sslnegotiation")?,
            root: match self.find::<String>("sslrootcert") {
                None => RootCertificates::Default,
                Some(value) if value == "system" => RootCertificates::System,
                Some(value) => RootCertificates::Given(Pem::new(value)),
            },
            cert: self.pem("sslcert"),
            key: self.pem("sslkey"),
            key_password: self.secret("sslpassword"),
            cert_mode: self.read("sslcertmode")?,
            crl: self.pem("sslcrl"),
            crl_dir: self.path("sslcrldir"),
            user_folder: self.user_folder.clone(),
            sni: self.read("sslsni")?,
            min_version: self.find("ssl_min_protocol_version"),
            max_version: self.find("ssl_max_protocol_version"),
            channel_binding: self.read("channel_binding")?,
        };
        let weak = matches!(settings.mode, SslMode::Disable | SslMode::Allow | SslMode::Prefer);
        self.forbid(
            settings.root == RootCertificates::System && settings.mode != SslMode::VerifyFull,
            ["sslmode", "sslrootcert"],
            "with certificates that anyone can get, only verify-full protects",
        )?;
        self.forbid(
            settings.negotiation == SslNegotiation::Direct && weak,
            ["sslnegotiation", "sslmode"],
            "direct needs require, verify-ca or verify-full, since there is no falling back from it",
        )?;
        self.forbid(
            settings.channel_binding == ChannelBinding::Require && settings.mode == SslMode::Disable,
            ["channel_binding", "sslmode"],
            "there is no channel to bind to without TLS",
        )?;
        self.forbid(
            settings.cert_mode == SslCertMode::Require && settings.mode == SslMode::Disable,
            ["sslcertmode", "sslmode"],
            "there is no certificate without TLS",
        )?;
        self.forbid(
            matches!((settings.min_version, settings.max_version), (Some(min), Some(max)) if min > max),
            ["ssl_min_protocol_version", "ssl_max_protocol_version"],
            "the oldest version must not be newer than the newest",
        )?;
        Ok(settings)
    }

    fn auth(&self) -> Result<AuthSettings> {
        let versions: (ProtocolVersion, ProtocolVersion) =
            (self.read("min_protocol_version")?, self.read("max_protocol_version")?);
        self.forbid(
            versions.0.number() > versions.1.number(),
            ["min_protocol_version", "max_protocol_version"],
            "the oldest version must not be newer than the newest",
        )?;
        let text = self.get("require_auth").unwrap_or_default();
        let required = RequireAuth::parse(text).map_err(|why| {
            Error::config(format!("require_auth \"{}\" is not valid: {why}", text.escape_debug()))
        })?;
        Ok(AuthSettings { required, scram_max_iterations: self.read("scram_max_iterations")?, versions })
    }

    /// `options`, followed by the parameters that libpq takes from the environment, so that these win as they do there.
    fn session_options(&self) -> Option<String> {
        let mut options: Vec<String> = self.find("options").into_iter().collect();
        for (parameter, value) in &self.session {
            // The server splits the text at spaces that have no backslash before them (pg_split_opts).
            let escaped: String = value
                .chars()
                .flat_map(|c| (c.is_whitespace() || c == '\\').then_some('\\').into_iter().chain([c]))
                .collect();
            options.push(format!("-c {parameter}={escaped}"));
        }
        Some(options.join(" ")).filter(|text| !text.is_empty())
    }
}
