//! The server is restarted while eight threads write through the pool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{Error, Pool};
use holdfast_testkit::embedded::{self, EmbeddedPostgres};

use crate::diagnose::verification::checks::{at_once, short};
use crate::diagnose::verification::evidence::{Evidence, Finding};
use crate::diagnose::verification::target::Subject;

const WRITERS: usize = 8;
const MAX_SIZE: u32 = 5;
/// The traffic before the restart, of which the last part gives the rate to compare with.
const BEFORE: Duration = Duration::from_millis(1_500);
const WARM_UP: Duration = Duration::from_millis(500);
/// Long enough for the last retry, 3 s after the first failure.
const AFTER: Duration = Duration::from_secs(4);
/// The rate is looked at in steps of this length.
const STEP: Duration = Duration::from_millis(100);
/// Back, as a share of the rate before.
const BACK: f64 = 0.9;
/// The rate to be reached again, in the best step: low, because the machine may have got other work meanwhile.
const ENOUGH: f64 = 0.25;

/// The observations of one writer, in times since the start.
#[derive(Default)]
struct Diary {
    written: Vec<Duration>,
    failed_gets: Vec<Error>,
    failed_statements: usize,
}

/// When the server was told to stop, and when it took connections again.
struct Outage {
    stopping: Duration,
    accepting: Duration,
}

pub(in crate::diagnose) fn restart(
    subject: &Subject,
    server: &EmbeddedPostgres,
    evidence: &mut Evidence<'_>,
) -> Finding {
    let pool = subject.pool(MAX_SIZE)?;
    pool.batch_execute("DROP TABLE IF EXISTS ledger; CREATE TABLE ledger (entry bigserial PRIMARY KEY)")?;
    evidence.tell("8 threads write through 5 connections; in their midst the server is restarted");
    let (diaries, outage) = live_through(&pool, server)?;
    let there: i64 = pool.query_one("SELECT count(*) FROM ledger", &[])?.get(0);

    let failed_statements: usize = diaries.iter().map(|diary| diary.failed_statements).sum();
    let failed_gets: Vec<_> = diaries.iter().flat_map(|diary| &diary.failed_gets).collect();
    evidence.expect(failed_gets.is_empty(), || {
        format!("{} calls got no connection, the first because: {}", failed_gets.len(), failed_gets[0])
    });
    evidence.expect(failed_statements <= MAX_SIZE as usize, || {
        format!("{failed_statements} statements failed, though only {MAX_SIZE} can have been running")
    });
    // A statement that failed may have taken effect: its answer was lost. One that was acknowledged must be there.
    let acknowledged: usize = diaries.iter().map(|diary| diary.written.len()).sum();
    let there = usize::try_from(there).unwrap_or_default();
    let lost = acknowledged.saturating_sub(there);
    evidence.expect((acknowledged..=acknowledged + failed_statements).contains(&there), || {
        format!("{acknowledged} writes were acknowledged, {failed_statements} failed, and {there} are there")
    });
    let down = outage.accepting - outage.stopping;
    evidence.time("down", down);
    evidence.count("failed_gets", failed_gets.len(), "calls");
    evidence.count("failed_statements", failed_statements, "statements");
    evidence.count("acknowledged", acknowledged, "writes");
    evidence.count("acknowledged_lost", lost, "writes");
    let rates = recovery(&diaries, &outage, evidence);
    Ok(format!(
        "down for {}; {} calls without a connection, {failed_statements} statements cut; {rates}; \
         {lost} of {acknowledged} acknowledged writes lost",
        short(down),
        failed_gets.len(),
    ))
}

/// Traffic, the restart, and more traffic.
fn live_through(pool: &Pool, server: &EmbeddedPostgres) -> Result<(Vec<Diary>, Outage), embedded::Error> {
    let ended = AtomicBool::new(false);
    let started = Instant::now();
    thread::scope(|scope| {
        let writers = scope.spawn(|| at_once(WRITERS, || write(pool, started, &ended)));
        thread::sleep(BEFORE);
        let stopping = started.elapsed();
        let outcome = server.restart();
        let accepting = started.elapsed();
        if outcome.is_ok() {
            thread::sleep(AFTER);
        }
        ended.store(true, Ordering::Relaxed);
        let diaries = writers.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.map(|()| (diaries, Outage { stopping, accepting }))
    })
}

/// How the rate came back; in words.
fn recovery(diaries: &[Diary], outage: &Outage, evidence: &mut Evidence<'_>) -> String {
    let rate = |from: Duration, length: Duration| {
        let within = from..from + length;
        let writes = diaries.iter().flat_map(|diary| &diary.written).filter(|at| within.contains(*at));
        writes.count() as f64 / length.as_secs_f64()
    };
    let before = rate(WARM_UP, outage.stopping - WARM_UP);
    let last_second = outage.accepting + AFTER - Duration::from_secs(1);
    let after = rate(last_second, Duration::from_secs(1));
    let steps = (AFTER.as_millis() / STEP.as_millis()) as u32;
    let after_steps: Vec<_> = (0..steps).map(|n| rate(outage.accepting + STEP * n, STEP)).collect();
    let best = after_steps.iter().copied().fold(0.0, f64::max);
    let back = after_steps.iter().position(|r| *r >= before * BACK).map(|n| STEP * (n as u32 + 1));
    let served_to_the_end =
        diaries.iter().filter(|diary| diary.written.last().is_some_and(|at| *at >= last_second)).count();
    evidence.expect(best >= before * ENOUGH, || {
        format!("{before:.0} writes per second before, at best {best:.0} after: the pool has not recovered")
    });
    evidence.expect(served_to_the_end == WRITERS, || {
        format!("only {served_to_the_end} of {WRITERS} threads were served in the last second")
    });
    evidence.figure("rate_before", before.round(), "writes per second");
    evidence.figure("rate_after", after.round(), "writes per second");
    if let Some(back) = back {
        evidence.time("back_at_90_percent", back);
    }
    let within = back.map(|back| format!(" (90 % within {})", short(back))).unwrap_or_default();
    format!("{before:.0} writes/s before, {after:.0} after{within}")
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
        match conn.execute("INSERT INTO ledger DEFAULT VALUES", &[]) {
            Ok(_) => diary.written.push(started.elapsed()),
            Err(_) => diary.failed_statements += 1,
        }
    }
    diary
}
