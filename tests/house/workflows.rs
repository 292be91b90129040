//! Workflows call the scripts that people call: what they name is there.

use std::fs;
use std::path::Path;

/// The commands of a workflow, as `file: command`. Each stands on the line of its `run:`.
fn commands() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the workflows") {
        let path = entry.expect("a workflow").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        for line in fs::read_to_string(&path).expect("a workflow").lines() {
            if let Some(command) = line.trim_start().trim_start_matches("- ").strip_prefix("run: ") {
                assert!(!command.starts_with(['|', '>']), "{name}: longer commands belong in a script");
                found.push((name.clone(), command.to_owned()));
            }
        }
    }
    found
}

#[test]
fn workflows_name_scripts_steps_and_targets_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let makefile = fs::read_to_string(root.join("Makefile")).expect("the Makefile");
    let release_check = fs::read_to_string(root.join("scripts/release-check.sh")).expect("the script");
    let commands = commands();
    assert!(commands.len() >= 8, "{commands:?}");
    let mut missing = Vec::new();
    for (file, command) in &commands {
        let words: Vec<_> = command.split_whitespace().collect();
        for word in &words {
            let is_script = word.ends_with(".sh") || word.starts_with(".ci/");
            if is_script && !root.join(word).exists() {
                missing.push(format!("{file}: {word}"));
            }
        }
        let (place, begins, ends, arguments) = match words.as_slice() {
            ["make", targets @ ..] => (&makefile, "\n", ":", targets),
            ["scripts/release-check.sh", steps @ ..] => (&release_check, "\nstep_", "() {", steps),
            _ => continue,
        };
        let unknown = arguments.iter().filter(|name| !place.contains(&format!("{begins}{name}{ends}")));
        missing.extend(unknown.map(|name| format!("{file}: {name}")));
    }
    assert!(missing.is_empty(), "workflows name what is not there: {missing:?}");
}

#[test]
fn each_platform_of_the_node_package_is_built_by_the_workflow() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let platforms =
        fs::read_to_string(root.join("bindings/node/lib/native/platform.js")).expect("the platforms");
    let list = platforms.lines().find(|line| line.starts_with("const PLATFORMS")).expect("the list");
    let mut listed: Vec<_> = list.split('\'').skip(1).step_by(2).collect();
    let workflow = fs::read_to_string(root.join(".github/workflows/release.yml")).expect("the workflow");
    let mut built: Vec<_> =
        workflow.split("{ platform: ").skip(1).filter_map(|rest| rest.split(',').next()).collect();
    listed.sort_unstable();
    built.sort_unstable();
    assert!(listed.len() >= 6, "{listed:?}");
    assert_eq!(built, listed);
}
