//! The registry of all open and opening connections of a pool, so that `close` can cancel and cut the checked-out ones and
//! give up openings.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::server_connection::OpenConnection;
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::link::dial::abort::Abort;
use crate::observe::checkout::{Checkout, CheckoutTotals};
use crate::observe::traffic::TrafficTotals;
use crate::sys::clock::Tick;
use crate::sys::sync::Mutex;

#[derive(Clone)]
pub(in crate::pool) struct Registered {
    pub(in crate::pool) id: u64,
    pub(in crate::pool) link: Link,
    pub(in crate::pool) cancel: CancelHandle,
    pub(in crate::pool) checkout: Arc<Checkout>,
}

/// The measurements of closed connections.
#[derive(Debug, Clone, Default)]
struct ClosedTotals {
    traffic: TrafficTotals,
    checkouts: CheckoutTotals,
    last_heard: Option<Tick>,
}

impl ClosedTotals {
    fn take_in(&mut self, gone: &Registered) {
        let traffic = gone.link.traffic();
        self.traffic.add(&traffic.read());
        self.checkouts.add(&gone.checkout.read());
        self.last_heard = self.last_heard.max(traffic.last_ended());
    }
}

#[derive(Default)]
struct Open {
    connections: HashMap<u64, Registered>,
    gone: ClosedTotals,
}

#[derive(Default)]
pub(in crate::pool) struct Registry {
    /// The number of the last connection. The first is 1, so that C can say 0 for none.
    last_id: AtomicU64,
    open: Mutex<Open>,
    opening: Mutex<HashMap<u64, Arc<Abort>>>,
}

/// An entry of the registry that lasts as long as an opening.
pub(in crate::pool) struct RegisteredOpening<'a> {
    registry: &'a Registry,
    pub(in crate::pool) id: u64,
    pub(in crate::pool) abort: Arc<Abort>,
}

impl Drop for RegisteredOpening<'_> {
    fn drop(&mut self) {
        let removed = self.registry.opening.lock().remove(&self.id);
        drop(removed);
    }
}

impl Registry {
    /// Registers an opening that is about to begin.
    pub(in crate::pool) fn begin_opening(&self) -> RegisteredOpening<'_> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let abort = Arc::new(Abort::default());
        self.opening.lock().insert(id, abort.clone());
        RegisteredOpening { registry: self, id, abort }
    }

    pub(in crate::pool) fn give_up_openings(&self) {
        let openings: Vec<_> = self.opening.lock().values().cloned().collect();
        for abort in openings {
            abort.request();
        }
    }

    pub(in crate::pool) fn add(&self, conn: &OpenConnection) {
        let entry = Registered {
            id: conn.id,
            link: conn.link.clone(),
            cancel: conn.cancel.clone(),
            checkout: conn.checkout.clone(),
        };
        self.open.lock().connections.insert(conn.id, entry);
    }

    pub(in crate::pool) fn remove(&self, id: u64) {
        let mut open = self.open.lock();
        let removed = open.connections.remove(&id);
        // In one step with the removal: its measurements are never counted twice, and never missing.
        if let Some(removed) = &removed {
            open.gone.take_in(removed);
        }
        drop(open);
        drop(removed);
    }

    pub(in crate::pool) fn all(&self) -> Vec<Registered> {
        self.open.lock().connections.values().cloned().collect()
    }

    /// Returns the number of users' statements on all connections, closed ones included.
    pub(in crate::pool) fn statements(&self) -> u64 {
        let open = self.open.lock();
        let live: u64 = open.connections.values().map(|conn| conn.link.traffic().statements()).sum();
        open.gone.traffic.statements() + live
    }

    /// Returns when the last statement ended.
    pub(in crate::pool) fn last_heard(&self) -> Option<Tick> {
        let open = self.open.lock();
        let live = open.connections.values().filter_map(|conn| conn.link.traffic().last_ended()).max();
        live.max(open.gone.last_heard)
    }

    /// Returns the measurements of all connections, closed ones included, as of one moment.
    pub(in crate::pool) fn totals(&self) -> (TrafficTotals, CheckoutTotals) {
        let open = self.open.lock();
        let (live, mut totals) = (open.connections.values().cloned().collect::<Vec<_>>(), open.gone.clone());
        drop(open);
        live.iter().for_each(|conn| totals.take_in(conn));
        (totals.traffic, totals.checkouts)
    }
}
