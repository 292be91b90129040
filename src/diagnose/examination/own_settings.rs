//! What is wrong with the pool's own settings, against what the server has.

use std::time::Duration;

use super::finding::{Finding, FindingSeverity};
use super::inventory::Inventory;
use crate::config::settings::PoolSettings;
use crate::error::human;

/// Beyond this, connections that nobody uses keep others from slots.
const LONG_IDLE: Duration = Duration::from_secs(60);

pub(super) fn judge(pool: &PoolSettings, inventory: Option<&Inventory>, processes: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(inventory.and_then(|inventory| size(pool, inventory, processes)));
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

fn size(pool: &PoolSettings, inventory: &Inventory, processes: u32) -> Option<Finding> {
    let limits = &inventory.limits;
    let own_limits = [limits.role, limits.database].into_iter().flatten().map(|limit| limit.limit);
    let slots = own_limits.chain([limits.ordinary_slots()]).min()?;
    let wanted = u64::from(pool.max_size) * u64::from(processes);
    if wanted <= u64::from(slots) {
        return None;
    }
    // With a share for each, too much is wanted but nobody is refused for long.
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
