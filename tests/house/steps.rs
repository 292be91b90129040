//! What `scripts/steps.sh` says of a run, whether it ends by itself or is ended.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, process, thread};

/// Stands for `make` and for test programs. Of its test programs one has a failed test, and the others do not come to an end.
const MAKE: &str = r#"#!/bin/sh
case "$*" in
*--list)
    printf 'tests::first: test\ntests::second: test\ntests::third: test\ntests::fourth: test\n' ;;
*complete)
    echo "    Finished \`test\` profile [unoptimized + debuginfo] target(s) in 1m 05s"
    echo "     Running unittests src/lib.rs (target/debug/deps/not-there)"
    echo "running 2 tests"
    echo "test tests::this_one_holds ... ok"
    echo "test tests::this_one_does_not ... FAILED"
    echo "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.01s"
    echo "     Running unittests src/lib.rs (target/debug/deps/holdfast_cli-0123456789abcdef)"
    echo "running 1 test"
    echo "test tests::this_one_holds ... ok"
    echo "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.01s"
    exit 101 ;;
*much)
    head -c 300000 /dev/zero | tr '\0' '.' | fold
    echo
    echo "1 passed, 0 failed" ;;
*behind)
    sleep 20 &
    echo "1 passed, 0 failed" ;;
*hung | *endless)
    echo "     Running tests/waits.rs ($0)"
    echo "running 4 tests"
    echo "test tests::second ... ok"
    case "$*" in
    *endless) exec sleep 600 ;;
    esac
    echo "  process didn't exit successfully: \`timeout 600 $0\` (exit status: 124)"
    exit 101 ;;
esac
"#;

/// A folder with the stand-in for `make`, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("holdfast-steps-{name}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let make = folder.join("make");
        fs::write(&make, MAKE).expect("the stand-in");
        fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).expect("it may be run");
        Self(folder)
    }

    fn run(&self, step: &str) -> Child {
        Command::new("scripts/steps.sh")
            .args(["tried", step])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("MAKE", self.0.join("make"))
            .env("CARGO_TARGET_DIR", &self.0)
            .env("RUST_TEST_THREADS", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_run_ends_with_the_names_of_failed_tests_and_the_times_of_its_steps() {
    let folder = Folder::new("complete");
    let output = folder.run("complete").wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("holdfast: step complete begins after 0 s\n"), "{said}");
    assert!(said.contains("test tests::this_one_holds ... ok\n"), "{said}");
    assert!(said.contains("s  complete  FAILED\n"), "{said}");
    assert!(
        said.contains("    65 s  (compiling for complete)\n     2 s  src/lib.rs\n     1 s  cli/src/lib.rs\n"),
        "{said}"
    );
    assert!(said.contains("failed:\n  src/lib.rs: tests::this_one_does_not\n"), "{said}");
    assert!(said.ends_with("test result: FAILED. 2 passed; 1 failed; 0 ignored in all\n"), "{said}");
}

#[test]
fn a_step_that_runs_beside_another_is_shown_after_it_and_counted() {
    let folder = Folder::new("beside");
    let output = folder.run("complete+behind").wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout).expect("text");
    let (first, second) = said.split_once("holdfast: step behind begins after ").expect(&said);
    assert!(first.contains("holdfast: step complete ended with 101 after "), "{said}");
    assert!(second.contains("holdfast: step behind ended with 0 after "), "{said}");
    assert!(said.ends_with("test result: FAILED. 3 passed; 1 failed; 0 ignored in all\n"), "{said}");
}

/// As a server does that a test has started and not stopped: no process waits for it to close its output.
#[test]
fn a_process_that_a_step_leaves_behind_does_not_hold_up_the_end() {
    let folder = Folder::new("behind");
    let begun = Instant::now();
    let mut run = folder.run("behind");
    let status = run.wait().expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(10), "as long as the process that was left behind");
    let summary = fs::read_to_string(folder.0.join("summary-tried.txt")).expect("the summary is kept");
    assert!(status.success() && summary.ends_with("ok. 1 passed; 0 failed; 0 ignored in all\n"), "{summary}");
}

/// A log that is not read any more, such as one that is full, must not hold up the run: what is printed is in a file as well.
#[test]
fn a_reader_that_stops_reading_does_not_hold_up_the_steps() {
    let folder = Folder::new("unread");
    // More than a pipe holds.
    let mut run = folder.run("much");
    wait_until("the step ends", || {
        fs::read_to_string(folder.0.join("log-tried.txt"))
            .is_ok_and(|log| log.contains("step much ended with 0"))
    });
    let mut said = String::new();
    run.stdout.take().expect("its output").read_to_string(&mut said).expect("all of it");
    assert!(run.wait().expect("it ends").success());
    assert!(said.ends_with("ok. 1 passed; 0 failed; 0 ignored in all\n"), "{:.300}", said);
}

#[test]
fn the_tests_of_a_program_that_hung_are_named() {
    let folder = Folder::new("hung");
    let output = folder.run("hung").wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout).expect("text");
    let named = "failed:\n  tests/waits.rs: not ended in time\n  tests/waits.rs: under way: tests::first\n  \
        tests/waits.rs: under way: tests::third\ntest result";
    assert!(said.contains(named), "{said}");
}

#[test]
fn a_run_that_is_terminated_names_the_tests_that_were_under_way() {
    let folder = Folder::new("endless");
    let mut run = folder.run("endless");
    let mut output = BufReader::new(run.stdout.take().expect("its output"));
    let mut said = String::new();
    // Each line comes when it is printed: a log that is cut off is complete up to there.
    while !said.contains("test tests::second ... ok") {
        assert_ne!(output.read_line(&mut said).expect("a line"), 0, "it ended: {said}");
    }
    let ended = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kill");
    assert!(ended.success());
    let status = run.wait().expect("it ends");
    output.read_to_string(&mut said).expect("the summary");
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(said.contains("ended by SIGTERM after "), "{said}");
    assert!(said.contains(", in step endless, in tests/waits.rs\n"), "{said}");
    assert!(said.contains("under way:\n  tests::first\n  tests::third\nslowest"), "{said}");
    assert!(said.ends_with("test result: FAILED. 0 passed; 0 failed; 0 ignored in all\n"), "{said}");
    let kept = fs::read_to_string(folder.0.join("summary-tried.txt")).expect("the summary is kept");
    assert!(kept.contains("  tests::third\n"), "{kept}");
}

fn wait_until(what: &str, mut it_is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !it_is_so() {
        assert!(Instant::now() < limit, "waited for: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
