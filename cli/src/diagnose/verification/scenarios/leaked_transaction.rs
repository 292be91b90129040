//! One caller forgets to end a transaction; the next one must not work inside it.

use holdfast_testkit::embedded::EmbeddedPostgres;
use postgres::NoTls;
use r2d2_postgres::PostgresConnectionManager;

use crate::diagnose::verification::evidence::{Evidence, Fault, Finding};
use crate::diagnose::verification::target;
use crate::diagnose::verification::target::Subject;

pub(in crate::diagnose) fn leaked_transaction(
    subject: &Subject,
    server: &EmbeddedPostgres,
    evidence: &mut Evidence<'_>,
) -> Finding {
    let pool = subject.pool(1)?;
    pool.batch_execute("DROP TABLE IF EXISTS orders; CREATE TABLE orders (who text PRIMARY KEY)")?;

    evidence
        .tell("a caller leaves BEGIN and an INSERT open; the next inserts an order; then the server crashes");
    let mut careless = pool.get()?;
    let first_pid = careless.backend_pid();
    careless.batch_execute("BEGIN; INSERT INTO orders VALUES ('left open')")?;
    drop(careless);
    let mut next = pool.get()?;
    let next_pid = next.backend_pid();
    next.execute("INSERT INTO orders VALUES ('the next')", &[])?;
    let visible_outside = orders(server)?;
    drop(next);
    server.crash()?;
    server.start_again()?;
    let survived = orders(server)?;

    let stats = pool.stats();
    let same = if first_pid == next_pid { "the same" } else { "another" };
    evidence.expect(visible_outside == ["the next"], || {
        format!("right after the INSERT another session saw {visible_outside:?}")
    });
    evidence.expect(survived == ["the next"], || format!("after the crash there were {survived:?}"));
    evidence.expect(first_pid != next_pid || stats.rolled_back == 1, || {
        format!("{} transactions were counted as rolled back", stats.rolled_back)
    });
    evidence.figure("rolled_back", stats.rolled_back as f64, "transactions");
    let count = |who: &str| survived.iter().filter(|order| *order == who).count();
    let (kept, stray) = (count("the next"), count("left open"));
    evidence.count("orders_kept", kept, "orders");
    evidence.count("stray_orders", stray, "orders");

    evidence.tell("the same with r2d2 as it comes, for comparison");
    let lost_by_plain_pool = plain_pool_loses_it(server)?;
    evidence.figure("lost_by_r2d2", lost_by_plain_pool, "orders");
    let contrast = match lost_by_plain_pool {
        0 => "r2d2 kept it too",
        _ => "r2d2 as it comes lost it",
    };
    Ok(format!(
        "on {same} connection: {kept} of 1 acknowledged order there after a crash, {stray} stray; {contrast}"
    ))
}

fn orders(server: &EmbeddedPostgres) -> Result<Vec<String>, Fault> {
    let mut observer = postgres::Client::connect(&target::url(server), NoTls)?;
    let rows = observer.query("SELECT who FROM orders ORDER BY who", &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// How many acknowledged orders (of one) the same story costs with a pool that does not clean up: the next caller's
/// session ends, and with it the transaction that it was never aware of.
fn plain_pool_loses_it(server: &EmbeddedPostgres) -> Result<u32, Fault> {
    let config: postgres::Config = target::url(server).parse()?;
    let pool = r2d2::Pool::builder()
        .max_size(1)
        .build(PostgresConnectionManager::new(config, NoTls))
        .map_err(plain)?;
    pool.get().map_err(plain)?.batch_execute("DELETE FROM orders")?;
    pool.get().map_err(plain)?.batch_execute("BEGIN; INSERT INTO orders VALUES ('left open')")?;
    pool.get().map_err(plain)?.execute("INSERT INTO orders VALUES ('the next')", &[])?;
    let kept = orders(server)?.iter().any(|order| order == "the next");
    Ok(u32::from(!kept))
}

fn plain(error: r2d2::Error) -> Fault {
    Fault::new(format!("the plain pool: {error}"))
}
