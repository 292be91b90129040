//! Threads that do at random what programs do to a pool, fairly and unfairly. Whatever they do, the figures agree at
//! every moment, the server never sees more than `max_size` sessions, and in the end all is at rest.
//!
//! `HOLDFAST_STRESS_SECONDS` makes it last longer, `HOLDFAST_STRESS_SEED` repeats the choices of an earlier run.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fallible_iterator::FallibleIterator;
use fastrand::Rng;
use holdfast::{CloseReason, Error, ErrorKind, Pool, PooledConnection};

use crate::{Observer, config, ms, server, soon};

const NAME: &str = "stress";
const MAX_SIZE: u32 = 4;
const THREADS: u64 = 12;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")))
}

/// Everything a thread of the test needs.
struct Stress<'a> {
    pool: &'a Pool,
    killer: &'a Mutex<Observer>,
    stop: AtomicBool,
    served: AtomicU64,
    seed: u64,
}

impl Stress<'_> {
    fn run(&self, thread: u64) {
        let mut random = Rng::with_seed(self.seed.wrapping_add(thread));
        while !self.stop.load(Ordering::Relaxed) {
            let got = match random.u8(..10) {
                0..=5 => self.pool.get().map(Some),
                6..=7 => self.pool.get_timeout(Duration::from_micros(random.u64(..8000))).map(Some),
                _ => self.pool.try_get(),
            };
            match got {
                Ok(Some(conn)) => {
                    self.served.fetch_add(1, Ordering::Relaxed);
                    self.use_up(conn, &mut random);
                }
                Ok(None) => thread::sleep(ms(1)),
                Err(e) => assert!(is_for_lack_of_time(&e), "seed {}: {e}", self.seed),
            }
        }
    }

    /// One checkout, which ends well or in a way that the pool has to clean up after.
    fn use_up(&self, mut conn: PooledConnection, random: &mut Rng) {
        // Whether the session survives to this point is chance: its backend may have been killed while it was checked out.
        let _ = conn.query("select $1::int4", &[&random.i32(..)]).map(|rows| assert_eq!(rows.len(), 1));
        match random.u8(..24) {
            0 => drop(conn.batch_execute("select 1/0")),
            1 => drop(conn.batch_execute("begin; select 1")),
            2 => drop(conn.batch_execute("begin; select 1/0")),
            3 => abandon_a_result(&mut conn),
            4 => abandon_a_transaction(&mut conn),
            5 => conn.discard(),
            6 => {
                conn.set_deadline(Some(ms(random.u64(1..20))));
                let _ = conn.batch_execute("select pg_sleep(0.01)");
            }
            7 => {
                // Until it is gone: the server counts a backend for a moment after its last words, and one that was only asked to
                // end may meet a later caller.
                if let Some(pid) = conn.backend_pid() {
                    self.killer.lock().unwrap().terminate(pid as i32);
                }
            }
            8 => {
                let cancel = conn.cancel_handle();
                let canceller = thread::spawn(move || cancel.cancel());
                let _ = conn.batch_execute("select pg_sleep(0.005)");
                let _ = canceller.join().unwrap();
            }
            9 => drop(conn.copy_out("copy (select generate_series(1, 100000)) to stdout").map(drop)),
            10 => thread::sleep(ms(random.u64(..8))),
            _ => {}
        }
    }
}

/// Has the threads stop however the test ends: they are waited for, so that one that fails would hang.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn is_for_lack_of_time(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PoolTimeout | ErrorKind::ConnectTimeout | ErrorKind::Overloaded)
}

fn abandon_a_result(conn: &mut PooledConnection) {
    let none: [&(dyn postgres::types::ToSql + Sync); 0] = [];
    if let Ok(mut rows) = conn.query_raw("select generate_series(1, 1000000)", none) {
        let _ = rows.next();
    }
}

fn abandon_a_transaction(conn: &mut PooledConnection) {
    if let Ok(mut transaction) = conn.transaction() {
        let _ = transaction.batch_execute("select 1");
        std::mem::forget(transaction);
    }
}

fn assert_consistent(pool: &Pool, seed: u64) {
    let s = pool.stats();
    let closed: u64 = s.closes().iter().map(|(_, n)| n).sum();
    assert!(s.total <= s.max_size, "seed {seed}: {s:?}");
    assert!(s.idle + s.in_use + s.opening <= s.total, "seed {seed}: {s:?}");
    assert!(closed <= s.opens, "seed {seed}: closed more than were opened: {s:?}");
    assert_eq!(
        u64::from(s.idle + s.in_use),
        s.opens - closed,
        "seed {seed}: some are unaccounted for: {s:?}"
    );
}

fn cut_openings(pool: &Pool) -> u64 {
    pool.stats().errors_of(ErrorKind::ConnectTimeout)
}

#[test]
fn whatever_threads_do_the_figures_agree_and_in_the_end_all_is_at_rest() {
    let seed = number("HOLDFAST_STRESS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let limit = Duration::from_secs(number("HOLDFAST_STRESS_SECONDS").unwrap_or(3));
    println!("HOLDFAST_STRESS_SEED={seed}");
    let pool = Pool::new(
        config(server(), NAME)
            .max_size(MAX_SIZE)
            .validate_after_idle(ms(1))
            .idle_timeout(ms(150))
            .max_lifetime(ms(700)),
    )
    .unwrap();
    let (mut observer, killer) = (Observer::of(server()), Mutex::new(Observer::of(server())));
    let stress = Stress {
        pool: &pool,
        killer: &killer,
        stop: AtomicBool::new(false),
        served: AtomicU64::new(0),
        seed,
    };
    thread::scope(|scope| {
        let _stop = StopAtEnd(&stress.stop);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let stress = &stress;
                scope.spawn(move || stress.run(thread))
            })
            .collect();
        let end = Instant::now() + limit;
        let mut cut_before = 0;
        while Instant::now() < end && !threads.iter().any(|t| t.is_finished()) {
            assert_consistent(&pool, seed);
            let seen = observer.backends(NAME).len() as u64;
            if seen > u64::from(MAX_SIZE) {
                // An opening that was cut at its deadline counts no more, but its session may take a moment to notice.
                thread::sleep(ms(50));
                let cut = cut_openings(&pool) - cut_before;
                assert!(seen <= u64::from(MAX_SIZE) + cut, "seed {seed}: the server sees {seen} sessions");
            }
            cut_before = cut_openings(&pool);
        }
    });
    let served = stress.served.load(Ordering::Relaxed);
    assert!(served > 100, "seed {seed}: only {served} checkouts were made");
    soon("what was abandoned is cleaned up", || {
        let s = pool.stats();
        (s.in_use, s.opening, s.waiting, s.total - s.idle) == (0, 0, 0, 0)
    });
    assert_consistent(&pool, seed);
    pool.batch_execute("select 1").expect("the pool works on");
    let start = Instant::now();
    let report = pool.close();
    assert!(start.elapsed() < ms(1500), "seed {seed}: closing took {:?}", start.elapsed());
    assert_eq!((report.cut, pool.stats().total), (0, 0), "seed {seed}");
    soon("the server is rid of all of them", || observer.backends(NAME).is_empty());
    println!("{served} checkouts, {} rolled back", pool.stats().rolled_back);
    for &reason in CloseReason::ALL {
        println!("closed {}: {}", reason.name(), pool.stats().closes_by(reason));
    }
}
