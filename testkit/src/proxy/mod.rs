//! A TCP proxy that stands for the network between client and server, and for what happens to networks: it goes deaf, slow or
//! half-open, cuts, refuses, or leaves newcomers without an answer.
//!
//! Every control returns when it is in force: after [`go_deaf`](Proxy::go_deaf) not one more byte passes. The proxy looks at no
//! byte, so encryption passes it as well.
//!
//! ```
//! use holdfast_testkit::embedded::EmbeddedPostgres;
//! use holdfast_testkit::proxy::{Proxy, Then};
//! use postgres::{Client, NoTls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = EmbeddedPostgres::start()?;
//! let proxy = Proxy::before(&server);
//! let mut client = Client::connect(&proxy.url(), NoTls)?;
//! client.batch_execute("SELECT 1")?;
//!
//! proxy.after_bytes_from_server(10, Then::Cut); // in the middle of the next answer
//! assert!(client.batch_execute("SELECT 1").is_err());
//! # Ok(())
//! # }
//! ```

mod door;
mod pipe;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::embedded::EmbeddedPostgres;
use crate::listen::listen;
use door::Door;

/// Any control is in force within microseconds; a test that waits longer has met a bug of the proxy.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);

/// A proxy on a port of its own, which it keeps through everything. Dropping it cuts what is left.
pub struct Proxy {
    port: u16,
    /// Of the server behind it, for URLs, with the colon before it.
    password: String,
    shared: Arc<Shared>,
    door: Option<JoinHandle<()>>,
}

/// The action after the last byte that may pass; see [`Proxy::after_bytes_from_server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Then {
    /// Nothing passes any more, as after [`Proxy::go_deaf`].
    GoDeaf,
    /// The connection is reset.
    Cut,
}

struct Shared {
    upstream: String,
    state: Mutex<State>,
    /// Signalled when a connection ends and when the door has moved.
    changed: Condvar,
}

/// All that the proxy's threads agree on. Bytes pass only under this lock, so that a control is in force once it has held it.
struct State {
    deaf: bool,
    /// Connections accepted from now on are never forwarded, until the proxy hears again.
    silent_to_newcomers: bool,
    latency: Duration,
    /// Bytes from the server that still pass, and what comes then.
    budget: Option<(usize, Then)>,
    /// Connections with a smaller number are to be cut.
    cut_before: u64,
    /// Servers of connections with a smaller number are to lose them, without a word to the client.
    half_open_before: u64,
    /// Clients of connections with a smaller number are to read an end.
    close_before: u64,
    door: Door,
    /// What the door's thread has made of `door`.
    door_is: Option<Door>,
    door_waker: UnixStream,
    /// Local ports of connections which the proxy made to itself to fill its own backlog.
    fillers: Vec<u16>,
    next_id: u64,
    connections: HashMap<u64, Connection>,
    accepted: usize,
    bytes_from_client: usize,
    bytes_from_server: usize,
}

/// An open connection, as the controls see it.
struct Connection {
    /// Wakes its thread.
    waker: UnixStream,
    /// Its server has lost it.
    is_half_open: bool,
}

impl Proxy {
    /// Starts a proxy in front of a private server, whose password its URLs carry.
    ///
    /// # Panics
    /// When this machine has no port or thread left.
    pub fn before(server: &EmbeddedPostgres) -> Self {
        let mut proxy = Self::start(format!("{}:{}", server.host(), server.port()));
        proxy.password = format!(":{}", server.password());
        proxy
    }

    /// Starts a proxy in front of `upstream` (`host:port`), on a free port. Nobody needs to listen there yet.
    ///
    /// # Panics
    /// When this machine has no port or thread left.
    pub fn start(upstream: impl Into<String>) -> Self {
        Self::start_on(None, upstream).expect("a proxy starts")
    }

    /// Starts a proxy on a port of 127.0.0.1, or a free one, in front of `upstream` (`host:port`).
    ///
    /// # Errors
    /// When the port is taken, or this machine has no port, descriptor or thread left.
    pub fn start_on(port: Option<u16>, upstream: impl Into<String>) -> io::Result<Self> {
        let (port, listener) = listen(port)?;
        let (door_waker, woken) = waker()?;
        let state = State {
            deaf: false,
            silent_to_newcomers: false,
            latency: Duration::ZERO,
            budget: None,
            cut_before: 0,
            half_open_before: 0,
            close_before: 0,
            door: Door::Open,
            door_is: None,
            door_waker,
            fillers: Vec::new(),
            next_id: 0,
            connections: HashMap::new(),
            accepted: 0,
            bytes_from_client: 0,
            bytes_from_server: 0,
        };
        let shared =
            Arc::new(Shared { upstream: upstream.into(), state: Mutex::new(state), changed: Condvar::new() });
        let for_door = Arc::clone(&shared);
        let door = thread::Builder::new().name("proxy door".to_owned());
        let door = door.spawn(move || door::keep(&for_door, port, listener, &woken))?;
        Ok(Self { port, password: String::new(), shared, door: Some(door) })
    }

    /// Returns the port at which clients find it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address at which clients find it.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Returns a URL for `postgres` through the proxy.
    pub fn url(&self) -> String {
        self.url_for("postgres", "postgres")
    }

