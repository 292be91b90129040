//! Dials an address: connect, socket options, TLS. The result is a link ready for the start-up packet.
//!
//! All of it runs on the calling thread, under one deadline, and costs one descriptor.

pub(crate) mod abort;
pub(crate) mod address;
pub(crate) mod in_process;
pub(crate) mod race;
pub(crate) mod resolve;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::ssl::{ErrorCode, SslStream};
use openssl::x509::X509VerifyResult;
use rustix::event::PollFlags;
use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};

use super::Link;
use super::framed::{Framed, Transport};
use super::socket::{Reading, Socket, SocketIo};
use super::tls::cache::Tls;
use crate::config::settings::{KeepaliveSettings, SslNegotiation};
use crate::error::{Error, ErrorKind, LinkFault, Phase, PhaseTimings, find_source, is_readable};
use abort::Abort;
use address::{Address, unix_address};

/// The interval at which a connecting thread that nothing can wake checks for an abort.
pub(super) const ABORT_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The encryption demanded of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    Never,
    /// Encrypted if the server supports it, otherwise plain on the same connection.
    IfOffered,
    Always,
}

/// One connection to make.
pub(crate) struct Dial {
    pub(crate) address: Address,
    /// The socket of a connection to the address that was made before, and the time that took.
    pub(crate) connected: Option<(OwnedFd, Duration)>,
    /// The name that the certificate is checked against and that SNI sends.
    pub(crate) host_name: String,
    pub(crate) encryption: Encryption,
    pub(crate) tls: Arc<Tls>,
    pub(crate) keepalive: KeepaliveSettings,
    pub(crate) deadline: Instant,
    pub(crate) abort: Arc<Abort>,
}

/// The result of a successful dial.
pub(crate) struct Dialled {
    pub(crate) link: Link,
    pub(crate) encrypted: bool,
    pub(crate) connecting: Duration,
    pub(crate) encrypting: Duration,
}

impl Dialled {
    /// Adds these timings to an error that occurs before a session is established.
    pub(crate) fn note(&self, timings: &mut PhaseTimings) {
        timings.connect = Some(self.connecting);
        timings.tls = self.encrypted.then_some(self.encrypting);
    }
}

