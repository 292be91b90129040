//! `sslmode` and its companions mean what they mean in libpq: each combination is tried with `psql`, too.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use holdfast::{ErrorKind, Phase, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;
use openssl::ssl::{AlpnError, SslAcceptor, SslConnector, SslFiletype, SslMethod};
use postgres_openssl::MakeTlsConnector;

use crate::support::certs::{CertFiles, Certs};
use crate::support::fake::{FakeServer, Script};
use crate::support::{own_server, wait_until};
use crate::{config, refused};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// How a try to connect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Plain,
    Encrypted,
    Refused,
}

fn url(server: &EmbeddedPostgres, parameters: &str) -> String {
    format!("{}?{parameters}", server.url_at(&format!("localhost:{}", server.port())))
}

/// What Holdfast makes of it.
fn ours(url: &str) -> Outcome {
    let Ok(pool) = Pool::new(config(url)) else { return Outcome::Refused };
    match pool.query_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]) {
        Ok(row) if row.get(0) => Outcome::Encrypted,
        Ok(_) => Outcome::Plain,
        Err(_) => Outcome::Refused,
    }
}

/// What libpq makes of it.
fn libpqs(url: &str) -> Outcome {
    let output = Command::new("psql")
        .args(["-XAtq", url, "-c", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"])
        .env("HOME", "/nonexistent")
        .output()
        .expect("psql is installed");
    match output.stdout.first() {
        Some(b't') => Outcome::Encrypted,
        Some(b'f') => Outcome::Plain,
        _ => Outcome::Refused,
    }
}

fn assert_like_libpq(
    server: &EmbeddedPostgres,
    what: &str,
    roots: &[Option<&Path>],
) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    for mode in MODES {
        for root in roots {
            let mut parameters = format!("sslmode={mode}");
            if let Some(file) = root {
                parameters.push_str(&format!("&sslrootcert={}", file.display()));
            }
            let url = url(server, &parameters);
            let (us, them) = (ours(&url), libpqs(&url));
            assert_eq!(us, them, "{what}, {parameters}: ours left, libpq's right");
            outcomes.push((parameters, us));
        }
    }
    outcomes
}

#[test]
fn every_mode_meets_every_certificate_as_libpq_does() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let kinds: [(&str, &CertFiles); 5] = [
        ("good", &certs.good),
        ("expired", &certs.expired),
        ("self-signed", &certs.self_signed),
        ("wrong name", &certs.wrong_name),
        ("wrong authority", &certs.wrong_ca),
    ];
    let mut seen = Vec::new();
    for (what, files) in kinds {
        server.change_tls(&certs.server(files)).unwrap();
        let outcomes = assert_like_libpq(&server, what, &[None, Some(&certs.ca_file)]);
        seen.extend(outcomes.into_iter().map(|(_, outcome)| outcome));
    }
    // The comparison would also hold if nothing ever worked.
    for outcome in [Outcome::Plain, Outcome::Encrypted, Outcome::Refused] {
        assert!(seen.iter().filter(|o| **o == outcome).count() > 5, "{outcome:?} hardly ever happened");
    }
}

#[test]
fn every_mode_meets_a_server_without_tls_as_libpq_does() {
    let certs = Certs::new();
    let server = own_server(|s| s);
    let outcomes = assert_like_libpq(&server, "no TLS", &[None, Some(&certs.ca_file)]);
    assert!(outcomes.iter().any(|(_, o)| *o == Outcome::Plain));
    assert!(outcomes.iter().any(|(_, o)| *o == Outcome::Refused));
}

#[test]
fn a_second_try_that_meets_a_full_server_is_not_reported_as_wrong_credentials() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    server.connect().unwrap().batch_execute("create role crowded login connection limit 0").unwrap();
    for (mode, line) in [("prefer", "hostnossl all all all trust"), ("allow", "hostssl all all all trust")] {
        server.change_hba(&[line]).unwrap();
        let url = format!("postgresql://crowded@localhost:{}/postgres?sslmode={mode}", server.port());
        let error = refused(&url);
        assert_eq!(error.kind(), ErrorKind::ServerFull, "{mode}: {error}");
        assert!(error.is_retryable(), "{mode}: {error}");
        assert!(error.to_string().contains("pg_hba.conf"), "the first try is told too: {error}");
    }
}

