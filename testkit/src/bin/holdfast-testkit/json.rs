//! Lines of JSON, of the few kinds that the program prints.

use std::fmt::Write;

/// The first line: where the server or proxy is.
pub(crate) fn started(url: &str, port: u16) -> String {
    format!(r#"{{"url":{},"host":"127.0.0.1","port":{port}}}"#, text(url))
}

/// The reply to an order, with what went wrong.
pub(crate) fn reply(fault: Option<&str>) -> String {
    match fault {
        None => r#"{"ok":true}"#.to_owned(),
        Some(fault) => format!(r#"{{"ok":false,"error":{}}}"#, text(fault)),
    }
}

fn text(value: &str) -> String {
    let mut quoted = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c < ' ' => {
                // Writing to a String does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_reserves_is_escaped() {
        assert_eq!(reply(Some("a \"b\" \\ \n\u{1}é")), r#"{"ok":false,"error":"a \"b\" \\ \n\u0001é"}"#);
        assert_eq!(started("u", 1), r#"{"url":"u","host":"127.0.0.1","port":1}"#);
    }
}
