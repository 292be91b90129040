//! The harmless checks: they run on anybody's database, and leave nothing behind.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::error::human;
use holdfast::{CloseReason, Error, ErrorKind, Pool, SqlState};

use super::evidence::{Evidence, Fault, Finding, timed, wait_until};
use super::target::Subject;

/// As in the original cure: more callers than connections, and a burst of single requests.
const CONCURRENT_CALLERS: usize = 8;
const CONCURRENT_CONNECTIONS: u32 = 5;
const RAPID_REQUESTS: usize = 15;

pub(super) fn connection(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    evidence.tell("a fresh pool opens its first connection");
    let pool = subject.pool(1)?;
    let untouched = pool.stats().opens;
    evidence
        .expect(untouched == 0, || format!("the pool opened {untouched} connections before anybody asked"));
    let (conn, opened) = timed(|| pool.get());
    let row = conn?.query_one("SELECT current_setting('server_version'), 40 + $1::int4", &[&2i32])?;
    let (version, answer): (String, i32) = (row.get(0), row.get(1));
    evidence.expect(answer == 42, || format!("40 + 2 came back as {answer}"));
    let (again, reused) = timed(|| pool.get());
    drop(again?);
    let stats = pool.stats();
    evidence
        .expect(stats.opens == 1, || format!("{} connections were opened for two checkouts", stats.opens));
    evidence.time("open", opened);
    evidence.time("reuse", reused);
    evidence.count("retries", stats.retries as usize, "retries");
    let retries = match stats.retries {
        0 => "at the first attempt".to_owned(),
        n => format!("after {n} retries"),
    };
    Ok(format!(
        "PostgreSQL {version}, opened in {} {retries}, checked out again in {}",
        short(opened),
        short(reused)
    ))
}

/// The server is not used here: the connects go to a port of this machine on which no process listens.
pub(super) fn retry(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    const BASE: Duration = Duration::from_millis(100);
    /// Waking up late is the scheduler's doing, waking up early would be ours.
    const SLACK: Duration = Duration::from_millis(500);
    evidence
        .tell("nobody listens: three attempts, 100 ms and 200 ms apart, then an error that tells of each");
    let port =
        holdfast_testkit::embedded::free_port().map_err(|e| Error::config(format!("no free port: {e}")))?;
    let nowhere = subject
        .config()?
        .host("127.0.0.1")
        .hostaddr("127.0.0.1")
        .port(port)
        .retry_base_delay(BASE)
        .retry_jitter(0.0);
    let (result, took) = timed(|| Pool::new(nowhere).and_then(|pool| pool.get().map(drop)));
    let Err(error) = result else {
        evidence.expect(false, || format!("somebody answers at 127.0.0.1:{port}"));
        return Ok("could not be measured".to_owned());
    };
    let (kind, attempts) = (error.kind(), error.attempts());
    let waits: Vec<_> = attempts.iter().filter_map(|a| a.backoff).collect();
    evidence.expect(kind == ErrorKind::Refused, || format!("the error is of kind {}: {error}", kind.name()));
    evidence.expect(error.is_retryable(), || "the error says that trying again is of no use".to_owned());
    evidence.expect(attempts.len() == 3, || format!("{} attempts were made instead of 3", attempts.len()));
    evidence.expect(waits == [BASE, BASE * 2], || format!("the waits were {waits:?}"));
    evidence.expect((BASE * 3..BASE * 3 + SLACK).contains(&took), || format!("it all took {}", human(took)));
    evidence.count("attempts", attempts.len(), "attempts");
    evidence.time("until_error", took);
    Ok(format!("{} attempts, then \"{}\" after {}", attempts.len(), kind.name(), short(took)))
}

pub(super) fn concurrent(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    evidence.tell("8 threads ask at the same moment, and each keeps its connection for 50 ms");
    let pool = subject.pool(CONCURRENT_CONNECTIONS)?;
    let start = Barrier::new(CONCURRENT_CALLERS);
    let (served, took) = timed(|| {
        let call = || -> Result<(Option<u32>, u32, Duration), Error> {
            start.wait();
            let asked = Instant::now();
            let mut conn = pool.get()?;
            let waited = asked.elapsed();
            conn.query_one("SELECT pg_sleep(0.05)", &[])?;
            Ok((conn.backend_pid(), pool.stats().total, waited))
        };
        at_once(CONCURRENT_CALLERS, call)
    });
    let mut pids = BTreeSet::new();
    let (mut ok, mut most, mut longest) = (0, 0, Duration::ZERO);
    for result in served {
        match result {
            Ok((pid, total, waited)) => {
                ok += 1;
                most = most.max(total);
                longest = longest.max(waited);
                pids.extend(pid);
            }
            Err(error) => evidence.expect(false, || error.to_string()),
        }
    }
    let opens = pool.stats().opens;
    evidence.expect(most <= CONCURRENT_CONNECTIONS, || format!("{most} connections were open at once"));
    evidence.expect(pids.len() <= CONCURRENT_CONNECTIONS as usize, || {
        format!("{} sessions served a pool of {CONCURRENT_CONNECTIONS}", pids.len())
    });
    evidence.count("served", ok, "callers");
    evidence.figure("connections", most, "connections");
    evidence.count("opened", opens as usize, "connections");
    evidence.time("longest_wait", longest);
    evidence.time("total", took);
    Ok(format!(
        "{ok} of {CONCURRENT_CALLERS} served by {most} connections in {}; longest wait {}",
        short(took),
        short(longest)
    ))
}

