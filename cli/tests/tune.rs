//! `holdfast tune`: what it measures and advises, on real servers.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use holdfast::PoolConfig;
use holdfast_cli::diagnose::{Fit, ServiceTime, Workload, tune};
use postgres::{Client, NoTls};
use serde_json::Value;

use support::{own_server, server, wait_until};

/// Runs the program without the variables that would change what it does.
fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    for variable in ["DATABASE_URL", "PGHOST", "PGPASSWORD", "HOLDFAST_ENV"] {
        command.env_remove(variable);
    }
    command.arg("tune").args(arguments).env("HOME", "/nonexistent").output().unwrap()
}

fn text(stream: &[u8]) -> String {
    String::from_utf8(stream.to_vec()).unwrap()
}

/// The document for programs, held against its schema, and the exit status.
fn advice(url: &str, more: &[&str]) -> (Value, i32) {
    let output = run(&[&["--quiet", "--json", "--url", url], more].concat());
    let document: Value =
        serde_json::from_str(&text(&output.stdout)).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let schema: Value = serde_json::from_str(include_str!("../../docs/tune.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors: Vec<_> =
        validator.iter_errors(&document).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}\n{document:#}");
    (document, output.status.code().unwrap())
}

fn of<'a>(document: &'a Value, list: &str, key: &str, name: &str) -> &'a Value {
    let found = document[list].as_array().unwrap().iter().find(|entry| entry[key] == name);
    found.unwrap_or_else(|| panic!("no {name} among {list} of {document:#}"))
}

fn step(document: &Value, name: &str) -> f64 {
    of(document, "arithmetic", "name", name)["value"].as_f64().unwrap()
}

fn pool_setting<'a>(document: &'a Value, key: &str) -> &'a str {
    of(document, "pool", "key", key)["value"].as_str().unwrap()
}

fn ids(document: &Value) -> Vec<&str> {
    document["ways_out"].as_array().unwrap().iter().map(|way| way["id"].as_str().unwrap()).collect()
}

#[test]
fn the_size_follows_from_what_was_measured_and_the_steps_add_up() {
    let server = own_server(|s| s.max_connections(100));
    let load = ["--processes", "4", "--rate", "800", "--service-time", "20ms", "--overlap", "1.5"];
    let (advice, status) = advice(&server.url(), &load);
    let held_ms = 20.0 + advice["measured"]["round_trip"]["mean_s"].as_f64().unwrap() * 1e3;
    assert!((step(&advice, "held by one request, W") - held_ms).abs() < 0.001, "{advice:#}");
    let in_use = 200.0 * held_ms / 1e3;
    assert!((step(&advice, "in use on average, L = rate x W") - in_use).abs() < 0.001);
    assert_eq!(step(&advice, "for bursts"), (in_use + 2.0 * in_use.sqrt()).ceil());
    // Of 97 slots a tenth is kept free; there are no other sessions.
    assert_eq!((step(&advice, "available"), step(&advice, "processes at once")), (87.0, 6.0));
    assert_eq!(step(&advice, "a share for each"), 14.0);
    assert_eq!(pool_setting(&advice, "max_size"), step(&advice, "for bursts").to_string());
    assert_eq!((advice["fit"].as_str(), status), (Some("fits"), 0));
    assert!(ids(&advice).is_empty());
}

#[test]
fn others_sessions_are_not_available_and_the_pools_own_are_not_others() {
    let server = own_server(|s| s.max_connections(40).role("app", "secret").role("other", "secret"));
    let open = |role: &str, name: &str| {
        let url = server.url_with_password(role, "secret", "postgres");
        Client::connect(&format!("{url}?application_name={name}"), NoTls).unwrap()
    };
    let _others = [open("other", "orders"), open("other", "batch"), open("app", "reports")];
    let _own = [open("app", "orders hf:0012abcd"), open("app", "orders")];
    let url = server.url_with_password("app", "secret", "postgres");
    let others = |url: &str| {
        let advice = advice(url, &["--reserve", "0"]).0;
        of(&advice, "limits", "of", "server")["others"].as_u64().unwrap()
    };
    assert_eq!(others(&format!("{url}?application_name=orders")), 3);
    assert_eq!(others(&url), 5, "without a name nothing shows that they are its own");
    let _unnamed = open("app", "hf:0012abcd");
    assert_eq!(others(&url), 5, "but for one that has a pool's mark and no name");
}

