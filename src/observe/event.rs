//! Events: occurrences in a pool, passed to the program's handler as they happen.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::named_enum::named_enum;
use crate::sys::callback;

named_enum! {
    /// The kind of an event.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum EventKind {
        /// A connection was opened, in [`took`](Event::took).
        Opened = 1 "opened",
        /// A connection could not be opened; [`error`](Event::error) is the failure.
        OpenFailed = 2 "open_failed",
        /// A connection is closed: [`reason`](Event::reason) names the [reason](crate::CloseReason) for it. If the server ended it
        /// with a message, [`sqlstate`](Event::sqlstate) is that of the message.
        Closed = 3 "closed",
        /// A connection was checked out, after [`took`](Event::took) of waiting.
        Acquired = 4 "acquired",
        /// A connection was returned, after [`took`](Event::took) of use.
        Released = 5 "released",
        /// A caller had to wait for [`took`](Event::took) before it got a connection.
        Waited = 6 "waited",
        /// A call failed to open a connection and will try again after [`took`](Event::took); [`error`](Event::error) is the
        /// failure.
        Retried = 7 "retried",
        /// A call got no connection in time, or was not let into the queue; [`error`](Event::error) is what it failed with.
        TimedOut = 8 "timed_out",
        /// The limit moved: it was [`from`](Event::from) and is [`to`](Event::to). If it fell, [`reason`](Event::reason) names the
        /// [limit](crate::LimitedBy) that caused it.
        LimitMoved = 9 "limit_moved",
        /// The circuit moved: [`reason`](Event::reason) is the name of the [state](crate::Circuit) it is in now.
        CircuitMoved = 10 "circuit_moved",
        /// A connection has been checked out for longer than `leak_detection_threshold`: [`took`](Event::took) so far, at
        /// [`place`](Event::place). Sent once for each checkout.
        LeakSuspected = 11 "leak_suspected",
        /// The server sent a message that concerns more than one statement, such as its shutdown. [`message`](Event::message)
        /// has it.
        ServerMessage = 12 "server_message",
        /// A connection was returned with an open transaction, which was rolled back.
        RolledBack = 13 "rolled_back",
        /// An alert was raised: [`reason`](Event::reason) is its name, [`message`](Event::message) has cause and remedy.
        AlertRaised = 14 "alert_raised",
        /// An alert was cleared after [`took`](Event::took): [`reason`](Event::reason) is its name.
        AlertCleared = 15 "alert_cleared",
        /// The pool examined which clients hold all connections: [`message`](Event::message) is the finding.
        ExhaustionExplained = 16 "exhaustion_explained",
        /// A connection came back with a notice of the server (`WARNING`, `NOTICE` and the like) that nobody had fetched, such as
        /// one of [a statement run by the pool](crate::Pool::query): [`message`](Event::message) is its text,
        /// [`reason`](Event::reason) its severity in small letters, [`sqlstate`](Event::sqlstate) its code.
        Notice = 17 "notice",
    }
}

/// An occurrence in a pool; see [`PoolConfig::on_event`](crate::PoolConfig::on_event). [`EventKind`] lists which optional fields
/// each kind has.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The kind of event.
    pub kind: EventKind,
    /// The pool's name and target, or its target alone if it has no name.
    pub pool: &'a str,
    /// The time of the event.
    pub time: SystemTime,
    /// Number of the connection within the pool, as log records have it.
    pub connection: Option<u64>,
    /// The server's process id for that connection.
    pub backend_pid: Option<u32>,
    /// A duration, as the kind defines it.
    pub took: Option<Duration>,
    /// The reason, a stable name in snake case.
    pub reason: Option<&'a str>,
    /// The previous limit.
    pub from: Option<u32>,
    /// The new limit.
    pub to: Option<u32>,
    /// The place in the program, as `file:line`.
    pub place: Option<&'a str>,
    /// The failure.
    pub error: Option<&'a Error>,
    /// The SQLSTATE that the server gave, whatever its language: of the message with which it ended the connection, or of the
    /// failure.
    pub sqlstate: Option<&'a str>,
    /// The event as text. Never holds a secret. Empty for [`Acquired`](EventKind::Acquired) and
    /// [`Released`](EventKind::Released).
    pub message: &'a str,
}

impl<'a> Event<'a> {
    pub(crate) fn new(kind: EventKind, pool: &'a str) -> Self {
        Self {
            kind,
            pool,
            time: SystemTime::now(),
            connection: None,
            backend_pid: None,
            took: None,
            reason: None,
            from: None,
            to: None,
            place: None,
            error: None,
            sqlstate: None,
            message: "",
        }
    }
}

/// The program's event handler.
#[derive(Clone)]
pub(crate) struct EventSink(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl EventSink {
    pub(crate) fn new(take: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Returns the sink behind `pass`, which gets each event with the sink's own function.
    #[cfg(feature = "capi")]
    pub(crate) fn behind(pass: impl Fn(&dyn Fn(&Self)) + Send + Sync + 'static) -> Self {
        Self::new(move |event| pass(&|sink| (sink.0)(event)))
    }

    /// Calls the handler, which is the program's: never to be called with a lock held. Events that a handler causes are dropped,
    /// or it might never end.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if !callback::is_running() {
            callback::run(|| (self.0)(event));
        }
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}
