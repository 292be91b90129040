//! Transactions: commit, roll back, and what becomes of one that nobody ends.
//!
//! `cargo run --features embedded --example transactions`

mod support;

use std::error::Error;

use holdfast::{Pool, PoolConfig, PooledConnection};

fn main() -> Result<(), Box<dyn Error>> {
    let database = support::database()?;
    // One connection, since a temporary table belongs to its connection.
    let pool = Pool::new(PoolConfig::from_url(&database.url)?.max_size(1))?;
    let mut conn = pool.get()?;
    conn.batch_execute(
        "CREATE TEMPORARY TABLE account (owner text PRIMARY KEY, balance int4 CHECK (balance >= 0));
         INSERT INTO account VALUES ('ada', 10), ('bob', 0)",
    )?;

    transfer(&mut conn, 7)?;
    println!("after 7 were moved: {:?}", balances(&mut conn)?);

    // Fails on the constraint; the first half is undone as the transaction is dropped.
    let error = transfer(&mut conn, 7).expect_err("ada has only 3 left");
    println!("7 more: SQLSTATE {}", error.sqlstate().map_or("none", |state| state.code()));
    println!("after the failure: {:?}", balances(&mut conn)?);

    // A transaction that is still open when its borrower gives the connection back is rolled back before anyone else
    // gets it.
    conn.batch_execute("BEGIN; UPDATE account SET balance = 1000000 WHERE owner = 'ada'")?;
    drop(conn);
    let mut next = pool.get()?;
    println!("the next borrower finds: {:?}", balances(&mut next)?);
    println!("rolled back by the pool: {}", pool.stats().rolled_back);
    assert_eq!(balances(&mut next)?, [("ada".to_owned(), 3), ("bob".to_owned(), 7)]);
    Ok(())
}

fn transfer(conn: &mut PooledConnection, amount: i32) -> holdfast::Result<()> {
    let mut tx = conn.transaction()?;
    tx.execute("UPDATE account SET balance = balance + $1 WHERE owner = 'bob'", &[&amount])?;
    tx.execute("UPDATE account SET balance = balance - $1 WHERE owner = 'ada'", &[&amount])?;
    tx.commit()?;
    Ok(())
}

fn balances(conn: &mut PooledConnection) -> holdfast::Result<Vec<(String, i32)>> {
    let rows = conn.query("SELECT owner, balance FROM account ORDER BY owner", &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
