//! User-defined types: enums, domains, composites, arrays, ranges and multiranges of them, looked up once per pool.

mod catalog;
mod lookup;
mod outdated;

pub(crate) use catalog::Catalog;
pub(super) use lookup::{assemble, statement};
pub(super) use outdated::is_outdated;
