//! Statistics.

use super::pool::holdfast_pool;
use crate::error::{ErrorKind, LimitedBy, gauges};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{guard, or_default};
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::library::error::{HOLDFAST_LIMITED_BY_NOTHING, holdfast_error};
use crate::ffi::capi::library::gauges::fill_gauges;
use crate::ffi::capi::library::status::{self, holdfast_status};
use crate::ffi::capi::library::text::{ended, holdfast_str, literal};
use crate::pool::{Circuit, CloseReason, Stats};

/// The number of entries of holdfast_stats.errors, 64: room for kinds of failure to come.
pub const HOLDFAST_ERROR_KINDS: usize = 64;

/// The metrics of a pool: its state and its counters, all of one moment. Set struct_size before the call that fills it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_stats {
    /// sizeof(holdfast_stats).
    pub struct_size: u32,
    /// The configured hard cap.
    pub max_size: u32,
    /// The cap in force at present: at most max_size, and less where the server was found to be full. It rises again as
    /// callers need connections and the server has room.
    pub limit: u32,
    /// Server connections that count against the cap: idle, in use, opening, and closing ones the server may still see.
    pub total: u32,
    /// Parked and ready.
    pub idle: u32,
    /// Checked out, or being cleaned after their return.
    pub in_use: u32,
    /// Being opened.
    pub opening: u32,
    /// Threads and submitted requests that wait for a connection.
    pub waiting: u32,
    /// Connections checked out. This and all that follows is counted since the pool was opened.
    pub gets: u64,
    /// Calls that had to wait for a connection.
    pub waits: u64,
    /// Calls that ended with HOLDFAST_STATUS_POOL_TIMEOUT.
    pub timeouts: u64,
    /// Connections opened.
    pub opens: u64,
    /// Attempts to open a connection that were repeated after a failure.
    pub retries: u64,
    /// Statements of the pool's users that the server has finished, failed ones included.
    pub statements: u64,
    /// Connections that came back with an open or failed transaction, which was rolled back.
    pub rolled_back: u64,
    /// Connections closed after idle_timeout.
    pub closed_idle_timeout: u64,
    /// Connections closed as older than their share of max_lifetime.
    pub closed_max_lifetime: u64,
    /// Connections found dead before they were checked out.
    pub closed_validation_failed: u64,
    /// Connections that broke while they were checked out.
    pub closed_broken: u64,
    /// Connections given up because a statement ran past its deadline.
    pub closed_deadline_passed: u64,
    /// Connections that came back in a state that could not be cleaned in time.
    pub closed_unclean: u64,
    /// Connections discarded by their caller.
    pub closed_discarded: u64,
    /// Connections closed with the pool.
    pub closed_pool_closed: u64,
    /// Failed attempts to open and failed calls of the pool: errors[status] of each kind, 1 to 63.
    pub errors: [u64; HOLDFAST_ERROR_KINDS],
    /// The limit that keeps limit below max_size: a HOLDFAST_LIMITED_BY_ constant.
    pub limited_by: i32,
    /// The state of the circuit, which decides whether connections are opened: a HOLDFAST_CIRCUIT_ constant.
    pub circuit: i32,
    /// The time for which the server has been out of reach, or refused this pool, in milliseconds; 0 while neither is
    /// so.
    pub circuit_ms: u64,
    /// Connections attempted by the prober, to find out whether a server is back that was out of reach or refused.
    pub probes: u64,
    /// Calls that were not let into the queue (HOLDFAST_STATUS_OVERLOADED).
    pub shed: u64,
    /// Connections closed by holdfast_pool_release_idle.
    pub closed_released: u64,
    /// Connections closed because their server's role is not that of target_session_attrs any more.
    pub closed_wrong_role: u64,
    /// Connections given back to the server for other pools (the option fleet_share).
    pub closed_shared: u64,
    /// The connections that fleet coordination allows this pool at present; 0 before its first census.
    pub fleet_share: u32,
    /// The number of pools of the fleet that hold connections, this one included, as of the last census; 0 as for
    /// fleet_share.
    pub fleet_peers: u32,
    /// Validations of a connection that succeeded, before a checkout or in the background.
    pub validations: u64,
    /// Connections closed because they exceeded a lowered holdfast_pool_set_max_size.
    pub closed_surplus: u64,
}

// One for each state.
include!(concat!(env!("OUT_DIR"), "/circuit_constants.rs"));

// SAFETY: repr(C); eight u32, then u64 from offset 32 on, then two of 32 bits, then u64, then two u32, then u64: no padding.
unsafe impl Growing for holdfast_stats {}

/// Returns the name of a HOLDFAST_CIRCUIT_ constant in snake case, such as "probing"; "unknown" for a state that this version
/// does not have. The text is static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_circuit_name(state: i32) -> holdfast_str {
    or_default(literal("unknown\0"), || Ok(ended(Circuit::name_of_number(state))))
}

/// Returns the name of a HOLDFAST_LIMITED_BY_ constant in snake case, such as "server"; "unknown" for a limit that this version
/// does not have. The text is static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_limited_by_name(limit: i32) -> holdfast_str {
    or_default(literal("unknown\0"), || {
        if limit == HOLDFAST_LIMITED_BY_NOTHING {
            return Ok(literal("nothing\0"));
        }
        Ok(ended(LimitedBy::name_of_number(limit)))
    })
}

fn described(stats: &Stats) -> holdfast_stats {
    let mut errors = [0; HOLDFAST_ERROR_KINDS];
    for &kind in ErrorKind::ALL {
        if let Some(place) = usize::try_from(status::of_kind(kind)).ok().and_then(|i| errors.get_mut(i)) {
            *place = stats.errors_of(kind);
        }
    }
    let gauges = stats.gauges;
    let mut filled = holdfast_stats {
        gets: stats.gets,
        waits: stats.waits,
        timeouts: stats.timeouts,
        opens: stats.opens,
        retries: stats.retries,
        statements: stats.statements,
        rolled_back: stats.rolled_back,
        closed_idle_timeout: stats.closes_by(CloseReason::IdleTimeout),
        closed_max_lifetime: stats.closes_by(CloseReason::MaxLifetime),
        closed_validation_failed: stats.closes_by(CloseReason::ValidationFailed),
        closed_broken: stats.closes_by(CloseReason::Broken),
        closed_deadline_passed: stats.closes_by(CloseReason::DeadlinePassed),
        closed_unclean: stats.closes_by(CloseReason::Unclean),
        closed_discarded: stats.closes_by(CloseReason::Discarded),
        closed_pool_closed: stats.closes_by(CloseReason::PoolClosed),
        errors,
        circuit: stats.circuit as i32,
        circuit_ms: stats.circuit_for.map_or(0, |length| length.as_millis() as u64),
        probes: stats.probes,
        shed: stats.shed,
        closed_released: stats.closes_by(CloseReason::Released),
        closed_wrong_role: stats.closes_by(CloseReason::WrongRole),
        closed_surplus: stats.closes_by(CloseReason::Surplus),
        closed_shared: stats.closes_by(CloseReason::Shared),
        validations: stats.validations,
        ..growable::zeroed()
    };
    gauges!(fill_gauges, filled; gauges);
    filled
}

/// Fills *stats. Any thread; costs one short lock. HOLDFAST_STATUS_ARGUMENT if struct_size is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_stats(
    pool: *const holdfast_pool,
    stats: *mut holdfast_stats,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live, `stats` NULL or as large as its `struct_size` says.
        unsafe {
            let pool = hold(pool)?;
            growable::write(stats, &described(&pool.core.stats()), "holdfast_stats")
        }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
