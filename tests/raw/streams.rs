//! Rows in portions.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::session::{Param, PipelineMode, ResultFormat, StreamCursor};
use holdfast::{ErrorKind, Pool, PoolConfig, PooledConnection};

use crate::support::proxy::Proxy;
use crate::support::{own_server, server};
use crate::{ms, one, text};

/// A stream that does not end by itself.
fn endless(conn: &mut PooledConnection) -> StreamCursor {
    let mut raw = conn.raw().unwrap();
    let sql = "select generate_series(1, 1000000000)";
    let mut cursor = raw.open_stream(sql, &[], ResultFormat::Text).unwrap();
    assert_eq!(cursor.next_portion(&mut raw, 10).unwrap().unwrap().rows(), 10);
    cursor
}

fn value(conn: &mut PooledConnection) -> Option<String> {
    text(conn, "select 1", &[]).unwrap()
}

#[test]
fn a_large_result_comes_in_portions() {
    let pool = one(server(), "portions");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let mut stream = raw
        .stream(
            "select g, repeat('x', 50) from generate_series(1, $1::int4) g",
            &[Param::text("100001")],
            ResultFormat::Automatic,
        )
        .unwrap();
    assert_eq!(stream.columns().len(), 2);
    let (mut rows, mut sum) = (0, 0i64);
    while let Some(block) = stream.next_portion(1000).unwrap() {
        assert!(block.rows() <= 1000);
        rows += block.rows();
        for row in 0..block.rows() {
            sum += i64::from(i32::from_be_bytes(block.cell(row, 0).unwrap().try_into().unwrap()));
        }
    }
    assert_eq!((rows, sum), (100_001, 100_001 * 100_002 / 2));
    assert_eq!(stream.command_tag(), "SELECT 100001");
    assert!(stream.next_portion(1).unwrap().is_none());
    drop(stream);
    assert_eq!(text(&mut conn, "select 1", &[]).unwrap().as_deref(), Some("1"));
}

#[test]
fn an_error_in_the_middle_of_a_stream_ends_it_and_not_the_connection() {
    let pool = one(server(), "breaks");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let mut stream =
        raw.stream("select 1 / (500 - g) from generate_series(1, 1000) g", &[], ResultFormat::Text).unwrap();
    let mut rows = 0;
    let error = loop {
        match stream.next_portion(100) {
            Ok(Some(block)) => rows += block.rows(),
            Ok(None) => panic!("the error was lost"),
            Err(e) => break e,
        }
    };
    assert_eq!(error.sqlstate().unwrap().code(), "22012");
    assert!(rows >= 400, "{rows}");
    assert_eq!(stream.next_portion(100).unwrap_err().kind(), ErrorKind::Misuse, "this was not the end");
    drop(stream);
    assert_eq!(text(&mut conn, "select 1", &[]).unwrap().as_deref(), Some("1"));
}

#[test]
fn a_stream_given_up_half_way_is_cancelled_before_the_next_statement() {
    let pool = one(server(), "given_up");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid();
    for _ in 0..3 {
        let mut raw = conn.raw().unwrap();
        let mut stream =
            raw.stream("select generate_series(1, 1000000000)", &[], ResultFormat::Text).unwrap();
        stream.next_portion(10).unwrap().unwrap();
        drop(stream);
        assert_eq!(value(&mut conn).as_deref(), Some("1"));
    }
    assert_eq!((conn.backend_pid(), conn.last_sqlstate().as_deref()), (pid, Some("57014")));
}

#[test]
fn a_stream_given_up_half_way_is_settled_before_the_next_caller() {
    let pool = one(server(), "given_back");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid();
    drop(endless(&mut conn));
    let start = Instant::now();
    drop(conn);
    assert!(start.elapsed() < ms(50), "the drop took {:?}", start.elapsed());
    let mut next = pool.get().unwrap();
    assert_eq!(value(&mut next).as_deref(), Some("1"));
    assert_eq!(next.backend_pid(), pid, "cancelled and drained, not thrown away");
}

/// All of it has been received, so that the connection is at rest, except that it has not been read.
#[test]
fn a_short_stream_given_up_half_way_leaves_nothing_to_either_api() {
    let pool = one(server(), "short");
    let open = |conn: &mut PooledConnection| {
        let mut raw = conn.raw().unwrap();
        let mut cursor = raw.open_stream("select generate_series(1, 20)", &[], ResultFormat::Text).unwrap();
        cursor.next_portion(&mut raw, 5).unwrap().unwrap();
        cursor
    };
    let mut conn = pool.get().unwrap();
    let kept = open(&mut conn);
    drop(conn);
    let mut conn = pool.get().unwrap();
    assert_eq!(value(&mut conn).as_deref(), Some("1"), "the next caller");
    drop(kept);
    drop(open(&mut conn));
    assert_eq!(value(&mut conn).as_deref(), Some("1"), "the next statement");
    drop(open(&mut conn));
    assert_eq!(conn.client().unwrap().query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7, "the client");
    assert_eq!(conn.last_sqlstate(), None, "nothing had to be cancelled");
}

