//! Holdfast as a C program has it: the shared library that `make lib` builds, loaded at run time and called through its
//! exported functions only.

use std::env;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::slice;
use std::sync::OnceLock;

use super::Outcome;

/// Names the shared library; otherwise it is looked for where `make lib` puts it.
pub const LIBRARY: &str = "HOLDFAST_LIBRARY";

/// `HOLDFAST_NUL`, `HOLDFAST_FORMAT_*`, and the OID of `int4`.
const NUL: usize = usize::MAX;
const TEXT: i32 = 0;
const BINARY: i32 = 1;
const INT4_OID: u32 = 23;

#[repr(C)]
struct Opaque {
    _opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Str {
    ptr: *const c_char,
    len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Cell {
    ptr: *const u8,
    len: usize,
}

/// `holdfast_param`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Param {
    value: *const c_void,
    len: usize,
    type_oid: u32,
    format: i32,
}

/// `holdfast_request`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    sql: *const c_char,
    sql_len: usize,
    statement: *const Opaque,
    params: *const Param,
    nparams: usize,
    result_format: i32,
    reserved: u32,
}

/// `holdfast_completion`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Completion {
    tag: u64,
    request: u64,
    status: i32,
    kind: i32,
    result: *mut Opaque,
    results: *mut Opaque,
    outcomes: *mut Opaque,
    pack: *mut Opaque,
    connection: *mut Opaque,
    error: *mut Opaque,
    queued_us: u64,
    running_us: u64,
}

impl Param {
    fn int4(value: &[u8; 4]) -> Self {
        Self { value: value.as_ptr().cast(), len: value.len(), type_oid: INT4_OID, format: BINARY }
    }
}

/// Declares the functions that are used, and finds them in the library.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn find(library: *mut c_void) -> Outcome<Self> {
                Ok(Self {
                    // SAFETY: a function of this name has this signature in include/holdfast.h.
                    $($name: unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(symbol(library, concat!("holdfast_", stringify!($name)))?) },)*
                })
            }
        }
    };
}

