//! The identities of both ends beyond names and passwords: the client's certificate, revoked ones, the user behind a local
//! socket. Each option is tried with `psql`, too, where its libpq has the option.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use holdfast::{Error, ErrorKind, Phase, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::certs::{CertFiles, Certs};
use crate::support::{own_server, wait_until};
use crate::{config, ms, refused};

/// Connects with `psql`. The libpq that it runs with can be another one's: `HOLDFAST_LIBPQ` names its directory.
fn psql(url: &str) -> Result<(), String> {
    let mut command = Command::new("psql");
    if let Some(directory) = std::env::var_os("HOLDFAST_LIBPQ") {
        command.env("LD_LIBRARY_PATH", directory);
    }
    let output = command.args(["-XAtq", url, "-c", "select 1"]).env("HOME", "/nonexistent").output();
    let output = output.expect("psql is installed");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// What the pool makes of it; the answer must be final.
fn ours(url: &str) -> Result<(), Error> {
    let pool = Pool::new(config(url))?;
    pool.batch_execute("select 1").inspect_err(|error| assert!(!error.is_retryable(), "{error}"))
}

fn user_of(server: &EmbeddedPostgres) -> String {
    let uid = std::fs::metadata(server.data_dir()).unwrap().uid();
    let output = Command::new("id").args(["-nu", &uid.to_string()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_server_behind_a_local_socket_runs_as_the_required_user_or_gets_nothing_as_in_libpq() {
    let server = own_server(|s| s);
    let user = user_of(&server);
    let url = |required: &str| format!("{}?requirepeer={required}", server.socket_url());
    for (required, is_met) in [(user.as_str(), true), ("daemon", false), ("no-such-user", false)] {
        let url = url(required);
        assert_eq!(ours(&url).is_ok(), is_met, "{required}");
        assert_eq!(psql(&url).is_ok(), is_met, "{required}");
    }
    let error = refused(&url("daemon"));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Auth, Some(Phase::Auth)), "{error}");
    let told = format!("requirepeer is \"daemon\", and the server runs as \"{user}\"");
    assert!(error.to_string().contains(&told), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("requirepeer")), "{error}");
    assert!(error.attempts().len() <= 1, "nothing is tried again: {error}");
    // libpq looks at local sockets alone.
    let over_tcp = format!("{}?requirepeer=daemon&sslmode=disable", server.url());
    assert_eq!((ours(&over_tcp).is_ok(), psql(&over_tcp)), (true, Ok(())));
}

/// A URL for `app`, who is let in by certificate or by trust, with files of a client certificate.
fn with_certificate(server: &EmbeddedPostgres, client: &CertFiles, parameters: &str) -> String {
    format!(
        "postgresql://app@localhost:{}/postgres?sslcert={}&sslkey={}&{parameters}",
        server.port(),
        client.cert.display(),
        client.key.display()
    )
}

/// A server that lets `app` in by this line, and asks for client certificates if `asks`.
fn certificate_server(certs: &Certs, asks: bool, line: &str) -> EmbeddedPostgres {
    let files = if asks { certs.server_that_knows_clients(&certs.good) } else { certs.server(&certs.good) };
    let server = own_server(|s| s.tls(files).sql("create role app login"));
    server.change_hba(&[line, "host all all all trust"]).unwrap();
    server
}

/// Returns the name in the client certificate that the server has seen.
fn seen(url: &str) -> Option<String> {
    let sql = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
    Pool::new(config(url)).unwrap().query_one(sql, &[]).unwrap().get(0)
}

/// Checks an outcome of `sslcertmode`, with `psql` too if its libpq (16 and later) knows the option.
fn assert_outcome(url: &str, is_let_in: bool) {
    let (us, them) = (ours(url), psql(url));
    assert_eq!(us.is_ok(), is_let_in, "{url}: {us:?}");
    if !matches!(&them, Err(message) if message.contains("invalid URI query parameter")) {
        assert_eq!(them.is_ok(), is_let_in, "{url}: {them:?}");
    }
}

#[test]
fn a_required_certificate_has_to_be_asked_for_and_sent() {
    let certs = Certs::new();
    let (asking, silent) = (
        certificate_server(&certs, true, "hostssl all app all trust"),
        certificate_server(&certs, false, "hostssl all app all trust"),
    );
    for version in ["TLSv1.2", "TLSv1.3"] {
        let parameters = format!("sslmode=require&sslcertmode=require&ssl_max_protocol_version={version}");
        let with = |server| with_certificate(server, &certs.client, &parameters);
        let without = |server: &EmbeddedPostgres| {
            format!("postgresql://app@localhost:{}/postgres?{parameters}", server.port())
        };
        assert_outcome(&with(&asking), true);
        assert_outcome(&with(&silent), false);
        assert_outcome(&without(&asking), false);
        for (url, why) in [
            (with(&silent), "sslcertmode), and the server did not ask for one"),
            (without(&asking), "sslcertmode), and the server let the client in without one"),
        ] {
            let error = refused(&url);
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Auth, Some(Phase::Auth)), "{error}");
            assert!(error.to_string().contains(why), "{version}: {error}");
            assert!(error.remedy().is_some_and(|remedy| remedy.contains("sslcertmode")), "{error}");
        }
    }
    // Without TLS there is no certificate; which needs no server to be known.
    let plain = "postgresql://app@db/orders?sslmode=disable&sslcertmode=require";
    let error = PoolConfig::from_url(plain).unwrap().validate().unwrap_err();
    assert!(error.to_string().contains("sslcertmode \"require\" and sslmode \"disable\""), "{error}");
    let over_socket = format!("{}?sslcertmode=require", asking.socket_url());
    assert_outcome(&over_socket, false);
}

