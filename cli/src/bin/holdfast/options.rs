//! `holdfast options`: the one table of options.

use std::io;
use std::process::ExitCode;

use clap::Args;
use holdfast::config::{Group, OptionInfo, options, reference_table};
use serde_json::Value;

use crate::json;
use crate::style::{Style, print, width};
use crate::table::fold;

/// Show every option of a pool: key, default, environment variable, what is allowed, what it does.
///
/// The same keys work in connection strings, in Rust setters, in the environment (HOLDFAST_<KEY>) and in service files.
#[derive(Args)]
#[command(after_help = "Examples:
  holdfast options                 all of them
  holdfast options idle            those with \"idle\" in their key or meaning
  holdfast options --json | jq '.[].key'
  holdfast options --markdown      the reference in docs/configuration.md")]
pub(crate) struct Arguments {
    /// Show only options that have this word in their key, variables or meaning.
    #[arg(conflicts_with = "markdown")]
    word: Option<String>,
    /// Print one JSON array.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown tables.
    #[arg(long)]
    markdown: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn std::error::Error>> {
        let word = self.word.unwrap_or_default().to_lowercase();
        let found: Vec<_> = options().iter().filter(|info| mentions(info, &word)).collect();
        if found.is_empty() {
            return Err(
                format!("no option mentions \"{word}\"; `holdfast options` lists all there are").into()
            );
        }
        let text = if self.markdown {
            reference_table()
        } else if self.json {
            format!("{:#}\n", Value::Array(found.into_iter().map(json::option).collect()))
        } else {
            let style = Style::of(&io::stdout());
            style.lines(for_people(&found, style).lines())
        };
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn mentions(info: &OptionInfo, word: &str) -> bool {
    info.key().contains(word)
        || info.doc().to_lowercase().contains(word)
        || info.environment().iter().any(|variable| variable.to_lowercase().contains(word))
}

fn for_people(found: &[&OptionInfo], style: Style) -> String {
    const INDENT: &str = "    ";
    let mut text = String::new();
    let mut group = None;
    for info in found {
        if group != Some(info.group()) {
            group = Some(info.group());
            text.push_str(&format!("{}\n\n", style.bold(title(info.group()))));
        }
        let default = match info.default_text() {
            none if none.is_empty() => String::new(),
            default => format!(" = {default}"),
        };
        text.push_str(&format!("  {}{default}\n", style.bold(info.key())));
        for line in fold(info.doc(), width() - INDENT.len()) {
            text.push_str(&format!("{INDENT}{line}\n"));
        }
        let mut facts = info.allowed();
        if !info.environment().is_empty() {
            facts.push_str(&format!("; {}", info.environment().join(", ")));
        }
        for line in fold(&facts, width() - INDENT.len()) {
            text.push_str(&format!("{INDENT}{}\n", style.dim(&line)));
        }
        text.push('\n');
    }
    text
}

fn title(group: Group) -> &'static str {
    match group {
        Group::Pool => "The pool",
        Group::Server => "The server (libpq's options, with libpq's meaning)",
        _ => "Accepted from libpq where they change nothing",
    }
}