pub(super) fn rapid(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    evidence.tell("15 requests, one right after the other, each of which checks out and gives back");
    // The look at other pools takes a connection for a moment, and a request in that moment would need another.
    let pool = Pool::new(subject.config()?.max_size(CONCURRENT_CONNECTIONS).fleet_share(false))?;
    let (mut ok, mut slowest) = (0usize, Duration::ZERO);
    let started = Instant::now();
    for n in 0..RAPID_REQUESTS as i32 {
        let (answer, took) = timed(|| pool.query_one("SELECT $1::int4", &[&n]));
        match answer.map(|row| row.get::<_, i32>(0)) {
            Ok(same) => {
                ok += usize::from(same == n);
                evidence.expect(same == n, || format!("request {n} got the answer of request {same}"));
            }
            Err(error) => evidence.expect(false, || error.to_string()),
        }
        slowest = slowest.max(took);
    }
    let took = started.elapsed();
    let opens = pool.stats().opens;
    evidence.expect(opens == 1, || format!("{opens} connections were opened where one was enough"));
    evidence.count("served", ok, "requests");
    evidence.count("opened", opens as usize, "connections");
    evidence.time("slowest", slowest);
    evidence.time("total", took);
    Ok(format!(
        "{ok} of {RAPID_REQUESTS} served over {opens} connection in {}; slowest {}",
        short(took),
        short(slowest)
    ))
}

pub(super) fn queries(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    const ROWS: i32 = 10_000;
    evidence.tell("parameters and NULL, 10,000 rows, an error, a transaction on a temporary table");
    let pool = subject.pool(1)?;
    let row =
        pool.query_one("SELECT $1::text, $2::int8, $3::text", &[&"Zoë's", &i64::MAX, &None::<String>])?;
    let echo: (String, i64, Option<String>) = (row.get(0), row.get(1), row.get(2));
    evidence.expect(echo == ("Zoë's".to_owned(), i64::MAX, None), || {
        format!("parameters came back as {echo:?}")
    });

    let (rows, took) = timed(|| pool.query("SELECT n FROM generate_series(1, $1::int4) AS n", &[&ROWS]));
    let sum: i64 = rows?.iter().map(|row| i64::from(row.get::<_, i32>(0))).sum();
    let right_sum = i64::from(ROWS) * i64::from(ROWS + 1) / 2;
    evidence.expect(sum == right_sum, || format!("the sum of {ROWS} rows is {sum} instead of {right_sum}"));
    evidence.time("ten_thousand_rows", took);

    let error = pool.query("SELECT 1 / $1::int4", &[&0i32]).err();
    evidence.expect(
        error.as_ref().is_some_and(|error| error.sqlstate() == Some(&SqlState::DIVISION_BY_ZERO)),
        || {
            let code = error.as_ref().and_then(Error::sqlstate);
            format!("a division by zero was reported as {code:?}")
        },
    );

    let may_write: bool = pool.query_one("SELECT NOT pg_is_in_recovery()", &[])?.get(0);
    let written = if may_write { a_transaction(&pool, evidence)? } else { "no transaction: a standby" };
    let opens = pool.stats().opens;
    evidence.expect(opens == 1, || format!("an error cost a connection: {opens} were opened for one caller"));
    Ok(format!("parameters, NULL, an error, {written}; {ROWS} rows in {}", short(took)))
}

