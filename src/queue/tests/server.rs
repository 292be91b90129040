//! Requests that a real server answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{PoolConfig, SessionReset};
use crate::error::{Error, ErrorKind};
use crate::pool::{Pool, PooledConnection};
use crate::queue::*;
use crate::session::{Param, ResultBlock, ResultFormat, TransactionOptions};
use holdfast_testkit::embedded::EmbeddedPostgres;

fn pool(max_size: u32) -> Pool {
    pool_with(max_size, |config| config)
}

fn pool_with(max_size: u32, options: impl FnOnce(PoolConfig) -> PoolConfig) -> Pool {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    let server = SERVER.get_or_init(|| EmbeddedPostgres::start().unwrap());
    // The look at other pools would take a connection for a moment, in the middle of a test that counts them.
    let config = PoolConfig::from_url(&server.url()).unwrap().max_size(max_size).fleet_share(false);
    Pool::new(options(config)).unwrap()
}

fn query(tag: u64, sql: &str, param: &str) -> Submission {
    let query = Query::new(sql.into(), &[Param::text(param)], ResultFormat::Text);
    Submission::of_task(tag, Kind::Query, Task::Run(Work::Query { query, pack: false, idempotent: false }))
}

fn submit(queue: &Arc<Queue>, pool: &Pool, submission: Submission) -> u64 {
    Ticket::submit(queue, &pool.checkout_handle(), submission).unwrap()
}

/// Drains until `count` completions have come.
fn take(queue: &Queue, count: usize) -> Vec<Completion> {
    let mut taken = Vec::new();
    while taken.len() < count {
        assert!(queue.wait(Duration::from_secs(20)), "{} of {count} have come", taken.len());
        taken.extend(queue.drain(count - taken.len()));
    }
    taken
}

fn block(completion: &Completion) -> &ResultBlock {
    match &completion.outcome {
        Ok(Answer::Result(block)) => block,
        Ok(_) => panic!("no result"),
        Err(Trouble::Error(e)) => panic!("{e}"),
        Err(Trouble::Panic(_) | Trouble::Given(_)) => panic!("a panic"),
    }
}

fn error(completion: &Completion) -> &Error {
    match &completion.outcome {
        Err(Trouble::Error(e)) => e,
        _ => panic!("no error"),
    }
}

/// Has a text profiled as short, so that it is coalesced.
fn make_short(queue: &Arc<Queue>, pool: &Pool, sql: &str, param: &str) {
    for _ in 0..5 {
        for tag in 0..10 {
            submit(queue, pool, query(tag, sql, param));
        }
        for completion in take(queue, 10) {
            block(&completion);
        }
    }
    assert!(Executor::of(&pool.checkout_handle()).profiles().of(sql).unwrap().is_short());
}

fn coalesced_total(pool: &Pool) -> usize {
    Executor::of(&pool.checkout_handle()).coalesced_total.load(std::sync::atomic::Ordering::SeqCst)
}

/// Holds all connections until all requests wait for one. The first on each of them then runs alone, the others are coalesced.
fn submit_at_once(queue: &Arc<Queue>, pool: &Pool, submissions: Vec<Submission>) -> Vec<u64> {
    let held: Vec<_> = (0..pool.checkout_handle().max_size()).map(|_| pool.get().unwrap()).collect();
    let before = coalesced_total(pool);
    let numbers = submissions.into_iter().map(|s| submit(queue, pool, s)).collect();
    thread::sleep(Duration::from_millis(20));
    drop(held);
    let begun = Instant::now();
    while coalesced_total(pool) == before {
        assert!(begun.elapsed() < Duration::from_secs(5), "they are not coalesced");
        thread::sleep(Duration::from_millis(1));
    }
    numbers
}

