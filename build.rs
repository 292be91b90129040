//! Makes `holdfast.h` out of `src/ffi/capi`. Does nothing without the feature `capi`.

#[cfg(feature = "capi")]
#[path = "build/constants.rs"]
mod constants;
#[cfg(feature = "capi")]
#[path = "build/description.rs"]
mod description;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "capi")]
    capi::build();
}

#[cfg(feature = "capi")]
mod capi {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use crate::{constants, description};

    /// The files of `src/ffi/capi` that export something, in the order in which a reader of the header needs them.
    const PARTS: &[&str] = &[
        "library/text",
        "library/status",
        "library/error",
        "library/quote",
        "library/version",
        "pools/option",
        "pools/config",
        "pools/log",
        "pools/event",
        "pools/password",
        "pools/pool",
        "pools/echo",
        "pools/stats",
        "pools/observe",
        "pools/serve",
        "pools/silence",
        "connections/connection",
        "connections/connect",
        "connections/info",
        "results/result",
        "results/pack",
        "statements/query",
        "statements/params",
        "statements/statement",
        "statements/stream",
        "statements/copy",
        "statements/pipeline",
        "connections/transaction",
        "connections/message",
        "connections/cancel",
        "queues/completion",
        "queues/queue",
        "queues/submit",
        "queues/submit_close",
        "queues/submit_connection",
        "queues/submit_stream",
        "queues/submit_copy",
    ];

    pub(super) fn build() {
        let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
        let sources = root.join("src/ffi/capi");
        println!("cargo::rerun-if-changed=cbindgen.toml");
        println!("cargo::rerun-if-changed=build");
        println!("cargo::rerun-if-changed=src/ffi/capi");
        let out = PathBuf::from(variable("OUT_DIR"));
        constants::write(&root, &out);
        let config =
            cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is well-formed");
        let mut header = preamble(&fs::read_to_string(sources.join("preamble.h")).expect("preamble.h"));
        let (mut handles, mut rest) = (String::new(), String::new());
        for part in PARTS {
            let source = sources.join(part).with_extension("rs");
            let (own, exports) = section(&source, &out, &config);
            handles.push_str(&own);
            rest.push_str(&exports);
        }
        header.push_str(&(title("Handles") + " */\n\n" + handles.trim_end() + "\n" + &rest));
        header.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* HOLDFAST_H */\n");
        let (for_ffi, json) = description::describe(&header, &variable("CARGO_PKG_VERSION"));
        let files = [
            ("HEADER", "holdfast.h", header),
            ("FFI_HEADER", "holdfast.ffi.h", for_ffi),
            ("JSON", "holdfast.json", json),
        ];
        for (what, name, text) in files {
            let out = out.join(name);
            fs::write(&out, text).expect("OUT_DIR is writable");
            println!("cargo::rustc-env=HOLDFAST_GENERATED_{what}={}", out.display());
        }
    }

    fn variable(name: &str) -> String {
        env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
    }

    fn preamble(template: &str) -> String {
        let mut text = template.to_owned();
        for part in ["MAJOR", "MINOR", "PATCH"] {
            text = text.replace(&format!("@{part}@"), &variable(&format!("CARGO_PKG_VERSION_{part}")));
        }
        text.replace("@VERSION@", &variable("CARGO_PKG_VERSION"))
    }

    fn title(text: &str) -> String {
        format!("\n/* ==== {text} {}\n", "=".repeat(100_usize.saturating_sub(text.len())))
    }

    /// One file's opaque types, which have to come before everything that mentions them, and the rest of its exports under
    /// a heading, which is the file's own comment.
    fn section(source: &Path, out: &Path, config: &cbindgen::Config) -> (String, String) {
        let text = constants::expanded(&fs::read_to_string(source).expect("a part of the header"), out);
        let about = text.lines().map_while(|line| line.strip_prefix("//!"));
        let mut about = about.map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
        let mut rest = title(about.next().unwrap_or_default().trim_end_matches('.'));
        for line in about {
            rest.push_str(format!(" * {line}").trim_end());
            rest.push('\n');
        }
        rest.push_str(" */\n\n");
        let with_constants = out.join("part_of_the_header.rs");
        fs::write(&with_constants, &text).expect("OUT_DIR is writable");
        let exports = cbindgen::Builder::new()
            .with_config(config.clone())
            .with_src(with_constants)
            .generate()
            .unwrap_or_else(|e| panic!("{}: {e}", source.display()));
        let mut body = Vec::new();
        exports.write(&mut body);
        let body = shortened(&String::from_utf8(body).expect("a header in UTF-8"));
        // Readers of C declarations that have no preprocessor know numbers only.
        let body = body.replace("[HOLDFAST_ERROR_KINDS]", "[64]");
        let body = tagged(&body);
        let mut handles = String::new();
        for item in body.trim().split("\n\n").map(str::trim) {
            let opaque =
                item.lines().last().is_some_and(|l| l.starts_with("typedef struct ") && l.ends_with(';'));
            let place = if opaque { &mut handles } else { &mut rest };
            place.push_str(item);
            place.push_str("\n\n");
        }
        rest.pop();
        (handles, rest)
    }

    /// The structs with tags, so that programs can declare them in advance.
    fn tagged(text: &str) -> String {
        let mut tagged = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("typedef struct {") {
            let end = after.find("\n} ").expect("a struct ends") + 3;
            let name = after[end..].split(';').next().expect("a struct has a name");
            tagged.push_str(&format!("{before}typedef struct {name} {{"));
            rest = after;
        }
        tagged + rest
    }

    /// Comments of one line on one line.
    fn shortened(text: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let mut short = String::new();
        let mut at = 0;
        while at < lines.len() {
            if let [open, said, close, ..] = lines[at..]
                && open.trim() == "/**"
                && close.trim() == "*/"
            {
                short.push_str(&format!("{open} {} */\n", said.trim().trim_start_matches("* ")));
                at += 3;
            } else {
                short.push_str(lines[at]);
                short.push('\n');
                at += 1;
            }
        }
        short
    }
}
