//! The errors of this crate, written so that a person at 3 a.m. can act on them and a program can decide on them.
//!
//! One type serves the whole crate. An error always has its [`ErrorKind`]. Where they apply, it also has the [`Phase`],
//! the server's message, every attempt, the time taken and the state of the pool. `classify` decides the kind of a
//! failure, with the table in `classify::meaning` for what a server answers, and no other code does.

mod attempt;
mod classify;
mod commit;
mod display;
mod kind;
mod limited_by;
mod link_fault;
mod parameter_count;
mod password_fault;
mod phase_timings;
mod remedy;
mod server_message;
mod snapshot;
pub(crate) mod sqlstate;
mod stale;

use std::error::Error as StdError;
use std::time::{Duration, Instant};

pub use postgres::error::{ErrorPosition, Severity, SqlState};

pub use attempt::Attempt;
pub(crate) use classify::{
    ends_the_session, find_source, is_connection_failure, is_local_limit, is_readable,
};
#[cfg(feature = "capi")]
pub(crate) use commit::RolledBack;
#[doc(hidden)]
pub use display::human;
pub use kind::{ErrorKind, Phase};
pub use limited_by::LimitedBy;
pub(crate) use link_fault::LinkFault;
pub use parameter_count::ParameterCount;
pub(crate) use password_fault::PasswordFault;
pub use phase_timings::PhaseTimings;
pub use server_message::ServerMessage;
pub use snapshot::PoolSnapshot;
#[cfg(any(feature = "json", feature = "capi"))]
pub(crate) use snapshot::gauges;
pub(crate) use sqlstate::is_transaction_conflict;
pub(crate) use stale::{Staleness, is_duplicate_name, is_unknown_name};

/// Any failure of this crate.
///
/// ```
/// use holdfast::{ErrorKind, Pool};
///
/// let error = Pool::from_url("postgresql://app@db/orders?max_sise=8").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(error.to_string().contains("max_size"));
/// ```
pub struct Error(Box<Inner>);

pub(crate) type Source = Box<dyn StdError + Send + Sync>;

