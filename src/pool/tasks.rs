//! Everything that a pool does on a thread of its own: on the timer thread, on a worker, or on a thread for openings.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::connection::registry::Registered;
use super::connection::server_connection::Parked;
use super::core::Core;
use super::guards::{AskingAgain, Capacity, IdleValidation, Refill};
use super::workers::Server;
use crate::link::checkouts::Requests;
use crate::sys::clock::Tick;
use crate::sys::single_flight::Flight;

/// One piece of background work. It owns what it needs (a connection, capacity, a flight), and gives it back when it is dropped
/// instead of run.
pub(super) enum Task {
    // On a thread for openings, for up to `connection_timeout`:
    /// Opens a connection for a caller that is in a hurry.
    OpenForCaller(Capacity, Flight),
    /// Opens a connection for `min_idle`.
    FillMinIdle(Refill),
    /// Opens a connection to find out whether an outage is over.
    Probe { capacity: Capacity, patience: Duration, flight: Flight },
    /// Opens a connection to find out whether a permanent failure is over.
    AskAgain(AskingAgain),

    // On a worker, for a bounded time:
    /// Brings a returned connection to rest.
    Settle(Parked, Requests),
    /// Validates the role of a returned connection.
    CheckRole(Parked),
    /// Validates an idle connection for a caller that is in a hurry.
    ValidateForCaller(Parked),
    /// Validates one idle connection after another.
    ValidateIdle(IdleValidation),
    /// Takes the fleet's census over a returned connection.
    TakeCensusOverReturned(Parked),
    /// Takes the fleet's census over an idle connection.
    TakeCensusOverIdle(Parked),
    /// Asks the server who holds its slots, over an idle connection.
    ExplainOverIdle,
    /// Asks the server who holds its slots, over a returned connection.
    ExplainOverReturned(Parked),
    /// Cancels the statement of a checked-out connection, since the pool closes.
    CancelStatement(Box<Registered>, Instant),
    /// Waits until the server has let go of a connection, or cuts it at `end`.
    AwaitHangup { conn: Parked, abandoned_work: bool, end: Instant },

    // On the timer thread, which must not block:
    /// Closes idle connections, and has others validated.
    Housekeep(Tick),
    /// Does the work for the fleet that is due by time.
    ShareSlots(Tick),
    /// Tries to exceed the learned limit by one.
    TryOneMore(Flight),
    /// Tries again to fill `min_idle`.
    RefillAgain(Flight),
    /// Samples the pool for alerts and history.
    Sample(Flight),
    /// Ends an explanation for which no connection came back.
    ExplainWithoutServer,
    /// Has a pool of the server probe it.
    TakeProbeTurn,
}

/// The kind of thread that runs a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Opener,
    Worker,
    Timer,
}

impl Task {
    fn place(&self) -> Place {
        match self {
            Self::OpenForCaller(..) | Self::FillMinIdle(_) | Self::Probe { .. } | Self::AskAgain(_) => {
                Place::Opener
            }
            Self::Settle(..)
            | Self::CheckRole(_)
            | Self::ValidateForCaller(_)
            | Self::ValidateIdle(_)
            | Self::TakeCensusOverReturned(_)
            | Self::TakeCensusOverIdle(_)
            | Self::ExplainOverIdle
            | Self::ExplainOverReturned(_)
            | Self::CancelStatement(..)
            | Self::AwaitHangup { .. } => Place::Worker,
            Self::Housekeep(_)
            | Self::ShareSlots(_)
            | Self::TryOneMore(_)
            | Self::RefillAgain(_)
            | Self::Sample(_)
            | Self::ExplainWithoutServer
            | Self::TakeProbeTurn => Place::Timer,
        }
    }

    fn run(self, core: &Arc<Core>) {
        match self {
            Self::OpenForCaller(capacity, flight) => core.open_for_caller(capacity, flight),
            Self::FillMinIdle(refill) => core.fill_min_idle(refill),
            Self::Probe { capacity, patience, flight } => core.probe(capacity, patience, &flight),
            Self::AskAgain(asking) => core.ask_again(asking),
            Self::Settle(conn, requests) => core.settle(conn, requests),
            Self::CheckRole(conn) => core.check_role(conn),
            Self::ValidateForCaller(conn) => core.validate_for_caller(conn),
            Self::ValidateIdle(validation) => core.validate_next(validation),
            Self::TakeCensusOverReturned(conn) => core.take_census_over_returned(conn),
            Self::TakeCensusOverIdle(conn) => core.take_census_over_idle(conn),
            Self::ExplainOverIdle => core.explain_over_idle(),
            Self::ExplainOverReturned(conn) => core.explain_over(conn),
            Self::CancelStatement(registered, end) => core.cancel_statement(&registered, end),
            Self::AwaitHangup { conn, abandoned_work, end } => core.await_hangup(conn, abandoned_work, end),
            Self::Housekeep(due) => core.housekeep(due),
            Self::ShareSlots(due) => core.share_slots(due),
            Self::TryOneMore(flight) => core.try_one_more(flight),
            Self::RefillAgain(flight) => core.refill_again(flight),
            Self::Sample(flight) => core.take_sample(flight),
            Self::ExplainWithoutServer => core.explain_without_server(),
            Self::TakeProbeTurn => core.take_probe_turn(),
        }
    }
}

impl Core {
    /// Runs a task soon, on a thread that may block. Where the system has no threads, the task is dropped.
    pub(super) fn start(self: &Arc<Self>, task: Task) {
        let (place, core) = (task.place(), self.clone());
        let job = move || task.run(&core);
        match place {
            Place::Opener => self.workers.run_opening(self.server(), job),
            Place::Worker => self.workers.run(self.server(), job),
            Place::Timer => self.workers.after(Duration::ZERO, job),
        }
    }

    /// Runs a task of the timer after `delay`, if the pool still exists then.
    pub(super) fn later(self: &Arc<Self>, delay: Duration, task: Task) {
        debug_assert_eq!(task.place(), Place::Timer);
        let core = Arc::downgrade(self);
        self.workers.after(delay, move || run_if_alive(&core, task));
    }

    /// Sets the time of the server's next probe. The timer belongs to all pools of the server: any that still exists goes on.
    pub(super) fn probe_at(&self, at: Instant) {
        let coordinator = Arc::downgrade(&self.coordinator);
        self.workers.after(at.saturating_duration_since(Instant::now()), move || {
            let pools = coordinator.upgrade().map(|coordinator| coordinator.pools()).unwrap_or_default();
            if let Some(core) = pools.first() {
                run_if_alive(&Arc::downgrade(core), Task::TakeProbeTurn);
            }
        });
    }

    /// Returns the server whose share of the threads the pool uses.
    fn server(&self) -> Server {
        Server::of(&self.coordinator)
    }
}

/// Runs a task, unless the pool is gone, or is the parent's of this forked process.
fn run_if_alive(core: &Weak<Core>, task: Task) {
    if let Some(core) = core.upgrade().filter(|core| !core.is_inherited()) {
        task.run(&core);
    }
}
