//! User-defined types: enums, domains, composites, arrays, ranges and multiranges of them, looked up once per pool.

mod catalog;
mod lookup;

pub(crate) use catalog::Catalog;
pub(super) use lookup::{assemble, statement};
