//! The server is restarted while eight threads write through the pool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::diagnose::checks::{at_once, short};
use crate::diagnose::evidence::{Evidence, Finding};
use crate::diagnose::subject::Subject;
use crate::embedded::EmbeddedPostgres;
use crate::error::Error;
use crate::pool::Pool;

const WRITERS: usize = 8;
const MAX_SIZE: u32 = 5;
/// The traffic before the restart, of which the last part gives the rate to compare with.
const BEFORE: Duration = Duration::from_millis(1_500);
const WARM_UP: Duration = Duration::from_millis(500);
/// Long enough for the last retry, 3 s after the first failure.
const AFTER: Duration = Duration::from_secs(4);
/// The rate is looked at in steps of this length.
const STEP: Duration = Duration::from_millis(100);
/// What the rate must come back to, as a share; low, because the machine may have other things to do.
const ENOUGH: f64 = 0.5;
const BACK: f64 = 0.9;

/// What one writer saw, in times since the start.
#[derive(Default)]
struct Diary {
    written: Vec<Duration>,
    failed_gets: Vec<Error>,
    failed_statements: Vec<Error>,
}

pub(in crate::diagnose) fn restart(
    subject: &Subject,
    server: &EmbeddedPostgres,
    evidence: &mut Evidence<'_>,
) -> Finding {
    let pool = subject.pool(MAX_SIZE)?;
    pool.batch_execute("DROP TABLE IF EXISTS ledger; CREATE TABLE ledger (entry bigserial PRIMARY KEY)")?;
    evidence.tell("8 threads write through 5 connections; in their midst the server is restarted");
    let ended = AtomicBool::new(false);
    let started = Instant::now();
    let (diaries, restarted) = thread::scope(|scope| {
        let writers = scope.spawn(|| at_once(WRITERS, || write(&pool, started, &ended)));
        thread::sleep(BEFORE);
        let stopping = started.elapsed();
        let outcome = server.restart();
        let accepting = started.elapsed();
        if outcome.is_ok() {
            thread::sleep(AFTER);
        }
        ended.store(true, Ordering::Relaxed);
        let diaries = writers.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (diaries, outcome.map(|()| (stopping, accepting)))
    });
    let (stopping, accepting) = restarted?;
    let rows: i64 = pool.query_one("SELECT count(*) FROM ledger", &[])?.get(0);

    let mut written = Vec::new();
    let (mut failed_gets, mut failed_statements) = (0usize, 0usize);
    for diary in diaries {
        written.extend(diary.written);
        failed_statements += diary.failed_statements.len();
        failed_gets += diary.failed_gets.len();
        for error in &diary.failed_gets {
            evidence.expect(false, || format!("a caller got no connection: {error}"));
        }
    }
    evidence.expect(failed_statements <= MAX_SIZE as usize, || {
        format!("{failed_statements} statements failed, though only {MAX_SIZE} can have been running")
    });
    // A statement that failed may have taken effect: its answer was lost. One that was acknowledged must be there.
    let (least, most) = (written.len(), written.len() + failed_statements);
    evidence.expect((least..=most).contains(&(rows as usize)), || {
        format!("{least} writes were acknowledged, {failed_statements} failed, and {rows} are there")
    });

    let lost = least.saturating_sub(rows as usize);

    let rate = |from: Duration, to: Duration| {
        let count = written.iter().filter(|at| (from..to).contains(*at)).count();
        count as f64 / (to - from).as_secs_f64()
    };
    let before = rate(WARM_UP, stopping);
    let after = rate(accepting + AFTER - Duration::from_secs(1), accepting + AFTER);
    let steps = (AFTER.as_millis() / STEP.as_millis()) as u32;
    let back =
        (0..steps).map(|n| STEP * n).find(|&n| rate(accepting + n, accepting + n + STEP) >= before * BACK);
    let first = written.iter().filter(|at| **at >= accepting).min().map(|at| *at - accepting);
    evidence.expect(after >= before * ENOUGH, || {
        format!(
            "{before:.0} writes per second before, {after:.0} in the last second: the pool has not recovered"
        )
    });
    let down = accepting - stopping;
    evidence.time("down", down);
    evidence.count("failed_gets", failed_gets, "calls");
    evidence.count("failed_statements", failed_statements, "statements");
    evidence.count("acknowledged", written.len(), "writes");
    evidence.count("acknowledged_lost", lost, "writes");
    evidence.figure("rate_before", before.round(), "writes per second");
    evidence.figure("rate_after", after.round(), "writes per second");
    if let Some(first) = first {
        evidence.time("first_write_after", first);
    }
    if let Some(back) = back {
        evidence.time("back_at_90_percent", back + STEP);
    }
    Ok(format!(
        "down for {}; {failed_gets} calls without a connection, {failed_statements} statements cut; \
         {before:.0} writes/s before, {after:.0} after{}; {lost} of {least} acknowledged writes lost",
        short(down),
        back.map(|b| format!(" (90 % within {})", short(b + STEP))).unwrap_or_default(),
    ))
}

fn write(pool: &Pool, started: Instant, ended: &AtomicBool) -> Diary {
    let mut diary = Diary::default();
    while !ended.load(Ordering::Relaxed) {
        let mut conn = match pool.get() {
            Ok(conn) => conn,
            Err(error) => {
                diary.failed_gets.push(error);
                continue;
            }
        };
        match conn.execute_cached("INSERT INTO ledger DEFAULT VALUES", &[]) {
            Ok(_) => diary.written.push(started.elapsed()),
            Err(error) => diary.failed_statements.push(error),
        }
    }
    diary
}
