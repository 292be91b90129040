//! Servers and networks that fail on purpose, for tests of programs that must survive it.

#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc, missing_debug_implementations, missing_docs, unreachable_pub)]

pub mod embedded;

/// The code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
