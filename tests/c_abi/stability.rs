//! The ABI that programs compiled earlier rely on: the symbols and types of the library are those written down in `abi/`, as
//! `docs/abi.md` rules. `make abi` writes them down anew when functions were added.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::dump::{Change, compare, dump, of_the_library, parameters};
use crate::toolchain::{self, Checked, header, library, root};

/// 0.y before 1.0, then the major version: within a line nothing that programs rely on changes.
fn line() -> String {
    toolchain::soname().trim_start_matches("libholdfast.so.").to_owned()
}

fn baseline() -> PathBuf {
    root().join(format!("abi/holdfast-{}.abi", line()))
}

fn exceptions() -> PathBuf {
    root().join("abi/exceptions.suppr")
}

/// The structs of a header that say their size first, and so may grow.
pub fn growing(header: &str) -> BTreeSet<&str> {
    let structs = header.split("typedef struct ").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once(" {").filter(|(name, _)| !name.contains(';'))?;
        let (body, rest) = rest.split_once("\n}")?;
        let first = body.lines().map(str::trim).find(|line| line.ends_with(';'))?;
        let name = rest.split(';').next()?.trim();
        (first == "uint32_t struct_size;").then_some(name)
    });
    structs.collect()
}

/// How many parameters each function of a header has.
fn declared_parameters(header: &str) -> BTreeMap<String, usize> {
    let declarations = header.split("HOLDFAST_API ").chain(header.split("HOLDFAST_API\n"));
    let functions = declarations.filter_map(|declaration| {
        let declaration = declaration.split(';').next()?;
        let (start, rest) = declaration.split_once('(')?;
        let name = start.rsplit([' ', '*', '\n']).next()?;
        let inner = rest.strip_suffix(')')?;
        // A function pointer among the parameters has parentheses and commas of its own.
        let mut depth = 0;
        let commas = inner.chars().filter(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            *c == ',' && depth == 0
        });
        let count = if inner == "void" { 0 } else { commas.count() + 1 };
        name.starts_with("holdfast_").then(|| (name.to_owned(), count))
    });
    functions.collect()
}

fn exported() -> String {
    let symbols =
        Command::new("nm").args(["-D", "--defined-only"]).arg(library().join("libholdfast.so")).checked();
    let mut names: Vec<_> = symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    names.sort_unstable();
    names.join("\n") + "\n"
}

/// `make abi` sets it to `additions`; `replace` also writes down what breaks programs.
fn update() -> Option<String> {
    env::var("HOLDFAST_UPDATE_ABI").ok()
}

#[test]
#[cfg(target_arch = "x86_64")] // Where the baseline was taken: plain char is signed, pointers have 64 bits.
fn what_programs_rely_on_is_what_is_written_down() {
    let present = toolchain::program("present.abi");
    let text = of_the_library();
    let header = fs::read_to_string(header()).unwrap();
    assert_eq!(parameters(text), declared_parameters(&header), "debug information (left) and header differ");
    fs::write(&present, text).unwrap();
    let mut change = if baseline().exists() {
        compare(&baseline(), &present, &growing(&header), &exceptions())
    } else {
        Change::Additions("there is no baseline of this line of versions yet".to_owned())
    };
    if matches!(
        (update().as_deref(), &change),
        (Some("additions"), Change::Additions(_)) | (Some("replace"), _)
    ) {
        fs::write(baseline(), text).unwrap();
        change = Change::None;
    }
    match change {
        Change::None => {}
        Change::Additions(report) => {
            panic!("the ABI has grown: `make abi` writes that down, please commit it\n{report}")
        }
        Change::Incompatible(report) => {
            panic!("programs compiled earlier may break: see docs/abi.md for what may change when\n{report}")
        }
    }
}

#[test]
fn the_committed_list_of_symbols_is_what_the_library_exports() {
    let list = root().join("abi/symbols.txt");
    let (committed, present) = (fs::read_to_string(&list).unwrap_or_default(), exported());
    let names = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let lost: Vec<_> = names(&committed).difference(&names(&present)).cloned().collect();
    if update().is_some_and(|how| lost.is_empty() || how == "replace") {
        fs::write(&list, &present).unwrap();
        return;
    }
    assert!(
        lost.is_empty(),
        "programs compiled earlier lack {lost:?}: see docs/abi.md for what may change when"
    );
    assert_eq!(committed, present, "functions were added: `make abi` writes that down, please commit it");
}

/// Builds the library `tests/c_abi/specimen.rs`, changed in one respect, and writes down what programs rely on in it.
fn specimen(change: &str) -> PathBuf {
    let library = toolchain::program(&format!("specimen-{change}.so"));
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "--crate-name=specimen",
            "-Cdebuginfo=2",
            "-Dwarnings",
        ])
        .args(["--check-cfg=cfg(change, values(any()))", &format!("--cfg=change=\"{change}\"")])
        .arg(root().join("tests/c_abi/specimen.rs"))
        .arg("-o")
        .arg(&library)
        .checked();
    let abi = library.with_extension("abi");
    fs::write(&abi, dump(&library)).unwrap();
    abi
}

#[test]
fn the_comparison_finds_every_kind_of_change_that_breaks_programs_and_no_other() {
    let before = specimen("none");
    let rules = toolchain::program("specimen.suppr");
    fs::write(&rules, "# No exceptions.\n").unwrap();
    let seen = |change: &str, rules: &Path| {
        compare(&before, &specimen(change), &BTreeSet::from(["holdfast_growing"]), rules)
    };
    for change in ["none", "private"] {
        assert_eq!(seen(change, &rules), Change::None, "{change}");
    }
    for change in ["function-added", "field-at-end"] {
        assert!(matches!(seen(change, &rules), Change::Additions(_)), "{change}: {:?}", seen(change, &rules));
    }
    for change in [
        "function-removed",
        "parameter-type",
        "parameter-added",
        "return-type",
        "field-in-between",
        "field-type",
        "fields-swapped",
        "fixed-struct-grown",
        "array-grown",
        "callback-parameter",
        "callback-record",
    ] {
        assert!(
            matches!(seen(change, &rules), Change::Incompatible(_)),
            "{change}: {:?}",
            seen(change, &rules)
        );
    }
    fs::write(
        &rules,
        "[suppress_function]\n  symbol_name = holdfast_look\n  change_kind = function-subtype-change\n",
    )
    .unwrap();
    assert!(
        !matches!(seen("fixed-struct-grown", &rules), Change::Incompatible(_)),
        "an exception is made as written"
    );
}

#[test]
fn every_struct_that_may_grow_is_tried_at_every_size() {
    let header = fs::read_to_string(header()).unwrap();
    let tried = fs::read_to_string(root().join("tests/c/abi/growth.c")).unwrap();
    let names = growing(&header);
    assert!(names.contains("holdfast_stats") && names.contains("holdfast_acquire_options"), "{names:?}");
    // What no function takes, only callbacks get: there the library makes the struct.
    let functions: String = header
        .split("HOLDFAST_API")
        .skip(1)
        .filter_map(|declaration| declaration.split(';').next())
        .collect();
    let is_given = |name: &str| functions.contains(&format!("{name} *"));
    let missed: Vec<_> = names
        .into_iter()
        .filter(|name| is_given(name) && !tried.contains(&format!("sizeof({name})")))
        .collect();
    assert!(missed.is_empty(), "tests/c/abi/growth.c does not try {missed:?}");
}