#[test]
fn answers_go_to_those_who_asked_however_many_are_coalesced() {
    let (queue, pool) = (Queue::new(1000), pool(3));
    const SQL: &str = "select $1::int8 * 2";
    make_short(&queue, &pool, SQL, "1");
    submit_at_once(&queue, &pool, (0..1000).map(|tag| query(tag, SQL, &tag.to_string())).collect());
    let done = take(&queue, 1000);
    for completion in &done {
        let doubled = (completion.tag * 2).to_string();
        assert_eq!(block(completion).cell(0, 0), Some(doubled.as_bytes()));
    }
    let mut tags: Vec<_> = done.iter().map(|c| c.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, (0..1000).collect::<Vec<_>>());
    // A machine that stands still for a while has some run alone again.
    assert!(coalesced_total(&pool) > 50, "{}", coalesced_total(&pool));
    let stats = pool.stats();
    assert!(stats.opens <= 3 && stats.in_use == 0 && stats.idle == stats.opens as u32, "{stats:?}");
}

#[test]
fn the_error_of_one_touches_none_coalesced_with_it() {
    let (queue, pool) = (Queue::new(100), pool(1));
    const SQL: &str = "select 10 / $1::int";
    make_short(&queue, &pool, SQL, "5");
    let requests = (0..30).map(|tag| query(tag, SQL, if tag % 4 == 3 { "0" } else { "2" })).collect();
    submit_at_once(&queue, &pool, requests);
    for completion in take(&queue, 30) {
        if completion.tag % 4 == 3 {
            let error = error(&completion);
            assert_eq!(error.sqlstate().map(|s| s.code()), Some("22012"));
            assert!(error.target().is_some());
        } else {
            assert_eq!(block(&completion).cell(0, 0), Some(&b"5"[..]));
        }
    }
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn cancelling_one_that_runs_touches_none_coalesced_with_it() {
    let (queue, pool) = (Queue::new(100), pool(1));
    const SQL: &str = "select pg_sleep($1::float8)::text";
    make_short(&queue, &pool, SQL, "0");
    let requests = (0..8).map(|tag| query(tag, SQL, if tag == 3 { "60" } else { "0" })).collect();
    let numbers = submit_at_once(&queue, &pool, requests);
    let first = take(&queue, 3);
    assert_eq!(first.iter().map(|c| c.tag).collect::<Vec<_>>(), [0, 1, 2]);
    thread::sleep(Duration::from_millis(50));
    assert!(queue.cancel(numbers[3]));
    let rest: HashMap<_, _> = take(&queue, 5).into_iter().map(|c| (c.tag, c)).collect();
    assert_eq!(error(&rest[&3]).kind(), ErrorKind::Canceled);
    assert_eq!(error(&rest[&3]).sqlstate().map(|s| s.code()), Some("57014"), "the server's answer");
    for tag in 4..8 {
        block(&rest[&tag]);
    }
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn one_that_asks_for_notices_is_sent_by_itself() {
    let (queue, pool) = (Queue::new(100), pool(1));
    const SQL: &str = "select $1::int8 * 3";
    make_short(&queue, &pool, SQL, "1");
    let before = coalesced_total(&pool);
    let held = pool.get().unwrap();
    for tag in 0..20 {
        submit(&queue, &pool, Submission { notices: true, ..query(tag, SQL, "1") });
    }
    drop(held);
    take(&queue, 20).iter().for_each(|completion| _ = block(completion));
    assert_eq!(coalesced_total(&pool), before);
}

#[test]
fn a_slow_one_is_not_coalesced_again() {
    let (queue, pool) = (Queue::new(100), pool(2));
    const SQL: &str = "select pg_sleep($1::float8)::text || 'again'";
    make_short(&queue, &pool, SQL, "0");
    submit(&queue, &pool, query(0, SQL, "0.2"));
    block(&take(&queue, 1)[0]);
    // One of two workers is busy for long; everything else is done by the other meanwhile.
    let before = coalesced_total(&pool);
    for tag in 0..8 {
        submit(&queue, &pool, query(tag, SQL, if tag == 0 { "3" } else { "0.11" }));
    }
    let done = take(&queue, 7);
    assert!(done.iter().all(|c| c.tag != 0));
    assert!(take(&queue, 1)[0].running >= Duration::from_secs(3));
    assert_eq!(coalesced_total(&pool), before);
}

#[test]
fn those_behind_one_that_ends_its_session_are_done_elsewhere() {
    let (queue, pool) = (Queue::new(100), pool(1));
    const SQL: &str = "select case when $1::bool then pg_terminate_backend(pg_backend_pid()) end";
    make_short(&queue, &pool, SQL, "false");
    let requests = (0..8).map(|tag| query(tag, SQL, if tag == 3 { "true" } else { "false" })).collect();
    submit_at_once(&queue, &pool, requests);
    for completion in take(&queue, 8) {
        if completion.tag == 3 {
            assert_eq!(error(&completion).sqlstate().map(|s| s.code()), Some("57P01"));
        } else {
            block(&completion);
        }
    }
    assert_eq!(pool.stats().opens, 2);
}

#[test]
fn a_changed_table_is_noticed_by_none_that_are_coalesced() {
    let (queue, pool) = (Queue::new(100), pool(1));
    pool.batch_execute("create table changing as select 1 as a").unwrap();
    const SQL: &str = "select *, $1::text from changing";
    make_short(&queue, &pool, SQL, "x");
    pool.batch_execute("alter table changing add b int default 2").unwrap();
    submit_at_once(&queue, &pool, (0..8).map(|tag| query(tag, SQL, "x")).collect());
    for completion in take(&queue, 8) {
        assert_eq!(block(&completion).columns().len(), 3);
    }
}

/// The body goes on as one written for conflicts does: it passes every failure on.
#[test]
fn a_transaction_that_met_a_stale_statement_is_run_again() {
    let (pool, queue) = (pool(1), Queue::new(100));
    let select = |conn: &mut PooledConnection| -> Result<usize, Trouble> {
        Ok(conn.raw()?.query("select * from stale_inside", &[], ResultFormat::Text)?.columns().len())
    };
    let make = "drop table if exists stale_inside; create table stale_inside (a int)";
    pool.get().unwrap().raw().unwrap().script(make).unwrap();
    assert_eq!(select(&mut pool.get().unwrap()).ok(), Some(1));
    let alter = "alter table stale_inside add column b int";
    pool.get().unwrap().raw().unwrap().script(alter).unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let options = TransactionOptions::new();
    let body = Box::new(move |mut conn: PooledConnection| {
        counted.fetch_add(1, SeqCst);
        let outcome = select(&mut conn).map(drop);
        Ok((conn, outcome))
    });
    let task = Task::Transaction { options, body };
    submit(&queue, &pool, Submission { task, ..query(1, "", "") });
    assert!(take(&queue, 1)[0].outcome.is_ok());
    assert_eq!(runs.load(SeqCst), 2);
}

#[test]
fn a_request_that_waits_for_a_connection_is_cancelled_at_once() {
    let (queue, pool) = (Queue::new(100), pool(1));
    let held = pool.get().unwrap();
    let acquire = Submission { kind: Kind::Acquire, task: Task::Acquire, ..query(1, "", "") };
    let numbers = [submit(&queue, &pool, acquire), submit(&queue, &pool, query(2, "select $1", "a"))];
    thread::sleep(Duration::from_millis(50));
    for number in numbers {
        let begun = Instant::now();
        assert!(queue.cancel(number));
        assert_eq!(error(&take(&queue, 1)[0]).kind(), ErrorKind::Canceled);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    drop(held);
    submit(&queue, &pool, query(3, "select $1", "b"));
    block(&take(&queue, 1)[0]);
    let begun = Instant::now();
    while pool.stats().in_use > 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "an unwanted connection goes back");
    }
}

#[test]
fn a_deadline_ends_a_statement_and_no_other() {
    let (queue, pool) = (Queue::new(100), pool(1));
    let limited = |tag, sql: &str| {
        let deadline = Some(Duration::from_millis(1500));
        Submission { deadline, ..query(tag, sql, "x") }
    };
    submit(&queue, &pool, limited(1, "select pg_sleep(60), $1"));
    submit(&queue, &pool, limited(2, "select $1"));
    submit(&queue, &pool, query(3, "select pg_sleep(0.2), $1", "x"));
    let done: HashMap<_, _> = take(&queue, 3).into_iter().map(|c| (c.tag, c)).collect();
    assert_eq!(error(&done[&1]).kind(), ErrorKind::QueryTimeout);
    assert!((1500..20_000).contains(&done[&1].running.as_millis()), "{:?}", done[&1].running);
    block(&done[&2]);
    block(&done[&3]);
}

#[test]
fn a_deadline_that_covers_the_wait_bounds_both_together() {
    let (queue, pool) = (Queue::new(100), pool(1));
    let limited = |tag, sql: &str| {
        let deadline = Some(Duration::from_millis(2000));
        Submission { deadline, deadline_covers_wait: true, ..query(tag, sql, "x") }
    };
    let begun = Instant::now();
    submit(&queue, &pool, query(1, "select pg_sleep(1), $1", "x"));
    submit(&queue, &pool, limited(2, "select pg_sleep(60), $1"));
    let done: HashMap<_, _> = take(&queue, 2).into_iter().map(|c| (c.tag, c)).collect();
    assert_eq!(error(&done[&2]).kind(), ErrorKind::QueryTimeout);
    // 2 s of its own behind the wait would be 3.
    assert!((1990..2900).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());

    let held = pool.get().unwrap();
    submit(&queue, &pool, limited(3, "select $1"));
    assert_eq!(error(&take(&queue, 1)[0]).kind(), ErrorKind::PoolTimeout);
    assert!((3990..6000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    drop(held);
}

#[test]
fn threads_that_wait_for_a_connection_get_one_while_requests_keep_all_busy() {
    let (queue, pool) = (Queue::new(500), pool(2));
    const SQL: &str = "select $1::int + 1";
    make_short(&queue, &pool, SQL, "1");
    let longest = thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let times = (0..50).map(|_| {
                let begun = Instant::now();
                drop(pool.get().unwrap());
                thread::sleep(Duration::from_millis(2));
                begun.elapsed()
            });
            times.max().unwrap()
        });
        let mut under_way = 0;
        while !asker.is_finished() {
            for _ in under_way..500 {
                submit(&queue, &pool, query(0, SQL, "1"));
            }
            queue.wait(Duration::from_secs(5));
            under_way = 500 - queue.drain(500).len();
        }
        take(&queue, under_way);
        asker.join().unwrap()
    });
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[test]
fn an_open_transaction_stays_behind_with_nobody() {
    let (queue, pool) = (Queue::new(100), pool(1));
    let script = |tag, sql: &str| Submission {
        task: Task::Run(Work::Script { input: Input::new(sql, &[]) }),
        ..query(tag, "", "")
    };
    submit(&queue, &pool, script(1, "begin; create table never (n int)"));
    submit(&queue, &pool, query(2, "select to_regclass($1) is null", "never"));
    let done = take(&queue, 2);
    assert_eq!(block(&done[1]).cell(0, 0), Some(&b"t"[..]));
    assert_eq!(pool.stats().rolled_back, 1);
}

