//! The limit that a server means by "too many connections".

use super::classify::PoolerAnswer;
use super::{Error, ErrorKind, ServerMessage, sqlstate};
use crate::named_enum::named_enum;

named_enum! {
    /// The limit that keeps a pool from having more connections.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum LimitedBy {
        /// The server's `max_connections`, which all its clients share.
        Server = 1 "server",
        /// The same, where what is left is reserved: for superusers, or for roles with `pg_use_reserved_connections`.
        Reserved = 2 "reserved",
        /// The role's own `CONNECTION LIMIT`, which all its sessions share; other roles may have slots free.
        Role = 3 "role",
        /// The database's own `CONNECTION LIMIT`.
        Database = 4 "database",
        /// A pooler in between.
        Pooler = 5 "pooler",
        /// The pool itself, which holds itself to its share of the slots among other pools (the option `fleet_share`).
        Fleet = 6 "fleet",
    }
}

impl LimitedBy {
    /// Returns it in words, as the object of "limited by".
    pub fn words(self) -> &'static str {
        match self {
            Self::Server => "the server's max_connections",
            Self::Reserved => "the server's max_connections, less what is reserved",
            Self::Role => "the connection limit of the role",
            Self::Database => "the connection limit of the database",
            Self::Pooler => "a pooler",
            Self::Fleet => "this pool's share among others",
        }
    }

    /// Returns the limit that refused a connection, if a limit did.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let error = pool.execute("echo:error 53300 too many connections for role \"app\"", &[]).unwrap_err();
    /// assert_eq!(holdfast::LimitedBy::of(&error).unwrap().words(), "the connection limit of the role");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn of(error: &Error) -> Option<Self> {
        (error.kind() == ErrorKind::ServerFull).then(|| error.server().map_or(Self::Server, Self::of_message))
    }

    /// Decides by the function that reported it, which is the same in every language of the server. Where a server
    /// names no function, the words decide. Read in PostgreSQL 14 to 18: `proc.c`, `postmaster.c`, `backend_startup.c`,
    /// `postinit.c`, `miscinit.c`.
    fn of_message(said: &ServerMessage) -> Self {
        match said.routine.as_deref() {
            Some("InitProcess" | "ProcessStartupPacket" | "BackendInitialize") => return Self::Server,
            Some("InitPostgres") => return Self::Reserved,
            Some("CheckMyDatabase") => return Self::Database,
            Some("InitializeSessionUserId") => return Self::Role,
            _ => {}
        }
        let text = said.message.to_ascii_lowercase();
        if said.sqlstate.code() != sqlstate::TOO_MANY_CONNECTIONS || PoolerAnswer::says_full(&said.message) {
            Self::Pooler
        } else if text.contains("reserved") {
            Self::Reserved
        } else if text.contains("for role") {
            Self::Role
        } else if text.contains("for database") {
            Self::Database
        } else {
            Self::Server
        }
    }
}
