//! Stops Rust panics, and nothing else.
//!
//! `pthread_exit` and `pthread_cancel` unwind the stack too (a *forced unwind*), as interpreters do that end their threads from
//! within a callback. std's `catch_unwind` stops every unwind, and a stopped forced unwind ends the process. So the frame that
//! catches here has a personality routine of its own, which stops the unwind of a Rust panic and lets every other pass.
//!
//! Only x86-64 with ELF has that frame. Elsewhere this is `catch_unwind`, and a forced unwind from a callback ends the process.

#![allow(unsafe_code)]

use std::any::Any;
use std::thread;

/// Returns the message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Runs `work`. `Err` has the payload of a panic.
///
/// A forced unwind passes: what is in the frames is dropped, and this function does not return. Values that depend on `work`
/// having ended must be restored by guards, not by code after this call.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    implementation::catch_panic(work)
}

#[cfg(all(target_arch = "x86_64", not(target_vendor = "apple"), unix, panic = "unwind"))]
mod implementation {
    use std::arch::naked_asm;
    use std::ffi::{c_int, c_void};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    /// The class that std gives its exceptions. Its order of bytes has changed once; both are accepted.
    const RUST_EXCEPTION: [u64; 2] = [u64::from_ne_bytes(*b"MOZ\0RUST"), u64::from_be_bytes(*b"MOZ\0RUST")];

    // Constants of the Itanium C++ ABI, part 1 (exception handling).
    const SEARCH_PHASE: c_int = 1;
    const HANDLER_FRAME: c_int = 4;
    const FORCE_UNWIND: c_int = 8;
    const HANDLER_FOUND: c_int = 6;
    const INSTALL_CONTEXT: c_int = 7;
    const CONTINUE_UNWIND: c_int = 8;

    /// The register that a landing pad finds the exception in (DWARF number; %rax).
    const EXCEPTION_REGISTER: c_int = 0;

    // Of the unwinder that std links.
    unsafe extern "C-unwind" {
        fn _Unwind_RaiseException(exception: *mut c_void) -> c_int;
        fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
        fn _Unwind_SetIP(context: *mut c_void, address: usize);
        fn _Unwind_GetLanguageSpecificData(context: *mut c_void) -> usize;
    }

    /// Decides about an unwind that reaches [`call_and_stop_panics`].
    unsafe extern "C" fn personality(
        _version: c_int,
        actions: c_int,
        class: u64,
        exception: *mut c_void,
        context: *mut c_void,
    ) -> c_int {
        if !RUST_EXCEPTION.contains(&class) || actions & FORCE_UNWIND != 0 {
            return CONTINUE_UNWIND;
        }
        if actions & SEARCH_PHASE != 0 {
            return HANDLER_FOUND;
        }
        if actions & HANDLER_FRAME == 0 {
            return CONTINUE_UNWIND;
        }
        // SAFETY: the unwinder gave the context for this; the frame's language-specific data is its landing pad.
        unsafe {
            _Unwind_SetGR(context, EXCEPTION_REGISTER, exception.expose_provenance());
            _Unwind_SetIP(context, _Unwind_GetLanguageSpecificData(context));
        }
        INSTALL_CONTEXT
    }

    /// Calls `work(data)`. Returns NULL, or the exception of a panic that ended it.
    ///
    /// The landing pad gets the exception where the return value is, so both ways out are the same.
    #[unsafe(naked)]
    unsafe extern "C-unwind" fn call_and_stop_panics(
        work: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
    ) -> *mut c_void {
        naked_asm!(
            ".cfi_startproc",
            ".cfi_personality 0x1b, {personality}",
            ".cfi_lsda 0x1b, .Lholdfast_panic_stopped",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "mov rax, rdi",
            "mov rdi, rsi",
            "call rax",
            "xor eax, eax",
            ".Lholdfast_panic_stopped:",
            "pop rbp",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
            personality = sym personality,
        )
    }

    struct Call<F, T> {
        work: Option<F>,
        outcome: Option<T>,
    }

