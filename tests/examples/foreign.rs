//! The examples in C, C++ and Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::server;
use crate::toolchain::{self, Checked, library, root, tree};

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// Returns the output of a program that gets a server as its argument, and finds the library where it was installed.
fn run(program: &mut Command) -> String {
    program.arg(server().url()).env("LD_LIBRARY_PATH", library()).env_remove("DATABASE_URL").checked()
}

/// Builds a program as its reader would, but for the warnings.
fn build(compiler: &str, flags: &[&str], source: &Path, name: &str) -> Command {
    let program = toolchain::program(name);
    Command::new(compiler)
        .args(toolchain::WARNINGS)
        .args(flags)
        .arg("-I")
        .arg(tree().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library())
        .args(["-lholdfast", "-lpthread"])
        .checked();
    Command::new(program)
}

fn run_c(name: &str) -> String {
    run(&mut build("gcc", &[], &example("c").join(name).with_extension("c"), &format!("example-{name}")))
}

fn run_cpp(name: &str) -> String {
    let source = example("cpp").join(name).with_extension("cpp");
    run(&mut build("g++", &["-std=c++17", "-Wshadow"], &source, &format!("example-cpp-{name}")))
}

// The quick start in C has its tests among those of what is installed: tests/c_abi/installed.rs.

#[test]
fn the_transaction_in_c_moves_what_there_is_and_no_more() {
    assert_eq!(run_c("transaction"), "ada has 70 left\nada is short of 930\n");
}

#[test]
fn the_stream_in_c_reads_what_copy_has_written() {
    let said = run_c("stream_and_copy");
    assert_eq!(said, "100000 rows, 1950000 degrees in all\n0,25000\n10,25000\n20,25000\n30,25000\n");
}

#[test]
fn the_event_loop_in_c_gets_every_answer_and_keeps_its_clock() {
    let said = run_c("event_loop");
    let mut answers: Vec<_> = said.lines().filter(|line| line.starts_with("query ")).collect();
    answers.sort_unstable();
    let wanted = [
        "query 0: 22012",
        "query 1: 100",
        "query 2: 50",
        "query 3: 33",
        "query 4: 25",
        "query 5: 20",
        "query 6: 16",
        "query 7: 14",
    ];
    assert_eq!(answers, wanted);
    assert!(said.ends_with("the clock went on: yes\n"), "{said}");
}

#[test]
fn the_quick_start_in_cxx_reads_rows_and_catches_an_error() {
    let said = run_cpp("quick_start");
    assert!(said.contains("2 squared is 4 (even)\n3 squared is 9\n"), "{said}");
    assert!(said.contains("ada is 1.6 m tall\nrefused: 23505, constraint once\n"), "{said}");
}

#[test]
fn the_transaction_in_cxx_runs_again_until_the_sums_are_right() {
    assert_eq!(run_cpp("transaction"), "ada is short of 900\nada has 100\nbob has 100\n");
}

#[test]
fn the_futures_in_cxx_bring_results_and_errors() {
    let said = run_cpp("futures");
    let (futures, mut squares) = {
        let lines: Vec<_> = said.lines().collect();
        let (futures, squares) = lines.split_at(3);
        (futures.to_vec(), squares.to_vec())
    };
    assert_eq!(futures, ["fast too", "wrong: division by zero", "slow"]);
    squares.sort_unstable();
    assert_eq!(squares, ["1 squared is 1", "2 squared is 4", "3 squared is 9"]);
}

/// The distribution's, whatever else is in the path.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn the_quick_start_in_python_reads_rows_and_catches_an_error() {
    let said = run(Command::new(PYTHON).arg(example("ctypes/quick_start.py")));
    let expected = "1 squared is 1\n2 squared is 4 (even)\n3 squared is 9\ncaught 22012\n";
    assert!(said.starts_with(expected) && said.contains("division by zero"), "{said}");
    // The server may also be named by the environment.
    let by_environment = Command::new(PYTHON)
        .arg(example("ctypes/quick_start.py"))
        .env("DATABASE_URL", server().url())
        .env("LD_LIBRARY_PATH", library())
        .checked();
    assert_eq!(by_environment, said);
}

/// The blocks of code of that language in a document.
fn blocks_in(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// A file with a program.
fn pasted(program: &str, extension: &str) -> PathBuf {
    let path = toolchain::program(&format!("readme.{extension}"));
    fs::write(&path, program).unwrap();
    path
}

/// A file with the only block of that language in the README.
fn pasted_from_readme(language: &str) -> PathBuf {
    match blocks_in("README.md", language).as_slice() {
        [block] => pasted(block, language),
        blocks => panic!("{} blocks of {language} in the README", blocks.len()),
    }
}

/// Has Ctrl-C end a statement that waits, with the function of docs/c-and-cpp.md.
const INTERRUPTED: &str = r#"
import os, signal
connection = c_void_p()
assert not holdfast.holdfast_pool_acquire(pool, None, byref(connection), byref(error))
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
statement = lambda: holdfast.holdfast_connection_query(
    connection, b"select pg_sleep(600)", NUL, None, c_size_t(0), 0, byref(result), byref(error))
try:
    interruptible(connection, statement)
except KeyboardInterrupt:
    print(holdfast.holdfast_error_message(error).ptr.decode().splitlines()[0])
"#;

#[test]
fn the_programs_of_the_documents_run_as_they_stand() {
    let c = run(&mut build("gcc", &[], &pasted_from_readme("c"), "readme-c"));
    assert_eq!(c, "1 squared is 1\n2 squared is 4\n3 squared is 9\n");
    let cpp = run(&mut build("g++", &["-std=c++17"], &pasted_from_readme("cpp"), "readme-cpp"));
    assert_eq!(cpp, "1 squared is 1\n2 squared is 4 (even)\n3 squared is 9\n84\n");
    let mut python = blocks_in("docs/c-and-cpp.md", "python");
    assert_eq!(python.len(), 2, "the first program, and what a later section adds to it");
    python.push(INTERRUPTED.to_owned());
    let python = run(Command::new(PYTHON).arg(pasted(&python.concat(), "py")));
    let (greeting, canceled) = python.split_once('\n').unwrap();
    assert_eq!(greeting, "hello, postgres");
    assert!(canceled.contains("cancel"), "{canceled}");
}