#[test]
fn a_disabled_certificate_is_not_sent_and_its_files_are_not_read() {
    let certs = Certs::new();
    let server = certificate_server(&certs, true, "hostssl all app all trust");
    let url = |mode: &str| with_certificate(&server, &certs.client, &format!("sslmode=require{mode}"));
    assert_eq!(seen(&url("")).as_deref(), Some("/CN=app"));
    assert_eq!(seen(&url("&sslcertmode=allow")).as_deref(), Some("/CN=app"));
    assert_eq!(seen(&url("&sslcertmode=disable")), None);
    server.change_hba(&["hostssl all app all cert", "host all all all trust"]).unwrap();
    assert_outcome(&url("&sslcertmode=allow"), true);
    assert_outcome(&url("&sslcertmode=disable"), false);
    server.change_hba(&["host all all all trust"]).unwrap();
    std::fs::write(&certs.client.key, "no key").unwrap();
    assert!(Pool::from_url(&url("")).is_err(), "a key that is none is noticed where it is used");
    assert_eq!(seen(&url("&sslcertmode=disable")), None);
}

#[test]
fn a_certificate_is_revoked_by_a_list_in_the_directory_as_in_libpq() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let url = |directory: &Path| {
        format!(
            "{}?sslmode=verify-full&sslrootcert={}&sslcrldir={}",
            server.url_at(&format!("localhost:{}", server.port())),
            certs.ca_file.display(),
            directory.display()
        )
    };
    let others = certs.revocations("others", &[&certs.expired, &certs.wrong_name]);
    let revoked = certs.revocations("revoked", &[&certs.expired, &certs.good]);
    let empty = certs.ca_file.with_file_name("empty");
    std::fs::create_dir(&empty).unwrap();
    for (directory, is_let_in) in [(&others, true), (&revoked, false), (&empty, false)] {
        let url = url(directory);
        assert_eq!(ours(&url).is_ok(), is_let_in, "{url}");
        assert_eq!(psql(&url).is_ok(), is_let_in, "{url}");
    }
    let error = refused(&url(&revoked));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Tls, false), "{error}");
    assert!(error.to_string().contains("certificate revoked"), "{error}");
    assert!(refused(&url(&empty)).to_string().contains("unable to get certificate CRL"));
}

