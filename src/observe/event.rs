//! What happens in a pool, told as it happens to whoever asked for it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::sys::callback;

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $Kind:ident = $number:literal $name:literal,)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind { $($(#[$doc])* $Kind = $number,)+ }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [EventKind] = &[$(Self::$Kind),+];

            /// Its stable name in snake case, as log records have it under `event`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Kind => $name,)+ }
            }
        }
    };
}

event_kinds! {
    /// A connection was opened, in [`took`](Event::took).
    Opened = 1 "opened",
    /// A connection could not be opened: [`error`](Event::error).
    OpenFailed = 2 "open_failed",
    /// A connection is closed: [`reason`](Event::reason) is a [`CloseReason`](crate::CloseReason)'s name.
    Closed = 3 "closed",
    /// A connection was lent, after [`took`](Event::took) of waiting.
    Acquired = 4 "acquired",
    /// A connection came back, after [`took`](Event::took) of use.
    Released = 5 "released",
    /// A caller had to wait for [`took`](Event::took) before it got a connection.
    Waited = 6 "waited",
    /// A call failed to open a connection and will try again after [`took`](Event::took): [`error`](Event::error).
    Retried = 7 "retried",
    /// A call got no connection in time, or was not let into the queue: [`error`](Event::error).
    TimedOut = 8 "timed_out",
    /// The limit moved [`from`](Event::from) [`to`](Event::to), because of [`reason`](Event::reason) (a
    /// [`LimitedBy`](crate::LimitedBy)'s name) if it fell.
    LimitMoved = 9 "limit_moved",
    /// The circuit moved: [`reason`](Event::reason) is the name of the [`Circuit`](crate::Circuit) it is now.
    CircuitMoved = 10 "circuit_moved",
    /// A connection has been lent for longer than `leak_detection_threshold`: [`took`](Event::took) so far, taken at
    /// [`place`](Event::place). Told once for each loan.
    LeakSuspected = 11 "leak_suspected",
    /// The server said something that concerns more than one statement, such as that it shuts down: in
    /// [`message`](Event::message).
    ServerMessage = 12 "server_message",
    /// A connection came back with an open transaction, which was rolled back.
    RolledBack = 13 "rolled_back",
    /// An alert was raised: [`reason`](Event::reason) is its name, [`message`](Event::message) cause and remedy.
    AlertRaised = 14 "alert_raised",
    /// An alert is over: [`reason`](Event::reason) is its name.
    AlertCleared = 15 "alert_cleared",
    /// It was looked into who holds all connections: [`message`](Event::message) is what was found.
    ExhaustionExplained = 16 "exhaustion_explained",
}

/// Something that happened in a pool; see [`PoolConfig::on_event`](crate::PoolConfig::on_event). Which of the optional fields a
/// kind has is said there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// The pool's name and target, or its target alone if it has no name.
    pub pool: &'a str,
    /// When.
    pub time: SystemTime,
    /// Number of the connection within the pool, as log records have it.
    pub connection: Option<u64>,
    /// The server's process id for that connection.
    pub backend_pid: Option<u32>,
    /// A duration.
    pub took: Option<Duration>,
    /// A stable name in snake case.
    pub reason: Option<&'a str>,
    /// A number before.
    pub from: Option<u32>,
    /// A number now.
    pub to: Option<u32>,
    /// Where in the program, as `file:line`.
    pub place: Option<&'a str>,
    /// What went wrong.
    pub error: Option<&'a Error>,
    /// What happened, in words. Never holds a secret. Empty for [`Acquired`](EventKind::Acquired) and
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
            message: "",
        }
    }
}

/// Who wants to hear of events.
#[derive(Clone)]
pub(crate) struct EventSink(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl EventSink {
    pub(crate) fn new(take: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Never call it with a lock held: the sink is the program's. What a sink causes is not told to it, or it might never end.
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
