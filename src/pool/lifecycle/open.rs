//! Opens a connection with granted capacity, and passes the outcome on to all pools of the server.

use std::sync::Arc;
use std::time::Instant;

use super::acquire::pool_closed;
use super::capacity::Capacity;
use super::failpoint::failpoint;
use crate::error::{Error, LimitedBy, human};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Core;
use crate::pool::outage::permanent_failure::is_permanent;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::SessionState;

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
                self.metrics.open_failed(&e);
                self.opening_failed(capacity, &e, began);
                self.emit(EventKind::OpenFailed)
                    .error(&e)
                    .took(began.elapsed())
                    .debug(&[], format_args!("could not open a connection: {}", e.summary()));
                return Err(e);
            }
        };
        failpoint!(self, "connected");
        let mut conn = Box::new(OpenConnection::new(opened, slot, registered.id, epoch, self));
        self.registry.add(&conn);
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
        self.coordinator.reached(true);
        self.schedule_fleet_work();
        if still_wanted {
            return Ok(conn);
        }
        self.retire(conn, CloseReason::PoolClosed);
        Err(pool_closed())
    }

    /// Passes a failed opening on: to the pool's own limits, and to all pools of the server.
    fn opening_failed(self: &Arc<Self>, capacity: Capacity, error: &Error, began: Instant) {
        if is_permanent(error) {
            self.coordinator.reached(false);
            self.note_permanent_failure(error);
            capacity.failed_permanently();
        } else if let Some(by) = LimitedBy::of(error) {
            self.coordinator.reached(false);
            self.clear_permanent_failure();
            self.refused(capacity, error, by);
        } else {
            self.coordinator.failed(self, error, began.elapsed());
        }
    }
}
