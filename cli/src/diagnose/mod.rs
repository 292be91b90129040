//! Finding out how things stand: with a pool, with a database, with what is between them. What the command line runs, and
//! any program can.

mod diagnosis;
mod pooler;
mod tuning;
mod verification;

pub use diagnosis::{
    Blocked, Certificate, Examination, Expectation, Finding, FindingSeverity, HostReach, Identity, Inventory,
    Limit, Limits, PhaseTime, Questions, Session, SessionGroup, examine, without_literals,
};
pub use pooler::Pooler;
pub use tuning::{
    Advice, Bound, Ceiling, Fit, Measured, Opening, PoolSetting, ServerSetting, ServiceTime, Spread, Step,
    WayOut, Workload, tune,
};
pub use verification::{
    CHECKS, Check, CheckReport, Figure, Observer, Report, Silent, Subject, Verdict, verify,
};
