//! A program that writes orders down, with tests that prove that it survives a full server.
//!
//! `cargo run --package pg-holdfast-testkit --example orders -- postgresql://app@db/orders`, and
//! `cargo test --package pg-holdfast-testkit --example orders`

use std::env;
use std::error::Error;
use std::thread;

use holdfast::{Pool, PoolConfig};

fn pool(url: &str) -> holdfast::Result<Pool> {
    Pool::new(PoolConfig::from_url(url)?.max_size(2))
}

/// Writes orders down from four threads, and returns how many there are.
fn take_orders(pool: &Pool, orders: &[&str]) -> holdfast::Result<i64> {
    pool.batch_execute("CREATE TABLE IF NOT EXISTS orders (item text)")?;
    thread::scope(|scope| {
        let share = orders.len().div_ceil(4).max(1);
        let clerks: Vec<_> = orders
            .chunks(share)
            .map(|orders| {
                scope.spawn(move || {
                    orders.iter().try_for_each(|item| {
                        pool.execute("INSERT INTO orders VALUES ($1)", &[item]).map(drop)
                    })
                })
            })
            .collect();
        clerks.into_iter().try_for_each(|clerk| clerk.join().expect("a clerk does not panic"))
    })?;
    Ok(pool.query_one("SELECT count(*) FROM orders", &[])?.get(0))
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("usage: orders postgresql://...")?;
    let pool = pool(&url)?;
    println!("{} orders", take_orders(&pool, &["rope", "anchor", "lamp"])?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use holdfast::ErrorKind;
    use holdfast_testkit::full_server::FullServer;

    use super::*;

    /// The time for which the server stays full.
    const BUSY: Duration = Duration::from_millis(700);

    #[test]
    fn orders_wait_while_the_server_is_full_and_none_is_lost() {
        let server = FullServer::start(3).unwrap();
        let pool = pool(&server.url()).unwrap();
        let begun = Instant::now();
        let count = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(BUSY);
                server.free(1).unwrap();
            });
            take_orders(&pool, &["rope"; 20]).unwrap()
        });
        assert_eq!(count, 20);
        assert!(begun.elapsed() >= BUSY, "there was no slot before");
    }

    #[test]
    fn a_server_that_stays_full_is_named_in_the_error() {
        let server = FullServer::start(3).unwrap();
        let config = PoolConfig::from_url(&server.url()).unwrap().connection_timeout(BUSY);
        let error = take_orders(&Pool::new(config).unwrap(), &["rope"]).unwrap_err();
        assert_eq!(error.sqlstate().map(|code| code.code()), Some("53300"), "{error}");
        assert_eq!(error.kind(), ErrorKind::ServerFull);
    }
}
