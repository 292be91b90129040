//! Output: colours on a terminal that may have them, its width, and pipes that are closed.

use std::env;
use std::io::{self, IsTerminal, Write};

use holdfast::Printable;
use holdfast_cli::diagnose::{FindingSeverity, Verdict};
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

    /// For files.
    pub(crate) fn plain() -> Self {
        Self { colours: false }
    }

    /// Marks are put around the text, which become what colours it when the line is [written](Self::line).
    fn paint(self, colour: Colour, text: &str) -> String {
        if self.colours { format!("{}{text}{}", colour.mark(), Colour::End.mark()) } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(Colour::Bold, text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(Colour::Dim, text)
    }

    /// A text in the colour of a verdict.
    pub(crate) fn severity(self, severity: FindingSeverity, text: &str) -> String {
        match severity {
            FindingSeverity::Critical => self.paint(Colour::Red, text),
            FindingSeverity::Warning => self.paint(Colour::Yellow, text),
            _ => self.bold(text),
        }
    }

    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Passed => self.paint(Colour::Green, text),
            Verdict::Failed => self.paint(Colour::Red, text),
            _ => self.dim(text),
        }
    }

    /// One line as it may be written: marks have become colours, and whatever else would act on the terminal is escaped. Texts of
    /// a server, and names that any of its roles can choose, go through here or [`lines`](Self::lines).
    pub(crate) fn line(self, text: &str) -> String {
        let text = Printable(text).to_string();
        if !self.colours {
            return text;
        }
        let mut line = String::with_capacity(text.len());
        for c in text.chars() {
            // A mark in a foreign text can do no more than colour it.
            match Colour::of_mark(c) {
                Some(colour) => line.push_str(colour.sequence()),
                None => line.push(c),
            }
        }
        line
    }

    /// Lines as they may be written, each with its end.
    pub(crate) fn lines<T: AsRef<str>>(self, lines: impl IntoIterator<Item = T>) -> String {
        lines.into_iter().map(|line| self.line(line.as_ref()) + "\n").collect()
    }
}

/// The colour of a stretch of text.
#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
    End,
}

impl Colour {
    const ALL: [Self; 6] = [Self::Bold, Self::Dim, Self::Red, Self::Yellow, Self::Green, Self::End];
    /// The first of Unicode's noncharacters, which no text has a use for.
    const FIRST_MARK: u32 = 0xFDD0;

    fn mark(self) -> char {
        char::from_u32(Self::FIRST_MARK + self as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn of_mark(mark: char) -> Option<Self> {
        Self::ALL.into_iter().find(|colour| colour.mark() == mark)
    }

    fn sequence(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Red => "\x1b[1;31m",
            Self::Yellow => "\x1b[1;33m",
            Self::Green => "\x1b[32m",
            Self::End => "\x1b[0m",
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

/// Writes to standard output, as it is: what people read has come through [`Style::lines`], documents have escapes of their own.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read it has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_colours_reach_the_terminal_and_those_of_others_do_not() {
        let coloured = Style { colours: true };
        let text = format!("{} \x1b[31m\x1b]0;title\x07\nnext", coloured.bold("ours"));
        assert_eq!(coloured.line(&text), "\x1b[1mours\x1b[0m \\u{1b}[31m\\u{1b}]0;title\\u{7}\\nnext");
        let plain = Style { colours: false };
        assert_eq!(plain.lines([&plain.bold("a\r\x1b"), "b"]), "a\\r\\u{1b}\nb\n");
    }
}
