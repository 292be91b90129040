//! The object behind an opaque pointer: counted, with a mark of its kind.
//!
//! Every call holds a count of its own while it runs, so a handle freed by another thread in the meantime, against the
//! rules or not, takes its object away only when the call has ended. The mark makes a handle of the wrong kind, and often
//! one that was freed, an error instead of a crash.

use std::mem::align_of;
use std::ops::Deref;
use std::ptr;
use std::sync::{Arc, Weak};

use super::guard::{Failure, Outcome};
use crate::ffi::capi::library::status::HOLDFAST_STATUS_MISUSE;
use crate::sys::cancellation;
use crate::sys::fork::Generation;
use crate::sys::unwind::catch_panic;

/// A type that C knows by pointer only.
pub(in crate::ffi::capi) trait Handle {
    /// The value of the handle.
    type Value: Send + Sync;
    /// Its name in C.
    const NAME: &'static str;
    /// Different for every type.
    const MARK: u64;
    /// Set when it may not be used in a child forked after it was made.
    const STAYS_IN_ITS_PROCESS: bool = false;
}

/// Makes an opaque type of C the handle of a value. The eight letters are its [`mark`].
macro_rules! handle {
    ($name:ident: $value:ty, $letters:literal $(, stays_in_its_process = $stays:literal)?) => {
        impl $crate::ffi::capi::boundary::handle::Handle for $name {
            type Value = $value;
            const NAME: &'static str = stringify!($name);
            const MARK: u64 = $crate::ffi::capi::boundary::handle::mark($letters);
            $(const STAYS_IN_ITS_PROCESS: bool = $stays;)?
        }
    };
}
pub(in crate::ffi::capi) use handle;

/// Eight letters that are found at the beginning of every live object of a kind.
pub(in crate::ffi::capi) const fn mark(letters: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*letters)
}

#[repr(C)]
pub(in crate::ffi::capi) struct Object<T> {
    mark: u64,
    generation: Option<Generation>,
    value: T,
}

impl<T> Drop for Object<T> {
    fn drop(&mut self) {
        // SAFETY: the field is ours; volatile, so that the mark of a freed object is not left in memory.
        unsafe { ptr::write_volatile(&raw mut self.mark, 0) };
    }
}

/// An object kept alive for the time of a call.
pub(in crate::ffi::capi) struct Held<H: Handle>(Arc<Object<H::Value>>);

impl<H: Handle> Deref for Held<H> {
    type Target = H::Value;

    fn deref(&self) -> &H::Value {
        &self.0.value
    }
}

impl<H: Handle> Held<H> {
    /// A way to the object that does not keep it alive.
    pub(in crate::ffi::capi) fn watch(&self) -> Watched<H> {
        Watched(Arc::downgrade(&self.0))
    }
}

/// An object that is used for as long as its handle was not freed.
pub(in crate::ffi::capi) struct Watched<H: Handle>(Weak<Object<H::Value>>);

impl<H: Handle> Clone for Watched<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handle> Watched<H> {
    /// Takes hold of the object for the time of a call; `None` once its handle was freed.
    pub(in crate::ffi::capi) fn hold(&self) -> Option<Held<H>> {
        self.0.upgrade().map(Held)
    }
}

impl<H: Handle> Held<H> {
    /// Keeps hold of it for longer than a call.
    pub(in crate::ffi::capi) fn keep(self) -> Arc<Object<H::Value>> {
        self.0
    }
}

impl<T> Deref for Object<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// An object that another one owns and shows to C.
pub(in crate::ffi::capi) struct Kept<H: Handle>(Arc<Object<H::Value>>);

impl<H: Handle> Kept<H> {
    pub(in crate::ffi::capi) fn new(value: H::Value) -> Self {
        let generation = H::STAYS_IN_ITS_PROCESS.then(Generation::watch);
        Self(Arc::new(Object { mark: H::MARK, generation, value }))
    }

    pub(in crate::ffi::capi) fn as_ptr(&self) -> *const H {
        Arc::as_ptr(&self.0).cast()
    }
}

impl<H: Handle> Deref for Kept<H> {
    type Target = H::Value;

    fn deref(&self) -> &H::Value {
        &self.0.value
    }
}

