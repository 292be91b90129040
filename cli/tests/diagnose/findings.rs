//! Servers that let one in, and what is wrong with them.

use std::thread;
use std::time::{Duration, Instant};

use holdfast_testkit::embedded::EmbeddedPostgres;
use postgres::{Client, NoTls};

use crate::support::pgbouncer::PgBouncer;
use crate::support::pgpool::Pgpool;
use crate::support::{fill, major, own_server, wait_until};
use crate::{diagnose, program_of};

fn client(server: &EmbeddedPostgres, name: &str) -> Client {
    Client::connect(&format!("{}?application_name={name}", server.url()), NoTls).unwrap()
}

#[test]
fn a_server_in_order_has_nothing_worse_than_advice() {
    let server = own_server(|s| s.max_connections(20));
    let fine = diagnose(&server.url(), &["--expect", "pg_catalog.pg_class.relname"]);
    assert_eq!(fine.status, 0, "{:#}", fine.document);
    let told = &fine.document["server"];
    assert_eq!(
        (&told["user"], &told["in_recovery"], &told["sees_all"]),
        (&"postgres".into(), &false.into(), &true.into())
    );
    assert_eq!(told["limits"]["server"]["limit"].as_u64().unwrap() as usize, 20);
    assert!(told["sessions"].as_array().unwrap().iter().any(|group| group["state"] == "active"));
    assert!(told["round_trip_s"].as_f64().unwrap() > 0.0);
    fine.says("no_idle_in_transaction_timeout", "advice", "= 0");
    for silent in ["idle_sessions_ended_by_server", "sessions_abandoned"] {
        assert!(!fine.has(silent), "{:#}", fine.document);
    }
}

#[test]
fn forgotten_transactions_long_statements_and_locks_are_named_with_who_and_what() {
    let server = own_server(|s| s.sql("create table stock (n int4)"));
    let mut forgetful = client(&server, "forgetful");
    forgetful.batch_execute("begin; lock table stock; select 'a S3cr3tMark'").unwrap();
    // Not in a scope, which would wait for both when a check fails, and the first waits for a lock that is held meanwhile.
    let (mut blocked, mut slow) = (client(&server, "blocked"), client(&server, "slow"));
    let blocked = thread::spawn(move || blocked.batch_execute("insert into stock values (1)"));
    // It ends with the server.
    thread::spawn(move || slow.batch_execute("select pg_sleep(600)"));
    let mut found = None;
    wait_until("all three are seen", Duration::from_secs(60), || {
        let diagnosis = diagnose(&server.url(), &["--long", "500ms"]);
        let all = ["idle_in_transaction", "long_statements", "lock_waits"];
        let has_all = all.iter().all(|id| diagnosis.has(id));
        found = Some(diagnosis);
        has_all
    });
    let diagnosis = found.unwrap();
    diagnosis.says("idle_in_transaction", "warning", "forgetful as postgres");
    diagnosis.says("long_statements", "warning", "select pg_sleep(600)");
    diagnosis.says("lock_waits", "critical", "insert into stock values (1)");
    let evidence = diagnosis.finding("lock_waits")["evidence"].to_string();
    assert!(evidence.contains("idle in transaction: "), "what the blocker does: {evidence}");
    assert!(!diagnosis.document.to_string().contains("S3cr3tMark"), "literals are not shown");
    assert_eq!(diagnosis.status, 3);
    forgetful.batch_execute("rollback").unwrap();
    blocked.join().unwrap().unwrap();
}

/// The server counts a session until its process has ended, some time after the client has left.
fn give_one_back(server: &EmbeddedPostgres, held: &mut Vec<Client>) {
    let mut asks = server.connect().unwrap();
    let mut one = held.pop().unwrap();
    let pid: i32 = one.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    drop(one);
    wait_until("the session is gone", Duration::from_secs(10), || {
        asks.query("select from pg_stat_activity where pid = $1", &[&pid]).unwrap().is_empty()
    });
}

#[test]
fn limits_that_are_nearly_used_up_are_told_with_who_uses_them() {
    let server = own_server(|s| {
        s.max_connections(13)
            .role("app", "secret")
            .sql("alter role app connection limit 5")
            .database("small")
            .sql("alter database small connection limit 5")
            .role("other", "secret")
    });
    let app = server.url_with_password("app", "secret", "postgres");
    let mut of_app = fill(&app);
    give_one_back(&server, &mut of_app);
    let full = diagnose(&app, &[]);
    full.says("role_limit_nearly_used_up", "critical", "5 of 5 used");
    full.says("sessions_hidden", "advice", "app is neither");
    let other = server.url_with_password("other", "secret", "small");
    let mut of_small = fill(&other);
    give_one_back(&server, &mut of_small);
    let full = diagnose(&other, &[]);
    full.says("database_limit_nearly_used_up", "critical", "5 of 5 used");
    full.says("slots_nearly_used_up", "warning", "9 of 10 used (90 %)");
}

