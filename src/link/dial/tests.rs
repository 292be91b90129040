//! Tests of connecting to addresses that do not accept a connection.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::abort::Abort;
use super::address::Address;
use super::race::race;
use super::{Dial, Encryption};
use crate::config::PoolConfig;
use crate::error::{Error, ErrorKind, Phase, find_source};
use crate::link::tls::cache::Tls;

fn dial(address: Address, patience: Duration) -> Dial {
    let (_, server) = PoolConfig::from_url("postgresql://app@localhost/orders?sslmode=require")
        .and_then(|config| config.settings())
        .expect("valid settings");
    Dial {
        address,
        connected: None,
        host_name: "localhost".into(),
        encryption: Encryption::Never,
        tls: Arc::new(Tls::new(server.tls)),
        keepalive: server.keepalive,
        deadline: Instant::now() + patience,
        abort: Arc::default(),
    }
}

fn failed(dial: Dial) -> Error {
    dial.run().map(drop).expect_err("nobody takes the connection")
}

/// Returns a local socket whose backlog is full until the second value is dropped.
#[cfg(target_os = "linux")]
fn full_local() -> (Address, impl Sized) {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("holdfast-dial-{}-{:08x}", std::process::id(), fastrand::u32(..));
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let listener = UnixListener::bind_addr(&address).expect("a free name");
    socket2::SockRef::from(&listener).listen(0).expect("a short backlog");
    let address = Address::Unix(format!("@{name}").into());
    let first = dial(address.clone(), Duration::from_secs(10)).run().map(|dialled| dialled.link);
    (address, (listener, first.expect("room for one")))
}

/// Returns a port whose backlog is full: further connections are dropped without an answer.
#[cfg(target_os = "linux")]
fn full_port() -> (Address, impl Sized) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket2::SockRef::from(&listener).listen(0).expect("a short backlog");
    let address = Address::Tcp(listener.local_addr().expect("its address"));
    let mut kept = Vec::new();
    while let Ok(dialled) = dial(address.clone(), Duration::from_millis(200)).run() {
        kept.push(dialled.link);
    }
    (address, (listener, kept))
}

#[test]
#[cfg(target_os = "linux")]
fn where_there_is_no_room_the_deadline_ends_the_wait() {
    let (local, _kept) = full_local();
    let (port, _kept_too) = full_port();
    for address in [local, port] {
        let begun = Instant::now();
        let error = failed(dial(address, Duration::from_millis(400)));
        assert_eq!(
            (error.kind(), error.phase()),
            (ErrorKind::ConnectTimeout, Some(Phase::Connect)),
            "{error}"
        );
        assert!((400..2_000).contains(&begun.elapsed().as_millis()), "took {:?}", begun.elapsed());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn where_there_is_no_room_the_opening_can_be_aborted() {
    let (local, _kept) = full_local();
    let (port, _kept_too) = full_port();
    for address in [local, port] {
        let dial = dial(address, Duration::from_secs(60));
        let abort: Arc<Abort> = dial.abort.clone();
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                abort.request();
            });
            assert_eq!(failed(dial).kind(), ErrorKind::PoolClosed);
        });
        assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    }
}

#[test]
fn the_systems_error_stays_in_the_error() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let error = failed(dial(Address::Tcp(closed.expect("a free port")), Duration::from_secs(10)));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Refused, true), "{error}");
    let cause = find_source::<std::io::Error>(&error).expect("the system's error");
    assert_eq!(cause.raw_os_error(), Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
    let error = failed(dial(Address::Unix("/nonexistent/.s.PGSQL.5432".into()), Duration::from_secs(10)));
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

/// The first address swallows what is sent to it, as a host behind a firewall does.
#[test]
#[cfg(target_os = "linux")]
fn a_silent_address_costs_a_quarter_of_a_second_and_the_next_one_is_used() {
    let (Address::Tcp(silent), _kept) = full_port() else { unreachable!("a port") };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let good = listener.local_addr().expect("its address");
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(10);
    let race = race(&[silent, good], deadline, &Abort::default()).expect("nobody aborts");
    let (index, _socket) = race.winner.expect("one answers");
    assert_eq!((index, race.silent, race.failures.len()), (1, vec![0], 0));
    assert!((250..1_000).contains(&begun.elapsed().as_millis()), "took {:?}", begun.elapsed());
}

#[test]
#[cfg(target_os = "linux")]
fn an_address_that_refuses_has_the_next_one_tried_at_once_and_a_race_without_a_winner_names_all() {
    let closed =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let good = listener.local_addr().expect("its address");
    // Of several rounds, since a busy machine can be late in one.
    let quickest = (0..5).map(|_| {
        let begun = Instant::now();
        let won =
            race(&[closed, good], begun + Duration::from_secs(10), &Abort::default()).expect("nobody aborts");
        assert_eq!(won.winner.map(|(index, _)| index), Some(1));
        let kinds: Vec<_> = won.failures.iter().map(|(index, e)| (*index, e.kind())).collect();
        assert_eq!(kinds, [(0, ErrorKind::Refused)]);
        begun.elapsed()
    });
    let quickest = quickest.min().expect("rounds");
    assert!(quickest < Duration::from_millis(250), "took {quickest:?}");
    let (Address::Tcp(silent), _kept) = full_port() else { unreachable!("a port") };
    let lost =
        race(&[silent, closed], Instant::now() + Duration::from_millis(600), &Abort::default()).unwrap();
    assert!(lost.winner.is_none());
    let kinds: Vec<_> = lost.failures.iter().map(|(index, e)| (*index, e.kind())).collect();
    assert_eq!(kinds, [(1, ErrorKind::Refused), (0, ErrorKind::ConnectTimeout)]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_race_ends_soon_when_the_opening_is_aborted() {
    let (Address::Tcp(silent), _kept) = full_port() else { unreachable!("a port") };
    let abort = Abort::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            abort.request();
        });
        let begun = Instant::now();
        let error = race(&[silent, silent], begun + Duration::from_secs(60), &abort).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PoolClosed);
        assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    });
}
