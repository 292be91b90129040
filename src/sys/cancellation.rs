//! Keeps `pthread_cancel` out of the library.
//!
//! A cancelled thread is unwound at whatever system call it makes next, in the midst of a transaction or of opening a
//! connection. So a call into the library holds cancellation off, and a request for it takes effect when the call has
//! returned or while a callback of the program's runs.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;

unsafe extern "C" {
    // SAFETY: takes any of its own two constants, and a place for the state before.
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// `PTHREAD_CANCEL_DISABLE`.
const DISABLED: c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };

thread_local! {
    /// The state that the program has chosen, while a call holds cancellation off.
    static PROGRAMS: Cell<Option<c_int>> = const { Cell::new(None) };
}

fn set(state: c_int) -> c_int {
    let mut before = DISABLED;
    // SAFETY: the state is one of the two; `before` is writable.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// Restores what was before, on every way out. Belongs to its thread.
#[must_use]
pub(crate) struct Restored {
    state: c_int,
    programs: Option<c_int>,
    own_thread: PhantomData<*const ()>,
}

impl Drop for Restored {
    fn drop(&mut self) {
        PROGRAMS.set(self.programs);
        set(self.state);
    }
}

/// Holds cancellation off: for a call into the library.
#[cfg(any(feature = "capi", test))]
pub(crate) fn hold_off() -> Restored {
    let state = set(DISABLED);
    // An inner call, from a callback that ran with the program's choice, records it anew.
    let programs = PROGRAMS.replace(Some(state));
    Restored { state, programs, own_thread: PhantomData }
}

/// Lets the program's own choice hold: for a callback. Does nothing on a thread of the library, or outside any call.
pub(crate) fn as_the_program_chose() -> Option<Restored> {
    let chosen = PROGRAMS.get().filter(|chosen| *chosen != DISABLED)?;
    let state = set(chosen);
    Some(Restored { state, programs: Some(chosen), own_thread: PhantomData })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present() -> c_int {
        let state = set(DISABLED);
        set(state);
        state
    }

    #[test]
    fn cancellation_is_held_off_in_calls_and_as_it_was_in_callbacks() {
        let usual = present();
        assert!(as_the_program_chose().is_none(), "not within a call");
        let call = hold_off();
        assert_eq!(present(), DISABLED);
        let callback = as_the_program_chose();
        assert_eq!(present(), usual);
        let inner = hold_off();
        assert_eq!(present(), DISABLED);
        drop((inner, callback));
        assert_eq!(present(), DISABLED);
        drop(call);
        assert_eq!(present(), usual);
        assert!(as_the_program_chose().is_none());
    }
}
