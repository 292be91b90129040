//! A program written for `postgres` 0.19, and the same program on Holdfast: `program.rs` is compiled twice, and the lines that
//! differ are those of `with_postgres.rs` and `with_holdfast.rs`, which name the connection's type and its library. Both runs
//! print the same.
//!
//! ```sh
//! cargo run --example from_postgres
//! ```
//!
//! What differs between the two libraries:
//!
//! - Connections come from a pool: there is no `Client::connect`, `Config` nor `NoTls`, and no `Client::close`: a connection goes
//!   back when it is dropped, and `discard()` closes it. `conn.client()` gives a `postgres::Client` on the same session to code
//!   that insists on one.
//! - Errors are `holdfast::Error`. `as_db_error`, `code` and `is_closed` are there, and say the same of what the server said;
//!   `DbError` is `ServerMessage`, whose `position()` is returned by value and whose `severity()` is never localized. The words of
//!   other errors are others.
//! - `commit()` of a transaction in which a statement had failed is an error: nothing was committed. In `postgres` it is `Ok`.
//!   A COMMIT whose answer was lost is `CommitUnknown`.
//! - `transaction()` where one was begun by hand is refused; in `postgres` it goes on in the other.
//! - A transaction that is dropped does not wait for the server.
//! - Any text is prepared once for each connection; `prepare` is for those who want to know types. A `Statement` goes with any
//!   connection. What went stale is prepared anew.
//! - The rows of one result share its memory, until the last of them is dropped.
//! - Types of the user's own are looked up once for all connections of the pool, and again when they turn out to have been altered.
//! - `cancel_token()` returns a `CancelHandle`, whose `cancel()` needs no TLS settings.
//! - A guard that was leaked (`mem::forget`) keeps the connection from other statements until it goes back to its pool.
//! - Numbers of processes in notifications are the same, and `notifications().len()` counts those that came with replies.

mod with_holdfast;
mod with_postgres;

use std::error::Error;

use holdfast::Pool;
use holdfast_testkit::embedded::EmbeddedPostgres;

fn main() -> Result<(), Box<dyn Error>> {
    let by_postgres = {
        let server = EmbeddedPostgres::start()?;
        let mut client = postgres::Client::connect(&server.url(), postgres::NoTls)?;
        with_postgres::run(&mut client)?
    };
    let by_holdfast = {
        let server = EmbeddedPostgres::start()?;
        let pool = Pool::from_url(&server.url())?;
        let mut conn = pool.get()?;
        with_holdfast::run(&mut conn)?
    };
    print!("{by_holdfast}");
    if by_postgres != by_holdfast {
        return Err(format!("with postgres it is:\n{by_postgres}").into());
    }
    println!("the same with both");
    Ok(())
}
