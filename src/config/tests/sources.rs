//! The sources of values (environment, service file, password file) and their order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of the test's own, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("holdfast-config-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn production_is_what_holdfast_env_says_and_else_node_env() {
    for (variables, size) in [
        ([("HOLDFAST_ENV", "production"), ("NODE_ENV", "test")], 8),
        ([("HOLDFAST_ENV", "staging"), ("NODE_ENV", "production")], 5),
        ([("HOLDFAST_ENV", ""), ("NODE_ENV", "production")], 8),
        ([("HOLDFAST_ENV", "Production"), ("NODE_ENV", "")], 5),
    ] {
        let config = PoolConfig::within(Environment::with(variables));
        assert_eq!(config.settings().unwrap().0.max_size, size, "{variables:?}");
    }
    let asked = PoolConfig {
        production: Some(false),
        ..PoolConfig::within(Environment::with([("NODE_ENV", "production")]))
    };
    assert_eq!(asked.settings().unwrap().0.max_size, 5);
}

#[test]
fn program_beats_service_beats_holdfast_variable_beats_libpq_variable() {
    let scratch = Scratch::new();
    let file = scratch.file("services", "[other]\nuser=wrong\n\n# comment\n[app]\nuser=service\nport=1\nport=2\nmax_size=3\n[last]\nuser=wrong\n", 0o644);
    let environment = Environment::with([
        ("PGSERVICEFILE", text(&file)),
        ("PGSERVICE", "app"),
        ("HOLDFAST_USER", "own"),
        ("HOLDFAST_PORT", "7"),
        ("HOLDFAST_DBNAME", "own"),
        ("PGDATABASE", "libpq"),
        ("PGHOST", "libpq"),
        ("HOLDFAST_MAX_SIZE", "9"),
    ]);
    let config = PoolConfig::within(environment).with_url("port=8").unwrap();
    let get = |key| config.get(key).unwrap().unwrap();
    assert_eq!(get("port"), "8");
    assert_eq!(get("user"), "service");
    assert_eq!(get("max_size"), "3");
    assert_eq!(get("dbname"), "own");
    assert_eq!(get("host"), "libpq");
    assert_eq!(get("sslmode"), "prefer");
}

#[test]
fn libpqs_variables_of_both_ends_identities_are_read() {
    let environment = Environment::with([
        ("PGREQUIREPEER", "postgres"),
        ("PGSSLCERTMODE", "require"),
        ("PGSSLCRLDIR", "/revoked"),
    ]);
    let config = PoolConfig::within(environment);
    let get = |key| config.get(key).unwrap();
    assert_eq!(get("requirepeer").as_deref(), Some("postgres"));
    assert_eq!(get("sslcertmode").as_deref(), Some("require"));
    assert_eq!(get("sslcrldir").as_deref(), Some("/revoked"));
}

#[test]
fn a_fault_in_a_service_file_is_named_with_its_line() {
    let scratch = Scratch::new();
    for (text_in_file, expected) in [
        ("[app]\nmax_size=many", "max_size \"many\""),
        ("[app]\nmax_size=many", "line 2"),
        ("[app]\nhots=db", "did you mean \"host\"?"),
        ("[app]\nhost", "missing \"=\""),
        ("[app]\nservice=b", "another service"),
        ("[app]\nldap://x", "LDAP"),
        ("[apple]\nhost=db", "\"app\" was not found"),
    ] {
        let file = scratch.file("services", text_in_file, 0o644);
        let config = PoolConfig::within(Environment::with([("PGSERVICEFILE", text(&file))]));
        let error = refusal(config.service("app").validate());
        assert!(error.contains(expected), "{text_in_file:?}: {error}");
    }
    let missing = PoolConfig::within(Environment::with([("PGSERVICEFILE", "/nowhere/at/all")]));
    assert!(refusal(missing.service("app").validate()).contains("/nowhere/at/all"));
}

#[test]
fn the_system_service_file_is_the_second_place_to_look() {
    let scratch = Scratch::new();
    scratch.file("pg_service.conf", "[app]\nhost=system\n", 0o644);
    scratch.file(".pg_service.conf", "[other]\nhost=own\n", 0o644);
    let mut environment = Environment::with([("PGSYSCONFDIR", text(&scratch.0)), ("PGSERVICE", "app")]);
    environment.home = Some(scratch.0.clone());
    assert_eq!(PoolConfig::within(environment).get("host").unwrap().as_deref(), Some("system"));
}

