//! The one table of options.
//!
//! A row makes the option known to every front door: connection strings, service files, environment, `set` and `get`,
//! the Rust setter, the C and Node setters, the reference table. A new option needs only, besides, the field of
//! [`settings`](super::settings) it fills (`resolve.rs`); a test fails for a row that fills none.
//!
//! libpq's keys, variables and defaults were read in PostgreSQL's `src/interfaces/libpq/fe-connect.c` (15 to 18).

use std::path::Path;
use std::time::Duration;

use super::PoolConfig;
use super::option_info::{Default, Group, OptionInfo};
use super::settings::{
    ChannelBinding, ProtocolVersion, SessionReset, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs,
    TlsVersion,
};
use super::value::{Bare, DAY, Kind, write_duration};

/// Far above what one process can use and below what would be a slip of the keyboard.
pub(crate) const MOST_CONNECTIONS: u32 = 10_000;
const MOST_WAITING: u32 = 1_000_000;
/// A server that can make a client hash for minutes can stop it from working (CVE-2026-42198 of pgjdbc). The default
/// passes the 600,000 iterations that OWASP advises, which take about a third of a second; PostgreSQL's own default is
/// 4,096.
const MOST_ITERATIONS: u32 = 10_000_000;
const MILLISECOND: Duration = Duration::from_millis(1);

/// A duration of Holdfast's own, of which zero is an ordinary value.
const fn time(max: Duration) -> Kind {
    Kind::Duration { bare: Bare::Milliseconds, min: Duration::ZERO, max, zero: None }
}

/// A duration of Holdfast's own that must be positive.
const fn positive_time(max: Duration) -> Kind {
    Kind::Duration { bare: Bare::Milliseconds, min: MILLISECOND, max, zero: None }
}

/// A duration of Holdfast's own, of which zero means something of its own.
const fn time_or(zero: &'static str, max: Duration) -> Kind {
    Kind::Duration { bare: Bare::Milliseconds, min: MILLISECOND, max, zero: Some(zero) }
}

/// One of libpq's durations.
const fn libpq_time(bare: Bare, (min, max): (Duration, Duration), zero: &'static str) -> Kind {
    Kind::Duration { bare, min, max, zero: Some(zero) }
}

