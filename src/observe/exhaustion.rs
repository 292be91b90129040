//! The explanation of an exhausted pool: the holders of its connections, joined with the server's view of its slots.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::human;
use crate::link::TransactionStatus;
use crate::printable::Printable;

/// The holder of a checked out connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Holder {
    /// Number of the connection within the pool.
    pub connection: u64,
    /// The server's process id for it.
    pub backend_pid: Option<u32>,
    /// How long it has been checked out.
    pub held_for: Duration,
    /// The place of the checkout, as `file:line`; `None` where the caller is not Rust.
    pub place: Option<String>,
    /// The backtrace of the checkout, if the option `leak_backtrace` is on.
    pub backtrace: Option<Arc<Backtrace>>,
    /// The transaction status of the session.
    pub transaction: TransactionStatus,
    /// A statement is running.
    pub busy: bool,
    /// The time since its last statement ended.
    pub last_statement: Option<Duration>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.connection)?;
        if let Some(pid) = self.backend_pid {
            write!(f, " (pid {pid})")?;
        }
        write!(f, " held for {}", human(self.held_for))?;
        if let Some(place) = &self.place {
            write!(f, ", taken at {place}")?;
        }
        let does = match (self.busy, self.transaction) {
            (true, _) => "runs a statement",
            (false, TransactionStatus::InTransaction) => "idle in transaction",
            (false, TransactionStatus::Failed) => "idle in a failed transaction",
            (false, _) => "idle",
        };
        write!(f, ", {does}")?;
        match self.last_statement {
            Some(age) if !self.busy => write!(f, ", last statement ended {} ago", human(age)),
            _ => Ok(()),
        }
    }
}

/// Sessions of the server that have the same application, user and state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotUse {
    /// `application_name`; empty if it has none, or is hidden from this role.
    pub application: String,
    /// Role; empty if it has none.
    pub user: String,
    /// As in `pg_stat_activity`; empty if hidden from this role.
    pub state: String,
    /// Number of sessions.
    pub count: u32,
    /// Age of the oldest of their present states.
    pub oldest: Option<Duration>,
}

/// The server's slots and their use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSlots {
    /// `max_connections`.
    pub max_connections: u32,
    /// Slots reserved for superusers and `pg_use_reserved_connections`.
    pub reserved: u32,
    /// Number of client sessions.
    pub used: u32,
    /// Sessions that are idle in a transaction, failed ones included.
    pub idle_in_transaction: u32,
    /// Connection limit of this pool's role, if it has one, and the number of its sessions.
    pub role_limit: Option<(u32, u32)>,
    /// Connection limit of this pool's database, if it has one, and the number of its sessions.
    pub database_limit: Option<(u32, u32)>,
    /// All sessions, the most frequent first.
    pub slots: Vec<SlotUse>,
}

/// An explanation of who holds the connections; see [`Pool::explain_exhaustion`](crate::Pool::explain_exhaustion).
///
/// Its `Display` is the whole report in a few lines.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Exhaustion {
    /// The time of the report.
    pub taken: SystemTime,
    /// The configured maximum.
    pub max_size: u32,
    /// The limit in force.
    pub limit: u32,
    /// Holders of connections, the longest first.
    pub holders: Vec<Holder>,
    /// Idle connections.
    pub idle: u32,
    /// Connections being opened.
    pub opening: u32,
    /// Callers that wait.
    pub waiting: u32,
    /// How long the first of them has waited.
    pub oldest_waiter: Option<Duration>,
    /// The server's slots, if it could be asked.
    pub server: Option<ServerSlots>,
    /// The reason why the server could not be asked.
    pub server_error: Option<String>,
}

impl Exhaustion {
    pub(crate) fn note_server(&mut self, answer: Result<ServerSlots, String>) {
        match answer {
            Ok(slots) => self.server = Some(slots),
            Err(why) => self.server_error = Some(why),
        }
    }

