//! The sizes of a pool. Keeps `min_idle` filled, which does nothing at the default of 0: an idle pool opens no connection. Applies
//! another `max_size` while the pool is in use.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::acquire::{Call, LONGEST_WAIT_24H};
use crate::config::options::MOST_CONNECTIONS;
use crate::error::{Error, Result};
use crate::observe::checkout::Place;
use crate::pool::core::{Core, pool_closed};
use crate::pool::guards::{MinIdle, Refill, Warming};
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::single_flight::Flight;

impl Core {
    /// Opens the connections that `min_idle` calls for, on a thread for openings.
    pub(in crate::pool) fn refill(self: &Arc<Self>) {
        if self.settings.min_idle == 0 || self.refill_is_paused() {
            return;
        }
        match self.reserve_for_min_idle() {
            MinIdle::IsMet => {}
            // Other openings are under way, or the server refuses.
            MinIdle::HasNoCapacity => self.refill_later(),
            MinIdle::MayOpen(_) if self.coordinator.is_out() => self.refill_later(),
            MinIdle::MayOpen(capacity) => self.start(Task::FillMinIdle(Refill::new(self, capacity))),
        }
    }

    pub(in crate::pool) fn refill_later(self: &Arc<Self>) {
        if let Some(flight) = self.refills_later.begin() {
            self.later(self.settings.retry_max_delay, Task::RefillAgain(flight));
        }
    }

    pub(in crate::pool) fn refill_again(self: &Arc<Self>, flight: Flight) {
        drop(flight);
        self.refill();
    }

    /// Opens one connection, and has the next opened. Runs on a thread for openings. After a failure of any kind it is tried
    /// again later.
    pub(in crate::pool) fn fill_min_idle(self: &Arc<Self>, mut refill: Refill) {
        failpoint!(self, "refilling");
        let Some(capacity) = refill.take_capacity() else { return };
        match self.open(capacity, Instant::now() + self.settings.connection_timeout) {
            Ok(conn) => {
                refill.succeeds();
                if self.refill_is_paused() {
                    return self.retire(conn, CloseReason::Released);
                }
                self.give_back(conn);
                self.refill();
            }
            Err(e) => self.log.warn(&[], format_args!("could not fill min_idle: {e}")),
        }
    }

    /// Returns whether idle connections were released and none was wanted since: then nothing is opened ahead of need.
    fn refill_is_paused(&self) -> bool {
        self.refill_is_paused.load(Ordering::Acquire)
    }

    /// Fills `min_idle` again, since a caller wants a connection.
    pub(in crate::pool) fn resume_refill(self: &Arc<Self>) {
        if self.refill_is_paused() && self.refill_is_paused.swap(false, Ordering::AcqRel) {
            self.refill();
        }
    }

    /// Opens connections until so many are open; see [`Pool::wait_until_warm`](crate::Pool::wait_until_warm).
    pub(in crate::pool) fn wait_until_warm(
        self: &Arc<Self>,
        connections: u32,
        timeout: Duration,
        place: Place,
    ) -> Result<()> {
        self.check_caller()?;
        let begun = Instant::now();
        let _warming = Warming::begin(self);
        // Held, so that each call gets another one. They count as in use.
        let mut held = Vec::new();
        loop {
            self.admission.wait_for_openings(connections, begun + timeout.min(LONGEST_WAIT_24H));
            let (figures, _) = self.admission.snapshot();
            if figures.idle + figures.in_use >= connections {
                return Ok(());
            }
            let max_size = figures.max_size;
            if connections > max_size {
                return Err(Error::misuse(format!(
                    "{connections} connections can never be open: max_size is {max_size}"
                )));
            }
            let timeout = Some(timeout.saturating_sub(begun.elapsed()));
            held.push(self.get(Call { timeout, place: Some(place), ..Call::default() })?);
        }
    }

    /// Applies another `max_size`; see [`Pool::set_max_size`](crate::Pool::set_max_size).
    pub(in crate::pool) fn set_max_size(self: &Arc<Self>, max_size: u32) -> Result<()> {
        self.check_caller()?;
        if !(1..=MOST_CONNECTIONS).contains(&max_size) {
            return Err(Error::misuse(format!(
                "max_size cannot be {max_size}: allowed is from 1 to {MOST_CONNECTIONS}"
            )));
        }
        // First of all: a caller that is let in finds a slot.
        self.slots.grow_to(max_size)?;
        let resized = self.admission.resize(max_size).ok_or_else(pool_closed)?;
        if resized.from != max_size {
            self.log.info(&[], format_args!("max_size is {max_size} now, and was {}", resized.from));
        }
        for conn in resized.surplus {
            self.close_connection(conn, CloseReason::Surplus);
        }
        #[cfg(feature = "capi")]
        if let Some(follower) = self.follower.get() {
            follower.pool_resized();
        }
        self.schedule_fleet_work();
        self.refill();
        Ok(())
    }
}
