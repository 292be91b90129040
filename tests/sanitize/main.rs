//! The C programs of the tests under sanitizers that see into the library as well, and under valgrind; and seeded mistakes
//! that each of them has to find, so that its silence means something.

#[path = "../c_abi/toolchain.rs"]
#[allow(dead_code)]
mod toolchain;

#[path = "../support/mod.rs"]
mod support;

mod instrumented;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use instrumented::{ADDRESS, Sanitizer, THREAD};
use support::{fill, own_server};
use toolchain::{library, root, sources};

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Runs every program of `tests/c` and collects what went wrong. `prepare` makes a command of the program's source. The
/// programs make tables and drop them, so each watcher's have a server to themselves.
fn run_all(prepare: impl Fn(&Path) -> Command) {
    let server = own_server(|s| s);
    let mut failures = String::new();
    for source in sources() {
        let name = source.file_stem().unwrap().to_str().unwrap();
        let mut command = prepare(&source);
        let begun = Instant::now();
        let output = match name {
            "full" => {
                let full = own_server(|s| s.max_connections(5));
                let _held = fill(&full.url());
                command.arg(full.url()).output()
            }
            "passwords" => {
                let asking = own_server(|s| s.sql("create role app login"));
                asking.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
                command.arg(asking.url()).output()
            }
            _ => command.arg(server.url()).output(),
        };
        let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        println!("{name}: {:.1} s", begun.elapsed().as_secs_f32());
        if !output.status.success() {
            failures.push_str(&format!("{name} ended with {}\n{}\n", output.status, text(&output)));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The seeded mistake is found, and found in the library.
fn is_found(mistake: &str, mut command: Command, report: &str) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = text(&output);
    assert!(!output.status.success(), "{mistake} went unnoticed\n{said}");
    assert!(said.contains(report) && said.contains("holdfast_"), "{mistake}: {said}");
}

fn seeded(mistake: &str) -> std::path::PathBuf {
    root().join("tests/sanitize/seeded").join(mistake).with_extension("c")
}

/// Whether programs may be started at addresses that do not vary. The runtimes of older compilers do not get along with
/// kernels that make them vary more than these were used to.
fn can_fix_addresses() -> bool {
    Command::new("setarch")
        .args(["--addr-no-randomize", "true"])
        .status()
        .is_ok_and(|status| status.success())
}

fn instrumented(sanitizer: &Sanitizer, source: &Path) -> Command {
    let program = sanitizer.program(source);
    let mut command = if can_fix_addresses() {
        let mut fixed = toolchain::bounded("setarch");
        fixed.arg("--addr-no-randomize").arg(program);
        fixed
    } else {
        toolchain::bounded(program)
    };
    command
        .envs(sanitizer.environment())
        .env(toolchain::WATCHED, toolchain::SANITIZER)
        .env_remove("DATABASE_URL");
    command
}

#[test]
fn addresses_are_right_and_nothing_leaks_within_the_library_either() {
    is_found("use_after_free", instrumented(&ADDRESS, &seeded("use_after_free")), "heap-use-after-free");
    is_found("leak", instrumented(&ADDRESS, &seeded("leak")), "detected memory leaks");
    run_all(|source| instrumented(&ADDRESS, source));
}

#[test]
fn threads_do_not_race_within_the_library_either() {
    is_found("race", instrumented(&THREAD, &seeded("race")), "data race");
    run_all(|source| instrumented(&THREAD, source));
}

/// A program under valgrind, which sees above all what the sanitizers do not: decisions on memory never written.
fn under_valgrind(source: &Path) -> Command {
    let name = format!("{}-valgrind", source.file_stem().unwrap().to_str().unwrap());
    let include = format!("-I{}", root().join("tests/c").display());
    let program = toolchain::build_file("gcc", source, &name, &["-g", &include]);
    // A child of fork has the memory of its parent's threads, but not the threads: all that they held looks lost.
    let forks = fs::read_to_string(source).unwrap().contains("fork()");
    let mut command = toolchain::bounded("valgrind");
    command
        // Else a thread that waits by looking over and over may keep the others from running at all.
        .args([
            "--fair-sched=try",
            "--quiet",
            "--error-exitcode=9",
            "--errors-for-leak-kinds=definite",
            "--num-callers=30",
        ])
        .arg(if forks { "--leak-check=no" } else { "--leak-check=full" })
        .arg(program)
        .env("LD_LIBRARY_PATH", library())
        .env(toolchain::WATCHED, "valgrind")
        .env_remove("DATABASE_URL");
    command
}

#[test]
fn valgrind_finds_no_use_of_memory_never_written() {
    is_found("uninitialized", under_valgrind(&seeded("uninitialized")), "uninitialised");
    is_found("leak", under_valgrind(&seeded("leak")), "definitely lost");
    run_all(under_valgrind);
}
