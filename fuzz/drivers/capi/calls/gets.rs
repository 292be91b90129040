//! Calls that make handles, and that read them.

use std::ptr;

use super::callbacks;
use super::tables::{Kind, Place, Tables};
use crate::ffi::capi::connections::cancel::*;
use crate::ffi::capi::connections::connect::*;
use crate::ffi::capi::connections::connection::*;
use crate::ffi::capi::connections::message::*;
use crate::ffi::capi::connections::transaction::*;
use crate::ffi::capi::fuzzing::reading::{look_at_error, look_at_result, said};
use crate::ffi::capi::library::error::*;
use crate::ffi::capi::library::status::*;
use crate::ffi::capi::library::text::*;
use crate::ffi::capi::library::version::*;
use crate::ffi::capi::pools::config::*;
use crate::ffi::capi::pools::echo::*;
use crate::ffi::capi::pools::log::*;
use crate::ffi::capi::pools::option::*;
use crate::ffi::capi::pools::password::*;
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::pools::stats::*;
use crate::ffi::capi::queues::queue::*;
use crate::ffi::capi::results::pack::*;
use crate::ffi::capi::results::result::*;
use crate::ffi::capi::statements::copy::*;
use crate::ffi::capi::statements::pipeline::*;
use crate::ffi::capi::statements::statement::*;
use crate::ffi::capi::statements::stream::*;
use crate::testing::fuzzing::Draws;

pub(super) fn call(tables: &mut Tables, which: u8, draws: &mut Draws<'_>) {
    match which % 20 {
        0 => make_config(tables, draws),
        1 => {
            make_config(tables, draws);
            set_password(tables, draws);
        }
        2 if draws.byte() & 1 == 0 => set_connect(tables, draws),
        2 => set_log(tables, draws),
        3 => open_pool(tables, draws),
        4..=6 => acquire(tables, draws),
        7 => try_acquire(tables, draws),
        8 => about_pool(tables, draws),
        9 => close(tables, draws),
        10 | 11 => make_queue(tables, draws),
        12 => make_cancel(tables, draws),
        13 => fire(tables, draws),
        14 => tell_statics(tables, draws),
        15 => read_error_of(tables, draws),
        16 => read_result_of(tables, draws),
        17 => pack(tables, draws),
        18 => read_statement_and_stream(tables, draws),
        _ => read_messages(tables, draws),
    }
}

fn make_config(tables: &mut Tables, draws: &mut Draws<'_>) {
    let config = match draws.below(4) {
        0 => holdfast_config_new(),
        1 => holdfast_config_development(),
        2 => super::super::world::config(),
        // SAFETY: NULL or live, of whatever kind.
        _ => unsafe { holdfast_config_clone(tables.pick(Kind::Config, draws)) },
    };
    tables.keep(Kind::Config, config);
}

fn set_log(tables: &mut Tables, draws: &mut Draws<'_>) {
    let config = tables.pick(Kind::Config, draws);
    let level = i32::from(draws.byte() % 8) - 1;
    let callback: holdfast_log_callback = if draws.byte() & 7 == 7 { None } else { Some(callbacks::log) };
    let data = callbacks::user_data();
    let done = tables.told(draws, |error| {
        // SAFETY: NULL or live, of whatever kind; the data is destroyed by the library if it takes it.
        unsafe { holdfast_config_set_log(config, level, callback, data, Some(callbacks::destroy), error) }
    });
    if done != HOLDFAST_STATUS_OK {
        // SAFETY: it stayed ours.
        unsafe { callbacks::destroy(data) };
    }
}