    /// Returns a URL for another user without a password of its own, and another database, through the proxy.
    pub fn url_for(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    // ---- silence ----

    /// Accepts as before, and forwards nothing any more, in either direction, on old connections and new. An end of a
    /// connection does not pass either. This is a peer behind a dead router, or a machine that hangs.
    pub fn go_deaf(&self) {
        self.change(|state| state.deaf = true);
    }

    /// Forwards again, and first of all what has been held back.
    pub fn hear_again(&self) {
        self.change(|state| (state.deaf, state.silent_to_newcomers, state.budget) = (false, false, None));
    }

    /// Connections accepted from now on are answered with silence; the old ones go on.
    pub fn go_deaf_after_connect(&self) {
        self.change(|state| state.silent_to_newcomers = true);
    }

    /// Lets `count` more bytes from the server through, over all connections, and then goes deaf or cuts: an outage in the
    /// middle of an answer.
    pub fn after_bytes_from_server(&self, count: usize, then: Then) {
        self.change(|state| state.budget = Some((count, then)));
    }

    /// Slows the network down: every chunk of bytes takes this long, each way. What is on its way already keeps its time.
    pub fn latency(&self, delay: Duration) {
        self.change(|state| state.latency = delay);
    }

    // ---- ends ----

    /// Cuts all connections with a reset (RST), on both sides; returns how many. New ones are welcome.
    pub fn cut_all(&self) -> usize {
        let newest = self.change(|state| {
            state.cut_before = state.next_id;
            state.next_id
        });
        let mut cut = 0;
        self.wait_for("cut connections are gone", |state| {
            let left = state.connections.keys().filter(|&&id| id < newest).count();
            cut = cut.max(left);
            left == 0
        });
        cut
    }

    /// Has the server lose all connections (RST) and tells no client: these are half-open, as after a crash of the server's machine
    /// or a router that forgot them. What clients send is taken and lost, until they leave or are [cut](Self::cut_all). Returns how
    /// many those are. New ones are welcome.
    pub fn half_open(&self) -> usize {
        let newest = self.change(|state| {
            state.half_open_before = state.next_id;
            state.next_id
        });
        let mut count = 0;
        self.wait_for("servers have lost the connections", |state| {
            let old = || state.connections.iter().filter(|(id, _)| **id < newest);
            count = count.max(old().count());
            old().all(|(_, connection)| connection.is_half_open)
        });
        count
    }

    /// Tells every client that the server sends no more (FIN). What the clients send still reaches the server.
    pub fn half_close(&self) {
        self.change(|state| state.close_before = state.next_id);
    }

    // ---- the door ----

    /// Refuses new connections, as a machine does on which no server runs. Old ones go on.
    pub fn refuse(&self) {
        self.move_door(Door::Refusing);
    }

    /// Leaves new connections without any answer, as a machine does that is switched off or overrun: no process accepts, and
    /// the backlog is full, so the kernel drops each first packet. Old ones go on.
    ///
    /// A client that keeps trying gets in after [`accept_again`](Self::accept_again), when its kernel sends that packet
    /// again: 1 s, 3 s, 7 s after the first.
    pub fn stop_accepting(&self) {
        self.move_door(Door::Unanswering);
    }

    /// Takes new connections again.
    pub fn accept_again(&self) {
        self.move_door(Door::Open);
    }

    // ---- counts ----

    /// Returns the number of connections accepted since the start.
    pub fn accepted(&self) -> usize {
        self.shared.state.lock().accepted
    }

    /// Returns the number of connections that are open now.
    pub fn open(&self) -> usize {
        self.shared.state.lock().connections.len()
    }

    /// Returns the number of bytes passed on from clients.
    pub fn bytes_from_client(&self) -> usize {
        self.shared.state.lock().bytes_from_client
    }

    /// Returns the number of bytes passed on from the server.
    pub fn bytes_from_server(&self) -> usize {
        self.shared.state.lock().bytes_from_server
    }

    fn change<T>(&self, apply: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.shared.state.lock();
        let result = apply(&mut state);
        state.connections.values().for_each(|connection| wake(&connection.waker));
        result
    }

    fn move_door(&self, door: Door) {
        self.change(|state| {
            state.door = door;
            wake(&state.door_waker);
        });
        self.wait_for("the door has moved", |state| state.door_is == Some(door));
    }

    fn wait_for(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        let deadline = Instant::now() + CONTROL_LIMIT;
        let mut state = self.shared.state.lock();
        while !holds(&state) {
            let late = self.shared.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!late, "the proxy is stuck: {what}");
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("port", &self.port)
            .field("upstream", &self.shared.upstream)
            .finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.change(|state| {
            state.door = Door::Gone;
            wake(&state.door_waker);
        });
        if let Some(door) = self.door.take() {
            // A panic of that thread has been printed; another one here would hide the test's own.
            let _ = door.join();
        }
        self.change(|state| state.cut_before = u64::MAX);
        if !thread::panicking() {
            self.wait_for("all connections are gone", |state| state.connections.is_empty());
        }
    }
}

/// A pair: writing to the first ends a `poll` on the second.
fn waker() -> io::Result<(UnixStream, UnixStream)> {
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((waker, woken))
}

fn wake(mut waker: &UnixStream) {
    // Full means that it is awake already; closed, that it is gone.
    let _ = waker.write(&[0]);
}
