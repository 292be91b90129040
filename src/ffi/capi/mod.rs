//! The C ABI. Every export converts, calls the core inside [`guard`](guard::guard), converts back.

// Types are called here what they are called in C. `pub` is what the header's generator looks for.
#![allow(non_camel_case_types, unreachable_pub)]

mod guard;
mod handle;
mod structs;

mod cancel;
mod config;
mod connection;
mod error;
mod message;
mod option;
mod pool;
mod query;
mod result;
mod stats;
mod status;
mod text;
mod value;
mod version;
