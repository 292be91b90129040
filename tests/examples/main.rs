//! Promises of the examples, those in the README included: each runs to its end, on a private server.

#[cfg(feature = "capi")]
mod foreign;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "capi")]
#[allow(dead_code)]
#[path = "../c_abi/toolchain.rs"]
mod toolchain;

use std::env;
use std::process::{Command, Output};

/// Returns the output of an example.
fn run(name: &str) -> String {
    run_with(name, &[])
}

fn run_with(name: &str, arguments: &[&str]) -> String {
    let (said, output) = try_with(name, arguments);
    assert!(output.status.success(), "{name}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Returns the output of an example, whether it succeeds or not.
fn try_with(name: &str, arguments: &[&str]) -> (String, Output) {
    // Built already when everything is tested, so this only finds the program and runs it.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--all-features", "--example", name, "--"])
        .args(arguments)
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output)
}

#[test]
fn the_quick_start_queries_and_closes() {
    let said = run("quick_start");
    assert!(said.contains("hello, postgres\n") && said.contains("3 squared is 9\n"), "{said}");
    assert!(said.contains("3 checkouts over 1 connection(s), 1 idle now"), "{said}");
}

#[test]
fn a_program_for_the_postgres_crate_does_the_same_with_another_type_of_connection() {
    let said = run("from_postgres");
    assert!(said.ends_with("the same with both\n"), "{said}");
    assert!(
        said.contains("poetry: Duino Elegies\n") && said.contains("lent: 2 to ada, 4 to bob\n"),
        "{said}"
    );
}

#[test]
fn the_transactions_example_undoes_what_nobody_committed() {
    let said = run("transactions");
    assert!(said.contains("the next caller finds: [(\"ada\", 3), (\"bob\", 7)]"), "{said}");
    assert!(said.contains("rolled back by the pool: 1\n"), "{said}");
}

#[test]
fn the_deadlines_example_is_held_up_by_nobody() {
    let said = run("deadlines_and_cancel");
    assert!(said.contains("deadline: query_timeout") && said.contains("cancel: canceled"), "{said}");
}

/// 10 s with the server away are 77 probes; a second is enough to see the pace.
#[test]
fn in_a_storm_one_prober_dials_for_all_and_finds_the_server_soon() {
    let said = run_with("storm", &["--threads", "32", "--outage", "1000", "--slack", "2000", "--json"]);
    let ours = said.lines().next().unwrap();
    assert!(ours.contains("Holdfast"), "{said}");
    assert!((3.0..15.0).contains(&figure(ours, "dialled")), "{ours}");
}

/// A number out of what an example prints with `--json`.
fn figure(said: &str, name: &str) -> f64 {
    let (_, rest) =
        said.split_once(&format!("\"{name}\": ")).unwrap_or_else(|| panic!("no {name} in {said}"));
    rest.split([',', '}']).next().unwrap().parse().unwrap_or_else(|_| panic!("{name} is no number in {said}"))
}

const LONGEST_BEYOND_THE_OUTAGE_MS: f64 = 3_000.0;

#[test]
fn a_restart_fails_no_statement_that_may_be_repeated() {
    let said = run_with("restart", &["--json"]);
    assert_eq!(figure(&said, "failed"), 0.0, "{said}");
    assert!(figure(&said, "done") > 100.0, "{said}");
    let beyond = figure(&said, "longest_ms") - figure(&said, "outage_ms");
    assert!(beyond < LONGEST_BEYOND_THE_OUTAGE_MS, "{said}");
}

#[test]
fn the_books_balance_whatever_happens_to_sessions_server_and_network() {
    let said = run_with("ledger", &["--json", "--transactions", "1500", "--faults", "30"]);
    assert_eq!(figure(&said, "wrong"), 0.0, "{said}");
    assert!(figure(&said, "transactions") >= 1500.0 && figure(&said, "faults") >= 30.0, "{said}");
    assert!(figure(&said, "committed") >= 1000.0, "{said}");
}

#[test]
fn the_fleet_fails_no_request_and_leaves_nobody_outside() {
    let (said, output) =
        try_with("fleet", &["n10", "late", "--only", "holdfast", "--seconds", "6", "--json"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}{}", String::from_utf8_lossy(&output.stderr));
    let number = |line: &str, key: &str| -> f64 {
        let (_, rest) = line.split_once(&format!("\"{key}\":")).expect(key);
        rest[..rest.find([',', '}']).expect("an end")].parse().unwrap_or(f64::NAN)
    };
    for line in &lines {
        assert_eq!(number(line, "failed"), 0.0, "{line}");
        // How much is served depends on what else this machine does; that all are served does not.
        assert!(
            number(line, "worst") >= 0.3 * number(line, "median") && number(line, "median") > 0.0,
            "{line}"
        );
    }
    assert!(number(lines[1], "joined_within_ms") <= 4000.0, "{}", lines[1]);
}

#[test]
fn the_fleet_explains_itself_and_refuses_what_it_does_not_know() {
    assert!(try_with("fleet", &["--help"]).0.contains("n30"));
    let (_, output) = try_with("fleet", &["n11"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no scene \"n11\""));
}
