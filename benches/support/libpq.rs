//! The few calls of libpq that the measurements need, by hand: a binding crate would bring a build dependency for ten
//! functions.

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::ptr::{self, NonNull};
use std::slice;

use super::Outcome;

/// `ConnStatusType` and `ExecStatusType`, as far as they are looked at.
const CONNECTION_OK: c_int = 0;
const COMMAND_OK: c_int = 1;
const TUPLES_OK: c_int = 2;
const PIPELINE_SYNC: c_int = 10;
const INT4_OID: c_uint = 23;

#[repr(C)]
struct PGconn {
    _opaque: [u8; 0],
}

#[repr(C)]
struct PGresult {
    _opaque: [u8; 0],
}

#[link(name = "pq")]
unsafe extern "C" {
    fn PQconnectdb(conninfo: *const c_char) -> *mut PGconn;
    fn PQstatus(conn: *const PGconn) -> c_int;
    fn PQerrorMessage(conn: *const PGconn) -> *const c_char;
    fn PQfinish(conn: *mut PGconn);
    fn PQprepare(
        conn: *mut PGconn,
        name: *const c_char,
        query: *const c_char,
        n_params: c_int,
        types: *const c_uint,
    ) -> *mut PGresult;
    fn PQexecPrepared(
        conn: *mut PGconn,
        name: *const c_char,
        n_params: c_int,
        values: *const *const c_char,
        lengths: *const c_int,
        formats: *const c_int,
        result_format: c_int,
    ) -> *mut PGresult;
    fn PQexecParams(
        conn: *mut PGconn,
        query: *const c_char,
        n_params: c_int,
        types: *const c_uint,
        values: *const *const c_char,
        lengths: *const c_int,
        formats: *const c_int,
        result_format: c_int,
    ) -> *mut PGresult;
    fn PQexec(conn: *mut PGconn, query: *const c_char) -> *mut PGresult;
    fn PQsendQueryPrepared(
        conn: *mut PGconn,
        name: *const c_char,
        n_params: c_int,
        values: *const *const c_char,
        lengths: *const c_int,
        formats: *const c_int,
        result_format: c_int,
    ) -> c_int;
    fn PQenterPipelineMode(conn: *mut PGconn) -> c_int;
    fn PQpipelineSync(conn: *mut PGconn) -> c_int;
    fn PQexitPipelineMode(conn: *mut PGconn) -> c_int;
    fn PQgetResult(conn: *mut PGconn) -> *mut PGresult;
    fn PQresultStatus(result: *const PGresult) -> c_int;
    fn PQntuples(result: *const PGresult) -> c_int;
    fn PQnfields(result: *const PGresult) -> c_int;
    fn PQgetvalue(result: *const PGresult, row: c_int, column: c_int) -> *const c_char;
    fn PQgetlength(result: *const PGresult, row: c_int, column: c_int) -> c_int;
    fn PQclear(result: *mut PGresult);
}

/// How the server is to send values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text = 0,
    Binary = 1,
}

/// A connection made by libpq.
pub struct Connection(NonNull<PGconn>);

// SAFETY: libpq ties a connection to no thread; it only forbids its use by two at the same time, which `&mut self` on
// everything that talks to the server does too.
unsafe impl Send for Connection {}

impl Connection {
    pub fn open(url: &str) -> Outcome<Self> {
        let url = CString::new(url)?;
        // SAFETY: the text is NUL-terminated and outlives the call.
        let conn = unsafe { PQconnectdb(url.as_ptr()) };
        let conn = Self(NonNull::new(conn).ok_or("libpq is out of memory")?);
        // SAFETY: the pointer came from `PQconnectdb` and is finished only in `drop`.
        if unsafe { PQstatus(conn.0.as_ptr()) } != CONNECTION_OK {
            return Err(conn.error("connect").into());
        }
        Ok(conn)
    }

    /// Prepares a statement with one parameter, an `int4`.
    pub fn prepare(&mut self, name: &CStr, sql: &str) -> Outcome<()> {
        let sql = CString::new(sql)?;
        // SAFETY: connection and texts are alive for the call; `types` points to as many types as announced.
        let result = unsafe { PQprepare(self.0.as_ptr(), name.as_ptr(), sql.as_ptr(), 1, &INT4_OID) };
        self.take(result, COMMAND_OK, "prepare").map(drop)
    }

    /// Runs a text of one or more statements whose results are of no interest.
    pub fn execute(&mut self, sql: &str) -> Outcome<()> {
        let sql = CString::new(sql)?;
        // SAFETY: connection and text are alive for the call.
        let result = unsafe { PQexec(self.0.as_ptr(), sql.as_ptr()) };
        self.take(result, COMMAND_OK, "execute").map(drop)
    }

    /// Runs a statement of [`prepare`](Self::prepare), with parameter and result in binary: the cheapest way libpq has.
    pub fn execute_prepared(&mut self, name: &CStr, parameter: i32) -> Outcome<Rows> {
        let value = parameter.to_be_bytes();
        let (length, format) = (value.len() as c_int, Format::Binary as c_int);
        // SAFETY: connection and name are alive for the call; values, lengths and formats point to one element each, as
        // announced; the value has the length given for it.
        let result = unsafe {
            PQexecPrepared(
                self.0.as_ptr(),
                name.as_ptr(),
                1,
                &value.as_ptr().cast(),
                &length,
                &format,
                Format::Binary as c_int,
            )
        };
        self.take(result, TUPLES_OK, "execute a prepared statement")
    }

