//! The parts of the program `holdfast` that other programs can call: [`diagnose`] examines a database, advises on a pool's size
//! and verifies a pool's promises. The pool itself is the crate `pg-holdfast`.

#![deny(unsafe_code)]
#![warn(clippy::missing_errors_doc, missing_debug_implementations, missing_docs, unreachable_pub)]

pub mod diagnose;

/// The code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