#[test]
fn what_is_expected_and_not_there_is_named() {
    let server = own_server(|s| {
        s.sql("create schema shop; create table shop.items (id int4); create table orders (id int4)")
    });
    let expects = ["--expect", "orders.id", "--expect", "shop.items", "--expect", "shop.items.id"];
    assert!(!diagnose(&server.url(), &expects).has("schema_missing"));
    let missing = [
        &expects[..],
        &["--expect", "orders.customer", "--expect", "Nothing", "--expect", "shop.items.price"],
    ]
    .concat();
    let missing = diagnose(&server.url(), &missing);
    missing.says(
        "schema_missing",
        "critical",
        "missing in postgres: orders.customer, Nothing, shop.items.price",
    );
    assert_eq!(missing.status, 3);
}

#[test]
fn a_standby_takes_no_writes() {
    let primary = own_server(|s| s);
    let standby = EmbeddedPostgres::builder().start_standby_of(&primary).unwrap();
    let read_only = diagnose(&standby.url(), &[]);
    read_only.says("read_only", "advice", "a standby");
    assert_eq!(read_only.document["server"]["in_recovery"], true);
}

#[test]
fn a_wait_for_a_lock_is_as_old_as_the_wait_and_the_blocker_as_its_transaction() {
    let server = own_server(|s| s.sql("create table stock (n int4)"));
    let mut holds = client(&server, "holds");
    holds.batch_execute("begin; lock table stock").unwrap();
    let began = Instant::now();
    // One message, and so one statement to the server's clock, that works for long before it waits.
    // Not in a scope: that would wait for it without end when a check fails.
    let mut waits = client(&server, "waits");
    let waits =
        thread::spawn(move || waits.batch_execute("select pg_sleep(3); insert into stock values (1)"));
    let mut found = None;
    wait_until("it waits", Duration::from_secs(60), || {
        let diagnosis = diagnose(&server.url(), &["--long", "2500ms"]);
        let waits = diagnosis.has("lock_waits");
        found = Some(diagnosis);
        waits
    });
    let (found, at_most) = (found.unwrap(), began.elapsed().as_secs_f64());
    let blocked = &found.document["server"]["blocked"][0];
    let waited = blocked["session"]["age_s"].as_f64().unwrap();
    // Before 14 the server does not tell since when a lock is waited for: the wait counts from the statement's start.
    let tells = major(&mut holds) >= 14;
    if tells {
        assert!(waited <= at_most - 2.9, "the sleep is no wait: {blocked:#}");
    }
    let open = blocked["blocker_transaction_age_s"].as_f64().unwrap();
    assert!((3.0..=at_most + 0.1).contains(&open), "{blocked:#}, {at_most}");
    let severity = if tells { "warning" } else { "critical" };
    found.says("lock_waits", severity, "its transaction open for ");
    holds.batch_execute("rollback").unwrap();
    waits.join().unwrap().unwrap();
}

#[test]
fn a_lock_of_a_prepared_transaction_is_not_looked_for_among_the_sessions() {
    let server =
        own_server(|s| s.sql("create table stock (n int4)").setting("max_prepared_transactions", "1"));
    client(&server, "prepares")
        .batch_execute("begin; lock table stock; prepare transaction 'forgotten'")
        .unwrap();
    let mut waits = client(&server, "waits");
    let waits = thread::spawn(move || waits.batch_execute("insert into stock values (1)"));
    let mut found = None;
    wait_until("it waits", Duration::from_secs(60), || {
        let diagnosis = diagnose(&server.url(), &[]);
        let waits = diagnosis.has("lock_waits");
        found = Some(diagnosis);
        waits
    });
    let found = found.unwrap();
    found.says("lock_waits", "warning", "blocked by a prepared transaction");
    assert!(found.finding("lock_waits")["remedy"].as_str().unwrap().contains("pg_prepared_xacts"));
    assert!(found.document["server"]["blocked"][0]["blocker_transaction_age_s"].is_null());
    server.execute("rollback prepared 'forgotten'").unwrap();
    waits.join().unwrap().unwrap();
}

