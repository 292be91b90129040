//! A database, watched in a terminal.

use std::time::Duration;

use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};
use postgres::{Client, NoTls};
use rustix::process::Signal;

use crate::program;
use crate::pty::Terminal;
use crate::support::{own_server, wait_until};

fn watch(server: &EmbeddedPostgres, more: &[&str]) -> Terminal {
    let url = server.url();
    let arguments = [&["--url", &url, "--interval", "200ms"], more].concat();
    Terminal::run(program(&arguments))
}

fn client(server: &EmbeddedPostgres, name: &str) -> Client {
    Client::connect(&format!("{}?application_name={name}", server.url()), NoTls).unwrap()
}

#[test]
fn sessions_appear_and_go_while_one_looks_on() {
    let server = own_server(|s| s.max_connections(23));
    let terminal = watch(&server, &["--long", "100ms"]);
    terminal.shows(&["1 of 20 slots used (3 reserved)", "slots used: 1 of 20"]);
    let mut forgetful = client(&server, "forgetful");
    forgetful.batch_execute("begin; select 'a S3cr3tMark'").unwrap();
    terminal.shows(&[
        "2 of 20 slots used",
        "1 idle in transaction",
        "forgetful as postgres (idle in transaction)",
    ]);
    assert!(!terminal.contents().contains("S3cr3tMark"), "{}", terminal.contents());
    drop(forgetful);
    terminal.until("it is gone", |text| !text.contains("forgetful") && text.contains("1 of 20 slots used"));
}

#[test]
fn pools_of_a_fleet_are_told_apart_by_their_marks() {
    let server = own_server(|s| s.max_connections(23));
    let pool = || {
        let url = format!("{}?application_name=orders&min_idle=2", server.url());
        Pool::new(PoolConfig::from_url(&url).unwrap().max_size(4)).unwrap()
    };
    let pools = [pool(), pool()];
    let _held: Vec<_> = pools.iter().map(|pool| pool.get().unwrap()).collect();
    let terminal = watch(&server, &[]);
    terminal.shows(&["The fleet"]);
    terminal.until("both pools, and their application once", |text| text.matches("orders hf:").count() == 2);
}

#[test]
fn it_looks_over_one_connection_that_stays() {
    let server = own_server(|s| s);
    let terminal = watch(&server, &[]);
    terminal.shows(&["slots used: 1"]);
    let mut observer = client(&server, "observer");
    terminal.shows(&["slots used: 2", "observer"]);
    let mut pids = || -> Vec<i32> {
        let own = "select pid from pg_stat_activity where application_name like 'holdfast watch%'";
        observer.query(own, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    let first = pids();
    assert_eq!(first.len(), 1);
    terminal.until("later", |text| !text.contains("looking"));
    let _another = client(&server, "another");
    terminal.shows(&["another"]);
    assert_eq!(pids(), first);
}

#[test]
fn a_database_that_goes_away_is_told_and_shown_again_when_it_is_back() {
    let server = own_server(|s| s);
    let terminal = watch(&server, &[]);
    terminal.shows(&["slots used: 1"]);
    server.stop(StopMode::Immediate).unwrap();
    terminal.shows(&["The database does not answer", "connection refused"]);
    server.start_again().unwrap();
    terminal.shows(&["slots used: 1"]);
}

#[test]
fn a_database_that_freezes_does_not_freeze_the_keys() {
    let server = own_server(|s| s);
    let terminal = watch(&server, &[]);
    terminal.shows(&["slots used: 1"]);
    server.freeze().unwrap();
    terminal.press("p");
    terminal.shows(&["PAUSED"]);
    terminal.press("q");
    let status = terminal.ends_and_gives_back();
    server.thaw().unwrap();
    assert!(status.success());
}

#[test]
fn while_paused_nothing_changes() {
    let server = own_server(|s| s);
    let terminal = watch(&server, &[]);
    terminal.shows(&["slots used: 1"]);
    terminal.press("p");
    terminal.shows(&["PAUSED"]);
    let _late = client(&server, "latecomer");
    // Its age goes on: the screen is drawn, but nothing is looked at.
    let age = |text: &str| -> Option<f64> {
        let shown = text.lines().next()?.strip_prefix("holdfast watch  ")?;
        shown.split_once(" s ago")?.0.parse().ok()
    };
    terminal.until("two seconds have passed", |text| age(text).is_some_and(|age| age >= 2.0));
    assert!(!terminal.contents().contains("latecomer"), "{}", terminal.contents());
    terminal.press("p");
    terminal.shows(&["latecomer"]);
    assert!(!terminal.contents().contains("PAUSED"));
}

#[test]
fn keys_choose_the_column_to_sort_by() {
    let server = own_server(|s| s);
    let _one = client(&server, "zebra");
    let _many = [client(&server, "aardvark"), client(&server, "aardvark")];
    let terminal = watch(&server, &[]);
    let order = |first: &'static str, second: &'static str| {
        move |text: &str| match (text.find(first), text.find(second)) {
            (Some(one), Some(other)) => one < other,
            _ => false,
        }
    };
    terminal.shows(&[">sessions"]);
    terminal.until("the most first", order("aardvark", "zebra"));
    terminal.press("r");
    terminal.until("turned round", order("zebra", "aardvark"));
    terminal.press("s");
    terminal.shows(&[">active"]);
    terminal.press("\x1b[D\x1b[D");
    terminal.shows(&[">application"]);
    terminal.press("r");
    terminal.until("by name", order("aardvark", "zebra"));
}

#[test]
fn quitting_and_signals_give_the_terminal_back() {
    let server = own_server(|s| s);
    let quit = watch(&server, &[]);
    quit.shows(&["slots used"]);
    assert!(!quit.is_as_shells_want_it(), "keys are read as they are pressed");
    quit.press("q");
    assert!(quit.ends_and_gives_back().success());
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let told = watch(&server, &[]);
        told.shows(&["slots used"]);
        told.signal(signal);
        assert!(told.ends_and_gives_back().success());
    }
    let interrupted = watch(&server, &[]);
    interrupted.shows(&["slots used"]);
    interrupted.press("\x03");
    assert!(interrupted.ends_and_gives_back().success(), "control and C");
    let mut observer = server.connect().unwrap();
    wait_until("its sessions are gone", Duration::from_secs(10), || {
        let left = "select count(*) from pg_stat_activity where application_name like 'holdfast watch%'";
        observer.query_one(left, &[]).unwrap().get::<_, i64>(0) == 0
    });
}
