//! Shares the slots of a server with the other pools of the fleet: takes a census of the marks that connections carry, and
//! gives connections up. [`Share`](crate::resilience::fleet::membership::Share) decides.

use std::sync::Arc;

use crate::pool::admission::IdleAction;
use crate::pool::connection::server_connection::Parked;
use crate::pool::connection::validation::CheckResult;
use crate::pool::core::Core;
use crate::pool::fleet::census::query_census;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

impl Core {
    /// Takes a census over a connection that has just come back, and gives that back. Runs on a worker.
    pub(in crate::pool) fn take_census_over_returned(self: &Arc<Self>, mut conn: Parked) {
        self.take_census(&mut conn);
        self.give_back(conn);
    }

    /// Takes a census over an idle connection, and puts it back to its place: it was not used. Runs on a worker.
    pub(in crate::pool) fn take_census_over_idle(self: &Arc<Self>, mut conn: Parked) {
        let epoch = self.revalidation.epoch();
        self.take_census(&mut conn);
        if !conn.is_at_rest() {
            if let Some(reason) = self.conclude_check(&conn, CheckResult::Dead) {
                self.retire(conn, reason);
            }
            return;
        }
        conn.heard_at = Tick::now();
        conn.epoch = epoch;
        self.put_back_unused(conn);
    }

    fn take_census(self: &Arc<Self>, conn: &mut Parked) {
        failpoint!(self, "fleet look");
        let seen = query_census(conn, self.settings.validation_timeout);
        match &seen {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.log.debug(
                    &[],
                    format_args!("a pooler in between shows its own sessions: connections go without a mark"),
                );
                self.connector.leave_out_mark();
            }
            Err(error) => {
                self.log.debug(&[], format_args!("cannot see who shares the server: {}", error.summary()))
            }
        }
        self.admission.census_ended(seen.ok().flatten().as_ref());
        self.fleet.set_scarce(self.admission.is_scarce());
        self.schedule_fleet_work();
    }

    /// Recomputes when fleet work is due, after a change that may move it.
    pub(in crate::pool) fn schedule_fleet_work(self: &Arc<Self>) {
        if self.fleet.shares
            && let Some(due) = self.fleet.schedule(self.admission.next_rebalance())
        {
            self.later(due.since(Tick::exact()), Task::ShareSlots(due));
        }
    }

    /// Does the fleet work that is due by time. Runs on the timer thread.
    pub(in crate::pool) fn share_slots(self: &Arc<Self>, due: Tick) {
        if !self.fleet.fires(due) {
            return;
        }
        let _next = NextPlan(self);
        match self.admission.rebalance_share() {
            Some(IdleAction::GiveUp(conn)) => self.close_connection(conn, CloseReason::Shared),
            Some(IdleAction::Census(conn)) => self.start(Task::TakeCensusOverIdle(conn)),
            None => {}
        }
    }
}

/// Sets the fleet's next timer on every way out.
struct NextPlan<'a>(&'a Arc<Core>);

impl Drop for NextPlan<'_> {
    fn drop(&mut self) {
        self.0.schedule_fleet_work();
    }
}