#[test]
fn old_ways_of_keeping_passwords_are_told() {
    let server = own_server(|s| s.setting("password_encryption", "md5"));
    diagnose(&server.url(), &[]).says("md5_passwords", "advice", "password_encryption = md5");
}

#[test]
fn the_pools_own_settings_are_held_against_what_there_is() {
    let server = own_server(|s| s.max_connections(20));
    let url = format!("{}?max_size=8&retry_max=0&idle_timeout=10min&fleet_share=off", server.url());
    let bad = diagnose(&url, &["--processes", "10"]);
    bad.says("pools_too_big", "critical", "max_size 8 x 10 processes = 80, of 17 slots");
    bad.says("retries_off", "warning", "retry_max = 0");
    bad.says("idle_connections_kept", "advice", "600.0 s in each of 10 processes");
    bad.says("fleet_share_off", "advice", "with 10 processes");
    assert_eq!(bad.status, 3);
    let shared = diagnose(&format!("{}?max_size=8", server.url()), &["--processes", "10"]);
    shared.says("pools_too_big", "warning", "= 80");
    assert_eq!(shared.status, 1);
}

#[test]
fn a_standby_of_a_healthy_pair_is_no_failure_where_the_primary_is_wanted() {
    let primary = own_server(|s| s);
    let standby = EmbeddedPostgres::builder().start_standby_of(&primary).unwrap();
    let place = format!("{0}:{1},{0}:{2}", primary.host(), standby.port(), primary.port());
    let both = format!("{}?target_session_attrs=read-write", primary.url_at(&place));
    let pair = diagnose(&both, &[]);
    let hosts = pair.document["hosts"].as_array().unwrap();
    assert!(hosts.len() == 2 && hosts.iter().all(|host| host["error"].is_null()), "{:#}", pair.document);
    assert_eq!(pair.status, 0, "{:#}", pair.document);
}

#[test]
fn a_membership_that_is_not_inherited_shows_nothing_of_others() {
    let server = own_server(|s| {
        s.role("app", "secret").sql("alter role app noinherit; grant pg_read_all_stats to app")
    });
    let url = server.url_with_password("app", "secret", "postgres");
    assert!(diagnose(&url, &[]).has("sessions_hidden"));
    // From 16 on, whether a membership is inherited was decided when it was granted.
    server
        .execute("alter role app inherit; revoke pg_read_all_stats from app; grant pg_read_all_stats to app")
        .unwrap();
    assert!(!diagnose(&url, &[]).has("sessions_hidden"));
}

#[test]
fn a_pooler_in_between_is_noticed() {
    let server = own_server(|s| s);
    let bouncer = PgBouncer::start(&server, "");
    let behind = diagnose(&bouncer.url(), &[]);
    behind.says("pooler_between", "advice", "not the one that the session was begun with");
    assert_eq!(behind.document["server"]["behind_pooler"], true);
    assert!(!diagnose(&server.url(), &[]).has("pooler_between"));
}

/// It passes on the key of the server's process, so that the session alone does not show it.
#[test]
fn pgpool_in_between_is_named_with_what_to_set() {
    let server = own_server(|s| s);
    let Some(pgpool) = Pgpool::start(&server, 2, "") else { return };
    let behind = diagnose(&pgpool.url(), &[]);
    behind.says("pooler_between", "advice", "show pool_version is answered with 4");
    assert_eq!(behind.document["server"]["behind_pooler"], true);
    let told = pooler_according_to("watch", &pgpool.url());
    assert!(told.starts_with("pgpool-II 4"), "{told}");
}

/// What a command says is in between; empty if it says nothing.
fn pooler_according_to(command: &str, url: &str) -> String {
    let arguments: &[&str] = match command {
        "watch" => &["--json", "--once", "--url", url],
        _ => &["--json", "--quiet", "--url", url],
    };
    let output = program_of(command, arguments).output().unwrap();
    let document: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let pooler = if command == "watch" { &document["server"]["pooler"] } else { &document["pooler"] };
    pooler.as_str().unwrap_or_default().to_owned()
}

#[test]
fn verify_and_watch_say_what_is_in_between() {
    let server = own_server(|s| s);
    let bouncer = PgBouncer::start(&server, "");
    for command in ["verify", "watch"] {
        assert_eq!(pooler_according_to(command, &bouncer.url()), "a pooler", "{command}");
        assert_eq!(pooler_according_to(command, &server.url()), "", "{command}");
    }
    let told = program_of("verify", &["--quiet", "--url", &bouncer.url()]).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains(" through a pooler, in ") && told.contains("nothing has to be set"), "{told}");
}
