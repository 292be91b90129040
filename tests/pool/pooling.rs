//! Behind a pooler: unnamed statements in transaction mode, and a full pooler recognised by its words.

use std::thread;

use holdfast::{ErrorKind, Pool, PoolConfig};

use crate::pgbouncer::PgBouncer;
use crate::{ms, server};

#[test]
fn without_a_statement_cache_a_pooler_in_transaction_mode_can_be_used() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=3");
    let config = PoolConfig::from_url(&bouncer.url()).unwrap().statement_cache(0).max_size(6);
    let pool = Pool::new(config).unwrap();
    thread::scope(|scope| {
        for worker in 0..6i32 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..50i32 {
                    let row = pool.query_one("select $1::int4 + $2::int4", &[&worker, &n]).unwrap();
                    assert_eq!(row.get::<_, i32>(0), worker + n);
                }
            });
        }
    });
}

#[test]
fn a_pooler_that_refuses_clients_is_a_full_server() {
    let bouncer = PgBouncer::start(server(), "max_client_conn=1");
    let config = || PoolConfig::from_url(&bouncer.url()).unwrap();
    let crowd = Pool::new(config().max_size(1)).unwrap();
    let held = crowd.get().unwrap();
    let error = Pool::new(config().retry_base_delay(ms(20))).unwrap().get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerFull, "{error}");
    assert_eq!(error.sqlstate().unwrap().code(), "08P01");
    assert_eq!(error.attempts().len(), 3);
    drop(held);
}

#[test]
fn a_pooler_that_cannot_reach_its_server_is_a_server_not_ready() {
    let gone = holdfast::embedded::EmbeddedPostgres::builder().start().unwrap();
    let bouncer =
        PgBouncer::start(&gone, "server_connect_timeout=1\nserver_login_retry=1\nquery_wait_timeout=2");
    gone.stop(holdfast::embedded::StopMode::Immediate).unwrap();
    let error =
        Pool::new(PoolConfig::from_url(&bouncer.url()).unwrap().retry_max(0)).unwrap().get().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ServerStarting | ErrorKind::ServerFull), "{error}");
    assert!(error.is_retryable());
}
