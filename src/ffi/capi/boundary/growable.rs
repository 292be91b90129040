//! Structs that may grow: their first field says how large the caller knows them.

use std::mem::{MaybeUninit, size_of};
use std::ptr;

use super::guard::{Failure, Outcome};

/// A struct that C fills or reads, and that may grow at its end.
///
/// # Safety
/// `repr(C)`, begins with `struct_size: u32`, has no padding, and is valid when all its bytes are zero.
pub(in crate::ffi::capi) unsafe trait Growing: Copy {}

/// The largest struct_size: a larger one is memory that was never set.
const MOST_BYTES: usize = 64 * 1024;
/// The size itself and one more field.
const LEAST_BYTES: usize = 8;

/// # Safety
/// `place` is readable for four bytes.
unsafe fn size_at<T>(place: *const T, name: &str) -> Outcome<usize> {
    // SAFETY: as promised; no alignment is asked for.
    let size = unsafe { place.cast::<u32>().read_unaligned() } as usize;
    if (LEAST_BYTES..=MOST_BYTES).contains(&size) {
        Ok(size)
    } else {
        Err(Failure::argument(format!("{name}: struct_size is {size}; set it to sizeof({name})")))
    }
}

/// Reads a struct given by C. Fields that C does not know are zero here; fields that we do not know must be zero.
///
/// # Safety
/// `place` points to a struct of the kind of `T` that is readable for as many bytes as its `struct_size` says.
pub(in crate::ffi::capi) unsafe fn read<T: Growing>(place: *const T, name: &str) -> Outcome<T> {
    // SAFETY: as promised.
    let size = unsafe { size_at(place, name)? };
    let known = size.min(size_of::<T>());
    for at in known..size {
        // SAFETY: within the size the caller stated.
        if unsafe { place.cast::<u8>().add(at).read() } != 0 {
            return Err(Failure::argument(format!(
                "{name}: a field is set that this version of the library does not know"
            )));
        }
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: both sides are at least `known` bytes long; all zero is a value of `T`, and so is what C wrote over it.
    unsafe {
        ptr::copy_nonoverlapping(place.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known);
        Ok(value.assume_init())
    }
}

/// Returns a struct whose fields are all zero.
pub(in crate::ffi::capi) fn zeroed<T: Growing>() -> T {
    // SAFETY: such a struct is valid when all its bytes are zero.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Fills a struct of C's up to its size; bytes beyond our fields are zeroed. Its `struct_size` stays.
///
/// # Safety
/// `place` is NULL or points to a struct of the kind of `T` that is writable for as many bytes as its `struct_size` says.
pub(in crate::ffi::capi) unsafe fn write<T: Growing>(place: *mut T, value: &T, name: &str) -> Outcome {
    if place.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: as promised.
    let size = unsafe { size_at(place, name)? };
    let known = size.min(size_of::<T>());
    let head = size_of::<u32>();
    // SAFETY: both sides are at least `known` bytes long and `known` is more than the head; the rest is within `size`.
    unsafe {
        let (from, to) = (ptr::from_ref(value).cast::<u8>(), place.cast::<u8>());
        ptr::copy_nonoverlapping(from.add(head), to.add(head), known - head);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}
