//! Results: their rows and values, and packs of them.

pub(super) mod pack;
pub(super) mod result;
mod value;
