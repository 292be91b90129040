//! Measures a server from where one is.

use std::time::{Duration, Instant};

use holdfast::connect::{Target, Timing};
use holdfast::session::ResultFormat;
use holdfast::{Error, Result, SqlState};

use super::advice::{Opening, ServiceTime};
use super::sample::Spread;
use super::workload::Workload;
use crate::diagnose::diagnosis::Answers;

/// Enough for a 99th percentile; on a slow network the time runs out first.
const ROUND_TRIPS: usize = 300;
const WARM_UP: usize = 20;
const TIME_FOR_ROUND_TRIPS: Duration = Duration::from_secs(3);
const STATEMENTS: usize = 50;
const TIME_FOR_STATEMENTS: Duration = Duration::from_secs(5);
/// Beside the first, which found caches cold.
const OPENINGS: usize = 5;
const TRIVIAL: &str = "select 1";

/// How long the server takes to answer that it has nothing to do.
pub(super) fn round_trip(answers: &mut Answers<'_>) -> Result<Spread> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for turn in 0..WARM_UP + ROUND_TRIPS {
        let asked = Instant::now();
        answers.rows("")?;
        if turn >= WARM_UP || begun.elapsed() > TIME_FOR_ROUND_TRIPS {
            times.push(asked.elapsed());
        }
        if begun.elapsed() > TIME_FOR_ROUND_TRIPS {
            break;
        }
    }
    spread(times)
}

/// Returns the server's time for the statement: the time of the call, less the round trip.
pub(super) fn service_time(
    answers: &mut Answers<'_>,
    workload: &Workload,
    round_trip: Duration,
    tell: &mut dyn FnMut(&str),
) -> Result<ServiceTime> {
    if let Some(given) = workload.service_time {
        return Ok(ServiceTime::Given(given));
    }
    let sql = workload.statement.as_deref().unwrap_or(TRIVIAL);
    tell("measuring the statement, in transactions that only read");
    let times = statement_times(answers, sql)?;
    let at_the_server = times.into_iter().map(|took| took.saturating_sub(round_trip)).collect();
    let times = spread(at_the_server)?;
    Ok(match &workload.statement {
        Some(_) => ServiceTime::Measured(times),
        None => ServiceTime::Trivial(times),
    })
}

/// As a pool runs it: prepared once, then in one round trip each time.
fn statement_times(answers: &mut Answers<'_>, sql: &str) -> Result<Vec<Duration>> {
    let begun = Instant::now();
    let mut times = Vec::new();
    answers.rows("begin transaction read only")?;
    answers.session.set_deadline(Some(answers.timeout));
    let prepared = answers.session.raw().prepare(sql, &[])?;
    if !prepared.parameters().is_empty() {
        return Err(Error::config("the statement has parameters: write values in their place"));
    }
    // Its first run finds caches cold, and is not counted unless it takes all the time there is.
    for turn in 0..=STATEMENTS {
        answers.session.set_deadline(Some(answers.timeout));
        let asked = Instant::now();
        answers.session.raw().query(&prepared, &[], ResultFormat::Binary).map_err(refused)?;
        let took = asked.elapsed();
        let time_is_up = begun.elapsed() > TIME_FOR_STATEMENTS;
        if turn > 0 || time_is_up {
            times.push(took);
        }
        answers.rows("rollback")?;
        if time_is_up {
            break;
        }
        answers.rows("begin transaction read only")?;
    }
    answers.rows("rollback")?;
    Ok(times)
}

fn refused(error: Error) -> Error {
    match error.sqlstate() {
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Error::config(
            "the statement writes, and it is measured many times: measure it elsewhere and give its service time instead",
        )
        .with_source(error),
        _ => error,
    }
}

/// Opens connections, one after the other.
pub(super) fn opening(server: &Target, first: Timing, timeout: Duration) -> Result<Opening> {
    let mut timings = vec![first];
    for _ in 0..OPENINGS {
        timings.push(server.open(timeout)?.timings());
    }
    let median = |part: fn(&Timing) -> Duration| -> Result<Duration> {
        Ok(spread(timings.iter().map(part).collect())?.median)
    };
    let encrypted = first.tls.is_some();
    Ok(Opening {
        whole: spread(timings.iter().map(whole).collect())?,
        resolve: median(|timing| timing.resolve)?,
        connect: median(|timing| timing.connect)?,
        tls: encrypted.then(|| median(|timing| timing.tls.unwrap_or_default())).transpose()?,
        session: median(|timing| timing.session)?,
    })
}

fn whole(timing: &Timing) -> Duration {
    timing.resolve + timing.connect + timing.tls.unwrap_or_default() + timing.session
}

/// Every measurement is made at least once, so that this does not fail.
fn spread(times: Vec<Duration>) -> Result<Spread> {
    Spread::of(times).ok_or_else(|| Error::misuse("nothing was measured"))
}
