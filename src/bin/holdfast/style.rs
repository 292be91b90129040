//! Colours, where somebody can see them and wants them.

use std::env;
use std::io::IsTerminal;

use holdfast::diagnose::Verdict;

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
    let of = |size: rustix::termios::Winsize| usize::from(size.ws_col);
    rustix::termios::tcgetwinsize(std::io::stderr())
        .or_else(|_| rustix::termios::tcgetwinsize(std::io::stdout()))
        .map_or(WITHOUT_TERMINAL, of)
        .clamp(60, READABLE)
}
