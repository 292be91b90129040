//! Ports at which something else answers, and addresses that cannot be one.

use std::time::{Duration, Instant};

use holdfast::{Error, ErrorKind, Pool};

use crate::support::fake::{FakeServer, Script};

/// With the retries that a pool makes by itself.
fn met(url: &str) -> (Error, Duration) {
    let begun = Instant::now();
    let error = Pool::from_url(url).expect("a valid URL").get().expect_err("it is no server");
    (error, begun.elapsed())
}

#[test]
fn another_service_is_named_at_once_and_not_asked_again() {
    for words in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"NOPE this is something else\r\n",
        b"-ERR unknown command\r\n",
        b"J\0\0\0\x0a8.0.36\0",
        b"220 mail.example.test ESMTP\r\n",
        b"AMQP\0\0\x09\x01",
        b"\x15\x03\x01\0\x02\x02\x46",
        b"ERROR\r\n",
        b"ERR\n",
        b"RTSP/1.0 400 Bad Request\r\n\r\n",
        b"R\r\n",
        b"v1 ready\n",
        b"Zabbix\n",
        b"\0\0\0\x07",
    ] {
        for (mode, stays) in [("disable", false), ("prefer", true), ("require", false), ("disable", true)] {
            let words = words.to_vec();
            let first = words[0];
            let say = if stays { Script::SayBytesAndStay(words) } else { Script::SayBytes(words) };
            let fake = FakeServer::start(say);
            let (error, took) = met(&format!("{}?sslmode={mode}", fake.url()));
            let (kind, said) = match mode {
                "disable" => (ErrorKind::Auth, "expected authentication request from server, but received "),
                _ => (ErrorKind::Tls, "received invalid response to SSL negotiation: "),
            };
            let said = format!("{said}{}", char::from(first).escape_default());
            assert_eq!((error.kind(), error.is_retryable()), (kind, false), "{error}");
            assert!(error.to_string().contains(&said), "{error}");
            assert!(!error.to_string().contains("tampering"), "{error}");
            assert!(error.remedy().is_some_and(|remedy| remedy.contains("port")), "{error}");
            assert!(took < Duration::from_secs(2), "took {took:?}");
            assert_eq!(fake.accepted(), 1, "{mode}: {error}");
        }
    }
}

#[test]
fn a_server_that_cannot_fork_is_quoted_and_asked_again() {
    let words = b"Ecould not fork new process for connection: Resource temporarily unavailable\n\0";
    for mode in ["disable", "prefer"] {
        let fake = FakeServer::start(Script::SayBytes(words.to_vec()));
        let url = format!("{}?sslmode={mode}&retry_max=1&retry_base_delay=10ms", fake.url());
        let (error, _) = met(&url);
        assert!(error.is_retryable(), "{error}");
        assert!(error.to_string().contains("could not fork new process for connection"), "{mode}: {error}");
        assert_eq!(error.attempts().len(), 2, "{error}");
    }
}

#[test]
fn a_socket_path_that_no_system_allows_is_a_mistake_in_the_configuration() {
    let directory = format!("/tmp/{}", "x".repeat(120));
    let (error, took) = met(&format!("host={directory} user=app dbname=orders"));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Config, false), "{error}");
    assert!(error.to_string().contains(&directory), "{error}");
    assert!(took < Duration::from_secs(1), "took {took:?}");
}
