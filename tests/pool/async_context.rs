//! A pool that is used inside async functions blocks its thread, as documented, and does no worse: no panic, no abort, no
//! place that is lost.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use holdfast::{ErrorKind, Pool, PooledConnection};
use tokio::runtime::{Builder, Runtime};

use crate::support::wait_until;
use crate::{Observer, config, ms, server};

fn runtimes() -> [(&'static str, Runtime); 2] {
    [
        ("current_thread", Builder::new_current_thread().enable_all().build().unwrap()),
        ("multi_thread", Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()),
    ]
}

fn pool(name: &str) -> Pool {
    Pool::new(config(server(), name).max_size(1).connection_timeout(ms(4_000))).unwrap()
}

/// Runs a task to its end. A panic inside it fails the test.
fn run(runtime: &Runtime, task: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(async { tokio::spawn(task).await }).expect("the task does not panic");
}

/// Every place of the pool can be had, at once.
fn assert_whole(pool: &Pool, runtime: &str) {
    let conn = pool.get().unwrap_or_else(|e| panic!("{runtime}: {e}"));
    drop(conn);
    // What comes back may be looked over, or take a census, before it counts as idle.
    wait_until("the connection is idle", ms(4_000), || pool.stats().in_use == 0);
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.total), (0, 1), "{runtime}: {stats:?}");
}

/// Ends the sessions of the application `name`, from outside.
fn end_sessions(name: &str) {
    let mut observer = Observer::of(server());
    for pid in observer.backends(name) {
        observer.terminate(pid);
    }
}

#[test]
fn statements_run_inside_an_async_fn_on_a_cold_and_on_a_warm_pool() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-statements");
        for _ in 0..2 {
            let pool = pool.clone();
            run(&runtime, async move {
                let mut conn = pool.get().unwrap();
                let sum: i32 = conn.query_one("select $1 + 1", &[&41i32]).unwrap().get(0);
                assert_eq!(sum, 42);
                let mut transaction = conn.transaction().unwrap();
                transaction.batch_execute("create temp table if not exists seen (n int)").unwrap();
                drop(transaction);
            });
        }
        assert_whole(&pool, name);
    }
}

#[test]
fn a_rested_connection_is_validated_inside_an_async_fn() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-rested");
        drop(pool.get().unwrap());
        thread::sleep(ms(800));
        let used = pool.clone();
        run(&runtime, async move { drop(used.get().unwrap()) });
        assert_whole(&pool, name);
    }
}

#[test]
fn a_dead_connection_is_replaced_inside_an_async_fn() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-dead");
        drop(pool.get().unwrap());
        end_sessions("async-dead");
        let used = pool.clone();
        run(&runtime, async move {
            let alive: bool = used.get().unwrap().query_one("select true", &[]).unwrap().get(0);
            assert!(alive);
        });
        assert_whole(&pool, name);
    }
}

#[test]
fn a_connection_that_died_is_given_back_inside_an_async_fn() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-died");
        let conn = pool.get().unwrap();
        end_sessions("async-died");
        run(&runtime, async move { drop(conn) });
        assert_whole(&pool, name);
    }
}

#[test]
fn the_last_handle_is_dropped_inside_an_async_fn_while_an_idle_connection_is_dead() {
    for (_, runtime) in runtimes() {
        let pool = pool("async-last");
        drop(pool.get().unwrap());
        end_sessions("async-last");
        run(&runtime, async move { drop(pool) });
    }
}

#[test]
fn a_panic_inside_a_transaction_inside_an_async_fn_gives_the_connection_back() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-panic");
        let used = pool.clone();
        run(&runtime, async move {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let mut conn = used.get().unwrap();
                let _transaction = conn.transaction().unwrap();
                panic!("a panic of the test's own, inside a transaction");
            }));
            assert!(panicked.is_err());
        });
        assert_whole(&pool, name);
    }
}

#[test]
fn spawn_blocking_is_a_place_like_any_other() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-blocking");
        let used = pool.clone();
        runtime
            .block_on(async { tokio::task::spawn_blocking(move || drop(used.get().unwrap())).await })
            .unwrap();
        assert_whole(&pool, name);
    }
}

