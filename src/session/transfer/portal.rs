//! Named portals: a statement bound once, and executed for some rows at a time while other statements run in between. They last
//! until the transaction ends.

use std::sync::{Arc, Weak};

use crate::sys::sync::Mutex;

use super::result::{Column, ResultBlock};
use super::stream::StreamCursor;
use crate::error::{Error, Result};
use crate::link::CopyIn;
use crate::session::exchange::request;
use crate::session::exchange::request::ResultFormat;
use crate::session::exchange::{Exchange, Reply, copy_by_query, refused};
use crate::session::raw_session::{RawSession, end};
use crate::session::statements::prepared::Prepared;
use crate::session::statements::statement::Sql;
use crate::session::statements::values::BindValues;

/// A portal on the server. Dropped, it is closed with the connection's next request for a portal.
#[derive(Debug)]
pub(crate) struct BoundPortal {
    name: Box<str>,
    columns: Arc<[Column]>,
    statement: Arc<Prepared>,
    dropped: Weak<DroppedPortals>,
}

/// The names of dropped portals of a connection, to be closed on the server.
#[derive(Debug, Default)]
pub(in crate::session) struct DroppedPortals(Mutex<Vec<Box<str>>>);

impl Drop for BoundPortal {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.upgrade() {
            dropped.0.lock().push(std::mem::take(&mut self.name));
        }
    }
}

impl BoundPortal {
    /// The columns of its rows.
    pub(crate) fn columns(&self) -> &Arc<[Column]> {
        &self.columns
    }

    /// The statement that was bound.
    pub(crate) fn statement(&self) -> &Arc<Prepared> {
        &self.statement
    }
}

impl RawSession<'_> {
    /// Binds a statement to a portal. `name` must be unique among the portals of the transaction, and not empty.
    ///
    /// # Errors
    /// The server's error. Outside a transaction the portal is gone when the call returns.
    pub(crate) fn bind_portal<V: BindValues + ?Sized>(
        &mut self,
        name: &str,
        sql: Sql<'_>,
        values: &V,
        format: ResultFormat,
    ) -> Result<BoundPortal> {
        self.start()?;
        sql.check(values)?;
        let (columns, statement) = self.with_prepared(sql, values, |raw, prepared| {
            let shape = prepared.shape(format, raw.text_settings());
            let out = raw.request()?;
            request::bind_values(name, sql, prepared, values, &shape.codes, out)?;
            request::sync(out);
            let mut exchange = raw.begin()?;
            let bound = if prepared.is_named() {
                exchange.await_bound().map(|()| shape.columns.clone())
            } else {
                exchange.await_columns(prepared, shape)
            };
            end(exchange, bound)
        })?;
        let dropped = Arc::downgrade(self.dropped_portals());
        Ok(BoundPortal { name: name.into(), columns, statement, dropped })
    }

    /// Fetches the next rows of a portal, at most `most` (0 for all). The flag is set if there may be more.
    ///
    /// # Errors
    /// The server's error, for instance (34000) that the transaction of the portal is over.
    pub(crate) fn execute_portal(&mut self, portal: &BoundPortal, most: i32) -> Result<(ResultBlock, bool)> {
        self.write_portal_request(portal, most)?;
        let mut exchange = self.begin()?;
        let mut block = ResultBlock::new(portal.columns.clone());
        let read = read_some(&mut exchange, &mut block);
        end(exchange, read).map(|suspended| (block, suspended))
    }

    /// Requests the next rows of a portal, at most `most` (0 for all), to be read in portions. Does not wait for the server,
    /// whose error comes with the first portion.
    ///
    /// # Errors
    /// The connection's error.
    pub(crate) fn stream_portal(&mut self, portal: &BoundPortal, most: i32) -> Result<StreamCursor> {
        self.write_portal_request(portal, most)?;
        let exchange = self.begin()?;
        Ok(StreamCursor::over(exchange, portal.columns.clone()))
    }

    fn write_portal_request(&mut self, portal: &BoundPortal, most: i32) -> Result<()> {
        self.start()?;
        let dropped = std::mem::take(&mut *self.dropped_portals().0.lock());
        let out = self.request()?;
        for name in dropped {
            // Closing a portal that ended with its transaction is no error.
            request::close_portal(&name, out)?;
        }
        request::execute_portal(&portal.name, most, out)?;
        request::sync(out);
        Ok(())
    }

    fn dropped_portals(&mut self) -> &Arc<DroppedPortals> {
        self.state.dropped_portals.get_or_insert_default()
    }
}

/// Reads rows; returns whether the portal was suspended at the limit rather than ended.
fn read_some(exchange: &mut Exchange<'_>, block: &mut ResultBlock) -> Result<bool, Error> {
    loop {
        let (reply, message) = exchange.next()?;
        match reply {
            Reply::Row => exchange.push_row(block, &message)?,
            Reply::Suspended => return Ok(true),
            Reply::Complete => {
                block.finish(exchange.tag(&message)?);
                return Ok(false);
            }
            Reply::EmptyQuery => return Ok(false),
            Reply::Closed => {}
            Reply::Error(e) => return Err(refused(*e)),
            Reply::CopyIn => return Err(exchange.refuse_copy(CopyIn::Extended)),
            Reply::CopyOut => return Err(copy_by_query()),
            _ => return Err(exchange.unexpected()),
        }
    }
}
