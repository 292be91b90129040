//! All open connections of a pool, so that `close` can cancel and cut those that are lent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::open_connection::OpenConnection;
use crate::link::Link;
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
}

impl Registry {
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
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
