//! Connections lost before COMMIT was sent: nothing was committed, so the body is run again.

use std::thread;

use holdfast::{ErrorKind, Phase, Pool, PoolConfig, Result, TransactionOptions};

use crate::support::proxy::{Proxy, Then};
use crate::support::{own_server, server};
use crate::{ms, number, pool};

fn pid(tx: &mut holdfast::Transaction<'_>) -> Result<i32> {
    Ok(tx.query_one("select pg_backend_pid()", &[])?.get(0))
}

#[test]
fn a_session_that_ends_in_the_body_is_replaced_and_the_body_run_again() {
    let server = server();
    let pool = pool(server, "killed");
    pool.batch_execute("create table once (n int)").unwrap();
    let mut runs = 0;
    pool.transaction(|tx| -> Result<()> {
        runs += 1;
        tx.batch_execute("insert into once values (1)")?;
        if runs == 1 {
            server.terminate_backend(pid(tx)?).unwrap();
            thread::sleep(ms(50));
        }
        tx.batch_execute("insert into once values (2)")?;
        Ok(())
    })
    .unwrap();
    assert_eq!((runs, number(&pool, "select count(*) from once")), (2, 2));
}

#[test]
fn a_session_that_ends_unnoticed_before_commit_is_found_out_before_commit_is_sent() {
    let server = server();
    let pool = pool(server, "unnoticed");
    pool.batch_execute("create table twice (n int)").unwrap();
    let mut runs = 0;
    pool.transaction(|tx| -> Result<()> {
        runs += 1;
        tx.batch_execute("insert into twice values (1)")?;
        if runs == 1 {
            server.terminate_backend(pid(tx)?).unwrap();
            thread::sleep(ms(50));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((runs, number(&pool, "select count(*) from twice")), (2, 1));
}

#[test]
fn a_connection_lost_at_begin_costs_no_run() {
    let server = server();
    let proxy = Proxy::before(server);
    let pool = Pool::new(PoolConfig::from_url(&proxy.url()).unwrap().application_name("begin")).unwrap();
    pool.batch_execute("select 1").unwrap();
    proxy.after_bytes_from_server(0, Then::Cut);
    let mut runs = 0;
    pool.transaction(|tx| -> Result<()> {
        runs += 1;
        assert_eq!(tx.reruns(), 1, "the first try did not come to its body");
        Ok(())
    })
    .unwrap();
    assert_eq!((runs, pool.stats().opens), (1, 2));
}

#[test]
fn losses_end_with_the_number_of_reruns_and_say_that_nothing_was_committed() {
    let server = server();
    let pool = pool(server, "hopeless");
    let mut runs = 0;
    let error = pool
        .transaction_with(TransactionOptions::new().reruns(2), |tx| -> Result<()> {
            runs += 1;
            server.terminate_backend(pid(tx)?).unwrap();
            thread::sleep(ms(50));
            Ok(())
        })
        .unwrap_err();
    assert_eq!((error.kind(), error.phase(), runs), (ErrorKind::ConnectionLost, Some(Phase::Commit), 3));
    assert!(error.is_retryable() && error.to_string().contains("nothing was committed"), "{error}");
    assert!(error.to_string().contains("57P01"), "{error}");
}

#[test]
fn a_body_that_idles_too_long_for_the_server_is_not_run_again() {
    let pool = pool(server(), "idler");
    for use_it_again in [true, false] {
        let mut runs = 0;
        let error = pool
            .transaction(|tx| -> Result<()> {
                runs += 1;
                tx.batch_execute("set local idle_in_transaction_session_timeout = '20ms'")?;
                thread::sleep(ms(200));
                if use_it_again {
                    tx.batch_execute("select 1")?;
                }
                Ok(())
            })
            .unwrap_err();
        assert_eq!((error.kind(), runs), (ErrorKind::ConnectionLost, 1), "{error}");
        assert!(error.to_string().contains("25P03"), "{error}");
    }
}

#[test]
fn a_pool_that_is_closed_meanwhile_runs_nothing_again() {
    let pool = pool(server(), "closed");
    let mut runs = 0;
    let error = pool
        .transaction(|tx| -> Result<()> {
            runs += 1;
            assert_eq!(pool.close_timeout(ms(0)).cut, 1);
            tx.batch_execute("select 1")
        })
        .unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::ConnectionLost, 1), "{error}");
}

#[test]
fn a_restart_of_the_server_is_survived() {
    let server = own_server(|s| s);
    let pool = pool(&server, "restarted");
    pool.batch_execute("create table survivors (n int)").unwrap();
    let mut runs = 0;
    pool.transaction(|tx| -> Result<()> {
        runs += 1;
        tx.batch_execute("insert into survivors values (1)")?;
        if runs == 1 {
            server.restart().unwrap();
        }
        tx.batch_execute("insert into survivors values (2)")?;
        Ok(())
    })
    .unwrap();
    assert_eq!((runs, number(&pool, "select count(*) from survivors")), (2, 2));
}
