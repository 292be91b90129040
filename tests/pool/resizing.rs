//! `set_max_size`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, ErrorKind, Pool};

use crate::{Observer, config, member, ms, server, soon};

fn resizable(name: &str, max_size: u32) -> Pool {
    Pool::new(config(server(), name).max_size(max_size)).unwrap()
}

#[test]
fn a_larger_pool_serves_its_waiters_at_once() {
    let pool = resizable("grown", 1);
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiters = [(); 3].map(|()| scope.spawn(|| pool.get_timeout(ms(60_000)).unwrap()));
        soon("they wait", || pool.stats().waiting == 3);
        let begun = Instant::now();
        pool.set_max_size(20).unwrap();
        let connections = waiters.map(|waiter| waiter.join().unwrap());
        assert!(begun.elapsed() < ms(30_000), "{:?}", begun.elapsed());
        assert_eq!((pool.stats().max_size, pool.stats().in_use), (20, 4));
        drop(connections);
    });
    drop(held);
    // As many places as it says.
    pool.wait_until_warm(20, ms(60_000)).unwrap();
}

#[test]
fn a_smaller_pool_closes_what_is_idle_at_once_and_what_is_in_use_when_it_comes_back() {
    let pool = resizable("shrunk", 4);
    pool.wait_until_warm(4, ms(60_000)).unwrap();
    let mut held = vec![pool.get().unwrap(), pool.get().unwrap()];
    pool.set_max_size(1).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.closes_by(CloseReason::Surplus)), (0, 2, 2), "{stats:?}");
    held.pop();
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.closes_by(CloseReason::Surplus)), (0, 1, 3), "{stats:?}");
    assert_eq!(pool.get_timeout(ms(50)).unwrap_err().kind(), ErrorKind::PoolTimeout);
    held.pop();
    soon("the others are gone", || pool.stats().total == 1);
    // It may be asked first who holds the connections.
    soon("the last one stays", || pool.stats().idle == 1);
    pool.wait_until_warm(2, ms(1_000)).unwrap_err();
}

#[test]
fn in_a_fleet_too_what_a_smaller_pool_closes_is_counted_as_surplus() {
    let pool = Pool::new(member(server(), "shrunk in a fleet").max_size(3)).unwrap();
    let (first, second) = (pool.get().unwrap(), pool.get().unwrap());
    pool.set_max_size(1).unwrap();
    drop(second);
    soon("one is left", || pool.stats().total == 1);
    let stats = pool.stats();
    assert_eq!(
        (stats.closes_by(CloseReason::Surplus), stats.closes_by(CloseReason::Shared)),
        (1, 0),
        "{stats:?}"
    );
    drop(first);
}

#[test]
fn a_smaller_pool_keeps_as_much_of_min_idle_as_fits_and_a_larger_one_all_of_it() {
    let settings = config(server(), "resized idle").max_size(4).min_idle(4);
    let pool = Pool::new(settings).unwrap();
    soon("it is full", || pool.stats().idle == 4);
    pool.set_max_size(2).unwrap();
    soon("two are closed", || pool.stats().total == 2);
    thread::sleep(ms(50));
    assert_eq!((pool.stats().idle, pool.stats().opens), (2, 4));
    pool.set_max_size(6).unwrap();
    soon("it is full again", || pool.stats().idle == 4);
}

#[test]
fn sizes_that_no_pool_can_have_are_refused_and_change_nothing() {
    let pool = resizable("refused size", 3);
    for size in [0, 10_001, u32::MAX] {
        let error = pool.set_max_size(size).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(&format!("max_size cannot be {size}")), "{error}");
    }
    assert_eq!(pool.stats().max_size, 3);
    pool.set_max_size(10_000).unwrap();
    pool.set_max_size(1).unwrap();
    pool.batch_execute("select 1").unwrap();
    pool.close();
    assert_eq!(pool.set_max_size(2).unwrap_err().kind(), ErrorKind::PoolClosed);
}

#[test]
fn under_load_sizes_may_change_without_a_failed_call_a_lost_place_or_a_session_too_many() {
    const NAME: &str = "resized under load";
    const SIZES: [u32; 3] = [8, 2, 16];
    const CHANGES: usize = 60;
    let pool = resizable(NAME, SIZES[0]);
    let mut observer = Observer::of(server());
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..24 {
            let (pool, stop, calls) = (&pool, &stop, &calls);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                while !stop.load(Ordering::Relaxed) {
                    let mut conn = pool.get_timeout(ms(60_000)).expect("no call fails");
                    conn.batch_execute("select 1").expect("no call fails");
                    if random.u8(..8) == 0 {
                        thread::sleep(ms(random.u64(..10)));
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for change in 1..=CHANGES {
                let size = SIZES[change % SIZES.len()];
                pool.set_max_size(size).unwrap();
                let before = calls.load(Ordering::Relaxed);
                soon("it has shrunk", || pool.stats().total <= size);
                // The server may count a session for a moment after it has said goodbye.
                soon("the server agrees", || observer.backends(NAME).len() <= size as usize);
                let end = Instant::now() + Duration::from_millis(20);
                while Instant::now() < end {
                    let stats = pool.stats();
                    assert!(stats.total <= size && stats.max_size == size, "{stats:?}");
                    let seen = observer.backends(NAME).len();
                    assert!(seen <= size as usize, "{seen} sessions of {size}");
                }
                soon("calls go on", || calls.load(Ordering::Relaxed) > before);
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = watched {
            std::panic::resume_unwind(panic);
        }
    });
    soon("all are back", || pool.stats().total == pool.stats().idle);
    pool.set_max_size(16).unwrap();
    pool.wait_until_warm(16, ms(60_000)).expect("every place is there");
    assert!(pool.stats().errors().iter().all(|(_, count)| *count == 0), "{:?}", pool.stats());
}
