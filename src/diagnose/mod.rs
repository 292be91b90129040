//! Finding out how things stand: with a pool, with a database, with what is between them. What the command line runs, and
//! any program can.

#[cfg(feature = "embedded")]
mod verification;

#[cfg(feature = "embedded")]
pub use verification::{
    CHECKS, Check, CheckReport, Figure, Observer, Report, Silent, Subject, Verdict, verify,
};
