//! The C ABI. Every export converts, calls the core inside [`guard`](boundary::guard::guard), converts back.

// Types are called here what they are called in C. `pub` is what the header's generator looks for.
#![allow(non_camel_case_types, unreachable_pub)]

mod boundary;
mod connections;
#[cfg(feature = "fuzzing")]
#[path = "../../../fuzz/drivers/capi/mod.rs"]
pub(crate) mod fuzzing;
mod library;
mod pools;
mod queues;
mod results;
mod statements;