#[test]
fn the_crates_client_is_refused_inside_an_async_fn_with_the_advice_to_spawn_blocking() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-client");
        let used = pool.clone();
        run(&runtime, async move {
            let mut conn = used.get().unwrap();
            let Err(error) = conn.client() else { panic!("it runs a runtime of its own") };
            assert_eq!(error.kind(), ErrorKind::Misuse);
            assert!(error.to_string().contains("spawn_blocking"), "{error}");
        });
        assert_whole(&pool, name);
    }
}

#[test]
fn a_connection_whose_client_was_used_is_given_back_inside_an_async_fn() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-guest");
        let mut conn = pool.get().unwrap();
        let answer: i32 = conn.client().unwrap().query_one("select 42", &[]).unwrap().get(0);
        assert_eq!(answer, 42);
        let conn: Arc<std::sync::Mutex<Option<PooledConnection>>> = Arc::new(Some(conn).into());
        run(&runtime, async move { drop(conn.lock().unwrap().take()) });
        assert_whole(&pool, name);
    }
}

#[test]
fn tasks_that_may_block_or_stay_on_their_thread_are_places_like_any_other() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pool = pool("async-places");
    let used = pool.clone();
    run(&runtime, async move {
        tokio::task::block_in_place(|| {
            let mut conn = used.get().unwrap();
            let answer: i32 = conn.query_one("select 1", &[]).unwrap().get(0);
            assert_eq!(answer, 1);
            if let Ok(client) = conn.client() {
                client.batch_execute("select 1").unwrap();
            }
        });
    });
    assert_whole(&pool, "block_in_place");
    let local = tokio::task::LocalSet::new();
    let used = pool.clone();
    let single = Builder::new_current_thread().enable_all().build().unwrap();
    single.block_on(local.run_until(async move {
        let task = async move {
            let mut conn = used.get().unwrap();
            assert!(conn.client().is_err(), "it would run a runtime inside another");
            conn.batch_execute("select 1").unwrap();
        };
        tokio::task::spawn_local(task).await.unwrap();
    }));
    assert_whole(&pool, "spawn_local");
    let entered = runtime.enter();
    let mut conn = pool.get().unwrap();
    conn.batch_execute("select 1").unwrap();
    if let Ok(client) = conn.client() {
        client.batch_execute("select 1").unwrap();
    }
    drop(conn);
    drop(entered);
    assert_whole(&pool, "a thread that entered a runtime");
}

#[test]
fn what_ends_late_in_async_code_neither_panics_nor_loses_a_place() {
    for (name, runtime) in runtimes() {
        let pool = pool("async-late");
        let used = pool.clone();
        // The task is dropped with the runtime, in the middle of its work and with a transaction of each kind open.
        runtime.spawn(async move {
            let mut conn = used.get().unwrap();
            let mut transaction = conn.transaction().unwrap();
            let rows =
                transaction.query_raw("select generate_series(1, 100000)", Vec::<&str>::new()).unwrap();
            tokio::time::sleep(ms(60_000)).await;
            drop(rows);
        });
        runtime.block_on(async { tokio::time::sleep(ms(100)).await });
        drop(runtime);
        assert_whole(&pool, name);
        // A destructor of the thread's locals, after everything else of the thread.
        thread_local!(static LATE: std::cell::RefCell<Option<PooledConnection>> = const { std::cell::RefCell::new(None) });
        let used = pool.clone();
        thread::spawn(move || {
            let mut conn = used.get().unwrap();
            conn.client().unwrap().batch_execute("begin").unwrap();
            LATE.set(Some(conn));
        })
        .join()
        .unwrap();
        assert_whole(&pool, name);
    }
}

#[test]
fn a_pool_whose_guest_was_busy_is_closed_inside_an_async_fn() {
    for (_, runtime) in runtimes() {
        let pool = pool("async-busy-guest");
        let mut conn = pool.get().unwrap();
        let mut transaction = conn.client().unwrap().transaction().unwrap();
        let rows = transaction.query_raw("select generate_series(1, 100000)", Vec::<&str>::new()).unwrap();
        std::mem::forget(rows);
        std::mem::forget(transaction);
        end_sessions("async-busy-guest");
        run(&runtime, async move {
            drop(conn);
            pool.close_timeout(ms(2_000));
        });
    }
}