struct Inner {
    kind: ErrorKind,
    phase: Option<Phase>,
    /// The failure in words, without the content of the other fields.
    message: String,
    /// Further facts, printed behind the message.
    notes: Vec<String>,
    server: Option<ServerMessage>,
    target: Option<String>,
    attempts: Vec<Attempt>,
    elapsed: Option<Duration>,
    snapshot: Option<PoolSnapshot>,
    timings: PhaseTimings,
    parameter_count: Option<ParameterCount>,
    /// Kept beside the source, which is left out where a failure is told to another caller.
    os_error: Option<i32>,
    retryable: bool,
    /// Set when another service than PostgreSQL answered.
    of_other_service: bool,
    password_fault: Option<PasswordFault>,
    source: Option<Source>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            phase: None,
            message: message.into(),
            notes: Vec::new(),
            server: None,
            target: None,
            attempts: Vec::new(),
            elapsed: None,
            snapshot: None,
            timings: PhaseTimings::default(),
            parameter_count: None,
            os_error: None,
            retryable: classify::retryable_by_kind(kind),
            of_other_service: false,
            password_fault: None,
            source: None,
        }))
    }

    /// For the package `holdfast-cli`, as [`misuse`](Self::misuse) and [`with_source`](Self::with_source): its advice and its
    /// examinations report their own failures in this type.
    #[doc(hidden)]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message).in_phase(Phase::Config)
    }

    #[doc(hidden)]
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misuse, message)
    }

    pub(crate) fn in_phase(mut self, phase: Phase) -> Self {
        self.0.phase = Some(phase);
        self
    }

    #[doc(hidden)]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        let source = source.into();
        self.0.os_error = os_error_of(&*source).or(self.0.os_error);
        self.0.source = Some(source);
        self
    }

    pub(crate) fn with_os_error(mut self, number: Option<i32>) -> Self {
        self.0.os_error = number;
        self
    }

    /// Names the server the failure concerns (`host:port`), for messages. Never holds a secret.
    pub(crate) fn at_target(mut self, target: impl Into<String>) -> Self {
        self.0.target = Some(target.into());
        self
    }

    pub(crate) fn with_server_message(mut self, server: ServerMessage) -> Self {
        self.0.server = Some(server);
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.0.elapsed = Some(elapsed);
        self
    }

    pub(crate) fn with_snapshot(mut self, snapshot: PoolSnapshot) -> Self {
        self.0.snapshot = Some(snapshot);
        self
    }

    pub(crate) fn set_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds a fact to the message.
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.0.notes.push(note);
        self
    }

    /// Returns the same failure for another caller, without the first caller's attempts and source.
    pub(crate) fn again(&self) -> Self {
        let Inner {
            kind,
            phase,
            message,
            notes,
            server,
            target,
            parameter_count,
            os_error,
            retryable,
            of_other_service,
            password_fault,
            ..
        } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            phase: *phase,
            message: message.clone(),
            notes: notes.clone(),
            server: server.clone(),
            target: target.clone(),
            attempts: Vec::new(),
            elapsed: None,
            snapshot: None,
            timings: PhaseTimings::default(),
            parameter_count: *parameter_count,
            os_error: *os_error,
            retryable: *retryable,
            of_other_service: *of_other_service,
            password_fault: *password_fault,
            source: None,
        }))
    }

    /// Records this failure as one attempt among several, before the next is made or the last is reported.
    pub(crate) fn to_attempt(&self, took: Duration, backoff: Option<Duration>) -> Attempt {
        Attempt {
            kind: self.kind(),
            phase: self.phase(),
            sqlstate: self.sqlstate().cloned(),
            cause: self.cause(),
            target: self.0.target.clone(),
            took,
            backoff,
            ended: Instant::now(),
        }
    }

    /// The class of the failure.
    ///
    /// ```
    /// use holdfast::{ErrorKind, Phase, SqlState};
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let error = pool.execute("echo:error 23505 there is one already", &[]).unwrap_err();
    /// assert_eq!((error.kind(), error.phase()), (ErrorKind::Database, Some(Phase::Query)));
    /// assert_eq!((error.sqlstate(), error.server_message()), (Some(&SqlState::UNIQUE_VIOLATION), Some("there is one already")));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The step in which it failed, where there is one.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The SQLSTATE the server answered with, if it answered.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        self.0.server.as_ref().map(|s| &s.sqlstate)
    }

    /// The server's message text, if it answered.
    pub fn server_message(&self) -> Option<&str> {
        self.0.server.as_ref().map(|s| s.message.as_str())
    }

    /// The server's whole message, if it answered.
    pub fn server(&self) -> Option<&ServerMessage> {
        self.0.server.as_ref()
    }

    /// Returns whether trying the same again is safe and may succeed: the failed operation provably had no effect, and
    /// the cause is one that passes. `false` means only that the library cannot promise it.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The failed attempts at opening a connection, first to last. Empty when nothing was tried.
    ///
    /// ```
    /// let url = "postgresql://app@127.0.0.1:1/orders?retry_max=1&retry_base_delay=1ms";
    /// let error = holdfast::Pool::from_url(url)?.get().unwrap_err(); // no server listens at port 1
    /// assert_eq!((error.attempts().len(), error.is_retryable()), (2, true));
    /// println!("{} after {:?}: {:?}", error.summary(), error.elapsed(), error.remedy());
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// The time the failed call took, queueing and backoff included.
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// The state of the pool when the call failed.
    pub fn snapshot(&self) -> Option<&PoolSnapshot> {
        self.0.snapshot.as_ref()
    }

    /// The number of the operating system's error (`errno`), where one is the cause: 24 is `EMFILE`, no descriptor is left;
    /// 111 is `ECONNREFUSED` on Linux. `None` where the server answered, or something else failed.
    ///
    /// ```
    /// # fn main() -> holdfast::Result<()> {
    /// let pool = holdfast::Pool::new(holdfast::PoolConfig::from_url("postgresql://app@127.0.0.1:1/shop?retry_max=0")?)?;
    /// let error = pool.get().unwrap_err();
    /// let number = error.os_error().unwrap();
    /// assert_eq!(std::io::Error::from_raw_os_error(number).kind(), std::io::ErrorKind::ConnectionRefused);
    /// # Ok(()) }
    /// ```
    pub fn os_error(&self) -> Option<i32> {
        self.0.os_error
    }

    /// The server the failure concerns, as `host:port` or a socket path.
    pub fn target(&self) -> Option<&str> {
        self.0.target.as_deref()
    }
}

fn os_error_of(cause: &(dyn StdError + 'static)) -> Option<i32> {
    let mut causes =
        std::iter::successors(Some(cause), |cause: &&(dyn StdError + 'static)| (*cause).source());
    causes.find_map(|cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error())
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

impl From<postgres::Error> for Error {
    /// Classifies an error of a statement that ran on a connection already established.
    fn from(error: postgres::Error) -> Self {
        classify::statement_error(error)
    }
}

/// The name that the `postgres` crate has for a server's message.
pub use self::ServerMessage as DbError;

/// A `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
