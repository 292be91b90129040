//! Fuzzing of cancel requests: a key of any length, and a server that answers anything to the request, also where TLS is asked for.
//! Nothing that it says is read but the answer to `SSLRequest` and a handshake.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::BackendKey;
use super::cancel::CancelHandle;
use super::dial::SSL_REQUEST;
use super::dial::address::Address;
use super::dial::in_process::InProcess;
use super::tls::cache::Tls;
use crate::config::settings::ServerSettings;
use crate::sys::sync::Mutex;
use crate::testing::fuzzing::Draws;

/// The most bytes that the server sends, which fit into a socket.
const MAX_OUTPUT: usize = 64 * 1024;

const LIMIT: Duration = Duration::from_secs(20);

/// A secret with so many bytes of different values occurs in what is sent only if it was sent; zeros do in any handshake.
const TELLING: usize = 8;

static TLS: LazyLock<Arc<Tls>> =
    LazyLock::new(|| Arc::new(Tls::new(ServerSettings::within_process(None).tls)));

/// Cancels by a server that has already said everything. The first byte selects TLS, the next give the body of `BackendKeyData`,
/// the rest is what the server says.
pub fn cancel(input: &[u8]) {
    let mut draws = Draws::new(input);
    let (is_encrypted, repeats) = (draws.byte() & 1 == 1, 1 + draws.below(32));
    let body = draws.piece().repeat(repeats);
    let Some(key) = BackendKey::parse(&body) else {
        assert!(!(8..=260).contains(&body.len()), "a key of {} bytes is refused", body.len());
        return;
    };
    let output = draws.bytes(MAX_OUTPUT).to_vec();
    let answer = output.first().copied();
    let (done, sent) = run(&key, is_encrypted, output);
    let request = [&(body.len() as u32 + 8).to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &body].concat();
    if is_encrypted {
        assert!(done.is_err(), "nobody shook hands, and the request counts as delivered");
        assert!(sent.starts_with(&SSL_REQUEST), "the first that is sent asks for TLS: {sent:?}");
        assert!(answer == Some(b'S') || sent == SSL_REQUEST, "TLS was refused, and it went on: {sent:?}");
        let secret = &key.secret;
        let is_telling = secret.iter().collect::<HashSet<_>>().len() >= TELLING;
        let is_told = sent.windows(secret.len()).any(|part| *part == **secret);
        assert!(!is_telling || !is_told, "the key went over the wire in the clear");
    } else {
        assert!(done.is_ok(), "the server took the request: {done:?}");
        assert_eq!(sent, request);
    }
}

/// Returns the outcome, and the bytes that were sent.
fn run(key: &BackendKey, is_encrypted: bool, output: Vec<u8>) -> (Result<(), crate::Error>, Vec<u8>) {
    // The server's end stays open: what a client sends to one that has closed fails.
    let held: Arc<Mutex<Option<UnixStream>>> = Arc::default();
    let keep = held.clone();
    let server = InProcess::new("any answer", move |mut server: UnixStream| {
        server.set_nonblocking(true)?;
        server.write_all(&output)?;
        server.shutdown(Shutdown::Write)?;
        *keep.lock() = Some(server);
        Ok(())
    });
    let tls = is_encrypted.then(|| TLS.clone());
    let handle = CancelHandle::new(Address::InProcess(server), "localhost".into(), tls, Some(key.clone()));
    let done = handle.cancel_within(LIMIT);
    let mut sent = Vec::new();
    if let Some(mut server) = held.lock().take() {
        // Ends with an error where the client has not closed its end.
        let _ = server.read_to_end(&mut sent);
    }
    (done, sent)
}
