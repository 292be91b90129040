//! What the wrapper for C++ promises: the programs in `tests/cpp`, compiled against `bindings/cpp/holdfast.hpp` by every
//! compiler that is there, run on a real server; and that wrapper and C header agree.

#[allow(dead_code)]
#[path = "c_abi/toolchain.rs"]
mod toolchain;

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::server;
use toolchain::{Checked, header, library, root, tool_exists};

/// The header that programs include, whose parts are in the directory of the same name.
fn wrapper() -> PathBuf {
    root().join("bindings/cpp/holdfast.hpp")
}

/// The parts of the wrapper, as programs include them: `holdfast/pool.hpp`.
fn parts() -> Vec<String> {
    let found = Command::new("find").args(["holdfast", "-type", "f"]).current_dir(bindings()).checked();
    let mut parts: Vec<_> = found.lines().map(str::to_owned).collect();
    parts.sort_unstable();
    parts
}

fn bindings() -> PathBuf {
    root().join("bindings/cpp")
}

/// The text of the wrapper with all its parts.
fn whole() -> String {
    let parts = parts().into_iter().map(|part| fs::read_to_string(bindings().join(part)).unwrap());
    fs::read_to_string(wrapper()).unwrap() + &parts.collect::<String>()
}

fn programs() -> Vec<PathBuf> {
    let found = fs::read_dir(root().join("tests/cpp")).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.extension().is_some_and(|e| e == "cpp")).collect()
}

/// A compiler of C++, told where the headers are and to complain about everything.
fn compiler(name: &str, version: &str) -> Command {
    let mut command = toolchain::compiler(name);
    command.args([version, "-Wshadow", "-I"]).arg(bindings());
    command
}

fn compilers() -> impl Iterator<Item = &'static str> {
    ["g++", "clang++"].into_iter().filter(|name| tool_exists(name))
}

fn build(compiler_name: &str, version: &str, flags: &[&str], sources: &[&Path], name: &str) -> PathBuf {
    let program = toolchain::program(name);
    compiler(compiler_name, version)
        .args(flags)
        .args(sources)
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library())
        .args(["-lholdfast", "-lpthread"])
        .checked();
    program
}

/// Compiles a test program plainly, by every compiler, and with the sanitizers for addresses and undefined behaviour, and
/// runs all of that.
fn run_every_way(name: &str) {
    const SANITIZED: [&str; 3] = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"];
    let ways = [
        ("g++", "-std=c++17", "plain", &["-O2"][..]),
        ("clang++", "-std=c++20", "clang", &["-O1"][..]),
        ("g++", "-std=c++20", "sanitized", &SANITIZED[..]),
    ];
    let source = root().join("tests/cpp").join(name).with_extension("cpp");
    for (compiler, version, way, flags) in ways {
        if tool_exists(compiler) {
            let program = build(compiler, version, flags, &[&source], &format!("cpp-{name}-{way}"));
            // A program must not depend on the environment of whoever runs the tests.
            Command::new(program)
                .arg(server().url())
                .env("LD_LIBRARY_PATH", library())
                .env_remove("DATABASE_URL")
                .checked();
        }
    }
}

#[test]
fn the_wrapper_compiles_without_a_warning_in_every_version_of_cxx_from_17() {
    for name in compilers() {
        for version in ["-std=c++17", "-std=c++20", "-std=c++2b"] {
            compiler(name, version).args(["-fsyntax-only", "-x", "c++"]).arg(wrapper()).checked();
        }
        // Templates are checked when they are used. In other versions they are by the tests that run.
        compiler(name, "-std=c++2b").arg("-fsyntax-only").args(programs()).checked();
    }
}

#[test]
fn each_part_of_the_wrapper_compiles_by_itself_without_a_warning() {
    // Alone in the version in which the standard headers bring along fewest others. As in any other version they see the
    // same of each other, the rest is checked of all of them together, above.
    let commands = parts().into_iter().map(|part| {
        let mut command = compiler(compilers().next().unwrap(), "-std=c++17");
        command.args(["-fsyntax-only", "-x", "c++"]).arg(bindings().join(part));
        command
    });
    toolchain::all_checked(commands);
}

