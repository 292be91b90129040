//! `holdfast watch`, in real terminals and without, on real servers and pools.

mod database;
mod output;
mod pools;
mod pty;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::process::{Command, Output};

use serde_json::Value;

/// The program without the variables that would change what it does.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    for variable in
        ["DATABASE_URL", "PGHOST", "PGPASSWORD", "HOLDFAST_ENV", "HOLDFAST_WATCH_TOKEN", "NO_COLOR"]
    {
        command.env_remove(variable);
    }
    command.arg("watch").args(arguments).env("HOME", "/nonexistent");
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn text(stream: &[u8]) -> String {
    String::from_utf8(stream.to_vec()).unwrap()
}

/// A line for programs, held against its schema.
fn checked(line: &str) -> Value {
    let document: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let schema: Value = serde_json::from_str(include_str!("../../../docs/watch.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors: Vec<_> =
        validator.iter_errors(&document).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}\n{document:#}");
    document
}
