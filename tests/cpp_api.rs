//! The promises of the wrapper for C++: the programs in `tests/cpp`, compiled against `bindings/cpp/holdfast.hpp` by every
//! compiler that is there, run on a real server; and that wrapper and C header agree.

#[allow(dead_code)]
#[path = "c_abi/toolchain.rs"]
mod toolchain;

mod support;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use support::server;
use toolchain::{Checked, SANITIZED, header, library, root, tool_exists};

/// The header that programs include, whose parts are in the directory of the same name.
fn wrapper() -> PathBuf {
    root().join("bindings/cpp/holdfast.hpp")
}

/// The parts of the wrapper, as programs include them: `holdfast/pools/pool.hpp`.
fn parts() -> Vec<String> {
    let found = Command::new("find").args(["holdfast", "-type", "f"]).current_dir(bindings()).checked();
    let mut parts: Vec<_> = found.lines().map(str::to_owned).collect();
    parts.sort_unstable();
    parts
}

fn bindings() -> PathBuf {
    root().join("bindings/cpp")
}

/// The text of the wrapper with all its parts.
fn whole() -> String {
    let parts = parts().into_iter().map(|part| fs::read_to_string(bindings().join(part)).unwrap());
    fs::read_to_string(wrapper()).unwrap() + &parts.collect::<String>()
}

fn programs() -> Vec<PathBuf> {
    let found = fs::read_dir(root().join("tests/cpp")).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.extension().is_some_and(|e| e == "cpp")).collect()
}

/// A compiler of C++, told where the headers are and to complain about everything.
fn compiler(name: &str, version: &str) -> Command {
    let mut command = toolchain::compiler(name);
    command.args([version, "-Wshadow", "-I"]).arg(bindings());
    command
}

fn compilers() -> impl Iterator<Item = &'static str> {
    ["g++", "clang++"].into_iter().filter(|name| tool_exists(name))
}

/// A way to compile the programs of the tests.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    name: &'static str,
    compiler: &'static str,
    version: &'static str,
    flags: &'static [&'static str],
}

/// The programs are run as these make them. Clang does not optimize: its warnings do not depend on it, and g++ does.
const RUN: [Way; 3] = [
    Way { name: "plain", compiler: "g++", version: "-std=c++17", flags: &["-O2"] },
    Way { name: "clang", compiler: "clang++", version: "-std=c++20", flags: &[] },
    Way { name: "sanitized", compiler: "g++", version: "-std=c++20", flags: &SANITIZED },
];

/// The programs are only looked at by these.
const LOOK: [Way; 2] = [
    Way { name: "g++-2b", compiler: "g++", version: "-std=c++2b", flags: &["-fsyntax-only"] },
    Way { name: "clang-2b", compiler: "clang++", version: "-std=c++2b", flags: &["-fsyntax-only"] },
];

impl Way {
    fn exists(&self) -> bool {
        tool_exists(self.compiler)
    }

    /// The compiler with what all programs begin with, `check.hpp` and the wrapper, which it reads only once: that takes
    /// longer than the rest of most programs.
    fn begin(self) -> Command {
        static BEGUN: LazyLock<Mutex<HashMap<Way, Arc<OnceLock<PathBuf>>>>> = LazyLock::new(Mutex::default);
        let place = Arc::clone(BEGUN.lock().unwrap().entry(self).or_default());
        let is_clang = self.compiler == "clang++";
        let precompiled = place.get_or_init(|| {
            // g++ looks for what is precompiled beside the header that is included.
            let header = toolchain::program(&format!("check-{}.hpp", self.name));
            let precompiled = header.with_extension(if is_clang { "hpp.pch" } else { "hpp.gch" });
            let flags = self.flags.iter().filter(|flag| **flag != "-fsyntax-only");
            compiler(self.compiler, self.version)
                .args(flags)
                .args(["-x", "c++-header"])
                .arg(root().join("tests/cpp/check.hpp"))
                .arg("-o")
                .arg(&precompiled)
                .checked();
            if is_clang { precompiled } else { header }
        });
        let mut command = compiler(self.compiler, self.version);
        command.args(self.flags);
        if is_clang {
            command.arg("-include-pch");
        } else {
            command.args(["-Winvalid-pch", "-include"]);
        }
        command.arg(precompiled);
        command
    }
}

