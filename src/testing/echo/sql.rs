//! The part of SQL's grammar needed to separate statements and count parameters: quotes, comments, `;` and `$1`.

/// The parts of a text.
pub(super) struct Scanned<'a> {
    /// The statements, trimmed; those of white space and comments alone are left out.
    pub(super) statements: Vec<&'a str>,
    /// The highest number behind a `$`.
    pub(super) parameters: u16,
}

pub(super) fn scan(text: &str) -> Scanned<'_> {
    let bytes = text.as_bytes();
    let mut scanned = Scanned { statements: Vec::new(), parameters: 0 };
    let (mut start, mut at, mut says_something) = (0, 0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b';', ..] => {
                if says_something {
                    scanned.statements.push(text[start..at].trim());
                }
                (start, says_something) = (at + 1, false);
                1
            }
            [b'-', b'-', ..] => up_to(rest, b"\n"),
            [b'/', b'*', ..] => comment(rest),
            [space, ..] if space.is_ascii_whitespace() => 1,
            _ => {
                says_something = true;
                word(rest, &mut scanned.parameters)
            }
        };
        at += length;
    }
    if says_something {
        scanned.statements.push(text[start..].trim());
    }
    scanned
}

/// Returns the length of the token at the beginning: a quoted text, a parameter, an identifier or number, or one byte of
/// something else.
fn word(rest: &[u8], parameters: &mut u16) -> usize {
    match rest {
        [quote @ (b'\'' | b'"'), after @ ..] => 1 + up_to(after, &[*quote]),
        [b'$', digit, ..] if digit.is_ascii_digit() => {
            let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            let number = str::from_utf8(&rest[1..=digits]).ok().and_then(|digits| digits.parse().ok());
            *parameters = number.unwrap_or(0).max(*parameters);
            1 + digits
        }
        [b'$', ..] => match dollar_tag(rest) {
            Some(tag) => tag.len() + up_to(&rest[tag.len()..], tag),
            None => 1,
        },
        // A `$` within a name begins no token.
        _ => rest.iter().take_while(|b| is_part_of_name(**b)).count().max(1),
    }
}

fn is_part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// Returns the dollar quote at the beginning: `$$` or `$name$`.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let name = rest[1..].iter().take_while(|b| is_part_of_name(**b) && **b != b'$').count();
    (rest.get(1 + name) == Some(&b'$')).then(|| &rest[..name + 2])
}

/// Returns the number of bytes up to and including `end`; all of them if it does not occur.
fn up_to(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len()).position(|part| part == end).map_or(rest.len(), |at| at + end.len())
}

/// Returns the length of the comment at the beginning. Comments nest.
fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_are_not_quoted() {
        for (text, statements) in [
            ("select 1", vec!["select 1"]),
            (" select 1 ; ;select 2;\n", vec!["select 1", "select 2"]),
            ("select ';' || \";\"; x", vec!["select ';' || \";\"", "x"]),
            ("a 'it''s;' b; c", vec!["a 'it''s;' b", "c"]),
            ("do $$ a; b $$; do $x$ ; $$ ; $x$", vec!["do $$ a; b $$", "do $x$ ; $$ ; $x$"]),
            ("-- ;\nselect 1 -- ;", vec!["-- ;\nselect 1 -- ;"]),
            ("/* ; /* ; */ ; */ ; -- nothing", vec![]),
            ("'never closed; a", vec!["'never closed; a"]),
            ("ü; é", vec!["ü", "é"]),
            ("", vec![]),
        ] {
            assert_eq!(scan(text).statements, statements, "{text}");
        }
    }

    #[test]
    fn parameters_are_counted_by_their_highest_number() {
        for (text, count) in [
            ("select $1, $3", 3),
            ("select '$1', \"$2\", $$ $4 $$, a$5, -- $6\n /* $7 */ $2", 2),
            ("select $1::int4+$12", 12),
            ("$", 0),
            ("$0 $99999", 0),
            ("select $", 0),
        ] {
            assert_eq!(scan(text).parameters, count, "{text}");
        }
    }

    #[test]
    fn no_text_makes_the_scanner_panic() {
        let mut random = fastrand::Rng::with_seed(20_261_123);
        for _ in 0..200_000 {
            let pick =
                |_| ["'", "\"", "$", "$a$", ";", "--", "/*", "*/", "\n", "ü", "1", "a"][random.usize(..12)];
            let text: String = (0..8).map(pick).collect();
            let scanned = scan(&text);
            assert!(scanned.statements.iter().all(|statement| !statement.is_empty()), "{text}");
        }
    }
}
