//! Figures that add up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use holdfast::{ErrorKind, Pool};

use crate::{config, ms, server, soon};

#[test]
fn every_snapshot_adds_up_under_load() {
    let pool = Pool::new(config(server(), "summed").max_size(4)).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..8 {
            let (pool, stop) = (&pool, &stop);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut conn = pool.get().unwrap();
                    n += 1;
                    match (n + worker) % 7 {
                        0 => conn.batch_execute("begin").unwrap(),
                        1 => conn.discard(),
                        _ => conn.batch_execute("select 1").unwrap(),
                    }
                }
            });
        }
        let end = Instant::now() + ms(400);
        while Instant::now() < end {
            let s = pool.stats();
            assert!(s.total <= s.max_size, "{s:?}");
            assert!(s.idle + s.in_use + s.opening <= s.total, "{s:?}");
            let closed: u64 = s.closes().iter().map(|(_, n)| n).sum();
            assert!(s.opens - closed <= u64::from(s.total), "{s:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(pool.stats().rolled_back > 0);
}

#[test]
fn counters_tell_what_happened() {
    let pool = Pool::new(config(server(), "counted").max_size(1)).unwrap();
    for _ in 0..3 {
        pool.batch_execute("select 1").unwrap();
    }
    pool.batch_execute("select 1/0").unwrap_err();
    let held = pool.get().unwrap();
    pool.get_timeout(ms(20)).unwrap_err();
    let s = pool.stats();
    assert_eq!((s.gets, s.opens, s.statements, s.timeouts, s.waits), (5, 1, 4, 1, 1));
    assert_eq!(s.errors_of(ErrorKind::PoolTimeout), 1);
    assert_eq!((s.in_use, s.idle, s.limit, s.max_size), (1, 0, 1, 1));
    drop(held);
    // After a timeout the pool has a question for the server, and asks it over what comes back.
    soon("it is idle", || (pool.stats().in_use, pool.stats().idle) == (0, 1));
}
