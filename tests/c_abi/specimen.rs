//! A library for testing the comparison of libraries: built as it stands, and changed in one respect at a time.
#![allow(non_camel_case_types, dead_code)]

use std::ffi::{c_char, c_void};

mod inner {
    /// The value behind the handle.
    #[cfg(not(change = "private"))]
    pub struct Private {
        pub number: u32,
    }
    #[cfg(change = "private")]
    pub struct Private {
        pub name: String,
        pub number: u64,
    }

    impl Private {
        pub fn new(number: u32) -> Self {
            Self {
                number: number.into(),
                #[cfg(change = "private")]
                name: String::new(),
            }
        }
    }
}

#[repr(C)]
pub struct holdfast_pool {
    _private: [u8; 0],
}

#[repr(C)]
pub struct holdfast_growing {
    pub struct_size: u32,
    #[cfg(not(change = "fields-swapped"))]
    pub idle: u32,
    pub total: u32,
    #[cfg(change = "fields-swapped")]
    pub idle: u32,
    #[cfg(change = "field-in-between")]
    pub more: u64,
    #[cfg(not(change = "field-type"))]
    pub rate: u64,
    #[cfg(change = "field-type")]
    pub rate: f64,
    #[cfg(not(change = "array-grown"))]
    pub kinds: [u64; 4],
    #[cfg(change = "array-grown")]
    pub kinds: [u64; 5],
    #[cfg(change = "field-at-end")]
    pub more: u64,
}

#[repr(C)]
pub struct holdfast_fixed {
    pub value: *const c_void,
    pub len: usize,
    #[cfg(change = "fixed-struct-grown")]
    pub kind: u32,
}

/// Reached through a callback only.
#[repr(C)]
pub struct holdfast_record {
    #[cfg(not(change = "callback-record"))]
    pub level: i32,
    #[cfg(change = "callback-record")]
    pub level: i64,
}

#[cfg(not(change = "callback-parameter"))]
pub type holdfast_callback = Option<unsafe extern "C" fn(*mut c_void, *const holdfast_record, u32)>;
#[cfg(change = "callback-parameter")]
pub type holdfast_callback = Option<unsafe extern "C" fn(*mut c_void, *const holdfast_record, u64)>;

#[cfg(not(change = "parameter-type"))]
pub type Flags = u32;
#[cfg(change = "parameter-type")]
pub type Flags = i64;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_open(_name: *const c_char, flags: Flags) -> *mut holdfast_pool {
    Box::into_raw(Box::new(inner::Private::new(flags as u32))).cast()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_look(
    pool: *const holdfast_pool,
    growing: *mut holdfast_growing,
    fixed: *const holdfast_fixed,
    #[cfg(change = "parameter-added")] _flags: u32,
) -> u32 {
    // SAFETY: nobody calls this.
    unsafe {
        (*growing).idle = (*fixed).len as u32;
        (*pool.cast::<inner::Private>()).number as u32
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_on(callback: holdfast_callback, user_data: *mut c_void) {
    if let Some(callback) = callback {
        // SAFETY: nobody calls this.
        unsafe { callback(user_data, std::ptr::null(), 0) }
    }
}

#[cfg(not(change = "return-type"))]
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_answer() -> i32 {
    42
}

#[cfg(change = "return-type")]
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_answer() -> i64 {
    42
}

#[cfg(not(change = "function-removed"))]
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_old() {}

#[cfg(change = "function-added")]
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_new() {}
