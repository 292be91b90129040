//! Statements behind a pooler that gives each transaction another server connection and keeps no prepared statements.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::session::{Param, PipelineMode, Request, ResultBlock, ResultFormat};
use holdfast::{Pool, PoolConfig, TransactionOptions};

use crate::support::own_server;
use crate::support::pgbouncer::PgBouncer;

const OWNERS: usize = 3;
const TEXTS: usize = 30;

/// Two server connections for all clients. The later versions keep track of statements unless told not to.
fn bouncer(server: &holdfast_testkit::embedded::EmbeddedPostgres) -> PgBouncer {
    let tracking = if PgBouncer::version() >= (1, 21) { "max_prepared_statements=0\n" } else { "" };
    PgBouncer::start(server, &format!("default_pool_size=2\n{tracking}"))
}

/// A pool as a process of its own would have it.
fn pool(bouncer: &PgBouncer, statement_cache: Option<u32>) -> Pool {
    let config = PoolConfig::from_url(&bouncer.url()).unwrap().max_size(4);
    let config = match statement_cache {
        Some(size) => config.statement_cache(size),
        None => config,
    };
    Pool::new(config).unwrap()
}

fn cell(block: &ResultBlock, column: usize) -> String {
    String::from_utf8_lossy(block.cell(0, column).expect("a value")).into_owned()
}

/// Rows that were not the asker's, and calls that failed, of so many.
fn ask_at_full_rate(bouncer: &PgBouncer, statement_cache: Option<u32>) -> (usize, Vec<String>, usize) {
    let (wrong, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed: Mutex<Vec<String>> = Mutex::default();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for owner in 0..OWNERS {
            let pool = pool(bouncer, statement_cache);
            for worker in 0..2 {
                let (pool, wrong, asked, failed, over) = (pool.clone(), &wrong, &asked, &failed, &over);
                scope.spawn(move || {
                    let mut n = worker * 7;
                    while !over.load(SeqCst) {
                        n += 1;
                        let text = format!("select '{owner}' as owner, $1::int as id, {} as text", n % TEXTS);
                        let id = n.to_string();
                        let format = if n % 2 == 0 { ResultFormat::Text } else { ResultFormat::Automatic };
                        let asked_for = [owner.to_string(), id.clone(), (n % TEXTS).to_string()];
                        let came = pool.get().and_then(|mut conn| {
                            let mut raw = conn.raw()?;
                            if n % 5 == 0 {
                                let params = [Param::text(&id)];
                                let request = Request { sql: (&text).into(), params: &params, format };
                                let mode =
                                    if n % 2 == 0 { PipelineMode::Separate } else { PipelineMode::Together };
                                return raw.pipeline(&[request, request], mode)?.remove(1);
                            }
                            raw.query(&text, &[Param::text(&id)], format)
                        });
                        asked.fetch_add(1, SeqCst);
                        match came {
                            Ok(block) => {
                                let got: Vec<_> =
                                    (0..3).map(|c| block.text(0, c).unwrap().into_owned()).collect();
                                wrong.fetch_add(usize::from(got != asked_for), SeqCst);
                            }
                            Err(e) => failed.lock().unwrap().push(e.to_string()),
                        }
                    }
                });
            }
        }
        let end = Instant::now() + Duration::from_secs(4);
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(50));
        }
        over.store(true, SeqCst);
    });
    (wrong.into_inner(), failed.into_inner().unwrap(), asked.into_inner())
}

#[test]
fn behind_a_transaction_pooler_every_row_is_the_askers_own_and_no_call_fails() {
    let server = own_server(|server| server);
    let bouncer = bouncer(&server);
    for statement_cache in [None, Some(0)] {
        let (wrong, failed, asked) = ask_at_full_rate(&bouncer, statement_cache);
        assert_eq!(wrong, 0, "of {asked} with {statement_cache:?}");
        assert!(
            failed.is_empty(),
            "{} of {asked} with {statement_cache:?}: {:?}",
            failed.len(),
            &failed[..1]
        );
        assert!(asked > 500, "{asked}");
    }
}

#[test]
fn a_transaction_that_finds_its_statement_missing_is_run_again() {
    let server = own_server(|server| server);
    let bouncer = bouncer(&server);
    let (pool, other) = (pool(&bouncer, None), pool(&bouncer, None));
    let text = "select $1::int as id";
    let ask = |pool: &Pool| {
        let mut conn = pool.get().unwrap();
        let block = conn.raw().unwrap().query(text, &[Param::text("1")], ResultFormat::Text);
        block.map(|block| cell(&block, 0))
    };
    assert_eq!(ask(&pool).unwrap(), "1");
    // The server connection on which it was prepared is kept busy, so that the transaction gets the other one.
    let mut holder = other.get().unwrap();
    holder.raw().unwrap().script("begin").unwrap();
    let mut conn = pool.get().unwrap();
    let options = TransactionOptions::new();
    for _ in 0..3 {
        let mut raw = conn.raw().unwrap();
        raw.begin_transaction(&options).unwrap();
        match raw.query(text, &[Param::text("2")], ResultFormat::Text) {
            Ok(block) => assert_eq!(cell(&block, 0), "2"),
            Err(e) => {
                assert!(e.is_retryable(), "{e}");
                assert!(e.to_string().contains("run it again"), "{e}");
            }
        }
        raw.rollback().unwrap();
    }
    drop(conn);
    holder.raw().unwrap().script("rollback").unwrap();
    assert_eq!(ask(&pool).unwrap(), "1");
}