    /// Runs a statement of [`prepare`](Self::prepare) once for each parameter, all in one pipeline: each a transaction of
    /// its own, or together one.
    pub fn pipeline(&mut self, name: &CStr, parameters: &[i32], together: bool) -> Outcome<()> {
        let conn = self.0.as_ptr();
        let (length, format) = (4, Format::Binary as c_int);
        // SAFETY: the connection is alive and at rest.
        let mut went_well = unsafe { PQenterPipelineMode(conn) } == 1;
        for parameter in parameters {
            let value = parameter.to_be_bytes();
            // SAFETY: as in `execute_prepared`; what is sent is copied before the call returns.
            let sent = unsafe {
                PQsendQueryPrepared(conn, name.as_ptr(), 1, &value.as_ptr().cast(), &length, &format, format)
            };
            // SAFETY: the connection is alive.
            went_well &= sent == 1 && (together || unsafe { PQpipelineSync(conn) } == 1);
        }
        if together {
            // SAFETY: as above.
            went_well &= unsafe { PQpipelineSync(conn) } == 1;
        }
        let syncs = if together { 1 } else { parameters.len() };
        went_well = went_well && self.take_pipelined(parameters.len(), syncs);
        // SAFETY: as above.
        went_well &= unsafe { PQexitPipelineMode(conn) } == 1;
        if went_well { Ok(()) } else { Err(self.error("run a pipeline").into()) }
    }

    /// Takes the results of so many commands and so many syncs; false at the first that is neither.
    fn take_pipelined(&mut self, mut commands: usize, mut syncs: usize) -> bool {
        while commands + syncs > 0 {
            // SAFETY: the connection is alive; a result is cleared once, and NULL only ends the results of one command.
            let status = unsafe {
                let result = PQgetResult(self.0.as_ptr());
                if result.is_null() {
                    continue;
                }
                let status = PQresultStatus(result);
                PQclear(result);
                status
            };
            match status {
                COMMAND_OK if commands > 0 => commands -= 1,
                PIPELINE_SYNC if syncs > 0 => syncs -= 1,
                _ => return false,
            }
        }
        true
    }

    /// Runs a statement without parameters; the whole result is in memory when it returns.
    pub fn query(&mut self, sql: &str, format: Format) -> Outcome<Rows> {
        let sql = CString::new(sql)?;
        // SAFETY: connection and text are alive for the call; with no parameters the four arrays may be null.
        let result = unsafe {
            PQexecParams(
                self.0.as_ptr(),
                sql.as_ptr(),
                0,
                ptr::null(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
                format as c_int,
            )
        };
        self.take(result, TUPLES_OK, "query")
    }

    fn take(&self, result: *mut PGresult, wanted: c_int, doing: &str) -> Outcome<Rows> {
        let rows = NonNull::new(result).map(Rows).ok_or_else(|| self.error(doing))?;
        // SAFETY: the result is alive until `rows` is dropped.
        if unsafe { PQresultStatus(rows.0.as_ptr()) } != wanted {
            return Err(self.error(doing).into());
        }
        Ok(rows)
    }

    fn error(&self, doing: &str) -> String {
        // SAFETY: the connection is alive; its message is NUL-terminated and copied before the next call could change it.
        let message = unsafe { CStr::from_ptr(PQerrorMessage(self.0.as_ptr())) };
        format!("libpq, {doing}: {}", message.to_string_lossy().trim())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: nothing uses the pointer after this.
        unsafe { PQfinish(self.0.as_ptr()) }
    }
}

/// A result, complete in memory.
pub struct Rows(NonNull<PGresult>);

impl Rows {
    pub fn len(&self) -> usize {
        // SAFETY: the result is alive.
        usize::try_from(unsafe { PQntuples(self.0.as_ptr()) }).unwrap_or(0)
    }

    pub fn columns(&self) -> usize {
        // SAFETY: the result is alive.
        usize::try_from(unsafe { PQnfields(self.0.as_ptr()) }).unwrap_or(0)
    }

    /// A value as the server sent it.
    ///
    /// # Panics
    /// When there is no such row or column, as indexing a slice does.
    pub fn value(&self, row: usize, column: usize) -> &[u8] {
        assert!(row < self.len() && column < self.columns(), "no row {row} or no column {column}");
        let (row, column) = (row as c_int, column as c_int);
        // SAFETY: both numbers are in range, so libpq gives a pointer to at least `length` bytes which live as long as the
        // result, to which the returned borrow is tied.
        unsafe {
            let start = PQgetvalue(self.0.as_ptr(), row, column).cast();
            slice::from_raw_parts(
                start,
                usize::try_from(PQgetlength(self.0.as_ptr(), row, column)).unwrap_or(0),
            )
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: nothing uses the pointer after this.
        unsafe { PQclear(self.0.as_ptr()) }
    }
}