#[test]
fn allow_and_prefer_fall_back_when_the_server_wants_it_otherwise_as_in_libpq() {
    let certs = Certs::new();
    for lines in [["hostssl all all all trust"], ["hostnossl all all all trust"]] {
        let server = own_server(|s| s.tls(certs.server(&certs.good)));
        server.change_hba(&lines).unwrap();
        assert_like_libpq(&server, lines[0], &[None]);
    }
}

#[test]
fn a_certificate_that_does_not_match_is_answered_at_once_and_named() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.wrong_name)));
    let parameters = format!("sslmode=verify-full&sslrootcert={}", certs.ca_file.display());
    let error = refused(&url(&server, &parameters));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Tls, Some(Phase::Tls)), "{error}");
    assert!(!error.is_retryable());
    assert!(error.to_string().to_lowercase().contains("hostname mismatch"), "{error}");
}

#[test]
fn a_missing_root_file_is_reported_when_the_pool_is_made() {
    let url = "postgresql://app@db/orders?sslmode=verify-full&sslrootcert=/nonexistent/root.crt";
    let error = Pool::from_url(url).expect_err("before any connection");
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("/nonexistent/root.crt"), "{error}");
}

#[test]
fn the_systems_roots_do_not_vouch_for_a_private_authority() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let error = refused(&url(&server, "sslmode=verify-full&sslrootcert=system"));
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
}

#[test]
fn channel_binding_is_used_over_tls_and_refused_without() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)).role("app", "s3cret"));
    server.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
    let url = |parameters: &str| {
        format!("postgresql://app:s3cret@localhost:{}/postgres?{parameters}", server.port())
    };
    let bound = url("sslmode=require&channel_binding=require");
    assert_eq!(ours(&bound), Outcome::Encrypted);
    assert_eq!(ours(&url("sslmode=disable")), Outcome::Plain);
    let plain = own_server(|s| s.role("app", "s3cret"));
    plain.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
    let unbound =
        format!("postgresql://app:s3cret@127.0.0.1:{}/postgres?channel_binding=require", plain.port());
    let error = refused(&unbound);
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.to_string().contains("channel binding"), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn a_wrong_password_is_answered_at_once_without_showing_it() {
    let server = own_server(|s| s.role("app", "right"));
    server.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
    let error =
        refused(&format!("postgresql://app:wr0ng@127.0.0.1:{}/postgres?sslmode=disable", server.port()));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Auth, Some(Phase::Auth)));
    assert_eq!(error.sqlstate().unwrap().code(), "28P01");
    assert!(!error.is_retryable());
    assert!(!format!("{error} {error:?}").contains("wr0ng"));
}

#[test]
fn a_client_certificate_opens_the_door_and_a_key_open_to_others_does_not() {
    use std::os::unix::fs::PermissionsExt;
    let certs = Certs::new();
    let server =
        own_server(|s| s.tls(certs.server_that_knows_clients(&certs.good)).sql("create role app login"));
    server.change_hba(&["hostssl all app all cert", "host all all all trust"]).unwrap();
    let url = |key: &Path| {
        format!(
            "postgresql://app@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            server.port(),
            certs.ca_file.display(),
            certs.client.cert.display(),
            key.display()
        )
    };
    assert_eq!(ours(&url(&certs.client.key)), Outcome::Encrypted);
    let open_key = certs.client.key.with_extension("open");
    std::fs::copy(&certs.client.key, &open_key).unwrap();
    std::fs::set_permissions(&open_key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Pool::from_url(&url(&open_key)).expect_err("the key is open to others");
    assert!(error.to_string().contains("0600"), "{error}");
}

#[test]
fn a_client_certificate_that_the_server_does_not_believe_is_a_failure_of_tls_and_final() {
    let (certs, strangers) = (Certs::new(), Certs::new());
    let server =
        own_server(|s| s.tls(certs.server_that_knows_clients(&certs.good)).sql("create role app login"));
    server.change_hba(&["hostssl all app all cert", "host all all all trust"]).unwrap();
    // With TLS 1.3 the server looks at it when the client takes the handshake to be over, with 1.2 before.
    for version in ["TLSv1.2", "TLSv1.3"] {
        let error = refused(&format!(
            "postgresql://app@localhost:{}/postgres?sslmode=require&sslcert={}&sslkey={}&ssl_max_protocol_version={version}",
            server.port(),
            strangers.client.cert.display(),
            strangers.client.key.display()
        ));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Tls, Some(Phase::Tls)), "{version}: {error}");
        assert!(!error.is_retryable() && error.attempts().len() <= 1, "{version}: {error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("sslcert")), "{version}: {error}");
    }
}

