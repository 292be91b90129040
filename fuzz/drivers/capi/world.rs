//! A pool that needs no server, and texts as C may give them.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::reading::told;
use crate::ffi::capi::library::status::HOLDFAST_STATUS_OK;
use crate::ffi::capi::library::text::HOLDFAST_NUL;
use crate::ffi::capi::pools::config::*;
use crate::ffi::capi::pools::echo::holdfast_pool_open_echo;
use crate::ffi::capi::pools::pool::holdfast_pool;
use crate::ffi::capi::statements::query::holdfast_param;
use crate::testing::fuzzing::Draws;

/// Waits are short: what sleeps has to end, and time spent waiting finds nothing.
const OPTIONS: [(&str, &str); 5] = [
    ("max_size", "2"),
    ("statement_cache", "2"),
    ("statement_deadline", "20ms"),
    ("connection_timeout", "10s"),
    ("close_timeout", "10ms"),
];

/// A configuration with short waits.
pub(super) fn config() -> *mut holdfast_config {
    let config = holdfast_config_production();
    for (key, value) in OPTIONS {
        let set = told(|error| {
            let (key, value) = (key.as_bytes(), value.as_bytes());
            // SAFETY: made above; the texts are as long as is said.
            unsafe {
                let (key_at, value_at) = (key.as_ptr().cast(), value.as_ptr().cast());
                holdfast_config_set(config, key_at, key.len(), value_at, value.len(), error)
            }
        });
        assert_eq!(set, HOLDFAST_STATUS_OK, "{key}={value}");
    }
    config
}

/// An echo pool with short waits.
pub(super) fn echo_pool() -> *mut holdfast_pool {
    let config = config();
    let mut pool = ptr::null_mut();
    // SAFETY: the configuration is live until it is freed here, and `pool` writable.
    unsafe {
        let opened = told(|error| holdfast_pool_open_echo(config, &raw mut pool, error));
        assert_eq!(opened, HOLDFAST_STATUS_OK);
        holdfast_config_free(config);
    }
    pool
}

/// A text as a program in C may give it, in memory of exactly its size.
pub(super) struct Given {
    memory: Option<Box<[u8]>>,
    pub(super) len: usize,
}

impl Given {
    /// One of the input's; `before` stands before it.
    pub(super) fn draw(draws: &mut Draws<'_>, before: &str) -> Self {
        let how = draws.byte() % 16;
        let text = [before.as_bytes(), draws.piece()].concat();
        match how {
            0 => Self { memory: None, len: 0 },
            1 => Self { memory: None, len: draws.number() as usize },
            2 => Self { memory: Some(text.into()), len: usize::MAX - 1 },
            3..=7 => Self::ended(&text),
            _ => Self { len: text.len(), memory: Some(text.into()) },
        }
    }

    /// One that ends at its NUL.
    pub(super) fn ended(text: &[u8]) -> Self {
        Self { memory: Some([text, &[0]].concat().into()), len: HOLDFAST_NUL }
    }

    pub(super) fn ptr(&self) -> *const c_char {
        self.memory.as_ref().map_or(ptr::null(), |memory| memory.as_ptr().cast())
    }

    /// As a parameter of a statement.
    pub(super) fn as_param(&self, type_oid: u32, format: i32) -> holdfast_param {
        holdfast_param { value: self.ptr().cast::<c_void>(), len: self.len, type_oid, format }
    }
}
