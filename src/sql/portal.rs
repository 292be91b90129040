//! Portals: statements whose rows are fetched in portions, inside a transaction.

use std::sync::Arc;

use super::described::Described;
use super::handle::Handle;
use super::params::Parameters;
use super::row::Rows;
use super::to_statement::Source;
use crate::error::Result;
use crate::session::{self, PortalName};

/// A statement bound to its parameters, as [`Transaction::bind`](super::Transaction::bind) made it. It can be asked for rows until
/// its transaction ends. Cheap to clone; closed on the server some time after the last clone was dropped.
#[derive(Debug, Clone)]
pub struct Portal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: PortalName,
    columns: Arc<[session::Column]>,
    described: Arc<Described>,
}

impl Handle<'_> {
    pub(super) fn bind_portal(&mut self, source: Source<'_>, params: &dyn Parameters) -> Result<Portal> {
        let ((name, columns), described) =
            self.with_statement(source, params, |lane, bound, write| lane.bind_portal(bound, write))?;
        let described = match described {
            Some(described) => described,
            None => Arc::new(self.describe(&[], &columns).map_err(|e| self.explain(e))?),
        };
        Ok(Portal(Arc::new(Inner { name, columns, described })))
    }

    /// The next rows of a portal; the number that the server says at its end.
    pub(super) fn fetch(&mut self, portal: &Portal, most: i32) -> Result<(Arc<Rows>, Option<u64>)> {
        let Inner { name, columns, described } = &*portal.0;
        let fetched = self.lane().start_call().and_then(|()| self.lane().fetch(name, most, columns));
        let block = fetched.map_err(|e| self.explain(e))?;
        let affected = block.rows_affected();
        Ok((Rows::new(block, described.clone()), affected))
    }
}
