//! `on_connect`: the program's hook on new sessions.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;
use std::time::Instant;

use holdfast::{Circuit, ErrorKind, Phase, Pool};

use crate::{Observer, config, ms, server, soon};

#[test]
fn the_hook_runs_once_per_session_before_its_connection_is_given_out() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let config = config(server(), "set up once").max_size(2).on_connect(move |conn| {
        counted.fetch_add(1, Ordering::SeqCst);
        conn.execute("select set_config('holdfast.tenant', $1, false)", &[&"seven"])?;
        let tx = conn.transaction()?;
        tx.commit()?;
        conn.set_deadline(Some(ms(1)));
        Ok(())
    });
    let pool = Pool::new(config).unwrap();
    let tenant = || pool.query_one("show holdfast.tenant", &[]).unwrap().get::<_, String>(0);
    assert_eq!([tenant(), tenant(), tenant()], ["seven"; 3]);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    // The deadline that it set ended with it.
    pool.batch_execute("select pg_sleep(0.01)").unwrap();
    pool.get().unwrap().discard();
    assert_eq!((tenant(), runs.load(Ordering::SeqCst)), ("seven".to_owned(), 2));
    assert_eq!(pool.stats().statements, 5, "those of the hook are not counted");
}

#[test]
fn connections_that_are_opened_in_the_background_are_set_up_too() {
    let config = config(server(), "set up behind")
        .min_idle(2)
        .max_size(2)
        .on_connect(|conn| Ok(conn.batch_execute("set holdfast.tenant = 'seven'")?));
    let pool = Pool::new(config).unwrap();
    soon("min_idle is filled", || pool.stats().idle == 2);
    for mut conn in [pool.get().unwrap(), pool.get().unwrap()] {
        assert_eq!(conn.query_one("show holdfast.tenant", &[]).unwrap().get::<_, &str>(0), "seven");
    }
}

#[test]
fn a_hook_that_fails_closes_its_session_and_is_the_cause_that_the_caller_gets() {
    let fails = Arc::new(AtomicU32::new(1));
    let asked = fails.clone();
    let config = config(server(), "set up in vain").max_size(1).on_connect(move |conn| {
        match asked.load(Ordering::SeqCst) {
            1 => conn.batch_execute("select * from no_such_table_of_the_hook")?,
            2 => return Err("no tenant is known".into()),
            3 => conn.batch_execute("begin")?,
            4 => conn.batch_execute("select pg_terminate_backend(pg_backend_pid())")?,
            _ => {}
        }
        Ok(())
    });
    let pool = Pool::new(config.retry_max(0)).unwrap();
    let mut observer = Observer::of(server());
    let mut fails_with = |how: u32| {
        fails.store(how, Ordering::SeqCst);
        let error = pool.get().unwrap_err();
        assert_eq!(error.phase(), Some(Phase::Setup), "{error}");
        assert_eq!(observer.backends("set up in vain").len(), 0, "the server has let go of it");
        assert_eq!((pool.stats().total, pool.stats().circuit), (0, Circuit::Closed));
        error
    };
    let error = fails_with(1);
    assert_eq!((error.kind(), error.sqlstate().unwrap().code()), (ErrorKind::Database, "42P01"), "{error}");
    assert!(!error.is_retryable() && std::error::Error::source(&error).is_some());
    let error = fails_with(2);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no tenant is known"), "{error}");
    assert_eq!(fails_with(3).kind(), ErrorKind::Misuse);
    let error = fails_with(4);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ConnectionLost, true), "{error}");
    fails.store(0, Ordering::SeqCst);
    assert_eq!(pool.query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7);
}

