//! Opening a connection for which capacity was granted, and what everybody learns from how that went.

use std::sync::Arc;
use std::time::Instant;

use super::acquire::pool_closed;
use super::capacity::Capacity;
use super::failpoint::failpoint;
use crate::error::{Error, LimitedBy, human};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Inner;
use crate::pool::outage::permanent_failure::is_for_good;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::LaneState;

impl Inner {
    /// Opens a connection for which capacity was granted.
    pub(in crate::pool) fn open(
        self: &Arc<Self>,
        capacity: Capacity,
        deadline: Instant,
    ) -> Result<Parked, Error> {
        failpoint!(self, "granted");
        self.end_rest();
        self.watch_from_now();
        // On every way out what follows here is dropped before the capacity, and before anybody is told that there is some.
        let slot = self.slots.lease().ok_or_else(|| {
            Error::misuse("no slot is free although capacity was granted: please report this as a bug")
        })?;
        let registered = self.registry.begin_opening();
        let era = self.trust.era();
        if self.admission.is_closed() {
            return Err(pool_closed());
        }
        failpoint!(self, "leased");
        let began = Instant::now();
        let new_session = || LaneState::new(self.settings.statement_cache, self.statement_mode.clone());
        let opening_up = self.connector.open(deadline, &registered.abort, &new_session);
        let opened = match opening_up {
            Ok(opened) => opened,
            Err(_) if registered.abort.is_requested() => return Err(pool_closed()),
            Err(e) => {
                drop((registered, slot));
                failpoint!(self, "not opened");
                self.meters.open_failed(&e);
                self.opening_failed(capacity, &e, began);
                self.tell(EventKind::OpenFailed)
                    .error(&e)
                    .took(began.elapsed())
                    .debug(&[], format_args!("could not open a connection: {}", e.summary()));
                return Err(e);
            }
        };
        failpoint!(self, "connected");
        let mut conn = Box::new(OpenConnection::new(opened, slot, registered.id, era, self));
        self.registry.add(&conn);
        failpoint!(self, "registered");
        let took = began.elapsed();
        self.meters.opened(took);
        self.tell(EventKind::Opened)
            .of(&conn)
            .took(took)
            .debug(&[], format_args!("opened a connection to {} in {}", conn.target, human(took)));
        self.forget_refusal();
        let still_wanted = capacity.opened(&mut conn);
        failpoint!(self, "opened");
        self.governor.reached(true);
        self.plan_for_fleet();
        if still_wanted {
            return Ok(conn);
        }
        self.retire(conn, CloseReason::PoolClosed);
        Err(pool_closed())
    }

    /// What everybody learns from a failed opening.
    fn opening_failed(self: &Arc<Self>, capacity: Capacity, error: &Error, began: Instant) {
        if is_for_good(error) {
            self.governor.reached(false);
            self.note_refusal(error);
            capacity.refused_for_good();
        } else if let Some(by) = LimitedBy::of(error) {
            self.governor.reached(false);
            self.forget_refusal();
            self.refused(capacity, error, by);
        } else {
            self.governor.failed(self, error, began.elapsed());
        }
    }
}
