//! The proxy does to connections what its controls say, and no more than that.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_testkit::embedded::{EmbeddedPostgres, free_port};
use holdfast_testkit::proxy::{Proxy, Then};
use postgres::{Client, NoTls};

/// Long enough for a byte to pass on a loaded machine, short enough to wait for nothing.
const A_MOMENT: Duration = Duration::from_millis(150);
const LIMIT: Duration = Duration::from_secs(20);

/// A server of something that says everything twice, for looking at the proxy without PostgreSQL.
fn parrot() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut chunk) {
                    if client.write_all(&[&chunk[..count], &chunk[..count]].concat()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn visit(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
}

/// Says `text` and reads `count` bytes of the answer.
fn say(mut client: &TcpStream, text: &str, count: usize) -> String {
    client.write_all(text.as_bytes()).unwrap();
    hear(client, count)
}

fn hear(mut client: &TcpStream, count: usize) -> String {
    let mut answer = vec![0; count];
    client.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Nothing comes, not even an end.
fn assert_silent(mut client: &TcpStream) {
    client.set_read_timeout(Some(A_MOMENT)).unwrap();
    let read = client.read(&mut [0; 16]);
    client.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
}

fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// How many clients the server has beside the observer.
fn sessions(observer: &mut Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    observer.query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn a_proxy_passes_everything_on_and_counts_it() {
    let proxy = Proxy::start(parrot());
    let client = visit(&proxy);
    assert_eq!(say(&client, "ab", 4), "abab");
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    assert_eq!((proxy.bytes_from_client(), proxy.bytes_from_server()), (2, 4));
}

#[test]
fn a_large_result_passes_the_proxy_unharmed() {
    let server = EmbeddedPostgres::start().unwrap();
    let proxy = Proxy::before(&server);
    let mut client = Client::connect(&proxy.url(), NoTls).unwrap();
    let rows = client.query("SELECT repeat('x', 1000) || i FROM generate_series(1, 5000) AS i", &[]).unwrap();
    assert!(rows.iter().enumerate().all(|(i, row)| row.get::<_, &str>(0).ends_with(&format!("x{}", i + 1))));
}

#[test]
fn a_deaf_proxy_accepts_and_passes_nothing_until_it_hears_again() {
    let proxy = Proxy::start(parrot());
    let old = visit(&proxy);
    say(&old, "a", 2);
    proxy.go_deaf();
    let new = visit(&proxy);
    (&old).write_all(b"b").unwrap();
    (&new).write_all(b"c").unwrap();
    assert_silent(&old);
    assert_silent(&new);
    proxy.hear_again();
    assert_eq!(hear(&old, 2), "bb");
    assert_eq!(hear(&new, 2), "cc");
}

#[test]
fn a_proxy_deaf_after_connect_goes_on_with_old_connections() {
    let proxy = Proxy::start(parrot());
    let old = visit(&proxy);
    say(&old, "a", 2);
    proxy.go_deaf_after_connect();
    let new = visit(&proxy);
    (&new).write_all(b"b").unwrap();
    assert_silent(&new);
    assert_eq!(say(&old, "c", 2), "cc");
    proxy.hear_again();
    assert_eq!(hear(&new, 2), "bb");
}

#[test]
fn an_answer_can_be_broken_off_after_so_many_bytes() {
    let broken_off = |then| {
        let proxy = Proxy::start(parrot());
        let client = visit(&proxy);
        say(&client, "a", 2);
        proxy.after_bytes_from_server(3, then);
        assert_eq!(say(&client, "bc", 3), "bcb");
        (proxy, client)
    };
    let (proxy, client) = broken_off(Then::GoDeaf);
    assert_silent(&client);
    proxy.hear_again();
    assert_eq!(hear(&client, 1), "c");
    let (_proxy, client) = broken_off(Then::Cut);
    assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn cut_connections_are_reset_and_new_ones_are_welcome() {
    let proxy = Proxy::start(parrot());
    let clients = [visit(&proxy), visit(&proxy)];
    clients.iter().for_each(|client| drop(say(client, "a", 2)));
    assert_eq!(proxy.cut_all(), 2);
    for mut client in &clients {
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(say(&visit(&proxy), "b", 2), "bb");
}

#[test]
fn connections_are_reset_even_when_the_proxy_is_deaf() {
    let proxy = Proxy::start(parrot());
    proxy.go_deaf();
    let mut client = visit(&proxy);
    wait_until("accepted", LIMIT, || proxy.open() == 1);
    proxy.cut_all();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_half_closed_client_reads_an_end_and_can_still_write() {
    let proxy = Proxy::start(parrot());
    let mut client = visit(&proxy);
    say(&client, "a", 2);
    proxy.half_close();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    client.write_all(b"bc").unwrap();
    wait_until("what is said arrives", LIMIT, || proxy.bytes_from_client() == 3);
}

#[test]
fn half_open_connections_are_lost_to_the_server_and_their_clients_are_not_told() {
    let server = EmbeddedPostgres::start().unwrap();
    let proxy = Proxy::before(&server);
    let mut observer = server.connect().unwrap();
    let mut client = Client::connect(&proxy.url(), NoTls).unwrap();
    proxy.go_deaf();
    let unheard = visit(&proxy);
    wait_until("it is accepted", LIMIT, || proxy.open() == 2);
    assert_eq!(proxy.half_open(), 2);
    wait_until("the server has lost it", LIMIT, || sessions(&mut observer) == 0);
    proxy.hear_again();
    (&unheard).write_all(b"anybody?").unwrap();
    assert_silent(&unheard);
    assert!(!client.is_closed(), "it does not know");
    // New ones are welcome, and what is half-open can still be cut.
    Client::connect(&proxy.url(), NoTls).unwrap().batch_execute("SELECT 1").unwrap();
    assert!(proxy.cut_all() >= 2);
    assert!(client.batch_execute("SELECT 1").is_err());
}

#[test]
fn an_end_from_either_side_reaches_the_other() {
    let server = EmbeddedPostgres::start().unwrap();
    let proxy = Proxy::before(&server);
    let mut stays = Client::connect(&proxy.url(), NoTls).unwrap();
    drop(Client::connect(&proxy.url(), NoTls).unwrap());
    let mut observer = server.connect().unwrap();
    wait_until("the session that left is gone", LIMIT, || sessions(&mut observer) == 1);
    wait_until("the proxy has forgotten it", LIMIT, || proxy.open() == 1);
    let pid: i32 = stays.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    server.terminate_backend(pid).unwrap();
    wait_until("the client notices its end", LIMIT, || stays.simple_query("").is_err());
}

#[test]
fn latency_delays_each_way_and_keeps_the_order() {
    let proxy = Proxy::start(parrot());
    let client = visit(&proxy);
    say(&client, "a", 2);
    proxy.latency(Duration::from_millis(100));
    let begun = Instant::now();
    (&client).write_all(b"b").unwrap();
    thread::sleep(Duration::from_millis(20));
    assert_eq!(say(&client, "c", 4), "bbcc");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(220), "{took:?}");
}

#[test]
fn a_refusing_proxy_refuses_and_keeps_what_it_has() {
    let proxy = Proxy::start(parrot());
    let old = visit(&proxy);
    say(&old, "a", 2);
    proxy.refuse();
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(say(&old, "b", 2), "bb");
    proxy.accept_again();
    assert_eq!(say(&visit(&proxy), "c", 2), "cc");
}

#[test]
fn a_proxy_that_stops_accepting_leaves_newcomers_without_an_answer() {
    let proxy = Proxy::start(parrot());
    let old = visit(&proxy);
    say(&old, "a", 2);
    proxy.stop_accepting();
    let error = TcpStream::connect_timeout(&proxy.address(), A_MOMENT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(say(&old, "b", 2), "bb");
    proxy.accept_again();
    assert_eq!(say(&visit(&proxy), "c", 2), "cc");
    assert_eq!(proxy.accepted(), 2, "what filled the backlog is not counted");
}

#[test]
fn with_nobody_behind_the_proxy_a_connection_is_reset() {
    let proxy = Proxy::start(format!("127.0.0.1:{}", free_port().unwrap()));
    assert_eq!(visit(&proxy).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