#[test]
fn a_session_that_is_lost_while_it_is_set_up_is_opened_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let config = config(server(), "set up again").retry_base_delay(ms(1)).on_connect(move |conn| {
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            conn.batch_execute("select pg_terminate_backend(pg_backend_pid())")?;
        }
        Ok(())
    });
    Pool::new(config).unwrap().batch_execute("select 1").unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_of_the_hook_is_contained_and_costs_no_place() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let config = config(server(), "set up with a bang").max_size(1).on_connect(move |_| {
        match counted.fetch_add(1, Ordering::SeqCst) {
            0..3 => panic!("a slip in the hook"),
            _ => Ok(()),
        }
    });
    let pool = Pool::new(config).unwrap();
    for _ in 0..3 {
        let error = pool.get().unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Misuse, Some(Phase::Setup)));
        assert!(error.to_string().contains("a slip in the hook"), "{error}");
        assert_eq!((pool.stats().total, pool.stats().in_use), (0, 0));
    }
    assert_eq!(pool.query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7);
}

#[test]
fn statements_of_the_hook_count_against_the_deadline_of_the_attempt_whatever_it_sets() {
    let config =
        config(server(), "set up slowly").retry_max(0).connection_timeout(ms(600)).on_connect(|conn| {
            conn.set_deadline(None);
            // A transaction has a deadline of its own, which its end lifts.
            conn.raw()?.begin_transaction(&holdfast::TransactionOptions::new())?;
            conn.raw()?.commit()?;
            Ok(conn.batch_execute("select pg_sleep(60)")?)
        });
    let pool = Pool::new(config).unwrap();
    let began = Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectTimeout, Some(Phase::Setup)), "{error}");
    assert!(began.elapsed() < ms(5_000), "{:?}", began.elapsed());
    assert_eq!((pool.stats().total, pool.stats().circuit), (0, Circuit::Closed), "no outage of the server");
}

#[test]
fn closing_the_pool_ends_a_hook_that_waits() {
    let (entered, has_entered) = mpsc::channel();
    let config =
        config(server(), "set up while closing").connection_timeout(ms(60_000)).on_connect(move |conn| {
            let _ = entered.send(());
            Ok(conn.batch_execute("select pg_sleep(60)")?)
        });
    let pool = Pool::new(config).unwrap();
    let opening = thread::spawn({
        let pool = pool.clone();
        move || pool.get().unwrap_err().kind()
    });
    has_entered.recv().unwrap();
    let began = Instant::now();
    pool.close_timeout(ms(200));
    assert_eq!(opening.join().unwrap(), ErrorKind::PoolClosed);
    assert!(began.elapsed() < ms(10_000), "{:?}", began.elapsed());
}

#[test]
fn the_hook_gets_no_connection_of_the_pool_that_it_sets_a_session_up_for() {
    let own: Arc<Mutex<Option<Pool>>> = Arc::default();
    let weak: Weak<_> = Arc::downgrade(&own);
    let other = crate::pool(server(), "another pool");
    let config = config(server(), "set up by itself").on_connect(move |conn| {
        let pool = weak.upgrade().and_then(|own| own.lock().unwrap().clone()).expect("the pool lives");
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Misuse);
        let name: String = other.query_one("select 'by another'", &[])?.get(0);
        Ok(conn.batch_execute(&format!("set holdfast.tenant = '{name}'"))?)
    });
    let pool = Pool::new(config).unwrap();
    *own.lock().unwrap() = Some(pool.clone());
    assert_eq!(pool.query_one("show holdfast.tenant", &[]).unwrap().get::<_, &str>(0), "by another");
}

#[test]
fn a_cancel_handle_of_the_hook_does_nothing_once_the_session_is_given_out() {
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let config = config(server(), "set up and kept").on_connect(move |conn| {
        *keeps.lock().unwrap() = Some(conn.cancel_handle());
        Ok(())
    });
    let pool = Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    let handle = kept.lock().unwrap().take().expect("the hook has run");
    thread::scope(|scope| {
        let running = scope.spawn(|| conn.batch_execute("select pg_sleep(0.3)"));
        thread::sleep(ms(100));
        let _ = handle.cancel();
        running.join().unwrap().unwrap();
    });
}