#[test]
fn a_server_that_hangs_up_over_tls_before_the_session_stands_is_lost_and_tried_again() {
    let certs = Certs::new();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate_chain_file(&certs.good.cert).unwrap();
    acceptor.set_private_key_file(&certs.good.key, SslFiletype::PEM).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 8];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(b"S").unwrap();
            let mut tls = acceptor.accept(stream).unwrap();
            // The start-up packet, then an end without TLS' own, as of a server that is killed.
            let _ = tls.read(&mut [0; 1024]).unwrap();
        }
    });
    let error =
        refused(&format!("postgresql://app@127.0.0.1:{port}/postgres?sslmode=require&connection_timeout=5s"));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionLost, Some(Phase::Auth)), "{error}");
    assert!(error.is_retryable(), "{error}");
}

/// A TLS server that sends nothing after the handshake. With `protocol` it selects that one (ALPN).
fn tls_server(certs: &Certs, protocol: Option<&'static [u8]>) -> u16 {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate_chain_file(&certs.good.cert).unwrap();
    acceptor.set_private_key_file(&certs.good.key, SslFiletype::PEM).unwrap();
    if let Some(protocol) = protocol {
        acceptor.set_alpn_select_callback(move |_, offered| {
            openssl::ssl::select_next_proto(protocol, offered).ok_or(AlpnError::NOACK)
        });
    }
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Ok(mut tls) = acceptor.accept(stream) {
                let _ = tls.read(&mut [0; 1024]);
            }
        }
    });
    port
}

#[test]
fn with_direct_negotiation_a_server_has_to_select_the_protocol() {
    let certs = Certs::new();
    let met = |protocol| {
        let port = tls_server(&certs, protocol);
        refused(&format!("postgresql://app@127.0.0.1:{port}/postgres?sslmode=require&sslnegotiation=direct"))
    };
    for protocol in [None, Some(&b"\x08http/1.1"[..])] {
        let error = met(protocol);
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Tls, Some(Phase::Tls)), "{error}");
        assert!(!error.is_retryable(), "{error}");
    }
    assert!(met(None).to_string().contains("ALPN"));
    // It hangs up then, but TLS is not what failed.
    assert_eq!(met(Some(b"\x0apostgresql")).phase(), Some(Phase::Auth));
}

#[test]
fn a_name_that_begins_with_a_dot_does_not_stand_for_all_below_it() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.wrong_name)));
    let url = |host: &str| {
        format!(
            "host={host} hostaddr=127.0.0.1 port={} user=postgres password={} dbname=postgres sslmode=verify-full \
             sslrootcert={}",
            server.port(),
            server.password(),
            certs.ca_file.display()
        )
    };
    assert_eq!(ours(&url("elsewhere.invalid")), Outcome::Encrypted);
    let error = refused(&url(".invalid"));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Tls, false), "{error}");
    assert!(error.to_string().contains("\".invalid\""), "{error}");
}

#[test]
fn version_cipher_and_channel_binding_are_those_of_the_drivers_own_tls() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)).role("app", "s3cret"));
    server.change_hba(&["hostssl all app all scram-sha-256", "host all all all trust"]).unwrap();
    let question = "select version || ' ' || cipher from pg_stat_ssl where pid = pg_backend_pid()";
    let url = format!(
        "postgresql://app:s3cret@localhost:{}/postgres?sslmode=require&channel_binding=require",
        server.port()
    );
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_ca_file(&certs.ca_file).unwrap();
    let mut theirs = postgres::Client::connect(&url, MakeTlsConnector::new(builder.build())).unwrap();
    let theirs: String = theirs.query_one(question, &[]).unwrap().get(0);
    let ours: String = Pool::new(config(&url)).unwrap().query_one(question, &[]).unwrap().get(0);
    assert_eq!(ours, theirs);
}

