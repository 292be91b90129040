//! Ways out where there are too few connections.

use super::advice::{Case, WayOut};
use super::sizing::{Bound, Ceiling, Fit, milliseconds, plain, wanted_together};

/// The memory of a server process, as a rule of thumb: its caches of catalogue and plans grow with use.
const MEGABYTES_EACH: u32 = 10;

/// The cheapest first.
pub(super) fn of(case: &Case<'_>) -> Vec<WayOut> {
    if case.sizing.fit == Fit::Fits {
        return Vec::new();
    }
    let mut ways: Vec<_> =
        [share(case), fewer_at_once(case), shorter(case), pooler(case)].into_iter().flatten().collect();
    ways.extend(raise(case));
    ways
}

fn way(id: &'static str, text: String) -> Option<WayOut> {
    Some(WayOut { id, text })
}

/// The connections of all processes together, if any could use any connection.
fn together(case: &Case<'_>) -> Option<u32> {
    case.sizing.load.map(|load| wanted_together(load, case.workload.processes))
}

fn share(case: &Case<'_>) -> Option<WayOut> {
    let (sizing, available) = (case.sizing, case.sizing.available);
    match together(case) {
        Some(all) if all <= available => way(
            "fleet_share",
            format!(
                "Let those that are busy have what others do not use: with fleet_share=true set max_size={} in each all the same. \
                 All {} processes together need {all} at once, of {available} available.",
                sizing.wanted, case.workload.processes
            ),
        ),
        Some(all) => way(
            "fleet_share",
            format!(
                "fleet_share=true has the processes take turns, and callers wait: together they need {all} at once, and \
                 {available} are available. It keeps everybody served; it does not make up for what is missing."
            ),
        ),
        None => way(
            "fleet_share",
            format!(
                "fleet_share=true has {} processes take turns on {available} connections.",
                sizing.holders
            ),
        ),
    }
}

fn fewer_at_once(case: &Case<'_>) -> Option<WayOut> {
    let (wanted, processes) = (case.sizing.wanted, case.workload.processes);
    let at_once = case.sizing.available.checked_div(wanted)?;
    let more = at_once.checked_sub(processes).filter(|more| *more > 0 && at_once < case.sizing.holders)?;
    way(
        "smaller_deploys",
        format!(
            "Replace at most {more} processes at a time during a deploy: {} available / {wanted} wanted = {at_once} at once, \
             {processes} of them there anyway. (--overlap-processes {more})",
            case.sizing.available
        ),
    )
}

fn shorter(case: &Case<'_>) -> Option<WayOut> {
    let load = case.sizing.load.filter(|load| *load > 0.0)?;
    let target = f64::from(case.sizing.share) * 0.8;
    (target > 0.0 && target < load).then(|| {
        let held = milliseconds(case.sizing.held);
        WayOut {
            id: "hold_shorter",
            text: format!(
                "Hold connections for less time: at most {} ms instead of {} ms ({} x 0.8 / {} x {}). Faster statements, fewer in \
                 a request, nothing else done while one is held.",
                plain(held * target / load),
                plain(held),
                case.sizing.share,
                plain(load),
                plain(held)
            ),
        }
    })
}

fn pooler(case: &Case<'_>) -> Option<WayOut> {
    let words = "Put a pooler in front that assigns server connections for one transaction each (PgBouncer, pool_mode=transaction; \
         see Poolers in docs/behaviour.md)";
    match together(case) {
        Some(all) => way(
            "pooler",
            format!(
                "{words}: it needs {all} server connections for all {} processes.",
                case.workload.processes
            ),
        ),
        None => way("pooler", format!("{words}.")),
    }
}

/// Returns one way out for each limit that is too low.
fn raise(case: &Case<'_>) -> Vec<WayOut> {
    let connections = case.sizing.wanted.saturating_mul(case.sizing.holders);
    let too_low = |ceiling: &&Ceiling| ceiling.needed_for(connections) > ceiling.limit;
    case.ceilings.iter().filter(too_low).map(|ceiling| raise_one(case, ceiling, connections)).collect()
}

fn raise_one(case: &Case<'_>, ceiling: &Ceiling, connections: u32) -> WayOut {
    let needed = ceiling.needed_for(connections);
    let more = needed - ceiling.limit;
    let text = match ceiling.bound {
        Bound::Server => format!(
            "Raise max_connections to {needed} ({more} more) and restart the server. Memory: some {MEGABYTES_EACH} MB for each \
             session that has worked for a while (a rule of thumb), {} MB for these, and work_mem ({}) for each sort or hash that \
             runs at the time.",
            u64::from(more) * u64::from(MEGABYTES_EACH),
            case.settings.get("work_mem").unwrap_or("4MB")
        ),
        Bound::Database => format!(
            "Raise the database's own limit: alter database {} connection limit {needed};",
            crate::diagnose::diagnosis::name(&case.identity.database)
        ),
        Bound::Role => format!(
            "Raise the role's own limit: alter role {} connection limit {needed};",
            crate::diagnose::diagnosis::name(&case.identity.user)
        ),
    };
    let id = match ceiling.bound {
        Bound::Server => "raise_max_connections",
        Bound::Database => "raise_database_limit",
        Bound::Role => "raise_role_limit",
    };
    WayOut { id, text }
}
