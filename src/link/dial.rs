//! From an address to a line that is ready for the start-up packet: connect, socket options, TLS.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::tls::TlsConnect;
use postgres_openssl::TlsConnector;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout_at;

use super::Link;
use super::abort::Abort;
use super::inside::Inside;
use super::line::{Line, Transport};
use super::socket::{Socket, SocketIo};
use super::tls_cache::Tls;
use crate::config::settings::{KeepaliveSettings, SslNegotiation};
use crate::error::{Error, ErrorKind, Passed, Phase, find_source};

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// The socket's own path; a leading `@` means Linux' abstract name space.
    Unix(PathBuf),
    /// Within this process.
    Inside(Inside),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Inside(inside) => f.write_str(inside.name()),
        }
    }
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    Never,
    /// Encrypted if the server can, plain on the same connection if it says that it cannot.
    IfOffered,
    Always,
}

/// One connection to make.
pub(crate) struct Dial {
    pub(crate) address: Address,
    /// The name the certificate is checked against and that SNI sends.
    pub(crate) host_name: String,
    pub(crate) encryption: Encryption,
    pub(crate) tls: Arc<Tls>,
    pub(crate) keepalive: KeepaliveSettings,
    pub(crate) deadline: Instant,
    pub(crate) abort: Arc<Abort>,
}

/// What a successful dial yields.
pub(crate) struct Dialled {
    pub(crate) link: Link,
    pub(crate) encrypted: bool,
    pub(crate) connecting: Duration,
    pub(crate) encrypting: Duration,
}

impl Dialled {
    /// For what fails on it before a session comes about.
    pub(super) fn note(&self, passed: &mut Passed) {
        passed.connect = Some(self.connecting);
        passed.tls = self.encrypted.then_some(self.encrypting);
    }
}

