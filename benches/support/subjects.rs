//! The peers, each set up as its users would for speed, and the data they all ask for.

use std::ffi::CStr;
use std::hint::black_box;
use std::time::Duration;

use holdfast::postgres::{Client, Config, NoTls, Statement};
use holdfast::{Pool, PoolConfig};
use parking_lot::{Mutex, MutexGuard};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use super::{Outcome, libpq};

pub const HOLDFAST: &str = "Holdfast";
pub const UNTIMED: &str = "Holdfast without metrics";
pub const R2D2: &str = "stock r2d2";
pub const BARE: &str = "bare client";
pub const LIBPQ: &str = "libpq";

/// A lookup of one row by its key.
pub const POINT: &str = "select payload from item where id = $1";
const ITEMS: i32 = 10_000;
/// 100,000 rows of 4 columns: int4, int8, text, timestamptz.
pub const MANY: &str = "select id, amount, note, at from wide";
pub const MANY_ROWS: usize = 100_000;

/// Makes the tables behind [`POINT`] and [`MANY`]; to be followed by `vacuum analyze`, so that no round pays for it.
pub const TABLES: &str = "
    create table item (id int4 primary key, payload text not null);
    insert into item select i, 'payload of item ' || i from generate_series(1, 10000) i;
    create table wide as
        select i as id, i * int8 '1000' as amount, 'note number ' || i as note,
               timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second' as at
        from generate_series(1, 100000) i;";

/// A key of a row that exists.
pub fn any_key() -> i32 {
    fastrand::i32(1..=ITEMS)
}

/// A pool with `size` connections, all open. It keeps them while the other subjects have their turns.
pub fn holdfast(url: &str, size: u32) -> Outcome<Pool> {
    all_open(PoolConfig::from_url(url)?, size)
}

/// The same, measuring no durations.
pub fn holdfast_without_metrics(url: &str, size: u32) -> Outcome<Pool> {
    all_open(PoolConfig::from_url(url)?.metrics(false), size)
}

fn all_open(config: PoolConfig, size: u32) -> Outcome<Pool> {
    let pool = Pool::new(config.max_size(size).idle_timeout(Duration::from_secs(600)))?;
    let all: Result<Vec<_>, _> = (0..size).map(|_| pool.get()).collect();
    drop(all?);
    Ok(pool)
}

pub type StockPool = r2d2::Pool<PostgresConnectionManager<NoTls>>;

/// r2d2 as it comes, but for the round trip before every checkout, which no measurement here is about.
pub fn stock_r2d2(url: &str, size: u32) -> Outcome<StockPool> {
    let manager = PostgresConnectionManager::new(url.parse()?, NoTls);
    Ok(r2d2::Pool::builder().max_size(size).test_on_check_out(false).build(manager)?)
}

/// r2d2 whose connections come with the point query prepared: the best its users can do, since it keeps no statements.
pub struct Preparing(PostgresConnectionManager<NoTls>);

impl ManageConnection for Preparing {
    type Connection = Bare;
    type Error = holdfast::postgres::Error;

    fn connect(&self) -> Result<Bare, Self::Error> {
        let mut client = self.0.connect()?;
        let point = client.prepare(POINT)?;
        Ok(Bare { client, point })
    }

    fn is_valid(&self, conn: &mut Bare) -> Result<(), Self::Error> {
        self.0.is_valid(&mut conn.client)
    }

    fn has_broken(&self, conn: &mut Bare) -> bool {
        self.0.has_broken(&mut conn.client)
    }
}

pub fn preparing_r2d2(url: &str, size: u32) -> Outcome<r2d2::Pool<Preparing>> {
    let manager = Preparing(PostgresConnectionManager::new(url.parse()?, NoTls));
    Ok(r2d2::Pool::builder().max_size(size).test_on_check_out(false).build(manager)?)
}

/// The driver without a pool, the point query prepared.
pub struct Bare {
    pub client: Client,
    point: Statement,
}

impl Bare {
    pub fn open(url: &str) -> Outcome<Self> {
        let mut client = url.parse::<Config>()?.connect(NoTls)?;
        let point = client.prepare(POINT)?;
        Ok(Self { client, point })
    }

    pub fn point(&mut self) -> Outcome<()> {
        let row = self.client.query_one(&self.point, &[&any_key()])?;
        black_box(row.get::<_, &str>(0));
        Ok(())
    }
}

/// libpq with the point query prepared.
pub struct Libpq(pub libpq::Connection);

impl Libpq {
    const STATEMENT: &CStr = c"point";

    pub fn open(url: &str) -> Outcome<Self> {
        // Only libpq asks for GSSAPI encryption before anything else.
        let mut conn = libpq::Connection::open(&format!("{url}?gssencmode=disable&sslmode=disable"))?;
        conn.prepare(Self::STATEMENT, POINT)?;
        Ok(Self(conn))
    }

    pub fn point(&mut self) -> Outcome<()> {
        let rows = self.0.execute_prepared(Self::STATEMENT, any_key())?;
        if rows.len() != 1 {
            return Err(format!("{} rows for one key", rows.len()).into());
        }
        black_box(rows.value(0, 0));
        Ok(())
    }
}

/// The point query through the pool; its text finds the prepared statement.
pub fn point_through(pool: &Pool) -> Outcome<()> {
    let row = pool.query_one(POINT, &[&any_key()])?;
    black_box(row.get::<_, &str>(0));
    Ok(())
}

/// Connections for threads that keep one each.
pub struct OnePerThread<T>(Vec<Mutex<T>>);

impl<T> OnePerThread<T> {
    pub fn open(n: usize, open: impl Fn() -> Outcome<T>) -> Outcome<Self> {
        Ok(Self((0..n).map(|_| open().map(Mutex::new)).collect::<Outcome<_>>()?))
    }

    /// The connection of a thread, for as long as the thread works.
    pub fn of(&self, thread: usize) -> MutexGuard<'_, T> {
        self.0[thread].lock()
    }
}
