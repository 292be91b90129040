//! Fuzzing of what a pool shows of itself: requests of any bytes over HTTP, and texts of others in logs, metrics and JSON.

mod metrics_text;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use crate::exposition::{MetricsFormat, ServeOptions, Served};
use crate::sys::sync::Mutex;
use crate::testing::fuzzing::Draws;
use crate::{LogLevel, Pool, PoolConfig, Printable};

/// What a request has to show for figures.
const TOKEN: &str = "sesame-of-the-fuzzer";

/// The answer to a request comes within milliseconds; one that is cut short or never comes is found.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A server of a pool's figures, for all inputs.
static SERVED: LazyLock<(Pool, Served, SocketAddr)> = LazyLock::new(|| {
    let pool = Pool::echo(PoolConfig::new()).expect("a pool");
    let served = pool.serve_with("127.0.0.1:0", ServeOptions::new().token(TOKEN)).expect("it is served");
    let address = served.address();
    (pool, served, address)
});

/// Sends an input as the bytes of a client, and looks at the answer.
pub fn http(input: &[u8]) {
    let answer = answer_to(input);
    let text = String::from_utf8_lossy(&answer);
    assert!(!text.contains(TOKEN), "the token is in an answer: {}", text.escape_debug());
    if text.is_empty() {
        return;
    }
    let (head, _) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let code = ["HTTP/1.1 ", "HTTP/1.0 "].iter().find_map(|start| status.strip_prefix(start)?.get(..3));
    let code: u16 = code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{status}"));
    assert!((200..=599).contains(&code), "{status}");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}"));
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{line}");
        assert!(!value.chars().any(char::is_control), "{}", line.escape_debug());
    }
    let asked = String::from_utf8_lossy(input);
    let shows_figures = text.contains("db_client_connection_count{") || text.contains("\"connections\":{");
    assert!(!shows_figures || asked.contains(TOKEN), "figures without a token: {}", asked.escape_debug());
}

fn answer_to(input: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(SERVED.2).expect("it listens");
    client.set_read_timeout(Some(ANSWER_LIMIT)).expect("a limit");
    // The server may have refused what came first, and closed.
    let _ = client.write_all(input);
    let _ = client.shutdown(Shutdown::Write);
    let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match client.read(&mut bytes) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&bytes[..count]),
            // What was refused unread: the kernel drops the answer with it.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(e) => panic!("no answer, nor an end: {e}"),
        }
    }
}

/// A server that refuses every client with the text in hand, and the port where it listens.
static REFUSING: LazyLock<(Arc<Mutex<Vec<u8>>>, u16)> = LazyLock::new(|| {
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let words = said.clone();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut packet = [0; 1024];
            let _ = client.read(&mut packet);
            let fields = [b"SFATAL\0VFATAL\0C57P03\0M", &words.lock()[..], b"\0\0"].concat();
            let length = (fields.len() as u32 + 4).to_be_bytes();
            let _ = client.write_all(&[b"E", &length[..], &fields].concat());
        }
    });
    (said, port)
});

/// Has pools of any name meet a server's errors of any text, and looks at every place where these are shown.
pub fn rendering(input: &[u8]) {
    let mut draws = Draws::new(input);
    let name = String::from_utf8_lossy(draws.piece()).into_owned();
    let said = String::from_utf8_lossy(draws.rest()).replace('\0', "");
    let logged = Arc::<Mutex<Vec<String>>>::default();
    let with_sink = |config: PoolConfig| {
        let sink = logged.clone();
        config.name(&name).retry_max(0).log_sink(LogLevel::Debug, move |record| {
            sink.lock().push(format!("{} {}", record.pool, record.message));
        })
    };
    let mut errors = Vec::new();
    if let Ok(pool) = Pool::echo(with_sink(PoolConfig::new())) {
        errors.extend(pool.batch_execute(&format!("echo:error 57P01 {said}")).err());
        check_figures(&pool);
    }
    let (words, port) = &*REFUSING;
    said.as_bytes().clone_into(&mut words.lock());
    let url = format!("postgresql://fuzzer@127.0.0.1:{port}/none?sslmode=disable");
    if let Ok(pool) = PoolConfig::from_url(&url).and_then(|config| Pool::new(with_sink(config))) {
        errors.extend(pool.get().err());
        check_figures(&pool);
    }
    let shown = errors.iter().map(|error| Printable(error).to_string());
    for line in shown.chain(std::mem::take(&mut *logged.lock())) {
        assert!(!line.chars().any(char::is_control), "{}", line.escape_debug());
    }
}

fn check_figures(pool: &Pool) {
    for format in [MetricsFormat::Prometheus, MetricsFormat::OpenMetrics] {
        metrics_text::check(&pool.metrics_text_as(format));
    }
    let document: Result<serde_json::Value, _> = serde_json::from_str(&pool.stats_json());
    assert!(document.is_ok(), "{document:?}");
}
