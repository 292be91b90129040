//! That the header says what the library does: sizes and places of fields by its debug information, values of constants by
//! its source; and that header and library keep to themselves.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::dump::{self, Struct};
use crate::stability::growing;
use crate::toolchain::{self, Checked, header, library};

/// Compiles a C text that asserts things about the header.
fn assert_in_c(name: &str, assertions: &str) {
    let source = toolchain::program(name);
    fs::write(&source, format!("#include <holdfast.h>\n{assertions}")).unwrap();
    for compiler in ["gcc", "clang"].into_iter().filter(|c| toolchain::tool_exists(c)) {
        toolchain::compiler(compiler).args(["-std=c11", "-fsyntax-only"]).arg(&source).checked();
    }
}

#[test]
fn structs_have_the_same_layout_in_the_header_and_in_the_library() {
    let text = fs::read_to_string(header()).unwrap();
    let structs: Vec<Struct> = dump::structs(dump::of_the_library());
    let mut assertions = String::new();
    for Struct { name, size, fields } in &structs {
        writeln!(assertions, "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");").unwrap();
        let mut end = 0;
        for (field, offset, size) in fields {
            writeln!(
                assertions,
                "_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");\n\
                 _Static_assert(sizeof((({name} *)0)->{field}) == {size}, \"size of {name}.{field}\");"
            )
            .unwrap();
            assert_eq!(*offset, end, "{name} has padding before {field}, whose bytes would be nobody's");
            end = offset + size;
        }
        assert_eq!(*size, end, "{name} has padding at its end, where a further field would go");
    }
    let seen: BTreeSet<_> = structs.iter().map(|known| known.name.as_str()).collect();
    let missed: Vec<_> = growing(&text).into_iter().filter(|name| !seen.contains(name)).collect();
    assert!(missed.is_empty(), "no function mentions {missed:?}");
    assert!(seen.contains("holdfast_param") && seen.contains("holdfast_str"), "{seen:?}");
    assert_in_c("layouts.c", &assertions);
}

#[test]
fn constants_have_the_same_values_in_the_header_and_in_the_source() {
    let mut assertions = String::new();
    let mut count = 0;
    for file in toolchain::files_below("src/ffi/capi", "rs") {
        let source = fs::read_to_string(file).unwrap();
        for constant in source.lines().filter_map(|line| line.strip_prefix("pub const HOLDFAST_")) {
            let (name, rest) = constant.split_once(": ").expect("a constant has a type");
            let (kind, value) = rest.trim_end_matches(';').split_once(" = ").expect("a constant has a value");
            let kind = match kind {
                "usize" => "size_t".to_owned(),
                "i32" | "i64" => format!("int{}_t", &kind[1..]),
                "u32" | "u64" => format!("uint{}_t", &kind[1..]),
                named_as_in_c => named_as_in_c.to_owned(),
            };
            let value = match value {
                "usize::MAX" => "SIZE_MAX".to_owned(),
                "u64::MAX" => "UINT64_MAX".to_owned(),
                value => value.replace('_', ""),
            };
            writeln!(
                assertions,
                "_Static_assert(({kind})HOLDFAST_{name} == ({kind}){value} && HOLDFAST_{name} == {value}, \"{name}\");"
            )
            .unwrap();
            count += 1;
        }
    }
    assert!(count > 40, "{count} constants found");
    assert_in_c("constants.c", &assertions);
}

#[test]
fn the_header_may_be_included_twice_and_in_several_files_of_a_program() {
    let directory = toolchain::program("twice");
    fs::create_dir_all(&directory).unwrap();
    let text = "#include <holdfast.h>\n#include <holdfast.h>\n";
    for (language, compiler) in [("c", "gcc"), ("cc", "g++")] {
        let file = |name: &str, body: &str| {
            let path = directory.join(name).with_extension(language);
            fs::write(&path, format!("{text}{body}\n")).unwrap();
            path
        };
        let own =
            file("one", "uint32_t other(void);\nuint32_t other(void) { return holdfast_version_number(); }");
        let main = file(
            "two",
            "uint32_t other(void);\nint main(void) { return other() == holdfast_version_number() ? 0 : 1; }",
        );
        let program = directory.join("program").with_extension(format!("{language}.out"));
        toolchain::compiler(compiler)
            .args([&own, &main])
            .arg("-o")
            .arg(&program)
            .arg("-L")
            .arg(library())
            .arg("-lholdfast")
            .checked();
        Command::new(program).env("LD_LIBRARY_PATH", library()).checked();
    }
}

/// What is the business of the program: when the process ends, its signals, directory, locale, environment and children.
/// `pthread_sigmask` is not among it: the library's threads start with signals blocked, and the mask of the thread that
/// starts one is as before at once, which `a_thread_blocks_signals_and_its_starter_does_not` in `src/sys/thread.rs` tests.
const NOT_OURS: [&str; 19] = [
    "exit",
    "_exit",
    "_Exit",
    "quick_exit",
    "atexit",
    "raise",
    "kill",
    "signal",
    "sigaction",
    "sigprocmask",
    "alarm",
    "setitimer",
    "fork",
    "vfork",
    "execve",
    "system",
    "setlocale",
    "chdir",
    "setenv",
];

// `abort` is among what it calls: Rust's runtime does so when a destructor panics while a panic is under way, or memory is
// exhausted. No code of ours does, which the sources show.
#[test]
fn the_library_leaves_the_process_to_the_program() {
    let library = library().join("libholdfast.so");
    let symbols = Command::new("nm").args(["-D", "--undefined-only"]).arg(library).checked();
    let called: BTreeSet<_> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(|symbol| symbol.split('@').next().unwrap_or(symbol))
        .collect();
    assert!(called.contains("connect") && called.contains("SSL_connect"), "{called:?}");
    let overreaching: Vec<_> = NOT_OURS.into_iter().filter(|name| called.contains(name)).collect();
    assert!(overreaching.is_empty(), "the library calls {overreaching:?}");
}
