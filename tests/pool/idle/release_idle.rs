//! `release_idle`: what is idle is closed on demand.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::own_server;
use crate::{Observer, config, member, ms, server, soon};

#[test]
fn when_it_returns_the_server_has_let_go_of_what_was_idle() {
    let pool = Pool::new(config(server(), "releaser").max_size(5)).unwrap();
    let mut conns: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    let mut held = conns.pop().unwrap();
    drop(conns);
    let mut observer = Observer::of(server());
    assert_eq!(observer.backends("releaser").len(), 5);
    assert_eq!(pool.release_idle(), 4);
    let stats = pool.stats();
    assert_eq!((stats.total, stats.in_use, stats.idle), (1, 1, 0));
    assert_eq!(stats.closes_by(CloseReason::Released), 4);
    // A backend hangs up a moment before it leaves the list.
    soon("their backends are gone", || observer.backends("releaser").len() == 1);
    held.batch_execute("select 1").expect("the one in use is left alone");
    drop(held);
    assert_eq!((pool.release_idle(), pool.release_idle()), (1, 0));
    pool.batch_execute("select 1").expect("the pool goes on as before");
}

/// The process may be frozen at once: what stays open then holds its slot for as long as that lasts.
#[test]
fn a_connection_that_was_returned_with_work_left_is_ended_and_released_like_the_others() {
    let pool = Pool::new(config(server(), "unfinished").max_size(3)).unwrap();
    for round in 0..20 {
        let mut conns: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
        conns[0].batch_execute("begin").unwrap();
        std::mem::forget(conns[1].query_raw("select generate_series(1, 1000)", [""; 0]).unwrap());
        drop(conns);
        assert_eq!(pool.release_idle(), 3, "round {round}");
        assert_eq!(pool.stats().total, 0, "round {round}");
    }
}

/// A census of the fleet may be due on any return.
#[test]
fn a_connection_over_which_a_census_is_taken_is_released_like_the_others() {
    for round in 0..30 {
        let pool = Pool::new(member(server(), "counted").max_size(2)).unwrap();
        pool.batch_execute("select 1").unwrap();
        assert_eq!(pool.release_idle(), 1, "round {round}");
        assert_eq!(pool.stats().total, 0, "round {round}");
    }
}

#[test]
fn min_idle_is_not_filled_again_before_somebody_wants_a_connection() {
    let pool = Pool::new(config(server(), "resting").min_idle(2).max_size(4)).unwrap();
    soon("two are open", || pool.stats().idle == 2);
    assert_eq!(pool.release_idle(), 2);
    let opens = pool.stats().opens;
    thread::sleep(ms(500));
    assert_eq!((pool.stats().total, pool.stats().opens), (0, opens), "it dials nobody");
    drop(pool.get().unwrap());
    // Three, if two were opened before the caller gave its own back.
    soon("with the first caller it is filled", || pool.stats().idle >= 2);
}

#[test]
fn a_server_that_does_not_answer_holds_it_up_for_settle_timeout_and_no_longer() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let pool = Pool::new(config(&server, "unanswered").settle_timeout(ms(400))).unwrap();
    let conns: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    drop(conns);
    server.freeze().unwrap();
    let start = Instant::now();
    assert_eq!(pool.release_idle(), 3);
    let took = start.elapsed();
    server.thaw().unwrap();
    assert!((ms(390)..ms(1500)).contains(&took), "took {took:?}");
    soon("what it did not let go of was cut", || pool.stats().total == 0);
}

#[test]
fn nobody_who_waits_is_overlooked_while_idle_connections_are_released() {
    let pool = Pool::new(config(server(), "contested").max_size(2)).unwrap();
    let end = Instant::now() + Duration::from_secs(1);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while Instant::now() < end {
                    pool.query("select 1", &[]).expect("every caller is served");
                    thread::sleep(ms(1));
                }
            });
        }
        while Instant::now() < end {
            pool.release_idle();
            thread::sleep(ms(5));
        }
    });
    assert!(pool.stats().closes_by(CloseReason::Released) > 0);
}

#[test]
fn min_idle_is_filled_again_although_a_pool_may_open_but_one_connection_at_a_time() {
    let server = own_server(|s| s);
    // Four that share a server: each may make one connection at a time.
    let pools: Vec<_> =
        (0..4).map(|n| Pool::new(config(&server, &format!("sharer {n}")).min_idle(2)).unwrap()).collect();
    // One more where a look at the fleet had one in hand while it was counted.
    soon("all are filled", || pools.iter().all(|pool| pool.stats().idle >= 2));
    assert!(pools[0].release_idle() >= 2);
    let _held = pools[0].get().unwrap();
    soon("with the first caller it is filled", || pools[0].stats().idle >= 2);
}
