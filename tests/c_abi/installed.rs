//! That what `make install` puts in place is found, and works, by the ways in which C and C++ programs find libraries.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::server;
use crate::toolchain::{self, Checked, library, root, tree};

fn quick_start() -> PathBuf {
    root().join("examples/c/quick_start.c")
}

/// The files of a tree, relative to it, and sorted.
fn files(tree: &Path) -> Vec<String> {
    let listed = Command::new("find").arg(tree).args(["-not", "-type", "d", "-printf", "%P\n"]).checked();
    let mut files: Vec<_> = listed.lines().map(str::to_owned).collect();
    files.sort_unstable();
    files
}

/// The headers of the wrapper for C++, as programs include them.
fn wrapper() -> Vec<String> {
    files(&root().join("bindings/cpp"))
}

/// The files that have to be installed, with the directory of the libraries in place of `lib`.
fn expected(lib: &str) -> Vec<String> {
    let version = env!("CARGO_PKG_VERSION");
    let mut files = vec![
        "include/holdfast.h".to_owned(),
        "include/holdfast.ffi.h".to_owned(),
        "include/holdfast.json".to_owned(),
        format!("{lib}/cmake/holdfast/holdfast-config-version.cmake"),
        format!("{lib}/cmake/holdfast/holdfast-config.cmake"),
        format!("{lib}/libholdfast.a"),
        format!("{lib}/libholdfast.so"),
        format!("{lib}/{}", toolchain::soname()),
        format!("{lib}/libholdfast.so.{version}"),
        format!("{lib}/pkgconfig/holdfast.pc"),
    ];
    files.extend(wrapper().into_iter().map(|header| format!("include/{header}")));
    files.sort_unstable();
    files
}

/// A tree elsewhere with the same files.
fn moved(name: &str) -> PathBuf {
    let target = toolchain::program(name);
    let _ = fs::remove_dir_all(&target);
    Command::new("cp").args(["--archive", "--link"]).arg(tree()).arg(&target).checked();
    target
}

fn pkg_config(tree: &Path, arguments: &[&str]) -> Vec<String> {
    let flags = Command::new("pkg-config")
        .args(arguments)
        .arg("holdfast")
        .env("PKG_CONFIG_PATH", tree.join("lib/pkgconfig"))
        .checked();
    flags.split_whitespace().map(str::to_owned).collect()
}

fn needs_the_shared_library(program: &Path) -> bool {
    Command::new("readelf").arg("-d").arg(program).checked().contains(&toolchain::soname())
}

/// Runs the quick start, which has to find its shared library in `library` if it needs one.
fn starts_quickly(program: &Path, library: Option<&Path>) {
    let mut command = Command::new(program);
    command.arg(server().url()).env_remove("LD_LIBRARY_PATH");
    if let Some(library) = library {
        command.env("LD_LIBRARY_PATH", library);
    }
    let said = command.checked();
    assert!(said.contains("3 squared is 9\n") && said.contains("has seen ada\n"), "{said}");
}

#[test]
fn make_install_lays_out_what_there_is_and_make_uninstall_leaves_nothing() {
    tree();
    let staged = toolchain::program("staged");
    let _ = fs::remove_dir_all(&staged);
    let setting = |name, value: &Path| toolchain::variable(name, value);
    let lib = "lib/x86_64-linux-gnu";
    let settings = [
        setting("DESTDIR", &staged),
        setting("PREFIX", Path::new("/opt/holdfast")),
        setting("LIBDIR", &Path::new("/opt/holdfast").join(lib)),
    ];
    let settings: Vec<&OsStr> = settings.iter().map(AsRef::as_ref).collect();
    toolchain::make("install", &settings);
    let within = staged.join("opt/holdfast");
    assert_eq!(files(&within), expected(lib));
    let description = fs::read_to_string(within.join(lib).join("pkgconfig/holdfast.pc")).unwrap();
    assert!(
        description.contains("prefix=/opt/holdfast\nlibdir=${prefix}/lib/x86_64-linux-gnu\n"),
        "{description}"
    );
    // Nothing that is installed says where it was built or staged.
    for name in ["pkgconfig/holdfast.pc", "cmake/holdfast/holdfast-config.cmake"] {
        let text = fs::read_to_string(within.join(lib).join(name)).unwrap();
        assert!(!text.contains('@') && !text.contains(root().to_str().unwrap()), "{name}: {text}");
    }
    fs::write(within.join("include/another.h"), "").unwrap();
    toolchain::make("uninstall", &settings);
    assert_eq!(files(&within), ["include/another.h"]);
    assert!(!within.join("include/holdfast").exists());
}

#[test]
fn pkg_config_finds_the_shared_and_the_static_library() {
    for (name, how, is_static) in [("shared", "--libs", false), ("static", "--static", true)] {
        let mut libraries = pkg_config(tree(), &["--libs", how]);
        if is_static {
            // Where both libraries are, the linker takes the shared one unless told otherwise.
            let place = libraries.iter().position(|flag| flag == "-lholdfast").unwrap();
            libraries[place] = "-l:libholdfast.a".to_owned();
        }
        let program = toolchain::program(&format!("quick_start-{name}"));
        Command::new("gcc")
            .args(toolchain::WARNINGS)
            .arg(quick_start())
            .args(pkg_config(tree(), &["--cflags"]))
            .args(libraries)
            .arg("-o")
            .arg(&program)
            .checked();
        assert_eq!(needs_the_shared_library(&program), !is_static);
        starts_quickly(&program, (!is_static).then(library).as_deref());
    }
}

