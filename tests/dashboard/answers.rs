//! Which path is answered with what, and to whom.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use holdfast::exposition::ServeOptions;
use holdfast::{ErrorKind, Pool, PoolConfig};
use socket2::{Domain, Socket, Type};

use crate::{ms, soon};

fn pool() -> Pool {
    Pool::echo(PoolConfig::new().name("answers")).unwrap()
}

/// Status and all that was said, of one request.
fn ask(url: &str, request: &str) -> (u16, String) {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ms(10_000))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let status = said.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, said)
}

fn get(url: &str, path: &str, more: &str) -> (u16, String) {
    ask(url, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n"))
}

#[test]
fn every_path_has_its_answer_and_strict_headers() {
    let pool = pool();
    pool.query("select 1", &[]).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let expected = [
        ("/", "text/html", "<title>Holdfast</title>"),
        ("/metrics", "text/plain; version=0.0.4", "holdfast_checkouts_total{"),
        ("/stats.json", "application/json", "\"schema\":\"holdfast.stats.v1\""),
        ("/healthz", "text/plain", "healthy\n"),
        ("/readyz", "text/plain", "healthy\n"),
        ("/alerts.yml", "application/yaml", "HoldfastPoolExhausted"),
        ("/grafana.json", "application/json", "\"title\": \"Holdfast\""),
    ];
    for (path, kind, part) in expected {
        let (status, said) = get(&served.url(), path, "");
        assert_eq!(status, 200, "{path}: {said}");
        assert!(said.contains(&format!("content-type: {kind}")) && said.contains(part), "{path}: {said}");
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(said.contains(header), "{path} lacks {header}: {said}");
        }
    }
    let (status, said) =
        get(&served.url(), "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(
        status == 200
            && said.contains("content-type: application/openmetrics-text")
            && said.contains("# EOF")
    );
    let (status, said) = get(&served.url(), "/nothing", "");
    assert!(status == 404 && said.contains("/metrics"), "{said}");
    let (status, said) = ask(
        &served.url(),
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(status == 405 && said.contains("allow: GET, HEAD"), "{said}");
    let (status, said) =
        ask(&served.url(), "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(status == 200 && said.ends_with("\r\n\r\n"), "no body: {said}");
}

#[test]
fn with_a_token_only_health_is_for_everybody() {
    let pool = pool();
    let served = pool.serve_with("127.0.0.1:0", ServeOptions::new().token("open sesame")).unwrap();
    for path in ["/metrics", "/stats.json", "/alerts.yml", "/grafana.json"] {
        let (status, said) = get(&served.url(), path, "");
        assert!(status == 401 && said.contains("www-authenticate: Bearer"), "{path}: {said}");
        assert_eq!(get(&served.url(), path, "Authorization: Bearer wrong\r\n").0, 401, "{path}");
        assert_eq!(get(&served.url(), path, "Authorization: Bearer open sesame\r\n").0, 200, "{path}");
        assert_eq!(get(&served.url(), &format!("{path}?token=open%20sesame"), "").0, 401, "never in a URL");
    }
    for path in ["/", "/healthz", "/readyz"] {
        let (status, said) = get(&served.url(), path, "");
        assert!(status == 200 && !said.contains("open sesame"), "{path}: {said}");
    }
}

#[test]
fn other_machines_are_kept_out_unless_they_are_let_in() {
    let pool = pool();
    let error = pool.serve("0.0.0.0:0").unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("127.0.0.1"), "{error}");
    let served = pool.serve_with("0.0.0.0:0", ServeOptions::new().beyond_loopback().token("t")).unwrap();
    assert_ne!(served.address().port(), 0);
    let error = pool.serve("nonsense").unwrap_err();
    assert!(error.to_string().contains("such as 127.0.0.1:9464"), "{error}");
    let error = pool.serve(&format!("127.0.0.1:{}", served.address().port())).unwrap_err();
    assert!(error.to_string().contains("is the port taken?"), "{error}");
    // A name of another host that leads here.
    let served = pool.serve("localhost:0").unwrap();
    let (status, said) =
        ask(&served.url(), "GET /stats.json HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(status == 403 && !said.contains("schema"), "{said}");
}

#[test]
fn it_ends_with_the_pool_or_when_it_is_dropped_and_keeps_neither() {
    let pool = pool();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let address = served.address();
    drop(served);
    assert!(TcpStream::connect(address).is_err(), "at once");
    let served = pool.serve("127.0.0.1:0").unwrap();
    let (address, url) = (served.address(), served.url());
    served.keep();
    assert_eq!(get(&url, "/readyz", "").0, 200);
    pool.close();
    assert_eq!((get(&url, "/readyz", "").0, get(&url, "/healthz", "").0), (503, 503), "closed for good");
    drop(pool);
    soon("nobody listens any more", || TcpStream::connect(address).is_err());
}

#[test]
fn a_server_that_is_away_is_no_reason_to_restart_the_process() {
    let to =
        PoolConfig::from_url("postgresql://app@127.0.0.1:1/orders?retry_max=0&breaker_after=100").unwrap();
    let pool = Pool::new(to).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    soon("it is known", || {
        drop(pool.get());
        get(&served.url(), "/readyz", "").0 == 503
    });
    assert_eq!(get(&served.url(), "/healthz", "").0, 200);
}

#[test]
fn a_request_that_does_not_name_one_host_is_answered_400() {
    let pool = pool();
    let here = pool.serve("127.0.0.1:0").unwrap();
    let everywhere = pool.serve_with("0.0.0.0:0", ServeOptions::new().beyond_loopback()).unwrap();
    let everywhere_url = format!("http://127.0.0.1:{}/", everywhere.address().port());
    for url in [here.url(), everywhere_url] {
        for bad in [
            "GET /stats.json HTTP/1.1\r\n",
            "GET /stats.json HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
            "GET http://evil.example/stats.json HTTP/1.1\r\nHost: localhost\r\n",
            "GET /stats.json HTTP/1.1\r\nHost: evil example\r\n",
        ] {
            let (status, said) = ask(&url, &format!("{bad}Connection: close\r\n\r\n"));
            assert!(status == 400 && !said.contains("schema"), "{bad}: {said}");
        }
        let proxied = "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_eq!(ask(&url, proxied).0, 200);
        assert_eq!(ask(&url, "GET /healthz HTTP/1.0\r\n\r\n").0, 200, "before 1.1 there is none");
    }
}

#[test]
fn slow_and_endless_requests_keep_nobody_else_from_an_answer() {
    let pool = pool();
    let served = pool.serve("127.0.0.1:0").unwrap();
    // More than there are places for: half of them silent, the others in the middle of a request.
    let mut idle: Vec<_> = (0..200).map(|_| TcpStream::connect(served.address()).unwrap()).collect();
    for stream in idle.iter_mut().step_by(2) {
        // Those that have given way already cannot be written to.
        let _ = stream.write_all(b"GET /metr");
    }
    let begun = Instant::now();
    assert_eq!(get(&served.url(), "/healthz", "").0, 200);
    let endless = "x".repeat(64 * 1024);
    let (status, _) = get(&served.url(), "/healthz", &format!("X-Endless: {endless}\r\n"));
    assert!(matches!(status, 0 | 400 | 431), "{status}");
    assert_eq!(get(&served.url(), "/healthz", "").0, 200);
    assert!(begun.elapsed() < ms(3_000), "waited for the limit of a head: {:?}", begun.elapsed());
    drop(idle);
}

#[test]
fn a_connection_that_sends_no_whole_head_is_closed_after_three_seconds() {
    let pool = pool();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let mut slow = TcpStream::connect(served.address()).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    slow.set_read_timeout(Some(ms(9_000))).unwrap();
    let begun = Instant::now();
    let mut said = vec![];
    slow.read_to_end(&mut said).expect("closed, long before 9 s");
    assert!(begun.elapsed() >= ms(2_500), "closed too early: {:?}", begun.elapsed());
}

#[test]
fn clients_that_never_read_keep_nobody_else_from_an_answer() {
    let pool = pool();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let many = "GET /grafana.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(400);
    let greedy: Vec<_> = (0..64)
        .map(|_| {
            // What is sent to it waits at the server soon, and not here first: filling the buffers of all takes long.
            let greedy = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            greedy.set_recv_buffer_size(4096).unwrap();
            greedy.connect(&served.address().into()).unwrap();
            greedy.set_nonblocking(true).unwrap();
            let _ = greedy.send(many.as_bytes()).unwrap();
            greedy
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(get(&served.url(), "/healthz", "").0, 200);
    }
    assert!(begun.elapsed() < ms(9_000), "waited for the limit of an answer: {:?}", begun.elapsed());
    drop(greedy);
}

#[test]
fn the_stats_are_as_their_schema_says() {
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("docs/stats.schema.json").unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let server = crate::support::own_server(|s| s.max_connections(10));
    let pool = Pool::new(PoolConfig::from_url(&server.url()).unwrap().max_size(1)).unwrap();
    let mut states = vec![pool.stats_json()];
    let mut held = pool.get().unwrap();
    held.batch_execute("select 1/0").unwrap_err();
    pool.get_timeout(ms(20)).unwrap_err();
    drop(held);
    soon("it is explained", || pool.last_exhaustion().is_some());
    soon("an alert is raised", || !pool.alerts().is_empty());
    states.push(pool.stats_json());
    let nowhere =
        PoolConfig::from_url("postgresql://app@127.0.0.1:1/orders?retry_max=0&breaker_after=1").unwrap();
    let nowhere = Pool::new(nowhere).unwrap();
    nowhere.get().unwrap_err();
    nowhere.get().unwrap_err();
    states.push(nowhere.stats_json());
    for text in states {
        let stats = serde_json::from_str(&text).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&stats)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
}
