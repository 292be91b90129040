//! The HTTP server: one thread that listens and serves.

use std::convert::Infallible;
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::access::Access;
use super::pages;
use super::places::{Entry, Places};
use super::write_timeout::WriteTimeout;
use crate::config::settings::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::WeakPool;
use crate::sys::thread::Thread;

/// The most connections at a time: a further one replaces the one that has waited longest.
const MAX_CONNECTIONS: usize = 64;

/// The time limit for receiving a request's head, also of the next one on a connection that is kept open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);

/// The time limit for sending an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest request line and headers together.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The time between two checks that the pool still exists.
const POOL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<Thread>,
}

impl Server {
    pub(super) fn start(pool: WeakPool, address: SocketAddr, token: Option<Secret>) -> Result<Self> {
        let cannot = |what: &str, error: std::io::Error| {
            let message = format!("cannot serve at {address}: {what}: {error}; is the port taken?");
            Error::from_local_io(error, ErrorKind::Config, message)
        };
        let listener = TcpListener::bind(address).map_err(|error| cannot("listening", error))?;
        listener.set_nonblocking(true).map_err(|error| cannot("listening", error))?;
        let address = listener.local_addr().map_err(|error| cannot("listening", error))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| cannot("starting", error))?;
        let (stop, stopped) = watch::channel(false);
        let access = Arc::new(Access::new(token, address.ip().is_loopback()));
        let service = Service { pool, access };
        let thread = Thread::start("holdfast-http", move || serve(&runtime, listener, &service, stopped));
        let thread = thread.map_err(|error| {
            let message = format!("cannot serve at {address}: no thread for it ({error})");
            Error::no_thread(error, message)
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps the server running until the pool is gone.
    pub(super) fn keep(&mut self) {
        self.thread = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.stop.send(true);
        // The last handle of a pool may be dropped by the thread itself.
        if !thread.is_current() {
            thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Service {
    pool: WeakPool,
    access: Arc<Access>,
}

fn serve(runtime: &Runtime, listener: TcpListener, service: &Service, mut stopped: watch::Receiver<bool>) {
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let places = Places::new(MAX_CONNECTIONS);
        let mut pool_checks = tokio::time::interval(POOL_CHECK_INTERVAL);
        loop {
            tokio::select! {
                // Also when the handle's end is dropped after `keep`: then only the pool's end counts.
                Ok(()) = stopped.changed() => return,
                _ = pool_checks.tick() => if service.pool.is_gone() { return },
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // Such as no descriptor left, which will not pass at once.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    let entry = Arc::new(places.enter());
                    let connection = answer_all(stream, Arc::clone(&entry), service.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = connection => (),
                            () = entry.evicted() => (),
                        }
                    });
                    // A request that is there already is read before others can push it out.
                    tokio::task::yield_now().await;
                }
            }
        }
    });
}

async fn answer_all(stream: TcpStream, entry: Arc<Entry>, service: Service) {
    let asked = Arc::clone(&entry);
    let answer = service_fn(move |request: Request<Incoming>| {
        asked.request_received();
        let pool = service.pool.upgrade();
        let answer = pages::answer(&request, &service.access, pool.as_ref());
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream, entry, ANSWER_TIMEOUT)), answer)
        .await;
}
