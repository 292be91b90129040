//! The arithmetic of a pool's size, every line of which is shown. Pure: it measures nothing.

use std::time::Duration;

use super::advice::Measured;
use super::workload::Workload;

/// Above it, waits grow much faster than use does.
const USE: f64 = 0.8;
/// The size for one process of which nothing else is known: `max_size` in production.
const USUAL_SIZE: u32 = 8;
/// With one, a single slow request holds up all others.
const LEAST_SIZE: u32 = 2;
const LEAST_KEPT_FREE: u32 = 3;
/// The most that the option allows.
const GREATEST_SIZE: u32 = 10_000;

/// A line of the arithmetic.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The name of the value.
    pub name: &'static str,
    /// The formula, with numbers.
    pub formula: String,
    /// The value.
    pub value: f64,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
}

/// The kind of a limit on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// `max_connections` of the server.
    Server,
    /// `connection limit` of the database.
    Database,
    /// `connection limit` of the role.
    Role,
}

impl Bound {
    /// Returns its stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Database => "database",
            Self::Role => "role",
        }
    }
}

/// A limit on connections, and the part of it that is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ceiling {
    /// Its kind.
    pub bound: Bound,
    /// The most connections allowed.
    pub limit: u32,
    /// Connections kept for privileged roles.
    pub reserved: u32,
    /// Connections in use now by others than these pools.
    pub others: u32,
    /// Connections kept free for people and jobs.
    pub kept_free: u32,
    /// Set if the connections kept free are a share of the limit, and grow with it.
    pub(super) keeps_a_share: bool,
}

/// Unless it is said how many.
pub(super) fn usually_kept_free(slots: u32) -> u32 {
    slots.div_ceil(10).max(LEAST_KEPT_FREE)
}

impl Ceiling {
    /// Returns the number of connections for roles without privileges.
    pub fn slots(&self) -> u32 {
        self.limit.saturating_sub(self.reserved)
    }

    /// Returns the number of connections for all these pools together.
    pub fn available(&self) -> u32 {
        self.slots().saturating_sub(self.others).saturating_sub(self.kept_free)
    }

    /// Returns the limit that these pools would need to have so many.
    pub(super) fn needed_for(&self, connections: u32) -> u32 {
        let used = connections.saturating_add(self.others);
        let slots = match self.keeps_a_share {
            // Of so many slots, a tenth less leaves what is used.
            true => used.saturating_add(LEAST_KEPT_FREE).max(used.saturating_add(used.div_ceil(9))),
            false => used.saturating_add(self.kept_free),
        };
        slots.saturating_add(self.reserved)
    }
}

/// Whether the server has enough connections for the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fit {
    /// Every process gets the size it needs, during a deploy too.
    Fits,
    /// Every process gets some, and fewer than it needs.
    Short,
    /// There are more processes than connections.
    NotOneEach,
}

impl Fit {
    /// Returns its stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Short => "short",
            Self::NotOneEach => "not_one_each",
        }
    }
}

/// The result of the arithmetic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sizing {
    /// How long a request holds a connection.
    pub(super) held: Duration,
    /// Connections in use on average, in one process; `None` if the rate is not known.
    pub(super) load: Option<f64>,
    /// The size for each process.
    pub(super) wanted: u32,
    /// All processes together, at once.
    pub(super) holders: u32,
    /// The connections left by the lowest limit.
    pub(super) available: u32,
    pub(super) share: u32,
    pub(super) max_size: u32,
    pub(super) fit: Fit,
    pub(super) steps: Vec<Step>,
}

/// A size for each process, with every step to it.
pub(super) fn size(workload: &Workload, measured: &Measured, ceilings: &[Ceiling]) -> Sizing {
    let mut steps = Steps::default();
    let held = held(&mut steps, workload, measured);
    let load = load(&mut steps, workload, held);
    let wanted = wanted(&mut steps, load);
    let available = available(&mut steps, ceilings);
    let (holders, share) = share(&mut steps, workload, available);
    let max_size = steps.put(
        "max_size",
        format!("min({wanted} wanted, {share} each), at least 1"),
        f64::from(wanted.min(share).max(1)),
        "connections",
    ) as u32;
    if let Some(load) = load {
        let waits = waiting_share(load, max_size);
        steps.put(
            "requests that find all in use",
            format!("coming at random, Erlang's C({max_size}, {})", plain(load)),
            waits * 100.0,
            "%",
        );
    }
    let fit = match share {
        0 => Fit::NotOneEach,
        _ if share < wanted && load.is_some() => Fit::Short,
        _ => Fit::Fits,
    };
    Sizing { held, load, wanted, holders, available, share, max_size, fit, steps: steps.0 }
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn put(&mut self, name: &'static str, formula: String, value: f64, unit: &'static str) -> f64 {
        self.0.push(Step { name, formula, value, unit });
        value
    }
}