    /// Returns the most likely reason, in one line.
    pub fn verdict(&self) -> String {
        let stale = |holder: &&Holder| {
            !holder.busy
                && holder.transaction != TransactionStatus::Idle
                && holder.held_for > Duration::from_secs(1)
        };
        let in_transaction = self.holders.iter().filter(stale).count();
        let unused = |holder: &&Holder| !holder.busy && holder.held_for > Duration::from_secs(5);
        let forgotten = self.holders.iter().filter(unused).count();
        let held = self.holders.len();
        if let Some(server) = self.server.as_ref().filter(|server| server.is_full()) {
            return format!(
                "the server is full: {} of {} slots are used ({} reserved), {} idle in transaction",
                server.used, server.max_connections, server.reserved, server.idle_in_transaction
            );
        }
        if self.limit < self.max_size && held as u32 >= self.limit {
            return format!("the server allows {} connections at present, of {}", self.limit, self.max_size);
        }
        if in_transaction > 0 {
            return format!(
                "{in_transaction} of {held} checkouts are idle in a transaction: is a commit missing?"
            );
        }
        if forgotten > 0 {
            return format!(
                "{forgotten} of {held} checkouts do nothing: they are held during other work, or leaked"
            );
        }
        if (held as u32) < self.limit {
            return format!("{held} of {} connections are checked out: there is room at present", self.limit);
        }
        match self.holders.iter().filter(|holder| holder.busy).count() {
            busy if busy == held => {
                format!("all {held} connections are busy with statements: more load than connections")
            }
            0 => format!(
                "all {held} connections are checked out, and no statement runs on any of them at present"
            ),
            busy => format!("all {held} connections are checked out; statements run on {busy} of them"),
        }
    }
}

impl ServerSlots {
    fn is_full(&self) -> bool {
        self.used.saturating_add(self.reserved) >= self.max_connections
            || [self.role_limit, self.database_limit].into_iter().flatten().any(|(limit, used)| used >= limit)
    }
}

impl fmt::Display for Exhaustion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict())?;
        write!(
            f,
            "pool: {} checked out, {} idle, {} opening, of {} (max_size {}); {} callers wait",
            self.holders.len(),
            self.idle,
            self.opening,
            self.limit,
            self.max_size,
            self.waiting
        )?;
        if let Some(oldest) = self.oldest_waiter {
            write!(f, ", the first for {}", human(oldest))?;
        }
        for holder in &self.holders {
            write!(f, "\n  {holder}")?;
            if let Some(trace) = holder.backtrace.as_ref().filter(|t| t.status() == BacktraceStatus::Captured)
            {
                write!(f, "\n{trace}")?;
            }
        }
        if let Some(server) = &self.server {
            write!(f, "\n{server}")?;
        }
        if let Some(error) = &self.server_error {
            write!(f, "\nserver: could not be asked: {}", Printable(error))?;
        }
        Ok(())
    }
}

impl fmt::Display for ServerSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "server: {} sessions of {} slots, {} of them reserved; {} idle in transaction",
            self.used, self.max_connections, self.reserved, self.idle_in_transaction
        )?;
        if let Some((limit, used)) = self.role_limit {
            write!(f, "; this role: {used} of {limit}")?;
        }
        if let Some((limit, used)) = self.database_limit {
            write!(f, "; this database: {used} of {limit}")?;
        }
        for slot in &self.slots {
            let named = |text: &str, none: &'static str| {
                // Of others: a role's name may have a line break.
                if text.is_empty() { none.to_owned() } else { Printable(text).to_string() }
            };
            write!(
                f,
                "\n  {} x {} as {}: {}",
                slot.count,
                named(&slot.application, "(no name)"),
                named(&slot.user, "(no role)"),
                named(&slot.state, "(hidden)")
            )?;
            if let Some(oldest) = slot.oldest {
                write!(f, ", the oldest for {}", human(oldest))?;
            }
        }
        Ok(())
    }
}
