//! Advice on a pool's size and settings: measured on the real server, with the arithmetic shown.
//!
//! ```no_run
//! use holdfast::PoolConfig;
//! use holdfast_cli::diagnose::{Workload, tune};
//!
//! # fn main() -> holdfast::Result<()> {
//! let config = PoolConfig::from_url("postgresql://app@db/orders")?;
//! let workload = Workload::new().processes(12).rate(600.0).statement("select * from orders where id = 7");
//! let advice = tune(&config, &workload, &mut |step| eprintln!("{step}"))?;
//! for step in &advice.arithmetic {
//!     println!("{}: {} = {} {}", step.name, step.formula, step.value, step.unit);
//! }
//! let config = advice.apply(config)?;
//! # Ok(()) }
//! ```

mod advice;
mod alternatives;
mod capacity;
mod measure;
mod pool_settings;
mod sample;
mod server_settings;
mod sizing;
mod workload;

use holdfast::connect::Target;
use holdfast::{PoolConfig, Result};

use super::diagnosis::{Answers, identity};
pub use advice::{Advice, Measured, Opening, PoolSetting, ServerSetting, ServiceTime, WayOut};
pub use sample::Spread;
pub use sizing::{Bound, Ceiling, Fit, Step};
pub use workload::Workload;

/// The `application_name` of its sessions.
const APPLICATION: &str = "holdfast tune";

/// Measures how long a server takes to accept a session, to answer, and to run a statement, reads the limits on connections and
/// their holders, and recommends settings of a pool. `tell` is called with each step before it is made.
///
/// Opens six connections, no two at once, and runs the workload's statement up to 50 times, in transactions that only read
/// and are rolled back. Blocks for as long as [`Workload::timeout`] allows for each opening and each question.
///
/// # Errors
/// [`Config`](holdfast::ErrorKind::Config) if the configuration or the workload cannot be used; the server's error if it
/// accepts no session or the statement fails.
pub fn tune(config: &PoolConfig, workload: &Workload, tell: &mut dyn FnMut(&str)) -> Result<Advice> {
    workload.validate()?;
    let own_name = config.get("application_name")?.unwrap_or_default();
    let server = Target::new(&config.clone().application_name(APPLICATION))?;
    let target = server.name();
    tell(&format!("connecting to {target}"));
    let mut session = server.open(workload.timeout)?;
    let first = session.timings();
    let key = session.backend_pid();
    let mut answers = Answers { session: &mut session, timeout: workload.timeout };
    tell("asking for limits and who uses them");
    let identity = identity(&mut answers, key)?;
    let ceilings = capacity::ceilings(&mut answers, &own_name, workload)?;
    let settings = capacity::settings(&mut answers)?;
    tell("measuring round trips");
    let round_trip = measure::round_trip(&mut answers)?;
    let service = measure::service_time(&mut answers, workload, round_trip.mean, tell)?;
    drop(session);
    tell("measuring what it takes to open a connection");
    let opening = measure::opening(&server, first, workload.timeout)?;

    let measured = Measured { opening, round_trip, service };
    let sizing = sizing::size(workload, &measured, &ceilings);
    let case = advice::Case {
        workload,
        measured: &measured,
        sizing: &sizing,
        ceilings: &ceilings,
        identity: &identity,
        settings: &settings,
    };
    Ok(Advice {
        pool: pool_settings::of(&case),
        server: server_settings::of(&case),
        ways_out: alternatives::of(&case),
        notes: case.notes(),
        target,
        server_version: identity.version.clone(),
        fit: sizing.fit,
        arithmetic: sizing.steps,
        ceilings,
        measured,
    })
}
