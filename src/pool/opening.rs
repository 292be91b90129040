//! Opening a connection for which capacity was granted, and what everybody learns from how that went.

use std::sync::Arc;
use std::time::Instant;

use super::acquire::pool_closed;
use super::inner::Inner;
use super::open_connection::{OpenConnection, Parked};
use super::refused::is_for_good;
use super::stats::CloseReason;
use crate::error::{Error, LimitedBy, human};
use crate::observe::event::EventKind;

impl Inner {
    /// Opens a connection for which capacity was granted.
    pub(super) fn open(self: &Arc<Self>, deadline: Instant) -> Result<Parked, Error> {
        let opening = Opening { inner: self, finished: false };
        self.end_rest();
        self.watch_from_now();
        let slot = self.slots.lease().ok_or_else(|| {
            Error::misuse("no slot is free although capacity was granted: please report this as a bug")
        })?;
        let registered = self.registry.begin_opening();
        let era = self.trust.era();
        if self.admission.is_closed() {
            return Err(pool_closed());
        }
        let began = Instant::now();
        let cache = self.settings.statement_cache;
        let opening_up = self.connector.open(deadline, &registered.abort, cache);
        let (opened, client) = match opening_up.and_then(OpenConnection::client_of) {
            Ok(opened) => opened,
            Err(_) if registered.abort.is_requested() => return Err(pool_closed()),
            Err(e) => {
                // Before anybody is told that there is capacity.
                drop((registered, slot));
                self.meters.open_failed(&e);
                opening.failed(&e, began);
                self.tell(EventKind::OpenFailed)
                    .error(&e)
                    .took(began.elapsed())
                    .debug(&[], format_args!("could not open a connection: {}", e.summary()));
                return Err(e);
            }
        };
        let conn = Box::new(OpenConnection::new(opened, client, slot, registered.id, era, &self.settings));
        self.registry.add(&conn);
        let took = began.elapsed();
        self.meters.opened(took);
        self.tell(EventKind::Opened)
            .of(&conn)
            .took(took)
            .debug(&[], format_args!("opened a connection to {} in {}", conn.target, human(took)));
        let still_wanted = opening.succeeded();
        self.plan_for_fleet();
        if still_wanted {
            return Ok(conn);
        }
        self.retire(conn, CloseReason::PoolClosed);
        Err(pool_closed())
    }
}

/// An opening under way: capacity is given back on every way out but success, panics included.
struct Opening<'a> {
    inner: &'a Arc<Inner>,
    finished: bool,
}

impl Opening<'_> {
    fn failed(mut self, error: &Error, began: Instant) {
        let inner = self.inner;
        if is_for_good(error) {
            self.finished = true;
            inner.governor.reached(false);
            inner.note_refusal(error);
            inner.admission.opening_refused_for_good();
        } else if let Some(by) = LimitedBy::of(error) {
            self.finished = true;
            inner.governor.reached(false);
            inner.forget_refusal();
            inner.refused(error, by);
        } else {
            inner.governor.failed(inner, error, began.elapsed());
        }
    }

    /// `false` when the pool was closed meanwhile.
    fn succeeded(mut self) -> bool {
        self.finished = true;
        self.inner.forget_refusal();
        let still_wanted = self.inner.admission.opened();
        self.inner.governor.reached(true);
        still_wanted
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.inner.admission.opening_failed();
        }
    }
}
