//! The output, for people and for programs.

use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::pty::Terminal;
use crate::support::{own_server, server, wait_until};
use crate::{diagnose, program, run};

#[test]
fn people_get_the_verdict_first_then_findings_phases_and_what_there_is() {
    let url = format!("{}?retry_max=0", server().url());
    let output = run(&["--url", &url, "--quiet"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let places: Vec<_> = [
        ": 1 warning",
        "WARNING: a failed connect is not tried again",
        "to do",
        "Reaching 127.0.0.1",
        "The server",
        "Its settings, in this session",
        "idle_in_transaction_session_timeout  0",
        "Connections",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("{part:?} is missing in {text}")))
    .collect();
    assert!(places.is_sorted(), "{text}");
    assert!(output.stderr.is_empty(), "quiet");
    let loud = run(&["--url", &url]);
    assert!(String::from_utf8(loud.stderr).unwrap().contains("connecting to 127.0.0.1"));
}

#[test]
fn wrong_options_are_refused_with_what_is_right() {
    for (arguments, part) in [
        (&["--url", "postgresql://a@b/c?max_sise=3"][..], "max_size"),
        (&["--url", "postgresql://a@b/c", "--expect", "a.b.c.d"], "schema.table.column"),
        (
            &["--url", "postgresql://a@b/c", "--long", "soon"],
            "'soon' for '--long <TIME>': give a time above 0",
        ),
        (&["--url", "postgresql://a@b/c", "--long", "5m"], "us, ms, s, min, h or d"),
        (&["--url", "postgresql://a@b/c", "--long", "0.5"], "a bare whole number is milliseconds"),
        (&["--url", "postgresql://a@b/c", "--timeout", "0"], "'0' for '--timeout <TIME>'"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_time_may_be_written_as_in_the_options_of_a_pool() {
    let server = own_server(|s| s);
    let mut forgetful = server.connect().unwrap();
    forgetful.batch_execute("begin").unwrap();
    let long = |time: &str| diagnose(&server.url(), &["--long", time]).has("idle_in_transaction");
    wait_until("the transaction is idle for long", Duration::from_secs(10), || long("1s"));
    // It has been so for over a second, and will not have been for minutes.
    for (time, is_long) in
        [("500ms", true), ("500", true), ("0.5s", true), ("2min", false), ("120000", false), ("120s", false)]
    {
        assert_eq!(long(time), is_long, "{time}");
    }
}

#[test]
fn in_a_terminal_the_step_under_way_has_a_clock_and_is_gone_at_the_end() {
    let server = own_server(|s| s);
    let mut holds = server.connect().unwrap();
    holds.batch_execute("begin; lock table pg_catalog.pg_settings in access exclusive mode").unwrap();
    let terminal = Terminal::run(program(&["--url", &server.url(), "--timeout", "1min"]));
    let seconds = |text: &str| {
        let line = text.lines().find(|line| line.contains("s  looking at sessions, statements and locks"))?;
        line.trim().split(' ').next()?.parse::<f64>().ok()
    };
    // Drawn anew while nothing happens.
    for least in [0.5, 1.0] {
        terminal.until("a clock that runs", |text| seconds(text).is_some_and(|seconds| seconds >= least));
    }
    assert!(!terminal.contents().contains("asking for version"), "one line, {}", terminal.contents());
    holds.batch_execute("rollback").unwrap();
    // The end of the report, which is longer on some versions than the screen is high.
    terminal.until("the report", |text| text.contains("nothing is wrong") || text.contains("ADVICE: "));
    assert!(!terminal.contents().contains("looking at sessions"), "{}", terminal.contents());
}

#[test]
fn names_and_statements_of_others_say_nothing_to_the_terminal() {
    const ROLE: &str = "x\x1b[2J\x1b]0;owned\x07\u{202e}y\nCRITICAL: forged";
    let server = own_server(|s| s.role(ROLE, "secret"));
    let mut forger = Client::connect(&server.url_with_password(ROLE, "secret", "postgres"), NoTls).unwrap();
    forger.batch_execute("begin; select 1 as \"\x1b[31mred\u{2066}\"").unwrap();
    thread::sleep(Duration::from_millis(20));
    let output = run(&["--url", &server.url(), "--long", "10ms"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r"x\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}y"), "{text}");
    assert!(text.contains(r"\u{1b}[31mred\u{2066}"), "{text}");
    let acts = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}');
    assert!(!text.contains(acts), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("CRITICAL")), "{text}");
    // A document escapes by its own rules, and loses nothing.
    let output = run(&["--url", &server.url(), "--json"]);
    assert!(!output.stdout.contains(&0x1b), "JSON escapes controls");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let roles: Vec<_> = document["server"]["sessions"].as_array().unwrap().iter().collect();
    assert!(roles.iter().any(|group| group["user"] == ROLE), "{document:#}");
}
