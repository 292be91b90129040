//! No call blocks past its deadline, whatever the server or the network does; no drop blocks at all.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, ErrorKind, Phase, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::{Observer, config, ms, pool, server, soon};

fn own_server() -> EmbeddedPostgres {
    EmbeddedPostgres::builder().start().unwrap()
}

fn assert_quick(what: &str, start: Instant, limit: Duration) {
    assert!(start.elapsed() < limit, "{what} took {:?}", start.elapsed());
}

#[test]
fn a_query_on_a_frozen_backend_ends_at_its_deadline_and_the_drop_does_not_wait() {
    let server = own_server();
    let pool = pool(&server, "frozen");
    let mut conn = pool.get().unwrap();
    let pid: i32 = conn.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    conn.set_deadline(Some(ms(300)));
    server.freeze_backend(pid).unwrap();
    let start = Instant::now();
    let error = conn.query("select 1", &[]).unwrap_err();
    let took = start.elapsed();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::QueryTimeout, Some(Phase::Query)));
    assert!(!error.is_retryable());
    assert!((ms(300)..ms(400)).contains(&took), "took {took:?}");
    let start = Instant::now();
    drop(conn);
    assert_quick("the drop", start, ms(50));
    server.thaw_backend(pid).unwrap();
    soon("it is gone", || pool.stats().total == 0);
    assert_eq!(pool.stats().closes_by(CloseReason::DeadlinePassed), 1);
}

#[test]
fn a_statement_past_its_deadline_is_cancelled_on_the_server() {
    let pool = pool(server(), "runaway");
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(100)));
    conn.batch_execute("select pg_sleep(30)").unwrap_err();
    drop(conn);
    let mut observer = Observer::of(server());
    soon("the server has stopped it", || observer.backends("runaway").is_empty());
}

#[test]
fn a_transaction_on_a_frozen_backend_can_be_dropped() {
    let server = own_server();
    let pool = pool(&server, "stuck");
    let mut conn = pool.get().unwrap();
    let pid: i32 = conn.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    conn.set_deadline(Some(ms(200)));
    let mut tx = conn.transaction().unwrap();
    tx.batch_execute("select 1").unwrap();
    server.freeze_backend(pid).unwrap();
    tx.batch_execute("select 1").unwrap_err();
    let start = Instant::now();
    drop(tx);
    drop(conn);
    assert_quick("dropping transaction and connection", start, ms(50));
    server.thaw_backend(pid).unwrap();
}

#[test]
fn an_untouched_connection_to_a_frozen_server_drops_and_closes_at_once() {
    let server = own_server();
    let pool = pool(&server, "ice");
    let conn = pool.get().unwrap();
    let mut open = pool.get().unwrap();
    open.batch_execute("begin").unwrap();
    server.freeze().unwrap();
    let start = Instant::now();
    drop(conn);
    drop(open);
    assert_quick("dropping both", start, ms(50));
    server.thaw().unwrap();
}

#[test]
fn the_deadline_ends_with_the_checkout() {
    let pool = Pool::new(config(server(), "inheritor").max_size(1)).unwrap();
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(50)));
    drop(conn);
    pool.batch_execute("select pg_sleep(0.2)").expect("the next caller has no deadline");
}

#[test]
fn a_default_deadline_can_be_configured_for_every_statement() {
    let pool = Pool::new(config(server(), "strict").statement_deadline(ms(100))).unwrap();
    let start = Instant::now();
    let error = pool.batch_execute("select pg_sleep(5)").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueryTimeout);
    assert_quick("the statement", start, ms(1000));
}

#[test]
fn a_long_result_within_the_deadline_is_not_cut() {
    let pool = Pool::new(config(server(), "long").statement_deadline(Duration::from_secs(60))).unwrap();
    let rows = pool.query("select generate_series(1, 200000), repeat('x', 20)", &[]).unwrap();
    assert_eq!(rows.len(), 200_000);
    let big = "x".repeat(3_000_000);
    let length: i32 = pool.query_one("select length($1::text)", &[&big]).unwrap().get(0);
    assert_eq!(length, 3_000_000);
}

#[test]
fn a_server_that_accepts_and_stays_silent_fails_the_connect_in_time_and_names_the_phase() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for (sslmode, phase) in [("disable", Phase::Auth), ("require", Phase::Tls)] {
        let url = format!("postgresql://app@127.0.0.1:{port}/orders?sslmode={sslmode}");
        let config = PoolConfig::from_url(&url).unwrap().connection_timeout(ms(400)).retry_max(0);
        let pool = Pool::new(config).unwrap();
        let start = Instant::now();
        let error = pool.get().unwrap_err();
        let took = start.elapsed();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectTimeout, Some(phase)), "{error}");
        assert!((ms(400)..ms(500)).contains(&took), "sslmode={sslmode} took {took:?}");
        assert!(error.is_retryable());
    }
}

