//! What the C ABI promises: the programs in `tests/c`, compiled against `include/holdfast.h` by every compiler that is
//! there, run on real servers; and that header, library and tests agree.

#[path = "c_abi/toolchain.rs"]
mod toolchain;

mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs};

use support::{fill, own_server, server};
use toolchain::{Checked, header, library, root, sources, tool_exists};

/// Names that a text mentions, by their beginning.
fn words_beginning<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|w| w.starts_with(beginning))
        .collect()
}

/// The functions that the header declares.
fn declared(header: &str) -> BTreeSet<&str> {
    let declarations = header.split("HOLDFAST_API").skip(1).filter_map(|d| d.split('(').next());
    let names = declarations.filter_map(|d| d.rsplit([' ', '*', '\n']).next());
    names.filter(|name| name.starts_with("holdfast_")).collect()
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = fs::read_to_string(env!("HOLDFAST_GENERATED_HEADER")).unwrap();
    let committed = root().join("include/holdfast.h");
    if env::var_os("HOLDFAST_UPDATE_HEADER").is_some() {
        fs::create_dir_all(committed.parent().unwrap()).unwrap();
        fs::write(&committed, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).unwrap_or_default() == generated,
        "include/holdfast.h is out of date: HOLDFAST_UPDATE_HEADER=1 cargo test --all-features --test c_abi rewrites it"
    );
}

#[test]
fn the_header_compiles_without_a_warning_in_every_version_of_c_and_cxx() {
    for (compilers, language, versions) in [
        (["gcc", "clang"], "c", ["c99", "c11", "c17", "gnu17"]),
        (["g++", "clang++"], "c++", ["c++11", "c++14", "c++17", "c++20"]),
    ] {
        for compiler in compilers.into_iter().filter(|c| tool_exists(c)) {
            for version in versions {
                let standard = format!("-std={version}");
                Command::new(compiler)
                    .args([standard.as_str(), "-fsyntax-only", "-x", language])
                    .args(toolchain::WARNINGS)
                    .arg(header())
                    .checked();
            }
        }
    }
}

#[test]
fn the_programs_compile_without_a_warning_in_every_version_of_c() {
    for compiler in ["gcc", "clang"].into_iter().filter(|c| tool_exists(c)) {
        for version in ["-std=c99", "-std=c11", "-std=c17"] {
            toolchain::compiler(compiler).args([version, "-fsyntax-only"]).args(sources()).checked();
        }
    }
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let header = fs::read_to_string(header()).unwrap();
    let symbols =
        Command::new("nm").args(["-D", "--defined-only"]).arg(library().join("libholdfast.so")).checked();
    let exported: BTreeSet<_> = symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(exported, declared(&header));
    let dynamic = Command::new("readelf").arg("-d").arg(library().join("libholdfast.so")).checked();
    assert!(dynamic.contains(&format!("[{}]", toolchain::soname())), "{dynamic}");
}

#[test]
fn every_function_is_used_by_a_test_in_c() {
    let header = fs::read_to_string(header()).unwrap();
    let used: String = sources().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let used = words_beginning(&used, "holdfast_");
    let missed: Vec<_> = declared(&header).into_iter().filter(|name| !used.contains(name)).collect();
    assert!(missed.is_empty(), "no C test uses {missed:?}");
}

#[test]
fn handles_are_made_used_and_freed_in_every_order() {
    toolchain::run_every_way("lifecycle", &server().url());
}

#[test]
fn errors_say_everything_they_know() {
    toolchain::run_every_way("errors", &server().url());
}

#[test]
fn options_are_set_read_back_and_listed() {
    toolchain::run_every_way("configuration", "");
}

#[test]
fn misuse_is_an_error_and_not_a_crash() {
    toolchain::run_every_way("misuse", &server().url());
}

#[test]
fn queries_return_what_the_server_says() {
    toolchain::run_every_way("queries", &server().url());
}

#[test]
fn threads_share_a_pool_and_cancel_and_close_it() {
    toolchain::run_every_way("threads", &server().url());
}

#[test]
fn a_full_server_is_quoted_attempt_by_attempt() {
    let full = own_server(|s| s.max_connections(5));
    let held = fill(&full.url());
    toolchain::run_every_way("full", &full.url());
    drop(held);
}

#[test]
fn valgrind_finds_nothing_in_a_life_from_open_to_close() {
    if tool_exists("valgrind") {
        let program = toolchain::build("gcc", "lifecycle", "valgrind", &["-g"]);
        Command::new("valgrind")
            .args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"])
            .arg(program)
            .arg(server().url())
            .env("LD_LIBRARY_PATH", library())
            .checked();
    }
}

#[test]
fn the_quick_start_runs_with_the_shared_and_with_the_static_library() {
    let source = root().join("examples/c/quick_start.c");
    let shared = toolchain::build_file("gcc", &source, "quick_start", &["-std=c99"]);
    let fixed = toolchain::link_statically(&source);
    for program in [shared, fixed] {
        let said = Command::new(program).arg(server().url()).env("LD_LIBRARY_PATH", library()).checked();
        assert!(said.contains("3 squared is 9\n") && said.contains("has seen ada\n"), "{said}");
    }
}

#[test]
fn make_install_lays_out_a_tree_that_pkg_config_finds() {
    let tree = toolchain::tree();
    let pkg_config = |what: &str| {
        let flags = Command::new("pkg-config")
            .args([what, "holdfast"])
            .env("PKG_CONFIG_LIBDIR", tree.join("lib/pkgconfig"))
            .env("PKG_CONFIG_PATH", "")
            .checked();
        flags.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let program = toolchain::program("quick_start-installed");
    Command::new("gcc")
        .arg(root().join("examples/c/quick_start.c"))
        .args(pkg_config("--cflags"))
        .args(pkg_config("--libs"))
        .arg("-o")
        .arg(&program)
        .checked();
    let said = Command::new(&program).arg(server().url()).env("LD_LIBRARY_PATH", tree.join("lib")).checked();
    assert!(said.contains("3 squared is 9\n"), "{said}");
}
