//! Every function that takes a text, given any text.

mod statements;

use std::cell::OnceCell;
use std::ptr;

use super::reading::{look_at_result, read_error, said};
use super::world::{Given, config, echo_pool};
use crate::ffi::capi::connections::connection::*;
use crate::ffi::capi::connections::info::*;
use crate::ffi::capi::library::error::{holdfast_error, holdfast_error_status};
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_OK, HOLDFAST_STATUS_PANIC, holdfast_status};
use crate::ffi::capi::library::text::*;
use crate::ffi::capi::pools::config::*;
use crate::ffi::capi::pools::echo::holdfast_pool_open_echo;
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::queues::queue::*;
use crate::ffi::capi::results::result::*;
use crate::ffi::capi::statements::params::*;
use crate::ffi::capi::statements::query::*;
use crate::testing::fuzzing::Draws;

/// A password that may stand in no text that comes out.
const SECRET: &str = "qZ7vMark9x";

/// The prefixes of a text of the input where a connection string is wanted.
const BEFORE: [&str; 7] = [
    "",
    "postgresql://",
    "postgresql://app:qZ7vMark9x@",
    "postgresql://app:qZ7vMark9x@localhost/",
    "postgresql://localhost/?password=qZ7vMark9x&",
    "password=qZ7vMark9x ",
    "host=localhost password='qZ7vMark9x' ",
];

const KEYS: [&str; 16] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "max_size",
    "connection_timeout",
    "passfile",
    "service",
    "target_session_attrs",
    "statement_cache",
    "name",
    "options",
    "sslpassword",
    "load_balance_hosts",
];

thread_local! {
    static ECHO: OnceCell<Echo> = const { OnceCell::new() };
}

/// Made once: threads cost more than texts.
struct Echo {
    pool: *mut holdfast_pool,
    queue: *mut holdfast_queue,
}

impl Echo {
    fn new() -> Self {
        let mut queue = ptr::null_mut();
        // SAFETY: `queue` is writable, and NULL stands for the defaults.
        unsafe { holdfast_queue_new(ptr::null(), &raw mut queue, ptr::null_mut()) };
        Self { pool: echo_pool(), queue }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // SAFETY: both are this object's own.
        unsafe {
            holdfast_pool_free(self.pool);
            holdfast_queue_free(self.queue);
        }
    }
}

/// Gives the texts of the input to the functions that take some. Each call is a byte that says which, and texts: a byte that
/// says how they are given, one for their length, and the bytes.
pub fn c_texts(input: &[u8]) {
    ECHO.with(|echo| {
        let echo = echo.get_or_init(Echo::new);
        let mut connection = ptr::null_mut();
        // SAFETY: the pool is live, and `connection` writable.
        let got =
            unsafe { holdfast_pool_acquire(echo.pool, ptr::null(), &raw mut connection, ptr::null_mut()) };
        assert_eq!(got, HOLDFAST_STATUS_OK, "a connection is free");
        // A text that has the secret may show it.
        let keeps_secret = !input.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        let mut speaker = Speaker { echo, connection, config: config(), keeps_secret };
        let mut draws = Draws::new(input);
        let mut calls = 0;
        while !draws.is_empty() && calls < 8 {
            speaker.speak(&mut draws);
            calls += 1;
        }
        speaker.leave();
    });
}

struct Speaker<'e> {
    echo: &'e Echo,
    /// Live until the end, as is the next.
    connection: *mut holdfast_connection,
    config: *mut holdfast_config,
    keeps_secret: bool,
}

