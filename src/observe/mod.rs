//! What a pool tells about itself.

pub(crate) mod stats;
