//! Checks of the documents: the generated parts are current, and what they name and link to exists. Their Rust code is run by
//! the documentation tests of the crate, their other programs by tests/examples.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- options: written by `make readme` -->\n";
const END: &str = "<!-- end of options -->\n";

#[test]
fn the_options_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the options is there");
    let (_, after) = rest.split_once(END).expect("the mark behind the options is there");
    let current = format!("{before}{BEGIN}\n{}\n{END}{after}", holdfast::config::reference_table());
    if env::var_os("HOLDFAST_WRITE_README").is_some() {
        fs::write(&path, current).unwrap();
    } else {
        assert!(page == current, "the options changed: write the reference anew with `make readme`");
    }
}

/// Returns the texts between backticks.
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
    const FOLDERS: [&str; 9] =
        ["src/", "cli/", "testkit/", "tests/", "docs/", "bindings/", "scripts/", "examples/", "include/"];
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
    read_sources(&root.join("cli"), &mut sources);
    let (_, rest) = page.split_once("## Invariants").expect("the invariants are there");
    let (invariants, _) = rest.split_once("\n## ").expect("something follows the invariants");
    let tests: Vec<_> = quoted(invariants).filter(|name| name.matches('_').count() >= 3).collect();
    assert!(tests.len() >= 20, "{tests:?}");
    let missing: Vec<_> = tests.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

/// The documents, by their paths below the repository.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["", "docs", "cli", "testkit", "bindings/node", ".github", ".github/ISSUE_TEMPLATE"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.filter(|name| Path::new(name).extension().is_some_and(|e| e == "md"));
        found.extend(names.map(|name| Path::new(folder).join(name)));
    }
    assert!(found.len() > 12, "{found:?}");
    found
}

/// The lines outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchors of a document's headings, as GitHub makes them: a second heading of one name gets `-1`.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let earlier =
            found.iter().filter(|a| a.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit()) == anchor);
        let count = earlier.count();
        found.push(if count == 0 { anchor } else { format!("{anchor}-{count}") });
    }
    found
}

/// The targets of a document's links.
fn links(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
        .filter(|target| !target.contains(' '))
        .collect()
}

#[test]
fn links_between_documents_lead_to_files_and_headings_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(root.join(&document)).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() {
                root.join(&document)
            } else {
                root.join(document.parent().unwrap()).join(file)
            };
            let is_there = match anchor {
                None => target.exists(),
                Some(anchor) => {
                    fs::read_to_string(&target).is_ok_and(|text| anchors(&text).iter().any(|a| a == anchor))
                }
            };
            if !is_there {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere: {broken:#?}");
    assert!(count > 60, "only {count} links were found");
}

#[test]
fn the_checks_of_links_find_what_they_are_for() {
    let text = "# C\n\n## C++\n\n### `make` it, now\n\n```text\n# no heading [x](nowhere)\n```\n\nsee [a](b.md#c) and [d](e)\n";
    assert_eq!(anchors(text), ["c", "c-1", "make-it-now"]);
    assert_eq!(links(text), ["b.md#c", "e"]);
}

#[test]
fn the_book_has_every_chapter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let listed = links(&summary);
    for document in documents().iter().filter(|path| path.starts_with("docs")) {
        let name = document.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || listed.contains(&name), "docs/SUMMARY.md does not list {name}");
    }
}

#[test]
fn the_readme_can_be_read_in_one_sitting() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let lines = readme.lines().count();
    assert!(lines <= 250, "README.md has {lines} lines: move what is over 250 to docs/");
}

#[test]
fn the_packages_have_one_version() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = fs::read_to_string(root.join("bindings/node/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_str(&package).unwrap();
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"), "bindings/node/package.json");
    // The program needs the library of exactly its own version.
    let program = fs::read_to_string(root.join("cli/Cargo.toml")).unwrap();
    let own = format!("version = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    let needed = format!("pg-holdfast = {{ version = \"={}\"", env!("CARGO_PKG_VERSION"));
    assert!(program.contains(&own) && program.matches(&needed).count() == 2, "cli/Cargo.toml");
    let changes = fs::read_to_string(root.join("CHANGELOG.md")).unwrap();
    let newest =
        changes.lines().find_map(|line| line.strip_prefix("## ")).expect("the changelog has a section");
    assert!(newest.starts_with(env!("CARGO_PKG_VERSION")), "CHANGELOG.md begins with {newest}");
}
