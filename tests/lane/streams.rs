//! Rows in portions, COPY in both directions, notifications and notices.

use std::thread;
use std::time::Instant;

use holdfast::session::{Param, ResultFormat};
use holdfast::{ErrorKind, Pool, PoolConfig};

use crate::support::server;
use crate::{ms, one, text};

#[test]
fn a_large_result_comes_in_portions() {
    let pool = one(server(), "portions");
    let mut conn = pool.get().unwrap();
    let mut lane = conn.lane().unwrap();
    let mut stream = lane
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
    let mut lane = conn.lane().unwrap();
    let mut stream =
        lane.stream("select 1 / (500 - g) from generate_series(1, 1000) g", &[], ResultFormat::Text).unwrap();
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
    drop(stream);
    assert_eq!(text(&mut conn, "select 1", &[]).unwrap().as_deref(), Some("1"));
}

#[test]
fn a_stream_given_up_half_way_is_settled_before_the_next_borrower() {
    let pool = one(server(), "given_up");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid();
    {
        let mut lane = conn.lane().unwrap();
        let mut stream =
            lane.stream("select generate_series(1, 100000000)", &[], ResultFormat::Text).unwrap();
        stream.next_portion(10).unwrap().unwrap();
    }
    let error = text(&mut conn, "select 1", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    let start = Instant::now();
    drop(conn);
    assert!(start.elapsed() < ms(50), "the drop took {:?}", start.elapsed());
    let mut next = pool.get().unwrap();
    assert_eq!(text(&mut next, "select 1", &[]).unwrap().as_deref(), Some("1"));
    assert_eq!(next.backend_pid(), pid, "cancelled and drained, not thrown away");
}

#[test]
fn copy_in_and_copy_out_carry_the_same_rows() {
    let pool = one(server(), "copier");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table copied (n int, t text)").unwrap();
    let mut lane = conn.lane().unwrap();
    let mut sink = lane.copy_in("copy copied from stdin").unwrap();
    let data: String = (0..10_000).map(|n| format!("{n}\trow number {n}\n")).collect();
    for piece in data.as_bytes().chunks(777) {
        sink.write(piece).unwrap();
    }
    assert_eq!(sink.finish().unwrap(), 10_000);
    let mut source = lane.copy_out("copy copied to stdout").unwrap();
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
    let mut lane = conn.lane().unwrap();
    let mut sink = lane.copy_in("copy aborted from stdin").unwrap();
    sink.write(b"1\n2\n").unwrap();
    sink.abort("changed my mind").unwrap();
    let mut sink = lane.copy_in("copy aborted from stdin").unwrap();
    sink.write(b"not a number\n").unwrap();
    assert_eq!(sink.finish().unwrap_err().sqlstate().unwrap().code(), "22P02");
    assert_eq!(lane.copy_in("copy nowhere from stdin").err().unwrap().sqlstate().unwrap().code(), "42P01");
    for wrong in [
        lane.copy_in("select 1").err(),
        lane.copy_out("copy aborted from stdin").err(),
        lane.copy_in("copy aborted to stdout").err(),
    ] {
        assert_eq!(wrong.unwrap().kind(), ErrorKind::Misuse);
    }
    assert_eq!(
        lane.query("copy aborted from stdin", &[], ResultFormat::Text).unwrap_err().kind(),
        ErrorKind::Misuse
    );
    assert_eq!(lane.script("copy aborted from stdin").unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(text(&mut conn, "select count(*) from aborted", &[]).unwrap().as_deref(), Some("0"));
}

#[test]
fn a_copy_left_half_done_is_gone_for_the_next_borrower() {
    let pool = one(server(), "half_copy");
    pool.batch_execute("create table if not exists half_copy (n int)").unwrap();
    let mut conn = pool.get().unwrap();
    conn.lane().unwrap().copy_in("copy half_copy from stdin").unwrap().write(b"1\n").unwrap();
    drop(conn);
    let mut next = pool.get().unwrap();
    assert_eq!(text(&mut next, "select count(*) from half_copy", &[]).unwrap().as_deref(), Some("0"));
}

#[test]
fn notifications_arrive_whichever_lane_was_in_use() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(2);
    let pool = Pool::new(config).unwrap();
    let mut ears = pool.get().unwrap();
    ears.lane().unwrap().script("listen lane_news").unwrap();
    assert!(ears.lane().unwrap().notification(ms(50)).unwrap().is_none());
    pool.batch_execute("notify lane_news, 'one'").unwrap();
    let one = ears.lane().unwrap().notification(ms(2000)).unwrap().expect("the first");
    assert_eq!((one.channel.as_str(), one.payload.as_str()), ("lane_news", "one"));
    // This one comes while a statement of the lane runs.
    thread::scope(|scope| {
        scope.spawn(|| pool.batch_execute("notify lane_news, 'two'").unwrap());
        text(&mut ears, "select pg_sleep(0.3)", &[]).unwrap();
    });
    let two = ears.lane().unwrap().notification(ms(2000)).unwrap().expect("the second");
    assert_eq!(two.payload, "two");
    ears.lane().unwrap().script("unlisten *").unwrap();
}

#[test]
fn notices_are_kept_for_whoever_asks() {
    let pool = one(server(), "noticer");
    let mut conn = pool.get().unwrap();
    let mut lane = conn.lane().unwrap();
    lane.script("do $$ begin raise notice 'look here'; raise warning 'and there'; end $$").unwrap();
    let notices = lane.take_notices();
    let texts: Vec<_> = notices.iter().map(|n| (n.severity.as_str(), n.message.as_str())).collect();
    assert_eq!(texts, [("NOTICE", "look here"), ("WARNING", "and there")]);
    assert!(lane.take_notices().is_empty());
}