fn link(mut compiler: Command, sources: &[&Path], name: &str) -> PathBuf {
    let program = toolchain::program(name);
    compiler
        .args(sources)
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library())
        .args(["-lholdfast", "-lpthread"])
        .checked();
    program
}

/// Compiles a test program plainly, by every compiler, and with the sanitizers for addresses and undefined behaviour, and
/// runs all of that.
fn run_every_way(name: &str) {
    let source = root().join("tests/cpp").join(name).with_extension("cpp");
    for way in RUN.into_iter().filter(Way::exists) {
        let program = link(way.begin(), &[&source], &format!("cpp-{name}-{}", way.name));
        // A program must not depend on the environment in which the tests run.
        toolchain::bounded(program)
            .arg(server().url())
            .env("LD_LIBRARY_PATH", library())
            .env_remove("DATABASE_URL")
            .checked();
    }
}

#[test]
fn the_wrapper_compiles_without_a_warning_in_every_version_of_cxx_from_17() {
    let mut commands = vec![];
    for name in compilers() {
        for version in ["-std=c++17", "-std=c++20", "-std=c++2b"] {
            let mut command = compiler(name, version);
            command.args(["-fsyntax-only", "-x", "c++"]).arg(wrapper());
            commands.push(command);
        }
    }
    toolchain::all_checked(commands);
}

// Templates are checked when they are used. In other versions they are by the tests that run.
#[test]
fn the_programs_compile_without_a_warning_in_the_newest_version() {
    let mut commands = vec![];
    for way in LOOK.into_iter().filter(Way::exists) {
        for program in programs() {
            let mut command = way.begin();
            command.arg(program);
            commands.push(command);
        }
    }
    toolchain::all_checked(commands);
}

#[test]
fn each_part_of_the_wrapper_compiles_by_itself_without_a_warning() {
    // Whether a part includes what it needs shows best in the version in which the standard headers bring along fewest
    // others. What else may differ between versions and compilers shows when all parts are compiled together, above.
    let commands = parts().into_iter().map(|part| {
        let mut command = compiler(compilers().next().unwrap(), "-std=c++17");
        command.args(["-fsyntax-only", "-x", "c++"]).arg(bindings().join(part));
        command
    });
    toolchain::all_checked(commands);
}

#[test]
fn the_wrapper_has_all_its_parts() {
    let text = fs::read_to_string(wrapper()).unwrap();
    let included: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("#include \"")?.strip_suffix('"')).collect();
    let parts = parts();
    // What is a detail is included by whatever needs it.
    let own = parts.iter().map(String::as_str).filter(|part| !part.starts_with("holdfast/detail/"));
    assert_eq!(included, own.collect());
}

#[test]
fn several_parts_of_a_program_may_include_the_wrapper() {
    let parts = parts();
    let include = |part: &String| format!("#include <{part}>\n");
    let forwards: String = parts.iter().map(include).collect();
    let backwards: String = parts.iter().rev().map(include).collect();
    let whole = "#include <holdfast.hpp>\n".to_owned();
    let files = [("one", whole.clone() + &forwards + &whole), ("two", backwards + &forwards)];
    let files = files.map(|(name, includes)| {
        let path = toolchain::program(&format!("including-{name}.cpp"));
        let main = if name == "one" { "int two(); int main() { return one() - two(); }" } else { "" };
        let text = format!(
            "{includes}int {name}();\n\
             int {name}() {{ return static_cast<int>(holdfast::version().size()); }}\n{main}\n"
        );
        fs::write(&path, text).unwrap();
        path
    });
    let files = files.each_ref().map(PathBuf::as_path);
    let program = link(compiler("g++", "-std=c++17"), &files, "including");
    toolchain::bounded(program).env("LD_LIBRARY_PATH", library()).checked();
}

#[test]
fn the_wrapper_defines_no_macro_but_its_guards() {
    for header in parts().into_iter().chain(["holdfast.hpp".to_owned()]) {
        let text = fs::read_to_string(bindings().join(&header)).unwrap();
        let defined: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("#define ")).collect();
        assert_eq!(defined, [header.replace(['/', '.'], "_").to_uppercase()]);
    }
}

/// Names of the library's that a text mentions.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.to_ascii_lowercase().starts_with("holdfast_"))
        .collect()
}

