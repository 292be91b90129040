//! Versions.
//!
//! The macros say what a program was compiled against, the functions what it runs with. While the version is 0.y.z, a
//! program runs with libraries of the same 0.y and at least its z; from 1.0.0 on, with any later one of the same major.

use super::status::{HOLDFAST_STATUS_MISUSE, holdfast_status};
use super::text::{EMPTY, holdfast_str, literal};
use crate::ffi::capi::boundary::guard::{Failure, guard, or_default};
use crate::ffi::capi::library::error::holdfast_error;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The number in one part of the version.
const fn part(text: &str) -> u32 {
    let (bytes, mut at, mut number) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        number = number * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    number
}

const MAJOR: u32 = part(env!("CARGO_PKG_VERSION_MAJOR"));
const MINOR: u32 = part(env!("CARGO_PKG_VERSION_MINOR"));
const PATCH: u32 = part(env!("CARGO_PKG_VERSION_PATCH"));

/// Returns whether a program compiled against the version `wanted` runs with `ours`.
fn serves(ours: (u32, u32, u32), wanted: u32) -> bool {
    let wanted = (wanted / 1_000_000, wanted / 1_000 % 1_000, wanted % 1_000);
    let same_line = ours.0 == wanted.0 && (ours.0 > 0 || ours.1 == wanted.1);
    same_line && ours >= wanted
}

/// The version of the library that runs, as text: compare HOLDFAST_VERSION. Static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_version() -> holdfast_str {
    or_default(EMPTY, || Ok(literal(VERSION)))
}

/// The version of the library that runs, as major * 1000000 + minor * 1000 + patch: compare HOLDFAST_VERSION_NUMBER. Any
/// thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_version_number() -> u32 {
    MAJOR * 1_000_000 + MINOR * 1_000 + PATCH
}

/// Checks that the library that runs serves a program compiled against the given version: give it
/// HOLDFAST_VERSION_NUMBER, once, before anything else. HOLDFAST_STATUS_MISUSE if not, with an error that names both.
/// Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_check_version(
    compiled_against: u32,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        if serves((MAJOR, MINOR, PATCH), compiled_against) {
            return Ok(());
        }
        let (major, minor, patch) =
            (compiled_against / 1_000_000, compiled_against / 1_000 % 1_000, compiled_against % 1_000);
        Err(Failure::new(
            HOLDFAST_STATUS_MISUSE,
            format!(
                "this program was compiled against Holdfast {major}.{minor}.{patch}, which {} cannot stand in for",
                env!("CARGO_PKG_VERSION")
            ),
        ))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_serves_programs_of_its_own_line_and_not_of_later_versions() {
        assert!(serves((0, 1, 2), 1_000) && serves((0, 1, 2), 1_002));
        assert!(!serves((0, 1, 2), 1_003) && !serves((0, 2, 0), 1_000) && !serves((1, 0, 0), 1_000));
        assert!(
            serves((1, 4, 0), 1_002_009) && !serves((1, 4, 0), 1_005_000) && !serves((2, 0, 0), 1_000_000)
        );
    }
}