impl Speaker<'_> {
    fn speak(&mut self, draws: &mut Draws<'_>) {
        match draws.byte() % 24 {
            0 | 1 => self.config_from_url(draws),
            2 => self.config_set_url(draws),
            3 | 4 => self.config_set(draws),
            5 => self.config_get(draws),
            6 => self.open(draws),
            7 | 8 => self.query(draws),
            9 => self.pool_query(draws),
            10 => self.script(draws),
            11 | 12 => self.prepare(draws),
            13 => self.stream(draws),
            14 => self.copy(draws),
            15 | 16 => self.savepoint(draws),
            17 => self.submit(draws),
            18 => self.submit_to_connection(draws),
            19 | 20 => self.pipeline(draws),
            21 => self.messages(),
            22 => self.transaction(draws),
            _ => self.abort(draws),
        }
    }

    /// Makes a call and reads all of its error, in which no secret stands.
    fn told(&self, call: impl FnOnce(*mut *mut holdfast_error) -> holdfast_status) -> bool {
        let mut error = ptr::dangling_mut();
        let status = call(&raw mut error);
        assert_eq!(error.is_null(), status == HOLDFAST_STATUS_OK, "an error if and only if it failed");
        // SAFETY: NULL, or made by the call and owned here alone.
        unsafe {
            assert_eq!(holdfast_error_status(error), status);
            let words = read_error(error);
            assert_ne!(status, HOLDFAST_STATUS_PANIC, "{words}");
            self.keeps_the_secret(&words);
        }
        status == HOLDFAST_STATUS_OK
    }

    fn keeps_the_secret(&self, words: &str) {
        assert!(!self.keeps_secret || !words.contains(SECRET), "the password is told: {words}");
    }

    fn config_from_url(&mut self, draws: &mut Draws<'_>) {
        let before = draws.one_of(&BEFORE);
        let url = Given::draw(draws, before);
        let mut made = ptr::null_mut();
        // SAFETY: the text is as it says, `made` is writable and then live, and the old configuration is not used again.
        unsafe {
            if self.told(|error| holdfast_config_from_url(url.ptr(), url.len, &raw mut made, error)) {
                holdfast_config_free(std::mem::replace(&mut self.config, made));
                self.told(|error| holdfast_config_validate(self.config, error));
            }
        }
    }

    fn config_set_url(&mut self, draws: &mut Draws<'_>) {
        let before = draws.one_of(&BEFORE);
        let url = Given::draw(draws, before);
        // SAFETY: the configuration is live, and the text as it says.
        unsafe {
            self.told(|error| holdfast_config_set_url(self.config, url.ptr(), url.len, error));
            self.told(|error| holdfast_config_validate(self.config, error));
        }
    }

    fn config_set(&mut self, draws: &mut Draws<'_>) {
        let which = draws.byte();
        let known = KEYS[usize::from(which) % KEYS.len()];
        // Only a password's value is a secret: an error shows the value of any other key that it refuses.
        let (key, secret) = match which {
            0..128 if known.ends_with("password") => (Given::ended(known.as_bytes()), SECRET),
            0..128 => (Given::ended(known.as_bytes()), ""),
            _ => (Given::draw(draws, ""), ""),
        };
        let value = Given::draw(draws, secret);
        // SAFETY: the configuration is live, and the texts as they say.
        unsafe {
            self.told(|error| {
                holdfast_config_set(self.config, key.ptr(), key.len, value.ptr(), value.len, error)
            });
            self.told(|error| holdfast_config_validate(self.config, error));
            self.get(&key);
        }
    }

    fn config_get(&mut self, draws: &mut Draws<'_>) {
        let key = Given::draw(draws, "");
        self.get(&key);
        self.get(&Given::ended(KEYS[draws.below(KEYS.len())].as_bytes()));
        self.ask_connection(&key);
        self.keep_as_parameters(&key);
        self.renew_connection();
    }

    fn ask_connection(&self, name: &Given) {
        let mut value = ptr::null_mut();
        // SAFETY: the connection is live, the name as it says, and `value` NULL or live once a call is over.
        unsafe {
            let connection = self.connection;
            self.told(|error| {
                holdfast_connection_parameter(connection, name.ptr(), name.len, &raw mut value, error)
            });
            said(holdfast_text_view(value));
            holdfast_text_free(value);
            self.told(|error| {
                holdfast_connection_info(connection, name.len as i32 & 7, &raw mut value, error)
            });
            said(holdfast_text_view(value));
            holdfast_text_free(value);
        }
    }

    /// Whatever a text is as a parameter, the list has as many as were accepted, and a call takes it.
    fn keep_as_parameters(&self, value: &Given) {
        let (mut params, mut result) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: all is live, the value as it says, and what is written to lives here.
        unsafe {
            self.told(|error| holdfast_params_new(&raw mut params, error));
            let format = value.len as i32 & 3;
            let mut added = usize::from(
                self.told(|error| holdfast_params_add_text(params, value.ptr(), value.len, error)),
            );
            added +=
                usize::from(self.told(|error| {
                    holdfast_params_add(params, value.ptr().cast(), value.len, 25, format, error)
                }));
            added += usize::from(self.told(|error| holdfast_params_add_i64(params, -7, error)));
            assert_eq!(holdfast_params_count(params), added);
            let (at, sql) = (holdfast_params_data(params), c"select $1, $2, $3".as_ptr());
            self.told(|error| {
                holdfast_connection_query(
                    self.connection,
                    sql,
                    HOLDFAST_NUL,
                    at,
                    added,
                    0,
                    &raw mut result,
                    error,
                )
            });
            look_at_result(result);
            holdfast_result_free(result);
            holdfast_params_clear(params);
            assert!(holdfast_params_data(params).is_null());
            holdfast_params_free(params);
        }
    }

    fn get(&self, key: &Given) {
        let mut value = ptr::null_mut();
        // SAFETY: the configuration is live, the key as it says, and `value` NULL or live once the call is over.
        unsafe {
            self.told(|error| holdfast_config_get(self.config, key.ptr(), key.len, &raw mut value, error));
            self.keeps_the_secret(said(holdfast_text_view(value)));
            holdfast_text_free(value);
        }
    }

    /// Opens pools, which connect to nothing yet.
    fn open(&mut self, draws: &mut Draws<'_>) {
        let before = draws.one_of(&BEFORE);
        let url = Given::draw(draws, before);
        let mut pool = ptr::null_mut();
        // SAFETY: the configuration is live, the text as it says, and `pool` NULL or live after each call.
        unsafe {
            self.told(|error| holdfast_pool_open_url(url.ptr(), url.len, &raw mut pool, error));
            self.keeps_the_secret(said(holdfast_pool_target(pool)));
            holdfast_pool_free(pool);
            self.told(|error| holdfast_pool_open_echo(self.config, &raw mut pool, error));
            said(holdfast_pool_target(pool));
            holdfast_pool_free(pool);
        }
    }

    fn leave(self) {
        // SAFETY: both are live, and not used again.
        unsafe {
            holdfast_connection_release(self.connection);
            holdfast_config_free(self.config);
        }
    }
}