#[test]
fn all_is_answered_when_the_last_handle_goes_while_requests_run_and_wait() {
    let (queue, pool) = (Queue::new(100), pool(2));
    for tag in 0..20 {
        submit(&queue, &pool, query(tag, "select pg_sleep(0.3)::text || $1", ""));
    }
    thread::sleep(Duration::from_millis(150));
    drop(pool);
    let done = take(&queue, 20);
    let closed = done
        .iter()
        .filter(|c| matches!(&c.outcome, Err(Trouble::Error(e)) if e.kind() == ErrorKind::PoolClosed));
    assert_eq!(closed.count(), 18);
    assert_eq!(done.iter().filter(|c| c.outcome.is_ok()).count(), 2, "what ran went on to its end");
    let begun = Instant::now();
    while Arc::strong_count(&queue) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "something still holds the queue");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_queue_that_is_freed_gives_its_connections_back() {
    let (queue, pool) = (Queue::new(100), pool(2));
    let acquire = |tag| Submission { kind: Kind::Acquire, task: Task::Acquire, ..query(tag, "", "") };
    for tag in 0..4 {
        submit(&queue, &pool, acquire(tag));
    }
    let begun = Instant::now();
    while pool.stats().in_use < 2 || pool.stats().waiting < 1 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(5));
    }
    queue.close();
    while pool.stats().in_use > 0 || Executor::of(&pool.checkout_handle()).counts().1 > 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "{pool:?}");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(pool.stats().idle, 2);
}