#[test]
fn a_directory_of_revocations_that_is_none_is_reported_when_the_pool_is_made() {
    let certs = Certs::new();
    let ca = certs.ca_file.display();
    let url = format!("postgresql://app@db/orders?sslmode=verify-ca&sslrootcert={ca}&sslcrldir=/nonexistent");
    let error = Pool::from_url(&url).expect_err("before any connection");
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("revocation lists \"/nonexistent\""), "{error}");
}

#[test]
fn a_revocation_that_comes_while_a_pool_lives_counts_for_its_next_connection() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let directory = certs.revocations("current", &[]);
    let url = format!(
        "{}?sslmode=verify-full&sslrootcert={}&sslcrldir={}&max_size=1",
        server.url_at(&format!("localhost:{}", server.port())),
        certs.ca_file.display(),
        directory.display()
    );
    let pool = Pool::new(config(&url)).unwrap();
    pool.batch_execute("select 1").expect("nothing is revoked yet");
    certs.revocations("current", &[&certs.good]);
    wait_until("the revocation counts", ms(10_000), || {
        pool.release_idle();
        pool.get().is_err_and(|error| error.kind() == ErrorKind::Tls)
    });
}

/// As an environment or a vault gives them: nothing has to be written to a file.
#[test]
fn certificates_keys_and_revocations_may_be_given_as_their_texts() {
    let certs = Certs::new();
    let server = certificate_server(&certs, true, "hostssl all app all cert");
    let text = |file: &Path| std::fs::read_to_string(file).unwrap();
    let revocations = |name: &str, revoked: &[&CertFiles]| {
        let directory = certs.revocations(name, revoked);
        let lists = std::fs::read_dir(directory).unwrap().map(|entry| text(&entry.unwrap().path()));
        lists.collect::<String>()
    };
    let with = |changed: &[(&str, &str)]| {
        let url = format!("postgresql://app@localhost:{}/postgres?sslmode=verify-full", server.port());
        let mut config = config(&url);
        // The chain is sent with the certificate.
        let chain = text(&certs.client.cert) + &text(&certs.ca_file);
        let texts = [
            ("sslrootcert", text(&certs.ca_file)),
            ("sslcert", chain),
            ("sslkey", text(&certs.client.key)),
            ("sslcrl", revocations("others", &[&certs.expired])),
        ];
        for (option, text) in &texts {
            config.set(option, text).unwrap();
        }
        for (option, text) in changed {
            config.set(option, text).unwrap();
        }
        for shown in [format!("{config:?}"), format!("{:?}", config.validate())] {
            assert!(!shown.contains("BEGIN"), "{shown}");
        }
        config
    };
    let pool = Pool::new(with(&[])).unwrap();
    let sql = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(pool.query_one(sql, &[]).unwrap().get::<_, Option<&str>>(0), Some("/CN=app"));

    let revoked = revocations("revoked", &[&certs.expired, &certs.good]);
    let error = Pool::new(with(&[("sslcrl", &revoked)])).unwrap().get().unwrap_err();
    assert!(error.kind() == ErrorKind::Tls && error.to_string().contains("certificate revoked"), "{error}");
    let others = text(&certs.other_ca_file);
    let error = Pool::new(with(&[("sslrootcert", &others)])).unwrap().get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    for option in ["sslrootcert", "sslcert", "sslkey", "sslcrl"] {
        let wrong = "-----BEGIN GARBAGE-----\nc2VjcmV0\n-----END GARBAGE-----\n";
        let error = Pool::new(with(&[(option, wrong)])).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(error.kind() == ErrorKind::Tls && said.contains(&format!("the text of {option}")), "{said}");
        assert!(!said.contains("c2VjcmV0"), "{said}");
    }
}