/// `SSLRequest`: its length and the code 1234.5679 ("Message Formats").
pub(in crate::link) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl Dial {
    /// Makes the connection. Blocks up to the deadline.
    ///
    /// # Errors
    /// Those of connecting and of TLS; [`ErrorKind::PoolClosed`] when the dial was aborted.
    pub(crate) fn run(mut self) -> Result<Dialled, Error> {
        let began = Instant::now();
        let (socket, connecting) = match self.connected.take() {
            Some((socket, took)) => (self.finish_tcp(self.watched(socket))?, took),
            None => (self.connect()?, began.elapsed()),
        };
        let connected_at = Instant::now();
        let io = SocketIo::new(socket.clone());
        let transport = match &self.encryption {
            Encryption::Never => Transport::Plain(io),
            _ => self
                .encrypt(&socket, io)
                .map_err(|error| self.explain(error, &socket, Phase::Tls))
                .map_err(|error| error.with_timings(|timings| timings.connect = Some(connecting)))?,
        };
        let encrypted = matches!(transport, Transport::Tls(_));
        let encrypting = connected_at.elapsed();
        Ok(Dialled { link: Link::new(socket, Framed::new(transport)), encrypted, connecting, encrypting })
    }

    /// Replaces a failure by its cause, where the deadline passed or the opening was aborted.
    fn explain(&self, error: Error, socket: &Socket, phase: Phase) -> Error {
        match socket.fault() {
            Some(LinkFault::DeadlinePassed) => timed_out(phase).with_source(error),
            Some(LinkFault::Interrupted) => given_up(phase),
            _ => error,
        }
    }

    fn connect(&self) -> Result<Arc<Socket>, Error> {
        let doing = |e| Error::from_connect_io(e, Phase::Connect, "");
        match &self.address {
            Address::Tcp(address) => self.connect_tcp(address),
            Address::Unix(path) => self.connect_unix(path),
            Address::InProcess(in_process) => {
                let stream = in_process.connect().map_err(doing)?;
                Ok(self.watched(stream.into()))
            }
        }
    }

    /// Puts the deadline in force, and lets an abort cut the socket.
    fn watched(&self, descriptor: OwnedFd) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(descriptor));
        socket.deadlines().set_fixed(Some(self.deadline));
        self.abort.watch(&socket);
        socket
    }

    fn connect_tcp(&self, address: &SocketAddr) -> Result<Arc<Socket>, Error> {
        let doing = |e| Error::from_connect_io(e, Phase::Connect, "");
        let opened = socket2::Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))
            .map_err(no_socket)?;
        opened.set_nonblocking(true).map_err(doing)?;
        let socket = self.watched(opened.into());
        match SockRef::from(&*socket).connect(&SockAddr::from(*address)) {
            Ok(()) => {}
            Err(e) if is_under_way(&e) => self.await_connected(&socket)?,
            Err(e) => return Err(self.explain(doing(e), &socket, Phase::Connect)),
        }
        self.finish_tcp(socket)
    }

    /// Sets the options of a connection, and makes its socket one that blocks.
    fn finish_tcp(&self, socket: Arc<Socket>) -> Result<Arc<Socket>, Error> {
        let doing = |e| Error::from_connect_io(e, Phase::Connect, "");
        self.set_tcp_options(&socket)
            .and_then(|()| SockRef::from(&*socket).set_nonblocking(false))
            .map_err(|e| self.explain(doing(e), &socket, Phase::Connect))?;
        Ok(socket)
    }

    fn await_connected(&self, socket: &Socket) -> Result<(), Error> {
        let doing = |e| Error::from_connect_io(e, Phase::Connect, "");
        loop {
            let left = self.time_left()?;
            // On Linux a shutdown of the connecting socket wakes the poll; elsewhere the thread checks for itself.
            let ready =
                socket.poll_for(PollFlags::OUT, Some(left.min(ABORT_CHECK_INTERVAL))).map_err(doing)?;
            if self.abort.is_requested() {
                return Err(given_up(Phase::Connect));
            }
            if !ready.is_empty() {
                let failed = SockRef::from(socket).take_error().map_err(doing)?;
                return failed.map_or(Ok(()), |e| Err(doing(e)));
            }
        }
    }

    /// Connects to a local socket. That is immediate unless the listener's backlog is full: then only the send timeout, which
    /// on Linux bounds this wait too, wakes the thread.
    fn connect_unix(&self, path: &Path) -> Result<Arc<Socket>, Error> {
        let doing = |e| Error::from_connect_io(e, Phase::Connect, "");
        let address = unix_address(path).map_err(|e| {
            let message = format!(
                "the path of the socket is longer than the {LONGEST_PATH} bytes that the system allows: \"{}\"",
                path.display()
            );
            Error::config(message).in_phase(Phase::Connect).with_source(e)
        })?;
        let opened = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).map_err(no_socket)?;
        let socket = self.watched(opened.into());
        let local = SockRef::from(&*socket);
        loop {
            let left = self.time_left()?;
            local.set_write_timeout(Some(left.min(ABORT_CHECK_INTERVAL))).map_err(doing)?;
            let connected = local.connect(&address);
            if self.abort.is_requested() {
                return Err(given_up(Phase::Connect));
            }
            match connected {
                Ok(()) => break,
                Err(e) if is_full(&e) => {}
                Err(e) => return Err(doing(e)),
            }
        }
        local.set_write_timeout(None).map_err(doing)?;
        Ok(socket)
    }

    fn time_left(&self) -> Result<Duration, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timed_out(Phase::Connect)) } else { Ok(left) }
    }

    fn set_tcp_options(&self, socket: &Socket) -> io::Result<()> {
        let socket = SockRef::from(socket);
        socket.set_tcp_nodelay(true)?;
        if self.keepalive.enabled {
            socket.set_tcp_keepalive(&keepalive_of(&self.keepalive))?;
        }
        #[cfg(target_os = "linux")]
        if !self.keepalive.tcp_user_timeout.is_zero() {
            socket.set_tcp_user_timeout(Some(self.keepalive.tcp_user_timeout))?;
        }
        Ok(())
    }

    fn encrypt(&self, socket: &Socket, io: SocketIo) -> Result<Transport, Error> {
        socket.read_by(Reading::Waiting);
        let io = match self.tls.settings.negotiation {
            SslNegotiation::Direct => io,
            SslNegotiation::Postgres => match ask_for_tls(socket, io)? {
                (io, true) => io,
                (io, false) if self.encryption == Encryption::IfOffered => return Ok(Transport::Plain(io)),
                (_, false) => {
                    let message = "the server does not support TLS, but sslmode demands it";
                    return Err(Error::new(ErrorKind::Tls, message).in_phase(Phase::Tls));
                }
            },
        };
        // Made only now: most servers on a private network never need it.
        let context = self.tls.context()?;
        let ssl = context.prepare(&self.host_name)?;
        let mut stream = SslStream::new(ssl, io).map_err(|e| {
            Error::new(ErrorKind::Tls, format!("could not set up TLS: {e}"))
                .in_phase(Phase::Tls)
                .with_source(e)
        })?;
        loop {
            match stream.connect() {
                Ok(()) => break,
                Err(e) if e.code() == ErrorCode::WANT_WRITE => socket
                    .wait_for_room()
                    .map_err(|e| Error::from_connect_io(e, Phase::Tls, "the TLS handshake broke off"))?,
                Err(e) => {
                    return Err(handshake_error(e, &self.host_name, stream.ssl().verify_result()));
                }
            }
        }
        context.check_protocol(stream.ssl())?;
        Ok(Transport::Tls(Box::new(stream)))
    }
}

