//! Settings of the pool that follow from what was measured.

use std::time::Duration;

use holdfast::config::write_duration;

use super::advice::{Case, PoolSetting, ServiceTime};
use super::sizing::{Fit, milliseconds, plain};

const SECOND: Duration = Duration::from_secs(1);
/// The delay that a caller notices when it waits for two openings in a row.
const NOTICEABLE_OPENING: Duration = Duration::from_millis(100);
/// A proof before use costs a round trip: from here on it is worth avoiding.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(5);
const USUAL_TIMEOUT: Duration = Duration::from_secs(8);

pub(super) fn of(case: &Case<'_>) -> Vec<PoolSetting> {
    let size =
        PoolSetting { key: "max_size", value: case.sizing.max_size.to_string(), reason: size_reason(case) };
    let mut settings = vec![size, min_idle(case), idle_timeout(case), connection_timeout(case)];
    settings.extend(retries(case));
    settings.push(max_lifetime(case));
    settings.extend(proofs(case));
    settings.push(statement_deadline(case));
    settings.push(fleet_share(case));
    settings
}

fn setting(key: &'static str, value: impl Into<String>, reason: impl Into<String>) -> PoolSetting {
    PoolSetting { key, value: value.into(), reason: reason.into() }
}

fn shown(duration: Duration) -> String {
    format!("{} ms", plain(milliseconds(duration)))
}

fn size_reason(case: &Case<'_>) -> String {
    let sizing = case.sizing;
    let wanted = match sizing.load {
        Some(load) => format!("{} in use on average, so {} wanted", plain(load), sizing.wanted),
        None => format!("the usual {}", sizing.wanted),
    };
    format!(
        "{wanted}; {} available / {} processes at once = {} each",
        sizing.available, sizing.holders, sizing.share
    )
}

/// Whether an idle connection for each process is worth its slot.
pub(super) fn keeps_one(case: &Case<'_>) -> bool {
    case.measured.opening.whole.median >= NOTICEABLE_OPENING && case.sizing.share >= 2
}

fn min_idle(case: &Case<'_>) -> PoolSetting {
    let opening = shown(case.measured.opening.whole.median);
    if keeps_one(case) {
        let reason = format!(
            "opening takes {opening}, which a caller after a pause would notice; costs {} slots day and night",
            case.sizing.holders
        );
        return setting("min_idle", "1", reason);
    }
    setting(
        "min_idle",
        "0",
        format!("opening takes {opening}: nothing is kept from others while nobody asks"),
    )
}

pub(super) fn idle_time(case: &Case<'_>) -> Duration {
    match case.sizing.fit {
        Fit::Fits if case.measured.opening.whole.median >= NOTICEABLE_OPENING => 60 * SECOND,
        Fit::Fits => 15 * SECOND,
        _ => 5 * SECOND,
    }
}

fn idle_timeout(case: &Case<'_>) -> PoolSetting {
    let (time, opening) = (idle_time(case), shown(case.measured.opening.whole.median));
    let reason = match case.sizing.fit {
        Fit::Fits => format!(
            "against {opening} for opening one anew; gaps between bursts are bridged, slots given back"
        ),
        _ => format!("slots are short, and opening one anew takes {opening}"),
    };
    setting("idle_timeout", write_duration(time), reason)
}

/// Twenty times the slowest opening leaves room for a busy server; more than the usual only where that is needed.
fn attempt_time(case: &Case<'_>) -> Duration {
    let room = case.measured.opening.whole.longest.saturating_mul(20);
    whole_seconds(room).max(USUAL_TIMEOUT)
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

fn connection_timeout(case: &Case<'_>) -> PoolSetting {
    let time = attempt_time(case);
    let slowest = case.measured.opening.whole.longest;
    let times = time.as_secs_f64() / slowest.as_secs_f64().max(1e-6);
    let reason = format!(
        "{} times the slowest opening ({}); bounds queue, opening and proof together; keep it below your callers' own time limit",
        plain(times),
        shown(slowest)
    );
    setting("connection_timeout", write_duration(time), reason)
}

fn retries(case: &Case<'_>) -> [PoolSetting; 4] {
    let attempt = attempt_time(case).as_secs();
    let worst = 3 * attempt + 1 + 2;
    [
        setting(
            "retry_max",
            "2",
            format!("at worst 3 x {attempt} s + 1 s + 2 s = {worst} s until a caller is told"),
        ),
        setting("retry_base_delay", "1s", "the first wait; it doubles with each further one"),
        setting("retry_max_delay", "5s", "no wait is longer"),
        setting("retry_jitter", "0.2", format!("{} processes do not come back in step", case.sizing.holders)),
    ]
}

fn max_lifetime(case: &Case<'_>) -> PoolSetting {
    const LIFETIME: Duration = Duration::from_secs(1_800);
    // The mean age, since it is drawn from the last quarter.
    let mean = LIFETIME.as_secs_f64() * 0.875;
    let connections = f64::from(case.sizing.max_size) * f64::from(case.sizing.holders);
    let rate = connections / mean;
    let opening = case.measured.opening.whole.mean;
    let reason = format!(
        "{} connections / {} s = {} openings a second of all, {} ms of work each second",
        plain(connections),
        plain(mean),
        plain(rate),
        plain(rate * milliseconds(opening))
    );
    setting("max_lifetime", write_duration(LIFETIME), reason)
}

fn proofs(case: &Case<'_>) -> Vec<PoolSetting> {
    let round_trip = case.measured.round_trip.median;
    if round_trip < LONG_ROUND_TRIP {
        let reason = format!("a proof after a pause costs a round trip, {}", shown(round_trip));
        return vec![setting("validate_after_idle", "500ms", reason)];
    }
    let proof = whole_seconds(case.measured.round_trip.longest.saturating_mul(10));
    vec![
        setting(
            "keepalive_interval",
            "2s",
            format!(
                "a round trip takes {}: idle connections prove themselves in the background",
                shown(round_trip)
            ),
        ),
        setting(
            "validate_after_idle",
            "4s",
            "longer than two such proofs, so that callers seldom wait for one",
        ),
        setting(
            "validation_timeout",
            write_duration(proof),
            format!("ten times the longest round trip ({})", shown(case.measured.round_trip.longest)),
        ),
    ]
}

fn statement_deadline(case: &Case<'_>) -> PoolSetting {
    let longest = match case.measured.service {
        ServiceTime::Trivial(_) => {
            return setting(
                "statement_deadline",
                "0",
                "no real statement was measured; about ten times the slowest is a good bound",
            );
        }
        ServiceTime::Given(time) => time,
        ServiceTime::Measured(times) => times.p99,
    };
    let usual = longest + case.measured.round_trip.p99;
    let deadline = whole_seconds(usual.saturating_mul(10));
    let reason = format!(
        "ten times the statement and round trip at their slowest (10 x {}, in whole seconds); rare long statements want their own \
         (set_deadline)",
        shown(usual)
    );
    setting("statement_deadline", write_duration(deadline), reason)
}

fn fleet_share(case: &Case<'_>) -> PoolSetting {
    let reason = match case.workload.processes {
        1 => "two processes during a deploy share what there is",
        _ => "what some do not use others have, and nobody is left without",
    };
    setting("fleet_share", "true", reason)
}
