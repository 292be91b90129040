//! Portals: statements bound once, whose rows are fetched in portions by calls of their own. They end with their transaction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::block::{Column, ResultBlock};
use super::lane::{Lane, end};
use super::request::{self, ResultFormat};
use super::typed::{Bound, WriteBind};
use crate::error::Result;

/// Portals of a connection that were dropped, to be closed on the server.
#[derive(Debug, Default)]
pub(crate) struct DroppedPortals(Mutex<Vec<u64>>);

/// A portal on the server. Closed with the connection's next use of portals after it was dropped.
#[derive(Debug)]
pub(crate) struct PortalName {
    /// Unique in the process, so that a portal of one connection is never taken for that of another.
    number: u64,
    connection: Weak<DroppedPortals>,
}

impl PortalName {
    fn next(connection: &Arc<DroppedPortals>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { number: LAST.fetch_add(1, Ordering::Relaxed) + 1, connection: Arc::downgrade(connection) }
    }

    fn text(&self) -> String {
        name_of(self.number)
    }
}

impl Drop for PortalName {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.0.lock().push(self.number);
        }
    }
}

fn name_of(number: u64) -> String {
    format!("holdfast_{number}")
}

impl Lane<'_> {
    /// Binds a statement to a new portal. Returns its columns too, in binary, when the statement is described only now.
    pub(crate) fn bind_portal(
        &mut self,
        bound: Bound<'_>,
        write: WriteBind<'_>,
    ) -> Result<(PortalName, Arc<[Column]>)> {
        let settings = self.text_settings();
        let portal = PortalName::next(self.dropped_portals());
        let out = self.out();
        out.clear();
        if let Bound::Unnamed { text, types } = bound {
            request::parse("", text, types, out)?;
            request::describe_statement("", out)?;
        }
        write(&portal.text(), bound.name(), out)?;
        request::sync(out);
        self.close_first()?;
        let mut exchange = self.begin()?;
        let columns = exchange.await_bound().map(|described| match bound {
            Bound::Prepared(prepared) => prepared.shape(ResultFormat::Binary, settings).columns.clone(),
            Bound::Unnamed { .. } => {
                ResultFormat::Binary.applied_to(&described.unwrap_or_default(), settings)
            }
        });
        end(exchange, columns).map(|columns| (portal, columns))
    }

    /// The next rows of a portal: at most `most`, or all that are left if that is 0 or less.
    pub(crate) fn fetch(
        &mut self,
        portal: &PortalName,
        most: i32,
        columns: &Arc<[Column]>,
    ) -> Result<ResultBlock> {
        let dropped = std::mem::take(&mut *self.dropped_portals().0.lock());
        let out = self.request()?;
        for number in dropped {
            request::close_portal(&name_of(number), out)?;
        }
        request::execute_portal(&portal.text(), most, out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let mut block = ResultBlock::new(columns.clone());
        let read = exchange.read_rows(&mut block);
        end(exchange, read.map(|()| block))
    }
}
