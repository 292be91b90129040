//! Caches one OpenSSL context for many connections.
//!
//! Building one reads and parses certificates; with the system's roots that takes 10 ms and more. But certificates are
//! renewed under a running service, and libpq reads them anew for every connection. So a context is kept only as long as
//! the files it was made from do not change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::sys::sync::Mutex;

use super::{TlsContext, files_in_use};
use crate::config::settings::TlsSettings;
use crate::error::Error;

/// The inode, length and modification time of a file when it was read; `None` when there was no file.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

/// The TLS settings of one configuration, with the cached context.
pub(crate) struct Tls {
    pub(in crate::link) settings: TlsSettings,
    made: Mutex<Option<(Vec<Stamp>, Arc<TlsContext>)>>,
}

impl Tls {
    pub(crate) fn new(settings: TlsSettings) -> Self {
        Self { settings, made: Mutex::new(None) }
    }

    /// Returns the context, made now unless it was made before from the same files.
    ///
    /// # Errors
    /// As for [`TlsContext::new`].
    pub(crate) fn context(&self) -> Result<Arc<TlsContext>, Error> {
        // Stamped before the files are read: a change meanwhile is noticed the next time.
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
