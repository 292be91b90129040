//! Bodies of transactions: allowed uses, and mistakes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use holdfast::{ErrorKind, Isolation, Phase, Pool, Result, TransactionOptions};

use crate::support::{server, wait_until};
use crate::{config, ms, number, pool, raise};

/// A program's own error.
#[derive(Debug)]
enum Refusal {
    SoldOut,
    Database(holdfast::Error),
}

impl From<holdfast::Error> for Refusal {
    fn from(error: holdfast::Error) -> Self {
        Self::Database(error)
    }
}

impl From<postgres::Error> for Refusal {
    fn from(error: postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

#[test]
fn a_body_returns_what_it_likes_and_fails_with_errors_of_its_own() {
    let pool = pool(server(), "shop");
    pool.batch_execute("create table stock (item int primary key, n int); insert into stock values (7, 1)")
        .unwrap();
    let buy = || {
        pool.transaction(|tx| {
            // The one is the library's error, the other the driver's.
            let left: i32 =
                tx.query_one("update stock set n = n - 1 where item = 7 returning n", &[])?.get(0);
            tx.batch_execute("select 1")?;
            if left < 0 { Err(Refusal::SoldOut) } else { Ok(left) }
        })
    };
    assert_eq!(buy().unwrap(), 0);
    assert!(matches!(buy(), Err(Refusal::SoldOut)));
    // Rolled back already when the error is returned, not some time later.
    pool.query("select n from stock for update nowait", &[]).unwrap();
    assert_eq!(number(&pool, "select n::int8 from stock"), 0);
    let wrong: std::result::Result<(), Refusal> = pool.transaction(|tx| Ok(tx.batch_execute("wrong")?));
    assert!(matches!(wrong, Err(Refusal::Database(e)) if e.sqlstate().unwrap().code() == "42601"));
    let any: std::result::Result<(), Box<dyn std::error::Error>> = pool.transaction(|_| Err("enough".into()));
    assert_eq!(any.unwrap_err().to_string(), "enough");
    assert_eq!(pool.stats().rolled_back, 0);
}

#[test]
fn the_modes_asked_for_are_in_force() {
    let pool = pool(server(), "modes");
    let shown = |options: TransactionOptions| {
        pool.transaction_with(options, |tx| -> Result<Vec<String>> {
            let names = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"];
            names.iter().map(|n| Ok(tx.query_one(&format!("show {n}"), &[])?.get(0))).collect()
        })
        .unwrap()
    };
    assert_eq!(shown(TransactionOptions::new()), ["read committed", "off", "off"]);
    let strict =
        TransactionOptions::new().isolation(Isolation::Serializable).read_only(true).deferrable(true);
    assert_eq!(shown(strict), ["serializable", "on", "on"]);
    let middle = TransactionOptions::new().isolation(Isolation::RepeatableRead).read_only(false);
    assert_eq!(shown(middle.deferrable(false)), ["repeatable read", "off", "off"]);
}

#[test]
fn a_read_only_transaction_refuses_to_write() {
    let pool = pool(server(), "reader");
    let mut runs = 0;
    let error = pool
        .transaction_with(TransactionOptions::new().read_only(true), |tx| -> Result<()> {
            runs += 1;
            tx.batch_execute("create table never (n int)")
        })
        .unwrap_err();
    assert_eq!((error.sqlstate().unwrap().code(), runs), ("25006", 1));
}

#[test]
fn savepoints_nest_and_a_conflict_inside_one_reruns_the_whole() {
    let pool = pool(server(), "nested");
    pool.batch_execute("create table tree (n int primary key)").unwrap();
    let mut runs = 0;
    pool.transaction(|tx| -> Result<()> {
        runs += 1;
        tx.batch_execute("insert into tree values (1)")?;
        let mut branch = tx.transaction()?;
        branch.batch_execute("insert into tree values (2)")?;
        let mut twig = branch.savepoint("twig")?;
        assert!(twig.batch_execute("insert into tree values (1)").is_err());
        twig.rollback()?;
        branch.commit()?;
        let mut other = tx.transaction()?;
        if runs == 1 {
            other.batch_execute(&raise("40001"))?;
        }
        other.batch_execute("insert into tree values (3)")?;
        Ok(())
    })
    .unwrap();
    // The last savepoint was dropped without a commit.
    assert_eq!(number(&pool, "select sum(n) from tree"), 3);
    assert_eq!(runs, 2);
}

#[test]
fn a_result_read_half_way_does_not_keep_a_transaction_from_its_commit() {
    use fallible_iterator::FallibleIterator;
    // Without looks, during which a second one may be opened.
    let pool = Pool::new(config(server(), "halfway").fleet_share(false)).unwrap();
    pool.batch_execute("create table many (n int)").unwrap();
    pool.transaction(|tx| -> Result<()> {
        tx.batch_execute("insert into many values (1)")?;
        let none: [&str; 0] = [];
        let mut rows = tx.query_raw("select generate_series(1, 100000)", none)?;
        rows.next()?;
        Ok(())
    })
    .unwrap();
    assert_eq!(number(&pool, "select count(*) from many"), 1);
    assert_eq!(pool.stats().total, 1, "it is the same connection");
}

#[test]
fn a_body_that_ends_its_transaction_by_itself_is_told_so() {
    let pool = pool(server(), "meddler");
    for statement in ["commit", "rollback"] {
        let mut runs = 0;
        let error = pool
            .transaction(|tx| -> Result<()> {
                runs += 1;
                tx.batch_execute(statement)
            })
            .unwrap_err();
        assert_eq!((error.kind(), runs), (ErrorKind::Misuse, 1), "{error}");
    }
    let mut runs = 0;
    let error = pool
        .transaction(|tx| -> Result<()> {
            runs += 1;
            tx.batch_execute("commit")?;
            tx.batch_execute(&raise("40001"))
        })
        .unwrap_err();
    assert_eq!((error.sqlstate().unwrap().code(), runs), ("40001", 1), "something was committed before");
}

#[test]
fn a_panic_in_a_body_rolls_back_and_goes_on_to_the_caller() {
    let pool = Pool::new(config(server(), "panic").max_size(1)).unwrap();
    pool.batch_execute("create table traces (n int)").unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.transaction(|tx| -> Result<()> {
            tx.batch_execute("insert into traces values (1)")?;
            panic!("a slip of the body's");
        })
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"a slip of the body's"));
    assert_eq!(number(&pool, "select count(*) from traces"), 0);
    assert_eq!((pool.stats().rolled_back, pool.stats().opens), (1, 1), "rolled back, and checked out again");
}

