//! What pools and connections hold: memory, descriptors, threads. Each subject in a process of its own.

use holdfast::PoolConfig;
use holdfast::postgres::NoTls;
use r2d2_postgres::PostgresConnectionManager;

use super::Bench;
use crate::support::procfs::Holdings;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave_cold};
use crate::support::subjects::{HOLDFAST, LIBPQ, Libpq, POINT, R2D2, StockPool, any_key};
use crate::support::{Outcome, children};

pub const NAME: &str = "footprint";
/// Averages what allocators take in steps.
const CONNECTIONS: u32 = 50;
const FURTHER_POOLS: usize = 10;
/// Memory in KiB, descriptors, threads.
const MOST_PER_CONNECTION: [f64; 3] = [16.0, 1.0, 0.0];

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let contenders = [HOLDFAST, R2D2, LIBPQ]
        .map(|name| Contender::new(name, move || children::measure(NAME, name, &bench.url)));
    let series = interleave_cold(bench.options.rounds(5), contenders.into_iter().collect())?;
    let things = [
        ("connection", "each open connection, after a query"),
        ("first-pool", "the first pool of a process, nothing open"),
        ("further-pool", "each further pool, nothing open"),
    ];
    let units = [("memory", "KiB", 1), ("descriptors", "descriptors", 2), ("threads", "threads", 2)];
    let mut results = Vec::new();
    for (i, (thing, title)) in things.into_iter().enumerate() {
        for (j, (quantity, unit, digits)) in units.into_iter().enumerate() {
            let result = Measurement::new(
                format!("footprint/{thing}/{quantity}"),
                format!("{title}: {quantity}"),
                (unit, digits, Better::Less),
            )
            .of(&series, i * units.len() + j);
            let most = MOST_PER_CONNECTION[j];
            results.push(match thing {
                "connection" => result.target(Judged::Median, Bound::AtMost(most)),
                _ => result,
            });
        }
    }
    Ok(results)
}

/// In a process of its own: holdings per connection and, where there are pools, of the first and of each further one.
pub fn child(subject: &str, url: &str) -> Outcome<()> {
    let shares = match subject {
        HOLDFAST => holdfast(url)?,
        R2D2 => stock(url)?,
        LIBPQ => libpq(url)?,
        other => return Err(format!("no such subject: {other}").into()),
    };
    let figures = shares.into_iter().flat_map(|h| [h.memory_kib, h.descriptors, h.threads]);
    children::hand_over(&figures.collect::<Vec<_>>());
    Ok(())
}

fn holdfast(url: &str) -> Outcome<Vec<Holdings>> {
    let make =
        || -> Outcome<_> { Ok(holdfast::Pool::new(PoolConfig::from_url(url)?.max_size(CONNECTIONS + 1))?) };
    let (pool, first) = cost(1, make)?;
    let (_others, further) = cost(FURTHER_POOLS, || many(FURTHER_POOLS, make))?;
    let open = || -> Outcome<_> {
        let mut conn = pool.get()?;
        conn.query_one(POINT, &[&any_key()])?;
        Ok(conn)
    };
    // What only the first one costs belongs to no connection.
    let _one = open()?;
    let (_all, each) = cost(CONNECTIONS as usize, || many(CONNECTIONS as usize, open))?;
    Ok(vec![each, first, further])
}

fn stock(url: &str) -> Outcome<Vec<Holdings>> {
    // With r2d2's default every pool would open all its connections at once.
    let make = || -> Outcome<StockPool> {
        let manager = PostgresConnectionManager::new(url.parse()?, NoTls);
        Ok(r2d2::Pool::builder().max_size(CONNECTIONS + 1).min_idle(Some(0)).build(manager)?)
    };
    let (pool, first) = cost(1, make)?;
    let (_others, further) = cost(FURTHER_POOLS, || many(FURTHER_POOLS, make))?;
    let open = || -> Outcome<_> {
        let mut conn = pool.get()?;
        conn.query_one(POINT, &[&any_key()])?;
        Ok(conn)
    };
    let _one = open()?;
    let (_all, each) = cost(CONNECTIONS as usize, || many(CONNECTIONS as usize, open))?;
    Ok(vec![each, first, further])
}

fn libpq(url: &str) -> Outcome<Vec<Holdings>> {
    let open = || -> Outcome<_> {
        let mut conn = Libpq::open(url)?;
        conn.point()?;
        Ok(conn)
    };
    let _one = open()?;
    let (_all, each) = cost(CONNECTIONS as usize, || many(CONNECTIONS as usize, open))?;
    Ok(vec![each])
}

/// Makes something and tells what each of its `n` parts added to the process.
fn cost<T>(n: usize, make: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Holdings)> {
    let before = Holdings::now()?;
    let made = make()?;
    Ok((made, (Holdings::now()? - before).split(n as f64)))
}

fn many<T>(n: usize, mut make: impl FnMut() -> Outcome<T>) -> Outcome<Vec<T>> {
    (0..n).map(|_| make()).collect()
}