#[test]
fn the_client_ends_what_the_raw_session_has_open() {
    let pool = one(server(), "impatient");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table impatient (n int)").unwrap();
    for dropped in [false, true] {
        let cursor = endless(&mut conn);
        let kept = (!dropped).then_some(cursor);
        assert_eq!(conn.client().unwrap().query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7);
        let sink = conn.raw().unwrap().open_copy_in("copy impatient from stdin").unwrap();
        let sink = (!dropped).then_some(sink);
        assert_eq!(conn.client().unwrap().query_one("select 8", &[]).unwrap().get::<_, i32>(0), 8);
        for error in [
            kept.map(|mut cursor| cursor.next_portion(&mut conn.raw().unwrap(), 1).unwrap_err()),
            sink.map(|mut sink| sink.write(&mut conn.raw().unwrap(), b"1\n").unwrap_err()),
        ] {
            assert_eq!(error.map(|e| e.kind()), (!dropped).then_some(ErrorKind::Misuse));
        }
    }
    let pid = conn.backend_pid();
    drop(conn);
    assert_eq!(pool.get().unwrap().backend_pid(), pid);
}

#[test]
fn while_a_stream_is_open_other_calls_are_refused_and_name_it() {
    let pool = one(server(), "occupied");
    let mut conn = pool.get().unwrap();
    let mut cursor = endless(&mut conn);
    let mut raw = conn.raw().unwrap();
    for error in [
        raw.query("select 1", &[], ResultFormat::Text).unwrap_err(),
        raw.script("select 1").unwrap_err(),
        raw.prepare("select 1", &[]).unwrap_err(),
        raw.open_stream("select 1", &[], ResultFormat::Text).unwrap_err(),
        raw.open_copy_out("copy (select 1) to stdout").unwrap_err(),
        raw.pipeline(&[], PipelineMode::Together).unwrap_err(),
        raw.notification(Duration::ZERO).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("a stream is open on this connection"), "{error}");
    }
    assert_eq!(cursor.next_portion(&mut raw, 3).unwrap().unwrap().cell(0, 0), Some(&b"11"[..]));
}

#[test]
fn a_cursor_is_refused_on_another_connection_and_once_its_own_has_gone_back() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(2);
    let pool = Pool::new(config).unwrap();
    let (mut conn, mut other) = (pool.get().unwrap(), pool.get().unwrap());
    let (mut here, mut there) = (endless(&mut conn), endless(&mut other));
    let error = here.next_portion(&mut other.raw().unwrap(), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    here.next_portion(&mut conn.raw().unwrap(), 1).unwrap().expect("it goes on");
    there.next_portion(&mut other.raw().unwrap(), 1).unwrap().expect("it goes on");
    drop((conn, other));
    for mut conn in [pool.get().unwrap(), pool.get().unwrap()] {
        let mut new = endless(&mut conn);
        for old in [&mut here, &mut there] {
            let error = old.next_portion(&mut conn.raw().unwrap(), 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        }
        new.next_portion(&mut conn.raw().unwrap(), 1).unwrap().expect("it goes on");
    }
}

#[test]
fn the_deadline_holds_for_each_call_on_a_stream_and_not_for_the_time_between() {
    let pool = one(server(), "patient");
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(400)));
    let mut raw = conn.raw().unwrap();
    let sql = "select g, repeat('x', 1000), case when g > 3000 then pg_sleep(20)::text end from generate_series(1, 5000) g";
    let mut stream = raw.stream(sql, &[], ResultFormat::Text).unwrap();
    for _ in 0..3 {
        thread::sleep(ms(250));
        assert_eq!(stream.next_portion(900).unwrap().unwrap().rows(), 900);
    }
    let start = Instant::now();
    assert_eq!(stream.next_portion(900).unwrap_err().kind(), ErrorKind::QueryTimeout);
    assert!((ms(390)..ms(600)).contains(&start.elapsed()), "took {:?}", start.elapsed());
}

#[test]
fn a_portion_of_large_rows_ends_before_it_fills_memory() {
    let pool = one(server(), "heavy");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let sql = "select repeat('x', 3000000) from generate_series(1, 20)";
    let mut stream = raw.stream(sql, &[], ResultFormat::Text).unwrap();
    let mut rows = Vec::new();
    while let Some(block) = stream.next_portion(usize::MAX).unwrap() {
        rows.push(block.rows());
    }
    assert_eq!(rows, [6, 6, 6, 2]);
}

#[test]
fn what_was_given_up_on_a_frozen_backend_fails_the_next_statement_at_its_deadline() {
    let server = own_server(|s| s);
    let pool = one(&server, "frozen_leftovers");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid().unwrap() as i32;
    drop(endless(&mut conn));
    conn.set_deadline(Some(ms(300)));
    server.freeze_backend(pid).unwrap();
    let start = Instant::now();
    let error = text(&mut conn, "select 1", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueryTimeout, "{error}");
    assert!((ms(290)..ms(500)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw_backend(pid).unwrap();
    drop(conn);
    pool.batch_execute("select 1").expect("the pool has another");
}

#[test]
fn a_connection_on_which_nothing_can_be_cancelled_is_given_up() {
    let proxy = Proxy::before(server());
    let pool = Pool::new(PoolConfig::from_url(&proxy.url()).unwrap().max_size(1)).unwrap();
    let mut conn = pool.get().unwrap();
    drop(endless(&mut conn));
    proxy.refuse();
    let error = text(&mut conn, "select 1", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.to_string().contains("could not be cancelled"), "{error}");
    proxy.accept_again();
    drop(conn);
    pool.batch_execute("select 1").expect("the pool has another");
}