#[test]
fn the_wrapper_has_all_its_parts() {
    let text = fs::read_to_string(wrapper()).unwrap();
    let included: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("#include \"")?.strip_suffix('"')).collect();
    let parts = parts();
    // What is a detail is included by whatever needs it.
    let own = parts.iter().map(String::as_str).filter(|part| !part.starts_with("holdfast/detail/"));
    assert_eq!(included, own.collect());
}

#[test]
fn several_parts_of_a_program_may_include_the_wrapper() {
    let parts = parts();
    let include = |part: &String| format!("#include <{part}>\n");
    let forwards: String = parts.iter().map(include).collect();
    let backwards: String = parts.iter().rev().map(include).collect();
    let whole = "#include <holdfast.hpp>\n".to_owned();
    let files = [("one", whole.clone() + &forwards + &whole), ("two", backwards + &forwards)];
    let files = files.map(|(name, includes)| {
        let path = toolchain::program(&format!("including-{name}.cpp"));
        let main = if name == "one" { "int two(); int main() { return one() - two(); }" } else { "" };
        let text = format!(
            "{includes}int {name}();\n\
             int {name}() {{ return static_cast<int>(holdfast::version().size()); }}\n{main}\n"
        );
        fs::write(&path, text).unwrap();
        path
    });
    let files = files.each_ref().map(PathBuf::as_path);
    let program = build("g++", "-std=c++17", &[], &files, "including");
    Command::new(program).env("LD_LIBRARY_PATH", library()).checked();
}

#[test]
fn the_wrapper_defines_no_macro_but_its_guards() {
    for header in parts().into_iter().chain(["holdfast.hpp".to_owned()]) {
        let text = fs::read_to_string(bindings().join(&header)).unwrap();
        let defined: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("#define ")).collect();
        assert_eq!(defined, [header.replace(['/', '.'], "_").to_uppercase()]);
    }
}

/// Names of the library's that a text mentions.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.to_ascii_lowercase().starts_with("holdfast_"))
        .collect()
}

#[test]
fn whatever_the_c_header_has_the_wrapper_has_too() {
    // What it has in another way: kind() is the name of the status, attempts() counts itself, a program that wants a number
    // has HOLDFAST_VERSION_NUMBER, the completions of its queues need no kind.
    const OTHERWISE: [&str; 3] =
        ["holdfast_error_kind", "holdfast_error_attempt_count", "holdfast_version_number"];
    let (header, wrapper) = (fs::read_to_string(header()).unwrap(), whole());
    let used = names(&wrapper);
    let functions = header.split("HOLDFAST_API").skip(1).filter_map(|declaration| {
        declaration
            .split('(')
            .next()?
            .rsplit([' ', '*', '\n'])
            .next()
            .filter(|name| name.starts_with("holdfast_"))
    });
    let kinds =
        ["STATUS", "FIELD", "FORMAT", "ISOLATION", "ACCESS", "DEFERRABLE", "TRANSACTION", "PIPELINE", "LOG"];
    let constants = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_whitespace().next())
        .filter(|name| kinds.iter().any(|kind| name.starts_with(&format!("HOLDFAST_{kind}_"))));
    let there: Vec<_> = functions.chain(constants).collect();
    assert!(there.len() > 100, "{there:?}");
    let missed: Vec<_> =
        there.into_iter().filter(|name| !used.contains(name) && !OTHERWISE.contains(name)).collect();
    assert!(missed.is_empty(), "the wrapper has nothing for {missed:?}");
}

#[test]
fn values_go_in_and_come_out_and_errors_say_everything() {
    run_every_way("values");
}

#[test]
fn handles_move_free_themselves_and_cost_nothing() {
    run_every_way("handles");
}

#[test]
fn transactions_run_again_and_let_exceptions_through() {
    run_every_way("transactions");
}

#[test]
fn connections_stream_copy_pipeline_and_are_cancelled() {
    run_every_way("connections");
}

#[test]
fn what_is_submitted_comes_back_exactly_once() {
    run_every_way("queues");
}

#[test]
fn pools_are_configured_watched_and_closed() {
    run_every_way("pools");
}