/// All within one transaction, so that it works behind a transaction pooler too, and leaves nothing even if it is cut.
fn a_transaction(pool: &Pool, evidence: &mut Evidence<'_>) -> Result<&'static str, Fault> {
    let mut conn = pool.get()?;
    let mut tx = conn.transaction()?;
    tx.batch_execute("CREATE TEMPORARY TABLE holdfast_verify (n int4 PRIMARY KEY) ON COMMIT DROP")?;
    let inserted = tx.execute("INSERT INTO holdfast_verify SELECT generate_series(1, 5)", &[])?;
    let mut inner = tx.transaction()?;
    inner.execute("DELETE FROM holdfast_verify", &[])?;
    inner.rollback()?;
    let kept: i64 = tx.query_one("SELECT count(*) FROM holdfast_verify", &[])?.get(0);
    tx.commit()?;
    evidence.expect((inserted, kept) == (5, 5), || {
        format!("5 rows inserted, a savepoint rolled back: {inserted} inserted, {kept} kept")
    });
    Ok("a transaction with savepoint")
}

pub(super) fn statistics(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    evidence
        .tell("two connections are checked out, one comes back, one is discarded: the figures must follow");
    let pool = subject.pool(2)?;
    let mut follow = |what: &str, figures: [u64; 5]| {
        let s = pool.stats();
        let found = [u64::from(s.total), u64::from(s.in_use), u64::from(s.idle), s.gets, s.opens];
        evidence.expect(found == figures, || {
            format!("{what}: total, in use, idle, gets, opens are {found:?} instead of {figures:?}")
        });
    };
    follow("at first", [0, 0, 0, 0, 0]);
    let one = pool.get()?;
    let two = pool.get()?;
    follow("two checked out", [2, 2, 0, 2, 2]);
    drop(one);
    follow("one came back", [2, 1, 1, 2, 2]);
    two.discard();
    // The slot counts until the connection is really gone.
    wait_until(Duration::from_secs(1), || pool.stats().total == 1);
    follow("the other discarded", [1, 0, 1, 2, 2]);
    drop(pool.get()?);
    follow("checked out again", [1, 0, 1, 3, 2]);

    let full: Vec<_> = [pool.get()?, pool.get()?].into();
    let (third, waited) = timed(|| pool.get_timeout(Duration::from_millis(100)));
    let kind = third.err().map(|e| e.kind());
    evidence.expect(kind == Some(ErrorKind::PoolTimeout), || {
        format!("a third caller on a pool of 2 got {kind:?} instead of a pool timeout")
    });
    drop(full);
    let s = pool.stats();
    evidence.expect((s.timeouts, s.waits) == (1, 1), || {
        format!("one caller waited in vain: {} waits and {} timeouts were counted", s.waits, s.timeouts)
    });
    evidence.figure("gets", s.gets as f64, "checkouts");
    evidence.figure("opens", s.opens as f64, "connections");
    evidence.figure("discarded", s.closes_by(CloseReason::Discarded) as f64, "connections");
    evidence.time("full_pool_timeout", waited);
    Ok(format!(
        "{} checkouts over {} connections, {} discarded, {} in vain after {}: all counted",
        s.gets,
        s.opens,
        s.closes_by(CloseReason::Discarded),
        s.timeouts,
        short(waited)
    ))
}

pub(super) fn lets_go(subject: &Subject, evidence: &mut Evidence<'_>) -> Finding {
    const IDLE: Duration = Duration::from_secs(1);
    const LATE: Duration = Duration::from_secs(1);
    evidence.tell("three idle connections with idle_timeout=1s: the pool must scale down to nothing");
    let pool = Pool::new(subject.config()?.max_size(3).idle_timeout(IDLE))?;
    let held = [pool.get()?, pool.get()?, pool.get()?];
    drop(held);
    let all = pool.stats().total;
    evidence.expect(all == 3, || format!("3 connections were opened, and {all} are there"));
    let first = wait_until(IDLE + LATE * 2, || pool.stats().total < all).unwrap_or(Duration::MAX);
    let last = wait_until(LATE * 2, || pool.stats().total == 0).map(|more| first.saturating_add(more));
    let left = pool.stats().total;
    evidence.expect(left == 0, || format!("{left} idle connections are still there"));
    let Some(last) = last else { return Ok("the pool holds on".to_owned()) };
    // The clock of this check starts a moment after the connections went back.
    let start_slack = Duration::from_millis(50);
    evidence.expect(first + start_slack >= IDLE, || format!("one was closed early: after {}", human(first)));
    evidence.expect(last <= IDLE + LATE, || format!("the last was closed late: after {}", human(last)));
    let closes = pool.stats().closes_by(CloseReason::IdleTimeout);
    evidence.expect(closes == 3, || format!("{closes} closes were put down to idle_timeout"));
    evidence.time("first_closed", first);
    evidence.time("all_closed", last);
    Ok(format!("3 of 3 closed, {} to {} after their last use", short(first), short(last)))
}

/// Calls the same from as many threads at once.
pub(super) fn at_once<T: Send>(threads: usize, call: impl Fn() -> T + Sync) -> Vec<T> {
    let call = &call;
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(call)).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// A duration with as many digits as a reader of a table wants.
pub(super) fn short(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 0.01 => format!("{:.1} µs", ms * 1e3),
        _ if ms < 1.0 => format!("{:.0} µs", ms * 1e3),
        _ if ms < 10.0 => format!("{ms:.1} ms"),
        _ if ms < 1e3 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}
