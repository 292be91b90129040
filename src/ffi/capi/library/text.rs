//! Texts.
//!
//! Texts go in as pointer and length in bytes; the length HOLDFAST_NUL says that the text ends at its NUL. They must be
//! UTF-8 without a NUL inside, else the call fails with HOLDFAST_STATUS_UTF8. NULL with length 0 is the empty text.
//! Texts come out as holdfast_str.

use std::ffi::{CStr, c_char};
use std::slice;

use super::status::HOLDFAST_STATUS_UTF8;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, or_default};
use crate::ffi::capi::boundary::handle::{free, handle, look};

/// As the length of a text: "it ends at its NUL".
pub const HOLDFAST_NUL: usize = usize::MAX;

/// A text owned by the object it was asked of, unless a comment says otherwise, and valid until that object is freed.
/// UTF-8, followed by a NUL that len does not count. ptr is never NULL; what is absent is the empty text. A runtime that cannot
/// take a struct back (Ruby's Fiddle, Bun's FFI, jnr) may declare a function that returns this as returning const char *: on x86-64
/// and 64-bit ARM under Linux, FreeBSD and macOS ptr comes back where a pointer does.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_str {
    /// The first byte.
    pub ptr: *const c_char,
    /// The number of bytes before the NUL.
    pub len: usize,
}

/// A text of its own, made by a call. Free it with holdfast_text_free.
pub struct holdfast_text {
    _opaque: [u8; 0],
}

handle!(holdfast_text: Text, b"hf-text.");

/// A text that can be handed to C: a NUL follows.
pub(in crate::ffi::capi) struct Text(Box<str>);

impl Text {
    pub(in crate::ffi::capi) fn new(text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        text.push('\0');
        Self(text.into_boxed_str())
    }

    pub(in crate::ffi::capi) fn optional(text: Option<impl Into<String>>) -> Self {
        text.map_or_else(Self::default, Self::new)
    }

    pub(in crate::ffi::capi) fn as_str(&self) -> &str {
        self.0.strip_suffix('\0').unwrap_or(&self.0)
    }

    pub(in crate::ffi::capi) fn view(&self) -> holdfast_str {
        holdfast_str { ptr: self.0.as_ptr().cast(), len: self.0.len() - 1 }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new("")
    }
}

/// A static text that ends in NUL.
pub(in crate::ffi::capi) const fn literal(text: &'static str) -> holdfast_str {
    assert!(text.as_bytes()[text.len() - 1] == 0, "a literal for C ends in NUL");
    holdfast_str { ptr: text.as_ptr().cast(), len: text.len() - 1 }
}

/// A text that ends in NUL.
pub(in crate::ffi::capi) fn ended(text: &str) -> holdfast_str {
    debug_assert!(text.ends_with('\0'), "a text for C ends in NUL");
    holdfast_str { ptr: text.as_ptr().cast(), len: text.len() - 1 }
}

pub(in crate::ffi::capi) const EMPTY: holdfast_str = literal("\0");

/// The bytes that C gave.
///
/// # Safety
/// `ptr` is NULL or readable for `len` bytes, with [`HOLDFAST_NUL`] up to its NUL, and nothing changes them while `'a`
/// lasts.
pub(in crate::ffi::capi) unsafe fn bytes<'a>(
    ptr: *const c_char,
    len: usize,
    name: &str,
) -> Outcome<&'a [u8]> {
    match (ptr.is_null(), len) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(Failure::null(name)),
        // SAFETY: it ends in NUL, as promised.
        (false, HOLDFAST_NUL) => Ok(unsafe { CStr::from_ptr(ptr) }.to_bytes()),
        (false, len) if len > isize::MAX as usize => {
            Err(Failure::argument(format!("{name}: a length of {len} cannot be")))
        }
        // SAFETY: readable for `len` bytes, as promised.
        (false, len) => Ok(unsafe { slice::from_raw_parts(ptr.cast(), len) }),
    }
}

/// The text that C gave.
///
/// # Safety
/// As for [`bytes`].
pub(in crate::ffi::capi) unsafe fn text<'a>(ptr: *const c_char, len: usize, name: &str) -> Outcome<&'a str> {
    // SAFETY: as promised.
    let bytes = unsafe { bytes(ptr, len, name)? };
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Failure::new(HOLDFAST_STATUS_UTF8, format!("{name} is not UTF-8: byte {} is wrong", e.valid_up_to()))
    })?;
    match text.find('\0') {
        Some(place) => Err(Failure::new(
            HOLDFAST_STATUS_UTF8,
            format!("{name} has a NUL at byte {place}, which no text of PostgreSQL can have"),
        )),
        None => Ok(text),
    }
}

/// The content of a text object, valid until that is freed; empty for NULL. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_text_view(text: *const holdfast_text) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live text.
    or_default(EMPTY, || Ok(unsafe { look(text)? }.view()))
}

/// Frees a text. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_text_free(text: *mut holdfast_text) {
    // SAFETY: the caller gives NULL or a live text, and does not use it again.
    unsafe { free(text) }
}
