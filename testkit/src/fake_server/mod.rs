//! Servers that break the conversation on purpose, at a chosen word, or report an error of one's choice at a chosen point.
//!
//! Everything that a real server can do, a [real one](crate::embedded) should do in a test; this is for what it will not do on
//! request. A client that is let in ([`Script::LetIn`]) can run any statement, and gets no rows.
//!
//! ```
//! use holdfast_testkit::fake_server::{FakeServer, Refusal, Script};
//! use postgres::{Client, NoTls};
//!
//! let server = FakeServer::start(Script::SayAtStartUp(Refusal::too_many_clients()));
//! let error = Client::connect(&server.url(), NoTls).err().unwrap();
//! assert_eq!(error.code().unwrap().code(), "53300");
//!
//! // From now on it has a slot, and is a standby from the second statement of a session on.
//! server.follow(Script::SayAtStatement(2, Refusal::read_only()));
//! let mut client = Client::connect(&server.url(), NoTls).unwrap();
//! client.batch_execute("BEGIN").unwrap();
//! let error = client.batch_execute("INSERT INTO orders VALUES (1)").unwrap_err();
//! assert_eq!(error.code().unwrap().code(), "25006");
//! assert_eq!(server.statements(), ["BEGIN", "INSERT INTO orders VALUES (1)"]);
//! ```

mod packets;
mod refusal;
mod session;
mod talk;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

pub use refusal::{Refusal, Severity};

use crate::listen::listen;

/// The treatment of a client by a fake server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Script {
    /// Accepts and stays silent: a machine that hangs.
    SilentAfterAccept,
    /// Says yes to TLS, then stays silent in the middle of the handshake.
    SilentInTls,
    /// Says no to TLS, reads the startup packet, then stays silent.
    SilentInAuthentication,
    /// Says no to TLS, and answers the startup packet with this error, as full servers and poolers do.
    SayAtStartUp(Refusal),
    /// Says no to TLS, lets the client pass authentication without a password, and says this in the place of being ready, as a
    /// role with too many connections is answered.
    SayAfterAuthentication(Refusal),
    /// Lets the client in, and fails the statement with this number, from 1, of its session. Statements of a pool or a driver,
    /// such as those that set a session up, count as well; [`FakeServer::statements`] shows them. The others succeed without
    /// rows.
    SayAtStatement(u32, Refusal),
    /// Lets the client in, without a password; each statement succeeds without rows.
    LetIn,
    /// Says yes to TLS with more bytes right behind, which a client must not take as part of the encrypted conversation
    /// (CVE-2021-23222).
    StuffBehindTlsAnswer(Vec<u8>),
    /// Answers the first bytes it reads with these, and hangs up: a server of something else.
    SayBytes(Vec<u8>),
    /// Answers the first bytes it reads with these, and waits for more: a server of something else.
    SayBytesAndStay(Vec<u8>),
    /// Reads the first bytes and hangs up.
    HangUp,
}

/// A fake server on a port of its own, until it is dropped. It listens on this machine only, and knows no TLS.
pub struct FakeServer {
    port: u16,
    shared: Arc<Shared>,
    door: Option<JoinHandle<()>>,
}

struct Shared {
    over: AtomicBool,
    plan: Mutex<Plan>,
    heard: Mutex<Heard>,
}

/// The treatment of clients to come.
struct Plan {
    script: Script,
    /// After so many more clients, this one.
    later: Option<(usize, Script)>,
}

impl Plan {
    fn next(&mut self) -> Script {
        match self.later.take() {
            Some((0, script)) => self.script = script,
            Some((left, script)) => self.later = Some((left - 1, script)),
            None => {}
        }
        self.script.clone()
    }
}

#[derive(Default)]
struct Heard {
    accepted: Vec<TcpStream>,
    talks: Vec<JoinHandle<()>>,
    startups: Vec<BTreeMap<String, String>>,
    statements: Vec<String>,
}

impl FakeServer {
    /// Starts a server on a free port, outside of the system's range for outgoing connections.
    ///
    /// # Panics
    /// When this machine has no port or thread left.
    pub fn start(script: Script) -> Self {
        Self::start_on(None, script).expect("a fake server starts")
    }

    /// Starts a server on a port, or a free one.
    ///
    /// # Errors
    /// When the port is taken, or this machine has no port or thread left.
    pub fn start_on(port: Option<u16>, script: Script) -> io::Result<Self> {
        let (port, listener) = listen(port)?;
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            plan: Mutex::new(Plan { script, later: None }),
            heard: Mutex::default(),
        });
        let for_door = Arc::clone(&shared);
        let door = thread::Builder::new().name("fake server".to_owned());
        let door = door.spawn(move || accept(&listener, &for_door))?;
        Ok(Self { port, shared, door: Some(door) })
    }

    /// Changes the treatment of clients that connect from now on. Those that are there keep theirs.
    pub fn follow(&self, script: Script) {
        *self.shared.plan.lock() = Plan { script, later: None };
    }

    /// Goes on as now for so many more clients, and treats those behind them as this script says.
    pub fn follow_after(&self, clients: usize, script: Script) {
        self.shared.plan.lock().later = Some((clients, script));
    }

    /// Returns the port at which clients find it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a URL for `postgres` without a password.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns how many clients have connected, cancel requests included.
    pub fn accepted(&self) -> usize {
        self.shared.heard.lock().accepted.len()
    }

    /// Returns the parameters of every startup packet so far (`user`, `database`, `application_name`, ...).
    pub fn startups(&self) -> Vec<BTreeMap<String, String>> {
        self.shared.heard.lock().startups.clone()
    }

    /// Returns every statement so far, of all sessions, in the order in which they came.
    pub fn statements(&self) -> Vec<String> {
        self.shared.heard.lock().statements.clone()
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeServer").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The thread that lets clients in, until the server is dropped.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let Ok(for_end) = client.try_clone() else { continue };
        let (script, for_talk) = (shared.plan.lock().next(), Arc::clone(shared));
        let mut heard = shared.heard.lock();
        heard.accepted.push(for_end);
        let talk = thread::Builder::new().name("fake session".to_owned()).spawn(move || {
            // A client that leaves in the middle is what these scripts are for.
            let _ = talk::talk(&script, client, &for_talk);
        });
        // Without a thread the client is hung up on: its socket went with the closure.
        heard.talks.extend(talk);
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread in `accept`, which then sees that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(door) = self.door.take() {
            // A panic of that thread has been printed; another one here would hide the test's own.
            let _ = door.join();
        }
        let (accepted, talks) = {
            let mut heard = self.shared.heard.lock();
            (std::mem::take(&mut heard.accepted), std::mem::take(&mut heard.talks))
        };
        for client in accepted {
            // Ends the reads in which silent talks wait; a client that has left needs none.
            let _ = client.shutdown(Shutdown::Both);
        }
        for talk in talks {
            let _ = talk.join();
        }
    }
}
