//! A server goes away and comes back while many threads want connections: how often is it dialled meanwhile, and how soon is
//! traffic back?
//!
//! `cargo run --release --example storm -- --help`

#[path = "support/arguments.rs"]
mod arguments;
#[path = "support/relay.rs"]
mod relay;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arguments::{Arguments, Number};
use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};
use r2d2_postgres::PostgresConnectionManager;
use r2d2_postgres::postgres::{Client, NoTls};
use relay::Relay;

const ABOUT: &str = "Stops a private PostgreSQL for a while under the traffic of many threads on 8 connections, and counts how often\n\
                     it is dialled in all, and how soon after its return traffic is back at 90 %. Beside Holdfast: stock r2d2.\n\
                     The exit code is 1 if Holdfast dialled 80 times or more, or traffic took longer than 150 ms (and --slack).";
const OPTIONS: [Number; 3] = [
    Number { name: "--threads", usual: 64, meaning: "threads that want connections" },
    Number { name: "--outage", usual: 10_000, meaning: "how long the server is away, in milliseconds" },
    Number {
        name: "--slack",
        usual: 1,
        meaning: "milliseconds more that traffic may take, on a busy machine",
    },
];
const CONNECTIONS: u32 = 8;
const MOST_DIALLED: usize = 80;
const BACK_WITHIN: Duration = Duration::from_millis(150);
/// Traffic is counted over so long.
const WINDOW: Duration = Duration::from_millis(20);
const BEFORE: Duration = Duration::from_millis(1_500);
const AFTER: Duration = Duration::from_millis(5_000);
/// What a thread does after a failure, as a server's worker that answers "try later".
const AFTER_FAILURE: Duration = Duration::from_millis(5);

struct Seen {
    name: &'static str,
    dialled: usize,
    failed: usize,
    back_after: Option<Duration>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let given = Arguments::read(ABOUT, &OPTIONS);
    let mut seen = Vec::new();
    for stock in [false, true] {
        let server = EmbeddedPostgres::start()?;
        let relay = Relay::start(format!("{}:{}", server.host(), server.port()).parse()?)?;
        let url = format!("{}?sslmode=disable", server.url_at(&relay.address.to_string()));
        seen.push(if stock {
            let manager = PostgresConnectionManager::new(url.parse()?, NoTls);
            let pool = r2d2::Pool::builder().max_size(CONNECTIONS).build(manager)?;
            let work = || pool.get().is_ok_and(|mut conn| conn.simple_query("select 1").is_ok());
            watch("stock r2d2", &server, &relay, &given, work)?
        } else {
            let pool = Pool::new(PoolConfig::from_url(&url)?.max_size(CONNECTIONS))?;
            let work = || pool.get().is_ok_and(|mut conn| conn.simple_query("select 1").is_ok());
            watch("Holdfast", &server, &relay, &given, work)?
        });
    }
    report(&seen, &given);
    let ours = &seen[0];
    let limit = BACK_WITHIN + Duration::from_millis(given.number("--slack") as u64);
    let missed = ours.dialled >= MOST_DIALLED || ours.back_after.is_none_or(|back| back > limit);
    Ok(ExitCode::from(u8::from(missed)))
}

/// Has all threads work, stops the server, starts it again.
fn watch(
    name: &'static str,
    server: &EmbeddedPostgres,
    relay: &Relay,
    given: &Arguments,
    work: impl Fn() -> bool + Sync,
) -> Result<Seen, Box<dyn Error>> {
    let (ended, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let done = Mutex::new(Vec::new());
    let (stopped, back, dialled) = thread::scope(|scope| {
        for _ in 0..given.number("--threads") {
            scope.spawn(|| {
                let mut own = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    if work() {
                        own.push(Instant::now());
                    } else {
                        failed.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(AFTER_FAILURE);
                    }
                }
                done.lock().expect("no panic").extend(own);
            });
        }
        let outage = make_outage(server, relay, Duration::from_millis(given.number("--outage") as u64));
        ended.store(true, Ordering::Relaxed);
        outage
    })?;
    let mut done = done.into_inner().expect("no panic");
    done.sort_unstable();
    let (failed, back_after) = (failed.into_inner(), back_at_90_percent(&done, stopped, back));
    Ok(Seen { name, dialled, failed, back_after })
}

/// When the server was stopped, when it was back, and how often it was dialled in vain between.
fn make_outage(
    server: &EmbeddedPostgres,
    relay: &Relay,
    outage: Duration,
) -> Result<(Instant, Instant, usize), holdfast_testkit::embedded::Error> {
    thread::sleep(BEFORE);
    // Those that are open end with the server.
    let before = relay.ended() + relay.open();
    let stopped = Instant::now();
    server.stop(StopMode::Immediate)?;
    thread::sleep(outage.saturating_sub(stopped.elapsed()));
    let url = server.url();
    let (back, dialled) = thread::scope(|scope| {
        let back = scope.spawn(|| {
            while Client::connect(&url, NoTls).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
            (Instant::now(), relay.ended() - before)
        });
        server.start_again().map(|()| back.join().expect("no panic"))
    })?;
    thread::sleep(AFTER);
    Ok((stopped, back, dialled))
}

/// The end of the first window after the return in which as much was done as 90 % of what was before.
fn back_at_90_percent(done: &[Instant], stopped: Instant, back: Instant) -> Option<Duration> {
    let within = |from: Instant, to: Instant| {
        done.partition_point(|at| *at < to) - done.partition_point(|at| *at < from)
    };
    let usual = within(stopped - BEFORE / 2, stopped) as f64 / (BEFORE / 2).as_secs_f64();
    let enough = 0.9 * usual * WINDOW.as_secs_f64();
    let ends = (0..AFTER.as_millis() as u32).map(|ms| back + Duration::from_millis(1) * ms + WINDOW);
    ends.into_iter().find(|end| within(*end - WINDOW, *end) as f64 >= enough).map(|end| end - back)
}

fn report(seen: &[Seen], given: &Arguments) {
    let outage = given.number("--outage");
    for Seen { name, dialled, failed, back_after } in seen {
        let back = back_after.map(|back| back.as_millis());
        if given.json {
            let back = back.map_or("null".to_owned(), |ms| ms.to_string());
            println!(
                "{{\"pool\": \"{name}\", \"outage_ms\": {outage}, \"dialled\": {dialled}, \"failed\": {failed}, \"back_after_ms\": {back}}}"
            );
        } else {
            let back = back.map_or("not back".to_owned(), |ms| format!("back at 90 % after {ms} ms"));
            println!(
                "{name:<12} {outage} ms away: dialled {dialled} times, {failed} calls failed, traffic {back}"
            );
        }
    }
}