/// Hands an object over to C.
pub(in crate::ffi::capi) fn give<H: Handle>(value: H::Value) -> *mut H {
    Arc::into_raw(Kept::<H>::new(value).0).cast_mut().cast()
}

/// The object behind a handle, if there is one of the right kind.
///
/// # Safety
/// `handle` is NULL or readable for eight bytes; if these are the kind's mark, it came from [`give`] and was not freed.
#[inline]
unsafe fn find<H: Handle>(handle: *const H) -> Option<*const Object<H::Value>> {
    let object: *const Object<H::Value> = handle.cast();
    let is_one = !object.is_null()
        && object.addr() % align_of::<u64>() == 0
        // SAFETY: aligned (checked first) and readable, as promised.
        && unsafe { (&raw const (*object).mark).read() } == H::MARK;
    is_one.then_some(object)
}

#[cold]
fn not_found<H: Handle>(handle: *const H) -> Failure {
    if handle.is_null() {
        return Failure::null(H::NAME);
    }
    Failure::new(
        HOLDFAST_STATUS_MISUSE,
        format!("this is no {}: another kind of handle, or one already freed", H::NAME),
    )
}

#[cold]
fn inherited<H: Handle>() -> Failure {
    Failure::new(
        HOLDFAST_STATUS_MISUSE,
        format!("this {} belongs to the parent of this forked process", H::NAME),
    )
}

/// Borrows an object that nothing changes, for the time of a call.
///
/// # Safety
/// As the export's caller promises: `handle` is NULL or a live handle, and stays so while `'a` lasts.
#[inline]
pub(in crate::ffi::capi) unsafe fn look<'a, H: Handle>(handle: *const H) -> Outcome<&'a H::Value> {
    // SAFETY: as promised.
    let Some(object) = (unsafe { find(handle) }) else { return Err(not_found(handle)) };
    // SAFETY: as promised.
    let object = unsafe { &*object };
    if object.generation.is_some_and(Generation::is_past) {
        return Err(inherited::<H>());
    }
    Ok(&object.value)
}

/// Looks at an object in a signal handler, where no failure can be put in words.
///
/// # Safety
/// As for [`look`].
pub(in crate::ffi::capi) unsafe fn peek<'a, H: Handle>(handle: *const H) -> Option<&'a H::Value> {
    // SAFETY: as promised.
    let object = unsafe { &*find(handle)? };
    (!object.generation.is_some_and(Generation::is_past)).then_some(&object.value)
}

/// Takes hold of an object for the time of a call, whatever other threads free meanwhile.
///
/// # Safety
/// As the export's caller promises: `handle` is NULL or a live handle.
pub(in crate::ffi::capi) unsafe fn hold<H: Handle>(handle: *const H) -> Outcome<Held<H>> {
    // SAFETY: as promised.
    unsafe { look(handle)? };
    // SAFETY: `look` found an object of `give`, which is alive, so that its count may be raised.
    unsafe { Ok(Held(share(handle.cast()))) }
}

/// A further owner of the same object.
///
/// # Safety
/// As for [`hold`].
pub(in crate::ffi::capi) unsafe fn another<H: Handle>(handle: *const H) -> Outcome<*mut H> {
    // SAFETY: as promised.
    let held = unsafe { hold(handle)? };
    Ok(Arc::into_raw(held.0).cast_mut().cast())
}

/// # Safety
/// `object` came from [`give`] and was not freed.
unsafe fn share<T>(object: *const Object<T>) -> Arc<Object<T>> {
    // SAFETY: it came out of `Arc::into_raw` with this type and has a count left.
    unsafe {
        Arc::increment_strong_count(object);
        Arc::from_raw(object)
    }
}

/// Gives up a handle. NULL, and what is no handle of this kind, is left alone.
///
/// # Safety
/// As the export's caller promises: `handle` is NULL or a live handle, which is not used again.
pub(in crate::ffi::capi) unsafe fn free<H: Handle>(handle: *mut H) {
    // SAFETY: as promised.
    let Some(object) = (unsafe { find(handle.cast_const()) }) else { return };
    // SAFETY: it came out of `Arc::into_raw` in `give` or `another`; the caller gives up that count.
    let owned = unsafe { Arc::from_raw(object) };
    let _held_off = cancellation::hold_off();
    // A panic during a drop cannot be reported to any caller.
    let _ = catch_panic(|| drop(owned));
}
