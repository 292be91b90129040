//! The boundary to C, which every export uses: the guard around its body, handles, structs that may grow, texts made on demand.

pub(super) mod growable;
pub(super) mod guard;
pub(super) mod handle;
pub(super) mod lazy_texts;
