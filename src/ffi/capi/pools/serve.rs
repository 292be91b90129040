//! A pool over HTTP.

use super::pool::holdfast_pool;
use crate::exposition::{ServeOptions, Served};
use crate::ffi::capi::boundary::guard::{Failure, Out, guard, or_default};
use crate::ffi::capi::boundary::handle::{free, handle, hold, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{EMPTY, Text, holdfast_str, text};

/// As a flag: other machines may reach the address.
pub const HOLDFAST_SERVE_BEYOND_LOOPBACK: u32 = 1;

/// A pool that is served over HTTP. Free it with holdfast_server_free.
pub struct holdfast_server {
    _opaque: [u8; 0],
}

pub struct Serving {
    url: Text,
    _served: Served,
}

handle!(holdfast_server: Serving, b"hf-serve");

/// Serves metrics, health and a dashboard at address, such as "127.0.0.1:9464" (port 0 takes a free one), until the
/// server is freed or the pool is gone: / is the dashboard, /metrics, /stats.json, /healthz, /readyz, /alerts.yml and
/// /grafana.json are for programs. Only loopback addresses are allowed without HOLDFAST_SERVE_BEYOND_LOOPBACK among
/// flags, which are else 0. With a token, metrics are only given to requests that have it (Authorization: Bearer); the
/// empty text is none. One thread is started. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_serve(
    pool: *const holdfast_pool,
    address: *const std::ffi::c_char,
    address_len: usize,
    token: *const std::ffi::c_char,
    token_len: usize,
    flags: u32,
    server: *mut *mut holdfast_server,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: the caller gives NULL or a place for a handle.
        let out = unsafe { Out::new(server, "server")? };
        // SAFETY: the caller gives texts as the comment on texts says.
        let (address, token) =
            unsafe { (text(address, address_len, "address")?, text(token, token_len, "token")?) };
        if flags & !HOLDFAST_SERVE_BEYOND_LOOPBACK != 0 {
            return Err(Failure::argument(format!("flags: {flags:#x} has bits that mean nothing")));
        }
        let mut options = ServeOptions::new();
        if !token.is_empty() {
            options = options.token(token);
        }
        if flags & HOLDFAST_SERVE_BEYOND_LOOPBACK != 0 {
            options = options.beyond_loopback();
        }
        // SAFETY: the caller gives NULL or a live pool.
        let served = unsafe { hold(pool)? }.core.serve_with(address, options)?;
        out.set(Serving { url: Text::new(served.url()), _served: served });
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The URL of the dashboard. Belongs to the server. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_server_url(server: *const holdfast_server) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live server.
    or_default(EMPTY, || Ok(unsafe { look(server)? }.url.view()))
}

/// Ends the serving. NULL is allowed. Blocks until the thread has ended, which is a moment.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_server_free(server: *mut holdfast_server) {
    // SAFETY: the caller gives NULL or a live server, and does not use it again.
    unsafe { free(server) }
}
