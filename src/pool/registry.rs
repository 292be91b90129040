//! All open and opening connections of a pool, so that `close` can cancel and cut those that are lent and give up those
//! that nobody will want.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::open_connection::OpenConnection;
use crate::link::Link;
use crate::link::abort::Abort;
use crate::link::cancel::CancelHandle;

#[derive(Clone)]
pub(super) struct Registered {
    pub(super) link: Link,
    pub(super) cancel: CancelHandle,
}

#[derive(Default)]
pub(super) struct Registry {
    next_id: AtomicU64,
    open: Mutex<HashMap<u64, Registered>>,
    opening: Mutex<HashMap<u64, Arc<Abort>>>,
}

/// An entry of the registry that lasts as long as an opening.
pub(super) struct RegisteredOpening<'a> {
    registry: &'a Registry,
    pub(super) id: u64,
    pub(super) abort: Arc<Abort>,
}

impl Drop for RegisteredOpening<'_> {
    fn drop(&mut self) {
        let removed = self.registry.opening.lock().remove(&self.id);
        drop(removed);
    }
}

impl Registry {
    /// A new connection is about to be opened.
    pub(super) fn begin_opening(&self) -> RegisteredOpening<'_> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let abort = Arc::new(Abort::default());
        self.opening.lock().insert(id, abort.clone());
        RegisteredOpening { registry: self, id, abort }
    }

    pub(super) fn give_up_openings(&self) {
        let openings: Vec<_> = self.opening.lock().values().cloned().collect();
        for abort in openings {
            abort.request();
        }
    }

    pub(super) fn add(&self, conn: &OpenConnection) {
        let entry = Registered { link: conn.link.clone(), cancel: conn.cancel.clone() };
        self.open.lock().insert(conn.id, entry);
    }

    pub(super) fn remove(&self, id: u64) {
        let removed = self.open.lock().remove(&id);
        drop(removed);
    }

    pub(super) fn all(&self) -> Vec<Registered> {
        self.open.lock().values().cloned().collect()
    }
}
