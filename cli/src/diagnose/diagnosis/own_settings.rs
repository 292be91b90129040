//! The findings in the pool's own settings, compared with the server's limits.

use std::time::Duration;

use holdfast::config::parse_duration;
use holdfast::error::human;
use holdfast::{Error, PoolConfig, Result};

use super::finding::{Finding, FindingSeverity};
use super::inventory::Inventory;

/// Beyond this, unused connections keep others from slots.
const LONG_IDLE: Duration = Duration::from_secs(60);

/// The options of the pool that findings are about.
pub(super) struct OwnSettings {
    pub(super) max_size: u32,
    pub(super) min_idle: u32,
    pub(super) retry_max: u32,
    pub(super) fleet_share: bool,
    pub(super) idle_timeout: Duration,
    /// `None` is no limit, here and below.
    pub(super) max_lifetime: Option<Duration>,
    pub(super) keepalive_interval: Option<Duration>,
    pub(super) statement_deadline: Option<Duration>,
    pub(super) sslmode: String,
}

impl OwnSettings {
    /// Reads them from a configuration, and checks the whole of it.
    pub(super) fn of(config: &PoolConfig) -> Result<Self> {
        config.validate()?;
        let unless_zero = |key| {
            let limit = read(config, key, parse_duration)?;
            Ok::<_, Error>(limit.filter(|limit| !limit.is_zero()))
        };
        let number = |key| required(key, read(config, key, |text| text.parse().ok())?);
        Ok(Self {
            max_size: number("max_size")?,
            min_idle: number("min_idle")?,
            retry_max: number("retry_max")?,
            fleet_share: required("fleet_share", read(config, "fleet_share", |text| text.parse().ok())?)?,
            idle_timeout: required("idle_timeout", read(config, "idle_timeout", parse_duration)?)?,
            max_lifetime: unless_zero("max_lifetime")?,
            keepalive_interval: unless_zero("keepalive_interval")?,
            statement_deadline: unless_zero("statement_deadline")?,
            sslmode: required("sslmode", config.get("sslmode")?)?,
        })
    }
}

fn read<T>(config: &PoolConfig, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
    Ok(config.get(key)?.and_then(|text| parse(&text)))
}

/// Every one of these options has a default, in canonical text.
fn required<T>(key: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::config(format!("{key} has no value that can be read")))
}

pub(super) fn judge(pool: &OwnSettings, inventory: Option<&Inventory>, processes: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(inventory.and_then(|inventory| size(pool, inventory, processes)));
    findings.extend(inventory.and_then(|inventory| ended_when_idle(pool, inventory)));
    if pool.retry_max == 0 {
        findings.push(Finding::warning(
            "retries_off",
            "a failed connect is not tried again",
            "retry_max = 0",
            "retry_max=2 lets a restart of the server, or a slot that is taken for a moment, go unnoticed",
        ));
    }
    if pool.idle_timeout > LONG_IDLE && processes > 1 {
        findings.push(Finding::advice(
            "idle_connections_kept",
            "connections that nobody uses are kept for long",
            format!("idle_timeout = {} in each of {processes} processes", human(pool.idle_timeout)),
            "idle_timeout=15s gives slots back to others; opening one anew costs milliseconds",
        ));
    }
    if !pool.fleet_share && processes > 1 {
        findings.push(Finding::advice(
            "fleet_share_off",
            "the processes do not share the server's slots among each other",
            format!("fleet_share = off with {processes} processes"),
            "fleet_share=on has each keep to its share; see docs/fleet.md",
        ));
    }
    findings
}

fn size(pool: &OwnSettings, inventory: &Inventory, processes: u32) -> Option<Finding> {
    let limits = &inventory.limits;
    let own_limits = [limits.role, limits.database].into_iter().flatten().map(|limit| limit.limit);
    let slots = own_limits.chain([limits.ordinary_slots()]).min()?;
    let wanted = u64::from(pool.max_size) * u64::from(processes);
    if wanted <= u64::from(slots) {
        return None;
    }
    // With a share for each, too much is wanted, but no pool is refused for long.
    let severity = if pool.fleet_share { FindingSeverity::Warning } else { FindingSeverity::Critical };
    Some(Finding::new(
        severity,
        "pools_too_big",
        "together the pools may want more connections than there are slots",
        format!(
            "max_size {} x {processes} processes = {wanted}, of {slots} slots for this role",
            pool.max_size
        ),
        format!(
            "max_size={} at most, or more slots; holdfast tune --processes {processes} shows the arithmetic",
            (slots / processes.max(1)).max(1)
        ),
    ))
}

/// A pool notices before it checks out such a connection, but has to open another while a caller waits.
fn ended_when_idle(pool: &OwnSettings, inventory: &Inventory) -> Option<Finding> {
    // The server's units are among Holdfast's.
    let written = inventory.setting("idle_session_timeout")?;
    let limit = parse_duration(written).filter(|limit| !limit.is_zero())?;
    // The longest that a connection is kept with nothing asked of it.
    let (by, kept) = match (pool.min_idle, pool.max_lifetime) {
        (0, _) => ("idle_timeout", pool.idle_timeout),
        (_, Some(lifetime)) => ("max_lifetime", lifetime.max(pool.idle_timeout)),
        (_, None) => ("max_lifetime", Duration::MAX),
    };
    let asked_before = pool.keepalive_interval.is_some_and(|interval| interval < limit);
    // With a pooler in between it is the pooler's sessions that end.
    if kept < limit || asked_before || inventory.identity.pooler.is_some() {
        return None;
    }
    let kept = if kept == Duration::MAX { "0 (for ever)".to_owned() } else { human(kept) };
    let remedy = match by {
        "idle_timeout" => "idle_timeout below the server's limit has the pool close them itself",
        _ => {
            "keepalive_interval below the server's limit has connections that min_idle keeps prove themselves before it"
        }
    };
    Some(Finding::advice(
        "idle_sessions_ended_by_server",
        "the server ends idle connections that the pool still counts on",
        format!("idle_session_timeout = {written}, min_idle = {}, {by} = {kept}", pool.min_idle),
        format!(
            "{remedy}; or alter role {} set idle_session_timeout = '...', a longer one",
            inventory.identity.user
        ),
    ))
}
