//! The end of a connection. It counts against the pool until its server has let go of it, or it was cut.

use std::sync::Arc;
use std::time::Instant;

use crate::error::LinkFault;
use crate::link::IdlePoll;
use crate::observe::event::EventKind;
use crate::pool::admission::Account;
use crate::pool::connection::place::PlaceOwner;
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Core;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;

impl Core {
    /// Retires a connection that its caller does not want to be used again.
    pub(in crate::pool) fn discard(self: &Arc<Self>, conn: Parked) {
        self.retire(conn, CloseReason::Discarded);
    }

    /// Retires a connection that died while it was checked out. Its idle siblings may be dead too.
    pub(in crate::pool) fn retire_broken(self: &Arc<Self>, conn: Parked) {
        self.note_connection_loss(&conn);
        self.revalidation.suspect_all_parked();
        self.server_lost_connection();
        self.retire(conn, CloseReason::Broken);
    }

    /// Closes a connection in use. It counts against the pool until the server has let go of it or it was cut.
    pub(in crate::pool) fn retire(self: &Arc<Self>, mut conn: Parked, reason: CloseReason) {
        self.admission.retire_in_use(&mut conn, |counters| counters.closed(reason));
        failpoint!(self, "retired");
        self.close_connection(conn, reason);
    }

    /// Closes a connection that was to be checked out and never reached its caller.
    pub(in crate::pool) fn retire_before_checkout(self: &Arc<Self>, conn: Parked, reason: CloseReason) {
        self.admission.count(|c| c.gets -= 1);
        self.retire(conn, reason);
    }

    /// Closes a connection that is counted as departing already.
    pub(in crate::pool) fn close_connection(self: &Arc<Self>, conn: Parked, reason: CloseReason) {
        if conn.link.poll_idle() == IdlePoll::Closed {
            conn.link.receive_until_hangup();
        }
        let fatal = conn.link.fatal_message();
        let sqlstate = fatal.as_ref().map(|fatal| fatal.sqlstate.code());
        if let Some(fatal) = &fatal {
            let message = format_args!("the server ended a connection: {}", fatal.message);
            self.emit(EventKind::ServerMessage).of(&conn).sqlstate(sqlstate).info(&[], message);
        }
        self.emit(EventKind::Closed)
            .of(&conn)
            .reason(reason.name())
            .sqlstate(sqlstate)
            .debug(&[], format_args!("closing a connection: {}", reason.name()));
        // A server process that closed its end has ended its statement too.
        let abandoned_work = conn.link.is_busy() && conn.link.fault() != Some(LinkFault::ClosedByServer);
        let gone =
            conn.link.poll_idle() == IdlePoll::Closed && conn.link.fault() != Some(LinkFault::DeadlinePassed);
        failpoint!(self, "closing");
        conn.link.retire();
        if gone && !abandoned_work {
            // Its place becomes free now.
            return drop(conn);
        }
        // Counted from now, not from when a worker is free: a server that does not answer keeps its workers waiting, and the
        // capacity of its connections must not come back one by one.
        let end = Instant::now() + self.settings.settle_timeout;
        self.start(Task::AwaitHangup { conn, abandoned_work, end });
    }

    /// Waits until the server has let go of a connection, or cuts it at `end`. Runs on a worker.
    pub(in crate::pool) fn await_hangup(&self, conn: Parked, abandoned_work: bool, end: Instant) {
        let left = || end.saturating_duration_since(Instant::now());
        if abandoned_work {
            // The server would go on with the statement until it has something to send.
            if let Err(e) = conn.cancel.cancel_within(left()) {
                self.log.debug(
                    &[("connection", conn.id.into())],
                    format_args!("could not cancel what an abandoned connection was doing: {e}"),
                );
            }
        }
        if !conn.link.wait_for_hangup(left()) {
            conn.link.reset_on_close();
        }
        failpoint!(self, "departing");
    }
}

impl PlaceOwner for Core {
    fn take_back_place(self: Arc<Self>, id: u64, account: Account) {
        // In a forked child nothing of the parent's pool may be touched.
        if self.is_inherited() {
            return;
        }
        self.registry.remove(id);
        match account {
            // The capacity for the opening is held by a guard of its own.
            Account::Opening | Account::Idle => return,
            Account::InUse | Account::PoolUse(_) => self.admission.lost_in_use(account),
            Account::Departing => self.admission.departed(),
        }
        self.refill();
    }
}