/// `SSLRequest`: its length and the code 1234.5679 ("Message Formats").
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl Dial {
    pub(crate) async fn run(&self) -> Result<Dialled, Error> {
        let began = Instant::now();
        let socket = Arc::new(self.connect().await?);
        let connecting = began.elapsed();
        socket.deadlines().set_fixed(Some(self.deadline));
        self.abort.watch(&socket);
        let io = SocketIo::new(socket.clone());
        let transport = match &self.encryption {
            Encryption::Never => Transport::Plain(io),
            _ => self
                .in_time(Phase::Tls, self.encrypt(io))
                .await
                .and_then(|done| done)
                .map_err(|error| error.having_passed(|passed| passed.connect = Some(connecting)))?,
        };
        let encrypted = matches!(transport, Transport::Tls(_));
        let encrypting = began.elapsed() - connecting;
        Ok(Dialled { link: Link::new(socket, Line::new(transport)), encrypted, connecting, encrypting })
    }

    async fn connect(&self) -> Result<Socket, Error> {
        let doing = |e| Error::from_connect_io(e, Phase::Connect, "");
        match &self.address {
            Address::Tcp(address) => {
                let stream =
                    self.in_time(Phase::Connect, TcpStream::connect(address)).await?.map_err(doing)?;
                self.set_tcp_options(&stream).map_err(doing)?;
                Socket::tcp(stream).map_err(doing)
            }
            Address::Unix(path) => {
                let path = abstract_or_plain(path);
                let stream = self.in_time(Phase::Connect, UnixStream::connect(path)).await?.map_err(doing)?;
                Socket::unix(stream).map_err(doing)
            }
            Address::Inside(inside) => {
                let stream = inside.connect().and_then(|stream| {
                    stream.set_nonblocking(true)?;
                    UnixStream::from_std(stream)
                });
                stream.and_then(Socket::unix).map_err(doing)
            }
        }
    }

    async fn in_time<T>(&self, phase: Phase, work: impl Future<Output = T>) -> Result<T, Error> {
        match timeout_at(self.deadline.into(), self.abort.or_done(work)).await {
            Ok(Some(done)) => Ok(done),
            Ok(None) => {
                let message = "the opening was given up because the pool was closed";
                Err(Error::new(ErrorKind::PoolClosed, message).in_phase(phase))
            }
            Err(_) => {
                let message = match phase {
                    Phase::Tls => "the server accepted the connection, but TLS was not established in time",
                    _ => "no answer to the connection request in time",
                };
                Err(Error::new(ErrorKind::ConnectTimeout, message).in_phase(phase))
            }
        }
    }

    fn set_tcp_options(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if self.keepalive.enabled {
            socket.set_tcp_keepalive(&keepalive_of(&self.keepalive))?;
        }
        #[cfg(target_os = "linux")]
        if !self.keepalive.tcp_user_timeout.is_zero() {
            socket.set_tcp_user_timeout(Some(self.keepalive.tcp_user_timeout))?;
        }
        Ok(())
    }

    async fn encrypt(&self, io: SocketIo) -> Result<Transport, Error> {
        let io = match self.tls.settings.negotiation {
            SslNegotiation::Direct => io,
            SslNegotiation::Postgres => match self.ask_for_tls(io).await? {
                (io, true) => io,
                (io, false) if self.encryption == Encryption::IfOffered => return Ok(Transport::Plain(io)),
                (_, false) => {
                    let message = "the server does not support TLS, but sslmode demands it";
                    return Err(Error::new(ErrorKind::Tls, message).in_phase(Phase::Tls));
                }
            },
        };
        // Needed only now: most servers of a private network never ask for it.
        let context = self.tls.context()?;
        let connector = TlsConnector::new(context.configure(&self.host_name)?, &self.host_name);
        let stream = TlsConnect::<SocketIo>::connect(connector, io)
            .await
            .map_err(|e| handshake_error(e, &self.host_name))?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// Sends `SSLRequest` and reads the one byte of the answer: whether the server will speak TLS.
    async fn ask_for_tls(&self, mut io: SocketIo) -> Result<(SocketIo, bool), Error> {
        let failed = |e| Error::from_connect_io(e, Phase::Tls, "could not ask for TLS");
        io.write_all(&SSL_REQUEST).await.map_err(failed)?;
        let mut answer = [0];
        io.read_exact(&mut answer).await.map_err(failed)?;
        // Bytes behind the answer came in the clear and would be taken for encrypted ones (CVE-2021-23222).
        if io.holds_bytes() && answer != *b"E" {
            let message = "received unencrypted data after the answer to the TLS request: someone may be tampering with the connection";
            return Err(Error::new(ErrorKind::Tls, message).in_phase(Phase::Tls));
        }
        match answer[0] {
            b'S' => Ok((io, true)),
            b'N' => Ok((io, false)),
            // An error sent before authentication cannot be trusted, nor shown (CVE-2024-10977).
            b'E' => Err(Error::new(ErrorKind::ConnectionLost, "the server answered the TLS request with an error")
                .in_phase(Phase::Tls)
                .set_retryable(true)),
            other => Err(Error::new(
                ErrorKind::Tls,
                format!("the server answered the TLS request with the byte {other:#04x}: is this a PostgreSQL server?"),
            )
            .in_phase(Phase::Tls)),
        }
    }
}

/// Zero leaves a value to the system, as in libpq.
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

fn abstract_or_plain(path: &std::path::Path) -> PathBuf {
    match path.to_str().and_then(|p| p.strip_prefix('@')) {
        Some(name) => PathBuf::from(format!("\0{name}")),
        None => path.to_path_buf(),
    }
}

fn handshake_error(error: Box<dyn std::error::Error + Send + Sync>, host: &str) -> Error {
    if let Some(io) = find_source::<io::Error>(&*error) {
        let io = io::Error::new(io.kind(), io.to_string());
        return Error::from_connect_io(io, Phase::Tls, "the TLS handshake broke off");
    }
    Error::new(ErrorKind::Tls, format!("TLS handshake with \"{host}\" failed: {error}"))
        .in_phase(Phase::Tls)
        .with_source(error)
}
