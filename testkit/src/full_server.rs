//! A server that is full: a private PostgreSQL whose slots are all taken, until the test frees some.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use crate::embedded::{EmbeddedPostgres, Error};

/// The role of the program under test, and of those that take its slots. Not a superuser, for whom some slots are reserved.
const ROLE: &str = "app";

/// The name under which slots are held.
const HOLDER: &str = "holdfast test kit";

/// PostgreSQL keeps so many slots for superusers.
const RESERVED: u32 = 3;

/// A server needs milliseconds to notice that a session has left.
const FREE_LIMIT: Duration = Duration::from_secs(10);

/// A private PostgreSQL with a few slots for ordinary roles, all of them taken at first: it answers 53300.
///
/// ```
/// use holdfast_testkit::full_server::FullServer;
/// use postgres::{Client, NoTls};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = FullServer::start(3)?;
/// let error = Client::connect(&server.url(), NoTls).err().expect("it is full");
/// assert_eq!(error.code().map(|code| code.code()), Some("53300"));
///
/// server.free(1)?;
/// Client::connect(&server.url(), NoTls)?;
/// # Ok(())
/// # }
/// ```
pub struct FullServer {
    server: EmbeddedPostgres,
    slots: u32,
    held: Mutex<Vec<Held>>,
}

/// A session that holds a slot.
struct Held {
    /// The process that serves it.
    pid: i32,
    client: Client,
}

impl FullServer {
    /// Starts a server with so many slots for ordinary roles, and takes them all.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) for no slot at all; else as for [`Builder::start`](crate::embedded::Builder::start).
    pub fn start(slots: u32) -> Result<Self, Error> {
        if slots == 0 {
            return Err(Error::Misuse("a full server needs at least one slot".to_owned()));
        }
        let server = EmbeddedPostgres::builder()
            .max_connections(slots.saturating_add(RESERVED))
            .setting("superuser_reserved_connections", &RESERVED.to_string())
            .role(ROLE, "")
            // As in a database of the program's own. Since PostgreSQL 15 no role may by default.
            .sql(format!("GRANT ALL ON SCHEMA public TO {ROLE}"))
            .start()?;
        let full = Self { server, slots, held: Mutex::default() };
        full.take_all()?;
        Ok(full)
    }

    /// Takes the slots of a server that no one else uses. The sessions that set it up may not have left yet, and count as ordinary
    /// ones until then.
    fn take_all(&self) -> Result<(), Error> {
        let deadline = Instant::now() + FREE_LIMIT;
        loop {
            self.fill()?;
            if self.held() >= self.slots as usize {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = format!("sessions that set the server up held slots for more than {FREE_LIMIT:?}");
                return Err(Error::NotStopped { what });
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns the URL for the program under test: an ordinary role's.
    pub fn url(&self) -> String {
        self.server.url_for(ROLE, "postgres")
    }

    /// Returns the server, for its other faults.
    pub fn server(&self) -> &EmbeddedPostgres {
        &self.server
    }

    /// Returns how many slots the server has for ordinary roles.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Returns how many slots are held now, by no one else than this.
    pub fn held(&self) -> usize {
        self.held.lock().len()
    }

    /// Takes every slot that is free now; returns how many those were. Connections of the program under test keep theirs.
    ///
    /// # Errors
    /// [`Sql`](Error::Sql) when the server answers anything but that it is full.
    pub fn fill(&self) -> Result<usize, Error> {
        let failed = |source| Error::Sql { doing: "take the server's slots".to_owned(), source };
        let clients = fill(&self.url()).map_err(failed)?;
        let mut taken = Vec::with_capacity(clients.len());
        for mut client in clients {
            let pid = client.query_one("SELECT pg_backend_pid()", &[]).map_err(failed)?.get(0);
            taken.push(Held { pid, client });
        }
        let count = taken.len();
        self.held.lock().extend(taken);
        Ok(count)
    }

    /// Gives so many slots back, or all if fewer are held, and waits until the server has them. Returns how many those were. A
    /// client that was refused has a slot as well, until its process has ended, some milliseconds later.
    ///
    /// # Errors
    /// [`NotStopped`](Error::NotStopped) when sessions stay for 10 s, as those of a frozen server do.
    pub fn free(&self, count: usize) -> Result<usize, Error> {
        let freed = {
            let mut held = self.held.lock();
            let left = held.len().saturating_sub(count);
            held.split_off(left)
        };
        let pids: Vec<i32> = freed.iter().map(|held| held.pid).collect();
        freed.into_iter().for_each(|held| drop(held.client));
        let deadline = Instant::now() + FREE_LIMIT;
        // The slot is free when the process is gone; pg_stat_activity forgets it before.
        while self.server.pids().iter().any(|pid| pids.contains(pid)) {
            if Instant::now() >= deadline {
                let what = format!("sessions that held slots were still there after {FREE_LIMIT:?}");
                return Err(Error::NotStopped { what });
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(pids.len())
    }
}

impl fmt::Debug for FullServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullServer")
            .field("server", &self.server)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// Connects again and again until the server at `url` says 53300, and returns the clients: all others are turned away for as long
/// as those are held. A superuser's URL takes the reserved connections as well.
///
/// # Errors
/// The client's, when it is another one.
pub fn fill(url: &str) -> Result<Vec<Client>, postgres::Error> {
    let mut config: Config = url.parse()?;
    config.application_name(HOLDER);
    let mut held = Vec::new();
    loop {
        match config.connect(NoTls) {
            Ok(client) => held.push(client),
            Err(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => return Ok(held),
            Err(error) => return Err(error),
        }
    }
}
