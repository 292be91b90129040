//! The constants of the C ABI that are values of an enum: made of the enum's rows, so that a value is added in one place.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// An enum whose rows are constants in C.
struct Table {
    source: &'static str,
    name: &'static str,
    /// Between `HOLDFAST_` and the value's name.
    prefix: &'static str,
}

const TABLES: [Table; 5] = [
    Table { source: "src/error/kind.rs", name: "ErrorKind", prefix: "STATUS" },
    Table { source: "src/error/limited_by.rs", name: "LimitedBy", prefix: "LIMITED_BY" },
    Table { source: "src/observe/event.rs", name: "EventKind", prefix: "EVENT" },
    Table { source: "src/observe/health.rs", name: "HealthStatus", prefix: "HEALTH" },
    Table { source: "src/pool/telemetry/stats.rs", name: "Circuit", prefix: "CIRCUIT" },
];

/// The names that C has for what the documentation of a row mentions.
const NAMES_IN_C: [(&str, &str); 2] = [("took", "took_us"), ("Error::sqlstate", "holdfast_error_sqlstate")];

/// The longest line of a comment, without its indent.
const WIDTH: usize = 112;

/// A value of an enum: a row of `named_enum!`.
struct Row {
    /// The first paragraph of its documentation; what follows concerns Rust alone.
    about: String,
    number: u32,
    name: String,
}

/// Writes one file of constants for each enum into `out`, which the sources include.
pub(crate) fn write(root: &Path, out: &Path) {
    for table in &TABLES {
        println!("cargo::rerun-if-changed={}", table.source);
        let source = fs::read_to_string(root.join(table.source)).expect(table.source);
        let mut constants = String::new();
        for row in rows(&source, table) {
            for line in wrapped(&in_c(&row.about)) {
                let _ = writeln!(constants, "/// {line}");
            }
            let name = row.name.to_uppercase();
            constants += "#[allow(dead_code, reason = \"for programs in C: the code has the enum\")]\n";
            let _ = writeln!(constants, "pub const HOLDFAST_{}_{name}: i32 = {};", table.prefix, row.number);
        }
        let file = format!("{}_constants.rs", table.prefix.to_lowercase());
        fs::write(out.join(file), constants).expect("OUT_DIR is writable");
    }
}

/// The text of a source with the constants in place of the lines that include them, since cbindgen expands no macro.
pub(crate) fn expanded(source: &str, out: &Path) -> String {
    let mut text = String::new();
    for line in source.lines() {
        let included = line.strip_prefix("include!(concat!(env!(\"OUT_DIR\"), \"/");
        match included.and_then(|rest| rest.strip_suffix("\"));")) {
            Some(file) => text += &fs::read_to_string(out.join(file)).expect("a file of constants"),
            None => {
                text += line;
                text.push('\n');
            }
        }
    }
    text
}

fn rows(source: &str, table: &Table) -> Vec<Row> {
    let Table { source: file, name, .. } = table;
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).expect("the enum begins");
    let (body, _) = body.split_once("\n    }\n").expect("the enum ends");
    let (mut rows, mut about, mut is_first_paragraph) = (Vec::new(), String::new(), true);
    for line in body.lines().map(str::trim) {
        if let Some(documentation) = line.strip_prefix("///") {
            is_first_paragraph &= !documentation.is_empty();
            if is_first_paragraph {
                about += documentation;
            }
        } else if !line.starts_with("#[") {
            let number = line.split(" = ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
            rows.push(Row {
                about: about.split_off(0).trim().to_owned(),
                number: number.unwrap_or_else(|| panic!("{file}: no number in {line:?} of {name}")),
                name: line
                    .split('"')
                    .nth(1)
                    .unwrap_or_else(|| panic!("{file}: no name in {line:?}"))
                    .to_owned(),
            });
            is_first_paragraph = true;
        }
    }
    rows
}

/// Text without the marks of Rust's documentation, with C's own names.
fn in_c(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (label, after) = after.split_once(']').expect("a link has a label");
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').expect("a link has a target").1,
            None => after,
        };
        let label = label.trim_matches('`');
        let known = NAMES_IN_C.iter().find(|(rust, _)| *rust == label);
        plain += before;
        plain += known.map_or(label, |(_, c)| c);
    }
    (plain + rest).replace('`', "")
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
