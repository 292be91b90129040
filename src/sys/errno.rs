//! The error number of the thread, which code that interrupts other code has to leave as it was.

#![allow(unsafe_code)]

/// Runs `work` in a signal handler, and puts the thread's `errno` back.
pub(crate) fn kept<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the place belongs to the thread, and is readable and writable as long as that runs.
    let before = unsafe { *place() };
    let done = work();
    // SAFETY: as above.
    unsafe { *place() = before };
    done
}

#[cfg(any(target_os = "linux", target_os = "emscripten"))]
use libc::__errno_location as place;

#[cfg(target_os = "android")]
use libc::__errno as place;

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
use libc::__error as place;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_finds_its_error_number_as_it_was() {
        assert!(std::fs::metadata("/nowhere").is_err());
        let before = std::io::Error::last_os_error().raw_os_error();
        assert!(kept(|| std::fs::metadata("/dev/null/x")).is_err());
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), before);
    }
}