/// The greatest length of a local socket's path in bytes (`sun_path`, less the NUL behind it).
#[cfg(target_os = "linux")]
const LONGEST_PATH: usize = 107;
#[cfg(not(target_os = "linux"))]
const LONGEST_PATH: usize = 103;

/// The error when no socket could be made: out of descriptors, or an address family that this process may not use. The
/// server was not contacted.
pub(super) fn no_socket(e: io::Error) -> Error {
    let message = format!("could not open a socket: {e}");
    Error::from_local_io(e, ErrorKind::Unreachable, message).in_phase(Phase::Connect)
}

pub(super) fn timed_out(phase: Phase) -> Error {
    let message = match phase {
        Phase::Tls => "the server accepted the connection, but TLS was not established in time",
        _ => "no answer to the connection request in time",
    };
    Error::new(ErrorKind::ConnectTimeout, message).in_phase(phase)
}

pub(super) fn given_up(phase: Phase) -> Error {
    let message = "the opening was given up because the pool was closed";
    Error::new(ErrorKind::PoolClosed, message).in_phase(phase)
}

/// Returns whether the connection is still being established; an interruption by a signal does not stop that.
pub(super) fn is_under_way(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::INPROGRESS, Errno::INTR].map(|known| Some(known.raw_os_error())).contains(&error.raw_os_error())
}

/// Returns whether to try again: the listener's backlog is full, or a signal came meanwhile.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::TimedOut)
}

/// Sends `SSLRequest` and reads the one-byte answer. Returns whether the server accepts TLS.
fn ask_for_tls(socket: &Socket, mut io: SocketIo) -> Result<(SocketIo, bool), Error> {
    let failed = |e| Error::from_connect_io(e, Phase::Tls, "could not ask for TLS");
    let mut request = &SSL_REQUEST[..];
    while !request.is_empty() {
        match io.write(request) {
            Ok(n) => request = &request[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => socket.wait_for_room().map_err(failed)?,
            Err(e) => return Err(failed(e)),
        }
    }
    let mut answer = [0];
    io.read_exact(&mut answer).map_err(failed)?;
    match (answer[0], io.held()) {
        (b'S', []) => Ok((io, true)),
        (b'N', []) => Ok((io, false)),
        // An error sent before authentication must be neither relied on nor shown (CVE-2024-10977). Every error of a server
        // has a NUL, so that it is not readable as a whole.
        (b'E', rest) if !is_readable(rest) => {
            let message = "the server answered the TLS request with an error";
            Err(Error::new(ErrorKind::ConnectionLost, message).in_phase(Phase::Tls).set_retryable(true))
        }
        // Bytes behind the answer came in the clear and would be taken for encrypted ones (CVE-2021-23222).
        (b'S' | b'N', rest) if !is_readable(rest) => {
            let message = "received unencrypted data after the answer to the TLS request: someone may be tampering with the connection";
            Err(Error::new(ErrorKind::Tls, message).in_phase(Phase::Tls))
        }
        (first, rest) => Err(Error::answered_tls_request(first, rest)),
    }
}

/// Converts the keepalive settings. Zero leaves a value to the system, as in libpq.
fn keepalive_of(settings: &KeepaliveSettings) -> TcpKeepalive {
    let mut keepalive = TcpKeepalive::new();
    if !settings.idle.is_zero() {
        keepalive = keepalive.with_time(settings.idle);
    }
    if !settings.interval.is_zero() {
        keepalive = keepalive.with_interval(settings.interval);
    }
    if settings.retries > 0 {
        keepalive = keepalive.with_retries(settings.retries);
    }
    keepalive
}

fn handshake_error(error: openssl::ssl::Error, host: &str, verified: X509VerifyResult) -> Error {
    if let Some(io) = find_source::<io::Error>(&error) {
        let cause = io::Error::new(io.kind(), io.to_string());
        return Error::from_connect_io(cause, Phase::Tls, "the TLS handshake broke off").with_source(error);
    }
    let why = if verified == X509VerifyResult::OK { String::new() } else { format!(": {verified}") };
    Error::new(ErrorKind::Tls, format!("TLS handshake with \"{host}\" failed: {error}{why}"))
        .in_phase(Phase::Tls)
        .with_source(error)
}