#[test]
fn database_url_is_read_by_from_env_alone_and_beats_the_variables() {
    let environment = Environment::with([
        ("DATABASE_URL", "postgresql://app@db/orders?max_size=3"),
        ("PGHOST", "other"),
        ("HOLDFAST_MAX_SIZE", "9"),
        ("HOLDFAST_MIN_IDLE", "1"),
    ]);
    let config = PoolConfig::from_environment(environment.clone()).unwrap();
    let (pool, server) = config.settings().unwrap();
    assert_eq!((pool.max_size, pool.min_idle), (3, 1));
    assert_eq!(server.hosts[0].host, Host::Tcp("db".into()));
    assert_eq!(PoolConfig::within(environment).get("host").unwrap().as_deref(), Some("other"));
}

#[test]
fn a_variable_left_empty_says_nothing_and_a_bad_one_is_named() {
    let empty = Environment::with([("HOLDFAST_MAX_SIZE", ""), ("PGSSLMODE", ""), ("PGPORT", "")]);
    PoolConfig::within(empty).validate().unwrap();
    let bad = Environment::with([("HOLDFAST_MAX_SIZE", "0")]);
    let error = refusal(PoolConfig::within(bad).validate());
    assert!(error.contains("max_size \"0\" (from HOLDFAST_MAX_SIZE)"), "{error}");
    assert!(error.contains("from 1 to 10000"), "{error}");
}

#[test]
fn libpqs_session_variables_are_appended_to_options() {
    let environment =
        Environment::with([("PGTZ", "Etc/UTC"), ("PGDATESTYLE", "ISO, MDY"), ("PGREQUIRESSL", "1")]);
    let config = PoolConfig::within(environment).options("-c geqo=off");
    let server = server(&config);
    assert_eq!(server.options.as_deref(), Some("-c geqo=off -c datestyle=ISO,\\ MDY -c timezone=Etc/UTC"));
    assert_eq!(server.tls.mode, SslMode::Require);
}

