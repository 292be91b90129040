//! Without a terminal.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{own_server, server, wait_until};
use crate::{checked, program, run, text};

#[test]
fn without_a_terminal_it_is_one_look_without_colours_and_literals() {
    let server = own_server(|s| s.max_connections(23));
    let url = format!("{}?application_name=batch", server.url());
    let mut batch = Client::connect(&url, NoTls).unwrap();
    batch.batch_execute("begin; select 'a S3cr3tMark'").unwrap();
    let output = run(&["--url", &server.url(), "--long", "1us"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for part in ["2 of 20 slots used", "batch as postgres (idle in transaction)", "select '...'"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains('\x1b') && !said.contains("S3cr3tMark"), "{said}");
}

#[test]
fn what_a_role_may_not_see_is_counted_all_the_same() {
    let server = own_server(|s| s.role("app", "secret"));
    let _other = server.connect().unwrap();
    let url = server.url_with_password("app", "secret", "postgres");
    let document = checked(&text(&run(&["--url", &url, "--once", "--json"]).stdout));
    assert_eq!(document["server"]["used"], 2);
    let group = &document["server"]["groups"][0];
    assert_eq!(
        (&group["user"], &group["count"], &group["active"]),
        (&"postgres".into(), &1.into(), &0.into())
    );
}

#[test]
fn one_line_of_json_a_tick_until_it_is_told_to_end() {
    let url = server().url();
    let mut command = program(&["--url", &url, "--json", "--interval", "100ms"]);
    // The program keeps to its plan after a tick that came late, which the time between two ticks does not show.
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let times: Vec<_> =
        (0..3).map(|_| checked(&lines.next().unwrap().unwrap())["time_ms"].as_u64().unwrap()).collect();
    assert!(u128::from(times[2]) >= started + 200, "{times:?} from {started}");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let url = server().url();
    let mut command = program(&["--url", &url, "--json", "--interval", "50ms"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let mut ended = None;
    wait_until("it has ended", Duration::from_secs(20), || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success());
}

#[test]
fn a_database_that_is_not_there_is_status_1_and_wrong_options_are_status_2() {
    let port = holdfast_testkit::embedded::free_port().unwrap();
    let nowhere = format!("postgresql://app:S3cr3tMark@127.0.0.1:{port}/orders");
    let output = run(&["--url", &nowhere, "--once", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document = checked(&text(&output.stdout));
    assert!(document["server_error"].as_str().unwrap().contains("connection refused"), "{document:#}");
    assert!(!format!("{output:?}").contains("S3cr3tMark"), "{output:?}");
    for (arguments, part) in [
        (&["--metrics", "https://h:1"][..], "plain HTTP only"),
        (&["--url", "host=db max_sise=4"], "max_size"),
        (&["--interval", "0s"], "such as 12ms"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(part), "{output:?}");
    }
}