#[test]
fn an_address_that_swallows_packets_fails_the_connect_in_time() {
    // A listener whose backlog is full drops further connection requests, as a firewall would.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = socket2::SockRef::from(&full);
    socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let connect = || {
        let _ = std::net::TcpStream::connect_timeout(&address, ms(200)).map(|s| {
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(3));
                drop(s);
            })
        });
    };
    connect();
    connect();
    let url = format!("postgresql://app@{address}/orders?sslmode=disable");
    let pool =
        Pool::new(PoolConfig::from_url(&url).unwrap().connection_timeout(ms(300)).retry_max(0)).unwrap();
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectTimeout, Some(Phase::Connect)), "{error}");
    assert!((ms(300)..ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
}

#[test]
fn a_frozen_server_fails_the_connect_in_time() {
    let server = own_server();
    server.freeze().unwrap();
    let config = config(&server, "cold").connection_timeout(ms(400)).retry_max(0);
    let pool = Pool::new(config).unwrap();
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectTimeout);
    assert!((ms(400)..ms(500)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw().unwrap();
    pool.batch_execute("select 1").expect("the pool recovers");
}

#[test]
fn one_dead_host_does_not_spend_the_time_of_the_next() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = server();
    let silent_port = silent.local_addr().unwrap().port();
    let url = server.url_at(&format!("127.0.0.1:{silent_port},127.0.0.1:{}", server.port()));
    let pool =
        Pool::new(PoolConfig::from_url(&url).unwrap().connection_timeout(ms(1000)).retry_max(0)).unwrap();
    pool.batch_execute("select 1").expect("the second host answers within the same attempt");
}

#[test]
fn any_thread_can_cancel_what_a_connection_does() {
    let pool = pool(server(), "cancelled");
    let mut conn = pool.get().unwrap();
    let cancel = conn.cancel_handle();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(ms(100));
            cancel.cancel().expect("the server takes the request");
        });
        let error = conn.query("select pg_sleep(30)", &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled);
        assert_eq!(error.sqlstate().unwrap().code(), "57014");
    });
    conn.batch_execute("select 1").expect("the connection lives on");
}

#[test]
fn a_cancel_handle_kept_too_long_does_not_hit_the_next_caller() {
    let pool = Pool::new(config(server(), "kept").max_size(1)).unwrap();
    let kept = pool.get().unwrap().cancel_handle();
    let mut next = pool.get().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(ms(100));
            kept.cancel().expect("nothing to cancel is no error");
        });
        next.batch_execute("select pg_sleep(0.4)").expect("somebody else's handle has no say");
    });
}

#[test]
fn it_all_holds_over_a_unix_socket_too() {
    let server = own_server();
    let config = PoolConfig::from_url(&server.socket_url()).unwrap();
    let pool = Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    assert!(conn.target().contains(".s.PGSQL."), "{}", conn.target());
    let pid: i32 = conn.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    let cancel = conn.cancel_handle();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(ms(50));
            cancel.cancel().unwrap();
        });
        assert_eq!(conn.query("select pg_sleep(30)", &[]).unwrap_err().kind(), ErrorKind::Canceled);
    });
    conn.set_deadline(Some(ms(200)));
    server.freeze_backend(pid).unwrap();
    let start = Instant::now();
    conn.query("select 1", &[]).unwrap_err();
    drop(conn);
    assert!((ms(200)..ms(300)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw_backend(pid).unwrap();
    server.restart().unwrap();
    pool.batch_execute("select 1").unwrap();
}

#[test]
fn waiting_for_notifications_does_not_disturb_what_follows() {
    use fallible_iterator::FallibleIterator;
    let pool = Pool::new(config(server(), "listener").statement_deadline(ms(2000))).unwrap();
    let mut conn = pool.get().unwrap();
    conn.batch_execute("listen patience").unwrap();
    let nothing = conn.notifications().timeout_iter(ms(100)).next().unwrap();
    assert!(nothing.is_none());
    pool.batch_execute("notify patience, 'hello'").unwrap();
    let note = conn.notifications().timeout_iter(ms(2000)).next().unwrap().expect("a notification");
    assert_eq!(note.payload(), "hello");
    conn.batch_execute("unlisten *").unwrap();
}

#[test]
fn a_result_that_never_stops_coming_ends_at_the_deadline_too() {
    let pool = pool(server(), "torrent");
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(300)));
    let start = Instant::now();
    let none: [&(dyn postgres::types::ToSql + Sync); 0] = [];
    let mut rows = conn.query_raw("select generate_series(1, 20000000)", none).unwrap();
    let error = loop {
        match fallible_iterator::FallibleIterator::next(&mut rows) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the whole result was read in {:?}", start.elapsed()),
            Err(e) => break e,
        }
    };
    assert_eq!(error.kind(), ErrorKind::QueryTimeout, "{error}");
    assert!((ms(300)..ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
}

#[test]
fn no_duration_is_too_long_to_be_given() {
    let pool = pool(server(), "patient");
    let mut conn = pool.get_timeout(Duration::MAX).unwrap();
    conn.set_deadline(Some(Duration::MAX));
    conn.batch_execute("select 1").unwrap();
    conn.cancel_handle().cancel_within(Duration::MAX).unwrap();
    drop(conn);
    assert_eq!(pool.close_timeout(Duration::MAX).cut, 0);
}
