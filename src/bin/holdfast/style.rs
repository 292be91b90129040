//! Output: colours where somebody can see them and wants them, the width there is, and readers who go away.

use std::env;
use std::io::{self, IsTerminal, Write};

use holdfast::diagnose::{FindingSeverity, Verdict};
use rustix::termios::tcgetwinsize;

/// How to write to one stream.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    /// Colours only on a terminal, and not where `NO_COLOR` (no-color.org) is set or the terminal is a dumb one.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: is_interactive(stream) && !unwanted }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A text in the colour of a verdict.
    pub(crate) fn severity(self, severity: FindingSeverity, text: &str) -> String {
        match severity {
            FindingSeverity::Critical => self.paint("1;31", text),
            FindingSeverity::Warning => self.paint("1;33", text),
            _ => self.bold(text),
        }
    }

    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Passed => self.paint("32", text),
            Verdict::Failed => self.paint("1;31", text),
            Verdict::Skipped => self.dim(text),
        }
    }
}

/// Whether a stream is a terminal on which a line can be written over.
pub(crate) fn is_interactive(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The terminal's width; where there is none, what most screens and mails take.
pub(crate) fn width() -> usize {
    const WITHOUT_TERMINAL: usize = 100;
    const READABLE: usize = 120;
    let columns = [tcgetwinsize(io::stderr()), tcgetwinsize(io::stdout())]
        .into_iter()
        .flatten()
        .map(|size| usize::from(size.ws_col))
        // A terminal that does not know its size says 0.
        .find(|columns| *columns > 0);
    columns.unwrap_or(WITHOUT_TERMINAL).clamp(60, READABLE)
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read it has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
