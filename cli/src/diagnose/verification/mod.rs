//! Checks that a pool keeps its promises, made for real against a real server: what `holdfast verify` runs, and any
//! program can.
//!
//! ```no_run
//! use holdfast_cli::diagnose::{Silent, Subject, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let report = verify(&Subject::private()?, &mut Silent);
//! assert!(report.passed(), "{report}");
//! # Ok(()) }
//! ```
//!
//! Checks of the first kind are harmless and run anywhere; what they create is temporary. Those of the second kind, the
//! *scenes*, fill, restart and freeze the server, so they run on a private one only.

mod checks;
mod evidence;
mod report;
mod scenarios;
mod target;
mod verify;

pub use report::{CheckReport, Figure, Report, Verdict};
pub use target::Subject;
pub use verify::{CHECKS, Check, Observer, Silent, verify};