#[test]
fn a_refused_password_is_sent_once_where_encryption_makes_no_difference() {
    let refusals = |server: &EmbeddedPostgres, parameters: &str| {
        server.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
        let log = || server.log().matches("password authentication failed").count();
        let before = log();
        let url = format!("postgresql://app:wr0ng@localhost:{}/postgres?{parameters}", server.port());
        assert_eq!(refused(&url).kind(), ErrorKind::Auth);
        log() - before
    };
    let plain = own_server(|s| s.role("app", "right"));
    assert_eq!(refusals(&plain, "sslmode=prefer"), 1);
    assert_eq!(refusals(&plain, "sslmode=disable"), 1);
    let certs = Certs::new();
    let encrypting = own_server(|s| s.tls(certs.server(&certs.good)).role("app", "right"));
    // libpq tries the other choice as well where there is one.
    assert_eq!(refusals(&encrypting, "sslmode=prefer"), 2);
    assert_eq!(refusals(&encrypting, "sslmode=require"), 1);
}

#[test]
fn deadlines_cancels_and_large_results_work_over_tls() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let pool = Pool::new(config(&url(&server, "sslmode=require"))).unwrap();
    let rows = pool.query("select generate_series(1, 100000), repeat('x', 30)", &[]).unwrap();
    assert_eq!(rows.len(), 100_000);
    let big = "y".repeat(2_000_000);
    assert_eq!(pool.query_one("select length($1::text)", &[&big]).unwrap().get::<_, i32>(0), 2_000_000);
    let mut conn = pool.get().unwrap();
    let cancel = conn.cancel_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(crate::ms(50));
            cancel.cancel().unwrap();
        });
        assert_eq!(conn.query("select pg_sleep(30)", &[]).unwrap_err().kind(), ErrorKind::Canceled);
    });
    let pid = conn.backend_pid().unwrap() as i32;
    conn.set_deadline(Some(crate::ms(200)));
    server.freeze_backend(pid).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(conn.query("select 1", &[]).unwrap_err().kind(), ErrorKind::QueryTimeout);
    drop(conn);
    assert!((crate::ms(200)..crate::ms(300)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw_backend(pid).unwrap();
}

#[test]
fn bytes_stuffed_behind_the_answer_to_the_tls_request_are_noticed() {
    let fake = FakeServer::start(Script::StuffBehindTlsAnswer(b"R\0\0\0\x08\0\0\0\0".to_vec()));
    let error = refused(&format!("postgresql://app@127.0.0.1:{}/orders?sslmode=require", fake.port()));
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn a_handshake_that_never_ends_is_ended_by_the_deadline() {
    let fake = FakeServer::start(Script::SilentInTls);
    let url = format!("postgresql://app@127.0.0.1:{}/orders?sslmode=require", fake.port());
    let pool = Pool::new(config(&url).connection_timeout(crate::ms(300))).unwrap();
    let start = std::time::Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectTimeout, Some(Phase::Tls)));
    assert!((crate::ms(300)..crate::ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
}

#[test]
fn renewed_root_certificates_are_picked_up_by_the_next_connection() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.wrong_ca)));
    let roots = certs.ca_file.with_file_name("renewed.crt");
    std::fs::copy(&certs.ca_file, &roots).unwrap();
    let url = url(&server, &format!("sslmode=verify-full&sslrootcert={}", roots.display()));
    let pool = Pool::new(config(&url)).unwrap();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Tls);
    std::fs::copy(&certs.other_ca_file, &roots).unwrap();
    // What was refused for good is asked again after a second.
    wait_until("the new authority's certificate is trusted", crate::ms(10_000), || {
        pool.batch_execute("select 1").is_ok()
    });
}
