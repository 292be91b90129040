//! Cancel requests ("Canceling Requests in Progress" in the protocol's documentation): a second connection to the same
//! address carries the session's key and nothing else.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::ssl::{HandshakeError, SslStream};
use socket2::{Domain, Socket, Type};

use super::checkouts::{Checkouts, Request};
use super::dial::SSL_REQUEST;
use super::dial::address::{Address, unix_address};
use super::protocol_state::BackendKey;
use super::tls::cache::Tls;
use crate::config::settings::SslNegotiation;
use crate::error::{Error, ErrorKind, Phase};
use crate::sys::socket::NO_SIGNAL;

/// The longest that [`CancelHandle::cancel`] may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Cancels the statement that runs on one connection, from any thread. Cheap to clone.
///
/// A handle belongs to one checkout. Once the connection has been returned it does nothing, so that it cannot hit the next
/// caller's statement. The pool waits for a request under way before it hands the returned connection out again.
///
/// ```no_run
/// let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
/// let mut conn = pool.get()?;
/// let cancel = conn.cancel_handle();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_millis(50));
///     cancel.cancel_within(std::time::Duration::from_secs(1)) // or cancel(), which allows 5 s
/// });
/// let error = conn.query("select pg_sleep(60)", &[]).unwrap_err();
/// assert_eq!(error.kind(), holdfast::ErrorKind::Canceled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CancelHandle {
    address: Address,
    host_name: String,
    /// Set when the session is encrypted: the request is then encrypted too.
    tls: Option<Arc<Tls>>,
    key: Option<BackendKey>,
    /// The checkout that the handle was made for.
    checkout: Option<(Checkouts, u64)>,
}

impl std::fmt::Debug for CancelHandle {
    /// Leaves the key out: anyone who has it can cancel.
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
        Self { address, host_name, tls, key, checkout: None }
    }

    /// Returns a handle for the present checkout only.
    pub(crate) fn for_present_checkout(&self, checkouts: &Checkouts) -> Self {
        Self { checkout: Some((checkouts.clone(), checkouts.present())), ..self.clone() }
    }

    /// Asks the server to cancel the statement that runs on the connection now. Blocks for at most 5 s, until the server has
    /// taken the request. That does not show whether there was a statement to cancel.
    ///
    /// # Errors
    /// When the request cannot be delivered: the server is unreachable, or it sent this session no key.
    pub fn cancel(&self) -> Result<(), Error> {
        self.cancel_within(CANCEL_TIMEOUT)
    }

    /// Asks the server to cancel the running statement, like [`cancel`](Self::cancel), but blocks for at most `limit`.
    ///
    /// # Errors
    /// As for [`cancel`](Self::cancel); [`ErrorKind::ConnectTimeout`] when the limit passes.
    pub fn cancel_within(&self, limit: Duration) -> Result<(), Error> {
        let mut request = match &self.checkout {
            Some((checkouts, number)) => match checkouts.begin_request(*number) {
                Some(request) => Some(request),
                None => return Ok(()),
            },
            None => None,
        };
        let key = self.key.as_ref().ok_or_else(|| {
            Error::misuse(
                "the server gave this session no cancellation key, so nothing on it can be cancelled",
            )
        })?;
        // A limit too long for an `Instant` is no limit.
        let deadline = Deadline(Instant::now().checked_add(limit));
        let delivered = self.deliver(key, deadline, &mut request);
        if let (Ok(()), Some(request)) = (&delivered, &mut request) {
            request.is_delivered();
        }
        delivered.map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Error::new(ErrorKind::ConnectTimeout, "the server did not take the cancel request in time")
                    .in_phase(Phase::Query)
                    .at_target(self.address.to_string())
            }
            _ => Error::from_connect_io(e, Phase::Query, "could not deliver the cancel request")
                .at_target(self.address.to_string()),
        })
    }

    fn deliver(&self, key: &BackendKey, deadline: Deadline, request: &mut Option<Request>) -> io::Result<()> {
        let socket = match &self.address {
            Address::Unix(path) => connect_unix(path, deadline)?,
            Address::InProcess(in_process) => OwnedFd::from(in_process.connect()?).into(),
            Address::Tcp(address) => {
                let stream = match deadline.left()? {
                    Some(left) => TcpStream::connect_timeout(address, left)?,
                    None => TcpStream::connect(address)?,
                };
                stream.set_nodelay(true)?;
                stream.into()
            }
        };
        let mut stream = Timed { socket, deadline };
        let Some(tls) = &self.tls else {
            return send_and_await_close(&mut stream, key, request);
        };
        let mut stream = self.encrypt(stream, tls)?;
        send_and_await_close(&mut stream, key, request)
    }

    fn encrypt(&self, mut stream: Timed, tls: &Tls) -> io::Result<SslStream<Timed>> {
        if tls.settings.negotiation == SslNegotiation::Postgres {
            stream.write_all(&SSL_REQUEST)?;
            let mut answer = [0];
            stream.read_exact(&mut answer)?;
            if answer != *b"S" {
                return Err(io::Error::other("the server no longer accepts TLS"));
            }
        }
        let context = tls.context().map_err(io::Error::other)?;
        let ssl = context.prepare(&self.host_name).map_err(io::Error::other)?;
        let stream = ssl.connect(stream).map_err(handshake_failed)?;
        context.check_protocol(stream.ssl()).map_err(io::Error::other)?;
        Ok(stream)
    }
}

