//! Idempotent statements are repeated when their connection is lost; no others are.

use std::thread;
use std::time::Instant;

use holdfast::{ErrorKind, Pool};

use crate::{Observer, config, ms, pool, server, soon};

/// A statement that ends its own session so many times, and then counts its runs. What a sequence counts is not rolled back.
fn ends_sessions(pool: &Pool, name: &str, times: u32) -> String {
    pool.batch_execute(&format!("create sequence {name}")).unwrap();
    format!(
        "select case when nextval('{name}') <= {times} then pg_terminate_backend(pg_backend_pid())::int \
         else currval('{name}')::int end"
    )
}

#[test]
fn a_statement_whose_connection_is_lost_is_repeated_only_if_it_may_be() {
    let pool = pool(server(), "repeated");
    let once = ends_sessions(&pool, "runs_once", 1);
    let error = pool.query_one(&once, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert!(!error.is_retryable(), "it may have taken effect");

    let again = ends_sessions(&pool, "runs_again", 1);
    let row = pool.idempotent().query_one(&again, &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 2, "the second run was answered");
}

#[test]
fn every_way_to_run_a_statement_repeats_it() {
    let pool = pool(server(), "every-way");
    let lost = |name| ends_sessions(&pool, name, 1);
    assert_eq!(pool.idempotent().query(&lost("way_1"), &[]).unwrap().len(), 1);
    assert!(pool.idempotent().query_opt(&lost("way_2"), &[]).unwrap().is_some());
    assert_eq!(pool.idempotent().execute(&lost("way_3"), &[]).unwrap(), 1);
    pool.idempotent().batch_execute(&lost("way_4")).unwrap();
}

#[test]
fn the_schedule_of_retries_holds_after_the_first_repetition() {
    let config = config(server(), "scheduled").retry_base_delay(ms(150)).retry_jitter(0.0);
    let pool = Pool::new(config).unwrap();
    let twice = ends_sessions(&pool, "runs_twice", 2);
    let start = Instant::now();
    let row = pool.idempotent().query_one(&twice, &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 3);
    assert!(start.elapsed() >= ms(150), "repeated again after {:?}", start.elapsed());
}

#[test]
fn what_loses_every_connection_is_given_up_and_says_so() {
    let pool = Pool::new(config(server(), "given-up").retry_base_delay(ms(1))).unwrap();
    let always = ends_sessions(&pool, "runs_for_ever", 1000);
    let error = pool.idempotent().execute(&always, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.is_retryable() && error.to_string().contains("was run 4 times"), "{error}");
}

#[test]
fn what_the_server_refuses_or_a_deadline_ends_is_not_repeated() {
    let pool = Pool::new(config(server(), "not-repeated").statement_deadline(ms(100))).unwrap();
    pool.batch_execute("create sequence runs_refused").unwrap();
    let refused = pool.idempotent().query("select nextval('runs_refused') / 0", &[]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Database);
    let late = pool.idempotent().query("select nextval('runs_refused'), pg_sleep(60)", &[]).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::QueryTimeout);
    let runs: i64 = pool.query_one("select last_value from runs_refused", &[]).unwrap().get(0);
    assert_eq!(runs, 2);
}

#[test]
fn sessions_ended_under_a_crowd_fail_none_of_its_statements() {
    let pool = pool(server(), "crowd-repeated");
    let end = Instant::now() + ms(1500);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while Instant::now() < end {
                        pool.idempotent().query_one("select pg_sleep(0.002)", &[]).expect("no failure");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut observer = Observer::of(server());
        let mut ended = 0;
        while Instant::now() < end - ms(200) {
            if let Some(pid) = observer.backends("crowd-repeated").first() {
                observer.terminate(*pid);
                ended += 1;
            }
            thread::sleep(ms(30));
        }
        assert!(ended > 5, "{ended} sessions ended");
        assert!(workers.into_iter().map(|w| w.join().unwrap()).sum::<u32>() > 8);
    });
    soon("nothing is checked out", || pool.stats().in_use == 0);
}
