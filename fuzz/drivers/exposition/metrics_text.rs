//! A reader of the text formats of Prometheus and OpenMetrics, apart from their writer: it panics where a line is neither a comment
//! nor a sample.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

pub(super) fn check(text: &str) {
    assert!(text.ends_with('\n'), "the last line has no end");
    for line in text.lines() {
        assert!(
            line.starts_with("# ") || is_sample(line),
            "neither a comment nor a sample: {}",
            line.escape_debug()
        );
    }
}

/// `name{label="value",...} number`
fn is_sample(line: &str) -> bool {
    let Some((name, rest)) = line.split_once('{') else { return false };
    is_name(name)
        && labels(rest)
            .and_then(|value| value.strip_prefix(' '))
            .is_some_and(|value| value.parse::<f64>().is_ok())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Returns what follows the labels, whose opening brace is read.
fn labels(mut rest: &str) -> Option<&str> {
    loop {
        let (name, value) = rest.split_once("=\"")?;
        let end = end_of_value(value)?;
        rest = value.get(end + 1..)?;
        if !is_name(name) {
            return None;
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.strip_prefix('}'),
        }
    }
}

/// Returns where the quote is that ends a value: a backslash stands before a backslash, a quote or an `n`.
fn end_of_value(value: &str) -> Option<usize> {
    let mut characters = value.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some(at),
            '\\' if !matches!(characters.next()?.1, '\\' | '"' | 'n') => return None,
            _ => {}
        }
    }
    None
}
