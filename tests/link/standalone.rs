//! Sessions without a pool.

use std::time::{Duration, Instant};

use holdfast::connect::{StandaloneSession, Target};
use holdfast::{ErrorKind, Phase};
use holdfast_testkit::embedded::free_port;
use openssl::x509::X509;

use crate::support::certs::Certs;
use crate::support::{own_server, server, wait_until};
use crate::{config, ms};

const SOON: Duration = Duration::from_secs(10);

fn answer(session: &mut StandaloneSession, sql: &str) -> String {
    let blocks = session.raw().script(sql).expect("an answer");
    blocks[0].text(0, 0).expect("a value").into_owned()
}

#[test]
fn each_host_is_opened_by_itself_whatever_its_role_and_tells_what_became_of_it() {
    let closed = free_port().expect("a port");
    let mut config = config(&server().url()).sslmode(holdfast::config::SslMode::Disable);
    config.set("host", "127.0.0.1,127.0.0.1").expect("two hosts");
    config.set("port", &format!("{closed},{}", server().port())).expect("two ports");
    config.set("target_session_attrs", "standby").expect("a role");

    let hosts = Target::each_host(&config).expect("a valid configuration");
    let names: Vec<_> = hosts.iter().map(Target::name).collect();
    assert_eq!(names, [format!("127.0.0.1:{closed}"), format!("127.0.0.1:{}", server().port())]);

    let error = hosts[0].open(SOON).expect_err("nobody listens there");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Refused, Some(Phase::Connect)), "{error}");
    assert_eq!(error.phase_timings().connect, None);
    assert!(error.attempts().is_empty(), "it was tried once: {error}");

    let mut session = hosts[1].open(SOON).expect("a primary is reached as well");
    assert_eq!(
        session.backend_pid().map(|pid| pid.to_string()),
        Some(answer(&mut session, "select pg_backend_pid()"))
    );
    assert!(session.timings().session > Duration::ZERO && session.timings().tls.is_none());
    assert_eq!(session.encryption(), None);

    let error = Target::new(&config).and_then(|both| both.open(SOON)).expect_err("neither is a standby");
    assert!(error.to_string().contains("standby"), "{error}");
}

#[test]
fn the_certificate_and_the_handshake_of_an_encrypted_session_are_shown() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let config = config(&server.url()).sslmode(holdfast::config::SslMode::Require);
    let session = Target::new(&config).and_then(|target| target.open(SOON)).expect("an encrypted session");
    let shown = session.encryption().expect("it is encrypted");
    assert!(shown.version.starts_with("TLSv1.") && !shown.cipher.is_empty(), "{shown:?}");
    let of_server = X509::from_pem(&std::fs::read(&certs.good.cert).expect("a file")).expect("a certificate");
    assert_eq!(shown.certificate, of_server.to_der().ok());
    assert!(session.timings().tls.is_some());

    let pool = holdfast::Pool::new(config).unwrap();
    let conn = pool.get().unwrap();
    assert_eq!(conn.encryption(), Some(shown));
    assert_eq!(conn.parameter("is_superuser").as_deref(), Some("on"));
    assert!(!conn.user().is_empty() && !conn.dbname().is_empty());
}

#[test]
fn a_deadline_ends_a_call_and_a_drop_ends_the_session_at_the_server() {
    let target = Target::new(&config(&server().url())).expect("a valid configuration");
    let mut session = target.open(SOON).expect("a session");
    session.set_deadline(Some(ms(200)));
    let begun = Instant::now();
    let error = session.raw().script("select pg_sleep(60)").expect_err("it takes too long");
    assert_eq!(error.kind(), ErrorKind::QueryTimeout, "{error}");
    assert!(begun.elapsed() < SOON);

    let session = target.open(SOON).expect("a session");
    let pid = session.backend_pid().expect("a process");
    let mut observer = server().connect().expect("an observer");
    let mut exists = || -> bool {
        let sql = format!("select exists (select from pg_stat_activity where pid = {pid})");
        observer.query_one(&sql, &[]).expect("pg_stat_activity").get(0)
    };
    assert!(exists());
    drop(session);
    wait_until("the session is gone", SOON, || !exists());
}

#[test]
fn limits_may_be_of_any_length() {
    let config = config(&server().url());
    let mut session = Target::new(&config).and_then(|target| target.open(Duration::MAX)).expect("a session");
    session.set_deadline(Some(Duration::MAX));
    assert_eq!(answer(&mut session, "select 1"), "1");
    let hosts = Target::each_host(&config).expect("a valid configuration");
    assert_eq!(hosts[0].addresses(Duration::MAX).len(), 1);
}
