//! A relay in front of a server, which counts who comes: also while the server is down, when nobody else could.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    ended: AtomicUsize,
}

impl Relay {
    /// Leads to `upstream`, as long as the process lives. Who comes while nobody listens there is hung up on.
    pub(crate) fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let counted = counts.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                counted.accepted.fetch_add(1, Ordering::Relaxed);
                match TcpStream::connect(upstream) {
                    Ok(server) => pass_on(client, server, counted.clone()),
                    Err(_) => {
                        counted.ended.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        Ok(Self { address, counts })
    }

    /// Connections that were asked for and are over.
    pub(crate) fn ended(&self) -> usize {
        self.counts.ended.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.counts.accepted.load(Ordering::Relaxed) - self.ended()
    }
}

fn pass_on(client: TcpStream, server: TcpStream, counts: Arc<Counts>) {
    for socket in [&client, &server] {
        let _ = socket.set_nodelay(true);
    }
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else { return };
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
        counts.ended.fetch_add(1, Ordering::Relaxed);
    });
}
