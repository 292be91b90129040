//! Checks of the arrangement of `src/`, `tests/`, `cli/`, `testkit/` and `bindings/`: the rules that a compiler does not
//! enforce; and of the scripts that run all checks.

#[path = "house/again.rs"]
mod again;
#[path = "house/steps.rs"]
mod steps;
#[path = "house/workflows.rs"]
mod workflows;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines a source file of `src/`, `tests/`, `cli/` and `testkit/` may have.
const MOST_LINES: usize = 450;

/// Files that a folder of `FOLDERS` may have at one level.
const MOST_FILES: usize = 15;

/// Sources whose folders are looked through for too many files at one level.
const FOLDERS: [&str; 11] = [
    "src",
    "tests",
    "fuzz/drivers",
    "cli/src",
    "cli/tests",
    "testkit/src",
    "testkit/tests",
    "bindings/cpp",
    "bindings/node/lib",
    "bindings/node/src",
    "bindings/node/test",
];

/// Columns that a line of a comment may have.
const MOST_COLUMNS: usize = 132;

/// Its rows have their documentation in one line each.
const OPTION_ROWS: &str = "src/config/options.rs";

/// The endings of source files; others hold data.
const SOURCE_ENDINGS: [&str; 8] = ["rs", "c", "h", "cc", "cpp", "hpp", "js", "css"];

/// Rooms that spell SQLSTATE codes: they decide by them, or play the server that sends them.
const SPELL_SQLSTATES: [&str; 2] = ["error/", "testing/"];

/// Rooms that name `crate::ffi`: itself, and what the fuzzers call.
const NAME_FFI: [&str; 3] = ["ffi/", "lib.rs", "testing/fuzzing.rs"];

/// Folders and files of `src/pool` that own state and answer with decisions.
const PARTS: [&str; 5] =
    ["pool/telemetry/", "pool/admission/", "pool/connection/", "pool/outage/", "pool/fleet/"];

/// Rooms of the pool above the parts: the core, what flows use, and the flows.
const ABOVE_PARTS: [&str; 9] = [
    "core",
    "guards",
    "tasks",
    "lifecycle",
    "server",
    "report",
    "transaction",
    "pooled_connection",
    "handle",
];

/// Upper bounds of the figures that `scripts/structure.py` prints.
const FIGURES: [(&str, u32); 11] = [
    ("longest file of src", 450),
    ("longest file of tests", 450),
    ("longest file of cli", 450),
    ("most files at one level of src", 15),
    ("most files at one level of tests", 15),
    ("most files at one level of cli", 15),
    ("longest file of testkit/src", 450),
    ("most files at one level of testkit/src", 15),
    ("arrows in pool", 60),
    ("arrows up in pool", 4),
    ("circles of files in pool", 0),
];

/// A file of `src/` or `cli/src/`.
struct Source {
    /// The path below `src/`, or from `cli/` on, with `/` between its parts.
    name: String,
    text: String,
}

impl Source {
    /// Returns whether the whole file is compiled for tests or fuzzers only.
    fn is_test(&self) -> bool {
        let mut parts = self.name.split('/').rev();
        let file = parts.next().unwrap_or_default();
        file == "tests.rs"
            || file.ends_with("_tests.rs")
            || file == "fuzzing.rs"
            || parts.any(|folder| folder == "tests")
    }

    /// Returns the numbered lines of code: without comments, and without the module of tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end =
            self.text.find("\n#[cfg(test)]\nmod ").filter(|at| self.text[*at..].contains("mod tests {"));
        let code = &self.text[..end.unwrap_or(self.text.len())];
        (1..).zip(code.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_in(&self, rooms: &[&str]) -> bool {
        rooms.iter().any(|room| self.name.starts_with(room))
    }
}

/// Returns all files below a folder of the package.
fn files_below(folder: &str) -> Vec<PathBuf> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                visit(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    visit(&root, &mut found);
    assert!(!found.is_empty(), "no sources were found in {}", root.display());
    found
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|one| ending == *one))
}

/// Returns the path below the package.
fn name_of(path: &Path) -> String {
    let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
    name.to_str().unwrap().replace('\\', "/")
}

