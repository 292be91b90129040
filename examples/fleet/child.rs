//! One process of the fleet: keeps its requests in flight, and tells its parent how it does, line by line.

use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::{self, Contender, Outcome};

/// The argument that makes this program a child; not for users, hence not in `--help`.
pub(crate) const FLAG: &str = "--child";

const IN_FLIGHT: usize = 16;
const REPORT_EVERY: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Record {
    served: AtomicU64,
    failed: AtomicU64,
    /// In milliseconds.
    latencies: Mutex<Vec<u32>>,
    first_failure: Mutex<Option<String>>,
}

/// Begins at the first line of standard input, ends at the next or at its end.
pub(crate) fn run(name: &str, url: &str) -> Outcome<()> {
    let mut lines = io::stdin().lock().lines();
    lines.next().transpose()?;
    let pool = contender::named(name, url)?;
    let (record, stop, begun) = (Record::default(), AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| work(&*pool, &record, &stop, begun));
        }
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                println!(
                    "now {} {} {}",
                    record.served.load(Relaxed),
                    record.failed.load(Relaxed),
                    pool.held()
                );
                thread::sleep(REPORT_EVERY);
            }
        });
        let _ = lines.next();
        // What is under way is finished, but does not count any more.
        stop.store(true, Relaxed);
    });
    if let Some(failure) = record.first_failure.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        println!("failure {}", failure.replace('\n', " "));
    }
    let latencies = record.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    let words: Vec<String> = latencies.iter().map(u32::to_string).collect();
    println!("now {} {} 0", record.served.load(Relaxed), record.failed.load(Relaxed));
    println!("latencies {}", words.join(" "));
    io::stdout().flush()?;
    Ok(())
}

fn work(pool: &dyn Contender, record: &Record, stop: &AtomicBool, begun: Instant) {
    let mut latencies = Vec::new();
    while !stop.load(Relaxed) {
        let started = Instant::now();
        match pool.request() {
            Ok(()) if stop.load(Relaxed) => {}
            Ok(()) => {
                if record.served.fetch_add(1, Relaxed) == 0 {
                    println!("first {}", begun.elapsed().as_millis());
                }
                latencies.push(u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX));
            }
            Err(error) => {
                record.failed.fetch_add(1, Relaxed);
                let mut first = record.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.to_string());
            }
        }
    }
    record.latencies.lock().unwrap_or_else(PoisonError::into_inner).append(&mut latencies);
}