functions! {
    pool_open_url: fn(*const c_char, usize, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    pool_free: fn(*mut Opaque);
    pool_acquire: fn(*const Opaque, *const c_void, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    pool_query: fn(*const Opaque, *const c_void, *const c_char, usize, *const Param, usize, i32, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    connection_query: fn(*mut Opaque, *const c_char, usize, *const Param, usize, i32, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    connection_release: fn(*mut Opaque);
    connection_script: fn(*mut Opaque, *const c_char, usize, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    connection_pipeline: fn(*mut Opaque, *const Request, usize, i32, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    outcomes_count: fn(*const Opaque) -> usize;
    outcomes_error: fn(*const Opaque, usize) -> *const Opaque;
    outcomes_free: fn(*mut Opaque);
    queue_new: fn(*const c_void, *mut *mut Opaque, *mut *mut Opaque) -> i32;
    queue_wait: fn(*const Opaque, u64) -> bool;
    queue_drain: fn(*const Opaque, *mut Completion, usize, usize) -> usize;
    queue_free: fn(*mut Opaque);
    submit_query: fn(*const Opaque, *const Opaque, u64, *const c_void, *const c_char, usize, *const Param, usize, *mut u64, *mut *mut Opaque) -> i32;
    result_rows: fn(*const Opaque) -> usize;
    result_cell: fn(*const Opaque, usize, usize) -> Cell;
    result_free: fn(*mut Opaque);
    error_message: fn(*const Opaque) -> Str;
    error_free: fn(*mut Opaque);
}

fn symbol(library: *mut c_void, name: &str) -> Outcome<*mut c_void> {
    let c_name = CString::new(name)?;
    // SAFETY: the library is loaded and stays so; the name is NUL-terminated.
    let found = unsafe { libc::dlsym(library, c_name.as_ptr()) };
    if found.is_null() {
        Err(format!("the C library has no {name}: build it anew (make lib)").into())
    } else {
        Ok(found)
    }
}

fn load() -> Outcome<Functions> {
    let path = match env::var_os(LIBRARY) {
        Some(path) => PathBuf::from(path),
        // This program is <target>/release/deps/holdfast-….
        None => env::current_exe()?.ancestors().nth(3).ok_or("no target directory")?.join("c/libholdfast.so"),
    };
    let c_path = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: the path is NUL-terminated; loading runs no initializers of ours.
    let library = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW as c_int) };
    if library.is_null() {
        // SAFETY: `dlopen` failed just now, so there is a message.
        let why = unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned();
        return Err(format!("{why}; `make bench` and `make lib` build it, {LIBRARY} names another").into());
    }
    Functions::find(library)
}

fn functions() -> Outcome<&'static Functions> {
    static LOADED: OnceLock<Functions> = OnceLock::new();
    if let Some(loaded) = LOADED.get() {
        return Ok(loaded);
    }
    let loaded = load()?;
    Ok(LOADED.get_or_init(|| loaded))
}

/// Turns a status and its error object into ours.
fn check(c: &Functions, status: i32, error: *mut Opaque) -> Outcome<()> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: after a failure the error is NULL or a live object of ours; its message lives until it is freed.
    let message = unsafe {
        let text = (c.error_message)(error);
        let message = String::from_utf8_lossy(slice::from_raw_parts(text.ptr.cast(), text.len)).into_owned();
        (c.error_free)(error);
        message
    };
    Err(format!("holdfast, status {status}: {message}").into())
}

/// A pool of the C library.
pub struct Pool {
    c: &'static Functions,
    handle: *mut Opaque,
}

// SAFETY: a pool may be used from any thread at any time (include/holdfast.h).
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// With `size` connections, all open; they stay while other subjects have their turns.
    pub fn open(url: &str, size: usize) -> Outcome<Self> {
        let c = functions()?;
        let url = CString::new(format!("{url}?max_size={size}&idle_timeout=10min"))?;
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the text is NUL-terminated, both outputs are writable.
        let status = unsafe { (c.pool_open_url)(url.as_ptr(), NUL, &raw mut handle, &raw mut error) };
        check(c, status, error)?;
        let pool = Self { c, handle };
        let all: Outcome<Vec<_>> = (0..size).map(|_| pool.acquire()).collect();
        drop(all?);
        Ok(pool)
    }

    pub fn acquire(&self) -> Outcome<Connection> {
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the pool is alive, both outputs are writable.
        let status =
            unsafe { (self.c.pool_acquire)(self.handle, ptr::null(), &raw mut handle, &raw mut error) };
        check(self.c, status, error)?;
        Ok(Connection { c: self.c, handle })
    }

    /// Checks out a connection, looks one row up by its key in binary, gives the connection back.
    pub fn point(&self, sql: &CStr, key: i32) -> Outcome<Rows> {
        let key = key.to_be_bytes();
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the pool is alive, text and parameter are readable, both outputs writable.
        let status = unsafe {
            (self.c.pool_query)(
                self.handle,
                ptr::null(),
                sql.as_ptr(),
                NUL,
                &Param::int4(&key),
                1,
                BINARY,
                &raw mut handle,
                &raw mut error,
            )
        };
        check(self.c, status, error)?;
        Ok(Rows { c: self.c, handle })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle after this.
        unsafe { (self.c.pool_free)(self.handle) }
    }
}

/// A connection that is checked out.
pub struct Connection {
    c: &'static Functions,
    handle: *mut Opaque,
}

// SAFETY: a connection may be used from any thread, one at a time, which `&mut self` sees to.
unsafe impl Send for Connection {}

impl Connection {
    /// Looks one row up by its key in binary.
    pub fn point(&mut self, sql: &CStr, key: i32) -> Outcome<Rows> {
        self.query(sql, &[Param::int4(&key.to_be_bytes())], BINARY)
    }

    /// A whole result as text.
    pub fn text(&mut self, sql: &CStr) -> Outcome<Rows> {
        self.query(sql, &[], TEXT)
    }

    /// A script whose results are of no interest.
    pub fn script(&mut self, sql: &CStr) -> Outcome<()> {
        let mut error = ptr::null_mut();
        // SAFETY: the connection is alive, the text readable, the output writable.
        let status = unsafe {
            (self.c.connection_script)(self.handle, sql.as_ptr(), NUL, ptr::null_mut(), &raw mut error)
        };
        check(self.c, status, error)
    }

    /// One statement for each value, one by one.
    pub fn one_by_one(&mut self, sql: &CStr, values: &[i32]) -> Outcome<()> {
        for value in values {
            self.point(sql, *value)?;
        }
        Ok(())
    }

    /// One statement for each value, all in one pipeline.
    pub fn pipeline(&mut self, sql: &CStr, values: &[i32], together: bool) -> Outcome<()> {
        let values: Vec<[u8; 4]> = values.iter().map(|value| value.to_be_bytes()).collect();
        let params: Vec<Param> = values.iter().map(Param::int4).collect();
        let request = |param| Request {
            sql: sql.as_ptr(),
            sql_len: NUL,
            statement: ptr::null(),
            params: param,
            nparams: 1,
            result_format: BINARY,
            reserved: 0,
        };
        let requests: Vec<Request> = params.iter().map(|param| request(param)).collect();
        let (mut outcomes, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the connection is alive; requests, parameters and values are readable, both outputs writable.
        let status = unsafe {
            (self.c.connection_pipeline)(
                self.handle,
                requests.as_ptr(),
                requests.len(),
                i32::from(together),
                &raw mut outcomes,
                &raw mut error,
            )
        };
        check(self.c, status, error)?;
        // SAFETY: the outcomes are alive until they are freed here.
        let (count, failed) = unsafe {
            let count = (self.c.outcomes_count)(outcomes);
            let failed = (0..count).filter(|i| !(self.c.outcomes_error)(outcomes, *i).is_null()).count();
            (self.c.outcomes_free)(outcomes);
            (count, failed)
        };
        if count == requests.len() && failed == 0 {
            Ok(())
        } else {
            Err(format!("{failed} of {count} failed").into())
        }
    }

    fn query(&mut self, sql: &CStr, params: &[Param], format: i32) -> Outcome<Rows> {
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the connection is alive, text and parameters are readable, both outputs writable.
        let status = unsafe {
            (self.c.connection_query)(
                self.handle,
                sql.as_ptr(),
                NUL,
                params.as_ptr(),
                params.len(),
                format,
                &raw mut handle,
                &raw mut error,
            )
        };
        check(self.c, status, error)?;
        Ok(Rows { c: self.c, handle })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle after this.
        unsafe { (self.c.connection_release)(self.handle) }
    }
}

/// A result.
pub struct Rows {
    c: &'static Functions,
    handle: *mut Opaque,
}

impl Rows {
    pub fn len(&self) -> usize {
        // SAFETY: the result is alive.
        unsafe { (self.c.result_rows)(self.handle) }
    }

    /// A value as it came; empty for NULL and where there is none.
    pub fn value(&self, row: usize, column: usize) -> &[u8] {
        // SAFETY: the result is alive; the cell points into it, for as long as the borrow lasts.
        unsafe {
            let cell = (self.c.result_cell)(self.handle, row, column);
            if cell.ptr.is_null() { &[] } else { slice::from_raw_parts(cell.ptr, cell.len) }
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle after this.
        unsafe { (self.c.result_free)(self.handle) }
    }
}

/// A queue of completions, used by one thread.
pub struct Queue {
    c: &'static Functions,
    handle: *mut Opaque,
    drained: Vec<Completion>,
}

impl Queue {
    pub fn open(most: usize) -> Outcome<Self> {
        let c = functions()?;
        let (mut handle, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both outputs are writable.
        let status = unsafe { (c.queue_new)(ptr::null(), &raw mut handle, &raw mut error) };
        check(c, status, error)?;
        Ok(Self { c, handle, drained: Vec::with_capacity(most) })
    }

    /// Submits the lookup of a row by its key in binary.
    pub fn submit_point(&self, pool: &Pool, sql: &CStr, key: i32) -> Outcome<()> {
        let (key, mut error) = (key.to_be_bytes(), ptr::null_mut());
        // SAFETY: pool and queue are alive, text and parameter are readable, the output writable.
        let status = unsafe {
            (self.c.submit_query)(
                pool.handle,
                self.handle,
                0,
                ptr::null(),
                sql.as_ptr(),
                NUL,
                &Param::int4(&key),
                1,
                ptr::null_mut(),
                &raw mut error,
            )
        };
        check(self.c, status, error)
    }

    /// Waits for completions and hands each result on; returns how many there were.
    pub fn drain(&mut self, mut done: impl FnMut(&Rows) -> Outcome<()>) -> Outcome<usize> {
        // SAFETY: the queue is alive; the vector has room for as many completions as it says, and the library fills as many
        // as it returns.
        unsafe {
            (self.c.queue_wait)(self.handle, 10_000);
            let room = self.drained.capacity();
            let n =
                (self.c.queue_drain)(self.handle, self.drained.as_mut_ptr(), room, size_of::<Completion>());
            self.drained.set_len(n);
        }
        for completion in &self.drained {
            check(self.c, completion.status, completion.error)?;
            done(&Rows { c: self.c, handle: completion.result })?;
        }
        Ok(self.drained.len())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle after this.
        unsafe { (self.c.queue_free)(self.handle) }
    }
}