#[test]
fn the_time_of_a_transaction_ends_its_statements() {
    let pool = pool(server(), "clocked");
    let mut runs = 0;
    let start = Instant::now();
    let error = pool
        .transaction_with(TransactionOptions::new().timeout(ms(300)), |tx| -> Result<()> {
            runs += 1;
            tx.batch_execute("select 1")?;
            tx.batch_execute("select pg_sleep(30)")
        })
        .unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::QueryTimeout, 1), "{error}");
    assert!((ms(300)..ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
}

#[test]
fn nothing_is_committed_after_the_time_is_over() {
    let pool = Pool::new(config(server(), "overdue").max_size(1)).unwrap();
    pool.batch_execute("create table late (n int)").unwrap();
    let error = pool
        .transaction_with(TransactionOptions::new().timeout(ms(100)), |tx| -> Result<()> {
            tx.batch_execute("insert into late values (1)")?;
            thread::sleep(ms(150));
            Ok(())
        })
        .unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::QueryTimeout, Some(Phase::Commit)), "{error}");
    assert_eq!(number(&pool, "select count(*) from late"), 0);
}

#[test]
fn the_time_of_a_transaction_ends_with_it() {
    let pool = Pool::new(config(server(), "inheritor").max_size(1)).unwrap();
    let options = TransactionOptions::new().timeout(ms(100));
    pool.transaction_with(options.clone(), |tx| tx.batch_execute("select 1")).unwrap();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        pool.transaction_with(options, |tx| -> Result<()> {
            tx.batch_execute("commit")?;
            panic!("with a connection that looks clean");
        })
    }));
    pool.batch_execute("select pg_sleep(0.3)").expect("the next caller has no deadline");
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn getting_a_connection_counts_too() {
    let pool = Pool::new(config(server(), "queue").max_size(1)).unwrap();
    let only = pool.get().unwrap();
    let start = Instant::now();
    let options = TransactionOptions::new().timeout(ms(200));
    let error = pool.transaction_with(options, |_| -> Result<()> { panic!("no run without") }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    assert!((ms(200)..ms(300)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    drop(only);
}

#[test]
fn any_thread_can_cancel_what_a_transaction_does() {
    let pool = pool(server(), "stopped");
    let error = pool
        .transaction(|tx| -> Result<()> {
            let cancel = tx.cancel_handle();
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(ms(100));
                    cancel.cancel().expect("the server takes the request");
                });
                tx.batch_execute("select pg_sleep(30)")
            })
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled);
    wait_until("it is back", ms(5000), || pool.stats().in_use == 0);
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn statements_come_out_of_the_connections_cache() {
    let pool = Pool::new(config(server(), "cached").max_size(1)).unwrap();
    for _ in 0..3 {
        let sum: i64 = pool
            .transaction(|tx| -> Result<i64> {
                let rows = tx.query("select n::int8 from generate_series(1, $1::int4) n", &[&4i32])?;
                assert!(tx.query_opt("select 1 where false", &[])?.is_none());
                assert_eq!(tx.execute("select 1 where true", &[])?, 1);
                Ok(rows.iter().map(|row| row.get::<_, i64>(0)).sum())
            })
            .unwrap();
        assert_eq!(sum, 10);
    }
    let mut conn = pool.get().unwrap();
    assert_eq!(conn.cached_statements(), 3);
    let prepared: i64 = conn.query_one("select count(*) from pg_prepared_statements", &[]).unwrap().get(0);
    // The one that asks is a fourth.
    assert_eq!(prepared, 4);
}

#[test]
fn a_body_whose_statement_went_stale_is_run_again() {
    let pool = Pool::new(config(server(), "stale-body").max_size(1)).unwrap();
    pool.batch_execute("drop table if exists stale_in_body; create table stale_in_body (a int)").unwrap();
    let mut columns = Vec::new();
    let mut runs = 0;
    // The pool is not told of what a block of code does.
    let unseen = "do $$ begin execute 'deallocate all'; end $$";
    for change in ["select 1", "alter table stale_in_body add column b int", unseen] {
        pool.batch_execute(change).unwrap();
        let counted = pool.transaction(|tx| {
            runs += 1;
            tx.execute("insert into stale_in_body values (1)", &[])?;
            Ok::<_, holdfast::Error>(tx.query("select * from stale_in_body", &[])?[0].len())
        });
        columns.push(counted.unwrap());
    }
    assert_eq!((columns.as_slice(), runs), (&[1, 2, 2][..], 5), "the second and the third run twice");
    let rows: i64 = pool.query_one("select count(*) from stale_in_body", &[]).unwrap().get(0);
    assert_eq!(rows, 3, "each took effect once");
}
