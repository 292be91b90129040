//! Text of others, made safe for one line of a log or of a terminal.

use std::fmt::{self, Write};

/// Writes what it holds with control characters escaped, such as `\n` and `\u{1b}`, so that a query text, a role's name or a
/// server's message can neither forge a line of a log nor control the terminal that shows it. Everything else stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct Printable<T>(pub T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, odd)) = rest.char_indices().find(|(_, c)| acts_on_its_reader(*c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", odd.escape_default())?;
            rest = &rest[at + odd.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Whether a character does something instead of being shown: C0 and C1 controls, the controls of text direction (Unicode's
/// Bidi_Control), which make a line read as something else than it says, and the separators of lines and paragraphs.
fn acts_on_its_reader(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_its_reader_is_escaped_and_nothing_else_is() {
        let shown = |text: &str| Printable(text).to_string();
        assert_eq!(shown("a\x1b[2J\r\nb\u{9b}31m\tc\u{7f}"), r"a\u{1b}[2J\r\nb\u{9b}31m\tc\u{7f}");
        assert_eq!(
            shown("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2028}"),
            r"a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2028}"
        );
        for plain in ["", "Zoë's \"table\" \\ 100 %", "Größe 大小 🦀 e\u{301} a\u{200d}b"] {
            assert_eq!(shown(plain), plain);
        }
    }
}
