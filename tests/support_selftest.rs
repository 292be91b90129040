//! Each tool of `support` does what its name says. A test that relies on a fault which was never made proves nothing.

#![cfg(feature = "embedded")]

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use postgres::{Client, NoTls};
use postgres_openssl::MakeTlsConnector;

use support::activity::Observer;
use support::certs::{CertFiles, Certs};
use support::fake::{FakeServer, Refusal, Script};
use support::leaks;
use support::netns::Network;
use support::proxy::{Proxy, Then};

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

// ---- the proxy ----

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
    let proxy = Proxy::before(support::server());
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
    for then in [Then::GoDeaf, Then::Cut] {
        let proxy = Proxy::start(parrot());
        let client = visit(&proxy);
        say(&client, "a", 2);
        proxy.after_bytes_from_server(3, then);
        assert_eq!(say(&client, "bc", 3), "bcb");
        match then {
            Then::GoDeaf => {
                assert_silent(&client);
                proxy.hear_again();
                assert_eq!(hear(&client, 1), "c");
            }
            Then::Cut => assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset),
        }
    }
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
    support::wait_until("accepted", LIMIT, || proxy.open() == 1);
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
    support::wait_until("what is said arrives", LIMIT, || proxy.bytes_from_client() == 3);
}

#[test]
fn an_end_from_either_side_reaches_the_other() {
    let server = support::own_server(|server| server);
    let proxy = Proxy::before(&server);
    let mut stays = Client::connect(&proxy.url(), NoTls).unwrap();
    drop(Client::connect(&proxy.url(), NoTls).unwrap());
    let mut observer = Observer::of(&server);
    support::wait_until("the session that left is gone", LIMIT, || observer.count_all() == 1);
    support::wait_until("the proxy has forgotten it", LIMIT, || proxy.open() == 1);
    let pid: i32 = stays.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    observer.terminate(pid);
    support::wait_until("the client notices its end", LIMIT, || stays.simple_query("").is_err());
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
    let proxy = Proxy::start(format!("127.0.0.1:{}", holdfast::embedded::free_port().unwrap()));
    assert_eq!(visit(&proxy).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

// ---- fake servers ----

fn refusal(url: &str) -> (String, String) {
    let error = Client::connect(url, NoTls).err().expect("nobody gets in");
    let answer = error.as_db_error().unwrap_or_else(|| panic!("no answer of a server: {error}"));
    (answer.code().code().to_owned(), answer.message().to_owned())
}

#[test]
fn a_fake_server_refuses_in_the_words_it_was_given() {
    for (said, sqlstate, message) in [
        (Refusal::too_many_clients(), "53300", "sorry, too many clients already"),
        (Refusal::starting_up(), "57P03", "the database system is starting up"),
        (Refusal::pgbouncer_full(), "08P01", "no more connections allowed (max_client_conn)"),
    ] {
        let server = FakeServer::start(Script::SayOnce(said));
        // `prefer` asks for TLS first, as most clients do.
        let url = server.url() + "?sslmode=prefer&application_name=guest";
        assert_eq!(refusal(&url), (sqlstate.to_owned(), message.to_owned()));
        assert_eq!(server.accepted(), 1);
        assert_eq!(server.startups()[0]["application_name"], "guest");
    }
}

#[test]
fn silent_servers_are_silent_at_the_word_their_script_names() {
    let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47];
    let startup = b"\0\0\0\x13\0\x03\0\0user\0guest\0\0";
    let scripts: [(Script, &[u8], &str); 4] = [
        (Script::SilentAfterAccept, &ssl_request, ""),
        (Script::SilentInTls, &ssl_request, "S"),
        (Script::SilentInAuthentication, &ssl_request, "N"),
        (Script::StuffBehindTlsAnswer(b"more".to_vec()), &ssl_request, "Smore"),
    ];
    for (script, said, answer) in scripts {
        let server = FakeServer::start(script);
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        client.write_all(said).unwrap();
        assert_eq!(hear(&client, answer.len()), answer);
        assert_silent(&client);
        client.write_all(startup).unwrap();
        assert_silent(&client);
        drop(server);
        // An end or a reset, but not silence: the server is gone.
        let gone = client.read(&mut [0; 16]);
        assert!(
            matches!(&gone, Ok(0)) || gone.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
        );
    }
}

#[test]
fn a_server_of_something_else_says_its_own_and_hangs_up() {
    let server = FakeServer::start(Script::SayBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
    let error = Client::connect(&server.url(), NoTls).err().unwrap();
    assert!(error.as_db_error().is_none(), "{error}");
    let server = FakeServer::start(Script::HangUp);
    assert!(Client::connect(&server.url(), NoTls).err().unwrap().is_closed());
}

// ---- certificates ----

/// A connector that trusts one authority, checks the name, and may show a certificate of its own.
fn connector(ca: &Path, own: Option<&CertFiles>) -> MakeTlsConnector {
    let mut tls = SslConnector::builder(SslMethod::tls()).unwrap();
    // Not what this machine trusts, only what the test says.
    tls.set_cert_store(openssl::x509::store::X509StoreBuilder::new().unwrap().build());
    tls.set_ca_file(ca).unwrap();
    if let Some(files) = own {
        tls.set_certificate_chain_file(&files.cert).unwrap();
        tls.set_private_key_file(&files.key, SslFiletype::PEM).unwrap();
    }
    MakeTlsConnector::new(tls.build())
}

#[test]
fn the_good_certificate_is_accepted_and_each_bad_one_is_refused_for_its_own_reason() {
    let certs = Certs::new();
    let server = support::own_server(|server| server.tls(certs.server(&certs.good)));
    let url = |host: &str| format!("host={host} port={} user=postgres sslmode=require", server.port());
    let connect = |host: &str| Client::connect(&url(host), connector(&certs.ca_file, None));
    for host in ["localhost", "127.0.0.1"] {
        let tls: bool = connect(host)
            .unwrap()
            .query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        assert!(tls);
    }
    for (files, reason) in [
        (&certs.expired, "certificate has expired"),
        (&certs.self_signed, "self-signed certificate"),
        (&certs.wrong_name, "hostname mismatch"),
        (&certs.wrong_ca, "unable to get local issuer certificate"),
    ] {
        server.change_tls(&certs.server(files)).unwrap();
        // A reload is not immediate; until it is done the good certificate is still shown.
        let mut said = String::new();
        support::wait_until(reason, LIMIT, || match connect("localhost") {
            Ok(_) => false,
            Err(error) => {
                said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                said.to_lowercase().contains(reason)
            }
        });
    }
}

#[test]
fn a_client_certificate_lets_its_role_in_and_no_other() {
    let certs = Certs::new();
    let server = support::own_server(|server| {
        let server = server.tls(certs.server_that_knows_clients(&certs.good));
        server.role("app", "").role("other", "").hba("hostssl all all all cert")
    });
    let connect = |role: &str, own: Option<&CertFiles>| {
        let url =
            format!("host=localhost port={} user={role} dbname=postgres sslmode=require", server.port());
        Client::connect(&url, connector(&certs.ca_file, own))
    };
    connect("app", Some(&certs.client)).unwrap();
    connect("other", Some(&certs.client_for("other"))).unwrap();
    assert!(connect("other", Some(&certs.client)).is_err());
    assert!(connect("app", None).is_err());
}

#[test]
fn keys_can_be_read_by_their_owner_alone() {
    let certs = Certs::new();
    for files in [&certs.good, &certs.client, &certs.client_for("somebody")] {
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

// ---- what the server says ----

#[test]
fn an_observer_sees_sessions_by_name_and_ends_them() {
    let server = support::server();
    let mut observer = Observer::of(server);
    let url = format!("{}?application_name=watched", server.url());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(&url, NoTls).unwrap()).collect();
    assert_eq!(observer.count("watched"), 3);
    clients[0].batch_execute("BEGIN").unwrap();
    let states = |backends: &[support::activity::Backend]| {
        backends.iter().filter(|backend| backend.state == "idle in transaction").count()
    };
    observer.wait_until("watched", LIMIT, |backends| states(backends) == 1);
    let pid = clients[1].query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    observer.terminate(pid);
    observer.wait_until("watched", LIMIT, |backends| {
        backends.len() == 2 && backends.iter().all(|backend| backend.pid != pid)
    });
    assert_eq!(observer.terminate_all("watched"), 2);
    assert_eq!(observer.count("watched"), 0);
}

// ---- a network of its own ----

#[test]
fn on_a_network_of_its_own_packets_vanish_without_a_word_and_come_back() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return eprintln!("not tested, no network of our own: {why}"),
    };
    let server = network.on_server(|| {
        support::own_server(|server| {
            server.listen(network.server_address()).hba("host all all samenet trust")
        })
    });
    let url = server.url();
    let mut client = network.on_client(|| Client::connect(&url, NoTls)).unwrap();
    assert!(Client::connect(&(url.clone() + "?connect_timeout=1"), NoTls).is_err(), "nobody else gets there");

    let mut ask = |limit: Duration| {
        thread::scope(|scope| {
            let answer = scope.spawn(|| client.simple_query("SELECT 1").is_ok());
            let begun = Instant::now();
            while !answer.is_finished() && begun.elapsed() < limit {
                thread::sleep(Duration::from_millis(2));
            }
            let answered = answer.is_finished();
            network.pass_packets().unwrap();
            assert!(answer.join().unwrap(), "TCP sends again what was lost");
            answered
        })
    };
    assert!(ask(LIMIT));
    network.drop_packets().unwrap();
    assert!(!ask(A_MOMENT));
    network.drop_replies().unwrap();
    assert!(!ask(A_MOMENT));
    network.drop_requests().unwrap();
    assert!(!ask(A_MOMENT));

    let address = format!("{}:{}", server.host(), server.port()).parse().unwrap();
    let connect = || network.on_client(|| TcpStream::connect_timeout(&address, A_MOMENT));
    network.drop_packets().unwrap();
    assert_eq!(connect().unwrap_err().kind(), ErrorKind::TimedOut);
    network.pass_packets().unwrap();
    network.unreachable().unwrap();
    assert_eq!(connect().unwrap_err().kind(), ErrorKind::HostUnreachable);
    network.reachable().unwrap();
    connect().unwrap();
}

// ---- leaks ----

#[test]
fn an_open_file_and_a_running_thread_are_counted_by_name() {
    let file = tempfile_named("holdfast-leak-test");
    assert!(leaks::open_descriptors().iter().any(|name| name.contains("holdfast-leak-test")));
    drop(file);
    assert!(!leaks::open_descriptors().iter().any(|name| name.ends_with("holdfast-leak-test")));

    let (release, wait) = std::sync::mpsc::channel::<()>();
    let leaky = thread::Builder::new().name("leaky".to_owned()).spawn(move || wait.recv()).unwrap();
    support::wait_until("the thread has its name", LIMIT, || {
        leaks::thread_names().contains(&"leaky".to_owned())
    });
    assert!(leaks::held().threads >= 2 && leaks::held().descriptors >= 3);
    drop(release);
    assert!(leaky.join().unwrap().is_err());
}

/// An open file that has no name any more.
fn tempfile_named(name: &str) -> fs::File {
    let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
    let file = fs::File::create(&path).unwrap();
    fs::remove_file(&path).unwrap();
    file
}
