//! A server is restarted under traffic: what do the threads see of it?
//!
//! `cargo run --release --example restart -- --help`

#[path = "support/arguments.rs"]
mod arguments;

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arguments::{Arguments, Number};
use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};

const ABOUT: &str = "Restarts a private PostgreSQL (fast, as `pg_ctl restart -m fast` does) while threads run idempotent\n\
                     statements through a pool. The exit code is 1 if any statement failed.";
const OPTIONS: [Number; 2] = [
    Number { name: "--threads", usual: 8, meaning: "threads that use the pool" },
    Number { name: "--restarts", usual: 1, meaning: "how often the server is restarted" },
];
/// Traffic before each restart, and after the last.
const BETWEEN: Duration = Duration::from_millis(1_000);

/// What one thread saw.
#[derive(Default)]
struct Seen {
    done: usize,
    failures: Vec<holdfast::Error>,
    longest: Duration,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let given = Arguments::read(ABOUT, &OPTIONS);
    let server = EmbeddedPostgres::start()?;
    let pool = Pool::new(PoolConfig::from_url(&server.url())?.max_size(5))?;
    pool.batch_execute("CREATE TABLE stock (item int PRIMARY KEY, n int); INSERT INTO stock VALUES (7, 0)")?;

    let ended = AtomicBool::new(false);
    let (seen, outages) = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..given.number("--threads")).map(|_| scope.spawn(|| use_it(&pool, &ended))).collect();
        let outages = restart_often(&server, given.number("--restarts"));
        ended.store(true, Ordering::Relaxed);
        let seen: Vec<Seen> = threads.into_iter().map(|t| t.join().expect("no panic")).collect();
        (seen, outages)
    });
    let outages = outages?;
    report(&seen, &outages, given.json);
    Ok(ExitCode::from(u8::from(seen.iter().any(|seen| !seen.failures.is_empty()))))
}

/// Returns how long each outage lasted, from the word to stop until the server took connections again.
fn restart_often(
    server: &EmbeddedPostgres,
    restarts: usize,
) -> Result<Vec<Duration>, holdfast_testkit::embedded::Error> {
    thread::sleep(BETWEEN);
    let mut outages = Vec::new();
    for _ in 0..restarts {
        let begun = Instant::now();
        server.stop(StopMode::Fast)?;
        server.start_again()?;
        outages.push(begun.elapsed());
        thread::sleep(BETWEEN);
    }
    Ok(outages)
}

fn use_it(pool: &Pool, ended: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !ended.load(Ordering::Relaxed) {
        let begun = Instant::now();
        // Whether it ran once or twice makes no difference.
        let sql = "UPDATE stock SET n = $1 WHERE item = 7";
        match pool.idempotent().execute(sql, &[&5i32]) {
            Ok(_) => seen.done += 1,
            Err(error) => seen.failures.push(error),
        }
        seen.longest = seen.longest.max(begun.elapsed());
    }
    seen
}

fn report(seen: &[Seen], outages: &[Duration], json: bool) {
    let done: usize = seen.iter().map(|seen| seen.done).sum();
    let failures: Vec<_> = seen.iter().flat_map(|seen| &seen.failures).collect();
    let longest = seen.iter().map(|seen| seen.longest).max().unwrap_or_default();
    let outage = outages.iter().max().copied().unwrap_or_default();
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    if json {
        println!(
            "{{\"threads\": {}, \"restarts\": {}, \"done\": {done}, \"failed\": {}, \"outage_ms\": {:.1}, \"longest_ms\": {:.1}}}",
            seen.len(),
            outages.len(),
            failures.len(),
            ms(outage),
            ms(longest)
        );
    } else {
        println!(
            "{} restarts under {} threads; the longest outage: {:.0} ms",
            outages.len(),
            seen.len(),
            ms(outage)
        );
        println!("{done} statements done, {} failed", failures.len());
        println!("the longest took {:.0} ms: the outage and {:.0} ms", ms(longest), ms(longest) - ms(outage));
    }
    for error in failures.iter().take(3) {
        eprintln!("failed: {error}");
    }
}
