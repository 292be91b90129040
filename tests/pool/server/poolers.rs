//! Behind a pooler in transaction mode: statements that find no prepared ones, and a pooler's refusals recognised.

use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use holdfast::session::{Param, PipelineMode, Request, ResultFormat};
use holdfast::{ErrorKind, LimitedBy, Phase, Pool, PoolConfig, Result};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};

use crate::support::pgbouncer::PgBouncer;
use crate::{ms, server};

fn config(bouncer: &PgBouncer) -> PoolConfig {
    PoolConfig::from_url(&bouncer.url()).unwrap()
}

fn without_a_cache(bouncer: &PgBouncer) -> Pool {
    Pool::new(config(bouncer).statement_cache(0).max_size(6)).unwrap()
}

/// Runs `work` on six threads at once, fifty times on each; its argument is the number of the thread.
fn crowd(work: impl Fn(i32, i32) + Sync) {
    thread::scope(|scope| {
        for worker in 0..6 {
            let work = &work;
            scope.spawn(move || (0..50).for_each(|n| work(worker, n)));
        }
    });
}

#[test]
fn without_a_statement_cache_the_pool_can_be_used_behind_a_pooler() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=3");
    let pool = without_a_cache(&bouncer);
    crowd(|worker, n| {
        let row = pool.query_one("select $1::int4 + $2::int4", &[&worker, &n]).unwrap();
        assert_eq!(row.get::<_, i32>(0), worker + n);
    });
}

#[test]
fn without_a_statement_cache_connections_can_be_used_behind_a_pooler() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=3");
    let pool = without_a_cache(&bouncer);
    crowd(|worker, n| {
        let mut conn = pool.get().unwrap();
        let row = conn.query_one("select $1::int4 * 1000 + $2::int4", &[&worker, &n]).unwrap();
        assert_eq!(row.get::<_, i32>(0), worker * 1000 + n);
        // The same text with another type: nothing of the first is left on whichever server this one finds.
        let rows = conn.query("select $1::text", &[&"text"]).unwrap();
        assert_eq!(rows[0].get::<_, &str>(0), "text");
    });
}

#[test]
fn without_a_statement_cache_the_raw_session_can_be_used_behind_a_pooler() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=3");
    let pool = without_a_cache(&bouncer);
    crowd(|worker, n| {
        let mut conn = pool.get().unwrap();
        let mut raw = conn.raw().unwrap();
        let (a, b) = (worker.to_string(), n.to_string());
        let params = [Param::text(&a), Param::text(&b)];
        let sql = "select $1::int4 - $2::int4";
        let block = raw.query(sql, &params, ResultFormat::Text).unwrap();
        assert_eq!(block.cell(0, 0), Some((worker - n).to_string().as_bytes()));
        let request = || Request { sql: sql.into(), params: &params, format: ResultFormat::Text };
        let results = raw.pipeline(&[request(), request()], PipelineMode::Separate).unwrap();
        assert!(results.iter().all(|r| r.as_ref().is_ok_and(|block| block.rows() == 1)), "{results:?}");
    });
}

/// Connections to the pooler outnumber its servers, and find another one at each transaction.
#[test]
fn transactions_keep_their_server_and_those_of_one_connection_find_several() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=3");
    let pool = without_a_cache(&bouncer);
    pool.batch_execute("create table pooled (worker int, n int)").unwrap();
    let servers = std::sync::Mutex::new(BTreeSet::new());
    crowd(|worker, n| {
        let pids = pool.transaction(|tx| -> Result<(i32, i32)> {
            let first = tx.query_one("select pg_backend_pid()", &[])?.get(0);
            tx.execute("insert into pooled values ($1, $2)", &[&worker, &n])?;
            Ok((first, tx.query_one("select pg_backend_pid()", &[])?.get(0)))
        });
        let (first, second) = pids.unwrap();
        assert_eq!(first, second, "within one transaction");
        servers.lock().unwrap().insert(first);
    });
    let count: i64 = pool.query_one("select count(*) from pooled", &[]).unwrap().get(0);
    assert_eq!(count, 300);
    let servers = servers.into_inner().unwrap();
    assert!((2..=3).contains(&servers.len()), "{servers:?}");
}

