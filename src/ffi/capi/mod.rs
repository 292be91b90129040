//! The C ABI. Every export converts, calls the core inside [`guard`](guard::guard), converts back.

// Types are called here what they are called in C. `pub` is what the header's generator looks for.
#![allow(non_camel_case_types, unreachable_pub)]

mod cursor;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod growable;
mod guard;
mod handle;
mod lazy_texts;

mod cancel;
mod config;
mod connection;
mod copy;
mod echo;
mod error;
mod event;
mod log;
mod message;
mod observe;
mod option;
mod pack;
mod pipeline;
mod pool;
mod query;
mod queue;
mod quote;
mod result;
mod serve;
mod statement;
mod stats;
mod status;
mod stream;
mod submit;
mod submit_connection;
mod text;
mod transaction;
mod value;
mod version;
