//! The options reference in the README is the one that the table of options makes. Its code is run as documentation
//! tests of the crate.

use std::env;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- options: written by `make readme` -->\n";
const END: &str = "<!-- end of options -->\n";

#[test]
fn the_options_reference_in_the_readme_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the options is there");
    let (_, after) = rest.split_once(END).expect("the mark behind the options is there");
    let current = format!("{before}{BEGIN}\n{}\n{END}{after}", holdfast::config::reference_table());
    if env::var_os("HOLDFAST_WRITE_README").is_some() {
        fs::write(&path, current).unwrap();
    } else {
        assert!(readme == current, "the options changed: write the reference anew with `make readme`");
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Appends the text of every source file below a folder.
fn read_sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn files_and_tests_that_the_architecture_page_names_exist() {
    const FOLDERS: [&str; 7] = ["src/", "tests/", "docs/", "bindings/", "scripts/", "examples/", "include/"];
    /// Parts of `src/` and of `src/pool/` that the page names without that.
    const SHORT: [&str; 8] =
        ["connect/", "connection/", "lifecycle/", "link/", "report/", "session/", "sql/", "sys/"];

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let starts = |name: &str, folders: &[&str]| folders.iter().any(|folder| name.starts_with(folder));
    let exists =
        |name: &str| ["", "src", "src/pool"].iter().any(|folder| root.join(folder).join(name).exists());
    let is_path =
        |name: &&str| !name.contains(['<', ' ']) && (starts(name, &FOLDERS) || starts(name, &SHORT));
    let missing: Vec<_> = quoted(&page).filter(is_path).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "no such files: {missing:?}");

    let mut sources = String::new();
    read_sources(&root.join("tests"), &mut sources);
    read_sources(&root.join("src"), &mut sources);
    let (_, rest) = page.split_once("## Invariants").expect("the invariants are there");
    let (invariants, _) = rest.split_once("\n## ").expect("something follows the invariants");
    let tests: Vec<_> = quoted(invariants).filter(|name| name.matches('_').count() >= 3).collect();
    assert!(tests.len() >= 20, "{tests:?}");
    let missing: Vec<_> = tests.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
