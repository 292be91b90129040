//! A raw session on a server that freezes, hangs up, or breaks off in mid-message.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::session::ResultFormat;
use holdfast::{ErrorKind, Phase, Pool, PoolConfig};

use crate::support::proxy::{Proxy, Then};
use crate::support::{own_server, server};
use crate::{ms, one, text};

#[test]
fn a_statement_on_a_frozen_backend_ends_at_its_deadline() {
    let server = own_server(|s| s);
    let pool = one(&server, "raw_frozen");
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(300)));
    let pid = conn.backend_pid().unwrap() as i32;
    text(&mut conn, "select 1", &[]).unwrap();
    server.freeze_backend(pid).unwrap();
    let start = Instant::now();
    let error = text(&mut conn, "select 1", &[]).unwrap_err();
    drop(conn);
    assert_eq!((error.kind(), error.phase()), (ErrorKind::QueryTimeout, Some(Phase::Query)), "{error}");
    assert!((ms(300)..ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw_backend(pid).unwrap();
    pool.batch_execute("select 1").expect("the pool has another");
}

#[test]
fn a_statement_can_be_cancelled_from_another_thread() {
    let pool = one(server(), "raw_cancelled");
    let mut conn = pool.get().unwrap();
    let cancel = conn.cancel_handle();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(ms(100));
            cancel.cancel().unwrap();
        });
        assert_eq!(text(&mut conn, "select pg_sleep(30)", &[]).unwrap_err().kind(), ErrorKind::Canceled);
    });
    assert_eq!(text(&mut conn, "select 1", &[]).unwrap().as_deref(), Some("1"));
}

#[test]
fn a_backend_that_is_terminated_says_why_and_is_replaced() {
    let server = own_server(|s| s);
    let pool = one(&server, "raw_terminated");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid().unwrap() as i32;
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(ms(100));
            server.terminate_backend(pid).unwrap();
        });
        let error = text(&mut conn, "select pg_sleep(30)", &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert_eq!(error.sqlstate().unwrap().code(), "57P01", "{error}");
    });
    drop(conn);
    assert_ne!(pool.get().unwrap().backend_pid(), Some(pid as u32));
}

#[test]
fn a_connection_that_breaks_anywhere_in_a_result_is_an_error_and_is_replaced() {
    let proxy = Proxy::before(server());
    let pool = Pool::new(PoolConfig::from_url(&proxy.url()).unwrap().max_size(1)).unwrap();
    for bytes in [1, 3, 5, 6, 20, 60, 200, 1000, 5000] {
        let mut conn = pool.get().unwrap();
        proxy.after_bytes_from_server(bytes, Then::Cut);
        let sql = format!("select generate_series(1, 2000), 'cut after {bytes}'");
        let error = conn.raw().unwrap().query(&sql, &[], ResultFormat::Text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(!error.is_retryable());
        drop(conn);
    }
    pool.batch_execute("select 1").expect("the pool has another");
}

#[test]
fn close_cuts_a_raw_session_that_does_not_come_back() {
    let pool = one(server(), "raw_closed");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid().unwrap() as i32;
    thread::scope(|scope| {
        let worker = scope.spawn(move || text(&mut conn, "select pg_sleep(60)", &[]).unwrap_err());
        thread::sleep(ms(100));
        let start = Instant::now();
        let report = pool.close_timeout(ms(800));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(report.cancelled, 1, "{report:?}");
        assert_eq!(worker.join().unwrap().kind(), ErrorKind::Canceled);
    });
    assert!(pid > 0);
}
