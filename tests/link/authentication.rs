//! Passwords, their proofs, and servers that only pretend to check them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use holdfast::{ErrorKind, Phase, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;
use openssl::base64::encode_block;
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;

use crate::support::own_server;
use crate::{config, refused};

fn url(server: &EmbeddedPostgres, parameters: &str) -> String {
    format!("postgresql://app:pencil@127.0.0.1:{}/postgres?sslmode=disable&{parameters}", server.port())
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(message).unwrap()
}

/// What `pg_authid` keeps of the password `pencil`.
fn verifier(iterations: usize) -> String {
    let salt = b"sixteen bytes ..";
    let mut salted = [0; 32];
    pbkdf2_hmac(b"pencil", salt, iterations, MessageDigest::sha256(), &mut salted).unwrap();
    let stored = sha256(&hmac(&salted, b"Client Key"));
    let server = hmac(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        encode_block(salt),
        encode_block(&stored),
        encode_block(&server)
    )
}

#[test]
fn as_many_iterations_as_owasp_advises_are_made_and_more_than_the_option_allows_are_not() {
    let server = own_server(|s| s.sql(format!("create role app login password '{}'", verifier(600_000))));
    server.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
    Pool::new(config(&url(&server, ""))).unwrap().batch_execute("select 1").expect("the right password");
    let error = refused(&url(&server, "scram_max_iterations=100000"));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, false), "{error}");
    assert!(error.to_string().contains("600000 SCRAM iterations"), "{error}");
    assert!(error.to_string().contains("scram_max_iterations allows 100000"), "{error}");
}

#[test]
fn methods_are_spoken_and_restricted_by_require_auth() {
    let server = own_server(|s| {
        s.sql("create role app login").sql("set password_encryption = md5; alter role app password 'pencil'")
    });
    let works = |parameters: &str| {
        Pool::new(config(&url(&server, parameters))).unwrap().batch_execute("select 1").expect(parameters);
    };
    let is_refused = |parameters: &str| {
        let error = refused(&url(&server, parameters));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Auth, Some(Phase::Auth)), "{error}");
        assert!(error.to_string().contains("authentication method requirement"), "{error}");
        assert!(!error.is_retryable() && !error.to_string().contains("pencil"), "{error}");
    };
    let cases: [(&str, [&str; 4], [&str; 4]); 3] = [
        (
            "md5",
            ["md5", "!password", "!none", "scram-sha-256,md5"],
            ["scram-sha-256", "password", "none", "!md5"],
        ),
        (
            "password",
            ["password", "!md5", "!none", "md5,password"],
            ["scram-sha-256", "md5", "none", "!password"],
        ),
        ("trust", ["none", "!md5", "md5,none", "!password"], ["scram-sha-256", "md5", "password", "!none"]),
    ];
    for (method, acceptable, unacceptable) in cases {
        server.change_hba(&[&format!("host all app all {method}"), "host all all all trust"]).unwrap();
        works("");
        acceptable.iter().for_each(|methods| works(&format!("require_auth={methods}")));
        unacceptable.iter().for_each(|methods| is_refused(&format!("require_auth={methods}")));
    }
}

#[test]
fn an_older_server_is_spoken_to_in_its_version_unless_that_is_not_acceptable() {
    let server = own_server(|s| s.role("app", "pencil"));
    if server.major_version().unwrap() >= 18 {
        return Pool::new(config(&url(&server, "max_protocol_version=3.2&min_protocol_version=3.2")))
            .unwrap()
            .batch_execute("select 1")
            .expect("it has 3.2");
    }
    let pool = Pool::new(config(&url(&server, "max_protocol_version=latest"))).unwrap();
    pool.batch_execute("select 1").expect("they agree on 3.0");
    let error = refused(&url(&server, "max_protocol_version=3.2&min_protocol_version=3.2"));
    assert!(error.to_string().contains("min_protocol_version is 3.2"), "{error}");
    assert!(!error.is_retryable());
}

/// Takes everyone's proof and has none of its own. Returns when the client has left.
fn pretend(client: &mut TcpStream, proofs: &AtomicUsize) -> std::io::Result<()> {
    let mut heard = [0; 1024];
    let message = |code: u32, rest: &str| {
        let length = (8 + rest.len()) as u32;
        [&b"R"[..], &length.to_be_bytes(), &code.to_be_bytes(), rest.as_bytes()].concat()
    };
    let _packet = client.read(&mut heard)?;
    client.write_all(&message(10, "SCRAM-SHA-256\0\0"))?;
    let n = client.read(&mut heard)?;
    let first = String::from_utf8_lossy(&heard[..n]).into_owned();
    let nonce = first.rsplit_once("r=").map_or("", |found| found.1);
    client.write_all(&message(11, &format!("r={nonce}more,s=c2FsdHNhbHQ=,i=4096")))?;
    if client.read(&mut heard)? > 0 {
        proofs.fetch_add(1, SeqCst);
    }
    client.write_all(&message(12, "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))?;
    client.write_all(&message(0, ""))?;
    client.read(&mut heard).map(drop)
}

#[test]
fn an_impostor_gets_one_proof_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let proofs = Arc::new(AtomicUsize::new(0));
    let counted = proofs.clone();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = pretend(&mut client, &counted);
        }
    });
    // With the retries that a pool makes by itself.
    let url = format!("postgresql://app:pencil@127.0.0.1:{port}/postgres?sslmode=disable");
    let error = Pool::from_url(&url).unwrap().get().unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, false), "{error}");
    assert!(error.to_string().contains("impostor"), "{error}");
    assert_eq!(proofs.load(SeqCst), 1);
}

#[test]
fn a_password_that_changes_in_the_password_file_is_used_for_the_next_connection() {
    const ROTATIONS: usize = 25;
    let server = own_server(|s| s.sql("create role app login"));
    server.change_hba(&["host all app all scram-sha-256", "host all all all trust"]).unwrap();
    let admin = Pool::from_url(&server.url()).unwrap();
    let file = std::env::temp_dir().join(format!("holdfast-passfile-{}", std::process::id()));
    let rotate = |n: usize| {
        admin.batch_execute(&format!("alter role app password 'secret {n}'")).unwrap();
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, format!("*:*:*:app:secret {n}\n")).unwrap();
        std::fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(&fresh, &file).unwrap();
    };
    rotate(0);
    let url = format!(
        "postgresql://app@127.0.0.1:{}/postgres?sslmode=disable&passfile={}",
        server.port(),
        file.display()
    );
    let pool = Pool::new(config(&url)).unwrap();
    let mut sessions = std::collections::BTreeSet::new();
    for n in 1..=ROTATIONS {
        sessions.insert(pool.get().unwrap().backend_pid());
        rotate(n);
        // The open connection stays valid; what is opened next needs the new password.
        pool.batch_execute("select 1").unwrap();
        pool.release_idle();
    }
    assert!(sessions.len() > ROTATIONS / 2, "new connections were opened: {sessions:?}");
    std::fs::remove_file(&file).unwrap();
}
