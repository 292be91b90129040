//! Values of Rust types, bound to a statement in the types that the server settled for it.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::IsNull as Null;
use postgres_types::{IsNull, Type, WrongType};

use super::describe::{Context, describe, types_were_forgotten};
use super::described::Described;
use super::params::{Parameters, check_count};
use crate::error::{Error, Result, find_source};
use crate::session::{BindValues, Prepared, RawSession, Unwritable};

/// The values of one call. They are encoded straight into the request, once the statement is described.
pub(in crate::sql) struct Values<'v> {
    params: &'v dyn Parameters,
    /// The types that the caller gave; if empty, the server infers them.
    declared: &'v [Type],
    context: Context<'v>,
    /// The description of the statement to which they were fitted last.
    described: RefCell<Option<Arc<Described>>>,
}

impl<'v> Values<'v> {
    pub(in crate::sql) fn new(
        params: &'v dyn Parameters,
        declared: &'v [Type],
        context: Context<'v>,
    ) -> Self {
        Self { params, declared, context, described: RefCell::new(None) }
    }

    /// Returns values in types that the caller gave for all of them.
    pub(in crate::sql) fn of_types(
        params: &'v dyn Parameters,
        types: &'v [Type],
        context: Context<'v>,
    ) -> Self {
        let described = Described::new(types.into(), Box::default(), None);
        Self { described: RefCell::new(Some(Arc::new(described))), ..Self::new(params, types, context) }
    }

    /// Returns the description of the statement that was run with them.
    pub(in crate::sql) fn into_described(self) -> Option<Arc<Described>> {
        self.described.into_inner()
    }
}

impl BindValues for Values<'_> {
    const NEEDS_DESCRIPTION: bool = true;

    #[inline]
    fn len(&self) -> usize {
        self.params.count()
    }

    #[inline]
    fn declared(&self, index: usize) -> u32 {
        self.declared.get(index).map_or(0, Type::oid)
    }

    #[inline]
    fn fit(&self, raw: &mut RawSession<'_>, statement: &Prepared) -> Result<()> {
        let described = typed_description(raw, self.context, statement)?.ok_or_else(types_were_forgotten)?;
        check_count(&described.params, self.params)?;
        *self.described.borrow_mut() = Some(described);
        Ok(())
    }

    #[inline]
    fn format(&self, _: &Prepared, index: usize) -> i16 {
        let described = self.described.borrow();
        let type_ = described.as_ref().and_then(|described| described.params.get(index));
        type_.map_or(1, |type_| self.params.value(index).encode_format(type_) as i16)
    }

    #[inline]
    fn write(&self, _: &Prepared, index: usize, out: &mut BytesMut) -> std::result::Result<Null, Unwritable> {
        let described = self.described.borrow();
        let Some(described) = &*described else { return Err("the statement is not described".into()) };
        let type_ = &described.params[index];
        match self.params.value(index).to_sql_checked(type_, out) {
            Ok(IsNull::Yes) => Ok(Null::Yes),
            Ok(IsNull::No) => Ok(Null::No),
            Err(source) => {
                if source.is::<WrongType>() {
                    // Types looked up before may have been altered since.
                    described.forget_own_types();
                }
                Err(Box::new(Unfit { position: index + 1, type_: type_.clone(), source }))
            }
        }
    }

    fn may_fit_after_describing(&self, error: &Error, fresh: bool) -> bool {
        let described = self.described.borrow();
        let has_own_types = described.as_ref().is_some_and(|described| described.has_own_types());
        (!fresh || has_own_types) && find_source::<WrongType>(error).is_some()
    }
}

/// Returns the typed description of a statement, made at the first call; `None` if its types were removed from the catalog
/// since.
#[inline]
pub(in crate::sql) fn typed_description(
    raw: &mut RawSession<'_>,
    context: Context<'_>,
    statement: &Prepared,
) -> Result<Option<Arc<Described>>> {
    match statement.typed().get().and_then(|known| known.downcast_ref::<Arc<Described>>()) {
        Some(known) => Ok(known.is_current().then(|| known.clone())),
        None => {
            let made = Arc::new(describe(raw, context, statement.parameters(), statement.columns())?);
            let _ = statement.typed().set(Box::new(made.clone()));
            Ok(Some(made))
        }
    }
}

/// A value that cannot be sent as its parameter.
#[derive(Debug)]
struct Unfit {
    position: usize,
    type_: Type,
    source: Unwritable,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parameter ${} (type {}): {}", self.position, self.type_, self.source)
    }
}

impl StdError for Unfit {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
