//! One OpenSSL context for many connections.
//!
//! Building one reads and parses certificates; with the system's roots that takes 10 ms and more. But certificates are
//! renewed under a running service, and libpq reads them anew for every connection; so a context is kept only as long as
//! the files it was made from are what they were.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::tls::{TlsContext, files_in_use};
use crate::config::settings::TlsSettings;
use crate::error::Error;

/// What a file was when it was read; `None` when there was none.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

/// TLS for one configuration.
pub(crate) struct Tls {
    pub(super) settings: TlsSettings,
    made: Mutex<Option<(Vec<Stamp>, Arc<TlsContext>)>>,
}

impl Tls {
    pub(crate) fn new(settings: TlsSettings) -> Self {
        Self { settings, made: Mutex::new(None) }
    }

    /// The context, made now unless it was made before from the same files.
    ///
    /// # Errors
    /// As for [`TlsContext::new`].
    pub(crate) fn context(&self) -> Result<Arc<TlsContext>, Error> {
        // Stamped before they are read: a change meanwhile is noticed the next time.
        let stamps = self.stamps();
        if let Some((made_from, context)) = &*self.made.lock()
            && *made_from == stamps
        {
            return Ok(context.clone());
        }
        let context = Arc::new(TlsContext::new(&self.settings)?);
        *self.made.lock() = Some((stamps, context.clone()));
        Ok(context)
    }

    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |path| fs::metadata(path).ok().map(|m| (m.ino(), m.len(), m.modified().ok()));
        files_in_use(&self.settings).into_iter().map(stamp).collect()
    }
}
