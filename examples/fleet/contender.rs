//! What is compared: three ways for a process to have at most eight connections.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use r2d2_postgres::PostgresConnectionManager;

/// Connections per process.
pub(crate) const SIZE: u32 = 8;
/// Time spent in the server by each request.
const WORK: &str = "select pg_sleep(0.02)";

pub(crate) const NAMES: [&str; 3] = ["holdfast", "r2d2", "retry"];

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A process's pool.
pub(crate) trait Contender: Send + Sync {
    /// Gets a connection and works with it.
    fn request(&self) -> Outcome<()>;
    /// Connections at present.
    fn held(&self) -> u32;
}

pub(crate) fn named(name: &str, url: &str) -> Outcome<Box<dyn Contender>> {
    Ok(match name {
        "r2d2" => Box::new(stock_r2d2(url)?),
        "retry" => Box::new(RetryLoop::new(url)),
        _ => Box::new(holdfast::Pool::new(holdfast::PoolConfig::from_url(url)?.max_size(SIZE))?),
    })
}

impl Contender for holdfast::Pool {
    fn request(&self) -> Outcome<()> {
        Ok(self.get()?.batch_execute(WORK)?)
    }

    fn held(&self) -> u32 {
        self.stats().total
    }
}

/// As it comes, but for the size and for the time that Holdfast has too.
fn stock_r2d2(url: &str) -> Outcome<r2d2::Pool<PostgresConnectionManager<NoTls>>> {
    let manager = PostgresConnectionManager::new(url.parse()?, NoTls);
    let pool = r2d2::Pool::builder().max_size(SIZE).connection_timeout(Duration::from_secs(8));
    Ok(pool.error_handler(Box::new(r2d2::NopErrorHandler)).build_unchecked(manager))
}

impl Contender for r2d2::Pool<PostgresConnectionManager<NoTls>> {
    fn request(&self) -> Outcome<()> {
        Ok(self.get()?.batch_execute(WORK)?)
    }

    fn held(&self) -> u32 {
        self.state().connections
    }
}

/// What is found around many pools: on "too many connections" wait a little and try again, for three seconds.
struct RetryLoop {
    url: String,
    state: Mutex<(Vec<Client>, u32)>,
    returned: Condvar,
}

impl RetryLoop {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), state: Mutex::default(), returned: Condvar::new() }
    }

    fn get(&self) -> Result<Client, postgres::Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(client) = state.0.pop() {
                return Ok(client);
            }
            if state.1 < SIZE {
                state.1 += 1;
                break;
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        Client::connect(&self.url, NoTls).inspect_err(|_| self.give_back(None))
    }

    fn give_back(&self, client: Option<Client>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match client {
            Some(client) => state.0.push(client),
            None => state.1 -= 1,
        }
        drop(state);
        self.returned.notify_one();
    }
}

impl Contender for RetryLoop {
    fn request(&self) -> Outcome<()> {
        let (started, mut wait) = (Instant::now(), Duration::from_millis(100));
        let mut client = loop {
            match self.get() {
                Ok(client) => break client,
                Err(error) if started.elapsed() + wait > Duration::from_secs(3) => return Err(error.into()),
                Err(_) => {
                    thread::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0));
                    wait = (wait * 2).min(Duration::from_secs(1));
                }
            }
        };
        let worked = client.batch_execute(WORK);
        self.give_back(worked.is_ok().then_some(client));
        Ok(worked?)
    }

    fn held(&self) -> u32 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
