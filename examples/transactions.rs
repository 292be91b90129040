//! Transactions: commit, roll back, and what becomes of one that nobody ends.
//!
//! `cargo run --example transactions`

mod support;

use std::error::Error;

use holdfast::{Pool, PoolConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let database = support::database()?;
    // One connection, since a temporary table belongs to its connection.
    let pool = Pool::new(PoolConfig::from_url(&database.url)?.max_size(1))?;
    pool.batch_execute(
        "CREATE TEMPORARY TABLE account (owner text PRIMARY KEY, balance int4 CHECK (balance >= 0));
         INSERT INTO account VALUES ('ada', 10), ('bob', 0)",
    )?;

    transfer(&pool, 7)?;
    println!("after 7 were moved: {:?}", balances(&pool)?);

    // Fails on the constraint; the first half is undone.
    let error = transfer(&pool, 7).expect_err("ada has only 3 left");
    println!("7 more: SQLSTATE {}", error.sqlstate().map_or("none", |state| state.code()));
    println!("after the failure: {:?}", balances(&pool)?);

    // A transaction that is still open when its caller gives the connection back is rolled back before anyone else
    // gets it.
    let mut conn = pool.get()?;
    conn.batch_execute("BEGIN; UPDATE account SET balance = 1000000 WHERE owner = 'ada'")?;
    drop(conn);
    println!("the next caller finds: {:?}", balances(&pool)?);
    println!("rolled back by the pool: {}", pool.stats().rolled_back);
    assert_eq!(balances(&pool)?, [("ada".to_owned(), 3), ("bob".to_owned(), 7)]);
    Ok(())
}

/// Run again by the pool if it conflicts with another transaction.
fn transfer(pool: &Pool, amount: i32) -> holdfast::Result<()> {
    pool.transaction(|tx| {
        tx.execute("UPDATE account SET balance = balance + $1 WHERE owner = 'bob'", &[&amount])?;
        tx.execute("UPDATE account SET balance = balance - $1 WHERE owner = 'ada'", &[&amount])?;
        Ok(())
    })
}

fn balances(pool: &Pool) -> holdfast::Result<Vec<(String, i32)>> {
    let rows = pool.query("SELECT owner, balance FROM account ORDER BY owner", &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
