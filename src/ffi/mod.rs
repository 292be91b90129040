//! Everything that touches C or needs `unsafe`. Thin: no logic lives here.

pub(crate) mod fork;
