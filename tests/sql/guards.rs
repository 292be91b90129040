//! Readers and writers that are dropped half-way, or leaked: they neither block nor cost the place.

use std::io::{BufRead, Read, Write};
use std::mem;
use std::time::Instant;

use fallible_iterator::FallibleIterator;
use holdfast::types::Type;
use holdfast::{ErrorKind, Pool, PooledConnection};

use crate::support::proxy::Proxy;
use crate::support::{server, wait_until};
use crate::{ms, one, plain};

const MANY: &str = "select generate_series(1, 100000)";
const NONE: [&str; 0] = [];

/// The connection is the same at the next checkout, and of use.
fn assert_is_kept(pool: &Pool, conn: PooledConnection) {
    let pid = conn.backend_pid();
    let start = Instant::now();
    drop(conn);
    assert!(start.elapsed() < ms(100), "giving it back took {:?}", start.elapsed());
    let mut conn = pool.get().unwrap();
    assert_eq!(conn.backend_pid(), pid, "{:?}", pool.stats());
    assert_eq!(conn.query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7);
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn rows_dropped_half_way_let_their_statement_take_effect() {
    let pool = one("dropped_rows");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table effects (n int)").unwrap();
    let sql = "insert into effects select generate_series(1, 100000) returning n";
    let mut rows = conn.query_raw(sql, NONE).unwrap();
    rows.next().unwrap();
    drop(rows);
    assert_eq!(plain(&mut conn, "select count(*) from effects").as_deref(), Some("100000"));
    let mut tx = conn.transaction().unwrap();
    let mut rows = tx.query_raw(MANY, NONE).unwrap();
    rows.next().unwrap();
    drop(rows);
    tx.execute("delete from effects", &[]).unwrap();
    tx.commit().unwrap();
    assert_eq!(plain(&mut conn, "select count(*) from effects").as_deref(), Some("0"));
    assert_is_kept(&pool, conn);
}

#[test]
fn leaked_guards_keep_the_connection_busy_until_it_goes_back() {
    let pool = one("leaked");
    pool.batch_execute("create table if not exists leaked (n int)").unwrap();
    for guard in 0..4 {
        let mut conn = pool.get().unwrap();
        match guard {
            0 => {
                let mut rows = conn.query_raw(MANY, NONE).unwrap();
                rows.next().unwrap();
                mem::forget(rows);
            }
            1 => {
                let mut writer = conn.copy_in("copy leaked from stdin").unwrap();
                writer.write_all(b"1\n").unwrap();
                writer.flush().unwrap();
                mem::forget(writer);
            }
            2 => {
                let mut reader = conn.copy_out(&format!("copy ({MANY}) to stdout")).unwrap();
                reader.read_exact(&mut [0; 10]).unwrap();
                mem::forget(reader);
            }
            _ => {
                let mut tx = conn.transaction().unwrap();
                tx.execute("insert into leaked values (1)", &[]).unwrap();
                mem::forget(tx);
            }
        }
        if guard < 3 {
            let error = conn.query_one("select 1", &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
            assert!(error.to_string().contains("is open on this connection"), "{error}");
        }
        assert_is_kept(&pool, conn);
    }
    assert_eq!(pool.query_one("select count(*) from leaked", &[]).unwrap().get::<_, i64>(0), 0);
    wait_until("its place is free", ms(5000), || pool.stats().idle == 1);
}

#[test]
fn what_is_dropped_half_way_on_a_frozen_server_waits_for_nothing() {
    for guard in ["rows", "typed rows", "rows in a transaction", "portal", "savepoint", "copy in", "copy out"]
    {
        let proxy = Proxy::before(server());
        let config = holdfast::PoolConfig::from_url(&proxy.url()).unwrap();
        let pool = Pool::new(config.max_size(1).settle_timeout(ms(300)).fleet_share(false)).unwrap();
        pool.batch_execute("create table if not exists frozen_guards (n int)").unwrap();
        let mut conn = pool.get().unwrap();
        let took = match guard {
            "rows" | "typed rows" => {
                let mut rows = match guard {
                    "rows" => conn.query_raw(MANY, NONE).unwrap(),
                    _ => conn.query_typed_raw(MANY, [(1i32, Type::INT4); 0]).unwrap(),
                };
                rows.next().unwrap();
                freeze_and_drop(&proxy, rows)
            }
            "rows in a transaction" => {
                let mut tx = conn.transaction().unwrap();
                let mut rows = tx.query_raw(MANY, NONE).unwrap();
                rows.next().unwrap();
                freeze_and_drop(&proxy, rows) + freeze_and_drop(&proxy, tx)
            }
            "portal" => {
                let mut tx = conn.transaction().unwrap();
                let portal = tx.bind(MANY, &[]).unwrap();
                let mut rows = tx.query_portal_raw(&portal, 50_000).unwrap();
                rows.next().unwrap();
                freeze_and_drop(&proxy, rows) + freeze_and_drop(&proxy, portal) + freeze_and_drop(&proxy, tx)
            }
            "savepoint" => {
                let mut tx = conn.transaction().unwrap();
                let mut inner = tx.savepoint("half_way").unwrap();
                inner.execute("insert into frozen_guards values (1)", &[]).unwrap();
                freeze_and_drop(&proxy, inner) + freeze_and_drop(&proxy, tx)
            }
            "copy in" => {
                let mut writer = conn.copy_in("copy frozen_guards from stdin").unwrap();
                writer.write_all(b"1\n").unwrap();
                writer.flush().unwrap();
                freeze_and_drop(&proxy, writer)
            }
            _ => {
                let mut reader = conn.copy_out(&format!("copy ({MANY}) to stdout")).unwrap();
                reader.read_exact(&mut [0; 10]).unwrap();
                freeze_and_drop(&proxy, reader)
            }
        };
        let took = took + freeze_and_drop(&proxy, conn);
        assert!(took < ms(200), "{guard}: the drops took {took:?}");
        wait_until("its place is free again", ms(5000), || pool.stats().total == 0);
        proxy.hear_again();
        let left: i64 = pool.query_one("select count(*) from frozen_guards", &[]).unwrap().get(0);
        assert_eq!(left, 0, "{guard}");
    }
}

/// How long a drop takes when the server does not answer any more.
fn freeze_and_drop<T>(proxy: &Proxy, guard: T) -> std::time::Duration {
    proxy.go_deaf();
    let start = Instant::now();
    drop(guard);
    start.elapsed()
}

#[test]
fn guards_of_a_guest_client_that_are_leaked_cost_neither_time_nor_place() {
    let pool = one("leaked_by_a_guest");
    pool.batch_execute("create table if not exists leaked_by_a_guest (n int)").unwrap();
    for guard in ["transaction", "rows", "rows in a transaction", "portal", "copy in", "copy out"] {
        let mut conn = pool.get().unwrap();
        let client = conn.client().unwrap();
        match guard {
            "transaction" => mem::forget(client.transaction().unwrap()),
            "rows" => {
                let mut rows = client.query_raw(MANY, NONE).unwrap();
                rows.next().unwrap();
                mem::forget(rows);
            }
            "rows in a transaction" => {
                let mut tx = client.transaction().unwrap();
                let mut rows = tx.query_raw(MANY, NONE).unwrap();
                rows.next().unwrap();
                mem::forget(rows);
                mem::forget(tx);
            }
            "portal" => {
                let mut tx = client.transaction().unwrap();
                let portal = tx.bind(MANY, &[]).unwrap();
                mem::forget(tx.query_portal_raw(&portal, 50_000).unwrap());
                mem::forget((portal, tx));
            }
            "copy in" => {
                let mut writer = client.copy_in("copy leaked_by_a_guest from stdin").unwrap();
                writer.write_all(b"1\n").unwrap();
                writer.flush().unwrap();
                mem::forget(writer);
            }
            _ => {
                let mut reader = client.copy_out(&format!("copy ({MANY}) to stdout")).unwrap();
                reader.read_exact(&mut [0; 10]).unwrap();
                mem::forget(reader);
            }
        }
        println!("{guard}");
        assert_is_kept(&pool, conn);
    }
    assert_eq!(pool.query_one("select count(*) from leaked_by_a_guest", &[]).unwrap().get::<_, i64>(0), 0);
}

/// The crate's own guards wait for the server when they are dropped, as far as the deadline lets them.
#[test]
fn guards_of_a_guest_client_that_are_dropped_on_a_frozen_server_end_at_the_deadline_and_cost_no_place() {
    for guard in ["transaction", "rows", "rows in a transaction", "portal", "copy in", "copy out"] {
        let proxy = Proxy::before(server());
        let config = holdfast::PoolConfig::from_url(&proxy.url()).unwrap();
        let pool = Pool::new(config.max_size(1).settle_timeout(ms(300)).fleet_share(false)).unwrap();
        pool.batch_execute("create table if not exists frozen_guests (n int)").unwrap();
        let mut conn = pool.get().unwrap();
        conn.set_deadline(Some(ms(400)));
        let client = conn.client().unwrap();
        let took = match guard {
            "transaction" => {
                let mut tx = client.transaction().unwrap();
                tx.execute("insert into frozen_guests values (1)", &[]).unwrap();
                freeze_and_drop(&proxy, tx)
            }
            "rows" => {
                let mut rows = client.query_raw(MANY, NONE).unwrap();
                rows.next().unwrap();
                freeze_and_drop(&proxy, rows)
            }
            "rows in a transaction" => {
                let mut tx = client.transaction().unwrap();
                let mut rows = tx.query_raw(MANY, NONE).unwrap();
                rows.next().unwrap();
                freeze_and_drop(&proxy, rows) + freeze_and_drop(&proxy, tx)
            }
            "portal" => {
                let mut tx = client.transaction().unwrap();
                let portal = tx.bind(MANY, &[]).unwrap();
                let mut rows = tx.query_portal_raw(&portal, 50_000).unwrap();
                rows.next().unwrap();
                freeze_and_drop(&proxy, rows) + freeze_and_drop(&proxy, portal) + freeze_and_drop(&proxy, tx)
            }
            "copy in" => {
                let mut writer = client.copy_in("copy frozen_guests from stdin").unwrap();
                writer.write_all(b"1\n").unwrap();
                writer.flush().unwrap();
                freeze_and_drop(&proxy, writer)
            }
            _ => {
                let mut reader = client.copy_out(&format!("copy ({MANY}) to stdout")).unwrap();
                reader.read_exact(&mut [0; 10]).unwrap();
                freeze_and_drop(&proxy, reader)
            }
        };
        let took = took + freeze_and_drop(&proxy, conn);
        assert!(took < ms(1500), "{guard}: the drops took {took:?}");
        wait_until("its place is free again", ms(5000), || pool.stats().total == 0);
        proxy.hear_again();
        let left: i64 = pool.query_one("select count(*) from frozen_guests", &[]).unwrap().get(0);
        assert_eq!(left, 0, "{guard}");
    }
}

#[test]
fn a_copy_in_either_direction_is_a_stream_of_bytes() {
    let pool = one("copied");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table copied (n int, word text)").unwrap();
    let mut writer = conn.copy_in("copy copied from stdin").unwrap();
    for n in 0..1000 {
        writeln!(writer, "{n}\tword {n}").unwrap();
    }
    writer.flush().unwrap();
    assert_eq!(writer.finish().unwrap(), 1000);
    let mut reader = conn.copy_out("copy copied to stdout").unwrap();
    let mut lines = Vec::new();
    for line in (&mut reader).lines() {
        lines.push(line.unwrap());
    }
    assert_eq!((lines.len(), lines[999].as_str()), (1000, "999\tword 999"));
    assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0, "the end stays the end");
    drop(reader);
    let mut half = conn.copy_out("copy copied to stdout").unwrap();
    half.read_exact(&mut [0; 3]).unwrap();
    drop(half);
    assert_is_kept(&pool, conn);
}

#[test]
fn a_copy_that_fails_at_its_start_or_midway_leaves_the_connection_usable() {
    let pool = one("failed_copy");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table fc (n int)").unwrap();
    for sql in ["copy nowhere from stdin", "copy nowhere to stdout", "select 1"] {
        assert!(conn.copy_in(sql).is_err() && conn.copy_out(sql).is_err(), "{sql}");
        assert_eq!(conn.query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7, "{sql}");
    }
    let mut writer = conn.copy_in("copy fc from stdin").unwrap();
    writer.write_all(b"no number\n").unwrap();
    assert_eq!(writer.finish().unwrap_err().code().unwrap().code(), "22P02");
    for sql in ["copy fc from stdin", "copy fc to stdout"] {
        assert_eq!(conn.query(sql, &[]).unwrap_err().kind(), ErrorKind::Misuse, "{sql}");
        assert_eq!(conn.execute(sql, &[]).unwrap_err().kind(), ErrorKind::Misuse, "{sql}");
        assert_eq!(conn.batch_execute(sql).unwrap_err().kind(), ErrorKind::Misuse, "{sql}");
    }
    assert_is_kept(&pool, conn);
}

#[test]
fn notifications_come_by_iterators_and_do_not_reach_the_next_caller() {
    let pool = one("notified");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("listen news; notify news, 'one'; notify news, 'two'").unwrap();
    let mut notifications = conn.notifications();
    assert_eq!((notifications.len(), notifications.is_empty()), (2, false));
    let mut iter = notifications.iter();
    assert_eq!(iter.size_hint(), (2, None));
    assert_eq!(iter.next().unwrap().unwrap().payload(), "one");
    assert_eq!(notifications.blocking_iter().next().unwrap().unwrap().channel(), "news");
    assert!(notifications.timeout_iter(ms(10)).next().unwrap().is_none());
    conn.batch_execute("notify news, 'late'; unlisten *").unwrap();
    drop(conn);
    assert!(pool.get().unwrap().notifications().iter().next().unwrap().is_none());
}

#[test]
fn a_connection_tells_whether_it_is_of_use() {
    let pool = one("useful");
    let mut conn = pool.get().unwrap();
    conn.is_valid(ms(1000)).unwrap();
    conn.check_connection().unwrap();
    assert!(!conn.is_closed());
    let pid = conn.backend_pid().unwrap();
    crate::support::server().execute(&format!("select pg_terminate_backend({pid})")).unwrap();
    let error = loop {
        match conn.is_valid(ms(1000)) {
            Ok(()) => std::thread::sleep(ms(5)),
            Err(error) => break error,
        }
    };
    assert!(error.is_closed() && conn.is_closed(), "{error}");
    assert_eq!(error.code().unwrap().code(), "57P01");
}
