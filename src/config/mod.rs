//! Configuration: one table of options, read from URLs, keyword strings, environment, password and service files.
//!
//! [`PoolConfig`] collects the values; [`options`] lists the options; [`reference_table`] prints them.

mod build;
mod dsn;
pub(crate) mod environment;
mod hosts;
mod option_info;
pub(crate) mod options;
mod passfile;
pub(crate) mod password;
pub(crate) mod require_auth;
mod service;
pub(crate) mod settings;
pub(crate) mod socket_owner;
pub(crate) mod users;
pub(crate) mod value;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub(crate) use environment::Environment;
pub use option_info::{Group, OptionInfo, option, options, reference_table};
use password::PasswordCallback;
pub use password::PasswordRequest;
pub use settings::{
    ChannelBinding, ProtocolVersion, SessionReset, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs,
    TlsVersion,
};
use settings::{PoolSettings, ServerSettings};
pub use value::{parse_duration, write_duration};

use crate::error::{Error, Result};
use crate::logging::{LogLevel, LogRecord, LogSink};
use crate::observe::event::{Event, EventSink};

/// The configuration of a pool: the server to reach, and the pool's behaviour.
///
/// ```
/// use std::time::Duration;
/// use holdfast::PoolConfig;
///
/// let config = PoolConfig::from_url("postgresql://app@db.example/orders?sslmode=verify-full&min_idle=1")?
///     .max_size(4)
///     .idle_timeout(Duration::from_secs(2));
/// assert_eq!(config.get("max_size")?.as_deref(), Some("4"));
/// config.validate()?;
/// # Ok::<(), holdfast::Error>(())
/// ```
///
/// # Where values come from
///
/// The first of these sources that has a value for an option counts:
///
/// 1. the program: setters, [`set`](Self::set) and the connection string, the latest of them winning;
/// 2. the section of the service file that `service` or `PGSERVICE` names;
/// 3. the environment variable `HOLDFAST_<KEY>`;
/// 4. libpq's `PG*` variable;
/// 5. the default.
///
/// A variable that is set but empty counts as not set. Environment and user are read when the configuration is begun,
/// password and service files whenever it is used.
///
/// Where the connection string is a stranger's, set [`environment`](Self::environment) to `false`: then the program and that
/// string are the only sources, and the stranger's server gets no password, user name or option that was meant for another.
///
/// # Units
///
/// Durations are written `15s`, `500ms`, `30min` (also `us`, `h`, `d`). A bare number is milliseconds, except for
/// libpq's own options in seconds (`connect_timeout`, `keepalives_idle`, `keepalives_interval`), where it is seconds so
/// that a connection string means the same to `psql`.
///
/// # Differences from libpq
///
/// - `keepalives_idle`, `keepalives_interval` and `keepalives_count` default to 3 s, 1 s and 3, so that a dead peer is
///   found within seconds; `connect_timeout=1` means 1 s (libpq makes it 2).
/// - An option that cannot be honoured (`sslkeylogfile`, ...) is an error unless its value would change nothing.
/// - A URL with a bare `@` among its hosts or in its path is refused: nearly always a password has an `@` or `/` that should
///   have been written `%40` or `%2F`.
///
/// Secrets never show in `Debug`, in errors or in what [`get`](Self::get) returns.
#[must_use = "a configuration changes nothing until a pool is made of it"]
#[derive(Clone)]
pub struct PoolConfig {
    /// The values the program set, by key. From `set` and connection strings in canonical text; from setters as given,
    /// to be checked when the settings are made.
    explicit: BTreeMap<&'static str, String>,
    environment: Environment,
    /// The set of defaults; `None` leaves the choice to the environment.
    production: Option<bool>,
    log_sink: Option<LogSink>,
    event_sink: Option<EventSink>,
    password_callback: Option<PasswordCallback>,
    connect_hook: Option<Arc<dyn SessionHook>>,
}

/// The program's hook on new sessions. Only the pool, which is above this room, has a type of it, and runs it.
pub(crate) trait SessionHook: Any + Send + Sync {}

impl PoolConfig {
    /// An empty configuration: environment and defaults decide. Production, if `HOLDFAST_ENV` (else `NODE_ENV`) is
    /// `production`, else development.
    pub fn new() -> Self {
        Self::within(Environment::of_this_process())
    }