fn set_connect(tables: &mut Tables, draws: &mut Draws<'_>) {
    let config = tables.pick(Kind::Config, draws);
    let callback: holdfast_connect_callback =
        if draws.byte() & 7 == 7 { None } else { Some(callbacks::submitted_body) };
    let script = callbacks::script_of(&[draws.byte(), draws.byte(), draws.byte(), draws.byte()]);
    let done = tables.told(draws, |error| {
        // SAFETY: NULL or live, of whatever kind; the script is destroyed by the library if it takes it.
        unsafe {
            holdfast_config_set_connect(config, callback, script, Some(callbacks::destroy_script), error)
        }
    });
    if done != HOLDFAST_STATUS_OK {
        // SAFETY: it stayed ours.
        unsafe { callbacks::destroy_script(script) };
    }
}

fn set_password(tables: &mut Tables, draws: &mut Draws<'_>) {
    let config = tables.pick(Kind::Config, draws);
    let callback: holdfast_password_callback =
        if draws.byte() & 7 == 7 { None } else { Some(callbacks::password) };
    let data = callbacks::user_data();
    let done = tables.told(draws, |error| {
        // SAFETY: NULL or live, of whatever kind; the data is destroyed by the library if it takes it.
        unsafe { holdfast_config_set_password(config, callback, data, Some(callbacks::destroy), error) }
    });
    if done != HOLDFAST_STATUS_OK {
        // SAFETY: it stayed ours.
        unsafe { callbacks::destroy(data) };
    }
    // No program can have a place for an answer outside of a callback.
    let (place, text) = (config.cast::<holdfast_password>(), c"text".as_ptr());
    // SAFETY: NULL or live, of another kind; the text ends in NUL.
    unsafe {
        assert_ne!(holdfast_password_give(place, text, HOLDFAST_NUL, ptr::null_mut()), HOLDFAST_STATUS_OK);
        assert_ne!(holdfast_password_fail(place, text, HOLDFAST_NUL, ptr::null_mut()), HOLDFAST_STATUS_OK);
    }
}

fn open_pool(tables: &mut Tables, draws: &mut Draws<'_>) {
    if tables.count(Kind::Pool) > 3 {
        return;
    }
    let mut pool = ptr::null_mut();
    if draws.byte() & 1 == 0 {
        // SAFETY: NULL or live, of whatever kind.
        pool = unsafe { holdfast_pool_clone(tables.pick(Kind::Pool, draws)) };
    } else {
        let config = tables.pick(Kind::Config, draws);
        // SAFETY: NULL or live, of whatever kind; `pool` is writable.
        tables.told(draws, |error| unsafe { holdfast_pool_open_echo(config, &raw mut pool, error) });
    }
    tables.keep(Kind::Pool, pool);
}

/// Options with short timeouts only.
pub(super) fn acquire_options(draws: &mut Draws<'_>) -> Place<holdfast_acquire_options> {
    let retries = draws.one_of(&[HOLDFAST_NO_RETRY, 1, 0, -2]);
    let idempotent = draws.one_of(&[0, 1, 2]);
    let options =
        holdfast_acquire_options { struct_size: 0, retries, timeout_ms: 1, idempotent, reserved: 0 };
    Place::of(options, draws)
}

fn acquire(tables: &mut Tables, draws: &mut Draws<'_>) {
    let pool = tables.pick(Kind::Pool, draws);
    let mut options = acquire_options(draws);
    let mut connection = ptr::null_mut();
    tables.told(draws, |error| {
        // SAFETY: NULL or live, of whatever kind; the options are larger than they say, and `connection` is writable.
        unsafe { holdfast_pool_acquire(pool, options.ptr(), &raw mut connection, error) }
    });
    tables.keep(Kind::Connection, connection);
}

fn try_acquire(tables: &mut Tables, draws: &mut Draws<'_>) {
    let pool = tables.pick(Kind::Pool, draws);
    let mut connection = ptr::null_mut();
    // SAFETY: NULL or live, of whatever kind; `connection` is writable.
    tables.told(draws, |error| unsafe { holdfast_pool_try_acquire(pool, &raw mut connection, error) });
    tables.keep(Kind::Connection, connection);
}

