//! A guest driver on an open session: a `postgres::Client` over this library's link, in place of a connection of its own.
//!
//! The crate hands its TLS hook a socket that it has connected itself, and it can connect only to addresses. So a loopback
//! listener is bound for that moment; the hook drops the socket it is handed and returns a stream over the link. The
//! stream answers the client's start-up packet with what the server sent at the session's start, and passes bytes from then
//! on. `SslMode::Require` with direct negotiation makes the crate call the hook at once.

mod farewell;
mod stream;

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use crate::sys::sync::Mutex;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Client, Socket};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use self::stream::{GuestStream, Slot};
use super::startup::SessionStart;
use crate::error::{Error, ErrorKind, Phase, find_source, is_local_limit};
use crate::link::Link;

/// The client, for as long as it may use the session.
pub(crate) struct Guest {
    /// Always `Some` until `drop` takes it.
    client: Option<Client>,
    slot: Arc<Mutex<Slot>>,
}

/// Makes a client on an idle session.
///
/// # Errors
/// [`ErrorKind::Misuse`] in async code, where the client's own runtime cannot run. [`ErrorKind::LocalLimit`] when the process
/// is out of descriptors or memory; [`ErrorKind::Unreachable`] when it has no loopback interface.
pub(crate) fn open_guest(link: &Link, start: &SessionStart) -> Result<Guest, Error> {
    if farewell::is_in_async_code() {
        return Err(in_async_code());
    }
    farewell::drop_deferred();
    // The crate panics where it cannot make its runtime. Its needs are tried first, and a panic becomes an error.
    catch_unwind(AssertUnwindSafe(|| try_open(link, start))).unwrap_or_else(|_| {
        Err(cannot_open(
            "the driver panicked: in async code, or out of descriptors, it cannot make its runtime",
            None,
        ))
    })
}

fn in_async_code() -> Error {
    Error::misuse(
        "a postgres::Client runs an async runtime of its own and cannot be used in async code: move the work into tokio::task::spawn_blocking, or use the connection's own methods",
    )
}

fn try_open(link: &Link, start: &SessionStart) -> Result<Guest, Error> {
    let (listener, address) = bind_loopback()?;
    // Tried with the listener open, as it will be when the driver makes its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|e| cannot_open(&format!("no runtime for it: {e}"), Some(&e)).with_source(e))?
        .shutdown_background();
    let slot = Arc::new(Mutex::new(Slot::new(link, start)));
    let hook = Hook { slot: slot.clone(), listener: Arc::new(Mutex::new(Some(listener))) };
    let mut config = postgres::Config::new();
    config
        .user("guest")
        .host("loopback")
        .hostaddr(address.ip())
        .port(address.port())
        .ssl_mode(postgres::config::SslMode::Require)
        .ssl_negotiation(postgres::config::SslNegotiation::Direct);
    let client = PostgresConnectionManager::new(config, hook)
        .connect()
        .map_err(|e| cannot_open(&text_with_cause(&e), Some(&e)).with_source(e))?;
    Ok(Guest { client: Some(client), slot })
}

fn bind_loopback() -> Result<(TcpListener, SocketAddr), Error> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    TcpListener::bind(v4)
        .or_else(|_| TcpListener::bind(v6))
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|e| cannot_open(&e.to_string(), Some(&e)).with_source(e))
}

fn cannot_open(cause: &str, source: Option<&(dyn StdError + 'static)>) -> Error {
    let at_limit = source.and_then(find_source::<io::Error>).is_some_and(is_local_limit);
    let kind = if at_limit { ErrorKind::LocalLimit } else { ErrorKind::Unreachable };
    let message = format!(
        "could not make a postgres::Client, which needs a socket on the loopback interface (127.0.0.1 or ::1) for a moment: {cause}"
    );
    Error::new(kind, message).in_phase(Phase::Connect)
}

/// Returns the text of a driver's error with its cause, which its own text leaves out.
fn text_with_cause(error: &postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Guest {
    /// Ends the client's use of the session: its further output is discarded. Returns the names of the statements that it leaves
    /// on the server.
    pub(crate) fn leave(mut self) -> Vec<String> {
        self.give_up_slot()
    }

    fn give_up_slot(&mut self) -> Vec<String> {
        // Only the client's own calls use the slot, and none is made now.
        self.slot.try_lock().map_or_else(Vec::new, |mut slot| slot.leave())
    }
}

impl Deref for Guest {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().unwrap_or_else(|| unreachable!("only drop takes the client out"))
    }
}

impl DerefMut for Guest {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().unwrap_or_else(|| unreachable!("only drop takes the client out"))
    }
}

impl Drop for Guest {
    /// Drops the client. Does not block: its connection has ended.
    fn drop(&mut self) {
        self.give_up_slot();
        if let Some(client) = self.client.take() {
            farewell::drop_client(client);
        }
    }
}

/// The TLS hook that replaces the crate's socket by the link.
#[derive(Clone)]
struct Hook {
    slot: Arc<Mutex<Slot>>,
    listener: Arc<Mutex<Option<TcpListener>>>,
}

impl MakeTlsConnect<Socket> for Hook {
    type Stream = GuestStream;
    type TlsConnect = Hook;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> io::Result<Hook> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Hook {
    type Stream = GuestStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<GuestStream>> + Send>>;

    fn connect(self, handed: Socket) -> Self::Future {
        Box::pin(async move {
            drop(handed);
            let listener = self.listener.lock().take();
            drop(listener);
            // Within the client's runtime, where the descriptor is registered.
            GuestStream::new(self.slot)
        })
    }
}

#[cfg(test)]
mod tests;
