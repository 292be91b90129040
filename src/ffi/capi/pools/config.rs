//! Configurations.
//!
//! Everything a pool needs to know. The first of these that says something about an option counts: what the program set
//! (the latest of it), the service file, HOLDFAST_ variables, libpq's PG variables, the default.

use std::ffi::{c_char, c_void};

use crate::sys::sync::RwLock;

use super::log::{UserData, holdfast_destroy};
use crate::config::PoolConfig;
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard, or_default};
use crate::ffi::capi::boundary::handle::{free, give, handle, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{Text, holdfast_text, text};

/// A configuration. Any number of threads may read it at once; while one changes it, others get HOLDFAST_STATUS_BUSY.
/// Free it with holdfast_config_free.
pub struct holdfast_config {
    _opaque: [u8; 0],
}

handle!(holdfast_config: RwLock<PoolConfig>, b"hf-confg");

/// Reads a configuration, beside other readers. Never waits: the lock could have been held at a fork.
///
/// # Safety
/// `config` is NULL or a live configuration.
pub(in crate::ffi::capi) unsafe fn read_config<T>(
    config: *const holdfast_config,
    action: impl FnOnce(&PoolConfig) -> Outcome<T>,
) -> Outcome<T> {
    // SAFETY: as promised.
    let lock = unsafe { look(config)? };
    let config = lock.try_read().ok_or_else(|| Failure::busy("holdfast_config"))?;
    action(&config)
}

/// Changes a configuration, alone. Never waits, as [`read_config`].
///
/// # Safety
/// `config` is NULL or a live configuration.
pub(in crate::ffi::capi) unsafe fn with_config<T>(
    config: *const holdfast_config,
    action: impl FnOnce(&mut PoolConfig) -> Outcome<T>,
) -> Outcome<T> {
    // SAFETY: as promised.
    let lock = unsafe { look(config)? };
    let mut config = lock.try_write().ok_or_else(|| Failure::busy("holdfast_config"))?;
    action(&mut config)
}

/// Sets a callback of a configuration, or removes it if there is none. `replace` puts it there, with the data that it is called
/// with, and returns the one before. That, or the data that no callback needs, is given up once the configuration is not locked
/// any more: the program's own functions are called then.
///
/// # Safety
/// `config` is NULL or a live configuration.
pub(in crate::ffi::capi) unsafe fn set_callback<C, Former>(
    config: *const holdfast_config,
    callback: Option<C>,
    (user_data, destroy): (*mut c_void, holdfast_destroy),
    replace: impl FnOnce(&mut PoolConfig, Option<(C, UserData)>) -> Former,
) -> Outcome {
    if config.is_null() {
        return Err(Failure::null("config"));
    }
    let set = |config: &mut PoolConfig| {
        let user_data = UserData::new(user_data, destroy);
        Ok(match callback {
            Some(callback) => (replace(config, Some((callback, user_data))), None),
            None => (replace(config, None), Some(user_data)),
        })
    };
    // SAFETY: as promised.
    let given_up = unsafe { with_config(config, set)? };
    drop(given_up);
    Ok(())
}

fn made(config: impl FnOnce() -> PoolConfig) -> *mut holdfast_config {
    or_default(std::ptr::null_mut(), || Ok(give::<holdfast_config>(RwLock::new(config()))))
}

/// An empty configuration: environment and defaults decide. The defaults are those for production if HOLDFAST_ENV, else
/// NODE_ENV, is "production". Free it with holdfast_config_free. Never NULL. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_config_new() -> *mut holdfast_config {
    made(PoolConfig::new)
}

/// Like holdfast_config_new, with the defaults for production (max_size 8) in any environment.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_config_production() -> *mut holdfast_config {
    made(PoolConfig::production)
}

/// Like holdfast_config_new, with the defaults for development (max_size 5) in any environment.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_config_development() -> *mut holdfast_config {
    made(PoolConfig::development)
}

/// Makes a configuration from a connection string: a postgresql:// URL or key=value pairs, as libpq takes them, in which
/// Holdfast's own options may stand too. Puts it into *config; free it with holdfast_config_free. HOLDFAST_STATUS_CONFIG
/// if the string cannot be used. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_from_url(
    url: *const c_char,
    url_len: usize,
    config: *mut *mut holdfast_config,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `config` is NULL or writable; the text is readable up to its length or NUL.
        let (out, url) = unsafe { (Out::new(config, "config")?, text(url, url_len, "url")?) };
        out.set(RwLock::new(PoolConfig::from_url(url)?));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Makes a configuration from the environment alone: DATABASE_URL, HOLDFAST_ and PG variables. Puts it into *config; free
/// it with holdfast_config_free. HOLDFAST_STATUS_CONFIG if DATABASE_URL cannot be used. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_from_env(
    config: *mut *mut holdfast_config,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `config` is NULL or writable.
        let out = unsafe { Out::new(config, "config")? };
        out.set(RwLock::new(PoolConfig::from_env()?));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// A configuration that says the same and can be changed on its own. Free it with holdfast_config_free. NULL for NULL, or
/// if another thread is changing it. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_clone(
    config: *const holdfast_config,
) -> *mut holdfast_config {
    or_default(std::ptr::null_mut(), || {
        // SAFETY: the caller gives NULL or a live configuration.
        let copy = unsafe { read_config(config, |config| Ok(config.clone()))? };
        Ok(give::<holdfast_config>(RwLock::new(copy)))
    })
}

/// Sets everything that a connection string says; what it does not mention stays. Nothing is set when it fails.
/// HOLDFAST_STATUS_CONFIG as for holdfast_config_from_url. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_set_url(
    config: *mut holdfast_config,
    url: *const c_char,
    url_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `config` is NULL or live; the text is readable up to its length or NUL.
        unsafe {
            let url = text(url, url_len, "url")?;
            with_config(config, |config| Ok(config.set_url(url).map(drop)?))
        }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Sets one option from text: durations are written "15s", "500ms", "30min". HOLDFAST_STATUS_CONFIG if the option is
/// unknown (the error names the nearest one) or the value not allowed (the error says what is). Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_set(
    config: *mut holdfast_config,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `config` is NULL or live; the texts are readable up to their length or NUL.
        unsafe {
            let (key, value) = (text(key, key_len, "key")?, text(value, value_len, "value")?);
            with_config(config, |config| Ok(config.set(key, value).map(drop)?))
        }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Puts the effective value of an option into *value, wherever it comes from, or NULL if it has none. A secret is shown as
/// "***". Free the text with holdfast_text_free. HOLDFAST_STATUS_CONFIG if the option is unknown, or the configuration has
/// a value that is not allowed. May read password and service files.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_get(
    config: *const holdfast_config,
    key: *const c_char,
    key_len: usize,
    value: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `value` is NULL or writable, `config` NULL or live; the text is readable up to its length or NUL.
        let (out, found) = unsafe {
            let out = Out::new(value, "value")?;
            let key = text(key, key_len, "key")?;
            (out, read_config(config, |config| Ok(config.get(key)?))?)
        };
        if let Some(found) = found {
            out.set(Text::new(found));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Checks the whole: every value, and what must go together. HOLDFAST_STATUS_CONFIG names the first fault found. Does what
/// holdfast_pool_open does before it makes a pool. May read password and service files.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_validate(
    config: *const holdfast_config,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `config` is NULL or live.
    let body = || unsafe { read_config(config, |config| Ok(config.validate()?)) };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Frees a configuration. NULL is allowed. Pools made from it are not touched.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_free(config: *mut holdfast_config) {
    // SAFETY: the caller gives NULL or a live configuration, and does not use it again.
    unsafe { free(config) }
}
