//! Everything that touches C or needs `unsafe`. Thin: no logic lives here.
//!
//! With the feature `capi` the exports of `include/holdfast.h`, one file per opaque type, in folders by subject. Their comments are
//! the header's: `build.rs` makes it of these files, in the order of its list.

#![allow(unsafe_code)]

#[cfg(feature = "capi")]
mod capi;
#[cfg(feature = "fuzzing")]
pub(crate) use capi::fuzzing;
