//! The options there are.
//!
//! The same table serves connection strings, environment variables and holdfast_config_set.

use std::sync::OnceLock;

use crate::config::{Group, OptionInfo, options};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, guard, or_default};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{Text, holdfast_str};

/// An option. Set struct_size before the call that fills it. The texts are static.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_option {
    /// sizeof(holdfast_option).
    pub struct_size: u32,
    /// 1 if its value is never shown, else 0.
    pub is_secret: u32,
    /// Its name, as holdfast_config_set takes it.
    pub key: holdfast_str,
    /// "pool" (how the pool behaves), "server" (libpq's options, with libpq's meaning) or "compatibility" (libpq's
    /// options that have no effect here).
    pub group: holdfast_str,
    /// "text", "secret", "path", "boolean", "integer", "number", "duration", "choice", "ports" or "compatibility".
    pub kind: holdfast_str,
    /// The default, in words where it depends on the machine; empty if there is none.
    pub default_value: holdfast_str,
    /// The values allowed, bounds included.
    pub allowed: holdfast_str,
    /// The environment variables it is read from, the first that is set counting: separated by spaces.
    pub environment: holdfast_str,
    /// The effect, in one line.
    pub doc: holdfast_str,
}

// SAFETY: repr(C); a size, a u32, then pairs of pointer and length: no padding, and zero is a value of each.
unsafe impl Growing for holdfast_option {}

struct Row {
    is_secret: bool,
    texts: [Text; 7],
}

impl Row {
    fn new(option: &OptionInfo) -> Self {
        let group = match option.group() {
            Group::Pool => "pool",
            Group::Server => "server",
            Group::Compatibility => "compatibility",
        };
        let texts = [
            option.key().to_owned(),
            group.to_owned(),
            option.kind().to_owned(),
            option.default_text(),
            option.allowed(),
            option.environment().join(" "),
            option.doc().to_owned(),
        ];
        Self { is_secret: option.is_secret(), texts: texts.map(Text::new) }
    }
}

/// The texts of the table, which C wants with a NUL at the end. Made once, never changed.
fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| options().iter().map(Row::new).collect())
}

/// The number of options. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_option_count() -> usize {
    or_default(0, || Ok(rows().len()))
}

/// Fills *option with the option of this index, from 0 to holdfast_option_count() - 1, in the order of the reference
/// table. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_option_get(
    index: usize,
    option: *mut holdfast_option,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        let row = rows().get(index).ok_or_else(|| {
            Failure::argument(format!("there are {} options, none of index {index}", rows().len()))
        })?;
        let [key, group, kind, default_value, allowed, environment, doc] =
            row.texts.each_ref().map(Text::view);
        let filled = holdfast_option {
            struct_size: 0,
            is_secret: row.is_secret.into(),
            key,
            group,
            kind,
            default_value,
            allowed,
            environment,
            doc,
        };
        // SAFETY: `option` is NULL or as large as its `struct_size` says.
        unsafe { growable::write(option, &filled, "holdfast_option") }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
