//! Metrics, and what the server has counted meanwhile.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use holdfast::Pool;
use holdfast::exposition::{METRICS, MetricsFormat};
use postgres::{Client, NoTls};

use crate::support::{own_server, server};
use crate::{config, ms, sample, soon};

/// What `pg_stat_statements` has counted of one role.
fn counted(observer: &mut Client, role: &str) -> u64 {
    let sql = "select coalesce(sum(calls), 0)::int8 from pg_stat_statements s join pg_roles r on r.oid = s.userid \
               where rolname = $1";
    observer.query_one(sql, &[&role]).unwrap().get::<_, i64>(0) as u64
}

/// All ways in which programs run statements: the pool's own, the client's, transactions, the raw session, streams.
fn ten_thousand_statements(pool: &Pool) -> BTreeMap<&'static str, u64> {
    let mut expected = BTreeMap::new();
    let mut done = |what: &'static str, n: u64| *expected.entry(what).or_default() += n;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..1_500 {
                    pool.query_one("select $1::int4", &[&n]).unwrap();
                }
            });
        }
    });
    done("ok", 6_000);
    let mut conn = pool.get().unwrap();
    for _ in 0..500 {
        conn.batch_execute("select 1; select 2").unwrap();
    }
    done("ok", 1_000);
    for n in 0..500 {
        // begin, insert, commit
        let mut tx = conn.transaction().unwrap();
        tx.execute("insert into counted values ($1)", &[&n]).unwrap();
        tx.commit().unwrap();
    }
    done("ok", 1_500);
    for _ in 0..100 {
        conn.execute("insert into counted values ($1)", &[&-1]).unwrap_err();
        conn.batch_execute("select 1/0").unwrap_err();
    }
    done("23514", 100);
    done("22012", 100);
    let mut raw = conn.raw().unwrap();
    let format = holdfast::session::ResultFormat::Text;
    for _ in 0..1_500 {
        raw.query("select 'of the raw'", &[], format).unwrap();
    }
    done("ok", 1_500);
    expected
}

#[test]
fn statements_are_counted_exactly_as_the_server_counts_them() {
    let server = own_server(|s| {
        s.setting("shared_preload_libraries", "pg_stat_statements")
            .setting("pg_stat_statements.max", "1000")
            .role("app", "secret")
            .sql("create extension pg_stat_statements")
            .sql("create table counted (n int4 check (n >= 0)); grant all on counted to app")
    });
    let mut observer = Client::connect(&server.url(), NoTls).unwrap();
    let url = server.url_with_password("app", "secret", "postgres");
    let pool =
        Pool::new(holdfast::PoolConfig::from_url(&url).unwrap().max_size(4).fleet_share(false)).unwrap();
    let before = counted(&mut observer, "app");
    let expected = ten_thousand_statements(&pool);
    let text = pool.metrics_text();
    let ok = sample(&text, "holdfast_statements_total", &[]).unwrap() as u64;
    assert_eq!(ok, expected["ok"]);
    // The server does not count statements that fail; each failed insert is refused while it runs.
    soon("the server has counted all", || counted(&mut observer, "app") - before >= ok);
    assert_eq!(counted(&mut observer, "app") - before, ok);
    for code in ["23514", "22012"] {
        let failed = sample(&text, "holdfast_statement_errors_total", &[("db_response_status_code", code)]);
        assert_eq!(failed, Some(100.0), "{code}");
        let timed = sample(&text, "db_client_operation_duration_seconds_count", &[("error_type", code)]);
        assert_eq!(timed, Some(100.0), "{code}");
    }
    assert_eq!(sample(&text, "db_client_operation_duration_seconds_count", &[]), Some(ok as f64));
    assert_eq!(pool.stats().statements, ok + 200);
}

#[test]
fn commits_are_as_many_as_the_database_counts() {
    let server = own_server(|s| s.database("counted"));
    let mut observer = Client::connect(&server.url(), NoTls).unwrap();
    let url = server.url_for("postgres", "counted");
    let mut commits = || {
        let sql =
            "select pg_stat_clear_snapshot(), xact_commit from pg_stat_database where datname = 'counted'";
        observer.query_one(sql, &[]).unwrap().get::<_, i64>(1) as u64
    };
    let pool =
        Pool::new(holdfast::PoolConfig::from_url(&url).unwrap().max_size(1).fleet_share(false)).unwrap();
    // The start of a session is a transaction too.
    drop(pool.get().unwrap());
    pool.release_idle();
    soon("the start is counted", || commits() > 0);
    thread::sleep(ms(1_500));
    let start = commits();
    for _ in 0..1_000 {
        pool.batch_execute("select 1").unwrap();
    }
    // A session reports the rest of its counts when it ends.
    pool.release_idle();
    let own = start;
    soon("all are counted", || commits() - start >= 1_000 + own);
    let ran = sample(&pool.metrics_text(), "holdfast_statements_total", &[]).unwrap() as u64;
    assert_eq!((ran, commits() - start - own), (1_000, 1_000));
}

