//! Typed descriptions of statements, with one look-up for all user-defined types that are not known yet.

use std::sync::Arc;

use postgres_types::Type;

use super::described::Described;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::checkouts::Checkouts;
use crate::session::{self, RawSession};
use crate::sql::rows::column::Column;
use crate::sql::types::{Catalog, assemble, statement};

/// The parts of a connection that the typed API needs besides the session.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalog: &'c Arc<Catalog>,
    /// The server, for error messages.
    pub(crate) target: &'c str,
    pub(crate) checkouts: &'c Checkouts,
}

/// Finds the types of parameters and columns. The session must be at rest.
pub(in crate::sql) fn describe(
    raw: &mut RawSession<'_>,
    context: Context<'_>,
    parameters: &[u32],
    columns: &[session::Column],
) -> Result<Described> {
    let catalog = context.catalog;
    let epoch = catalog.epoch();
    let all = parameters.iter().copied().chain(columns.iter().map(|column| column.type_oid));
    let mut unknown: Vec<u32> = all.filter(|oid| catalog.find(*oid).is_none()).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let looked_up = if unknown.is_empty() { Vec::new() } else { look_up(raw, &unknown)? };
    catalog.insert(looked_up.iter().cloned(), epoch);
    let find = |oid: u32| {
        let fresh = || looked_up.iter().find(|type_| type_.oid() == oid).cloned();
        // Another connection may have cleared the catalog since: types found before are good enough for now.
        fresh().or_else(|| catalog.find(oid))
    };
    with_types(catalog, epoch, parameters, columns, find).ok_or_else(types_were_forgotten)
}

/// Describes columns by the types in the catalog alone; `None` if one of them is not there.
pub(in crate::sql) fn describe_columns(
    context: Context<'_>,
    columns: &[session::Column],
) -> Option<Described> {
    let catalog = context.catalog;
    with_types(catalog, catalog.epoch(), &[], columns, |oid| catalog.find(oid))
}

/// `epoch` is the catalog's from before the first type was found.
fn with_types(
    catalog: &Arc<Catalog>,
    epoch: u64,
    parameters: &[u32],
    columns: &[session::Column],
    find: impl Fn(u32) -> Option<Type>,
) -> Option<Described> {
    let all = || parameters.iter().copied().chain(columns.iter().map(|column| column.type_oid));
    let own = all().any(|oid| Type::from_oid(oid).is_none());
    let params = parameters.iter().map(|oid| find(*oid)).collect::<Option<_>>()?;
    let columns = columns
        .iter()
        .map(|column| Some(Column::new(column, find(column.type_oid)?)))
        .collect::<Option<_>>()?;
    Some(Described::new(params, columns, own.then(|| (catalog.clone(), epoch))))
}

fn look_up(raw: &mut RawSession<'_>, oids: &[u32]) -> Result<Vec<Type>> {
    let sql = statement(oids, raw.text_settings().server_major());
    let link = raw.link().clone();
    let answer = {
        let _paused = link.traffic().pause_counting();
        raw.script(&sql)?
    };
    match answer.first() {
        Some(block) if block.columns().len() == 10 => assemble(oids, block),
        _ => Err(Error::misuse("the server does not tell its types: pg_type cannot be read")
            .in_phase(Phase::Query)),
    }
}

/// Returns the error of a description whose user-defined types were removed from the catalog meanwhile.
pub(in crate::sql) fn types_were_forgotten() -> Error {
    let message = "types of the statement were altered while it was described: run it again";
    Error::new(ErrorKind::Database, message).in_phase(Phase::Query).set_retryable(true)
}
