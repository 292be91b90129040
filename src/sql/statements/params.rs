//! The parameters of statements, in any form.

use postgres_types::{BorrowToSql, ToSql, Type};

use crate::error::{Error, Phase, Result};

/// The parameters of a statement, as [`query`](crate::PooledConnection::query) and similar methods take them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The most parameters of a statement: the protocol counts them in 16 bits.
const MAX_PARAMETERS: usize = u16::MAX as usize;

/// A list of parameter values, in any form.
pub(crate) trait Parameters {
    fn count(&self) -> usize;
    fn value(&self, index: usize) -> &dyn ToSql;
}

impl Parameters for Params<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn value(&self, index: usize) -> &dyn ToSql {
        self[index]
    }
}

/// Values collected from an iterator, since they may have to be sent a second time.
pub(crate) struct Collected<P>(Vec<P>);

impl<P: BorrowToSql> Collected<P> {
    pub(crate) fn new(values: impl IntoIterator<Item = P>) -> Self {
        Self(values.into_iter().collect())
    }

    /// Collects the values and their types.
    pub(crate) fn with_types(values: impl IntoIterator<Item = (P, Type)>) -> (Self, Vec<Type>) {
        let (values, types) = values.into_iter().unzip();
        (Self(values), types)
    }
}

impl<P: BorrowToSql> Parameters for Collected<P> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn value(&self, index: usize) -> &dyn ToSql {
        self.0[index].borrow_to_sql()
    }
}

/// Values with their types.
pub(crate) struct Typed<'a>(pub(in crate::sql) &'a [(&'a (dyn ToSql + Sync), Type)]);

impl Parameters for Typed<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn value(&self, index: usize) -> &dyn ToSql {
        self.0[index].0
    }
}

/// Fails for more parameters than any statement can have.
pub(in crate::sql) fn check_protocol_limit(params: &dyn Parameters) -> Result<()> {
    if params.count() <= MAX_PARAMETERS {
        return Ok(());
    }
    let message = format!(
        "{} parameters were given, and a statement can have {MAX_PARAMETERS} at most",
        params.count()
    );
    Err(Error::misuse(message).in_phase(Phase::Query))
}

pub(in crate::sql) fn check_count(wanted: &[Type], given: &dyn Parameters) -> Result<()> {
    if wanted.len() == given.count() {
        return Ok(());
    }
    Err(Error::wrong_parameter_count(wanted.len(), given.count()))
}
