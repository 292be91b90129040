//! Behind pgpool-II, which gives each client a server process of its own, and makes no room for more clients than it has children.

use std::thread;

use holdfast::{ErrorKind, LimitedBy, Pool, PoolConfig, Result};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};

use crate::support::pgpool::Pgpool;
use crate::{ms, server};

fn config(pgpool: &Pgpool) -> PoolConfig {
    PoolConfig::from_url(&pgpool.url()).unwrap()
}

#[test]
fn with_the_defaults_every_row_is_the_callers_own() {
    let Some(pgpool) = Pgpool::start(server(), 4, "") else { return };
    let pool = Pool::new(config(&pgpool).max_size(3)).unwrap();
    thread::scope(|scope| {
        for worker in 0..6 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..50 {
                    let row = pool.query_one("select $1::int4 + $2::int4", &[&worker, &n]).unwrap();
                    assert_eq!(row.get::<_, i32>(0), worker + n);
                }
                let sum = pool.transaction(|tx| -> Result<i32> {
                    tx.execute("set local statement_timeout = '1min'", &[])?;
                    Ok(tx.query_one("select $1::int4 * 2", &[&worker])?.get(0))
                });
                assert_eq!(sum.unwrap(), worker * 2);
            });
        }
    });
}

/// Its sessions go back to other clients: what one of them prepared is gone, and what it set as well.
#[test]
fn sessions_that_another_pool_had_before_are_like_new() {
    let Some(pgpool) = Pgpool::start(server(), 1, "") else { return };
    for round in 0..3 {
        let pool = Pool::new(config(&pgpool).max_size(1)).unwrap();
        let mut conn = pool.get().unwrap();
        assert_eq!(conn.query_one("select $1::int4", &[&round]).unwrap().get::<_, i32>(0), round);
        assert_eq!(conn.query_one("show work_mem", &[]).unwrap().get::<_, &str>(0), "4MB");
        conn.batch_execute("set work_mem = '5MB'").unwrap();
        drop(conn);
        pool.close();
    }
}

#[test]
fn clients_beyond_its_children_meet_a_full_pooler_and_wait_for_a_place() {
    let Some(pgpool) = Pgpool::start(server(), 2, "reserved_connections = 1") else { return };
    let others = Pool::new(config(&pgpool).max_size(1)).unwrap();
    let held = others.get().unwrap();
    let error =
        Pool::new(config(&pgpool).retry_max(0).connection_timeout(ms(300))).unwrap().get().unwrap_err();
    assert_eq!(
        (error.kind(), LimitedBy::of(&error)),
        (ErrorKind::ServerFull, Some(LimitedBy::Pooler)),
        "{error}"
    );
    let pool = Pool::new(config(&pgpool)).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.query_one("select 1", &[]).map(|row| row.get::<_, i32>(0)));
        thread::sleep(ms(300));
        held.discard();
        assert_eq!(waiter.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn whom_it_does_not_let_in_is_told_at_the_first_attempt() {
    let Some(pgpool) = Pgpool::start(server(), 2, "") else { return };
    let refused = |url: &str| {
        let error = Pool::from_url(url).unwrap().get().unwrap_err();
        assert_eq!((error.attempts().len(), error.is_retryable()), (1, false), "{error}");
        error.kind()
    };
    assert_eq!(refused(&pgpool.url_for("wrong", "postgres")), ErrorKind::Auth);
    let pool = Pool::from_url(&pgpool.url()).unwrap();
    pool.get().expect("the right password");
    assert_eq!(refused(&pgpool.url_for(server().password(), "nowhere")), ErrorKind::Database);
}

#[test]
fn a_server_that_is_away_behind_it_is_waited_for() {
    let gone = EmbeddedPostgres::builder().start().unwrap();
    let Some(pgpool) = Pgpool::start(&gone, 2, "") else { return };
    gone.stop(StopMode::Immediate).unwrap();
    let error = Pool::new(config(&pgpool).retry_max(0)).unwrap().get().unwrap_err();
    assert!(error.is_retryable(), "{error}");
    gone.start_again().unwrap();
    let pool = Pool::new(config(&pgpool)).unwrap();
    assert_eq!(pool.query_one("select 1", &[]).unwrap().get::<_, i32>(0), 1);
}
