//! Parameters of statements, encoded straight into the request.

use bytes::BytesMut;
use postgres_protocol::IsNull as Null;
use postgres_protocol::message::frontend::{self, BindError};
use postgres_types::{BorrowToSql, IsNull, ToSql, Type, WrongType};

use crate::error::{Error, Phase, Result};

/// The parameters of a statement, as [`query`](crate::PooledConnection::query) and its kind take them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The protocol counts parameters in 16 bits.
const MOST: usize = u16::MAX as usize;

/// A list of values, in whatever form it was given.
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

/// Values out of an iterator: they are kept, since they may have to be sent a second time.
pub(crate) struct Collected<P>(Vec<P>);

impl<P: BorrowToSql> Collected<P> {
    pub(crate) fn new(values: impl IntoIterator<Item = P>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The values and their types.
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

/// Values with types.
pub(crate) struct Typed<'a>(pub(super) &'a [(&'a (dyn ToSql + Sync), Type)]);

impl Parameters for Typed<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn value(&self, index: usize) -> &dyn ToSql {
        self.0[index].0
    }
}

/// Refuses more parameters than any statement can have.
pub(super) fn check_most(params: &dyn Parameters) -> Result<()> {
    if params.count() <= MOST {
        return Ok(());
    }
    let message =
        format!("{} parameters were given, and a statement can have {MOST} at most", params.count());
    Err(Error::misuse(message).in_phase(Phase::Query))
}

pub(super) fn check_count(wanted: &[Type], given: &dyn Parameters) -> Result<()> {
    if wanted.len() == given.count() {
        return Ok(());
    }
    Err(Error::wrong_parameter_count(wanted.len(), given.count()))
}

/// Writes the `Bind` of a portal to a statement, with a result in binary. There are as many types as parameters.
pub(super) fn bind(
    portal: &str,
    statement: &str,
    params: &dyn Parameters,
    types: &[Type],
    out: &mut BytesMut,
) -> Result<()> {
    let mut at = 0;
    let formats = types.iter().enumerate().map(|(n, type_)| params.value(n).encode_format(type_) as i16);
    let bound = frontend::bind(
        portal,
        statement,
        formats,
        types.iter().enumerate(),
        |(n, type_), out| {
            at = n;
            params.value(n).to_sql_checked(type_, out).map(|null| match null {
                IsNull::Yes => Null::Yes,
                IsNull::No => Null::No,
            })
        },
        [1],
        out,
    );
    match bound {
        Ok(()) => Ok(()),
        Err(BindError::Serialization(e)) => {
            Err(Error::misuse(format!("the parameters cannot be sent: {e}")).in_phase(Phase::Query))
        }
        Err(BindError::Conversion(e)) => {
            let message = format!("parameter ${} (type {}): {e}", at + 1, types[at]);
            Err(Error::misuse(message).in_phase(Phase::Query).with_source(e))
        }
    }
}

/// Whether a value's Rust type does not go with the parameter's type: nothing was sent.
pub(super) fn is_wrong_type(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<WrongType>())
}
