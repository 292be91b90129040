//! Rows, their columns and values, and the iterators and portals that return them.

pub(super) mod column;
pub(super) mod portal;
pub(super) mod row;
pub(super) mod row_index;
pub(super) mod row_iter;
pub(super) mod simple_query;
