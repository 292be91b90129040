//! Promises of the manifest and of the two lock files.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

type TestResult = Result<(), Box<dyn Error>>;

/// The packages of this workspace.
const PACKAGES: [&str; 2] = ["pg-holdfast", "holdfast-cli"];

/// Runs cargo in the package's folder, without the network, and returns what it printed.
fn cargo(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err(errors.into()) }
}

/// The packages of this machine's platform: those of others need not have been downloaded.
fn metadata() -> Result<Value, Box<dyn Error>> {
    let rustc = Command::new("rustc").arg("-vV").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let text = cargo(&[
        "metadata",
        "--locked",
        "--offline",
        "--all-features",
        "--format-version=1",
        "--filter-platform",
        host,
    ])?;
    Ok(serde_json::from_str(&text)?)
}

/// `1.88` and `1.88.0` are the same.
fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map_while(|number| number.parse().ok()).collect();
    numbers.resize(3, 0);
    numbers
}

#[test]
fn no_locked_package_needs_a_newer_rust_than_the_manifest_promises() -> TestResult {
    let promised = version(env!("CARGO_PKG_RUST_VERSION"));
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let newer: Vec<String> = packages
        .iter()
        .filter(|package| package["rust_version"].as_str().is_some_and(|needed| version(needed) > promised))
        .map(|package| {
            format!("{} {} needs Rust {}", package["name"], package["version"], package["rust_version"])
        })
        .collect();
    assert!(newer.is_empty(), "{newer:#?}");
    Ok(())
}

#[test]
fn no_feature_is_named_after_an_optional_dependency() -> TestResult {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    for name in PACKAGES {
        let own = packages.iter().find(|package| package["name"] == name).ok_or("not found")?;
        let features = own["features"].as_object().ok_or("no features")?;
        let dependencies = own["dependencies"].as_array().ok_or("no dependencies")?;
        let accidental: Vec<&str> = dependencies
            .iter()
            .filter(|dependency| dependency["optional"] == true)
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| features.contains_key(*name))
            .collect();
        assert!(accidental.is_empty(), "{name}: {accidental:?}");
    }
    Ok(())
}

/// The library's manifest names the test kit, whose version must be on the registry first: so the test kit may need nothing of the
/// library but for its own tests, which are not published with a version.
#[test]
fn the_test_kit_has_the_version_of_the_library_and_does_not_depend_on_it() -> TestResult {
    const TEST_KIT: &str = "pg-holdfast-testkit";
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let kit = packages.iter().find(|package| package["name"] == TEST_KIT).ok_or("no test kit")?;
    assert_eq!(kit["version"], env!("CARGO_PKG_VERSION"), "testkit/Cargo.toml");
    for dependency in kit["dependencies"].as_array().ok_or("no dependencies")? {
        let on_library = dependency["name"] == env!("CARGO_PKG_NAME");
        assert!(!on_library || (dependency["kind"] == "dev" && dependency["req"] == "*"), "{dependency}");
    }
    let own = packages.iter().find(|package| package["name"] == env!("CARGO_PKG_NAME")).ok_or("not found")?;
    let dependencies = own["dependencies"].as_array().ok_or("no dependencies")?;
    let named: Vec<_> = dependencies.iter().filter(|dependency| dependency["name"] == TEST_KIT).collect();
    assert!(!named.is_empty(), "the library's tests use the test kit");
    for dependency in named {
        assert_eq!(dependency["req"], format!("^{}", env!("CARGO_PKG_VERSION")), "{dependency}");
    }
    Ok(())
}

/// A stale lock file keeps `make fuzz` from starting. Mended by `cargo update --workspace --manifest-path fuzz/Cargo.toml`.
#[test]
fn the_lock_file_of_the_fuzzers_fits_their_manifest() -> TestResult {
    cargo(&["update", "--workspace", "--locked", "--offline", "--manifest-path", "fuzz/Cargo.toml"])?;
    Ok(())
}

