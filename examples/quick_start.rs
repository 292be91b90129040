//! A pool, a query, a connection that is checked out, figures, and the end.
//!
//! `cargo run --example quick_start`

mod support;

use std::error::Error;

use holdfast::{Pool, PoolConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let database = support::database()?;

    // Opens nothing yet.
    let pool = Pool::new(PoolConfig::from_url(&database.url)?.max_size(4))?;

    // Check out, query, give back, in one call. The statement is prepared once per connection.
    let row = pool.query_one("SELECT $1::text || ', ' || current_database()", &[&"hello"])?;
    println!("{}", row.get::<_, String>(0));

    // Or check out a connection, which goes back when dropped.
    let mut conn = pool.get()?;
    for row in conn.query("SELECT n, n * n FROM generate_series(1, 3) AS n", &[])? {
        println!("{} squared is {}", row.get::<_, i32>(0), row.get::<_, i32>(1));
    }
    drop(conn);

    // An error says what happened, and whether trying again is of any use.
    let error = pool.query("SELECT * FROM no_such_table", &[]).expect_err("there is no such table");
    println!("{}: {error}", error.kind().name());

    let stats = pool.stats();
    println!("{} checkouts over {} connection(s), {} idle now", stats.gets, stats.opens, stats.idle);

    let report = pool.close();
    println!("closed in {:?}; {} connections had to be cut", report.elapsed, report.cut);
    Ok(())
}