fn about_pool(tables: &mut Tables, draws: &mut Draws<'_>) {
    let pool = tables.pick(Kind::Pool, draws);
    let mut stats = Place::<holdfast_stats>::to_fill(draws);
    // SAFETY: NULL or live, of whatever kind; the struct is larger than it says.
    unsafe {
        holdfast_pool_is_closed(pool);
        said(holdfast_pool_target(pool));
        tables.told(draws, |error| holdfast_pool_stats(pool, stats.ptr(), error));
    }
    let connection = tables.pick(Kind::Connection, draws);
    // SAFETY: NULL or live, of whatever kind.
    unsafe {
        holdfast_pool_release_idle(pool, ptr::null_mut(), ptr::null_mut());
        holdfast_pool_wait_until_warm(pool, u32::from(draws.byte() % 4), 1, ptr::null_mut());
        holdfast_pool_ping(pool, 1, ptr::null_mut());
        holdfast_pool_set_max_size(pool, u32::from(draws.byte() % 4), ptr::null_mut());
        said(holdfast_connection_target(connection));
        holdfast_connection_backend_pid(connection);
        holdfast_connection_transaction_status(connection);
    }
}

fn close(tables: &mut Tables, draws: &mut Draws<'_>) {
    let pool = tables.pick(Kind::Pool, draws);
    let mut report = Place::<holdfast_close_report>::to_fill(draws);
    let place = if draws.byte() & 1 == 0 { ptr::null_mut() } else { report.ptr() };
    let timeout = u64::from(draws.byte() % 3);
    // SAFETY: NULL or live, of whatever kind; the struct is larger than it says.
    tables.told(draws, |error| unsafe { holdfast_pool_close(pool, timeout, place, error) });
}

fn make_queue(tables: &mut Tables, draws: &mut Draws<'_>) {
    let capacity = u32::from(draws.byte() % 8);
    let mut options = Place::of(holdfast_queue_options { struct_size: 0, capacity }, draws);
    let mut queue = ptr::null_mut();
    // SAFETY: the options are larger than they say, and `queue` is writable.
    tables.told(draws, |error| unsafe { holdfast_queue_new(options.ptr(), &raw mut queue, error) });
    tables.keep(Kind::Queue, queue);
}

fn make_cancel(tables: &mut Tables, draws: &mut Draws<'_>) {
    let mut cancel = ptr::null_mut();
    if draws.byte() & 1 == 0 {
        // SAFETY: NULL or live, of whatever kind.
        cancel = unsafe { holdfast_cancel_clone(tables.pick(Kind::Cancel, draws)) };
    } else {
        let connection = tables.pick(Kind::Connection, draws);
        // SAFETY: NULL or live, of whatever kind; `cancel` is writable.
        tables.told(draws, |error| unsafe { holdfast_cancel_new(connection, &raw mut cancel, error) });
    }
    tables.keep(Kind::Cancel, cancel);
}

fn fire(tables: &mut Tables, draws: &mut Draws<'_>) {
    let cancel = tables.pick(Kind::Cancel, draws);
    let timeout = u64::from(draws.byte() % 8);
    // SAFETY: NULL or live, of whatever kind.
    tables.told(draws, |error| unsafe { holdfast_cancel_fire(cancel, timeout, error) });
}

fn tell_statics(tables: &mut Tables, draws: &mut Draws<'_>) {
    let index = usize::from(draws.byte());
    let mut option = Place::<holdfast_option>::to_fill(draws);
    let number = draws.number();
    // SAFETY: the struct is larger than it says; what is told is static.
    unsafe {
        said(holdfast_status_name(number.cast_signed() >> (number & 31)));
        said(holdfast_version());
        tables.told(draws, |error| holdfast_option_get(index, option.ptr(), error));
        tables.told(draws, |error| holdfast_check_version(number % 3_000_000, error));
    }
}

