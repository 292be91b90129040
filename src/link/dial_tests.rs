//! Tests of connecting to addresses that do not accept a connection.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::abort::Abort;
use super::address::Address;
use super::dial::{Dial, Encryption};
use super::tls_cache::Tls;
use crate::config::PoolConfig;
use crate::error::{Error, ErrorKind, Phase, find_source};

fn dial(address: Address, patience: Duration) -> Dial {
    let (_, server) = PoolConfig::from_url("postgresql://app@localhost/orders?sslmode=require")
        .and_then(|config| config.settings())
        .expect("valid settings");
    Dial {
        address,
        host_name: "localhost".into(),
        encryption: Encryption::Never,
        tls: Arc::new(Tls::new(server.tls)),
        keepalive: server.keepalive,
        deadline: Instant::now() + patience,
        abort: Arc::default(),
    }
}

fn failed(dial: &Dial) -> Error {
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
        let error = failed(&dial(address, Duration::from_millis(400)));
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
            assert_eq!(failed(&dial).kind(), ErrorKind::PoolClosed);
        });
        assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    }
}

#[test]
fn the_systems_error_stays_in_the_error() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let error = failed(&dial(Address::Tcp(closed.expect("a free port")), Duration::from_secs(10)));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Refused, true), "{error}");
    let cause = find_source::<std::io::Error>(&error).expect("the system's error");
    assert_eq!(cause.raw_os_error(), Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
    let error = failed(&dial(Address::Unix("/nonexistent/.s.PGSQL.5432".into()), Duration::from_secs(10)));
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}
