//! What `scripts/again.sh` runs once more after a run that failed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{self, Command};

/// A folder with the summary of a run, and stand-ins for `cargo` and `make` that note how they are called.
struct Run {
    folder: PathBuf,
}

impl Run {
    fn new(name: &str, steps: &str, failed: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("holdfast-again-{name}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let summary = format!(
            "\ntime by step, 9 s in all:\n{steps}slowest test programs:\n     9 s  tests/pool/main.rs\nfailed:\n{failed}\
             test result: FAILED. 7 passed; 1 failed; 0 ignored in all\n"
        );
        fs::write(folder.join("summary-tried.txt"), summary).expect("the summary");
        let stand_in = folder.join("stand-in");
        let script = "#!/bin/sh\necho \"$*\" >> \"$(dirname \"$0\")/calls\"\ncase \"$*\" in *broken*) exit 1 ;; esac\n";
        fs::write(&stand_in, script).expect("the stand-in");
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).expect("it may be run");
        Self { folder }
    }

    /// Returns whether all passed, the calls that were made, and the summary.
    fn again(&self) -> (bool, String, String) {
        let status = Command::new("scripts/again.sh")
            .arg("tried")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", &self.folder)
            .env("CARGO", self.folder.join("stand-in"))
            .env("MAKE", self.folder.join("stand-in"))
            .output()
            .expect("the script starts")
            .status;
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        (status.success(), read("calls"), read("summary-tried.txt"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_test_that_failed_is_run_by_itself_and_named_when_it_passes() {
    let failed =
        "  tests/pool/main.rs: waiting::the_first\n  src/lib.rs: link::a_unit\n  tests/cli.rs: help\n";
    let run = Run::new("passes", "     9 s  rust-tests  FAILED\n     9 s  node\n", failed);
    let (passed, calls, summary) = run.again();
    assert!(passed, "{calls}");
    let all = "test --workspace --all-features";
    assert_eq!(
        calls,
        format!(
            "{all} --test pool -- --exact waiting::the_first\n{all} --lib -- --exact link::a_unit\n\
             {all} --test cli -- --exact help\n"
        )
    );
    assert!(
        summary.contains("unstable, passed when run again (mend them):\n  tests/pool/main.rs: waiting"),
        "{summary}"
    );
}

#[test]
fn a_unit_test_of_the_program_is_run_again_where_it_is() {
    let failed = "  cli/src/lib.rs: diagnose::one\n  src/bin/holdfast/main.rs: time::two\n";
    let run = Run::new("program", "     9 s  rust-tests  FAILED\n", failed);
    let (passed, calls, _) = run.again();
    assert!(passed, "{calls}");
    let all = "test --workspace --all-features";
    assert_eq!(
        calls,
        format!("{all} --lib -- --exact diagnose::one\n{all} --bin holdfast -- --exact time::two\n")
    );
}

#[test]
fn a_test_of_node_is_run_again_with_its_step() {
    let failed = "  holdfast: FAILED with Node 18 after 94 s\n  failed with Node 18.20.8: a.js:26: one\n      Error: why\n";
    let run = Run::new("node", "     9 s  node-versions  FAILED\n", failed);
    let (passed, calls, _) = run.again();
    assert!(passed, "{calls}");
    assert_eq!(calls, "--no-print-directory node-versions\n");
}

#[test]
fn what_fails_twice_fails() {
    let run = Run::new("twice", "     9 s  rust-tests  FAILED\n", "  tests/pool/main.rs: waiting::broken\n");
    let (passed, _, summary) = run.again();
    assert!(!passed && summary.contains("waiting::broken failed twice"), "{summary}");
}

#[test]
fn what_no_load_explains_is_not_run_again() {
    let cases = [
        (
            "lint",
            "     9 s  clippy  FAILED\n",
            "  error: could not compile `pg-holdfast` (lib) due to 1 previous error\n",
        ),
        ("hang", "     9 s  rust-tests  FAILED\n", "  tests/pool/main.rs: not ended in time\n"),
        ("format", "     9 s  format  FAILED\n     9 s  rust-tests  FAILED\n", "  tests/pool/main.rs: one\n"),
        ("many", "     9 s  rust-tests  FAILED\n", &"  tests/pool/main.rs: one\n".repeat(4)),
        ("ended", "     9 s  format\n", ""),
    ];
    for (name, steps, failed) in cases {
        let run = Run::new(name, steps, failed);
        let (passed, _, summary) = run.again();
        assert!(!passed && !summary.contains("unstable"), "{name}: {summary}");
        assert!(summary.contains("not run again: "), "{name}: {summary}");
    }
}