/// Each package is named in the files that the table says it serves in, and no package that the project was asked to build on is
/// left out.
#[test]
fn the_architecture_page_tells_where_each_main_package_serves() -> TestResult {
    const FOUNDATIONS: [&str; 9] = [
        "r2d2",
        "r2d2_postgres",
        "postgres",
        "postgres-types",
        "openssl",
        "postgres-openssl",
        "parking_lot",
        "log",
        "cbindgen",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md"))?;
    let (_, table) = page.split_once("## What the main packages serve for").ok_or("the table is there")?;
    let mut told = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let [_, package, purpose, places, _] = row.split('|').collect::<Vec<_>>()[..] else {
            return Err(format!("a row of three columns: {row}").into());
        };
        let package = package.trim().trim_matches('`');
        assert!(purpose.trim().len() > 10, "{row}");
        let places: Vec<&str> = places.split('`').filter(|place| place.ends_with(".rs")).collect();
        assert!(!places.is_empty(), "{row}");
        for place in places {
            let source = fs::read_to_string(root.join(place)).map_err(|e| format!("{place}: {e}"))?;
            let name = package.replace('-', "_");
            let is_used = source.contains(&format!("{name}::"));
            assert!(is_used, "{place} does not use {package}");
        }
        told.push(package);
    }
    let missing: Vec<_> = FOUNDATIONS.iter().filter(|package| !told.contains(package)).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    Ok(())
}

/// The programs that use the library compile none of what only the command line needs.
#[test]
fn the_library_needs_nothing_that_only_the_program_needs() -> TestResult {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let needs = |name: &str| -> Vec<&str> {
        let own = packages.iter().find(|package| package["name"] == name);
        let dependencies = own.and_then(|own| own["dependencies"].as_array()).into_iter().flatten();
        dependencies.filter(|d| d["kind"].is_null()).filter_map(|d| d["name"].as_str()).collect()
    };
    let (library, program) = (needs("pg-holdfast"), needs("holdfast-cli"));
    for name in ["clap", "clap_complete", "clap_mangen", "ratatui", "ureq", "signal-hook"] {
        assert!(program.contains(&name) && !library.contains(&name), "{name}: {library:?}, {program:?}");
    }
    Ok(())
}

/// `include` in the manifest takes what git ignores, too: what npm installed for an example was published with the crate.
#[test]
fn the_published_crates_have_only_what_is_in_the_repository() -> TestResult {
    const WRITTEN_BY_CARGO: [&str; 3] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];
    let tracked = Command::new("git").args(["ls-files"]).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    let tracked = String::from_utf8(tracked.stdout)?;
    let tracked: Vec<_> = tracked.lines().collect();
    assert!(tracked.len() > 400, "git has {} files", tracked.len());
    let wanted: [(&str, &str, &[&str]); 2] = [
        ("pg-holdfast", "", &["src/lib.rs", "include/holdfast.h", "examples/ledger.rs", "LICENSE-MIT"]),
        ("holdfast-cli", "cli/", &["src/lib.rs", "src/bin/holdfast/main.rs", "README.md", "LICENSE-MIT"]),
    ];
    for (package, folder, files) in wanted {
        let listed = cargo(&["package", "--list", "--offline", "--allow-dirty", "--package", package])?;
        let is_tracked = |file: &str| tracked.contains(&format!("{folder}{file}").as_str());
        let others: Vec<_> =
            listed.lines().filter(|file| !WRITTEN_BY_CARGO.contains(file) && !is_tracked(file)).collect();
        let some = &others[..others.len().min(5)];
        assert!(others.is_empty(), "{package}: {} files are not in the repository: {some:?}", others.len());
        for file in files {
            assert!(listed.lines().any(|line| line == *file), "{package}: {file} is not published");
        }
        let is_test = |file: &&str| {
            file.starts_with("src/")
                && ["/tests", "_tests.rs", "fuzzing"].iter().any(|part| file.contains(part))
        };
        let tests: Vec<_> = listed.lines().filter(is_test).collect();
        assert!(tests.is_empty(), "{package}: tests are published: {tests:?}");
    }
    Ok(())
}

/// All of them, but what needs a checkout (`fuzzing`) and what builds OpenSSL (`vendored`).
#[test]
fn docs_rs_documents_every_feature() -> TestResult {
    let manifest = std::fs::read_to_string("Cargo.toml")?;
    let documented =
        manifest.split("[package.metadata.docs.rs]").nth(1).and_then(|rest| rest.split(']').next());
    let documented: Vec<_> = documented.unwrap_or_default().split('"').skip(1).step_by(2).collect();
    let features = manifest.split("\n[features]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let features = features.unwrap_or_default().lines().filter(|line| !line.starts_with('#'));
    let names = features.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let wanted: Vec<_> = names.filter(|name| !["fuzzing", "vendored"].contains(name)).collect();
    assert!(wanted.len() > 20, "{wanted:?}");
    assert_eq!(documented, wanted);
    Ok(())
}
