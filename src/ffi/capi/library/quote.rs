//! Quoting.
//!
//! For statements that take no parameters: LISTEN, COPY, SET, DDL. Values of other statements belong into parameters.

use std::ffi::c_char;

use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::error::holdfast_error;
use super::status::holdfast_status;
use super::text::{Text, holdfast_text, text};
use crate::ffi::capi::boundary::guard::{Out, guard};

/// Puts a text into *quoted as a literal of SQL, in quotes, whatever standard_conforming_strings is. Free it with
/// holdfast_text_free. HOLDFAST_STATUS_UTF8 if it cannot be one. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_quote_literal(
    value: *const c_char,
    value_len: usize,
    quoted: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `quoted` is NULL or writable; the text is readable up to its length or NUL.
        let (out, value) = unsafe { (Out::new(quoted, "quoted")?, text(value, value_len, "value")?) };
        out.set(Text::new(escape_literal(value)));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Puts a name of a table, a column, a channel and so on into *quoted, in quotes, so that it is taken as it is written. A name
/// with a schema is two names, quoted one by one. Else as holdfast_quote_literal.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_quote_identifier(
    name: *const c_char,
    name_len: usize,
    quoted: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `quoted` is NULL or writable; the text is readable up to its length or NUL.
        let (out, name) = unsafe { (Out::new(quoted, "quoted")?, text(name, name_len, "name")?) };
        out.set(Text::new(escape_identifier(name)));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_and_backslashes_escaped() {
        assert_eq!(escape_literal(""), "''");
        assert_eq!(escape_literal("it's"), "'it''s'");
        assert_eq!(escape_literal("a\\'b"), " E'a\\\\''b'");
        assert_eq!(escape_identifier("or\"ders"), "\"or\"\"ders\"");
    }
}
