//! Transactions that meet others.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use holdfast::{ErrorKind, Isolation, Phase, Pool, Result, TransactionOptions};

use crate::support::server;
use crate::{config, ms, number, pool, raise};

/// Each of the doctors goes off duty if another one stays: two who look at the same time would both go, which is what
/// serializable transactions are there to prevent.
#[test]
fn write_skew_ends_right_and_by_reruns() {
    const DOCTORS: usize = 6;
    let pool = Pool::new(config(server(), "skew").max_size(DOCTORS as u32)).unwrap();
    pool.batch_execute(&format!(
        "create table doctors (id int primary key, on_duty bool);
         insert into doctors select n, true from generate_series(1, {DOCTORS}) n"
    ))
    .unwrap();
    let all_have_looked = Barrier::new(DOCTORS);
    let reruns = AtomicU32::new(0);
    let options = TransactionOptions::new().isolation(Isolation::Serializable).reruns(100);
    let leave = |id: i32| {
        pool.transaction_with(options.clone(), |tx| -> Result<bool> {
            let on_duty: i64 = tx.query_one("select count(*) from doctors where on_duty", &[])?.get(0);
            if tx.reruns() == 0 {
                all_have_looked.wait();
            } else {
                reruns.fetch_add(1, Ordering::Relaxed);
            }
            if on_duty > 1 {
                tx.execute("update doctors set on_duty = false where id = $1", &[&id])?;
            }
            Ok(on_duty > 1)
        })
    };
    let left = thread::scope(|scope| {
        let threads: Vec<_> = (1..=DOCTORS as i32).map(|id| scope.spawn(move || leave(id))).collect();
        threads.into_iter().map(|t| t.join().unwrap().unwrap()).filter(|left| *left).count()
    });
    assert_eq!(left, DOCTORS - 1);
    assert_eq!(number(&pool, "select count(*) from doctors where on_duty"), 1);
    assert!(reruns.load(Ordering::Relaxed) >= DOCTORS as u32 - 1, "all looked at the same, and one could go");
}

#[test]
fn a_deadlock_is_resolved_by_a_rerun_of_one_of_both() {
    let pool = pool(server(), "deadlock");
    pool.batch_execute(
        "create table rows (id int primary key, n int); insert into rows values (1, 0), (2, 0)",
    )
    .unwrap();
    let both_hold_one = Barrier::new(2);
    let reruns = AtomicU32::new(0);
    let touch_both = |first: i32, second: i32| {
        pool.transaction(|tx| -> Result<()> {
            reruns.fetch_add(u32::from(tx.reruns() > 0), Ordering::Relaxed);
            tx.batch_execute("set local deadlock_timeout = '20ms'")?;
            tx.execute("update rows set n = n + 1 where id = $1", &[&first])?;
            if tx.reruns() == 0 {
                both_hold_one.wait();
            }
            tx.execute("update rows set n = n + 1 where id = $1", &[&second])?;
            Ok(())
        })
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| touch_both(2, 1));
        touch_both(1, 2).unwrap();
        other.join().unwrap().unwrap();
    });
    assert_eq!(number(&pool, "select sum(n) from rows"), 4);
    assert_eq!(reruns.load(Ordering::Relaxed), 1);
}

/// How often a body was run that does this each time, and what came of it.
fn runs(pool: &Pool, options: TransactionOptions, sql: &str) -> (u32, Result<()>) {
    let mut runs = 0;
    let result = pool.transaction_with(options, |tx| {
        runs += 1;
        assert_eq!(tx.reruns() + 1, runs);
        tx.batch_execute(sql)
    });
    (runs, result)
}

#[test]
fn reruns_end_with_their_number() {
    let pool = pool(server(), "stubborn");
    for code in ["40001", "40P01"] {
        let (count, result) = runs(&pool, TransactionOptions::new().reruns(2), &raise(code));
        let error = result.unwrap_err();
        assert_eq!((count, error.sqlstate().unwrap().code()), (3, code));
        assert!(error.is_retryable(), "{error}");
    }
    let (count, _) = runs(&pool, TransactionOptions::new(), &raise("40001"));
    assert_eq!(count, 6, "five reruns unless something else is asked for");
    let (count, _) = runs(&pool, TransactionOptions::new().reruns(0), &raise("40001"));
    assert_eq!(count, 1);
}