fn read_error_of(tables: &mut Tables, draws: &mut Draws<'_>) {
    let error: *mut holdfast_error = tables.pick(Kind::Error, draws);
    let (mut attempt, mut snapshot) = (Place::to_fill(draws), Place::to_fill(draws));
    // SAFETY: NULL or live, of whatever kind; the structs are larger than they say.
    unsafe {
        look_at_error(error);
        holdfast_error_attempt(error, draws.below(3), attempt.ptr());
        holdfast_error_snapshot(error, snapshot.ptr());
    }
}

fn read_result_of(tables: &mut Tables, draws: &mut Draws<'_>) {
    let result = tables.pick(Kind::Result, draws);
    let results = tables.pick(Kind::Results, draws);
    let outcomes = tables.pick(Kind::Outcomes, draws);
    let mut column = Place::to_fill(draws);
    // SAFETY: NULL or live, of whatever kind, with what they own; the struct is larger than it says.
    unsafe {
        look_at_result(result);
        holdfast_result_column(result, draws.below(3), column.ptr());
        let borrowed = holdfast_results_get(results, draws.below(4));
        look_at_result(borrowed);
        let of_outcome = holdfast_outcomes_result(outcomes, draws.below(4));
        look_at_result(of_outcome);
        look_at_error(holdfast_outcomes_error(outcomes, draws.below(4)));
        let (_, _) = (holdfast_results_count(results), holdfast_outcomes_count(outcomes));
        for one in [result.cast_const(), borrowed, of_outcome] {
            tables.keep(Kind::Result, holdfast_result_clone(one));
        }
    }
}

fn pack(tables: &mut Tables, draws: &mut Draws<'_>) {
    let result = tables.pick(Kind::Result, draws);
    let mut pack = ptr::null_mut();
    // SAFETY: NULL or live, of whatever kind; `pack` is writable.
    tables.told(draws, |error| unsafe { holdfast_result_pack(result, &raw mut pack, error) });
    tables.keep(Kind::Pack, pack);
    // SAFETY: NULL or live, of whatever kind.
    let data = unsafe { holdfast_pack_data(tables.pick(Kind::Pack, draws)) };
    assert!(data.ptr.is_null() || data.ptr.addr() % 8 == 0);
}

fn read_statement_and_stream(tables: &mut Tables, draws: &mut Draws<'_>) {
    let statement = tables.pick(Kind::Statement, draws);
    let stream = tables.pick(Kind::Stream, draws);
    let (mut column, index) = (Place::to_fill(draws), draws.below(3));
    // SAFETY: NULL or live, of whatever kind; the struct is larger than it says.
    unsafe {
        said(holdfast_statement_text(statement));
        let _ = (holdfast_statement_parameters(statement), holdfast_statement_columns(statement));
        holdfast_statement_parameter_type(statement, index);
        holdfast_statement_column(statement, index, column.ptr());
        said(holdfast_stream_command_tag(stream));
        holdfast_stream_columns(stream);
        holdfast_stream_column(stream, index, column.ptr());
        holdfast_copy_out_rows(tables.pick(Kind::CopyOut, draws));
        tables.keep(Kind::Statement, holdfast_statement_clone(statement));
    }
}

fn read_messages(tables: &mut Tables, draws: &mut Draws<'_>) {
    let notification = tables.pick(Kind::Notification, draws);
    let notices = tables.pick(Kind::Notices, draws);
    let config = tables.pick(Kind::Config, draws);
    let (key, mut value) = (c"max_size".as_ptr(), ptr::null_mut());
    // SAFETY: NULL or live, of whatever kind; the key ends in NUL, and `value` is writable.
    unsafe {
        said(holdfast_notification_channel(notification));
        said(holdfast_notification_payload(notification));
        holdfast_notification_backend_pid(notification);
        said(holdfast_notices_field(notices, draws.below(3), i32::from(draws.byte())));
        tables.told(draws, |error| holdfast_config_get(config, key, HOLDFAST_NUL, &raw mut value, error));
        said(holdfast_text_view(tables.pick(Kind::Text, draws)));
    }
    tables.keep(Kind::Text, value);
}
