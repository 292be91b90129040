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
use tokio::sync::{Semaphore, watch};

use super::guard::Guard;
use super::pages;
use super::patient::Patient;
use crate::config::settings::Secret;
use crate::error::{Error, Result};
use crate::pool::WeakPool;

/// The most connections at a time: further ones wait until one of them ends.
const MOST_CONNECTIONS: usize = 64;

/// A request has to have come in so long, a connection that is kept open to bring the next one, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                // Also when whoever kept it going has dropped its end: then only the pool's end counts.
                Ok(()) = stopped.changed() => return,
                _ = looks.tick() => if service.pool.is_gone() { return },
                accepted = accept(&listener, &room) => {
                    let Some((stream, permit)) = accepted else { continue };
                    let connection = answer_all(stream, service.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
            }
        }
    });
}

async fn accept(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, impl Send + 'static)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(_) => {
            // No descriptor left, say: it will not be better at once.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn answer_all(stream: TcpStream, service: Service) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let pool = service.pool.upgrade();
        let answer = pages::answer(
            request.method(),
            request.uri().path(),
            request.headers(),
            &service.guard,
            pool.as_ref(),
        );
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MOST_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), answer)
        .await;
}
