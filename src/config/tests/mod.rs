//! The promises of a configuration as a whole.

mod refusals;
mod sources;

use std::path::Path;
use std::time::Duration;

use super::settings::{Host, Pem, ProtocolVersion, RootCertificates};
use super::value::Kind;
use super::*;

fn bare() -> PoolConfig {
    PoolConfig::within(Environment::with([]))
}

fn from_url(url: &str) -> PoolConfig {
    bare().with_url(url).unwrap()
}

fn refusal<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

fn server(config: &PoolConfig) -> ServerSettings {
    config.settings().unwrap().1
}

#[test]
fn with_nothing_said_the_documented_defaults_hold() {
    let (pool, server) = bare().settings().unwrap();
    assert_eq!(pool.max_size, 5);
    assert_eq!(pool.min_idle, 0);
    assert_eq!(pool.max_waiting, 0);
    assert_eq!(pool.idle_timeout, Duration::from_secs(15));
    assert_eq!(pool.connection_timeout, Duration::from_secs(8));
    assert_eq!((pool.retry_max, pool.retry_jitter), (2, 0.2));
    assert_eq!(pool.retry_base_delay, Duration::from_secs(1));
    assert_eq!(pool.retry_max_delay, Duration::from_secs(5));
    assert!(pool.allow_exit_on_idle);
    assert_eq!(pool.max_lifetime, Some(Duration::from_secs(1_800)));
    assert_eq!(pool.validate_after_idle, Duration::from_millis(500));
    assert_eq!(pool.statement_cache, 256);
    assert_eq!(pool.statement_deadline, None);
    assert_eq!((server.user.as_str(), server.dbname.as_str()), ("tester", "tester"));
    assert_eq!(server.hosts[0].host, Host::Unix("/var/run/postgresql".into()));
    assert_eq!(server.hosts[0].port, 5432);
    assert_eq!(server.keepalive.idle, Duration::from_secs(3));
    assert_eq!(server.connect_timeout, None);
    assert_eq!(server.tls.mode, SslMode::Prefer);
    assert_eq!(server.tls.min_version, Some(TlsVersion::V1_2));
}

#[test]
fn every_option_of_the_table_reaches_the_settings() {
    let base = || {
        let newest = ProtocolVersion::Latest;
        bare().sslmode(SslMode::VerifyFull).host("base").dbname("base").max_protocol_version(newest)
    };
    let before = format!("{:?}", base().settings().unwrap());
    for row in options().iter().filter(|row| row.group() != Group::Compatibility) {
        let sample = match (row.key(), row.kind) {
            // These options switch files on or off; they have tests of their own.
            ("passfile" | "service" | "servicefile" | "environment", _) => continue,
            ("hostaddr", _) => "127.0.0.1",
            ("sslmode", _) => "require",
            ("require_auth", _) => "md5",
            ("max_protocol_version", _) => "3.2",
            ("retry_base_delay", _) => "2s",
            ("max_size", _) => "9",
            ("server_idle_session_timeout", _) => "7min",
            (_, Kind::Choice(names)) => names.iter().rfind(|name| **name != row.default_text()).unwrap(),
            (_, Kind::Text | Kind::Secret | Kind::Path) => "sample",
            ("leak_backtrace" | "protocol_trace", _) => "true",
            (_, Kind::Flag) => "false",
            (_, Kind::Integer { .. }) => "4",
            (_, Kind::Share) => "0.5",
            (_, Kind::Duration { .. }) => "7s",
            (_, Kind::Ports) => "6543",
            (_, Kind::Inert { .. } | Kind::Ignored { .. }) => unreachable!(),
        };
        let mut config = base();
        config.set(row.key(), sample).unwrap();
        assert_ne!(format!("{:?}", config.settings().unwrap()), before, "{}", row.key());
        if !row.is_secret() {
            assert_eq!(config.get(row.key()).unwrap().as_deref(), Some(sample), "{}", row.key());
        }
    }
}

