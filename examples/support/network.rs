//! A network between a pool and its server, to be disturbed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// For so long after the client has gone, a wire that loses everything keeps that from the server.
const LINGER: Duration = Duration::from_millis(300);

/// Leads to one server.
pub(crate) struct Network {
    port: u16,
    wires: Wires,
}

type Wires = Arc<Mutex<Vec<Arc<Wire>>>>;

/// One connection.
struct Wire {
    client: TcpStream,
    server: TcpStream,
    loses_everything: AtomicBool,
}

impl Network {
    pub(crate) fn to(server_port: u16) -> io::Result<Self> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = door.local_addr()?.port();
        let wires = Wires::default();
        let all = wires.clone();
        thread::spawn(move || {
            for client in door.incoming().flatten() {
                // Dropping the client is how it is told that the server is away.
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server_port)) {
                    let _ = join(&all, client, server);
                }
            }
        });
        Ok(Self { port, wires })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes on some connection, either way; its user has to find out. `false` without one.
    pub(crate) fn lose_everything_on_one(&self) -> bool {
        let wires = self.wires.lock().expect("no panic");
        let intact: Vec<_> = wires.iter().filter(|w| !w.loses_everything.load(Ordering::Relaxed)).collect();
        let Some(wire) = fastrand::choice(intact) else { return false };
        wire.loses_everything.store(true, Ordering::Relaxed);
        true
    }

    /// Cuts some connection. `false` without one.
    pub(crate) fn cut_one(&self) -> bool {
        let wires = self.wires.lock().expect("no panic");
        let Some(wire) = fastrand::choice(wires.iter()) else { return false };
        wire.cut();
        true
    }
}

impl Wire {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Until one side ends.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if !self.loses_everything.load(Ordering::Relaxed) && to.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    }
}

fn join(all: &Wires, client: TcpStream, server: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let wire = Arc::new(Wire { client, server, loses_everything: AtomicBool::new(false) });
    all.lock().expect("no panic").push(wire.clone());
    let back = wire.clone();
    thread::spawn(move || {
        back.carry(&back.server, &back.client);
        back.cut();
    });
    let all = all.clone();
    thread::spawn(move || {
        wire.carry(&wire.client, &wire.server);
        if wire.loses_everything.load(Ordering::Relaxed) {
            thread::sleep(LINGER);
        }
        wire.cut();
        all.lock().expect("no panic").retain(|other| !Arc::ptr_eq(other, &wire));
    });
    Ok(())
}