#[test]
fn times_are_those_that_the_server_took() {
    let pool = Pool::new(config(server(), "timed").max_size(1)).unwrap();
    pool.batch_execute("select pg_sleep(0.12)").unwrap();
    {
        let _held = pool.get().unwrap();
        let waits = thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.get_timeout(ms(10_000)).map(drop));
            soon("it waits", || pool.stats().waiting == 1);
            thread::sleep(ms(600));
            drop(_held);
            waiter.join().unwrap()
        });
        waits.unwrap();
    }
    let text = pool.metrics_text();
    let bucket = |name: &str, le: &str| sample(&text, &format!("{name}_bucket"), &[("le", le)]).unwrap();
    let (operation, wait, used) = (
        "db_client_operation_duration_seconds",
        "db_client_connection_wait_time_seconds",
        "db_client_connection_use_time_seconds",
    );
    assert_eq!((bucket(operation, "0.1"), bucket(operation, "+Inf")), (0.0, 1.0));
    assert!(sample(&text, &format!("{operation}_sum"), &[]).unwrap() >= 0.12);
    // The first opened its connection, which may take long on a busy machine.
    assert_eq!(bucket(wait, "+Inf") - bucket(wait, "0.5"), 1.0, "one of three had to wait");
    assert_eq!((bucket(used, "0.1"), bucket(used, "+Inf")), (1.0, 3.0));
    assert_eq!(bucket("db_client_connection_create_time_seconds", "+Inf"), 1.0);
    for name in ["holdfast_sent_bytes_total", "holdfast_received_bytes_total"] {
        assert!(sample(&text, name, &[]).unwrap() > 50.0, "{name}");
    }
}

#[test]
fn without_metrics_everything_is_counted_and_nothing_timed() {
    let pool = Pool::new(config(server(), "untimed").metrics(false)).unwrap();
    pool.batch_execute("select 1").unwrap();
    pool.batch_execute("select 1/0").unwrap_err();
    let text = pool.metrics_text();
    assert_eq!(sample(&text, "holdfast_statements_total", &[]), Some(1.0));
    assert_eq!(sample(&text, "holdfast_statement_errors_total", &[]), Some(1.0));
    assert_eq!(sample(&text, "holdfast_checkouts_total", &[]), Some(2.0));
    assert_eq!(sample(&text, "db_client_connection_use_time_seconds_count", &[]), Some(0.0));
    assert_eq!(sample(&text, "db_client_operation_duration_seconds_sum", &[]), Some(0.0));
}

#[test]
fn what_a_connection_has_counted_outlives_it() {
    let pool = Pool::new(config(server(), "outlived")).unwrap();
    for _ in 0..3 {
        let mut conn = pool.get().unwrap();
        conn.batch_execute("select 1").unwrap();
        conn.discard();
    }
    soon("all are gone", || pool.stats().total == 0);
    let text = pool.metrics_text();
    assert_eq!(sample(&text, "holdfast_statements_total", &[]), Some(3.0));
    assert_eq!(sample(&text, "db_client_connection_use_time_seconds_count", &[]), Some(3.0));
    assert_eq!(sample(&text, "holdfast_closes_total", &[("reason", "discarded")]), Some(3.0));
}

/// A pool that has been through something, so that every family has samples.
fn seasoned() -> Pool {
    let pool = Pool::new(config(server(), r#"odd "name" \ here"#).max_size(1).retry_max(0)).unwrap();
    pool.batch_execute("select 1").unwrap();
    pool.batch_execute("select 1/0").unwrap_err();
    let held = pool.get().unwrap();
    pool.get_timeout(ms(20)).unwrap_err();
    drop(held);
    pool
}

#[test]
fn every_metric_that_is_written_is_listed_and_the_other_way_round() {
    let text = seasoned().metrics_text();
    let written: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    for line in &written {
        let (name, kind) = line.split_once(' ').unwrap();
        let metric = METRICS.iter().find(|metric| metric.name == name).expect(name);
        assert_eq!(metric.kind.name(), kind);
    }
    // Without a fleet there is no share, and nothing failed to connect.
    let silent = ["holdfast_fleet_share", "holdfast_fleet_peers", "holdfast_connect_errors_total"];
    for metric in METRICS.iter().filter(|metric| !silent.contains(&metric.name)) {
        assert!(written.iter().any(|line| line.starts_with(&format!("{} ", metric.name))), "{}", metric.name);
    }
}

#[test]
fn promtool_accepts_the_metrics() {
    let text = seasoned().metrics_text();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, which `make test` installs with Prometheus");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let says =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    // Its one remark is on a name that OpenTelemetry has settled, and that its own exporters write so.
    let remark =
        r#"db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix"#;
    assert_eq!(says.trim(), remark, "{text}");
}

/// By the specification's rules, in so far as they differ from Prometheus' own.
#[test]
fn open_metrics_ends_as_it_must_and_names_families_without_their_suffix() {
    let text = seasoned().metrics_text_as(MetricsFormat::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n"));
    assert!(text.contains("# TYPE holdfast_checkouts counter\n"));
    assert!(text.contains("\nholdfast_checkouts_total{"));
    assert!(text.contains("# UNIT db_client_connection_use_time_seconds seconds\n"));
    for line in text.lines().filter(|line| line.contains("le=\"")) {
        let bound = line.split("le=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(bound == "+Inf" || bound.contains('.'), "{line}");
    }
}
