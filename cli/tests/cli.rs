//! Promises of the program `holdfast`.

use std::process::{Command, Output};

use holdfast_testkit::embedded::EmbeddedPostgres;
use serde_json::Value;

/// Runs the program without the variables that would change what it does.
fn holdfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast")).args(arguments).env_remove("DATABASE_URL").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// Names of the checks that ended so.
fn ended(report: &Value, verdict: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let these = checks.iter().filter(|check| check["verdict"] == verdict);
    these.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

const SCENES: [&str; 4] = ["server_full", "restart", "frozen", "leaked_transaction"];

#[test]
fn on_a_private_server_every_check_passes_and_measures_something() {
    let output = holdfast(&["verify", "--json"]);
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(ended(&report, "passed").len(), 11, "{report:#}");
    for check in report["checks"].as_array().unwrap() {
        let figures = check["figures"].as_object().unwrap();
        let measured = |name: &str| !figures[name]["unit"].as_str().unwrap().is_empty();
        assert!(figures.keys().all(|name| measured(name)) || figures.is_empty(), "{check:#}");
    }
    let full = &report["checks"].as_array().unwrap()[7];
    assert_eq!(full["name"], "server_full");
    assert_eq!(full["figures"]["served"]["value"], 8.0);
    assert!(full["figures"]["refused_attempts"]["value"].as_f64().unwrap() >= 8.0, "{full:#}");
    assert!(stderr(&output).contains("other clients hold all 17 slots"), "{}", stderr(&output));
}

#[test]
fn on_a_database_of_the_users_only_harmless_checks_run_and_nothing_stays_behind() {
    let server = EmbeddedPostgres::start().unwrap();
    let mut observer = server.connect().unwrap();
    let count = "SELECT (SELECT count(*) FROM pg_class WHERE relname !~ '^pg_toast'), \
                 (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdfast verify%')";
    let mut counts = || observer.query_one(count, &[]).map(|r| (r.get(0), r.get(1))).unwrap();
    let before: (i64, i64) = counts();

    let output = holdfast(&["verify", "--quiet", "--url", &server.url()]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("7 of 7 checks passed, 4 not run"), "{output:?}");
    assert!(stderr(&output).is_empty(), "{output:?}");
    assert_eq!(counts(), before);

    let output = holdfast(&["verify", "--quiet", "--json", "--url", &server.url()]);
    assert_eq!(ended(&json(&output), "skipped"), SCENES);
}

#[test]
fn a_promise_that_the_server_does_not_let_the_pool_keep_fails_its_check_and_the_status() {
    // The check that lets go of three connections cannot get a third; the others get along with two.
    let server =
        EmbeddedPostgres::builder().sql("CREATE ROLE cramped LOGIN CONNECTION LIMIT 2").start().unwrap();

    let output = holdfast(&["verify", "--json", "--url", &server.url_for("cramped", "postgres")]);

    let report = json(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(report["passed"], false);
    assert_eq!(ended(&report, "failed"), ["lets_go"], "{report:#}");
    let complaints = report["checks"].as_array().unwrap()[6]["complaints"].to_string();
    assert!(complaints.contains("53300"), "{complaints}");
}

#[test]
fn without_a_server_it_says_where_it_looked_and_skips_the_rest() {
    let port = holdfast_testkit::embedded::free_port().unwrap();
    let url = format!("postgresql://app:s3cret@127.0.0.1:{port}/orders?retry_max=0");

    let output = holdfast(&["verify", "--quiet", "--url", &url]);

    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("connection refused"), "{said}");
    assert!(said.contains("0 of 1 checks passed, 10 not run"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_slip_of_the_keyboard_is_named_and_the_status_is_2() {
    let output = holdfast(&["verify", "--url", "host=db max_sise=4"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("did you mean \"max_size\"?"), "{output:?}");
}

#[test]
fn without_postgres_installed_it_says_what_to_install() {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["verify", "--private"])
        .env("HOLDFAST_PG_BINDIR", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("apt-get install postgresql"), "{output:?}");
}

#[test]
fn a_password_in_the_environment_does_not_show_in_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["verify", "--help"])
        .env("DATABASE_URL", "postgresql://app:s3cret@db/orders")
        .output()
        .unwrap();
    assert!(stdout(&output).contains("DATABASE_URL") && !stdout(&output).contains("s3cret"), "{output:?}");
}

#[test]
fn output_that_nobody_looks_at_has_no_colours() {
    let output = holdfast(&["options"]);
    assert!(!stdout(&output).contains('\x1b'));
}

#[test]
fn options_lists_every_option_there_is() {
    let listed = json(&holdfast(&["options", "--json"]));
    let keys: Vec<_> = listed.as_array().unwrap().iter().map(|o| o["key"].as_str().unwrap()).collect();
    let all: Vec<_> = holdfast::config::options().iter().map(holdfast::config::OptionInfo::key).collect();
    assert_eq!(keys, all);
    assert_eq!(stdout(&holdfast(&["options", "--markdown"])), holdfast::config::reference_table());
}

#[test]
fn options_with_a_word_lists_what_mentions_it() {
    let said = stdout(&holdfast(&["options", "PGHOST"]));
    assert!(said.contains("  host = ") && !said.contains("max_size"), "{said}");
    let output = holdfast(&["options", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_shell_completes_subcommands_and_options() {
    let script = stdout(&holdfast(&["completions", "bash"]));
    // What bash itself does when the tabulator is pressed.
    let complete = |words: &str| {
        let run = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n\
             _holdfast holdfast \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        stdout(&Command::new("bash").args(["-c", &run]).output().unwrap())
    };
    assert_eq!(complete("holdfast diag").trim(), "diagnose");
    assert!(complete("holdfast diagnose --exp").contains("--expect"));
    let checked = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&holdfast(&["completions", shell])).contains("diagnose"), "{shell}");
    }
}

/// As `man` does, with every warning there is. Where it is not installed, manual pages are not read either.
fn assert_formats(page: &std::path::Path) {
    let groff = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).output();
    let Ok(output) = groff else { return };
    assert!(output.status.success() && output.stderr.is_empty(), "{}: {}", page.display(), stderr(&output));
}

#[test]
fn there_is_a_manual_page_for_each_subcommand() {
    let folder = std::env::temp_dir().join(format!("holdfast-man-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = holdfast(&["man", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for page in [
        "holdfast",
        "holdfast-diagnose",
        "holdfast-tune",
        "holdfast-verify",
        "holdfast-watch",
        "holdfast-options",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH DESCRIPTION"), "{page}");
        assert_formats(&folder.join(format!("{page}.1")));
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(stdout(&holdfast(&["man"])).contains(".TH holdfast 1"));
    let nowhere = holdfast(&["man", "/nowhere/at/all"]);
    assert!(stderr(&nowhere).contains("/nowhere/at/all is no folder"), "{}", stderr(&nowhere));
}
