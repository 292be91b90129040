//! Slips our own transport under the `postgres` crate.
//!
//! The crate hands its TLS hook a socket that it has connected itself, and it can connect only to addresses. So it is
//! given the address of a loopback listener, the doorstep, bound for this one connection; the hook drops the socket it
//! is handed, closes the listener and dials the real server. `SslMode::Require` with direct negotiation makes the crate
//! call the hook at once and say nothing itself before the start-up packet.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Client, Socket};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use super::Link;
use super::dial::{Dial, Dialled};
use super::stream::LinkStream;
use super::tls::alert_of;
use crate::error::LinkFault;
use crate::error::{Error, ErrorKind, Phase, find_source, server_message};

/// Opens a client over a connection of our own making.
///
/// `startup` holds what the start-up packet and authentication need; its hosts are set here.
pub(super) fn open_client(dial: Dial, mut startup: postgres::Config) -> Result<(Client, Dialled), Error> {
    let (listener, address) = bind_doorstep()?;
    let hook =
        Doorstep(Arc::new(Visit { dial, listener: Mutex::new(Some(listener)), outcome: Mutex::new(None) }));
    startup
        .host("doorstep")
        .hostaddr(address.ip())
        .port(address.port())
        .ssl_mode(postgres::config::SslMode::Require)
        .ssl_negotiation(postgres::config::SslNegotiation::Direct);
    let opened = PostgresConnectionManager::new(startup, hook.clone()).connect();
    let outcome = hook.0.outcome.lock().take();
    match (opened, outcome) {
        (Ok(client), Some(Ok(dialled))) => Ok((client, dialled)),
        (Err(_), Some(Err(error))) => Err(error),
        (Err(error), Some(Ok(dialled))) => {
            Err(startup_error(error, &dialled.link).having_passed(|passed| dialled.note(passed)))
        }
        (Err(error), None) => Err(doorstep_error(&error.to_string()).with_source(error)),
        (Ok(_), _) => Err(doorstep_error("the client opened a connection by another way")),
    }
}

fn bind_doorstep() -> Result<(TcpListener, SocketAddr), Error> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    TcpListener::bind(v4)
        .or_else(|_| TcpListener::bind(v6))
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|e| doorstep_error(&e.to_string()).with_source(e))
}

fn doorstep_error(cause: &str) -> Error {
    let message =
        format!("could not listen on the loopback interface, which every connection starts from: {cause}");
    Error::new(ErrorKind::Unreachable, message).in_phase(Phase::Connect)
}

/// What went wrong between the start-up packet and the first `ReadyForQuery`.
fn startup_error(error: postgres::Error, link: &Link) -> Error {
    if let Some(db) = error.as_db_error() {
        return Error::from_server(server_message(db), Phase::Auth).with_source(error);
    }
    if link.fault() == Some(LinkFault::DeadlinePassed) {
        return Error::new(ErrorKind::ConnectTimeout, "the server did not finish authentication in time")
            .in_phase(Phase::Auth)
            .with_source(error);
    }
    // Of TLS 1.3 a client takes the handshake to be over before the server has looked at its certificate.
    if let Some(alert) = alert_of(&error) {
        return Error::new(ErrorKind::Tls, format!("the server refused TLS after the handshake: {alert}"))
            .in_phase(Phase::Tls)
            .with_source(error);
    }
    if let Some(io) = find_source::<io::Error>(&error) {
        let cause = io::Error::new(io.kind(), io.to_string());
        return Error::from_connect_io(cause, Phase::Auth, "the connection broke during authentication")
            .with_source(error);
    }
    let cause = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
    let kind = if error.is_closed() { ErrorKind::ConnectionLost } else { ErrorKind::Auth };
    Error::new(kind, format!("{error}{cause}"))
        .in_phase(Phase::Auth)
        .set_retryable(kind == ErrorKind::ConnectionLost)
        .with_source(error)
}

/// One opening of a connection.
struct Visit {
    dial: Dial,
    listener: Mutex<Option<TcpListener>>,
    outcome: Mutex<Option<Result<Dialled, Error>>>,
}

#[derive(Clone)]
struct Doorstep(Arc<Visit>);

/// The reason is in [`Visit::outcome`], typed.
#[derive(Debug)]
struct DialFailed;

impl std::fmt::Display for DialFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("could not reach the server")
    }
}

impl std::error::Error for DialFailed {}

impl MakeTlsConnect<Socket> for Doorstep {
    type Stream = LinkStream;
    type TlsConnect = Doorstep;
    type Error = DialFailed;

    fn make_tls_connect(&mut self, _: &str) -> Result<Doorstep, DialFailed> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Doorstep {
    type Stream = LinkStream;
    type Error = DialFailed;
    type Future = Pin<Box<dyn Future<Output = Result<LinkStream, DialFailed>> + Send>>;

    fn connect(self, handed: Socket) -> Self::Future {
        Box::pin(async move {
            drop(handed);
            drop(self.0.listener.lock().take());
            let outcome = self.0.dial.run().await;
            let stream = match &outcome {
                Ok(dialled) => Ok(LinkStream::new(dialled.link.clone())),
                Err(_) => Err(DialFailed),
            };
            *self.0.outcome.lock() = Some(outcome);
            stream
        })
    }
}
