//! A process that may have no more descriptors, or no more memory.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use fallible_iterator::FallibleIterator;
use holdfast::error::SqlState;
use holdfast::session::{PipelineMode, Request, ResultFormat};
use holdfast::{Circuit, Error, ErrorKind, Pool, PooledConnection};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config;
use crate::support::own_process::alone;
use crate::support::own_server;

#[test]
fn out_of_descriptors_is_an_error_and_passes() {
    if let Some(url) = alone("limits::out_of_descriptors_is_an_error_and_passes") {
        run_out(&url);
    }
}

fn run_out(url: &str) {
    let usual = getrlimit(Resource::Nofile);
    let mut failed = 0;
    for more in 0..16 {
        let pool = Pool::from_url(&format!("{url}?retry_max=0&connection_timeout=2s")).unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        // One of those was for counting. The limit is on numbers, of which lower ones may be free: at first none is left.
        let current = if more == 0 { 3 } else { open - 1 + more };
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: usual.maximum }).unwrap();
        let got = pool.get();
        // This one is so short of time that a thread of the pool opens for it.
        let hurried = pool.get_timeout(Duration::from_millis(50));
        setrlimit(Resource::Nofile, usual).unwrap();
        assert!(got.is_ok() || hurried.is_err(), "no descriptor came free");
        if let Err(error) = got {
            failed += 1;
            assert!(error.is_retryable(), "{error}");
            assert!(error.to_string().contains("Too many open files"), "{error}");
            assert_local(&error, Errno::MFILE);
        }
        assert_eq!(pool.stats().circuit, Circuit::Closed, "the server is well");
        let begun = Instant::now();
        pool.get().expect("the pool works as before, at once");
        assert!(
            begun.elapsed() < Duration::from_millis(1900),
            "no retry was waited for: {:?}",
            begun.elapsed()
        );
    }
    assert!((1..16).contains(&failed), "{failed} of 16");
}

/// The file is read while the socket is there: with one descriptor less than both need, the password seems to be missing.
#[test]
fn a_password_file_that_cannot_be_opened_for_lack_of_a_descriptor_is_no_missing_password() {
    let this =
        "limits::a_password_file_that_cannot_be_opened_for_lack_of_a_descriptor_is_no_missing_password";
    if alone(this).is_none() {
        return;
    }
    let server = own_server(|s| s.role("app", "secret"));
    let file = std::env::temp_dir().join(format!("holdfast-limits-passfile-{}", std::process::id()));
    std::fs::write(&file, "*:*:*:app:secret\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let usual = getrlimit(Resource::Nofile);
    let mut failed = 0;
    for more in 0..6 {
        let url =
            format!("postgresql://app@127.0.0.1:{}/postgres?sslmode=disable&retry_max=0", server.port());
        let pool = Pool::new(config(&url).passfile(file.to_str().unwrap())).unwrap();
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: usual.maximum }).unwrap();
        let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        taken.truncate(taken.len() - more);
        let got = pool.get();
        drop(taken);
        setrlimit(Resource::Nofile, usual).unwrap();
        if let Err(error) = got {
            failed += 1;
            assert_local(&error, Errno::MFILE);
        }
        pool.get().expect("with descriptors the file is read");
    }
    std::fs::remove_file(&file).unwrap();
    assert!((2..6).contains(&failed), "without a socket and without the file: {failed} of 6");
}

/// Asserts that an error is this process' own, and has the system's in its chain.
#[track_caller]
fn assert_local(error: &Error, errno: Errno) {
    assert_eq!(error.kind(), ErrorKind::LocalLimit, "{error}");
    let (mut cause, mut found) = (error.source(), None);
    while let Some(each) = cause {
        found = found.or_else(|| each.downcast_ref::<std::io::Error>()?.raw_os_error());
        cause = each.source();
    }
    assert_eq!(found, Some(errno.raw_os_error()), "{error}");
}

#[test]
fn a_cancel_request_without_a_descriptor_says_so_and_touches_nothing() {
    if let Some(url) = alone("limits::a_cancel_request_without_a_descriptor_says_so_and_touches_nothing") {
        let pool = Pool::from_url(&url).unwrap();
        let mut conn = pool.get().unwrap();
        let usual = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum: usual.maximum }).unwrap();
        let failed = conn.cancel_handle().cancel();
        let answered = conn.query_one("select 1", &[]);
        setrlimit(Resource::Nofile, usual).unwrap();
        assert_local(&failed.unwrap_err(), Errno::MFILE);
        assert_eq!(answered.unwrap().get::<_, i32>(0), 1);
        conn.cancel_handle().cancel().unwrap();
    }
}