#[test]
fn pkg_config_names_what_a_static_library_of_rust_needs() {
    tree();
    let needed = fs::read_to_string(toolchain::built().join("native-static-libs")).unwrap();
    let stated = pkg_config(tree(), &["--libs", "--static"]);
    let missing: Vec<_> =
        needed.split_whitespace().filter(|flag| !stated.iter().any(|stated| stated == flag)).collect();
    // Every C program is linked with it.
    assert!(missing.iter().all(|flag| *flag == "-lc"), "{missing:?} missing in {stated:?}");
}

#[test]
fn a_tree_that_was_moved_is_found_by_cmake_and_pkg_config() {
    let tree = moved("moved");
    let build = toolchain::program("cmake-build");
    let _ = fs::remove_dir_all(&build);
    Command::new("cmake")
        .arg("-S")
        .arg(root().join("tests/cmake"))
        .arg("-B")
        .arg(&build)
        .arg(toolchain::variable("-DCMAKE_PREFIX_PATH", &tree))
        .arg(toolchain::variable("-DPROGRAM", quick_start()))
        .arg(format!("-DWANTED={}", env!("CARGO_PKG_VERSION")))
        .checked();
    Command::new("cmake").arg("--build").arg(&build).checked();
    // CMake's programs know where in the tree their library is.
    for (name, is_static) in [("shared", false), ("static", true)] {
        assert_eq!(needs_the_shared_library(&build.join(name)), !is_static);
        starts_quickly(&build.join(name), None);
    }
    for name in ["cpp", "cpp-static"] {
        assert!(Command::new(build.join(name)).checked().starts_with("version "));
    }
    let includes = pkg_config(&tree, &["--define-prefix", "--cflags-only-I"]);
    // pkg-config takes OpenSSL, which the static library needs, as moved as well; nothing to do about that.
    assert_eq!(includes[0], format!("-I{}", tree.join("include").display()));
}

#[test]
fn cmake_gets_the_version_it_asks_for_or_none() {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let (version, build) = (env!("CARGO_PKG_VERSION"), toolchain::program("cmake-versions"));
    let next_line = if major == "0" {
        format!("0.{}", minor.parse::<u32>().unwrap() + 1)
    } else {
        format!("{major}.999")
    };
    let served = [
        version.to_owned(),
        format!("{major}.{minor}"),
        format!("{version} EXACT"),
        format!("{version}...999"),
    ];
    let refused = [
        next_line.clone(),
        format!("{major}.{minor}.999"),
        "999".to_owned(),
        format!("{major}.{minor}.999 EXACT"),
        format!("{next_line}...999"),
    ];
    let asked: Vec<_> = served.iter().chain(&refused).map(String::as_str).collect();
    let _ = fs::remove_dir_all(&build);
    let output = Command::new("cmake")
        .arg("-S")
        .arg(root().join("tests/cmake/versions"))
        .arg("-B")
        .arg(&build)
        .arg(toolchain::variable("-DCMAKE_PREFIX_PATH", tree()))
        .arg(format!("-DASKED={}", asked.join(";")))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let serves: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("serves ")).collect();
    assert_eq!(serves, served, "{said}");
}

/// A setting in Cargo.toml, as it is written.
fn metadata<'a>(manifest: &'a str, section: &str, key: &str) -> &'a str {
    let (_, rest) =
        manifest.split_once(&format!("[{section}]\n")).unwrap_or_else(|| panic!("no [{section}]"));
    let section = rest.split("\n[").next().unwrap();
    let setting = section.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
    setting.unwrap_or_else(|| panic!("no {key} in [{section}]")).trim()
}

// That it does is checked with cargo-c itself by `make cinstall-check`.
#[test]
fn the_manifest_tells_cargo_c_to_install_the_same() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let capi = |section: &str, key: &str| {
        metadata(&manifest, &format!("package.metadata.capi.{section}"), key).trim_matches('"')
    };
    assert_eq!(capi("header", "generation"), "false");
    assert_eq!(capi("header", "subdirectory"), "false");
    // Below `**` it keeps the directories.
    const DESCRIPTIONS: [&str; 3] = ["holdfast.h", "holdfast.ffi.h", "holdfast.json"];
    let mut assets = DESCRIPTIONS.map(|name| format!("include/{name}")).to_vec();
    assets.push("bindings/cpp/**/*.hpp".to_owned());
    let assets: Vec<_> = assets.iter().map(|from| format!("{{ from = \"{from}\", to = \"\" }}")).collect();
    assert_eq!(capi("install.include", "asset"), format!("[{}]", assets.join(", ")));
    let headers = files(&tree().join("include"));
    let is_expected = |header: &String| DESCRIPTIONS.contains(&header.as_str()) || header.ends_with(".hpp");
    assert!(headers.iter().all(is_expected), "{headers:?}");
    assert!(tree().join(format!("lib/lib{}.a", capi("library", "name"))).exists());
    let description = tree().join(format!("lib/pkgconfig/{}.pc", capi("pkg_config", "filename")));
    let description = fs::read_to_string(description).unwrap();
    assert!(description.contains(&format!("Name: {}\n", capi("pkg_config", "name"))));
    assert!(description.contains(&format!(
        "Description: {}\n",
        metadata(&manifest, "package", "description").trim_matches('"')
    )));
    assert!(description.contains(&format!("Requires.private: {}\n", capi("pkg_config", "requires_private"))));
    // The feature that cargo-c turns on.
    assert!(metadata(&manifest, "features", "capi").starts_with('['));
}
