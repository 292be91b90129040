//! The program's hook on new sessions, `on_connect`: part of the opening of a connection.

use std::any::Any;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{PoolConfig, SessionHook};
use crate::error::{Error, ErrorKind, LinkFault, Phase, Source};
use crate::link::checkouts::Requests;
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Core;
use crate::pool::pooled_connection::PooledConnection;
use crate::sys::callback;
use crate::sys::unwind::{catch_panic, panic_message};

/// The connection that the hook was given, unless the hook kept it, and the outcome of the hook.
pub(crate) type SetUp = (Option<PooledConnection>, Result<(), Source>);

/// A hook that sets up new sessions: the only [`SessionHook`] there is. The configuration keeps it as such, since this type is
/// above it.
pub(crate) struct ConnectHook(Box<dyn Fn(PooledConnection) -> SetUp + Send + Sync>);

impl SessionHook for ConnectHook {}

impl ConnectHook {
    pub(crate) fn new(hook: impl Fn(PooledConnection) -> SetUp + Send + Sync + 'static) -> Self {
        Self(Box::new(hook))
    }

    /// Returns what a configuration has.
    fn of(hook: &dyn SessionHook) -> Option<&Self> {
        (hook as &dyn Any).downcast_ref()
    }

    /// Calls the hook that a configuration has; `None` if it has none.
    #[cfg(feature = "capi")]
    pub(crate) fn call(hook: &dyn SessionHook, conn: PooledConnection) -> Option<SetUp> {
        Some((Self::of(hook)?.0)(conn))
    }
}

impl PoolConfig {
    /// Runs `hook` on every new session before its connection is given out: to set a role, a time zone, `search_path`, or to
    /// prepare statements. It is part of the opening: its statements count against the deadline of the attempt
    /// (`connection_timeout`), and closing the pool ends them. A second hook replaces the first. Default: none.
    ///
    /// It runs once per session, and again after each reset of the session where the option `session_reset` is on, since a reset
    /// undoes what it has set.
    ///
    /// # Errors
    /// An error of the hook closes the session and fails the opening, in the phase [`Setup`](crate::Phase::Setup): with the
    /// kind of the failure if it is an error of this crate, else as [`Config`](ErrorKind::Config), with the hook's error as
    /// source either way. It is tried again like any failed opening if it is one that passes, such as a session that was lost;
    /// no outage of the server is declared for it. A panic is contained, and is such an error
    /// ([`Misuse`](ErrorKind::Misuse)), as is a transaction or a result that the hook leaves open.
    ///
    /// # Threads
    /// It is called on the thread that opens the connection, which may be the caller's or one of the library's, by several at
    /// once, never while a lock is held. Getting a connection of the same pool in it is
    /// [`Misuse`](ErrorKind::Misuse).
    ///
    /// ```no_run
    /// let config = holdfast::PoolConfig::from_url("postgresql://app@db/orders")?
    ///     .on_connect(|conn| Ok(conn.batch_execute("set time zone 'Europe/Zurich'")?));
    /// let pool = holdfast::Pool::new(config)?;
    /// assert_eq!(pool.query_one("show timezone", &[])?.get::<_, &str>(0), "Europe/Zurich");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut PooledConnection) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync + 'static,
    {
        let hook = ConnectHook::new(move |mut conn| {
            let ended = catch_panic(|| hook(&mut conn)).unwrap_or_else(|payload| {
                let message = format!("on_connect panicked: {}", panic_message(&*payload));
                Err(Error::misuse(message).into())
            });
            (Some(conn), ended)
        });
        self.replace_hook(Some(Arc::new(hook)));
        self
    }
}

impl Core {
    /// Has the program set up a session, by `deadline`. The connection counts as an opening, or as in use: what becomes of it
    /// when this fails is the caller's decision. `None` if it is lost.
    ///
    /// # Errors
    /// The reason why the session must not be given out.
    pub(in crate::pool) fn set_up(
        self: &Arc<Self>,
        conn: Parked,
        deadline: Instant,
    ) -> (Option<Parked>, Result<(), Error>) {
        let Some(hook) = self.connect_hook.as_deref().and_then(ConnectHook::of) else {
            return (Some(conn), Ok(()));
        };
        failpoint!(self, "setting up");
        let (id, link, target) = (conn.id, conn.link.clone(), conn.target.clone());
        link.bound_deadlines(Some(deadline));
        let (given, ended) = {
            let _marked = callback::set_up_for(Arc::as_ptr(self).addr());
            callback::run_body(|| (hook.0)(PooledConnection::for_set_up(self.clone(), conn)))
        };
        link.bound_deadlines(None);
        let conn = given.and_then(PooledConnection::end_set_up).filter(|conn| conn.id == id);
        let Some(mut conn) = conn else {
            let error = ended.map_or_else(
                |cause| failure(cause, None),
                |()| Error::misuse("on_connect did not leave its connection in place"),
            );
            return (None, Err(error.in_phase(Phase::Setup).at_target(target)));
        };
        conn.dismiss_guest();
        let requests = self.end_use(&mut conn);
        conn.session.forget_messages();
        let outcome = match ended {
            Err(cause) => Err(failure(cause, link.fault())),
            Ok(()) if requests == Requests::Settled && conn.is_at_rest() => Ok(()),
            Ok(()) => Err(match link.fault() {
                Some(fault) => failure(fault.into(), Some(fault)),
                None => Error::misuse("on_connect left a transaction, a result or a cancel request open"),
            }),
        };
        (Some(conn), outcome.map_err(|error| error.in_phase(Phase::Setup).at_target(target)))
    }
}

/// Returns the error of a session that could not be set up.
fn failure(cause: Source, fault: Option<LinkFault>) -> Error {
    let in_time = fault != Some(LinkFault::DeadlinePassed);
    let error = match cause.downcast_ref::<Error>() {
        _ if !in_time => Error::new(ErrorKind::ConnectTimeout, "on_connect did not end in time"),
        None if fault.is_some() => {
            Error::new(ErrorKind::ConnectionLost, format!("on_connect failed: {cause}")).set_retryable(true)
        }
        None => Error::new(ErrorKind::Config, format!("on_connect failed: {cause}")),
        Some(known) => {
            // Nothing of the caller's was sent to a session that is lost.
            let passes = known.is_retryable() || known.kind() == ErrorKind::ConnectionLost;
            let error = Error::new(kind(known), format!("on_connect failed: {}", known.summary()));
            match known.server() {
                Some(server) => error.with_server_message(server.clone()),
                None => error,
            }
            .set_retryable(passes)
        }
    };
    error.with_source(cause)
}

/// Returns the kind of a hook's failure. The other kinds say something about this pool, which an error of another pool does not.
fn kind(known: &Error) -> ErrorKind {
    match known.kind() {
        kind @ (ErrorKind::Database
        | ErrorKind::ConnectionLost
        | ErrorKind::QueryTimeout
        | ErrorKind::Canceled
        | ErrorKind::Misuse) => kind,
        _ => ErrorKind::Config,
    }
}