    /// Like [`new`](Self::new), with the defaults for production (`max_size` 8) in any environment.
    ///
    /// ```
    /// use holdfast::PoolConfig;
    /// assert_eq!(PoolConfig::production().get("max_size")?.as_deref(), Some("8"));
    /// assert_eq!(PoolConfig::development().get("max_size")?.as_deref(), Some("5"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn production() -> Self {
        Self { production: Some(true), ..Self::new() }
    }

    /// Like [`new`](Self::new), with the defaults for development (`max_size` 5) in any environment.
    pub fn development() -> Self {
        Self { production: Some(false), ..Self::new() }
    }

    /// A configuration from a connection string: a `postgresql://` URL or `key=value` pairs, as libpq takes them.
    /// Holdfast's own options may stand in either. What it leaves open, environment and defaults decide.
    ///
    /// # Errors
    ///
    /// The string is malformed, names an unknown option, or has a value that the option does not allow. Options that
    /// do not go together are found by [`validate`](Self::validate).
    ///
    /// ```
    /// let error = holdfast::PoolConfig::from_url("host=db max_sise=4").unwrap_err();
    /// assert!(error.to_string().contains("did you mean \"max_size\"?"));
    /// ```
    pub fn from_url(url: &str) -> Result<Self> {
        Self::within(Environment::of_this_process()).with_url(url)
    }

    /// A configuration from the environment alone: `DATABASE_URL`, if it is set, read like a URL given to
    /// [`from_url`](Self::from_url), over `HOLDFAST_*` and `PG*` variables.
    ///
    /// # Errors
    ///
    /// As [`from_url`](Self::from_url), for `DATABASE_URL`.
    pub fn from_env() -> Result<Self> {
        Self::from_environment(Environment::of_this_process())
    }

    /// An empty configuration in given surroundings.
    pub(crate) fn within(environment: Environment) -> Self {
        Self {
            explicit: BTreeMap::new(),
            environment,
            production: None,
            log_sink: None,
            event_sink: None,
            password_callback: None,
            connect_hook: None,
        }
    }

    pub(crate) fn from_environment(environment: Environment) -> Result<Self> {
        // A line end from the file that a secret was read from is no part of the URL.
        let url = environment.get("DATABASE_URL")?.map(|url| url.trim().to_owned());
        let config = Self::within(environment);
        match url {
            Some(url) => config.with_url(&url),
            None => Ok(config),
        }
    }

    fn with_url(mut self, url: &str) -> Result<Self> {
        self.set_url(url)?;
        Ok(self)
    }

    /// Sets every option that a connection string has; the others keep their values.
    ///
    /// # Errors
    ///
    /// As [`from_url`](Self::from_url); nothing is set then.
    pub fn set_url(&mut self, url: &str) -> Result<&mut Self> {
        let conninfo = dsn::parse(url)?;
        if conninfo.ambiguous {
            return Err(Error::config(
                "the URL has an \"@\" where none can be: in a user name or password write %40 for \"@\" and %2F for \"/\", \
                 in a database name %40 for \"@\"",
            ));
        }
        let mut checked = Vec::with_capacity(conninfo.pairs.len());
        for (row, value) in conninfo.pairs {
            let value = row.check(&value, "").map_err(|error| match conninfo.doubtful {
                true => Error::config(format!(
                    "{} in the URL is not valid: allowed is {}; in a user name or password write %40 for \"@\" and %2F for \"/\"",
                    row.key(),
                    row.allowed()
                )),
                false => error,
            })?;
            if row.key() == option_info::ENVIRONMENT && value == "true" && self.is_cut_off() {
                return Err(Error::config(
                    "environment is off, and a connection string cannot switch it on: it may be the stranger's for whom it is off",
                ));
            }
            checked.push((row.key(), value));
        }
        self.explicit.extend(checked);
        Ok(self)
    }

    /// Sets one option from text.
    ///
    /// # Errors
    ///
    /// The option is unknown (the nearest known one is named), or the value is not allowed (the error names the values that are).
    ///
    /// ```
    /// let mut config = holdfast::PoolConfig::new();
    /// config.set("host", "db")?.set("idle_timeout", "30s")?;
    /// assert!(config.set("idle_timeout", "soon").is_err());
    /// config.set_url("postgresql://app@db2/orders")?; // keeps idle_timeout
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn set(&mut self, key: &str, value: &str) -> Result<&mut Self> {
        let row = option_info::known(key)?;
        self.explicit.insert(row.key(), row.check(value, "")?);
        Ok(self)
    }

    /// Sends the pool's log records of this level and above to `sink` too. They go to the `log` crate as well, under the target
    /// `holdfast`; records about reading a configuration go there alone. A second sink replaces the first. Default: none.
    ///
    /// The sink is called on the thread that reports, threads of the library included, by several at once, and never
    /// while a lock is held. It must return soon: connections wait for it. Inside, getting a connection fails with
    /// [`Misuse`](crate::ErrorKind::Misuse), and records that it causes itself are not passed to it; giving connections
    /// back and [`stats`](crate::Pool::stats) are fine, waiting for anything else is not. A panic in it goes no
    /// further. It is dropped with the last pool and configuration that has it, on whatever thread that happens.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use holdfast::{LogLevel, Pool, PoolConfig};
    ///
    /// let (sender, records) = mpsc::channel();
    /// let config = PoolConfig::from_url("postgresql://app@127.0.0.1:1/orders?retry_base_delay=1ms")?
    ///     .log_sink(LogLevel::Warn, move |record| drop(sender.send(record.message.to_owned())));
    /// Pool::new(config)?.get().unwrap_err(); // no server listens at port 1
    /// assert!(records.recv().unwrap().starts_with("could not open a connection (attempt 1)"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn log_sink(
        mut self,
        level: LogLevel,
        sink: impl Fn(&LogRecord<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.log_sink = Some(LogSink::new(level, sink));
        self
    }

    /// Replaces the sink, or removes it, and returns the former one.
    #[cfg(feature = "capi")]
    pub(crate) fn replace_sink(&mut self, sink: Option<LogSink>) -> Option<LogSink> {
        std::mem::replace(&mut self.log_sink, sink)
    }

    pub(crate) fn sink(&self) -> Option<&LogSink> {
        self.log_sink.as_ref()
    }

    /// Reports every event in the pool to `sink` as it happens; [`EventKind`](crate::EventKind) lists them. A second
    /// sink replaces the first. Default: none; without one, checkouts make no events and cost nothing more.
    ///
    /// The sink is called as a [`log_sink`](Self::log_sink) is, with the same rules: on any thread, by several at once,
    /// never while a lock is held; it must return soon, may not get connections, and is not notified of events that it
    /// causes itself.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use holdfast::{Pool, PoolConfig};
    ///
    /// let (sender, events) = mpsc::channel();
    /// let config = PoolConfig::new().on_event(move |event| drop(sender.send(event.kind.name())));
    /// let pool = Pool::echo(config)?;
    /// pool.query("select 1", &[])?;
    /// drop(pool);
    /// let names: Vec<_> = events.try_iter().collect();
    /// assert_eq!(names, ["opened", "acquired", "released", "closed"]);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn on_event(mut self, sink: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.event_sink = Some(EventSink::new(sink));
        self
    }

    /// Replaces the event sink and returns the former one.
    #[cfg(feature = "capi")]
    pub(crate) fn replace_event_sink(&mut self, sink: Option<EventSink>) -> Option<EventSink> {
        std::mem::replace(&mut self.event_sink, sink)
    }

    pub(crate) fn event_sink(&self) -> Option<&EventSink> {
        self.event_sink.as_ref()
    }

    /// Asks `ask` for the password at each opening of a session: for tokens that expire, and passwords that are rotated.
    /// While it is set, `password` is ignored wherever it is given, and the password file is not read. A second callback
    /// replaces the first. Default: none.
    ///
    /// It is called once the server is reached, on the thread that opens the session (a caller's or the library's), by
    /// several at once, never while a lock is held. It may block until [`deadline`](PasswordRequest::deadline), the attempt's;
    /// getting connections inside is [`Misuse`](crate::ErrorKind::Misuse). Its error or panic is the cause of the failed
    /// attempt: kind [`Auth`](crate::ErrorKind::Auth), retryable. What it returns is dropped when the session is open or the
    /// attempt has failed, and never shows in an error, a log record or `Debug`.
    ///
    /// When the server refuses the password, it is asked again at once, up to twice (`was_refused`): the password may have
    /// changed between asking and sending. Another one is tried; the same one is not sent again. A pool that was refused asks it
    /// again when the next caller wants a connection, then at most every 0.1 s to 1 s, and tries the server as soon as it
    /// gives another password. It is dropped with the last pool and configuration that has it.
    ///
    /// ```
    /// use holdfast::PoolConfig;
    ///
    /// let config = PoolConfig::from_url("postgresql://app@db.example/orders?sslmode=verify-full")?
    ///     .password_with(|_session| Ok(std::fs::read_to_string("/run/secrets/db")?.trim_end().to_owned()));
    /// config.validate()?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn password_with(
        mut self,
        ask: impl Fn(&PasswordRequest<'_>) -> Result<String, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.password_callback = Some(PasswordCallback::new(ask));
        self
    }

    /// Replaces the hook on new sessions and returns the former one.
    pub(crate) fn replace_hook(
        &mut self,
        hook: Option<Arc<dyn SessionHook>>,
    ) -> Option<Arc<dyn SessionHook>> {
        std::mem::replace(&mut self.connect_hook, hook)
    }

    pub(crate) fn connect_hook(&self) -> Option<&Arc<dyn SessionHook>> {
        self.connect_hook.as_ref()
    }

    /// Replaces the password callback, or removes it, and returns the former one.
    #[cfg(feature = "capi")]
    pub(crate) fn replace_password_callback(
        &mut self,
        callback: Option<PasswordCallback>,
    ) -> Option<PasswordCallback> {
        std::mem::replace(&mut self.password_callback, callback)
    }

    /// Records the value of a setter; it is checked when the settings are made.
    fn with(mut self, key: &'static str, value: String) -> Self {
        self.explicit.insert(key, value);
        self
    }

    /// Returns the effective value of an option in canonical text, from any source; `None` where it has none. A secret
    /// is shown as `***`.
    ///
    /// # Errors
    ///
    /// The option is unknown, or the configuration has a value that is not allowed.
    pub fn get(&self, key: &str) -> Result<Option<String>> {
        let row = option_info::known(key)?;
        Ok(self.resolved()?.get(key).map(|value| row.shown(value).to_owned()))
    }

    /// Checks the whole: every value, and the combinations.
    ///
    /// # Errors
    ///
    /// The first fault found, with the option's name, its value unless that is secret, and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.settings().map(drop)
    }

    /// Returns the finished settings. Reads service and password files.
    pub(crate) fn settings(&self) -> Result<(PoolSettings, ServerSettings)> {
        let resolved = self.resolved()?;
        let callback = self.password_callback.clone();
        Ok((resolved.pool()?, resolved.server(&self.environment, callback)?))
    }

    /// Returns the finished settings of a pool with a server within this process: options for reaching a server are ignored.
    pub(crate) fn settings_within_process(&self) -> Result<(PoolSettings, ServerSettings)> {
        let resolved = self.resolved()?;
        let name = resolved.get("application_name").filter(|name| !name.is_empty());
        Ok((resolved.pool()?, ServerSettings::within_process(name.map(str::to_owned))))
    }

    /// Returns whether the program is the only source.
    fn is_cut_off(&self) -> bool {
        self.explicit.get(option_info::ENVIRONMENT).is_some_and(|value| value::flag(value) == Some(false))
    }

    fn resolved(&self) -> Result<build::Resolved> {
        if !self.is_cut_off() {
            return build::resolve(&self.explicit, &self.environment, self.production);
        }
        for key in ["service", "servicefile", "passfile"] {
            if self.explicit.get(key).is_some_and(|value| !value.is_empty()) {
                return Err(Error::config(format!(
                    "{key} and environment=off do not go together: no password or service file is read then"
                )));
            }
        }
        build::resolve(&self.explicit, &self.environment.cut_off(), self.production)
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PoolConfig {
    /// The values the program set, secrets masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("PoolConfig");
        for (key, value) in &self.explicit {
            let shown = option(key).map_or(option_info::MASK, |row| row.shown(value));
            text.field(key, &shown);
        }
        text.finish_non_exhaustive()
    }
}

/// Reads a connection string into keys and values, without checking the values: for comparison with libpq.
#[doc(hidden)]
pub fn parse_conninfo(text: &str) -> Result<Vec<(String, String)>> {
    let conninfo = dsn::parse(text)?;
    Ok(conninfo.pairs.into_iter().map(|(row, value)| (row.key().to_owned(), value)).collect())
}
