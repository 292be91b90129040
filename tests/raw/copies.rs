//! COPY in both directions.

use std::thread;
use std::time::Instant;

use holdfast::session::ResultFormat;
use holdfast::{ErrorKind, PooledConnection};

use crate::support::{own_server, server};
use crate::{ms, one, text};

fn count(conn: &mut PooledConnection, table: &str) -> String {
    text(conn, &format!("select count(*) from {table}"), &[]).unwrap().unwrap()
}

#[test]
fn copy_in_and_copy_out_carry_the_same_rows() {
    let pool = one(server(), "copier");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table copied (n int, t text)").unwrap();
    let mut raw = conn.raw().unwrap();
    let mut sink = raw.copy_in("copy copied from stdin").unwrap();
    let data: String = (0..10_000).map(|n| format!("{n}\trow number {n}\n")).collect();
    for piece in data.as_bytes().chunks(777) {
        sink.write(piece).unwrap();
    }
    assert_eq!(sink.finish().unwrap(), 10_000);
    let mut source = raw.copy_out("copy copied to stdout").unwrap();
    let mut read = Vec::new();
    while let Some(piece) = source.read().unwrap() {
        read.extend(piece);
    }
    assert_eq!(source.rows(), 10_000);
    assert!(read == data.as_bytes());
}

