//! The one way out of every export: an error object for failures, never a panic.

use std::any::Any;
use std::ptr;
use std::time::Duration;

use super::handle::{Handle, free, give};
use crate::error::Error;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{self, holdfast_status};
use crate::sys::unwind::{catch_panic, panic_message};
use crate::sys::{callback, cancellation};

/// Why a call failed.
pub(in crate::ffi::capi) enum Failure {
    /// The core said so.
    Core(Error),
    /// The call itself was not possible.
    Call { status: holdfast_status, message: String },
    /// A callback of the program's said so, with an error that it gave.
    Given { status: holdfast_status, error: GivenError },
}

impl Failure {
    pub(in crate::ffi::capi) fn new(status: holdfast_status, message: impl Into<String>) -> Self {
        Self::Call { status, message: message.into() }
    }

    pub(in crate::ffi::capi) fn argument(message: impl Into<String>) -> Self {
        Self::new(status::HOLDFAST_STATUS_ARGUMENT, message)
    }

    pub(in crate::ffi::capi) fn null(what: &str) -> Self {
        Self::new(status::HOLDFAST_STATUS_NULL, format!("{what} is NULL"))
    }

    pub(in crate::ffi::capi) fn busy(what: &str) -> Self {
        Self::new(
            status::HOLDFAST_STATUS_BUSY,
            format!("another thread is using this {what}: one call at a time"),
        )
    }

    /// The same, about one request of several.
    pub(in crate::ffi::capi) fn in_request(self, index: usize) -> Self {
        match self {
            Self::Call { status, message } => {
                Self::Call { status, message: format!("requests[{index}]: {message}") }
            }
            other => other,
        }
    }

    /// Every call that blocks asks this first.
    pub(in crate::ffi::capi) fn if_in_callback() -> Outcome {
        if callback::is_running() {
            return Err(Self::new(
                status::HOLDFAST_STATUS_REENTRANT,
                "this call blocks, which is not possible inside a callback of the library, such as that for log records",
            ));
        }
        Ok(())
    }

    /// The error object that C gets.
    pub(in crate::ffi::capi) fn into_object(self) -> *mut holdfast_error {
        match self {
            Self::Given { error, .. } => error.into_raw(),
            other => give(holdfast_error::describe(other)),
        }
    }

    pub(in crate::ffi::capi) fn panic(payload: &(dyn Any + Send)) -> Self {
        let said = panic_message(payload);
        Self::new(status::HOLDFAST_STATUS_PANIC, format!("a defect in the library, please report it: {said}"))
    }
}

/// An error object that the program handed over; freed on drop unless it is passed on.
pub(in crate::ffi::capi) struct GivenError(*mut holdfast_error);

// SAFETY: errors never change, and may be used and freed on any thread.
unsafe impl Send for GivenError {}

impl GivenError {
    /// # Safety
    /// `error` is a live error, and nothing else will free it.
    pub(in crate::ffi::capi) unsafe fn new(error: *mut holdfast_error) -> Self {
        Self(error)
    }

    pub(in crate::ffi::capi) fn into_raw(mut self) -> *mut holdfast_error {
        std::mem::replace(&mut self.0, ptr::null_mut())
    }
}

impl Drop for GivenError {
    fn drop(&mut self) {
        // SAFETY: NULL, or live and ours, as `new` was promised.
        unsafe { free(self.0) };
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

pub(in crate::ffi::capi) type Outcome<T = ()> = Result<T, Failure>;

/// Runs the body of an export. A failure becomes its status and, where the caller wants one, an error object; a panic
/// becomes a failure. The thread's end by a callback, or an exception out of one, passes; cancellation is held off meanwhile.
///
/// # Safety
/// `error` is NULL or points to a writable `holdfast_error *`, with any present value.
pub(in crate::ffi::capi) unsafe fn guard(
    error: *mut *mut holdfast_error,
    body: impl FnOnce() -> Outcome,
) -> holdfast_status {
    if !error.is_null() {
        // SAFETY: writable, as the caller of the export promises; nothing is read.
        unsafe { error.write(ptr::null_mut()) };
    }
    callback::thread_goes_on();
    let held_off = cancellation::hold_off();
    let outcome = catch_panic(body);
    drop(held_off);
    let failure = match outcome {
        Ok(Ok(())) => return status::HOLDFAST_STATUS_OK,
        Ok(Err(failure)) => failure,
        Err(payload) => Failure::panic(&*payload),
    };
    let status = status::of_failure(&failure);
    if !error.is_null() {
        // Putting it in words could fail in turn; the status is then all there is.
        if let Ok(object) = catch_panic(|| failure.into_object()) {
            // SAFETY: as above.
            unsafe { error.write(object) };
        }
    }
    status
}

/// Runs the body of an export that cannot fail, or answers a failure with `default`.
pub(in crate::ffi::capi) fn or_default<T>(default: T, body: impl FnOnce() -> Outcome<T>) -> T {
    match catch_panic(body) {
        Ok(Ok(value)) => value,
        _ => default,
    }
}

/// The place that an export puts a handle into: NULL from the start, so that no failure leaves garbage there.
pub(in crate::ffi::capi) struct Out<H>(*mut *mut H);

impl<H: Handle> Out<H> {
    /// # Safety
    /// `place` is NULL or points to a writable handle pointer, with any present value.
    pub(in crate::ffi::capi) unsafe fn new(place: *mut *mut H, name: &str) -> Outcome<Self> {
        if place.is_null() {
            return Err(Failure::null(name));
        }
        // SAFETY: writable, as the caller of the export promises; nothing is read.
        unsafe { place.write(ptr::null_mut()) };
        Ok(Self(place))
    }

    pub(in crate::ffi::capi) fn set(self, value: H::Value) {
        // SAFETY: `new` found it writable, and the promise of the export's caller holds during the call.
        unsafe { self.0.write(give::<H>(value)) };
    }
}

/// The longest wait: longer than any caller needs, and short enough to add to any moment.
const MOST_MILLISECONDS: u64 = 365 * 86_400 * 1_000;

pub(in crate::ffi::capi) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count.min(MOST_MILLISECONDS))
}

pub(in crate::ffi::capi) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::capi::library::error::{
        holdfast_error_free, holdfast_error_message, holdfast_error_status,
    };

    #[test]
    fn a_panic_becomes_a_status_and_an_error_that_quotes_it() {
        let mut error = ptr::dangling_mut();
        // SAFETY: `error` is writable, and what is put there is a live error until it is freed.
        unsafe {
            assert_eq!(guard(&raw mut error, || panic!("a {}", "slip")), status::HOLDFAST_STATUS_PANIC);
            assert_eq!(holdfast_error_status(error), status::HOLDFAST_STATUS_PANIC);
            let said = std::ffi::CStr::from_ptr(holdfast_error_message(error).ptr).to_str().unwrap();
            assert!(said.ends_with(": a slip"), "{said}");
            holdfast_error_free(error);
            assert_eq!(guard(ptr::null_mut(), || panic!("unheard")), status::HOLDFAST_STATUS_PANIC);
            assert_eq!(guard(&raw mut error, || Ok(())), status::HOLDFAST_STATUS_OK);
        }
        assert!(error.is_null());
        assert_eq!(or_default(7, || panic!("unheard")), 7);
    }
}