#[test]
fn whatever_the_c_header_has_the_wrapper_has_too() {
    // What it has in another way: kind() is the name of the status, attempts() counts itself, a program that wants a number
    // has HOLDFAST_VERSION_NUMBER, the completions of its queues need no kind; arguments of calls are parameters by themselves, so
    // that it needs no holdfast_params.
    const OTHERWISE: [&str; 3] =
        ["holdfast_error_kind", "holdfast_error_attempt_count", "holdfast_version_number"];
    let is_otherwise = |name: &str| OTHERWISE.contains(&name) || name.starts_with("holdfast_params_");
    let (header, wrapper) = (fs::read_to_string(header()).unwrap(), whole());
    let used = names(&wrapper);
    let functions = header.split("HOLDFAST_API").skip(1).filter_map(|declaration| {
        declaration
            .split('(')
            .next()?
            .rsplit([' ', '*', '\n'])
            .next()
            .filter(|name| name.starts_with("holdfast_"))
    });
    let kinds = [
        "STATUS",
        "FIELD",
        "FORMAT",
        "ISOLATION",
        "ACCESS",
        "DEFERRABLE",
        "TRANSACTION",
        "PIPELINE",
        "LOG",
        "EVENT",
        "METRICS",
        "HEALTH",
        "SERVE",
    ];
    let constants = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_whitespace().next())
        .filter(|name| kinds.iter().any(|kind| name.starts_with(&format!("HOLDFAST_{kind}_"))));
    let there: Vec<_> = functions.chain(constants).collect();
    assert!(there.len() > 100, "{there:?}");
    let missed: Vec<_> =
        there.into_iter().filter(|name| !used.contains(name) && !is_otherwise(name)).collect();
    assert!(missed.is_empty(), "the wrapper has nothing for {missed:?}");
}

#[test]
fn views_of_a_result_that_is_about_to_go_are_refused() {
    const REFUSED: [&str; 5] = [
        "auto text = pool.query(\"\").one()[0].as<std::string_view>();",
        "auto text = pool.query(\"\").one()[\"a\"].as<std::optional<std::string_view>>();",
        "auto row = pool.query(\"\").one(); auto text = std::move(row).as<std::string_view>();",
        "auto place = pool.query(\"\").one().begin();",
        "auto place = pool.query(\"\").begin();",
    ];
    const ACCEPTED: &str = "auto number = pool.query(\"\").one()[0].as<int>(); auto kept = pool.query(\"\").one()[0]; \
        auto text = kept.as<std::string_view>(); for (auto row : pool.query(\"\")) { (void)row; } (void)number; (void)text;";
    let compiles = |index: usize, body: &str| {
        let source = toolchain::program(&format!("view-{index}.cpp"));
        let text = format!(
            "#include <holdfast.hpp>\nvoid f(holdfast::pool &pool);\nvoid f(holdfast::pool &pool) {{ {body} }}\n"
        );
        fs::write(&source, text).unwrap();
        let mut command = compiler("g++", "-std=c++20");
        command.args(["-fsyntax-only", "-Wno-unused"]).arg(source).output().unwrap()
    };
    let accepted = compiles(0, ACCEPTED);
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    for (index, body) in REFUSED.iter().enumerate() {
        let refused = compiles(index + 1, body);
        let says = String::from_utf8_lossy(&refused.stderr);
        let names_the_cause =
            says.contains("holdfast: the result goes here") || says.contains("use of deleted function");
        assert!(!refused.status.success() && names_the_cause, "{body}: {says}");
    }
}

#[test]
fn values_go_in_and_come_out_and_errors_say_everything() {
    run_every_way("values");
}

#[test]
fn handles_move_free_themselves_and_cost_nothing() {
    run_every_way("handles");
}

#[test]
fn transactions_run_again_and_let_exceptions_through() {
    run_every_way("transactions");
}

#[test]
fn connections_stream_copy_pipeline_and_are_cancelled() {
    run_every_way("connections");
}

#[test]
fn completions_have_parts_notices_and_reports() {
    run_every_way("completions");
}

#[test]
fn what_is_submitted_comes_back_exactly_once() {
    run_every_way("queues");
}

#[test]
fn pools_are_configured_watched_and_closed() {
    run_every_way("pools");
}

#[test]
fn events_metrics_health_and_the_dashboard_are_there_for_cxx() {
    run_every_way("observing");
}