fn held(steps: &mut Steps, workload: &Workload, measured: &Measured) -> Duration {
    let (service, round_trip) = (measured.service.mean(), measured.round_trip.mean);
    let held = (service + round_trip).saturating_mul(workload.statements);
    let formula = format!(
        "{} x (service time {} ms + round trip {} ms)",
        workload.statements,
        plain(milliseconds(service)),
        plain(milliseconds(round_trip))
    );
    steps.put("held by one request, W", formula, milliseconds(held), "ms");
    held
}

fn load(steps: &mut Steps, workload: &Workload, held: Duration) -> Option<f64> {
    let rate = workload.rate?;
    let of_one = steps.put(
        "requests of one process",
        format!("{}/s / {} processes", plain(rate), workload.processes),
        rate / f64::from(workload.processes),
        "/s",
    );
    let load = of_one * held.as_secs_f64();
    let formula = format!("Little's law: {}/s x {} ms", plain(of_one), plain(milliseconds(held)));
    Some(steps.put("in use on average, L = rate x W", formula, load, "connections"))
}

fn wanted(steps: &mut Steps, load: Option<f64>) -> u32 {
    let Some(load) = load else {
        let formula = "the rate is not known: the usual size".to_owned();
        return steps.put("wanted by one process", formula, f64::from(USUAL_SIZE), "connections") as u32;
    };
    let shown = plain(load);
    let by_use = steps.put(
        "for use below 80 %",
        format!("{shown} / 0.8, rounded up"),
        whole_above(load / USE),
        "connections",
    );
    let for_bursts = steps.put(
        "for bursts",
        format!("square-root staffing: {shown} + 2 x sqrt({shown}), rounded up"),
        whole_above(with_bursts(load)),
        "connections",
    );
    let wanted = by_use.max(for_bursts).clamp(f64::from(LEAST_SIZE), f64::from(GREATEST_SIZE));
    let formula = format!("max({by_use}, {for_bursts}, {LEAST_SIZE}), at most {GREATEST_SIZE}");
    steps.put("wanted by one process", formula, wanted, "connections") as u32
}

/// The mean and twice what it varies by: requests that come at random are within that nearly always.
pub(super) fn with_bursts(load: f64) -> f64 {
    load + 2.0 * load.sqrt()
}

/// Returns the connections that all processes together would need if any could use any connection.
pub(super) fn wanted_together(load: f64, processes: u32) -> u32 {
    let all = load * f64::from(processes);
    whole_above((all / USE).max(with_bursts(all))) as u32
}

/// Rounded up, but for what is only the error of floating-point division.
fn whole_above(value: f64) -> f64 {
    (value - 1e-9).ceil().max(0.0)
}

fn available(steps: &mut Steps, ceilings: &[Ceiling]) -> u32 {
    for ceiling in ceilings {
        let (name, what) = match ceiling.bound {
            Bound::Server => ("left of the server's", "max_connections"),
            Bound::Database => ("left of the database's", "its connection limit"),
            Bound::Role => ("left of the role's", "its connection limit"),
        };
        let formula = format!(
            "{} ({what}) - {} reserved - {} in use by others - {} kept free",
            ceiling.limit, ceiling.reserved, ceiling.others, ceiling.kept_free
        );
        steps.put(name, formula, f64::from(ceiling.available()), "connections");
    }
    let left: Vec<_> = ceilings.iter().map(Ceiling::available).collect();
    let least = left.iter().copied().min().unwrap_or_default();
    let formula = format!("min({})", left.iter().map(u32::to_string).collect::<Vec<_>>().join(", "));
    steps.put("available", formula, f64::from(least), "connections") as u32
}

fn share(steps: &mut Steps, workload: &Workload, available: u32) -> (u32, u32) {
    let holders = workload.holders().max(1);
    let formula = match workload.overlap_processes {
        Some(more) => format!("during a deploy: {} + {more}", workload.processes),
        None => format!("during a deploy: {} x {}, rounded up", workload.processes, workload.overlap),
    };
    steps.put("processes at once", formula, f64::from(holders), "processes");
    let share = steps.put(
        "a share for each",
        format!("{available} / {holders}, rounded down"),
        f64::from(available / holders),
        "connections",
    );
    (holders, share as u32)
}

/// Erlang's C: which share of requests has to wait, when they come at random and `servers` serve `load` of them at once on
/// average. All, when the load is more than can be served.
pub(super) fn waiting_share(load: f64, servers: u32) -> f64 {
    let count = f64::from(servers);
    if load >= count {
        return 1.0;
    }
    // Erlang's B, built up server by server, which neither overflows nor cancels.
    let blocked = (1..=servers).fold(1.0, |blocked, n| load * blocked / (f64::from(n) + load * blocked));
    let used = load / count;
    blocked / (1.0 - used + used * blocked)
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A number as people write it: three digits that count, and no zeros at the end.
pub(super) fn plain(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests;