/// The latest moment for delivering the request; `None` is no limit.
#[derive(Debug, Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn left(self) -> io::Result<Option<Duration>> {
        let Some(end) = self.0 else { return Ok(None) };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// A stream with one deadline over all its reads and writes: the socket's own timeout would start anew with each byte.
/// An interruption by a signal is no failure.
#[derive(Debug)]
struct Timed {
    socket: Socket,
    deadline: Deadline,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| {
            self.socket.set_read_timeout(self.deadline.left()?)?;
            self.socket.read(buffer)
        })
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| {
            self.socket.set_write_timeout(self.deadline.left()?)?;
            Ok(rustix::net::send(&self.socket, bytes, NO_SIGNAL)?)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Repeats a system call for as long as signals interrupt it.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Converts a failed handshake, and keeps the error kind where the socket failed.
fn handshake_failed(error: HandshakeError<Timed>) -> io::Error {
    let kind = match &error {
        HandshakeError::WouldBlock(_) => io::ErrorKind::TimedOut,
        HandshakeError::Failure(handshake) => {
            handshake.error().io_error().map_or(io::ErrorKind::Other, io::Error::kind)
        }
        HandshakeError::SetupFailure(_) => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}

fn connect_unix(path: &std::path::Path, deadline: Deadline) -> io::Result<Socket> {
    let address = unix_address(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    uninterrupted(|| {
        // On Linux this also bounds the wait for a listener whose backlog is full, as that of a stopped server may be.
        socket.set_write_timeout(deadline.left()?)?;
        socket.connect(&address)
    })?;
    Ok(socket)
}

/// Sends the request and waits for the server to close the connection, which it does once it has signalled the backend.
/// The wait keeps a late cancellation from hitting the next statement.
fn send_and_await_close(
    stream: &mut (impl Read + Write),
    key: &BackendKey,
    request: &mut Option<Request>,
) -> io::Result<()> {
    if let Some(request) = request {
        request.is_sent();
    }
    stream.write_all(&cancel_request(key))?;
    stream.flush()?;
    match stream.read(&mut [0]) {
        Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => Ok(()),
        other => other.map(drop),
    }
}

/// `CancelRequest`: length, code 1234.5678, process id, secret key.
fn cancel_request(key: &BackendKey) -> Vec<u8> {
    let length = 12 + key.secret.len();
    let mut request = Vec::with_capacity(length);
    // A key is 256 bytes at most.
    request.extend_from_slice(&(length as u32).to_be_bytes());
    request.extend_from_slice(&80_877_102u32.to_be_bytes());
    request.extend_from_slice(&key.process_id.to_be_bytes());
    request.extend_from_slice(&key.secret);
    request
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::config::PoolConfig;

    const LIMIT: Duration = Duration::from_millis(200);

    fn handle(address: Address, tls: Option<Arc<Tls>>) -> CancelHandle {
        CancelHandle::new(address, "localhost".into(), tls, BackendKey::parse(&[0, 0, 0, 1, 0, 0, 0, 2]))
    }

    fn assert_gives_up_in_time(handle: &CancelHandle) {
        let start = Instant::now();
        let error = handle.cancel_within(LIMIT).expect_err("nobody takes the request");
        assert!(start.elapsed() < 2 * LIMIT, "took {:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::ConnectTimeout, "{error}");
    }

    #[test]
    fn a_server_that_drips_does_not_hold_the_caller_past_its_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (_, server) = PoolConfig::from_url("postgresql://app@localhost/orders?sslmode=require")
            .and_then(|config| config.settings())
            .expect("valid settings");
        thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("the cancel request comes");
            client.read_exact(&mut [0; 8]).expect("it asks for TLS");
            // The byte that accepts TLS, and the head of a long record that is never finished.
            let _ = client.write_all(b"S\x16\x03\x03\x40\x00");
            for _ in 0..40 {
                let _ = client.write_all(&[2]);
                thread::sleep(LIMIT / 4);
            }
        });
        assert_gives_up_in_time(&handle(Address::Tcp(address), Some(Arc::new(Tls::new(server.tls)))));
    }

    #[test]
    fn a_request_carries_the_whole_key() {
        let key = BackendKey::parse(&[&[0, 0, 0, 9][..], &[5; 200]].concat()).expect("a key of protocol 3.2");
        let request = cancel_request(&key);
        assert_eq!(request.len(), 212);
        assert_eq!(request[..12], [0, 0, 0, 212, 4, 210, 22, 46, 0, 0, 0, 9]);
        assert!(request[12..].iter().all(|byte| *byte == 5));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_backlog_of_a_unix_socket_does_not_hold_the_caller_past_its_limit() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("holdfast-cancel-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let listener = UnixListener::bind_addr(&address).expect("a free name");
        socket2::SockRef::from(&listener).listen(0).expect("a short backlog");
        let path = std::path::PathBuf::from(format!("@{name}"));
        // The first is taken into the backlog, and waits there.
        let first = connect_unix(&path, Deadline(Some(Instant::now() + LIMIT))).expect("room for one");
        assert_gives_up_in_time(&handle(Address::Unix(path), None));
        drop(first);
    }
}
