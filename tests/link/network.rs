//! A network that fails in earnest: packets that vanish, peers that reset, connections that break in mid-message.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, ErrorKind, Phase, Pool};

use crate::support::fake::{FakeServer, Script};
use crate::support::netns::Network;
use crate::support::proxy::Proxy;
use crate::support::{own_server, server, wait_until};
use crate::{config, ms};

#[test]
fn packets_that_vanish_end_in_a_timeout_and_the_pool_recovers() {
    let network = match Network::new() {
        Ok(network) => network,
        // The same story without namespaces: a proxy that hears and says nothing.
        Err(why) => {
            eprintln!("no network of our own ({why}): a deaf proxy has to do");
            return deaf_proxy_ends_in_a_timeout();
        }
    };
    let server = network
        .on_server(|| own_server(|s| s.listen(network.server_address()).hba("host all all all trust")));
    let url = format!("postgresql://postgres@{}:{}/postgres", network.server_address(), server.port());
    let pool =
        Pool::new(config(&url).connection_timeout(ms(800)).validation_timeout(ms(300)).max_size(1)).unwrap();
    network.on_client(|| pool.batch_execute("select 1")).expect("the network is fine");
    let mut conn = network.on_client(|| pool.get()).unwrap();
    conn.set_deadline(Some(ms(300)));
    network.drop_packets().unwrap();
    let start = Instant::now();
    assert_eq!(conn.query("select 1", &[]).unwrap_err().kind(), ErrorKind::QueryTimeout);
    drop(conn);
    assert!((ms(300)..ms(450)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    let start = Instant::now();
    let error = network.on_client(|| pool.get()).unwrap_err();
    assert!(start.elapsed() < ms(1000), "took {:?}", start.elapsed());
    assert!(
        matches!(error.kind(), ErrorKind::ConnectTimeout | ErrorKind::PoolTimeout),
        "a slot is either still being given up or a connect timed out: {error}"
    );
    network.pass_packets().unwrap();
    wait_until("the pool recovers", Duration::from_secs(5), || {
        network.on_client(|| pool.batch_execute("select 1")).is_ok()
    });
}

fn deaf_proxy_ends_in_a_timeout() {
    let proxy = Proxy::before(server());
    let pool = Pool::new(config(&proxy.url()).connection_timeout(ms(500))).unwrap();
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(300)));
    proxy.go_deaf();
    assert_eq!(conn.query("select 1", &[]).unwrap_err().kind(), ErrorKind::QueryTimeout);
    drop(conn);
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::ConnectTimeout);
    proxy.hear_again();
    pool.batch_execute("select 1").expect("the pool recovers");
}

#[test]
fn a_network_that_goes_deaf_before_the_session_starts_is_a_connect_timeout() {
    let proxy = Proxy::before(server());
    proxy.go_deaf();
    let url = format!("{}?sslmode=disable", proxy.url());
    let pool = Pool::new(config(&url).connection_timeout(ms(300))).unwrap();
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectTimeout, Some(Phase::Auth)), "{error}");
    assert!((ms(300)..ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
}

#[test]
fn idle_connections_that_were_reset_cost_no_failed_query() {
    let proxy = Proxy::before(server());
    let pool = Pool::new(config(&proxy.url()).max_size(4)).unwrap();
    let conns: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(conns);
    proxy.cut_all();
    thread::sleep(ms(20));
    for _ in 0..4 {
        pool.batch_execute("select 1").expect("no query meets a dead connection");
    }
    assert!(pool.stats().closes_by(CloseReason::ValidationFailed) >= 1);
}

#[test]
fn a_connection_cut_in_the_middle_of_a_result_is_an_error_and_is_replaced() {
    let proxy = Proxy::before(server());
    let pool = Pool::new(config(&proxy.url()).max_size(1)).unwrap();
    pool.batch_execute("select 1").unwrap();
    let cutter = thread::scope(|scope| {
        let query = scope.spawn(|| {
            pool.query("select repeat('x', 1000), pg_sleep(0.001) from generate_series(1, 100000)", &[])
        });
        wait_until("the result flows", Duration::from_secs(5), || proxy.bytes_from_server() > 20_000);
        proxy.cut_all();
        query.join().unwrap()
    });
    let error = cutter.expect_err("the result is incomplete");
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert!(!error.is_retryable(), "nobody knows what the statement did");
    pool.batch_execute("select 1").expect("the pool has opened another");
}

#[test]
fn a_slow_network_is_not_a_dead_one() {
    let proxy = Proxy::before(server());
    proxy.latency(ms(60));
    let pool = Pool::new(config(&proxy.url())).unwrap();
    pool.batch_execute("select 1").unwrap();
    thread::sleep(ms(600));
    pool.batch_execute("select 1").unwrap();
    assert_eq!(pool.stats().opens, 1, "validation over a slow network keeps the connection");
}

/// Any server will do, so the first is tried first; but not again while it is known to give no answer.
#[test]
fn a_silent_first_host_is_tried_last_by_later_openings_whatever_role_is_asked_for() {
    let silent = FakeServer::start(Script::SilentAfterAccept);
    let server = server();
    let url = format!(
        "postgresql://postgres:{}@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        server.password(),
        silent.port(),
        server.port()
    );
    let pool = Pool::new(config(&url).connection_timeout(ms(2400)).max_size(2)).unwrap();
    let held = pool.get().expect("the second host answers in its half of the time");
    let begun = Instant::now();
    pool.get().expect("the second host is tried first").batch_execute("select 1").unwrap();
    assert!(begun.elapsed() < ms(600), "took {:?}", begun.elapsed());
    drop(held);
}
