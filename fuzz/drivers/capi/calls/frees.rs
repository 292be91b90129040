//! Freeing, in any order.

use super::tables::{KINDS, Kind, Tables};
use crate::ffi::capi::connections::cancel::*;
use crate::ffi::capi::connections::connection::*;
use crate::ffi::capi::connections::message::*;
use crate::ffi::capi::library::error::*;
use crate::ffi::capi::library::text::*;
use crate::ffi::capi::pools::config::*;
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::queues::queue::*;
use crate::ffi::capi::results::pack::*;
use crate::ffi::capi::results::result::*;
use crate::ffi::capi::statements::copy::*;
use crate::ffi::capi::statements::pipeline::*;
use crate::ffi::capi::statements::statement::*;
use crate::ffi::capi::statements::stream::*;
use crate::testing::fuzzing::Draws;

/// Frees a handle of a kind; or NULL, or with the wrong function one that is none of its kind, which both do nothing.
pub(super) fn call(tables: &mut Tables, which: u8, draws: &mut Draws<'_>) {
    let kind = KINDS[usize::from(which) % KINDS.len()];
    if draws.byte() < 16 {
        free_a_stranger(tables, kind);
    } else {
        free_one(tables, kind, draws);
    }
}

pub(super) fn free_one(tables: &mut Tables, kind: Kind, draws: &mut Draws<'_>) {
    let discard = kind == Kind::Connection && draws.byte() & 3 == 3;
    let handle = tables.take::<std::ffi::c_void>(kind, draws);
    // SAFETY: NULL, or live and of this kind, and it stands in no table any more.
    unsafe {
        if discard {
            holdfast_connection_discard(handle.cast());
        } else {
            free(kind, handle);
        }
    }
}

fn free_a_stranger(tables: &Tables, kind: Kind) {
    // SAFETY: NULL, or live and of another kind, which is left alone.
    unsafe { free(kind, tables.stranger(kind)) };
}

/// # Safety
/// `handle` is NULL, or a live handle of another kind, or one of this kind that is not used again.
unsafe fn free(kind: Kind, handle: *mut std::ffi::c_void) {
    // SAFETY: as promised.
    unsafe {
        match kind {
            Kind::Config => holdfast_config_free(handle.cast()),
            Kind::Pool => holdfast_pool_free(handle.cast()),
            Kind::Connection => holdfast_connection_release(handle.cast()),
            Kind::Result => holdfast_result_free(handle.cast()),
            Kind::Results => holdfast_results_free(handle.cast()),
            Kind::Pack => holdfast_pack_free(handle.cast()),
            Kind::Statement => holdfast_statement_free(handle.cast()),
            Kind::Stream => holdfast_stream_free(handle.cast()),
            Kind::CopyIn => holdfast_copy_in_free(handle.cast()),
            Kind::CopyOut => holdfast_copy_out_free(handle.cast()),
            Kind::Outcomes => holdfast_outcomes_free(handle.cast()),
            Kind::Notices => holdfast_notices_free(handle.cast()),
            Kind::Notification => holdfast_notification_free(handle.cast()),
            Kind::Cancel => holdfast_cancel_free(handle.cast()),
            Kind::Queue => holdfast_queue_free(handle.cast()),
            Kind::Error => holdfast_error_free(handle.cast()),
            Kind::Text => holdfast_text_free(handle.cast()),
        }
    }
}
