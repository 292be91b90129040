//! Texts that run: statements, their parameters, names of savepoints, reasons.

use std::ptr;

use super::super::reading::{look_at_error, look_at_result, read_error, said};
use super::super::world::Given;
use super::Speaker;
use crate::ffi::capi::connections::connection::*;
use crate::ffi::capi::connections::message::*;
use crate::ffi::capi::connections::transaction::*;
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_OK, HOLDFAST_STATUS_PANIC};
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::queues::completion::*;
use crate::ffi::capi::queues::queue::*;
use crate::ffi::capi::queues::submit::*;
use crate::ffi::capi::queues::submit_connection::*;
use crate::ffi::capi::results::result::*;
use crate::ffi::capi::statements::copy::*;
use crate::ffi::capi::statements::pipeline::*;
use crate::ffi::capi::statements::query::*;
use crate::ffi::capi::statements::statement::*;
use crate::ffi::capi::statements::stream::*;
use crate::testing::fuzzing::Draws;

impl Speaker<'_> {
    pub(super) fn query(&mut self, draws: &mut Draws<'_>) {
        let (sql, given, format) = arguments(draws);
        let params = params(&given, format);
        let mut result = ptr::null_mut();
        // SAFETY: the connection is live, texts and parameters are as they say, and `result` NULL or live afterwards.
        unsafe {
            self.told(|error| {
                let (at, count) = (params.as_ptr(), params.len());
                let connection = self.connection;
                holdfast_connection_query(
                    connection,
                    sql.ptr(),
                    sql.len,
                    at,
                    count,
                    format,
                    &raw mut result,
                    error,
                )
            });
            look_at_result(result);
            holdfast_result_free(result);
        }
        self.renew_connection();
    }

    /// A connection that was lost, to the stand-in or to a deadline, is of no more use.
    pub(super) fn renew_connection(&mut self) {
        // SAFETY: the connection and the pool are live; the connection is not used after it was given back.
        unsafe {
            if holdfast_connection_transaction_status(self.connection) == HOLDFAST_TRANSACTION_UNKNOWN {
                holdfast_connection_release(self.connection);
                let place = &raw mut self.connection;
                let got = holdfast_pool_acquire(self.echo.pool, ptr::null(), place, ptr::null_mut());
                assert_eq!(got, HOLDFAST_STATUS_OK, "a connection is free");
            }
        }
    }

    pub(super) fn pool_query(&mut self, draws: &mut Draws<'_>) {
        let (sql, given, format) = arguments(draws);
        let params = params(&given, format);
        let mut result = ptr::null_mut();
        // SAFETY: the pool is live, texts and parameters are as they say, and `result` NULL or live afterwards.
        unsafe {
            self.told(|error| {
                let (at, count, pool) = (params.as_ptr(), params.len(), self.echo.pool);
                let (text, len) = (sql.ptr(), sql.len);
                holdfast_pool_query(pool, ptr::null(), text, len, at, count, format, &raw mut result, error)
            });
            look_at_result(result);
            holdfast_result_free(result);
        }
    }

    pub(super) fn script(&mut self, draws: &mut Draws<'_>) {
        let sql = Given::draw(draws, "");
        let mut results = ptr::null_mut();
        // SAFETY: the connection is live, the text as it says, and `results` NULL or live afterwards, with all in it.
        unsafe {
            self.told(|error| {
                holdfast_connection_script(self.connection, sql.ptr(), sql.len, &raw mut results, error)
            });
            let count = holdfast_results_count(results);
            (0..=count).for_each(|index| look_at_result(holdfast_results_get(results, index)));
            holdfast_results_free(results);
        }
        self.renew_connection();
    }

    pub(super) fn prepare(&mut self, draws: &mut Draws<'_>) {
        let (sql, given, format) = arguments(draws);
        let params = params(&given, format);
        let types = [draws.number() % 1_200, 0];
        let (mut statement, mut result) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the connection is live, texts and parameters are as they say, and both handles NULL or live afterwards.
        unsafe {
            self.told(|error| {
                let (text, len, place) = (sql.ptr(), sql.len, &raw mut statement);
                holdfast_connection_prepare(
                    self.connection,
                    text,
                    len,
                    types.as_ptr(),
                    types.len(),
                    place,
                    error,
                )
            });
            said(holdfast_statement_text(statement));
            self.told(|error| {
                let (at, count, place) = (params.as_ptr(), params.len(), &raw mut result);
                holdfast_connection_execute(self.connection, statement, at, count, format, place, error)
            });
            look_at_result(result);
            holdfast_result_free(result);
            holdfast_statement_free(statement);
        }
        self.renew_connection();
    }

    pub(super) fn stream(&mut self, draws: &mut Draws<'_>) {
        let (sql, given, format) = arguments(draws);
        let params = params(&given, format);
        let (mut stream, mut result) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the connection is live, texts and parameters are as they say, and both handles NULL or live afterwards.
        unsafe {
            self.told(|error| {
                let (at, count, place) = (params.as_ptr(), params.len(), &raw mut stream);
                let connection = self.connection;
                holdfast_connection_stream(connection, sql.ptr(), sql.len, at, count, format, place, error)
            });
            self.told(|error| holdfast_stream_next(stream, 2, &raw mut result, error));
            look_at_result(result);
            said(holdfast_stream_command_tag(stream));
            holdfast_result_free(result);
            holdfast_stream_free(stream);
        }
        self.renew_connection();
    }

    /// The stand-in knows no COPY, so that these have to be refused.
    pub(super) fn copy(&mut self, draws: &mut Draws<'_>) {
        let sql = Given::draw(draws, "");
        let (mut copy_in, mut copy_out) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the connection is live, the text as it says, and both handles NULL or live afterwards.
        unsafe {
            let (connection, text, len) = (self.connection, sql.ptr(), sql.len);
            self.told(|error| holdfast_connection_copy_in(connection, text, len, &raw mut copy_in, error));
            self.told(|error| holdfast_connection_copy_out(connection, text, len, &raw mut copy_out, error));
            holdfast_copy_in_free(copy_in);
            holdfast_copy_out_free(copy_out);
        }
        self.renew_connection();
    }

    pub(super) fn savepoint(&mut self, draws: &mut Draws<'_>) {
        let name = Given::draw(draws, "");
        // SAFETY: the connection is live, and the text as it says.
        unsafe {
            let (connection, name, len) = (self.connection, name.ptr(), name.len);
            self.told(|error| holdfast_connection_savepoint(connection, name, len, error));
            self.told(|error| holdfast_connection_rollback_to(connection, name, len, error));
            self.told(|error| holdfast_connection_release_savepoint(connection, name, len, error));
        }
    }

    pub(super) fn submit(&mut self, draws: &mut Draws<'_>) {
        let (sql, given, format) = arguments(draws);
        let params = params(&given, format);
        let options = submit_options(format);
        // SAFETY: pool and queue are live, texts, parameters and options as they say.
        unsafe {
            self.told(|error| {
                let (at, count, text, len) = (params.as_ptr(), params.len(), sql.ptr(), sql.len);
                let (pool, queue, options) = (self.echo.pool, self.echo.queue, &raw const options);
                holdfast_submit_query(pool, queue, 7, options, text, len, at, count, ptr::null_mut(), error)
            });
        }
        self.drain();
    }

    pub(super) fn submit_to_connection(&mut self, draws: &mut Draws<'_>) {
        let (sql, given, format) = arguments(draws);
        let params = params(&given, format);
        let options = submit_options(format);
        // SAFETY: connection and queue are live, texts, parameters and options as they say.
        unsafe {
            let (connection, queue, options) = (self.connection, self.echo.queue, &raw const options);
            let (text, len, request) = (sql.ptr(), sql.len, ptr::null_mut());
            self.told(|error| {
                let (at, count) = (params.as_ptr(), params.len());
                holdfast_submit_connection_query(
                    connection, queue, 8, options, text, len, at, count, request, error,
                )
            });
            self.told(|error| {
                holdfast_submit_connection_script(connection, queue, 9, options, text, len, request, error)
            });
        }
        self.drain();
        self.renew_connection();
    }

    /// Takes all that was submitted.
    fn drain(&self) {
        // SAFETY: the queue is live, and what is written to lives here; the handles in it are ours, and freed once.
        unsafe {
            let mut done: holdfast_completion = std::mem::zeroed();
            while holdfast_queue_pending(self.echo.queue) > 0 {
                assert!(holdfast_queue_wait(self.echo.queue, 10_000), "a request without a completion");
                if holdfast_queue_drain(self.echo.queue, &raw mut done, 1, size_of_val(&done)) == 0 {
                    continue;
                }
                assert_ne!(done.status, HOLDFAST_STATUS_PANIC);
                self.keeps_the_secret(&read_error(done.error));
                look_at_result(done.result);
                holdfast_result_free(done.result);
                holdfast_results_free(done.results);
                (60..90).for_each(|field| _ = said(holdfast_notices_field(done.notices, 0, field)));
                holdfast_notices_free(done.notices);
            }
        }
    }

    pub(super) fn pipeline(&mut self, draws: &mut Draws<'_>) {
        let mode = i32::from(draws.byte() & 1);
        let all: Vec<_> = (0..1 + draws.below(3)).map(|_| arguments(draws)).collect();
        let all_params: Vec<_> = all.iter().map(|(_, given, format)| params(given, *format)).collect();
        let request = |((sql, _, format), params): (&(Given, Vec<Given>, i32), &Vec<holdfast_param>)| {
            holdfast_request {
                sql: sql.ptr(),
                sql_len: sql.len,
                statement: ptr::null(),
                params: params.as_ptr(),
                nparams: params.len(),
                result_format: *format,
                reserved: 0,
            }
        };
        let requests: Vec<_> = all.iter().zip(&all_params).map(request).collect();
        let mut outcomes = ptr::null_mut();
        // SAFETY: the connection is live, the requests are as they say, and `outcomes` NULL or live, with all in it.
        unsafe {
            self.told(|error| {
                let (at, count, place) = (requests.as_ptr(), requests.len(), &raw mut outcomes);
                holdfast_connection_pipeline(self.connection, at, count, mode, place, error)
            });
            for index in 0..holdfast_outcomes_count(outcomes) {
                look_at_result(holdfast_outcomes_result(outcomes, index));
                let words = look_at_error(holdfast_outcomes_error(outcomes, index));
                self.keeps_the_secret(&words);
            }
            holdfast_outcomes_free(outcomes);
        }
        self.renew_connection();
    }

    pub(super) fn messages(&mut self) {
        let (mut notices, mut notification) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the connection is live, and both handles NULL or live afterwards.
        unsafe {
            self.told(|error| holdfast_connection_notices(self.connection, &raw mut notices, error));
            for index in 0..=holdfast_notices_count(notices) {
                (60..90).for_each(|field| _ = said(holdfast_notices_field(notices, index, field)));
            }
            holdfast_notices_free(notices);
            self.told(|error| {
                holdfast_connection_notification(self.connection, 0, &raw mut notification, error)
            });
            said(holdfast_notification_channel(notification));
            said(holdfast_notification_payload(notification));
            holdfast_notification_free(notification);
        }
    }

    pub(super) fn transaction(&mut self, draws: &mut Draws<'_>) {
        // SAFETY: the connection is live, and NULL stands for the defaults.
        unsafe {
            match draws.below(3) {
                0 => self.told(|error| holdfast_connection_begin(self.connection, ptr::null(), error)),
                1 => self.told(|error| holdfast_connection_commit(self.connection, error)),
                _ => self.told(|error| holdfast_connection_rollback(self.connection, error)),
            };
        }
    }

    /// Of a COPY there is none, so the reason is all that is looked at.
    pub(super) fn abort(&mut self, draws: &mut Draws<'_>) {
        let reason = Given::draw(draws, "");
        // SAFETY: NULL is no copy, and the text is as it says.
        let done = unsafe {
            self.told(|error| holdfast_copy_in_abort(ptr::null_mut(), reason.ptr(), reason.len, error))
        };
        assert!(!done);
    }
}

/// A statement, its parameters, and a format.
fn arguments(draws: &mut Draws<'_>) -> (Given, Vec<Given>, i32) {
    let how = draws.byte();
    let sql = Given::draw(draws, "");
    let given = (0..how >> 2 & 3).map(|_| Given::draw(draws, "")).collect();
    (sql, given, i32::from(how & 3))
}

fn params(given: &[Given], format: i32) -> Vec<holdfast_param> {
    const TYPES: [u32; 4] = [0, 23, 25, 1700];
    given.iter().zip(TYPES).map(|(value, type_oid)| value.as_param(type_oid, format & 1)).collect()
}

fn submit_options(format: i32) -> holdfast_submit_options {
    holdfast_submit_options {
        struct_size: size_of::<holdfast_submit_options>() as u32,
        retries: HOLDFAST_NO_RETRY,
        timeout_ms: 0,
        deadline_ms: 0,
        result_format: format,
        pack: 0,
        idempotent: 0,
        deadline_covers_wait: 0,
        in_parts: 0,
        notices: 1,
    }
}
