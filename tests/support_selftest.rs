//! Each tool of `support` does what its name says (for the proxy and the fake server see the tests of the test kit). A test that
//! relies on a fault which was never made proves nothing.

mod support;

use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use postgres::{Client, NoTls};
use postgres_openssl::MakeTlsConnector;

use support::activity::Observer;
use support::certs::{CertFiles, Certs};
use support::leaks;
use support::netns::Network;

/// Long enough for a byte to pass on a loaded machine, short enough to wait for nothing.
const A_MOMENT: Duration = Duration::from_millis(150);
const LIMIT: Duration = Duration::from_secs(20);

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
    let url = |host: &str| format!("{}?sslmode=require", server.url_at(&format!("{host}:{}", server.port())));
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

#[test]
fn a_filled_server_has_no_connection_left_but_the_observer_s() {
    let server = support::own_server(|server| server.max_connections(6).role("app", ""));
    let mut observer = Observer::of(&server);
    let url = server.url_for("app", "postgres");
    let held = support::fill(&url);
    let refused = Client::connect(&url, NoTls).err().expect("it is full");
    assert_eq!(refused.code().map(|code| code.code()), Some("53300"), "{refused}");
    assert_eq!(observer.count_all(), i64::try_from(held.len()).unwrap());
    drop(held);
    support::wait_until("there is room again", LIMIT, || Client::connect(&url, NoTls).is_ok());
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

#[test]
fn a_leak_is_reported_with_the_names_of_what_is_held() {
    let _file = tempfile_named("holdfast-leaked-file");
    leaks::wait_until_no_more_than(leaks::Held { descriptors: usize::MAX, threads: usize::MAX }, LIMIT);
    let nothing = leaks::Held { descriptors: 0, threads: 0 };
    let panic = std::panic::catch_unwind(|| leaks::wait_until_no_more_than(nothing, A_MOMENT)).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("holdfast-leaked-file"));
}

/// An open file that has no name any more.
fn tempfile_named(name: &str) -> fs::File {
    let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
    let file = fs::File::create(&path).unwrap();
    fs::remove_file(&path).unwrap();
    file
}
