//! `PQconninfoParse` of the installed libpq, as a safe function.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

/// `PQconninfoOption` of `libpq-fe.h`.
#[repr(C)]
struct ConninfoOption {
    keyword: *mut c_char,
    envvar: *mut c_char,
    compiled: *mut c_char,
    val: *mut c_char,
    label: *mut c_char,
    dispchar: *mut c_char,
    dispsize: c_int,
}

#[link(name = "pq")]
unsafe extern "C" {
    fn PQconninfoParse(conninfo: *const c_char, errmsg: *mut *mut c_char) -> *mut ConninfoOption;
    fn PQconninfoFree(options: *mut ConninfoOption);
    fn PQfreemem(memory: *mut std::ffi::c_void);
    fn PQlibVersion() -> c_int;
}

/// libpq's version, such as 150018.
pub fn version() -> i32 {
    // SAFETY: takes nothing and touches nothing.
    unsafe { PQlibVersion() }
}

/// The keys that the string sets, with their values, in libpq's order; or libpq's message.
pub fn parse(conninfo: &str) -> Result<Vec<(String, String)>, String> {
    let conninfo = CString::new(conninfo).expect("no NUL byte in a test's input");
    let mut message: *mut c_char = ptr::null_mut();
    // SAFETY: the string is NUL-terminated and outlives the call, which keeps no pointer to it; `message` is a valid
    // place for one pointer.
    let options = unsafe { PQconninfoParse(conninfo.as_ptr(), &mut message) };
    if options.is_null() {
        assert!(!message.is_null(), "libpq is out of memory");
        // SAFETY: on failure libpq stores a NUL-terminated string that is ours, to be freed once by `PQfreemem`.
        let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().trim().to_owned();
        // SAFETY: see above; nothing points to it any more.
        unsafe { PQfreemem(message.cast()) };
        return Err(text);
    }
    let mut found = Vec::new();
    let mut option = options;
    // SAFETY: libpq returns an array that ends with an entry whose keyword is NULL; keyword and, where it is not NULL,
    // val are NUL-terminated strings, and all of it lives until `PQconninfoFree`, which is called once, at the end.
    unsafe {
        while !(*option).keyword.is_null() {
            if !(*option).val.is_null() {
                let text = |s: *mut c_char| CStr::from_ptr(s).to_string_lossy().into_owned();
                found.push((text((*option).keyword), text((*option).val)));
            }
            option = option.add(1);
        }
        PQconninfoFree(options);
    }
    Ok(found)
}