#[test]
fn what_get_shows_can_be_set_again() {
    let config = from_url(
        "host=a,b port=1,2 idle_timeout=1500 connect_timeout=7 keepalives=0 retry_jitter=.5 sslmode=require",
    );
    let mut copy = bare();
    for row in options() {
        if let Some(value) = config.get(row.key()).unwrap() {
            copy.set(row.key(), &value).unwrap();
        }
    }
    assert_eq!(copy.settings().unwrap(), config.settings().unwrap());
    assert_eq!(config.get("idle_timeout").unwrap().as_deref(), Some("1500ms"));
    assert_eq!(config.get("connect_timeout").unwrap().as_deref(), Some("7s"));
    assert_eq!(config.get("keepalives").unwrap().as_deref(), Some("false"));
}

#[test]
fn a_later_word_of_the_program_beats_an_earlier_one() {
    let mut config = from_url("host=a max_size=3").max_size(4);
    assert_eq!(config.get("max_size").unwrap().as_deref(), Some("4"));
    config.set_url("postgresql://b?max_size=6").unwrap();
    assert_eq!(config.get("max_size").unwrap().as_deref(), Some("6"));
    assert_eq!(config.get("host").unwrap().as_deref(), Some("b"));
}

#[test]
fn the_systems_trust_store_implies_full_verification() {
    let tls = server(&from_url("host=db sslrootcert=system")).tls;
    assert_eq!((tls.mode, tls.root), (SslMode::VerifyFull, RootCertificates::System));
}

#[test]
fn several_hosts_take_one_port_for_all_or_one_each() {
    let ports = |text| server(&from_url(text)).hosts.iter().map(|host| host.port).collect::<Vec<_>>();
    assert_eq!(ports("postgresql://a:1,b:2,[::1]:3/d"), [1, 2, 3]);
    assert_eq!(ports("host=a,b,c port=7"), [7, 7, 7]);
    assert_eq!(ports("postgresql://a:1,b/d"), [1, 5432]);
    assert_eq!(ports("host=a,b port="), [5432, 5432]);
}

#[test]
fn hosts_are_names_addresses_or_socket_directories() {
    let hosts = server(&from_url("host=db,/tmp,,@abstract,::1")).hosts;
    let hosts: Vec<_> = hosts.into_iter().map(|host| host.host).collect();
    let unix = |path: &str| Host::Unix(path.into());
    let tcp = |name: &str| Host::Tcp(name.into());
    assert_eq!(hosts, [tcp("db"), unix("/tmp"), unix("/var/run/postgresql"), unix("@abstract"), tcp("::1")]);
    let addressed = server(&from_url("hostaddr=10.0.0.1,::1 host=db,"));
    assert_eq!(addressed.hosts[0].host, tcp("db"));
    assert_eq!(addressed.hosts[0].hostaddr, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(addressed.hosts[1].host, tcp("::1"));
    let dir = server(&from_url("postgresql://%2Ftmp%2Fpg/orders"));
    assert_eq!(dir.hosts[0].host, unix("/tmp/pg"));
}

#[test]
fn setters_take_rust_types_and_are_checked_with_the_rest() {
    let config = bare()
        .max_size(4)
        .max_lifetime(None)
        .statement_deadline(Duration::from_secs(2))
        .idle_timeout(Duration::from_millis(1_500))
        .retry_jitter(0.0)
        .sslmode(SslMode::VerifyCa)
        .target_session_attrs(TargetSessionAttrs::PreferStandby)
        .sslrootcert(Path::new("/etc/ca.pem"))
        .port(6543);
    let (pool, server) = config.settings().unwrap();
    assert_eq!(pool.max_lifetime, None);
    assert_eq!(pool.statement_deadline, Some(Duration::from_secs(2)));
    assert_eq!(pool.idle_timeout, Duration::from_millis(1_500));
    assert_eq!(pool.retry_jitter, 0.0);
    assert_eq!(server.tls.root, RootCertificates::Given(Pem::File("/etc/ca.pem".into())));
    assert_eq!(server.hosts[0].port, 6543);
    assert!(refusal(bare().max_size(0).validate()).contains("max_size \"0\" is not valid"));
    assert!(refusal(bare().retry_jitter(f64::NAN).validate()).contains("from 0 to 1"));
    assert!(refusal(bare().dbname("a\0user\0postgres").validate()).contains("NUL"));
}
