//! A pool as seen by those who show it: they neither keep it open nor keep its memory.

use std::sync::{Arc, Weak};

use super::core::Inner;
use super::{Handle, Pool};

/// A pool for whoever must not keep it open.
#[derive(Clone)]
pub(crate) struct WeakPool {
    inner: Weak<Inner>,
    handle: Weak<Handle>,
}

impl Pool {
    pub(crate) fn weak(&self) -> WeakPool {
        WeakPool { inner: Arc::downgrade(&self.inner), handle: Arc::downgrade(&self._handle) }
    }
}

impl WeakPool {
    /// `None` when the last handle is gone.
    pub(crate) fn upgrade(&self) -> Option<Pool> {
        Some(Pool { _handle: self.handle.upgrade()?, inner: self.inner.upgrade()? })
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.handle.strong_count() == 0
    }
}