#[test]
fn a_role_with_a_low_limit_is_short_and_told_the_ways_out() {
    let server = own_server(|s| {
        s.max_connections(100)
            .role("app", "secret")
            .sql("alter role app connection limit 12")
            .sql("create database small connection limit 60")
    });
    let url = server.url_with_password("app", "secret", "small");
    let load = ["--processes", "3", "--rate", "600", "--service-time", "20ms", "--overlap-processes", "3"];
    let (short, status) = advice(&url, &load);
    assert_eq!((short["fit"].as_str(), status), (Some("short"), 1));
    let available = |of_which: &str| of(&short, "limits", "of", of_which)["available"].as_u64().unwrap();
    assert_eq!((available("server"), available("database"), available("role")), (87, 54, 12));
    assert_eq!(pool_setting(&short, "max_size"), "2", "12 / 6");
    assert_eq!(ids(&short), ["fleet_share", "hold_shorter", "pooler", "raise_role_limit"]);
    let raise = of(&short, "ways_out", "id", "raise_role_limit")["text"].as_str().unwrap();
    let wanted = step(&short, "wanted by one process");
    assert!(raise.contains(&format!("alter role \"app\" connection limit {};", wanted * 6.0)), "{raise}");

    let (none, status) = advice(&url, &["--processes", "50"]);
    assert_eq!((none["fit"].as_str(), status), (Some("not_one_each"), 1));
    assert_eq!(pool_setting(&none, "max_size"), "1");
}

#[test]
fn what_is_said_of_the_server_can_be_typed_as_it_stands() {
    let server = own_server(|s| s.max_connections(20).sql("create role \"o\"\"dd\" login"));
    let url = server.url_for("o\"dd", "postgres");
    let load = ["--processes", "4", "--rate", "40", "--service-time", "500ms"];
    let (before, _) = advice(&url, &load);
    let statements = before["server"].as_array().unwrap();
    assert!(statements.iter().any(|setting| setting["name"] == "idle_session_timeout"), "{before:#}");
    for setting in statements {
        server.execute(setting["statement"].as_str().unwrap()).unwrap();
    }
    server.restart().unwrap();
    let (after, status) = advice(&url, &load);
    assert_eq!((after["server"].as_array().unwrap().len(), status), (0, 0), "{after:#}");
}

#[test]
fn a_statement_is_measured_as_often_as_time_allows() {
    let (sleepy, _) = advice(&server().url(), &["--rate", "10", "--statement", "select pg_sleep(0.03)"]);
    let service = &sleepy["measured"]["service_time"];
    assert_eq!(service["origin"], "measured");
    let mean = service["mean_s"].as_f64().unwrap();
    assert!((0.029..2.0).contains(&mean), "{service:#}");
    assert!(service["measured"]["count"].as_u64().unwrap() > 1, "{service:#}");
    let deadline = pool_setting(&sleepy, "statement_deadline");
    assert!(deadline.ends_with('s') && deadline != "0", "{deadline}");
}