#[test]
fn a_copy_that_is_aborted_or_refused_changes_nothing() {
    let pool = one(server(), "aborter");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table aborted (n int)").unwrap();
    let mut raw = conn.raw().unwrap();
    let mut sink = raw.copy_in("copy aborted from stdin").unwrap();
    sink.write(b"1\n2\n").unwrap();
    sink.abort("changed my mind").unwrap();
    let mut sink = raw.copy_in("copy aborted from stdin").unwrap();
    sink.write(b"not a number\n").unwrap();
    assert_eq!(sink.finish().unwrap_err().sqlstate().unwrap().code(), "22P02");
    assert_eq!(raw.copy_in("copy nowhere from stdin").err().unwrap().sqlstate().unwrap().code(), "42P01");
    for wrong in [
        raw.copy_in("select 1").err(),
        raw.copy_out("copy aborted from stdin").err(),
        raw.copy_in("copy aborted to stdout").err(),
    ] {
        assert_eq!(wrong.unwrap().kind(), ErrorKind::Misuse);
    }
    assert_eq!(
        raw.query("copy aborted from stdin", &[], ResultFormat::Text).unwrap_err().kind(),
        ErrorKind::Misuse
    );
    assert_eq!(raw.script("copy aborted from stdin").unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(text(&mut conn, "select count(*) from aborted", &[]).unwrap().as_deref(), Some("0"));
}

/// Neither takes longer than the server needs to hear of it.
#[test]
fn a_copy_given_up_half_way_is_gone_for_the_next_statement_and_the_next_caller() {
    let pool = one(server(), "half_copy");
    pool.batch_execute("create table if not exists half_copy (n int)").unwrap();
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid();
    let start = Instant::now();
    let large = b"1\n".repeat(100_000);
    for data in [&b""[..], b"1\n", &large, b"not a number\n"] {
        conn.raw().unwrap().copy_in("copy half_copy from stdin").unwrap().write(data).unwrap();
        assert_eq!(count(&mut conn, "half_copy"), "0");
        let mut out = conn
            .raw()
            .unwrap()
            .open_copy_out("copy (select generate_series(1, 100000000)) to stdout")
            .unwrap();
        assert_eq!(out.read(&mut conn.raw().unwrap()).unwrap().as_deref(), Some(&b"1\n"[..]));
        drop(out);
        assert_eq!(count(&mut conn, "half_copy"), "0");
        conn.raw()
            .unwrap()
            .open_copy_in("copy half_copy from stdin")
            .unwrap()
            .write(&mut conn.raw().unwrap(), data)
            .unwrap();
        drop(conn);
        conn = pool.get().unwrap();
        assert_eq!(count(&mut conn, "half_copy"), "0");
    }
    assert_eq!(conn.backend_pid(), pid, "ended, not thrown away");
    assert!(start.elapsed() < ms(3000), "took {:?}", start.elapsed());
}

#[test]
fn data_that_the_server_refuses_is_reported_before_all_of_it_was_sent() {
    let pool = one(server(), "early");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table early (n int)").unwrap();
    let mut raw = conn.raw().unwrap();
    let mut sink = raw.copy_in("copy early from stdin").unwrap();
    sink.write(b"not a number\n").unwrap();
    let row = b"1\n".repeat(50_000);
    let error = (0..1000).find_map(|_| sink.write(&row).err()).expect("100 MB are not sent for nothing");
    assert_eq!(error.sqlstate().unwrap().code(), "22P02", "{error}");
    assert_eq!(sink.write(b"1\n").unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(sink.finish().unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(count(&mut conn, "early"), "0");
    // The typed API and the raw session view know where the connection stands.
    assert_eq!(conn.query_one("select 3", &[]).unwrap().get::<_, i32>(0), 3);
    let pid = conn.backend_pid();
    drop(conn);
    assert_eq!(pool.get().unwrap().backend_pid(), pid);
}

#[test]
fn the_deadline_holds_for_each_call_on_a_copy_and_not_for_the_time_between() {
    let pool = one(server(), "slow_feeder");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table slow_feeder (n int)").unwrap();
    conn.set_deadline(Some(ms(300)));
    let mut raw = conn.raw().unwrap();
    let rows = b"1\n".repeat(50_000);
    let mut sink = raw.copy_in("copy slow_feeder from stdin").unwrap();
    for _ in 0..3 {
        thread::sleep(ms(200));
        sink.write(&rows).unwrap();
    }
    thread::sleep(ms(400));
    assert_eq!(sink.finish().unwrap(), 150_000);
    let mut source = raw.copy_out("copy (select repeat('x', 1000) from slow_feeder) to stdout").unwrap();
    for _ in 0..3 {
        thread::sleep(ms(200));
        source.read().unwrap().unwrap();
    }
}

#[test]
fn a_backend_that_takes_no_more_data_fails_the_copy_at_its_deadline() {
    let server = own_server(|s| s);
    let pool = one(&server, "stuck_feeder");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid().unwrap() as i32;
    conn.batch_execute("create temp table stuck_feeder (n int)").unwrap();
    conn.set_deadline(Some(ms(400)));
    let mut raw = conn.raw().unwrap();
    let mut sink = raw.copy_in("copy stuck_feeder from stdin").unwrap();
    server.freeze_backend(pid).unwrap();
    let rows = b"1\n".repeat(500_000);
    let (took, error) = (0..100)
        .find_map(|_| {
            let start = Instant::now();
            sink.write(&rows).err().map(|e| (start.elapsed(), e))
        })
        .expect("no buffer holds 100 MB");
    assert_eq!(error.kind(), ErrorKind::QueryTimeout, "{error}");
    assert!((ms(380)..ms(700)).contains(&took), "took {took:?}");
    server.thaw_backend(pid).unwrap();
}

/// A copy where none was expected must not wait for data that there is not.
#[test]
fn a_copy_behind_other_statements_is_refused_and_does_not_hang() {
    let pool = one(server(), "behind");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table behind (n int)").unwrap();
    conn.set_deadline(Some(ms(5000)));
    let mut raw = conn.raw().unwrap();
    for error in [
        raw.open_copy_in("insert into behind values (1); copy behind from stdin").unwrap_err(),
        raw.open_copy_out("insert into behind values (1); copy behind from stdin").unwrap_err(),
        raw.script("insert into behind values (1); copy behind from stdin").unwrap_err(),
        raw.open_copy_in("copy behind to stdout; copy behind from stdin").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    }
    let error = raw
        .stream("copy behind from stdin", &[], ResultFormat::Text)
        .and_then(|mut stream| stream.next_portion(1))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    assert_eq!(count(&mut conn, "behind"), "0");
}

#[test]
fn while_a_copy_is_open_other_calls_are_refused_and_name_it() {
    let pool = one(server(), "copying");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table copying (n int)").unwrap();
    let mut raw = conn.raw().unwrap();
    let mut sink = raw.open_copy_in("copy copying from stdin").unwrap();
    let error = raw.query("select 1", &[], ResultFormat::Text).unwrap_err();
    assert!(error.to_string().contains("a COPY FROM STDIN is open"), "{error}");
    assert_eq!(sink.abort(&mut raw, "a\0b").unwrap_err().kind(), ErrorKind::Misuse);
    sink.write(&mut raw, b"1\n").unwrap();
    assert_eq!(sink.finish(&mut raw).unwrap(), 1);
    let source = raw.open_copy_out("copy copying to stdout").unwrap();
    let error = raw.query("select 1", &[], ResultFormat::Text).unwrap_err();
    assert!(error.to_string().contains("a COPY TO STDOUT is open"), "{error}");
    drop(source);
    assert_eq!(count(&mut conn, "copying"), "1");
}
