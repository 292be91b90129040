//! The thread that listens.

use std::convert::Infallible;
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::access::Guard;
use super::pages;
use super::places::{Entry, Places};
use super::write_timeout::Patient;
use crate::config::settings::Secret;
use crate::error::{Error, Result};
use crate::pool::WeakPool;

/// The most connections at a time: a further one takes the place of the one that has waited longest.
const MOST_CONNECTIONS: usize = 64;

/// A request's head has to have come in within this time, the next one on a connection that is kept open too.
const HEAD_LIMIT: Duration = Duration::from_secs(3);

/// An answer has to have been taken within this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The longest request line and headers.
const MOST_BYTES: usize = 16 * 1024;

/// How often it is looked whether there still is a pool.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(pool: WeakPool, address: SocketAddr, token: Option<Secret>) -> Result<Self> {
        let cannot = |what: &str, error: std::io::Error| {
            Error::config(format!("cannot serve at {address}: {what}: {error}; is the port taken?"))
        };
        let listener = TcpListener::bind(address).map_err(|error| cannot("listening", error))?;
        listener.set_nonblocking(true).map_err(|error| cannot("listening", error))?;
        let address = listener.local_addr().map_err(|error| cannot("listening", error))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| cannot("starting", error))?;
        let (stop, stopped) = watch::channel(false);
        let guard = Arc::new(Guard::new(token, address.ip().is_loopback()));
        let thread = thread::Builder::new().name("holdfast-http".to_owned());
        let thread = thread.spawn(move || serve(&runtime, listener, &Service { pool, guard }, stopped));
        let thread = thread.map_err(|error| cannot("starting a thread", error))?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes on until the pool is gone.
    pub(super) fn keep(&mut self) {
        self.thread = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.stop.send(true);
        // The last handle of a pool may be dropped by the thread itself.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
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
    guard: Arc<Guard>,
}

fn serve(runtime: &Runtime, listener: TcpListener, service: &Service, mut stopped: watch::Receiver<bool>) {
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let places = Places::new(MOST_CONNECTIONS);
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                // Also when whoever kept it going has dropped its end: then only the pool's end counts.
                Ok(()) = stopped.changed() => return,
                _ = looks.tick() => if service.pool.is_gone() { return },
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // No descriptor left, say: it will not be better at once.
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
        asked.is_asked();
        let pool = service.pool.upgrade();
        let answer = pages::answer(&request, &service.guard, pool.as_ref());
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MOST_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, entry, ANSWER_LIMIT)), answer)
        .await;
}
