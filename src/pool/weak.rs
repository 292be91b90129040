//! The weak handle of a pool.

use std::sync::{Arc, Weak};

use super::core::Core;
use super::{Handle, Pool};

/// A weak handle of a pool, which keeps neither the pool open nor its memory.
#[derive(Clone)]
pub(crate) struct WeakPool {
    core: Weak<Core>,
    handle: Weak<Handle>,
}

impl Pool {
    pub(crate) fn weak(&self) -> WeakPool {
        WeakPool { core: Arc::downgrade(&self.core), handle: Arc::downgrade(&self._handle) }
    }
}

impl WeakPool {
    /// Returns `None` when the last handle is gone.
    pub(crate) fn upgrade(&self) -> Option<Pool> {
        Some(Pool { _handle: self.handle.upgrade()?, core: self.core.upgrade()? })
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.handle.strong_count() == 0
    }
}
