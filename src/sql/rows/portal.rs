//! Portals: statements whose rows are fetched in portions, inside a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::row::Rows;
use crate::error::Result;
use crate::session::{BoundPortal, ResultFormat, Sql};
use crate::sql::handle::Handle;
use crate::sql::statements::described::Described;
use crate::sql::statements::params::Parameters;
use crate::sql::statements::to_statement::Source;

/// A statement bound to its parameters, as [`Transaction::bind`](crate::sql::Transaction::bind) made it. Its rows can be
/// fetched until its transaction ends. Cheap to clone. Once the last clone is dropped, it is closed on the server with the next
/// fetch from another portal, or with the transaction.
#[derive(Debug, Clone)]
pub struct Portal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bound: BoundPortal,
    described: Arc<Described>,
}

/// Returns a name that is unique in the process, so that a portal of one connection is never mistaken for another's.
fn next_name() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("holdfast_{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

impl Portal {
    /// Returns the portal of the session, and the description of its statement.
    pub(super) fn parts(&self) -> (&BoundPortal, &Arc<Described>) {
        (&self.0.bound, &self.0.described)
    }
}

impl Handle<'_> {
    pub(in crate::sql) fn bind_portal(
        &mut self,
        source: Source<'_>,
        params: &dyn Parameters,
    ) -> Result<Portal> {
        let (bound, described) = self.with_values(params, source.declared(), |raw, values| {
            raw.bind_portal(&next_name(), Sql::Text(source.text()), values, ResultFormat::Binary)
        })?;
        let described = self.description_of(bound.columns(), bound.statement(), described)?;
        Ok(Portal(Arc::new(Inner { bound, described })))
    }

    /// Fetches the next rows of a portal.
    pub(in crate::sql) fn fetch(&mut self, portal: &Portal, most: i32) -> Result<Arc<Rows>> {
        let Inner { bound, described } = &*portal.0;
        let (block, _) = self.raw().execute_portal(bound, most).map_err(|e| self.explain(e))?;
        let described = match described.shows_altered_types(&block) {
            true => self.describe_anew(described, block.columns())?,
            false => described.clone(),
        };
        Ok(Rows::new(block, described))
    }
}
