//! Asking the server to cancel what a session is doing ("Canceling Requests in Progress" in the protocol's
//! documentation): a second connection to the same address that carries the session's key and nothing else.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::ssl::SslStream;

use super::dial::{Address, SSL_REQUEST};
use super::tap::BackendKey;
use super::tls_cache::Tls;
use crate::config::settings::SslNegotiation;
use crate::error::{Error, ErrorKind, Phase};

/// How long [`CancelHandle::cancel`] may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// More than this is as good as for ever, and adding it to a moment overflows on no system.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Cancels what one connection is doing, from any thread. Cheap to clone; outlives the connection harmlessly.
///
#[cfg_attr(feature = "embedded", doc = "```")]
#[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = holdfast::embedded::EmbeddedPostgres::start()?;
/// # let url = server.url();
/// let pool = holdfast::Pool::from_url(&url)?;
/// let mut conn = pool.get()?;
/// let cancel = conn.cancel_handle();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_millis(50));
///     cancel.cancel()
/// });
/// let error = conn.query_cached("select pg_sleep(60)", &[]).unwrap_err();
/// assert_eq!(error.kind(), holdfast::ErrorKind::Canceled);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CancelHandle {
    address: Address,
    host_name: String,
    /// Set when the session itself is encrypted: the request is then sent encrypted too.
    tls: Option<Arc<Tls>>,
    key: Option<BackendKey>,
}

impl std::fmt::Debug for CancelHandle {
    /// The key is a secret: whoever knows it can cancel.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle").field("address", &self.address).finish_non_exhaustive()
    }
}

impl CancelHandle {
    pub(crate) fn new(
        address: Address,
        host_name: String,
        tls: Option<Arc<Tls>>,
        key: Option<BackendKey>,
    ) -> Self {
        Self { address, host_name, tls, key }
    }

    /// Asks the server to cancel the statement that runs on the connection now. Returns when the server has taken the
    /// request, which does not tell whether there was anything to cancel. Blocks for at most 5 s.
    ///
    /// # Errors
    /// When the request cannot be delivered: the server is unreachable, or it gave this session no key.
    pub fn cancel(&self) -> Result<(), Error> {
        self.cancel_within(PATIENCE)
    }

    /// Like [`cancel`](Self::cancel), with a limit of one's own.
    ///
    /// # Errors
    /// As for [`cancel`](Self::cancel); [`ErrorKind::ConnectTimeout`] when the limit passes.
    pub fn cancel_within(&self, limit: Duration) -> Result<(), Error> {
        let key = self.key.ok_or_else(|| {
            Error::misuse(
                "the server gave this session no cancellation key, so nothing on it can be cancelled",
            )
        })?;
        self.deliver(key, Instant::now() + limit.min(LONGEST)).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Error::new(ErrorKind::ConnectTimeout, "the server did not take the cancel request in time")
                    .in_phase(Phase::Query)
                    .at_target(self.address.to_string())
            }
            _ => Error::from_connect_io(e, Phase::Query, "could not deliver the cancel request")
                .at_target(self.address.to_string()),
        })
    }

    fn deliver(&self, key: BackendKey, deadline: Instant) -> io::Result<()> {
        let request = cancel_request(key);
        match &self.address {
            Address::Unix(path) => {
                let mut stream = unix_connect(path)?;
                stream.set_read_timeout(Some(left(deadline)?))?;
                stream.set_write_timeout(Some(left(deadline)?))?;
                send_and_await_close(&mut stream, &request)?;
                stream.shutdown(Shutdown::Both).or(Ok(()))
            }
            Address::Tcp(address) => {
                let mut stream = TcpStream::connect_timeout(address, left(deadline)?)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(left(deadline)?))?;
                stream.set_write_timeout(Some(left(deadline)?))?;
                match &self.tls {
                    None => send_and_await_close(&mut stream, &request),
                    Some(tls) => send_and_await_close(&mut self.encrypt(stream, tls)?, &request),
                }
            }
        }
    }

    fn encrypt(&self, mut stream: TcpStream, tls: &Tls) -> io::Result<SslStream<TcpStream>> {
        if tls.settings.negotiation == SslNegotiation::Postgres {
            stream.write_all(&SSL_REQUEST)?;
            let mut answer = [0];
            stream.read_exact(&mut answer)?;
            if answer != *b"S" {
                return Err(io::Error::other("the server no longer speaks TLS"));
            }
        }
        let configuration =
            tls.context().and_then(|t| t.configure(&self.host_name)).map_err(io::Error::other)?;
        configuration.connect(&self.host_name, stream).map_err(|e| io::Error::other(e.to_string()))
    }
}

fn unix_connect(path: &std::path::Path) -> io::Result<UnixStream> {
    #[cfg(target_os = "linux")]
    if let Some(name) = path.to_str().and_then(|p| p.strip_prefix('@')) {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return UnixStream::connect_addr(&address);
    }
    UnixStream::connect(path)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The server closes the connection once it has sent the signal; waiting for that keeps a late cancellation from
/// hitting the next statement.
fn send_and_await_close(stream: &mut (impl Read + Write), request: &[u8]) -> io::Result<()> {
    stream.write_all(request)?;
    stream.flush()?;
    match stream.read(&mut [0]) {
        Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => Ok(()),
        other => other.map(drop),
    }
}

/// `CancelRequest`: length 16, code 1234.5678, process id, secret key.
fn cancel_request(key: BackendKey) -> [u8; 16] {
    let mut request = [0; 16];
    request[..4].copy_from_slice(&16u32.to_be_bytes());
    request[4..8].copy_from_slice(&80_877_102u32.to_be_bytes());
    request[8..12].copy_from_slice(&key.process_id.to_be_bytes());
    request[12..].copy_from_slice(&key.secret.to_be_bytes());
    request
}
