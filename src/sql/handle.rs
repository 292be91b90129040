//! A session in the hands of one call of the typed API.

use std::sync::Arc;

use super::column::Column;
use super::described::Described;
use super::types::{Catalog, assemble, statement};
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::cancel::{CancelHandle, Loans};
use crate::session::{self, Lane, Prepared};

/// What the typed API needs of a connection besides its session.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalog: &'c Arc<Catalog>,
    /// The server, for messages.
    pub(crate) target: &'c str,
    pub(crate) loans: &'c Loans,
}

/// A session, for as long as a call or a guard lasts.
pub(crate) struct Handle<'c> {
    lane: Lane<'c>,
    context: Context<'c>,
}

impl<'c> Handle<'c> {
    pub(crate) fn new(lane: Lane<'c>, context: Context<'c>) -> Self {
        Self { lane, context }
    }

    /// The same, for a shorter time.
    #[inline]
    pub(super) fn reborrow(&mut self) -> Handle<'_> {
        Handle { lane: self.lane.reborrow(), context: self.context }
    }

    pub(super) fn lane_ref(&self) -> &Lane<'c> {
        &self.lane
    }

    #[inline]
    pub(super) fn lane(&mut self) -> &mut Lane<'c> {
        &mut self.lane
    }

    pub(super) fn link(&self) -> &crate::link::Link {
        self.lane.link()
    }

    pub(super) fn target(&self) -> &str {
        self.context.target
    }

    pub(crate) fn cancel_handle(&self) -> CancelHandle {
        self.lane.cancel_of().for_present_loan(self.context.loans)
    }

    /// An error of a call, with where it happened. Where the server said why it ended the session, that is the error.
    #[cold]
    pub(super) fn explain(&self, error: Error) -> Error {
        let error = match self.link().last_words() {
            Some(said) if error.kind() == ErrorKind::ConnectionLost && error.server().is_none() => {
                Error::from_server(said, Phase::Query).with_source(error)
            }
            _ => error,
        };
        if error.target().is_none() { error.at_target(self.target()) } else { error }
    }

    pub(crate) fn batch_execute(&mut self, sql: &str) -> Result<()> {
        self.lane.run_batch(sql).map_err(|e| self.explain(e))
    }

    /// The typed description of a prepared statement, made now if it is the first time.
    #[inline]
    pub(super) fn described(&mut self, prepared: &Prepared) -> Result<Arc<Described>> {
        if let Some(known) = prepared.typed.get()
            && let Ok(described) = known.clone().downcast::<Described>()
        {
            return Ok(described);
        }
        let described = Arc::new(self.describe(&prepared.parameters, prepared.columns())?);
        let _ = prepared.typed.set(described.clone());
        Ok(described)
    }

    /// Finds the types of a description, with one look-up for all that are not known. The session is at rest.
    pub(super) fn describe(&mut self, parameters: &[u32], columns: &[session::Column]) -> Result<Described> {
        let catalog = self.context.catalog;
        let epoch = catalog.epoch();
        let all = || parameters.iter().copied().chain(columns.iter().map(|column| column.type_oid));
        let own = all().any(|oid| postgres_types::Type::from_oid(oid).is_none());
        let mut unknown: Vec<u32> = Vec::new();
        if own {
            unknown.extend(all().filter(|oid| catalog.find(*oid).is_none()));
            unknown.sort_unstable();
            unknown.dedup();
        }
        let looked_up = if unknown.is_empty() { Vec::new() } else { self.look_up(&unknown)? };
        catalog.keep(looked_up.iter().cloned(), epoch);
        let find = |oid: u32| {
            let fresh = || looked_up.iter().find(|type_| type_.oid() == oid).cloned();
            // Another connection may have had all types forgotten since: what was found before is good enough for now.
            fresh().or_else(|| catalog.find(oid)).ok_or_else(forgotten)
        };
        let params = parameters.iter().map(|oid| find(*oid)).collect::<Result<_>>()?;
        let columns = columns
            .iter()
            .map(|column| Ok(Column::new(column, find(column.type_oid)?)))
            .collect::<Result<_>>()?;
        Ok(Described::new(params, columns, own.then(|| (catalog.clone(), epoch))))
    }

    fn look_up(&mut self, oids: &[u32]) -> Result<Vec<postgres_types::Type>> {
        let sql = statement(oids, self.lane.text_settings().server_major());
        let traffic = self.link().traffic();
        // It is no statement of the user's.
        let counted = traffic.counts_statements();
        traffic.count_statements(false);
        let answer = self.lane.script(&sql);
        self.link().traffic().count_statements(counted);
        match answer?.first() {
            Some(block) if block.columns().len() == 10 => assemble(oids, block),
            _ => Err(Error::misuse("the server does not tell its types: pg_type cannot be read")
                .in_phase(Phase::Query)),
        }
    }

    /// Whether no type of these columns has to be looked up.
    pub(super) fn knows_types_of(&self, columns: &[session::Column]) -> bool {
        columns.iter().all(|column| self.context.catalog.find(column.type_oid).is_some())
    }

    /// What is known of types of the user's own is forgotten, so that they are looked up again.
    pub(super) fn forget_types(&self) {
        self.context.catalog.forget_all(self.context.catalog.epoch());
    }
}

fn forgotten() -> Error {
    let message = "a type was forgotten while the statement was described: run it again";
    Error::new(ErrorKind::Database, message).in_phase(Phase::Query).set_retryable(true)
}
