//! Promises of the manifest and of the two lock files.

use std::env;
use std::error::Error;
use std::process::Command;

use serde_json::Value;

type TestResult = Result<(), Box<dyn Error>>;

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
    let own = packages.iter().find(|package| package["name"] == env!("CARGO_PKG_NAME")).ok_or("not found")?;
    let features = own["features"].as_object().ok_or("no features")?;
    let dependencies = own["dependencies"].as_array().ok_or("no dependencies")?;
    let accidental: Vec<&str> = dependencies
        .iter()
        .filter(|dependency| dependency["optional"] == true)
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| features.contains_key(*name))
        .collect();
    assert!(accidental.is_empty(), "{accidental:?}");
    Ok(())
}

/// A stale lock file keeps `make fuzz` from starting. Mended by `cargo update --workspace --manifest-path fuzz/Cargo.toml`.
#[test]
fn the_lock_file_of_the_fuzzers_fits_their_manifest() -> TestResult {
    cargo(&["update", "--workspace", "--locked", "--offline", "--manifest-path", "fuzz/Cargo.toml"])?;
    Ok(())
}