fn sources() -> Vec<Source> {
    let files = ["src", "cli/src"].into_iter().flat_map(files_below);
    files
        .filter(|path| has_ending(path, &["rs"]))
        .map(|path| Source {
            name: name_of(&path).trim_start_matches("src/").to_owned(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect()
}

/// Returns the lines, as `file:line: text`, that break a rule.
fn offenders(applies: impl Fn(&Source) -> bool, breaks: impl Fn(&str) -> bool) -> String {
    let mut list = String::new();
    for source in sources().iter().filter(|source| applies(source)) {
        for (number, line) in source.code().filter(|(_, line)| breaks(line)) {
            let folder = if source.is_in(&["cli/"]) { "" } else { "src/" };
            list += &format!("{folder}{}:{number}: {}\n", source.name, line.trim());
        }
    }
    list
}

/// Returns whether a line has a string literal of five digits and capitals. A code has at least one digit, words have none.
fn spells_a_sqlstate(line: &str) -> bool {
    line.split('"').skip(1).step_by(2).any(|literal| {
        literal.len() == 5
            && literal.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
            && literal.bytes().any(|b| b.is_ascii_digit())
    })
}

/// Returns whether a line names one of the pool's rooms, from within a part.
fn names_pool_room(line: &str, room: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["crate::pool::", "super::super::"]
        .iter()
        .any(|prefix| line.split(prefix).skip(1).any(|rest| rest.strip_prefix(room).is_some_and(is_end)))
}

/// Returns whether a line names one of the crate's rooms, as a path of its own or among others in braces.
fn names_room(line: &str, room: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let direct = line.split("crate::").skip(1).any(|rest| rest.strip_prefix(room).is_some_and(is_end));
    let braced = line.split("crate::{").skip(1).any(|rest| {
        rest.split([',', '{', '}']).any(|item| item.trim().strip_prefix(room).is_some_and(is_end))
    });
    direct || braced
}

#[test]
fn sqlstates_are_spelled_in_the_error_room_only() {
    let list = offenders(|s| !s.is_test() && !s.is_in(&SPELL_SQLSTATES), spells_a_sqlstate);
    assert!(
        list.is_empty(),
        "put a named predicate into src/error/sqlstate.rs instead of these literals:\n{list}"
    );
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let files = ["src", "tests", "fuzz/drivers", "cli", "testkit/src", "testkit/tests"]
        .into_iter()
        .flat_map(files_below);
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    let too_long: Vec<String> = files
        .filter(|path| has_ending(path, &SOURCE_ENDINGS))
        .map(|path| (lines(&path), name_of(&path)))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    assert!(too_long.is_empty(), "more than {MOST_LINES} lines: {too_long:#?}");
}

#[test]
fn no_folder_has_more_files_than_one_look_takes_in() {
    let mut counts = BTreeMap::<String, usize>::new();
    for path in FOLDERS.into_iter().flat_map(files_below) {
        *counts.entry(name_of(path.parent().unwrap())).or_default() += 1;
    }
    counts.retain(|_, count| *count > MOST_FILES);
    assert!(counts.is_empty(), "more than {MOST_FILES} files at one level: {counts:#?}");
}

/// Returns whether a line is a comment in prose: no tag of a type for JavaScript, and no code of an example.
fn is_prose(line: &str) -> bool {
    let line = line.trim_start();
    let text = line.trim_start_matches(['/', '*', '!', ' ']);
    (line.starts_with("//") || line.starts_with("* "))
        && !text.starts_with('@')
        && !text.starts_with("assert")
}

#[test]
fn comments_are_no_wider_than_a_screen() {
    let files = FOLDERS.into_iter().flat_map(files_below).filter(|path| has_ending(path, &SOURCE_ENDINGS));
    let mut list = String::new();
    for path in files.filter(|path| name_of(path) != OPTION_ROWS) {
        for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
            if is_prose(line) && line.chars().count() > MOST_COLUMNS {
                list += &format!("{}:{number}: {} columns\n", name_of(&path), line.chars().count());
            }
        }
    }
    assert!(list.is_empty(), "more than {MOST_COLUMNS} columns:\n{list}");
}

#[test]
fn the_link_names_no_room_above_it() {
    let names_any = |line: &str| ["pool", "session", "connect"].iter().any(|room| names_room(line, room));
    let list = offenders(|s| s.is_in(&["link/"]), names_any);
    assert!(list.is_empty(), "link is below pool, session and connect:\n{list}");
}

#[test]
fn nothing_depends_on_the_c_abi() {
    let list = offenders(|s| !s.is_in(&NAME_FFI), |line| names_room(line, "ffi"));
    assert!(list.is_empty(), "ffi is the outermost room:\n{list}");
}

#[test]
fn parts_of_the_pool_name_neither_its_core_nor_its_flows() {
    let names_any = |line: &str| ABOVE_PARTS.iter().any(|room| names_pool_room(line, room));
    let list = offenders(|s| !s.is_test() && s.is_in(&PARTS), names_any);
    assert!(list.is_empty(), "let a part answer with a decision, which a flow carries out:\n{list}");
}

#[test]
fn the_figures_of_the_arrangement_stay_within_bounds() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/structure.py");
    let output = Command::new("python3").arg(script).output().expect("python3 runs scripts/structure.py");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    for (name, bound) in FIGURES {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let figure = line.and_then(|line| line.split(' ').next()?.parse::<u32>().ok());
        assert!(figure.is_some_and(|figure| figure <= bound), "{name}: at most {bound}, in\n{printed}");
    }
}

#[test]
fn the_checks_find_what_they_are_for() {
    for line in [r#"if code == "57014" {"#, r#"(b"25006", 1)"#, r#"["4", "XX000"]"#] {
        assert!(spells_a_sqlstate(line), "{line}");
    }
    assert!(is_prose("    // why") && is_prose(" * why") && is_prose("/// What."));
    assert!(!is_prose("let why = 1; // of code") && !is_prose(" * @param {string} text"));
    for line in [r#"severity == "FATAL""#, r#""4096""#, r#"("a57014b", "5701")"#] {
        assert!(!spells_a_sqlstate(line), "{line}");
    }
    assert!(
        names_room("use crate::pool::Pool;", "pool") && names_room("use crate::{error, pool::Pool};", "pool")
    );
    assert!(names_pool_room("use crate::pool::core::Core;", "core"));
    assert!(!names_pool_room("use crate::pool::server_slots::Slots;", "server"));
    assert!(!names_room("use crate::pooler;", "pool") && !names_room("use std::ffi::CStr;", "ffi"));
}

/// Else what `make fuzz-bounds` shows is found out only when somebody runs it.
#[test]
fn every_bound_that_is_to_be_broken_stands_in_the_sources() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fuzz-bounds.py");
    let output = Command::new("python3").arg(script).arg("--fit").output().expect("python3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