#[test]
fn the_password_file_serves_each_host_by_its_own_line() {
    let scratch = Scratch::new();
    let file = scratch.file(".pgpass", "localhost:*:*:*:local\na:1:d:u:first\n10.0.0.2:*:*:u:third\n", 0o600);
    let mut environment = Environment::with([]);
    environment.home = Some(scratch.0.clone());
    let config = PoolConfig::within(environment.clone()).with_url("postgresql://u@a:1,b:2/d").unwrap();
    let passwords = |config: &PoolConfig| {
        let hosts = server(config).hosts;
        hosts.iter().map(|h| h.current_password().unwrap().map(|p| p.reveal().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(passwords(&config), [Some("first".to_owned()), None]);
    assert_eq!(
        passwords(&config.clone().password("given")),
        [Some("given".to_owned()), Some("given".to_owned())]
    );
    assert_eq!(passwords(&config.clone().host("").port(5432)), [Some("local".to_owned())]);
    assert_eq!(passwords(&config.clone().host("").hostaddr("10.0.0.2").port(1)), [Some("third".to_owned())]);
    assert_eq!(passwords(&config.clone().passfile("/nowhere")), [None, None]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(passwords(&config), [None, None], "others may read the file");
}

#[test]
fn the_password_file_is_read_again_for_each_connection() {
    let scratch = Scratch::new();
    let file = scratch.file("changing", "*:*:*:*:first\n", 0o600);
    let config = PoolConfig::within(Environment::with([])).with_url("postgresql://u@a/d").unwrap();
    let settings = server(&config.passfile(text(&file)));
    let password =
        || settings.hosts[0].current_password().unwrap().map(|password| password.reveal().to_owned());
    assert_eq!(password().as_deref(), Some("first"));
    scratch.file("changing", "*:*:*:*:second\n", 0o600);
    assert_eq!(password().as_deref(), Some("second"));
    fs::remove_file(&file).unwrap();
    assert_eq!(password(), None);
}

#[test]
fn an_unknown_user_is_an_error_that_says_what_to_set() {
    let mut environment = Environment::with([]);
    environment.os_user = None;
    assert!(refusal(PoolConfig::within(environment.clone()).validate()).contains("PGUSER"));
    PoolConfig::within(environment).user("app").validate().unwrap();
}

#[test]
fn with_the_environment_off_a_strangers_string_gets_nothing_of_this_process() {
    let scratch = Scratch::new();
    scratch.file(".pgpass", "*:*:*:*:Zecret\n", 0o600);
    scratch.file(".pg_service.conf", "[app]\npassword=Zecret\n", 0o600);
    let mut environment = Environment::with([
        ("PGPASSWORD", "Zecret"),
        ("HOLDFAST_OPTIONS", "-c app.key=Zecret"),
        ("PGUSER", "Zecret"),
        ("PGTZ", "Zecret"),
        ("PGSERVICE", "app"),
        ("HOLDFAST_ENV", "production"),
    ]);
    environment.home = Some(scratch.0.clone());
    let config = PoolConfig::within(environment);
    let cut_off = |url: &str| config.clone().environment(false).with_url(url);
    let (pool, settings) = cut_off("postgresql://someone@elsewhere/db").unwrap().settings().unwrap();
    assert!(!format!("{settings:?}").contains("Zecret"), "{settings:?}");
    assert_eq!((settings.hosts[0].password.as_ref(), settings.options.as_deref()), (None, None));
    assert_eq!(pool.max_size, 5);
    // A connection string may set it itself.
    let own = config.clone().with_url("host=elsewhere user=someone environment=off").unwrap();
    assert_eq!(server(&own).hosts[0].current_password().unwrap(), None);
    assert!(refusal(cut_off("host=elsewhere").unwrap().validate()).contains("environment is off"));
    assert!(refusal(cut_off("host=h user=u environment=on")).contains("cannot switch it on"));
    for more in ["service=app", "passfile=/etc/passwd", "servicefile=/etc/passwd"] {
        let error = refusal(cut_off(&format!("host=h user=u {more}")).unwrap().validate());
        assert!(error.contains("environment=off do not go together"), "{error}");
    }
    // The program's word counts, and so it can take it back.
    let mut again = cut_off("host=h").unwrap();
    again.set("environment", "on").unwrap();
    assert_eq!(server(&again).user, "Zecret");
}

#[test]
fn the_service_file_can_be_named_like_any_other_option() {
    let scratch = Scratch::new();
    let named = scratch.file("named", "[app]\nhost=named\n", 0o644);
    let other = scratch.file("other", "[app]\nhost=other\n", 0o644);
    let environment = Environment::with([("PGSERVICEFILE", text(&other))]);
    let config = PoolConfig::within(environment).service("app");
    assert_eq!(config.get("host").unwrap().as_deref(), Some("other"));
    assert_eq!(config.servicefile(&named).get("host").unwrap().as_deref(), Some("named"));
    let nested = scratch.file("nested", "[app]\nservicefile=/x\n", 0o644);
    let error =
        refusal(PoolConfig::within(Environment::with([])).service("app").servicefile(&nested).validate());
    assert!(error.contains("another service"), "{error}");
}

#[test]
fn more_keepalive_probes_than_linux_takes_count_as_the_most_it_takes() {
    let settings = server(&from_url("host=db keepalives_count=1000"));
    assert_eq!(settings.keepalive.retries, 127);
}

#[test]
fn a_socket_that_was_only_found_has_to_belong_to_somebody_who_may_have_it() {
    let scratch = Scratch::new();
    scratch.file(".s.PGSQL.5432", "", 0o777);
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o1777)).unwrap();
    let mut environment = Environment::with([]);
    environment.socket_directory = text(&scratch.0).to_owned();
    let config = PoolConfig::within(environment);
    config.validate().expect("our own");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(scratch.0.join(".s.PGSQL.5432"), Some(4_000_000), None).unwrap();
        assert!(refusal(config.validate()).contains("belongs to user 4000000"));
        config.clone().host(text(&scratch.0)).validate().expect("it was named");
        config.port(5433).validate().expect("nothing is there yet");
    }
}
