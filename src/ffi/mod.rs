//! Everything that touches C or needs `unsafe`. Thin: no logic lives here.

#![allow(unsafe_code)]

pub(crate) mod fork;
