//! Errors in the words of servers and poolers.

use std::fmt;

use super::packets::message;

/// The severity of a [`Refusal`]. After all but `Error` the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement has failed, and the session goes on.
    Error,
    /// The session ends.
    Fatal,
    /// The server as a whole goes down.
    Panic,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An error that a [`FakeServer`](super::FakeServer) reports (`ErrorResponse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its severity, which a real server would translate for people and repeat untranslated.
    pub severity: Severity,
    /// The code, as in `53300`. Sent as it is, whether PostgreSQL has such a code or not.
    pub sqlstate: String,
    /// The message for people.
    pub message: String,
}

impl Refusal {
    /// Returns an error after which the session ends, as all refusals at start-up are.
    pub fn fatal(sqlstate: &str, message: &str) -> Self {
        Self::with(Severity::Fatal, sqlstate, message)
    }

    /// Returns an error of one statement, after which the session goes on.
    pub fn error(sqlstate: &str, message: &str) -> Self {
        Self::with(Severity::Error, sqlstate, message)
    }

    /// Returns an error of any severity.
    pub fn with(severity: Severity, sqlstate: &str, message: &str) -> Self {
        Self { severity, sqlstate: sqlstate.to_owned(), message: message.to_owned() }
    }

    /// PostgreSQL with all slots taken (53300).
    pub fn too_many_clients() -> Self {
        Self::fatal("53300", "sorry, too many clients already")
    }

    /// PostgreSQL that is not there yet (57P03).
    pub fn starting_up() -> Self {
        Self::fatal("57P03", "the database system is starting up")
    }

    /// PostgreSQL that ends a session in order, as for a restart (57P01).
    pub fn terminated() -> Self {
        Self::fatal("57P01", "terminating connection due to administrator command")
    }

    /// A primary that has become a standby: it takes no writes (25006).
    pub fn read_only() -> Self {
        Self::error("25006", "cannot execute INSERT in a read-only transaction")
    }

    /// PgBouncer at `max_client_conn`. It says nearly everything with 08P01.
    pub fn pgbouncer_full() -> Self {
        Self::fatal("08P01", "no more connections allowed (max_client_conn)")
    }

    /// PgBouncer whose server does not let it in.
    pub fn pgbouncer_server_login_failing() -> Self {
        Self::fatal(
            "08P01",
            "server login has been failing, cached error: connect failed (server_login_retry)",
        )
    }

    /// Whether the session goes on after it.
    pub(super) fn leaves_session(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let severity = self.severity.word();
        let mut fields = Vec::new();
        for (field, text) in
            [(b'S', severity), (b'V', severity), (b'C', &self.sqlstate), (b'M', &self.message)]
        {
            fields.push(field);
            fields.extend_from_slice(text.as_bytes());
            fields.push(0);
        }
        fields.push(0);
        message(b'E', &fields)
    }
}