#[test]
fn a_cancel_request_hits_nobody_but_the_one_it_was_meant_for() {
    let (queue, pool) = (Queue::new(100), pool(1));
    const SQL: &str = "select pg_sleep($1::float8)::text || 'each'";
    make_short(&queue, &pool, SQL, "0");
    let (before, mut cancelled) = (coalesced_total(&pool), 0);
    // Cancels one of nine requests at any time while they run, or about when it runs itself.
    let mut round = |each: Duration, is_aimed: bool| {
        let seconds = each.as_secs_f64().to_string();
        let numbers: Vec<_> = (0..9).map(|tag| submit(&queue, &pool, query(tag, SQL, &seconds))).collect();
        let victim = fastrand::usize(..9);
        let after = if is_aimed { victim as f64 + fastrand::f64() } else { 9.0 * fastrand::f64() };
        thread::sleep(each.mul_f64(after));
        queue.cancel(numbers[victim]);
        for completion in take(&queue, 9) {
            match &completion.outcome {
                Ok(_) => {}
                Err(Trouble::Error(e))
                    if e.kind() == ErrorKind::Canceled && completion.tag == victim as u64 =>
                {
                    cancelled += usize::from(e.sqlstate().is_some());
                }
                Err(Trouble::Error(e)) => panic!("{} of {victim}: {e}", completion.tag),
                Err(Trouble::Panic(_) | Trouble::Given(_)) => panic!("a panic"),
            }
        }
        cancelled
    };
    // Each runs for about as long as a cancel request takes, so that one reaches now its victim, now the one behind it.
    let mut each = Duration::from_millis(3);
    for _ in 0..60 {
        round(each, false);
    }
    // On a slow machine requests take longer: until one has reached its victim, nothing was shown. What takes longer than 100 ms
    // is coalesced no more.
    let begun = Instant::now();
    while round(each, true) == 0 && begun.elapsed() < Duration::from_secs(60) {
        each = each.mul_f64(1.2).min(Duration::from_millis(50));
    }
    assert!(coalesced_total(&pool) > before);
    assert!(cancelled > 0, "none was cancelled while it ran");
}

#[test]
fn where_sessions_are_reset_no_request_finds_what_another_has_left() {
    let pool = pool_with(1, |config| config.session_reset(SessionReset::State));
    let queue = Queue::new(100);
    let (set, show) = ("select set_config('lock_timeout', $1, false)", "select current_setting($1)");
    for round in 0..10 {
        submit(&queue, &pool, query(2 * round, set, "7s"));
        submit(&queue, &pool, query(2 * round + 1, show, "lock_timeout"));
    }
    for completion in take(&queue, 20) {
        let expected: &[u8] = if completion.tag % 2 == 0 { b"7s" } else { b"0" };
        assert_eq!(block(&completion).cell(0, 0), Some(expected));
    }
}
