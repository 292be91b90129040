//! Limits on time: for getting a connection, for a statement, and a statement that another thread cancels.
//!
//! `cargo run --example deadlines_and_cancel`

mod support;

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{ErrorKind, Pool, PoolConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let database = support::database()?;
    let pool = Pool::new(PoolConfig::from_url(&database.url)?.max_size(1))?;

    // A deadline holds whatever the server or the network does. The connection is given up with it, since the answer
    // may still be on its way.
    let started = Instant::now();
    let mut conn = pool.get()?;
    conn.set_deadline(Some(Duration::from_millis(200)));
    let error = conn.query("SELECT pg_sleep(10)", &[]).expect_err("200 ms are not enough");
    assert_eq!(error.kind(), ErrorKind::QueryTimeout);
    println!("deadline: {} after {:?}", error.kind().name(), started.elapsed());
    drop(conn);

    // A cancel asks the server to stop; the connection stays usable.
    let mut conn = pool.get()?;
    let handle = conn.cancel_handle();
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        handle.cancel()
    });
    let error = conn.query("SELECT pg_sleep(10)", &[]).expect_err("it is cancelled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    canceller.join().expect("the thread does not panic")?;
    let still_works: i32 = conn.query_one("SELECT 1", &[])?.get(0);
    println!("cancel: {}; the connection still answers {still_works}", error.kind().name());

    // The only connection is checked out: the next caller waits no longer than its own limit.
    let error = pool.get_timeout(Duration::from_millis(100)).expect_err("the pool is empty");
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    println!("queue: {error}");
    Ok(())
}
