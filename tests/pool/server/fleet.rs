//! Several pools on one server: each keeps to its share, and none is left without a slot.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, ErrorKind, LimitedBy, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::{fill, own_server};
use crate::{Observer, config, member, ms, server, soon};

/// A server for so many sessions, none of which is reserved.
fn server_for(sessions: u32) -> EmbeddedPostgres {
    own_server(|s| s.max_connections(sessions).setting("superuser_reserved_connections", "0"))
}

/// Requests that a pool is kept busy with.
struct Load<'scope> {
    stop: &'scope AtomicBool,
    served: &'scope AtomicU64,
}

impl<'scope> Load<'scope> {
    /// Sixteen at a time; none may fail.
    fn on<'env>(self, scope: &'scope thread::Scope<'scope, 'env>, pool: &'scope Pool) {
        for _ in 0..16 {
            let (stop, served) = (self.stop, self.served);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    pool.get()
                        .expect("a connection in its time")
                        .batch_execute("select pg_sleep(0.01)")
                        .unwrap();
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
}

/// Keeps all pools busy until `meanwhile` is done; returns what each was served.
fn under_load(pools: &[Pool], meanwhile: impl FnOnce(&[AtomicU64])) -> Vec<u64> {
    let stop = AtomicBool::new(false);
    let served: Vec<AtomicU64> = pools.iter().map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for (pool, served) in pools.iter().zip(&served) {
            Load { stop: &stop, served }.on(scope, pool);
        }
        meanwhile(&served);
        stop.store(true, Ordering::Relaxed);
    });
    served.into_iter().map(AtomicU64::into_inner).collect()
}

fn eight(url: &str) -> Pool {
    Pool::new(PoolConfig::from_url(url).unwrap().max_size(8)).unwrap()
}

fn totals(pools: &[Pool]) -> Vec<u32> {
    pools.iter().map(|pool| pool.stats().total).collect()
}

#[test]
fn a_pool_that_has_everything_makes_room_for_one_that_comes_later() {
    let server = server_for(9);
    let pools = [eight(&server.url()), eight(&server.url())];
    let stop = AtomicBool::new(false);
    let served = [AtomicU64::new(0), AtomicU64::new(0)];
    thread::scope(|scope| {
        Load { stop: &stop, served: &served[0] }.on(scope, &pools[0]);
        soon("the first has all but the door", || pools[0].stats().total == 8);
        let came = Instant::now();
        Load { stop: &stop, served: &served[1] }.on(scope, &pools[1]);
        soon("the second is served", || served[1].load(Ordering::Relaxed) > 0);
        assert!(came.elapsed() < Duration::from_secs(2), "by the door: {:?}", came.elapsed());
        soon("each has its share", || totals(&pools) == [4, 4]);
        soon("and knows it", || {
            pools.iter().all(|pool| {
                let stats = pool.stats();
                (stats.fleet_peers, stats.fleet_share, stats.limit) == (Some(2), Some(4), 4)
                    && stats.limited_by == Some(LimitedBy::Fleet)
            })
        });
        stop.store(true, Ordering::Relaxed);
    });
    assert!(pools[0].stats().closes_by(CloseReason::Shared) >= 1, "{:?}", pools[0].stats());
    pools[1].close();
    under_load(&pools[..1], |_| soon("what the other had is taken up", || pools[0].stats().total == 8));
}

#[test]
fn a_limit_of_the_role_is_shared_by_those_whom_it_binds() {
    let server = own_server(|s| s.max_connections(30));
    server
        .execute(&format!("create role few login password '{}' connection limit 5", server.password()))
        .unwrap();
    let url = server.url_for("few", "postgres");
    let pools = [eight(&url), eight(&url)];
    under_load(&pools, |_| soon("each has half of what is left", || totals(&pools) == [2, 2]));
}

#[test]
fn more_pools_than_slots_take_turns_and_nobody_fails() {
    let server = server_for(3);
    let pools: Vec<Pool> = (0..5).map(|_| eight(&server.url())).collect();
    let served = under_load(&pools, |served| {
        thread::sleep(Duration::from_secs(3));
        soon("each has been served", || served.iter().all(|served| served.load(Ordering::Relaxed) > 20));
    });
    assert!(served.iter().all(|served| *served > 20), "{served:?}");
}

#[test]
fn a_pool_that_holds_nothing_waits_for_a_slot_longer_than_its_retries_would_last() {
    let server = server_for(3);
    let others = fill(&server.url());
    let config = PoolConfig::from_url(&server.url()).unwrap().retry_max(1).retry_base_delay(ms(50));
    let pool = Pool::new(config).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().map(drop));
        thread::sleep(ms(1500));
        assert_eq!(pool.stats().waiting + pool.stats().opening, 1, "it has not given up");
        drop(others);
        waiter.join().unwrap().expect("the slot that came free");
    });
    let refused = pool.stats().errors_of(ErrorKind::ServerFull);
    assert!((2..40).contains(&refused), "{refused} tries");
}

#[test]
fn waiting_for_a_slot_ends_with_the_time_of_the_call() {
    let server = server_for(3);
    let _others = fill(&server.url());
    let pool = Pool::new(PoolConfig::from_url(&server.url()).unwrap()).unwrap();
    let error = pool.get_timeout(ms(1200)).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("53300"), "{error}");
    let elapsed = error.elapsed().unwrap();
    assert!(elapsed >= ms(1200) && elapsed < ms(4000), "{elapsed:?}");
    // The first refusal, the last, and perhaps a try that was cut short.
    assert!((2..=3).contains(&error.attempts().len()), "{error}");
    // A call with a number of retries of its own fails after that many.
    let error = pool.get_with(0, None).unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::ServerFull, 1), "{error}");
}

#[test]
fn connections_carry_a_mark_unless_the_pool_does_not_share() {
    let shown = |config: PoolConfig| {
        let row = Pool::new(config).unwrap().query_one("show application_name", &[]).unwrap();
        row.get::<_, String>(0)
    };
    let marked = shown(member(server(), "marked"));
    let (name, mark) = marked.split_once(" hf:").expect("a mark");
    assert_eq!(name, "marked");
    assert!(mark.len() == 8 && mark.bytes().all(|b| b.is_ascii_hexdigit()), "{marked}");
    assert_ne!(shown(member(server(), "marked")), marked, "another pool is another member");
    assert_eq!(shown(config(server(), "alone")), "alone");
}

#[test]
fn a_look_counts_for_nothing_and_comes_only_with_traffic() {
    let pool = Pool::new(member(server(), "looks")).unwrap();
    pool.query("select 1", &[]).unwrap();
    soon("it has looked", || {
        pool.stats().fleet_peers.is_some_and(|peers| peers >= 1) && pool.stats().idle == 1
    });
    let stats = pool.stats();
    assert_eq!((stats.statements, stats.gets, stats.opens), (1, 1, 1), "{stats:?}");
    let mut observer = Observer::of(server());
    let mut last = || -> std::time::SystemTime {
        let sql = "select max(state_change) from pg_stat_activity where application_name like 'looks hf:%'";
        observer.0.query_one(sql, &[]).unwrap().get(0)
    };
    let then = last();
    thread::sleep(ms(2500));
    assert_eq!(last(), then, "nobody used it, so nothing was asked");
}

#[test]
fn without_share_there_is_no_look() {
    let pool = Pool::new(config(server(), "no looks")).unwrap();
    for _ in 0..3 {
        pool.query("select 1", &[]).unwrap();
    }
    thread::sleep(ms(200));
    let stats = pool.stats();
    assert_eq!((stats.fleet_peers, stats.fleet_share), (None, None), "{stats:?}");
}