    /// # Safety
    /// `call` is a `Call<F, T>` that nothing else uses meanwhile.
    unsafe extern "C-unwind" fn run<F: FnOnce() -> T, T>(call: *mut c_void) {
        // SAFETY: as promised.
        let call = unsafe { &mut *call.cast::<Call<F, T>>() };
        call.outcome = call.work.take().map(|work| work());
    }

    pub(super) fn catch_panic<F: FnOnce() -> T, T>(work: F) -> thread::Result<T> {
        let mut call = Call { work: Some(work), outcome: None };
        // SAFETY: `run` gets what it was made for, alive until the call is over.
        let exception = unsafe { call_and_stop_panics(run::<F, T>, (&raw mut call).cast()) };
        if let (None, true) = (&call.outcome, exception.is_null()) {
            unreachable!("work that did not end has panicked");
        }
        match call.outcome {
            Some(outcome) => Ok(outcome),
            // std counts panics, and has to end this one itself.
            None => catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: the exception was raised by std and stopped above, so that it can be raised again.
                unsafe { _Unwind_RaiseException(exception) };
                unreachable!("a raised exception does not return to a frame below its handler");
            })),
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(target_vendor = "apple"), unix, panic = "unwind")))]
mod implementation {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    pub(super) fn catch_panic<F: FnOnce() -> T, T>(work: F) -> thread::Result<T> {
        catch_unwind(AssertUnwindSafe(work))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Counts<'a>(&'a AtomicU32);

    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_panic_is_stopped_with_its_payload_and_everything_else_returns() {
        let dropped = AtomicU32::new(0);
        for round in 0..100_u32 {
            assert_eq!(catch_panic(|| round).unwrap(), round);
            let payload = catch_panic(|| {
                let _counts = Counts(&dropped);
                panic_any(round)
            });
            assert_eq!(payload.unwrap_err().downcast_ref(), Some(&round));
            assert!(!thread::panicking());
        }
        assert_eq!(dropped.into_inner(), 100);
    }

    #[test]
    fn panics_are_stopped_within_each_other_and_can_go_on() {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let payload = catch_panic(|| {
                assert!(catch_panic(|| panic!("inner")).is_err());
                panic_any(1_u8)
            });
            resume_unwind(payload.unwrap_err())
        }));
        let payload: Box<dyn std::any::Any + Send> = outcome.map(|never: ()| never).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&1_u8));
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn the_end_of_a_thread_passes_and_drops_what_is_on_its_way() {
        unsafe extern "C-unwind" {
            fn pthread_exit(value: *mut libc::c_void) -> !;
        }
        extern "C-unwind" fn main(count: *mut libc::c_void) -> *mut libc::c_void {
            // SAFETY: `count` came from `Arc::into_raw` below.
            let count = unsafe { Arc::from_raw(count.cast::<AtomicU32>()) };
            let _ = catch_panic(|| {
                let _outer = Counts(&count);
                let _ = catch_panic(|| {
                    let _inner = Counts(&count);
                    // SAFETY: the frames up to the thread's start let it pass.
                    unsafe { pthread_exit(7 as *mut libc::c_void) }
                });
                unreachable!("a thread that ended does not go on");
            });
            std::ptr::null_mut()
        }
        let count = Arc::new(AtomicU32::new(0));
        for round in 1..=50 {
            let (mut id, mut value) = (0, std::ptr::null_mut());
            let data = Arc::into_raw(count.clone()).cast_mut().cast();
            // SAFETY: the arguments are as pthread asks for them.
            unsafe {
                let main = std::mem::transmute::<
                    extern "C-unwind" fn(*mut libc::c_void) -> *mut libc::c_void,
                    extern "C" fn(*mut libc::c_void) -> *mut libc::c_void,
                >(main);
                assert_eq!(libc::pthread_create(&raw mut id, std::ptr::null(), main, data), 0);
                assert_eq!(libc::pthread_join(id, &raw mut value), 0);
            }
            assert_eq!(value.addr(), 7);
            assert_eq!((count.load(Ordering::SeqCst), Arc::strong_count(&count)), (2 * round, 1));
        }
    }
}
