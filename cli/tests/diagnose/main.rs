//! `holdfast diagnose`: every finding, provoked on a real server.

mod failures;
mod findings;
mod output;
mod sandbox;
mod settings;
// Ends in a terminal are of those that take its whole screen.
#[allow(dead_code)]
#[path = "../watch/pty.rs"]
mod pty;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::process::{Command, Output};

use serde_json::Value;

/// The findings of one run of the program.
pub struct Diagnosis {
    pub document: Value,
    pub status: i32,
    pub output: Output,
}

/// The program without the variables that would change what it does.
fn program(arguments: &[&str]) -> Command {
    program_of("diagnose", arguments)
}

/// The same for another of its commands.
fn program_of(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    for variable in ["DATABASE_URL", "PGHOST", "PGPASSWORD", "HOLDFAST_ENV", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.arg(name).args(arguments).env("HOME", "/nonexistent");
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

/// Examines a database, checks what is printed against its schema, and that a text for people has the findings too.
fn diagnose(url: &str, more: &[&str]) -> Diagnosis {
    let arguments: Vec<&str> = [&["--url", url, "--json"], more].concat();
    let output = run(&arguments);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let schema: Value = serde_json::from_str(include_str!("../../../docs/diagnose.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors: Vec<_> =
        validator.iter_errors(&document).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}\n{document:#}");
    Diagnosis { status: output.status.code().unwrap(), document, output }
}

impl Diagnosis {
    /// A finding by its id.
    #[track_caller]
    fn finding(&self, id: &str) -> Value {
        let findings = self.document["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {:#}", self.document)).clone()
    }

    fn has(&self, id: &str) -> bool {
        self.document["findings"].as_array().unwrap().iter().any(|finding| finding["id"] == id)
    }

    /// The finding has this severity, and these words among its evidence.
    #[track_caller]
    fn says(&self, id: &str, severity: &str, evidence: &str) {
        let finding = self.finding(id);
        assert_eq!(finding["severity"], severity, "{finding:#}");
        assert!(finding["evidence"].as_str().unwrap().contains(evidence), "{finding:#}");
        assert!(finding["remedy"].as_str().unwrap().len() > 20, "{finding:#}");
    }
}
