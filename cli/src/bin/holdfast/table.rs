//! A table for people: the last column is folded to the width of the terminal.

use holdfast::Printable;

/// Folds a text at its blanks, so that no line is longer than `width` (unless a word is).
pub(crate) fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|l| l.is_empty() || length(l) + 1 + length(word) <= width);
        match line {
            Some(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The text, or its beginning with dots where it is too long.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Columns on a terminal: everything printed here is one column per character.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text, padded with blanks.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

/// Lines of a table, header first, the last column folded to fit `width`. `paint` gets row (from 0, without header),
/// column and padded text.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    width: usize,
    paint: impl Fn(Option<usize>, usize, String) -> String,
) -> Vec<String> {
    const GAP: &str = "  ";
    // Escaped before their lengths are taken.
    let rows: Vec<_> =
        rows.iter().map(|row| row.each_ref().map(|cell| Printable(cell).to_string())).collect();
    let mut widths = header.map(length);
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            widths[column] = widths[column].max(length(cell));
        }
    }
    let before: usize = widths[..N - 1].iter().map(|w| w + GAP.len()).sum();
    let room = width.saturating_sub(before).max(20);
    let mut lines = Vec::new();
    let mut put = |row: Option<usize>, cells: Vec<&str>| {
        for (index, part) in fold(cells[N - 1], room).iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in cells[..N - 1].iter().enumerate() {
                let cell = if index == 0 { cell } else { "" };
                line.push_str(&paint(row, column, pad(cell, widths[column])));
                line.push_str(GAP);
            }
            line.push_str(&paint(row, N - 1, part.clone()));
            lines.push(line.trim_end().to_owned());
        }
    };
    put(None, header.to_vec());
    for (index, row) in rows.iter().enumerate() {
        put(Some(index), row.iter().map(String::as_str).collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_folded_at_blanks_and_loses_no_word() {
        assert_eq!(fold("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(fold("unbreakable", 3), ["unbreakable"]);
        assert_eq!(fold("", 3), [""]);
    }

    #[test]
    fn a_text_too_long_for_its_line_ends_in_dots() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("Zoë", 3), "Zoë");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "b c".to_owned()], ["long".to_owned(), "d".to_owned()]];
        let lines = table(["x", "y"], &rows, 80, |_, _, text| text);
        assert_eq!(lines, ["x     y", "a     b c", "long  d"]);
    }
}
