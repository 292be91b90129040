//! Finding out how things stand: with a pool, with a database, with what is between them. What the command line runs, and
//! any program can.

#[cfg(feature = "diagnose")]
mod diagnosis;
#[cfg(feature = "diagnose")]
mod tuning;
#[cfg(feature = "embedded")]
mod verification;

#[cfg(feature = "diagnose")]
pub use diagnosis::{
    Blocked, Certificate, Examination, Expectation, Finding, FindingSeverity, HostReach, Identity, Inventory,
    Limit, Limits, PhaseTime, Questions, Session, SessionGroup, examine, without_literals,
};
#[cfg(feature = "diagnose")]
pub use tuning::{
    Advice, Bound, Ceiling, Fit, Measured, Opening, PoolSetting, ServerSetting, ServiceTime, Spread, Step,
    WayOut, Workload, tune,
};
#[cfg(feature = "embedded")]
pub use verification::{
    CHECKS, Check, CheckReport, Figure, Observer, Report, Silent, Subject, Verdict, verify,
};