#[test]
fn a_statement_that_writes_is_refused_and_writes_nothing() {
    let server = own_server(|s| s.sql("create table stock (n int4)"));
    let refused = run(&["--url", &server.url(), "--statement", "insert into stock values (1)"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("give its service time instead"), "{refused:?}");
    let count: i64 = server.connect().unwrap().query_one("select count(*) from stock", &[]).unwrap().get(0);
    assert_eq!(count, 0);
    for (statement, part) in
        [("select $1::int4", "has parameters"), ("select 1; select 2", "42601"), ("selct", "42601")]
    {
        let refused = run(&["--url", &server.url(), "--statement", statement]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains(part), "{refused:?}");
    }
}

#[test]
fn a_statement_that_does_not_end_is_given_up() {
    let refused =
        run(&["--url", &server().url(), "--timeout", "300ms", "--statement", "select pg_sleep(600)"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn lines_for_the_environment_are_read_by_a_shell_and_by_a_pool() {
    let url = server().url();
    let output = run(&["--quiet", "--url", &url, "--rate", "100", "--processes", "2", "--env"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = text(&output.stdout);
    let file = std::env::temp_dir().join(format!("holdfast-tune-{}.env", std::process::id()));
    fs::write(&file, &lines).unwrap();
    let shell = format!("set -a; . {}; env", file.display());
    let seen = text(&Command::new("sh").args(["-euc", &shell]).env_clear().output().unwrap().stdout);
    fs::remove_file(&file).unwrap();
    let mut config = PoolConfig::from_url(&url).unwrap();
    let mut count = 0;
    for line in seen.lines().filter_map(|line| line.strip_prefix("HOLDFAST_")) {
        let (key, value) = line.split_once('=').unwrap();
        config.set(&key.to_lowercase(), value).unwrap();
        count += 1;
    }
    config.validate().unwrap();
    let settings = lines.lines().filter(|line| !line.starts_with('#')).count();
    assert!(count == settings && count >= 10, "{count} of {settings}: {lines}");
    assert_eq!(config.get("max_size").unwrap().as_deref(), Some("2"));
}

#[test]
fn on_a_long_way_connections_prove_themselves_in_the_background() {
    let far = support::proxy::Proxy::before(server());
    far.latency(Duration::from_millis(15));
    let url = far.url();
    let (advice, _) = advice(&url, &["--rate", "10"]);
    assert!(advice["measured"]["round_trip"]["median_s"].as_f64().unwrap() >= 0.015, "{advice:#}");
    assert_eq!(pool_setting(&advice, "keepalive_interval"), "2s");
    assert_eq!(pool_setting(&advice, "validate_after_idle"), "4s");
}

#[test]
fn a_program_can_have_advice_and_make_a_pool_of_it() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(77);
    let mut steps = Vec::new();
    let advice = tune(&config, &Workload::new().rate(50.0), &mut |step| steps.push(step.to_owned())).unwrap();
    assert_eq!(advice.fit, Fit::Fits);
    assert!(matches!(advice.measured.service, ServiceTime::Trivial(_)), "{advice:#?}");
    assert!(advice.notes.iter().any(|note| note.contains("select 1")), "{advice:#?}");
    assert!(steps[0].starts_with("connecting to 127.0.0.1"), "{steps:?}");
    let pool = holdfast::Pool::new(advice.apply(config).unwrap()).unwrap();
    assert_eq!(pool.stats().max_size, 2);
    assert_eq!(pool.query_one("select 1", &[]).unwrap().get::<_, i32>(0), 1);
}

#[test]
fn nothing_stays_behind_at_the_server() {
    let server = own_server(|s| s);
    advice(&server.url(), &[]);
    let mut observer = server.connect().unwrap();
    wait_until("its sessions are gone", Duration::from_secs(10), || {
        let left = "select count(*) from pg_stat_activity where application_name = 'holdfast tune'";
        observer.query_one(left, &[]).unwrap().get::<_, i64>(0) == 0
    });
}

#[test]
fn people_are_told_the_verdict_first_then_the_arithmetic_then_what_to_do() {
    let output = run(&["--url", &server().url(), "--rate", "100"]);
    let said = text(&output.stdout);
    let parts =
        ["max_size=2 in one pool, and it fits", "Measured", "Little's law", "settings, in each process"];
    let places: Vec<_> =
        parts.iter().map(|part| said.find(part).unwrap_or_else(|| panic!("no {part:?} in {said}"))).collect();
    assert!(places.is_sorted() && !said.contains('\x1b'), "{said}");
    assert!(text(&output.stderr).contains("measuring round trips"), "{output:?}");
}

#[test]
fn without_a_server_and_with_wrong_options_the_status_is_2_and_no_secret_is_told() {
    let port = holdfast_testkit::embedded::free_port().unwrap();
    let nowhere = format!("postgresql://app:S3cr3tMark@127.0.0.1:{port}/orders");
    for (more, part) in [
        (&[][..], "connection refused"),
        (&["--processes", "0"], "at least one process"),
        (&["--rate=-1"], "above 0"),
        (&["--overlap", "0.5"], "between 1"),
        (&["--service-time", "0.4"], "such as 12ms"),
    ] {
        let output = run(&[&["--url", &nowhere], more].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part) && !said.contains("S3cr3tMark"), "{more:?}: {said}");
    }
}
