//! PostgreSQL servers and networks that fail on purpose, for tests of programs that must survive it.
//!
//! | module | stands for |
//! |---|---|
//! | [`embedded`] | a private server from the installed PostgreSQL: freeze, restart, crash, end sessions, add a standby |
//! | [`full_server`] | the same with all of its slots taken (53300), until the test frees some |
//! | [`proxy`] | a network that goes deaf, slow or half-open, cuts after so many bytes, refuses, or does not answer |
//! | [`fake_server`] | a server that reports any SQLSTATE at a chosen point: 53300, 57P03, 25006 and others |
//!
//! ```
//! use holdfast_testkit::full_server::FullServer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = FullServer::start(3)?; // everybody is told 53300
//! let url = server.url(); // for the program under test
//! server.free(1)?; // now one gets in
//! # Ok(())
//! # }
//! ```
//!
//! It needs nothing of the library `pg-holdfast`, and serves programs with any pool or driver. The pool that needs no server at all
//! is `holdfast::Pool::echo`, in the library. For tests in other languages there is the program `holdfast-testkit`
//! (`cargo install pg-holdfast-testkit`), which prints the URL and takes orders on its standard input.

#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc, missing_debug_implementations, missing_docs, unreachable_pub)]

pub mod embedded;
pub mod fake_server;
pub mod full_server;
mod listen;
pub mod proxy;

pub use embedded::EmbeddedPostgres;
pub use fake_server::FakeServer;
pub use full_server::FullServer;
pub use proxy::Proxy;

/// The code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