#[test]
fn a_pool_for_whose_threads_there_is_no_memory_is_an_error_and_passes() {
    if let Some(url) = alone("limits::a_pool_for_whose_threads_there_is_no_memory_is_an_error_and_passes") {
        // Small allocations have room in what was freed below the one that is kept.
        let mut room: Vec<Vec<u8>> = (0..4096).map(|_| vec![1; 1024]).collect();
        let kept = room.pop();
        drop(room);
        let usual = getrlimit(Resource::As);
        setrlimit(Resource::As, Rlimit { current: Some(address_space()), maximum: usual.maximum }).unwrap();
        let opened = Pool::from_url(&url);
        setrlimit(Resource::As, usual).unwrap();
        drop(kept);
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalLimit, "{error}");
        assert!(error.to_string().contains("no thread"), "{error}");
        Pool::from_url(&url).unwrap().batch_execute("select 1").unwrap();
    }
}

/// The same for memory, which the process is given less of than it takes to hold what the server sends, at each of the stages
/// that hold it.
#[test]
fn out_of_memory_is_an_error_and_passes() {
    if let Some(url) = alone("limits::out_of_memory_is_an_error_and_passes") {
        run_out_of_memory(&url);
    }
}

const LARGE: &str = "repeat('x', 6000000)";

type Action = fn(&mut PooledConnection) -> holdfast::Result<()>;

/// Every way by which something large may come.
const ACTIONS: [(&str, Action); 10] = [
    ("query", |conn| conn.query(&format!("select {LARGE}"), &[]).map(drop)),
    ("query_typed", |conn| conn.query_typed(&format!("select {LARGE}"), &[]).map(drop)),
    ("query_raw", |conn| {
        let rows = conn.query_raw(&format!("select {LARGE} from generate_series(1, 3)"), [0i32; 0])?;
        rows.for_each(|row| {
            drop(row);
            Ok(())
        })
    }),
    ("simple_query", |conn| conn.simple_query(&format!("select {LARGE}")).map(drop)),
    ("stream", |conn| {
        let mut raw = conn.raw()?;
        let sql = format!("select {LARGE} from generate_series(1, 3)");
        let mut stream = raw.stream(sql.as_str(), &[], ResultFormat::Text)?;
        while stream.next_portion(1)?.is_some() {}
        Ok(())
    }),
    ("pipeline", |conn| {
        let sql = format!("select {LARGE}");
        let request = Request { sql: sql.as_str().into(), params: &[], format: ResultFormat::Text };
        let outcomes = conn.raw()?.pipeline(&[request; 2], PipelineMode::Separate)?;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }),
    ("copy_out", |conn| {
        let mut reader = conn.copy_out(&format!("copy (select {LARGE}) to stdout"))?;
        std::io::copy(&mut reader, &mut std::io::sink()).map(drop).map_err(|e| match e.downcast() {
            Ok(error) => error,
            Err(e) => panic!("{e}"),
        })
    }),
    ("raw copy_out", |conn| {
        let mut raw = conn.raw()?;
        let mut copy = raw.copy_out(&format!("copy (select {LARGE}) to stdout"))?;
        while copy.read()?.is_some() {}
        Ok(())
    }),
    ("notice", |conn| conn.batch_execute(&format!("do $$ begin raise notice '%', {LARGE}; end $$"))),
    ("error", |conn| {
        let raised = conn.batch_execute(&format!("do $$ begin raise '%', {LARGE}; end $$"));
        // It has come, as far as it is kept.
        if raised.as_ref().is_err_and(|e| e.code() == Some(&SqlState::RAISE_EXCEPTION)) {
            Ok(())
        } else {
            raised
        }
    }),
];

fn run_out_of_memory(url: &str) {
    const MIB: u64 = 1 << 20;
    let pool = Pool::from_url(&format!("{url}?max_size=1")).unwrap();
    let usual = getrlimit(Resource::As);
    for (name, action) in ACTIONS {
        let mut outcomes = Vec::new();
        for more in [2, 5, 9, 100] {
            let mut conn = pool.get().unwrap();
            // What is sent on purpose need not fill the server's log.
            conn.batch_execute("set log_min_messages = panic; set log_min_error_statement = panic").unwrap();
            let current = Some(address_space() + more * MIB);
            setrlimit(Resource::As, Rlimit { current, maximum: usual.maximum }).unwrap();
            let outcome = action(&mut conn);
            setrlimit(Resource::As, usual).unwrap();
            outcomes.push(outcome.is_ok());
            if let Err(error) = outcome {
                assert!(error.to_string().contains("not enough memory"), "{name} with {more} MiB: {error}");
                assert_local(&error, Errno::NOMEM);
                assert!(!error.is_retryable(), "{name}: {error}");
            }
            drop(conn);
            assert_eq!(
                pool.query_one("select 1", &[]).unwrap().get::<_, i32>(0),
                1,
                "{name} with {more} MiB"
            );
        }
        assert!(!outcomes[0] && outcomes[3], "{name}: {outcomes:?}");
    }
}

/// The bytes that count for the limit.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
