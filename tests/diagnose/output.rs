//! What is printed, and for whom.

use crate::run;
use crate::support::server;

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
        (&["--url", "postgresql://a@b/c", "--timeout", "0"], "'0' for '--timeout <TIME>'"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }
}
