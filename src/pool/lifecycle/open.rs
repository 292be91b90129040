//! Opens a connection with granted capacity, and passes the outcome on to all pools of the server.
//!
//! A caller with 20 ms left would cut an opening that takes 25, and so would the next one: a cold pool would stay cold, and
//! the server would see nothing but connections begun and broken off. So a thread for openings takes over, with the whole
//! `connection_timeout`, and the caller waits in the queue for the first connection that comes free. Each pool has one such
//! opening at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, LimitedBy, Phase, human};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::{Core, pool_closed};
use crate::pool::guards::Capacity;
use crate::pool::outage::permanent_failure::is_permanent;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::SessionState;
use crate::sys::single_flight::Flight;

/// A caller with less time left than this opens no connection itself.
pub(in crate::pool) const OPEN_IN_BACKGROUND_BELOW: Duration = Duration::from_millis(100);

impl Core {
    /// Opens a connection with granted capacity.
    pub(in crate::pool) fn open(
        self: &Arc<Self>,
        capacity: Capacity,
        deadline: Instant,
    ) -> Result<Parked, Error> {
        failpoint!(self, "granted");
        self.resume_refill();
        self.keep_sampling();
        // On every way out the guards below are dropped before the capacity, and so before a waiter is notified of it.
        let slot = self.slots.lease().ok_or_else(|| {
            Error::misuse("no slot is free although capacity was granted: please report this as a bug")
        })?;
        let registered = self.registry.begin_opening();
        let epoch = self.revalidation.epoch();
        if self.admission.is_closed() {
            return Err(pool_closed());
        }
        failpoint!(self, "leased");
        let began = Instant::now();
        let new_session = || SessionState::new(self.settings.statement_cache, self.statement_mode.clone());
        let opening_up = self.connector.open(deadline, &registered.abort, &new_session);
        let opened = match opening_up {
            Ok(opened) => opened,
            Err(_) if registered.abort.is_requested() => return Err(pool_closed()),
            Err(e) => {
                drop((registered, slot));
                failpoint!(self, "not opened");
                return Err(self.opening_failed(capacity, e, began));
            }
        };
        failpoint!(self, "connected");
        let conn = Box::new(OpenConnection::new(
            opened,
            slot,
            registered.id,
            epoch,
            &self.settings,
            Arc::<Self>::downgrade(self),
        ));
        let mut conn = match self.set_up(conn, deadline) {
            (Some(conn), Ok(())) => conn,
            (conn, outcome) => {
                conn.into_iter().for_each(|conn| self.end_opening(conn, deadline));
                return Err(match outcome {
                    Err(e) if !registered.abort.is_requested() => self.opening_failed(capacity, e, began),
                    _ => pool_closed(),
                });
            }
        };
        self.registry.add(&conn);
        // Before the connection counts as in use: a close from then on waits for its statement instead of giving up its opening.
        drop(registered);
        failpoint!(self, "registered");
        let took = began.elapsed();
        self.metrics.opened(took);
        self.emit(EventKind::Opened)
            .of(&conn)
            .took(took)
            .debug(&[], format_args!("opened a connection to {} in {}", conn.target, human(took)));
        self.clear_permanent_failure();
        let still_wanted = capacity.opened(&mut conn);
        failpoint!(self, "opened");
        self.server_reached(true);
        self.schedule_fleet_work();
        if still_wanted {
            return Ok(conn);
        }
        self.retire(conn, CloseReason::PoolClosed);
        Err(pool_closed())
    }

    /// Closes a connection whose session could not be set up. Blocks until its server has let go of it, since its capacity is
    /// free for another one then.
    fn end_opening(&self, conn: Parked, deadline: Instant) {
        conn.link.retire();
        let end = deadline.min(Instant::now() + self.settings.settle_timeout);
        if !conn.link.wait_for_hangup(end.saturating_duration_since(Instant::now())) {
            conn.link.reset_on_close();
        }
    }

    /// Passes a failed opening on: to the pool's own limits, and to all pools of the server. Returns the error.
    fn opening_failed(self: &Arc<Self>, capacity: Capacity, error: Error, began: Instant) -> Error {
        self.metrics.open_failed(&error);
        if error.phase() == Some(Phase::Setup) {
            // The program's own failure, whatever its kind: the server has begun the session.
            self.server_reached(false);
            self.clear_permanent_failure();
            drop(capacity);
        } else if is_permanent(&error) {
            self.server_reached(false);
            self.note_permanent_failure(&error);
            capacity.failed_permanently();
        } else if let Some(by) = LimitedBy::of(&error) {
            self.server_reached(false);
            self.clear_permanent_failure();
            self.server_is_full(capacity, &error, by);
        } else {
            self.server_not_reached(&error, began.elapsed());
            drop(capacity);
        }
        self.emit(EventKind::OpenFailed)
            .error(&error)
            .took(began.elapsed())
            .debug(&[], format_args!("could not open a connection: {}", error.summary()));
        error
    }

    /// Has a connection opened in the background, with the capacity that was granted to a caller.
    pub(in crate::pool) fn open_in_background(self: &Arc<Self>, capacity: Capacity) {
        if let Some(flight) = self.opens_in_background.begin() {
            self.start(Task::OpenForCaller(capacity, flight));
        }
    }

    /// Opens a connection for a caller that waits in the queue. Runs on a thread for openings.
    pub(in crate::pool) fn open_for_caller(self: &Arc<Self>, capacity: Capacity, flight: Flight) {
        failpoint!(self, "opening in the background");
        let opened = self.open(capacity, Instant::now() + self.settings.connection_timeout);
        drop(flight);
        match opened {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                self.log.warn(
                    &[("kind", error.kind().name().into())],
                    format_args!("could not open a connection for a caller in a hurry: {}", error.summary()),
                );
                self.admission.count(|c| c.failed(error.kind()));
                self.last_open_failure.remember(&error);
            }
        }
    }
}
