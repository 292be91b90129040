//! Building the library and the C programs, and running them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;

pub const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror"];

/// Sanitizers for addresses and undefined behaviour; the debug information is what their reports need to name lines.
pub const SANITIZED: [&str; 3] = ["-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover"];

/// Set for a program that a sanitizer or valgrind watches, which have memory and threads of their own; says which.
pub const WATCHED: &str = "HOLDFAST_TEST_WATCHED";
pub const SANITIZER: &str = "sanitizer";

/// Runs a program that has to end within five minutes, which is many times what the slowest takes: one that hangs must not
/// take all other results with it.
pub fn bounded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    // A look at other pools takes a connection for a moment, for long where a watcher makes everything slow: what counts
    // connections to the last one does without, and what is about that asks for it.
    command.env("HOLDFAST_FLEET_SHARE", "false");
    command.args(["--signal=ABRT", "--kill-after=10", "300"]).arg(program);
    command
}

/// Runs a command that has to succeed.
pub trait Checked {
    /// Returns its output; panics with all of it when it fails.
    fn checked(&mut self) -> String;
}

impl Checked for Command {
    #[track_caller]
    fn checked(&mut self) -> String {
        let output = self.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{self:?}: {e}"));
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{self:?} ended with {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

/// Runs commands that have to succeed, as many at a time as there are processors.
pub fn all_checked(commands: impl IntoIterator<Item = Command>) {
    let left = Mutex::new(commands.into_iter().collect::<Vec<_>>());
    let next = || left.lock().unwrap().pop();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(mut command) = next() {
                    command.checked();
                }
            });
        }
    });
}

/// The repository. The tests of the test kit, a package in a folder of it, use this file as well.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("include/holdfast.h").exists()).unwrap_or(package)
}

pub fn header() -> PathBuf {
    root().join("include/holdfast.h")
}

/// The files below a folder, in its sub-folders too, whose names end in `.extension`.
pub fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut found = vec![];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new(extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The C programs of the tests.
pub fn sources() -> Vec<PathBuf> {
    files_below("tests/c", "c")
}

pub fn tool_exists(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

pub fn soname() -> String {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let line = if major == "0" { format!("0.{minor}") } else { major.to_owned() };
    format!("libholdfast.so.{line}")
}

/// Runs a target of the Makefile with the libraries in the profile of these tests, whose dependencies are built already.
pub fn make(target_name: &str, extra: &[&OsStr]) {
    Command::new("make")
        .args(["--no-print-directory", target_name])
        .args(["LIB_PROFILE=dev", "LIB_FEATURES=--all-features"])
        .arg(variable("TARGET", target()))
        .args(extra)
        .current_dir(root())
        .env("CARGO", std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .checked();
}

pub fn variable(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut setting = OsString::from(name);
    setting.push("=");
    setting.push(value);
    setting
}

pub fn target() -> PathBuf {
    // The directory of this test program is <target>/<profile>/deps.
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
}

/// Where cargo puts what it builds in the profile of these tests.
pub fn built() -> PathBuf {
    target().join("debug")
}

/// Where `make install` put everything, once for all tests of this program.
pub fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = target().join("c/installed");
        make("install", &[&variable("PREFIX", &tree)]);
        tree
    })
}

/// Where the libraries are.
pub fn library() -> PathBuf {
    tree().join("lib")
}

pub fn program(name: &str) -> PathBuf {
    let programs = target().join("c/programs");
    fs::create_dir_all(&programs).unwrap();
    programs.join(name)
}

/// A compiler, told where the header is and to complain about everything.
pub fn compiler(name: &str) -> Command {
    let mut command = Command::new(name);
    command.args(WARNINGS).arg("-I").arg(root().join("include"));
    command
}

pub fn build_file(cc: &str, source: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let program = program(name);
    compiler(cc)
        .args(flags)
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library())
        .args(["-lholdfast", "-lpthread", "-lm"])
        .checked();
    program
}

/// A test program linked with the shared library.
pub fn build(cc: &str, name: &str, variant: &str, flags: &[&str]) -> PathBuf {
    let source = sources().into_iter().find(|path| path.file_stem() == Some(OsStr::new(name)));
    build_file(
        cc,
        &source.unwrap_or_else(|| panic!("tests/c has no {name}.c")),
        &format!("{name}-{variant}"),
        flags,
    )
}

/// Compiles a test program plainly and with the sanitizers for addresses and undefined behaviour, and runs both.
pub fn run_every_way(name: &str, argument: &str) {
    let plain = build("gcc", name, "plain", &["-std=c99", "-O2"]);
    let sanitized = build("gcc", name, "sanitized", &[&["-std=c17"], &SANITIZED[..]].concat());
    for (program, watched) in [(plain, false), (sanitized, true)] {
        // A program must not depend on the environment in which the tests run.
        let mut command = bounded(program);
        command.arg(argument).env("LD_LIBRARY_PATH", library()).env_remove("DATABASE_URL");
        if watched {
            command.env(WATCHED, SANITIZER);
        }
        command.checked();
    }
}