#[test]
fn reruns_end_with_their_time() {
    let pool = pool(server(), "late");
    let start = Instant::now();
    let options = TransactionOptions::new().reruns(1_000_000).timeout(ms(300));
    let (count, result) = runs(&pool, options, &raise("40001"));
    let error = result.unwrap_err();
    assert!(count > 1 && start.elapsed() < ms(400), "{count} runs in {:?}", start.elapsed());
    assert!(
        error.sqlstate().is_some_and(|s| s.code() == "40001") || error.kind() == ErrorKind::QueryTimeout,
        "{error}"
    );
}

#[test]
fn other_failures_are_not_run_again() {
    let pool = pool(server(), "final");
    for code in ["23505", "23503", "42601", "57014", "22012"] {
        let (count, result) = runs(&pool, TransactionOptions::new(), &raise(code));
        assert_eq!((count, result.unwrap_err().sqlstate().unwrap().code()), (1, code));
    }
    pool.batch_execute("create table names (name text unique)").unwrap();
    let (count, result) = runs(&pool, TransactionOptions::new(), "insert into names values ('ada'), ('ada')");
    assert_eq!((count, result.unwrap_err().sqlstate().unwrap().code()), (1, "23505"));
    assert_eq!(number(&pool, "select count(*) from names"), 0);
}

#[test]
fn a_conflict_of_the_last_transaction_does_not_count_in_the_next() {
    let pool = Pool::new(config(server(), "next").max_size(1)).unwrap();
    let (_, result) = runs(&pool, TransactionOptions::new().reruns(0), &raise("40001"));
    assert!(result.is_err());
    let mut runs = 0;
    let refused: std::result::Result<(), Box<dyn std::error::Error>> = pool.transaction(|tx| {
        runs += 1;
        tx.batch_execute("select 1")?;
        Err("not today".into())
    });
    assert_eq!((refused.unwrap_err().to_string().as_str(), runs), ("not today", 1));
    assert_eq!(pool.stats().opens, 1, "on the same connection");
}

#[test]
fn a_conflict_found_at_commit_is_run_again_and_another_failure_there_is_not() {
    let pool = pool(server(), "deferred");
    pool.batch_execute(
        "create table notes (code text); create sequence judged;
         create function judge() returns trigger language plpgsql as $$begin
             if nextval('judged') = 1 then raise exception 'as asked' using errcode = new.code; end if;
             return null;
         end$$;
         create constraint trigger judge after insert on notes deferrable initially deferred
             for each row execute function judge()",
    )
    .unwrap();
    let (count, result) = runs(&pool, TransactionOptions::new(), "insert into notes values ('40001')");
    result.expect("the second run is not judged");
    assert_eq!((count, number(&pool, "select count(*) from notes")), (2, 1));

    pool.batch_execute("alter sequence judged restart").unwrap();
    let (count, result) = runs(&pool, TransactionOptions::new(), "insert into notes values ('23514')");
    let error = result.unwrap_err();
    assert_eq!((count, error.sqlstate().unwrap().code()), (1, "23514"));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Database, Some(Phase::Commit)));
    assert!(error.target().is_some());
    assert_eq!(number(&pool, "select count(*) from notes"), 1);
}

#[test]
fn a_failure_that_the_body_swallowed_is_not_reported_as_success() {
    let pool = pool(server(), "swallowed");
    pool.batch_execute("create table kept (n int primary key)").unwrap();
    let mut runs = 0;
    let result = pool.transaction(|tx| -> Result<()> {
        runs += 1;
        tx.batch_execute("insert into kept values (1)")?;
        let _ = tx.batch_execute("insert into kept values (1)");
        let _ = tx.batch_execute("insert into kept values (2)");
        Ok(())
    });
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.phase(), runs), (ErrorKind::Database, Some(Phase::Commit), 1));
    assert!(error.to_string().contains("rolled back, not committed") && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("23505"), "{error}");
    assert_eq!(number(&pool, "select count(*) from kept"), 0);
    assert_eq!(pool.stats().rolled_back, 0, "the connection came back clean");
}

#[test]
fn a_conflict_that_the_body_swallowed_is_run_again() {
    let pool = pool(server(), "forgiven");
    let mut runs = 0;
    let result = pool.transaction(|tx| -> Result<()> {
        runs += 1;
        if runs < 3 {
            let _ = tx.batch_execute(&raise("40001"));
            let _ = tx.batch_execute("select 1");
        }
        Ok(())
    });
    result.unwrap();
    assert_eq!(runs, 3);
    runs = 0;
    let result = pool.transaction_with(TransactionOptions::new().reruns(1), |tx| -> Result<()> {
        runs += 1;
        let _ = tx.query_raw(&raise("40P01"), [] as [&str; 0]).map(drop);
        Ok(())
    });
    let error = result.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("40P01"), "{error}");
    assert_eq!(runs, 2);
}
