//! Transfer of rows: result blocks and packs, streams and portals read in portions, COPY in both directions.

pub(super) mod copy;
pub(crate) mod pack;
pub(super) mod portal;
pub(super) mod result;
pub(super) mod stream;
