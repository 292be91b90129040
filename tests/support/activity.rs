//! What the server itself says about its sessions, seen over a connection that has nothing to do with the pool under test.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use holdfast_testkit::embedded::EmbeddedPostgres;
use postgres::Client;

use super::wait_until;

/// A session of the server, as `pg_stat_activity` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub pid: i32,
    /// `active`, `idle`, `idle in transaction`, ...; empty while the session is being set up.
    pub state: String,
    pub backend_start: SystemTime,
    /// When the state last changed: for an idle session, the end of its last statement.
    pub state_change: Option<SystemTime>,
    /// The statement that runs, or ran last.
    pub query: String,
}

/// An administrator's connection over the Unix-domain socket, past every proxy, allowed in when the server is full.
pub struct Observer {
    client: Client,
}

impl Observer {
    pub fn of(server: &EmbeddedPostgres) -> Self {
        Self { client: server.connect().expect("an observer gets in") }
    }

    /// The sessions that call themselves `application_name`, whether marked as of a pool that shares or not, oldest first.
    pub fn backends_of(&mut self, application_name: &str) -> Vec<Backend> {
        let query = "SELECT pid, coalesce(state, ''), backend_start, state_change, coalesce(query, '')
                     FROM pg_stat_activity WHERE regexp_replace(application_name, ' hf:[0-9a-f]{8}$', '') = $1 ORDER BY backend_start, pid";
        let rows = self.client.query(query, &[&application_name]).unwrap();
        let backend = |row: postgres::Row| Backend {
            pid: row.get(0),
            state: row.get(1),
            backend_start: row.get(2),
            state_change: row.get(3),
            query: row.get(4),
        };
        rows.into_iter().map(backend).collect()
    }

    /// How many sessions call themselves `application_name`.
    pub fn count(&mut self, application_name: &str) -> usize {
        self.backends_of(application_name).len()
    }

    /// How many client sessions the server has by now, whatever they call themselves and this one not counted.
    pub fn count_all(&mut self) -> i64 {
        let query = "SELECT count(*) FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.client.query_one(query, &[]).unwrap().get(0)
    }

    /// Waits until `condition` holds for the sessions of `application_name`; returns how long that took.
    #[track_caller]
    pub fn wait_until(
        &mut self,
        application_name: &str,
        limit: Duration,
        condition: impl Fn(&[Backend]) -> bool,
    ) -> Duration {
        let mut last = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < limit {
            last = self.backends_of(application_name);
            if condition(&last) {
                return begun.elapsed();
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("not within {limit:?}; the sessions of {application_name} are {last:#?}");
    }

    /// Ends a session in order, as an administrator does: its client reads 57P01.
    pub fn terminate(&mut self, pid: i32) {
        let done: bool = self.client.query_one("SELECT pg_terminate_backend($1)", &[&pid]).unwrap().get(0);
        assert!(done, "there is no session {pid}");
    }

    /// Ends every session of `application_name`, and waits until the server has let go of them. Returns how many they were.
    #[track_caller]
    pub fn terminate_all(&mut self, application_name: &str) -> usize {
        let pids: Vec<i32> =
            self.backends_of(application_name).into_iter().map(|backend| backend.pid).collect();
        let query = "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid";
        self.client.query(query, &[&pids]).unwrap();
        wait_until("terminated sessions are gone", Duration::from_secs(10), || {
            self.backends_of(application_name).iter().all(|backend| !pids.contains(&backend.pid))
        });
        pids.len()
    }

    /// Runs statements as the administrator.
    pub fn run(&mut self, statements: &str) {
        self.client.batch_execute(statements).unwrap();
    }
}
