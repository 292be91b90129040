//! The handles that are live, by kind.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::fuzzing::reading::look_at_error;
use crate::ffi::capi::fuzzing::world::echo_pool;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_OK, HOLDFAST_STATUS_PANIC, holdfast_status};
use crate::ffi::capi::pools::pool::{
    holdfast_pool, holdfast_pool_clone, holdfast_pool_free, holdfast_pool_is_closed,
};
use crate::testing::fuzzing::Draws;

/// A kind of handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Config,
    Pool,
    Connection,
    Result,
    Results,
    Pack,
    Statement,
    Stream,
    CopyIn,
    CopyOut,
    Outcomes,
    Notices,
    Notification,
    Cancel,
    Queue,
    Error,
    Text,
}

pub(super) const KINDS: [Kind; 17] = [
    Kind::Config,
    Kind::Pool,
    Kind::Connection,
    Kind::Result,
    Kind::Results,
    Kind::Pack,
    Kind::Statement,
    Kind::Stream,
    Kind::CopyIn,
    Kind::CopyOut,
    Kind::Outcomes,
    Kind::Notices,
    Kind::Notification,
    Kind::Cancel,
    Kind::Queue,
    Kind::Error,
    Kind::Text,
];

/// Each handle stands in it once, for as long as it is live.
pub(super) struct Tables {
    live: Vec<(Kind, *mut c_void)>,
}

thread_local! {
    static USUAL: Cell<*mut holdfast_pool> = const { Cell::new(ptr::null_mut()) };
}

/// A handle of a pool that is kept from input to input, unless one has closed it: threads cost more than calls.
fn usual_pool() -> *mut holdfast_pool {
    // SAFETY: NULL, or live and owned here alone.
    unsafe {
        if holdfast_pool_is_closed(USUAL.get()) {
            holdfast_pool_free(USUAL.replace(echo_pool()));
        }
        holdfast_pool_clone(USUAL.get())
    }
}

impl Tables {
    pub(super) fn new() -> Self {
        let mut tables = Self { live: Vec::new() };
        tables.keep(Kind::Pool, usual_pool());
        tables
    }

    /// A handle that a call made; NULL is none.
    pub(super) fn keep<H>(&mut self, kind: Kind, handle: *mut H) {
        if !handle.is_null() {
            self.live.push((kind, handle.cast()));
        }
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.live.iter().filter(|(other, _)| *other == kind).count()
    }

    /// A handle for an argument of this kind: mostly of the kind, sometimes of another, sometimes NULL.
    pub(super) fn pick<H>(&self, kind: Kind, draws: &mut Draws<'_>) -> *mut H {
        let which = draws.byte();
        let of = |fits: &dyn Fn(Kind) -> bool| -> *mut H {
            let fitting: Vec<_> = self.live.iter().filter(|(other, _)| fits(*other)).collect();
            match fitting.len() {
                0 => ptr::null_mut(),
                count => fitting[usize::from(which >> 3) % count].1.cast(),
            }
        };
        match which & 7 {
            7 if which >= 248 => ptr::null_mut(),
            7 if which >= 224 => of(&|other| other != kind),
            _ => of(&|other| other == kind),
        }
    }

    /// A handle of another kind, which stays live whatever is done with it.
    pub(super) fn stranger<H>(&self, kind: Kind) -> *mut H {
        self.live
            .iter()
            .find(|(other, _)| *other != kind)
            .map_or(ptr::null_mut(), |(_, handle)| handle.cast())
    }

    /// A handle of this kind, to be freed: it is in no table any more.
    pub(super) fn take<H>(&mut self, kind: Kind, draws: &mut Draws<'_>) -> *mut H {
        let places: Vec<_> = (0..self.live.len()).filter(|at| self.live[*at].0 == kind).collect();
        match places.len() {
            0 => ptr::null_mut(),
            count => self.live.swap_remove(places[draws.below(count)]).1.cast(),
        }
    }

    /// The kind of one that is still live.
    pub(super) fn any_left(&self, draws: &mut Draws<'_>) -> Option<Kind> {
        (!self.live.is_empty()).then(|| self.live[draws.below(self.live.len())].0)
    }

    /// Makes a call, and keeps its error if the input says so, else reads and drops it.
    pub(super) fn told(
        &mut self,
        draws: &mut Draws<'_>,
        call: impl FnOnce(*mut *mut holdfast_error) -> holdfast_status,
    ) -> holdfast_status {
        if draws.byte() & 31 == 31 {
            let status = call(ptr::null_mut());
            assert_ne!(status, HOLDFAST_STATUS_PANIC);
            return status;
        }
        let mut error = ptr::dangling_mut();
        let status = call(&raw mut error);
        assert_eq!(error.is_null(), status == HOLDFAST_STATUS_OK, "an error if and only if it failed");
        // SAFETY: NULL, or made by the call and live.
        let words = unsafe { look_at_error(error) };
        assert_ne!(status, HOLDFAST_STATUS_PANIC, "{words}");
        self.keep(Kind::Error, error);
        status
    }
}

/// Memory for a struct that grows, larger than any, whose size is mostly stated right.
pub(super) struct Place<T> {
    memory: Box<[u64; 512]>,
    kind: PhantomData<T>,
}

impl<T: Growing> Place<T> {
    /// One that the library fills.
    pub(super) fn to_fill(draws: &mut Draws<'_>) -> Self {
        Self::stating_a_size(Box::new([0; 512]), draws)
    }

    /// One that the library reads.
    pub(super) fn of(value: T, draws: &mut Draws<'_>) -> Self {
        let mut memory = Box::new([0; 512]);
        // SAFETY: there is room, aligned for any of them.
        unsafe { memory.as_mut_ptr().cast::<T>().write(value) };
        Self::stating_a_size(memory, draws)
    }

    fn stating_a_size(mut memory: Box<[u64; 512]>, draws: &mut Draws<'_>) -> Self {
        let right = size_of::<T>() as u32;
        let size = match draws.byte() {
            255 => draws.one_of(&[0, 4, 7, 8, 12, right - 4, right + 4, right + 8, 4096, 65_537, u32::MAX]),
            _ => right,
        };
        // SAFETY: there is room for four bytes.
        unsafe { memory.as_mut_ptr().cast::<u32>().write(size) };
        if draws.byte() == 255 {
            memory[511] = 1;
        }
        Self { memory, kind: PhantomData }
    }

    pub(super) fn ptr(&mut self) -> *mut T {
        self.memory.as_mut_ptr().cast()
    }
}