/// The range of keepalive times on Linux: whole seconds, up to `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`.
const PROBING: (Duration, Duration) = (SECOND, Duration::from_secs(32_767));
/// libpq takes what an `int` holds.
const MOST_PROBES: u32 = i32::MAX as u32;
const UP_TO_A_DAY: (Duration, Duration) = (MILLISECOND, DAY);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
/// Probing more often would be all that an idle pool does.
const SHORTEST_PROBING: Duration = Duration::from_millis(100);
/// Servers take milliseconds in 31 bits.
const SERVER_TIME: Duration = Duration::from_secs(24 * 86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// `{ doc, key(type of the setter's argument) [libpq's variables] kind, default; }`, one per option. The default is a
/// text, `none`, `{production, development}`, or `[words]` where it is found out when the configuration is used.
macro_rules! options {
    ($($group:ident {$(
        #[doc = $doc:literal]
        $key:ident($setter:tt) [$($env:literal),*] $kind:expr, $default:tt;
    )+})+) => {
        pub(super) static OPTIONS: &[OptionInfo] = &[$($(
            OptionInfo {
                key: stringify!($key),
                group: Group::$group,
                kind: $kind,
                default: default!($default),
                libpq_env: &[$($env),*],
                doc: $doc,
            },
        )+)+];

        /// One setter per option. A value set here beats all other sources; it is checked by
        /// [`validate`](PoolConfig::validate) and when the pool is made. Bounds are in [`option`](super::option).
        impl PoolConfig {
            $($( setter! { $setter $key $doc concat!("Default: ", default_text!($default), ".") } )+)+
        }
    };
}

macro_rules! default {
    (none) => {
        Default::None
    };
    ([$words:literal]) => {
        Default::Described($words)
    };
    ({$production:literal, $development:literal}) => {
        Default::ByProfile { production: $production, development: $development }
    };
    ($text:literal) => {
        Default::Text($text)
    };
}

macro_rules! default_text {
    (none) => {
        "none"
    };
    ([$words:literal]) => {
        $words
    };
    ({$production:literal, $development:literal}) => {
        concat!($production, " in production, else ", $development)
    };
    ($text:literal) => {
        $text
    };
}

/// The setter of one option, by the type of its argument; `none` for what exists only to be accepted.
macro_rules! setter {
    (none $key:ident $doc:literal $default:expr) => {};
    (text $key:ident $doc:literal $default:expr) => {
        setter! { @ $key(value: impl Into<String>) value.into(); $doc $default }
    };
    (path $key:ident $doc:literal $default:expr) => {
        setter! { @ $key(value: impl AsRef<Path>) value.as_ref().to_string_lossy().into_owned(); $doc $default }
    };
    (time $key:ident $doc:literal $default:expr) => {
        setter! { @ $key(value: Duration) write_duration(value); $doc $default }
    };
    // `None` is written as zero, which for these options means none.
    (optional_time $key:ident $doc:literal $default:expr) => {
        setter! { @ $key(value: impl Into<Option<Duration>>) write_duration(value.into().unwrap_or_default()); $doc $default }
    };
    ($type:ident $key:ident $doc:literal $default:expr) => {
        setter! { @ $key(value: $type) value.to_string(); $doc $default }
    };
    (@ $key:ident($value:ident: $type:ty) $text:expr; $doc:literal $default:expr) => {
        #[doc = $doc]
        #[doc = ""]
        #[doc = $default]
        pub fn $key(self, $value: $type) -> Self {
            self.with(stringify!($key), $text)
        }
    };
}

options! {
    Pool {
        /// A name for the pool, as metrics and log lines show it.
        name(text) [] Kind::Text, none;
        /// The most server connections this pool owns at a time; another may be set at run time.
        max_size(u32) [] Kind::Integer { min: 1, max: MOST_CONNECTIONS }, {"8", "5"};
        /// Idle connections kept open even without any use; 0 lets the pool scale down to nothing.
        min_idle(u32) [] Kind::Integer { min: 0, max: MOST_CONNECTIONS }, "0";
        /// The most callers that may wait for a connection: one more fails at once with `Overloaded`; 0 is any number.
        max_waiting(u32) [] Kind::Integer { min: 0, max: MOST_WAITING }, "0";
        /// The time after its last use (a quarter of it while the server is full) at which an idle connection is closed: never earlier, at most 1 s later.
        idle_timeout(time) [] positive_time(YEAR), "15s";
        /// The most one attempt to get a connection may take: queue, DNS, TCP, TLS, authentication and validation together.
        connection_timeout(time) [] positive_time(HOUR), "8s";
        /// Retries after a first attempt that failed for a passing reason.
        retry_max(u32) [] Kind::Integer { min: 0, max: 1_000 }, "2";
        /// The wait before the first retry; it doubles with each further one.
        retry_base_delay(time) [] time(HOUR), "1s";
        /// The longest wait between two retries.
        retry_max_delay(time) [] time(HOUR), "5s";
        /// Shortens each wait by a random share of up to this much, so that a fleet does not retry in step; 0 is the exact schedule.
        retry_jitter(f64) [] Kind::Share, "0.2";
        /// The length of an outage after which calls that find no connection fail at once instead of waiting; 0 lets them wait always.
        breaker_after(optional_time) [] time_or("lets them wait always", HOUR), "10s";
        /// Shares the server's slots with other pools that have this option on: marks connections by a suffix of `application_name`, counts them now and then for each pool, and keeps to its share.
        fleet_share(bool) [] Kind::Flag, "true";
        /// The pool keeps no process or event loop alive that is otherwise done.
        allow_exit_on_idle(bool) [] Kind::Flag, "true";
        /// A connection is replaced at this age (up to 25 % earlier, drawn for each), at return or while idle; 0 is never.
        max_lifetime(optional_time) [] time_or("is never", YEAR), "30min";
        /// A connection idle for longer than this is validated before it is checked out; 0 validates always.
        validate_after_idle(time) [] time(YEAR), "500ms";
        /// An idle connection from which nothing was received for this long is validated in the background. Dead ones are found, and replaced up to `min_idle`, before they are needed; 0 is never. (Not TCP's `keepalives_interval`.)
        keepalive_interval(optional_time) [] Kind::Duration { bare: Bare::Milliseconds, min: SHORTEST_PROBING, max: YEAR, zero: Some("is never") }, "0";
        /// The most that validating a connection may take.
        validation_timeout(time) [] positive_time(HOUR), "1s";
        /// The most that cleaning a returned connection (ending what it left running, rolling back) may take before it is closed instead.
        settle_timeout(time) [] positive_time(HOUR), "1s";
        /// The reset of a session that comes back, before the next caller gets it: `none` leaves settings, temporary tables, advisory locks and the like as they are; `state` does what `DISCARD ALL` does but keeps prepared statements; `discard` does all of it. Costs a round trip per checkout, off the caller's thread; has no effect behind a pooler, which is logged.
        session_reset(SessionReset) [] Kind::Choice(SessionReset::NAMES), "none";
        /// The time that closing the pool waits for connections in use before it cancels their work and cuts them.
        close_timeout(time) [] time(HOUR), "5s";
        /// Prepared statements kept per connection; 0 prepares none by name. Behind a pooler that loses them the pool stops naming them by itself.
        statement_cache(u32) [] Kind::Integer { min: 0, max: 100_000 }, "256";
        /// The deadline of every statement; 0 is none.
        statement_deadline(optional_time) [] time_or("is none", YEAR), "0";
        /// Measures the time of waits, checkouts, openings and statements, for metrics and dashboard: some 60 ns a checkout and as much a statement. Counters are kept in any case.
        metrics(bool) [] Kind::Flag, "true";
        /// A connection checked out for longer than this is reported once, with the place of the checkout; 0 is never.
        leak_detection_threshold(optional_time) [] time_or("is never", YEAR), "5min";
        /// Keeps a backtrace of every checkout, for reports of leaks and of exhaustion: costs tens of microseconds a checkout.
        leak_backtrace(bool) [] Kind::Flag, "false";
        /// Logs the messages of the protocol at the level debug when their connection comes back: kinds and times, never contents. For finding faults: costs a lock and a look at the clock for each message.
        protocol_trace(bool) [] Kind::Flag, "false";
    }
    Server {
        /// Host names, addresses or socket directories (`/...`, `@...`), comma-separated, tried in order.
        host(text) ["PGHOST"] Kind::Text, ["the local socket directory"];
        /// Numeric addresses, one per host: no name is resolved; `host` still names the certificate.
        hostaddr(text) ["PGHOSTADDR"] Kind::Text, none;
        /// Port number, or one per host, comma-separated.
        port(u16) ["PGPORT"] Kind::Ports, "5432";
        /// User name.
        user(text) ["PGUSER"] Kind::Text, ["the operating system's user name"];
        /// Password; where none is given, the password file is read.
        password(text) ["PGPASSWORD"] Kind::Secret, none;
        /// Database name.
        dbname(text) ["PGDATABASE"] Kind::Text, ["the same as user"];
        /// Password file: lines of `host:port:database:user:password`, readable by its owner only.
        passfile(path) ["PGPASSFILE"] Kind::Path, ["~/.pgpass"];
        /// Section of the service file to take options from.
        service(text) ["PGSERVICE"] Kind::Text, none;
        /// The user's service file.
        servicefile(path) ["PGSERVICEFILE"] Kind::Path, ["~/.pg_service.conf"];
        /// `off` where the connection string comes from a stranger: nothing of this process's surroundings is used then, no variables, no password file, no service file, no name of a user. No connection string switches it on again.
        environment(bool) [] Kind::Flag, "true";
        /// Name of the program, as `pg_stat_activity` shows it.
        application_name(text) ["PGAPPNAME"] Kind::Text, none;
        /// Used where `application_name` is given nowhere.
        fallback_application_name(text) [] Kind::Text, none;
        /// Command-line options for the server session, such as `-c search_path=app`.
        options(text) ["PGOPTIONS"] Kind::Text, none;
        /// The most connecting to one host may take, within `connection_timeout`; 0 sets no limit of its own.
        connect_timeout(optional_time) ["PGCONNECT_TIMEOUT"] libpq_time(Bare::LibpqSeconds, UP_TO_A_DAY, "sets no limit of its own"), "0";
        /// The role the server must have.
        target_session_attrs(TargetSessionAttrs) ["PGTARGETSESSIONATTRS"] Kind::Choice(TargetSessionAttrs::NAMES), "any";
        /// The server ends sessions of this pool that are idle for this long, such as those of a process that was frozen (PostgreSQL 14 and later; `idle_session_timeout`). Longer than `idle_timeout`. 0 leaves it to the server; costs a round trip per connection opened; not for transaction poolers.
        server_idle_session_timeout(optional_time) [] time_or("leaves it to the server", SERVER_TIME), "0";
        /// The interval at which a server that runs a statement checks that the client is still there, and else ends the session (PostgreSQL 14 and later; `client_connection_check_interval`). 0 leaves it to the server; costs a round trip per connection opened; not for transaction poolers.
        server_connection_check_interval(optional_time) [] time_or("leaves it to the server", SERVER_TIME), "0";
        /// `random` tries hosts and addresses in random order.
        load_balance_hosts(text) ["PGLOADBALANCEHOSTS"] Kind::Choice(&["disable", "random"]), "disable";
        /// The TLS that a connection must have.
        sslmode(SslMode) ["PGSSLMODE"] Kind::Choice(SslMode::NAMES), ["prefer; verify-full with sslrootcert=system"];
        /// The way TLS starts; `direct` needs PostgreSQL 17 and sslmode require or stronger.
        sslnegotiation(SslNegotiation) ["PGSSLNEGOTIATION"] Kind::Choice(SslNegotiation::NAMES), "postgres";
        /// File of trusted root certificates, their PEM text, or `system` for the operating system's.
        sslrootcert(path) ["PGSSLROOTCERT"] Kind::Path, ["~/.postgresql/root.crt"];
        /// File of the client certificate, or its PEM text.
        sslcert(path) ["PGSSLCERT"] Kind::Path, ["~/.postgresql/postgresql.crt"];
        /// File of the client certificate's key, or its PEM text, which is never shown.
        sslkey(path) ["PGSSLKEY"] Kind::Path, ["~/.postgresql/postgresql.key"];
        /// Password of the key.
        sslpassword(text) [] Kind::Secret, none;
        /// The use of the client certificate: `disable` sends none even where there is one; `require` ends a session for which the server did not ask for one, or got none.
        sslcertmode(SslCertMode) ["PGSSLCERTMODE"] Kind::Choice(SslCertMode::NAMES), "allow";
        /// File of revoked certificates, or their PEM text.
        sslcrl(path) ["PGSSLCRL"] Kind::Path, ["~/.postgresql/root.crl, unless sslcrldir is given"];
        /// Directory of revoked certificates, a file per authority, named by `openssl rehash`.
        sslcrldir(path) ["PGSSLCRLDIR"] Kind::Path, none;
        /// Send the host name in the clear, so that a TLS proxy can route by it.
        sslsni(bool) ["PGSSLSNI"] Kind::Flag, "true";
        /// Oldest TLS version accepted.
        ssl_min_protocol_version(TlsVersion) ["PGSSLMINPROTOCOLVERSION"] Kind::Choice(TlsVersion::NAMES), "TLSv1.2";
        /// Newest TLS version accepted.
        ssl_max_protocol_version(TlsVersion) ["PGSSLMAXPROTOCOLVERSION"] Kind::Choice(TlsVersion::NAMES), none;
        /// The binding of a password exchange to the TLS connection it runs over.
        channel_binding(ChannelBinding) ["PGCHANNELBINDING"] Kind::Choice(ChannelBinding::NAMES), "prefer";
        /// Methods of authentication that are acceptable, comma-separated: `password`, `md5`, `gss`, `sspi`, `scram-sha-256`, `oauth`, `none`; each with `!` before it are those that are not.
        require_auth(text) ["PGREQUIREAUTH"] Kind::Text, none;
        /// The operating system's user that a server behind a local socket must run as; connections over TCP are not checked.
        requirepeer(text) ["PGREQUIREPEER"] Kind::Text, none;
        /// The most often a server may have the password hashed by SCRAM: each time costs the client as much as an attacker.
        scram_max_iterations(u32) [] Kind::Integer { min: 1, max: MOST_ITERATIONS }, "1000000";
        /// Oldest version of the protocol accepted.
        min_protocol_version(ProtocolVersion) ["PGMINPROTOCOLVERSION"] Kind::Choice(ProtocolVersion::NAMES), "3.0";
        /// Newest version of the protocol asked for: 3.2 (PostgreSQL 18) has longer keys for cancelling, which some poolers do not know.
        max_protocol_version(ProtocolVersion) ["PGMAXPROTOCOLVERSION"] Kind::Choice(ProtocolVersion::NAMES), "3.0";
        /// TCP keepalive, which finds a peer that died in silence.
        keepalives(bool) [] Kind::Flag, "true";
        /// Silence after which the first keepalive probe is sent; 0 leaves it to the system.
        keepalives_idle(time) [] libpq_time(Bare::LibpqSeconds, PROBING, "leaves it to the system"), "3s";
        /// Time between two probes; 0 leaves it to the system.
        keepalives_interval(time) [] libpq_time(Bare::LibpqSeconds, PROBING, "leaves it to the system"), "1s";
        /// Unanswered probes after which the peer counts as dead; 0 leaves it to the system. More than 127, which is the most that Linux takes, counts as 127.
        keepalives_count(u32) [] Kind::Integer { min: 0, max: MOST_PROBES }, "3";
        /// The time that sent bytes may stay unacknowledged before the connection counts as dead; 0 leaves it to the system.
        tcp_user_timeout(time) [] libpq_time(Bare::LibpqMilliseconds, UP_TO_A_DAY, "leaves it to the system"), "0";
    }
    Compatibility {
        /// Text is always UTF-8.
        client_encoding(none) ["PGCLIENTENCODING"] Kind::Inert { harmless: &["UTF8", "UTF-8", "unicode", "auto"], because: "text is always UTF-8" }, none;
        /// GSSAPI encryption.
        gssencmode(none) ["PGGSSENCMODE"] Kind::Inert { harmless: &["disable", "prefer"], because: "GSSAPI encryption is not supported" }, none;
        /// Kerberos service name.
        krbsrvname(none) ["PGKRBSRVNAME"] Kind::Ignored { because: "GSSAPI is not supported" }, none;
        /// GSSAPI library.
        gsslib(none) ["PGGSSLIB"] Kind::Ignored { because: "GSSAPI is not supported" }, none;
        /// GSSAPI credential delegation.
        gssdelegation(none) ["PGGSSDELEGATION"] Kind::Inert { harmless: &["0"], because: "GSSAPI is not supported" }, none;
        /// Replication connections.
        replication(none) [] Kind::Inert { harmless: &["false", "off", "no", "0"], because: "a pool has no use for replication connections" }, none;
        /// TLS compression.
        sslcompression(none) ["PGSSLCOMPRESSION"] Kind::Inert { harmless: &["0"], because: "TLS compression is insecure" }, none;
        /// File to log TLS session keys to.
        sslkeylogfile(none) [] Kind::Inert { harmless: &[], because: "session keys are never written down" }, none;
        /// SCRAM client key.
        scram_client_key(none) [] Kind::Inert { harmless: &[], because: "SCRAM keys are not supported; give a password" }, none;
        /// SCRAM server key.
        scram_server_key(none) [] Kind::Inert { harmless: &[], because: "SCRAM keys are not supported; give a password" }, none;
        /// OAuth issuer.
        oauth_issuer(none) [] Kind::Inert { harmless: &[], because: "OAuth is not supported" }, none;
        /// OAuth client.
        oauth_client_id(none) [] Kind::Inert { harmless: &[], because: "OAuth is not supported" }, none;
        /// OAuth client secret.
        oauth_client_secret(none) [] Kind::Inert { harmless: &[], because: "OAuth is not supported" }, none;
        /// Authority that the OAuth issuer's certificate must come from.
        oauth_ca_file(none) ["PGOAUTHCAFILE"] Kind::Inert { harmless: &[], because: "OAuth is not supported" }, none;
        /// OAuth scope.
        oauth_scope(none) [] Kind::Inert { harmless: &[], because: "OAuth is not supported" }, none;
    }
}