/// From 1.21 on, PgBouncer prepares on each server what its clients prepared (`max_prepared_statements`).
#[test]
#[ignore = "not run: needs PgBouncer 1.21 or later; `cargo test --all-features --test pool -- --ignored` runs it"]
fn with_a_statement_cache_a_pooler_that_knows_prepared_statements_can_be_used() {
    assert!(PgBouncer::version() >= (1, 21), "this is PgBouncer {:?}", PgBouncer::version());
    let bouncer = PgBouncer::start(server(), "default_pool_size=3\nmax_prepared_statements=100");
    let pool = Pool::new(config(&bouncer).max_size(6)).unwrap();
    crowd(|worker, n| {
        let row = pool.query_one("select $1::int4 + $2::int4", &[&worker, &n]).unwrap();
        assert_eq!(row.get::<_, i32>(0), worker + n);
        let mut conn = pool.get().unwrap();
        let text = worker.to_string();
        let params = [Param::text(&text)];
        let block = conn.raw().unwrap().query("select $1::int4", &params, ResultFormat::Text).unwrap();
        assert_eq!(block.cell(0, 0), Some(text.as_bytes()));
    });
}

#[test]
fn a_pooler_that_refuses_clients_is_a_full_server() {
    let bouncer = PgBouncer::start(server(), "max_client_conn=1");
    let crowd = Pool::new(config(&bouncer).max_size(1)).unwrap();
    let held = crowd.get().unwrap();
    let pool = Pool::new(config(&bouncer).retry_base_delay(ms(20))).unwrap();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerFull, "{error}");
    assert_eq!(error.sqlstate().unwrap().code(), "08P01");
    assert_eq!(error.attempts().len(), 3);
    assert_eq!(pool.stats().limited_by, Some(LimitedBy::Pooler));
    drop(held);
}

#[test]
fn a_pooler_that_cannot_reach_its_server_is_a_server_not_ready() {
    let gone = EmbeddedPostgres::builder().start().unwrap();
    let bouncer =
        PgBouncer::start(&gone, "server_connect_timeout=1\nserver_login_retry=1\nquery_wait_timeout=2");
    gone.stop(StopMode::Immediate).unwrap();
    let error = Pool::new(config(&bouncer).retry_max(0)).unwrap().get().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ServerStarting | ErrorKind::ServerFull), "{error}");
    assert!(error.is_retryable());
    // It is back within the time that retries have.
    gone.start_again().unwrap();
    let pool = Pool::new(config(&bouncer)).unwrap();
    assert_eq!(pool.query_one("select 1", &[]).unwrap().get::<_, i32>(0), 1);
}

/// The client is let in, and waits for a server when it asks for something: that has reached none.
#[test]
fn a_statement_that_waited_in_vain_for_a_server_may_be_tried_again() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=1\nquery_wait_timeout=1");
    let pool = Pool::new(config(&bouncer).statement_cache(0).max_size(2)).unwrap();
    // Both are let in while the only server is free.
    drop((pool.get().unwrap(), pool.get().unwrap()));
    let mut holder = pool.get().unwrap();
    holder.batch_execute("begin; select 1").unwrap();
    let start = Instant::now();
    let error = pool.query("select 1", &[]).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ServerFull, Some(Phase::Query)), "{error}");
    assert!(error.is_retryable(), "{error}");
    assert!(start.elapsed() >= ms(900), "it waited for {:?}", start.elapsed());
    holder.batch_execute("commit").unwrap();
    pool.query("select 1", &[]).expect("the server is free again");
}

#[test]
fn whom_a_pooler_does_not_let_in_is_told_at_once() {
    let settings = "auth_type=md5\nauth_file=users";
    let bouncer = PgBouncer::start_with(server(), "postgres", settings, "\"app\" \"right\"\n");
    let refused = |url: &str| {
        let pool = Pool::from_url(url).unwrap();
        let start = Instant::now();
        let error = pool.get().unwrap_err();
        assert!(start.elapsed() < ms(900), "it was retried: {error}");
        assert_eq!((error.attempts().len(), error.is_retryable()), (1, false), "{error}");
        error.kind()
    };
    let app = |password: &str| bouncer.url_for(&format!("app:{password}"), "postgres");
    Pool::from_url(&app("right")).unwrap().get().expect("the right password");
    assert_eq!(refused(&app("wrong")), ErrorKind::Auth);
    assert_eq!(refused(&bouncer.url_for("nobody:wrong", "postgres")), ErrorKind::Auth);
    assert_eq!(refused(&bouncer.url_for("app:right", "nowhere")), ErrorKind::Database);
}

#[test]
fn a_pooler_that_ends_a_statement_after_its_own_limit_is_no_lost_connection() {
    let bouncer = PgBouncer::start(server(), "query_timeout=1");
    let pool = without_a_cache(&bouncer);
    let error = pool.idempotent().query("select pg_sleep(30)", &[]).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::QueryTimeout, false), "{error}");
}
