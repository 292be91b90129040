//! The static library, and programs with it, built for a sanitizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::toolchain::{self, Checked, root};

/// A sanitizer, in the words of both compilers.
pub struct Sanitizer {
    name: &'static str,
    /// The variable that its runtime reads, and what stands there.
    options: (&'static str, &'static str),
    rustc: &'static str,
    gcc: &'static [&'static str],
    /// The library, once it is built.
    library: OnceLock<PathBuf>,
}

pub static ADDRESS: Sanitizer = Sanitizer {
    name: "address",
    options: ("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"),
    rustc: "-Zsanitizer=address",
    gcc: &["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    library: OnceLock::new(),
};

// The standard library is not instrumented, about which rustc has to be reassured; thread_runtime.c makes up for it,
// and so do locks that are compiled with the library (src/sys/mod.rs).
pub static THREAD: Sanitizer = Sanitizer {
    name: "thread",
    // The longest history there is: an access whose stack is forgotten cannot be told from one of thread.supp.
    options: ("TSAN_OPTIONS", "history_size=7:second_deadlock_stack=1"),
    rustc: "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg holdfast_instrumented_locks",
    gcc: &[
        "-fsanitize=thread",
        "-Wl,--wrap=__tsan_atomic32_fetch_sub",
        "-Wl,--wrap=__tsan_atomic64_fetch_sub",
    ],
    library: OnceLock::new(),
};

impl Sanitizer {
    /// Builds the library as `make lib` does, but for the sanitizer, in a directory of its own.
    fn library(&self) -> &Path {
        self.library.get_or_init(|| {
            let target = toolchain::target().join("sanitize").join(self.name);
            // With --target build scripts and macros are compiled without the flags.
            let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
            Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args(["rustc", "--quiet", "--lib", "--crate-type=staticlib", "--features=capi"])
                .arg(format!("--target={host}"))
                .arg("--target-dir")
                .arg(&target)
                .current_dir(root())
                // Sanitizers are not stable yet, but they are there.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", self.rustc)
                .env_remove("CARGO_ENCODED_RUSTFLAGS")
                // Enough for reports that name functions and lines.
                .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
                .checked();
            target.join(host).join("debug/libholdfast.a")
        })
    }

    /// Builds a C program with it.
    pub fn program(&self, source: &Path) -> PathBuf {
        let programs = toolchain::target().join("sanitize").join(self.name).join("programs");
        fs::create_dir_all(&programs).unwrap();
        let program = programs.join(source.file_stem().unwrap());
        let mut compiler = toolchain::compiler("gcc");
        compiler
            .args(["-std=c17", "-g"])
            .args(self.gcc)
            .arg("-I")
            .arg(root().join("tests/c"))
            .arg(source)
            .arg("-o")
            .arg(&program);
        if self.name == "thread" {
            compiler.arg(self.runtime(&programs));
        }
        compiler.arg(self.library()).args(["-lssl", "-lcrypto", "-lpthread", "-ldl", "-lm"]).checked();
        program
    }

    /// Not instrumented itself: it is part of the instrument.
    fn runtime(&self, programs: &Path) -> PathBuf {
        let object = programs.join("thread_runtime.o");
        Command::new("gcc")
            .args(["-O1", "-fno-builtin", "-c"])
            .arg(root().join("tests/sanitize/thread_runtime.c"))
            .arg("-o")
            .arg(&object)
            .checked();
        object
    }

    /// The options that make the runtime strict, with the known exceptions.
    pub fn environment(&self) -> Vec<(String, String)> {
        let suppressions = root().join("tests/sanitize").join(self.name).with_extension("supp");
        let (variable, mut options) = (self.options.0.to_owned(), self.options.1.to_owned());
        if suppressions.exists() {
            options.push_str(&format!(":suppressions={}", suppressions.display()));
        }
        vec![(variable, options), ("UBSAN_OPTIONS".to_owned(), "print_stacktrace=1".to_owned())]
    }
}
