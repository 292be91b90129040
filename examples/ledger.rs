//! Sixteen threads move money through `pool.transaction` while sessions are ended, the server is restarted and crashes, and
//! the network loses what is sent. In the end the books are checked: they balance, each transaction that was reported as
//! committed is there once, none that was reported as failed is there, and those in doubt are named.
//!
//! `cargo run --release --example ledger -- --help`

#[path = "support/arguments.rs"]
mod arguments;
#[path = "support/network.rs"]
mod network;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arguments::{Arguments, Number};
use holdfast::postgres::Client;
use holdfast::{ErrorKind, Pool, PoolConfig, Transaction, TransactionOptions};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};
use network::Network;

const ABOUT: &str = "Moves money between accounts of a private PostgreSQL through a pool, in the midst of faults, until there\n\
                     have been enough of both, and checks the books. The exit code is 1 if they are wrong.";
const OPTIONS: [Number; 3] = [
    Number { name: "--transactions", usual: 10_000, meaning: "at least so many transactions" },
    Number { name: "--faults", usual: 200, meaning: "at least so many faults" },
    Number { name: "--threads", usual: 16, meaning: "threads that move money" },
];
const NAME: &str = "ledger";
const ACCOUNTS: i32 = 64;
const EACH: i64 = 1_000;
/// From one fault to the next.
const BREATH: Duration = Duration::from_millis(40);

/// How a transaction ended, as the pool reported it.
enum Reported {
    Committed,
    Failed(ErrorKind),
    /// With the error in words, which has the transaction's id where that was asked for.
    InDoubt(String),
}

/// The name of a transaction: its thread, and its number there.
type Name = (i32, i32);

struct Diary {
    reported: Vec<(Name, Reported)>,
    reruns: u32,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let given = Arguments::read(ABOUT, &OPTIONS);
    let server = EmbeddedPostgres::builder().setting("deadlock_timeout", "20ms").start()?;
    server.execute(&format!(
        "CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
         INSERT INTO account SELECT n, {EACH} FROM generate_series(1, {ACCOUNTS}) n;
         -- No key, so that what is there twice would be seen.
         CREATE TABLE entry (thread int, number int, giver int, taker int, amount bigint)"
    ))?;
    let network = Network::to(server.port())?;
    let pool = pool(&server.url_at(&format!("127.0.0.1:{}", network.port())))?;

    let begun = Instant::now();
    let (moved, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (diaries, faults) = thread::scope(|scope| {
        let threads: Vec<_> = (0..given.number("--threads") as i32)
            .map(|thread| {
                scope.spawn({
                    let (pool, moved, enough) = (&pool, &moved, &enough);
                    move || move_money(pool, thread, moved, enough)
                })
            })
            .collect();
        let faults = disturb(&server, &network, &moved, &given);
        enough.store(true, Ordering::Relaxed);
        let diaries: Vec<Diary> = threads.into_iter().map(|t| t.join().expect("no panic")).collect();
        (diaries, faults)
    });
    let took = begun.elapsed();
    pool.close();
    let books = Books::read(&server)?;
    Ok(report(&Audit::of(&diaries, &books), &diaries, &faults?, took, given.json))
}

/// Retries often, so that outages are short for the threads. Nothing takes longer than a second, so that what the network
/// loses is noticed.
fn pool(url: &str) -> holdfast::Result<Pool> {
    let second = Duration::from_secs(1);
    Pool::new(
        PoolConfig::from_url(url)?
            .application_name(NAME)
            .max_size(8)
            .retry_max(20)
            .retry_base_delay(Duration::from_millis(20))
            .retry_max_delay(Duration::from_millis(200))
            .statement_deadline(second),
    )
}

// ---- the traffic ----

fn move_money(pool: &Pool, thread: i32, moved: &AtomicUsize, enough: &AtomicBool) -> Diary {
    let mut diary = Diary { reported: Vec::new(), reruns: 0 };
    // Half of them ask what became of a commit whose answer was lost; for the others it stays in doubt.
    let options = TransactionOptions::new().resolve_commit(thread % 2 == 0);
    for number in 0.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let (giver, taker) = (fastrand::i32(1..=ACCOUNTS), fastrand::i32(1..=ACCOUNTS));
        let amount = fastrand::i64(1..=100);
        let mut reruns = 0;
        let result = pool.transaction_with(options.clone(), |tx| {
            reruns = tx.reruns();
            transfer(tx, (thread, number), giver, taker, amount)
        });
        diary.reruns += reruns;
        let reported = match result {
            Ok(()) => Reported::Committed,
            Err(error) if error.kind() == ErrorKind::CommitUnknown => Reported::InDoubt(error.to_string()),
            Err(error) => Reported::Failed(error.kind()),
        };
        diary.reported.push(((thread, number), reported));
        moved.fetch_add(1, Ordering::Relaxed);
    }
    diary
}

/// Transfers that lock accounts in another order may end in a deadlock.
fn transfer(
    tx: &mut Transaction<'_>,
    name: Name,
    giver: i32,
    taker: i32,
    amount: i64,
) -> holdfast::Result<()> {
    let change = "UPDATE account SET balance = balance + $2 WHERE id = $1";
    tx.execute(change, &[&giver, &-amount])?;
    tx.execute(change, &[&taker, &amount])?;
    tx.execute(
        "INSERT INTO entry VALUES ($1, $2, $3, $4, $5)",
        &[&name.0, &name.1, &giver, &taker, &amount],
    )?;
    Ok(())
}

// ---- the faults ----

type Faults = BTreeMap<&'static str, usize>;

/// Makes faults until there were enough of them and of transactions.
fn disturb(
    server: &EmbeddedPostgres,
    network: &Network,
    moved: &AtomicUsize,
    given: &Arguments,
) -> Result<Faults, holdfast_testkit::embedded::Error> {
    let mut faults = Faults::new();
    let mut admin = None;
    while faults.values().sum::<usize>() < given.number("--faults")
        || moved.load(Ordering::Relaxed) < given.number("--transactions")
    {
        thread::sleep(BREATH.mul_f64(0.5 + fastrand::f64()));
        let (name, happened) = match fastrand::u32(..100) {
            0..3 => {
                server.restart()?;
                ("server restarted", true)
            }
            3..5 => {
                server.stop(StopMode::Immediate)?;
                server.start_again()?;
                ("server crashed", true)
            }
            5..25 => ("packets dropped", network.lose_everything_on_one()),
            25..35 => ("connection cut", network.cut_one()),
            _ => ("session ended", end_a_session(server, &mut admin)),
        };
        *faults.entry(name).or_default() += usize::from(happened);
    }
    Ok(faults)
}

fn end_a_session(server: &EmbeddedPostgres, admin: &mut Option<Client>) -> bool {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, $1) \
               ORDER BY state = 'idle', random() LIMIT 1";
    if admin.as_ref().is_none_or(Client::is_closed) {
        *admin = server.connect().ok();
    }
    let Some(client) = admin else { return false };
    match client.query_opt(sql, &[&NAME]) {
        Ok(ended) => ended.is_some_and(|row| row.get(0)),
        Err(_) => {
            *admin = None;
            false
        }
    }
}

// ---- the books ----

/// What is in the database in the end.
struct Books {
    times: HashMap<Name, i64>,
    total: i64,
    /// Accounts whose balance is not what the entries make of it.
    wrong: i64,
}

impl Books {
    fn read(server: &EmbeddedPostgres) -> Result<Self, Box<dyn Error>> {
        let mut client = server.connect()?;
        // What was abandoned may still be running.
        let left = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, $1)";
        let end = Instant::now() + Duration::from_secs(30);
        while client.query_one(left, &[&NAME])?.get::<_, i64>(0) > 0 {
            if Instant::now() > end {
                return Err("sessions of the closed pool are still there after 30 s".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        let times = client.query("SELECT thread, number, count(*) FROM entry GROUP BY 1, 2", &[])?;
        let total = client.query_one("SELECT sum(balance)::bigint FROM account", &[])?.get(0);
        let wrong = "SELECT count(*) FROM account WHERE balance <> $1::bigint
             - coalesce((SELECT sum(amount) FROM entry WHERE giver = account.id), 0)
             + coalesce((SELECT sum(amount) FROM entry WHERE taker = account.id), 0)";
        let wrong = client.query_one(wrong, &[&EACH])?.get(0);
        let times = times.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
        Ok(Self { times, total, wrong })
    }
}

/// What was reported, against what is there.
#[derive(Default)]
struct Audit {
    committed: usize,
    failed: BTreeMap<&'static str, usize>,
    /// With whether it is there.
    in_doubt: Vec<(Name, bool, String)>,
    /// What must not be.
    errors: Vec<String>,
}

impl Audit {
    fn of(diaries: &[Diary], books: &Books) -> Self {
        let mut audit = Self::default();
        let mut known = 0;
        for (name, reported) in diaries.iter().flat_map(|diary| &diary.reported) {
            let there = books.times.get(name).copied().unwrap_or(0);
            known += usize::from(there > 0);
            audit.add(*name, reported, there);
        }
        if known != books.times.len() {
            audit.errors.push(format!("{} entries that nobody made", books.times.len() - known));
        }
        if books.total != EACH * i64::from(ACCOUNTS) {
            audit.errors.push(format!("{} in all accounts, not {}", books.total, EACH * i64::from(ACCOUNTS)));
        }
        if books.wrong > 0 {
            audit.errors.push(format!("{} accounts are not what their entries make of them", books.wrong));
        }
        audit
    }

    fn add(&mut self, name: Name, reported: &Reported, there: i64) {
        let (most, least) = match reported {
            Reported::Committed => {
                self.committed += 1;
                (1, 1)
            }
            Reported::Failed(kind) => {
                *self.failed.entry(kind.name()).or_default() += 1;
                (0, 0)
            }
            Reported::InDoubt(words) => {
                self.in_doubt.push((name, there > 0, words.clone()));
                (1, 0)
            }
        };
        if !(least..=most).contains(&there) {
            let said = match reported {
                Reported::Committed => "committed",
                Reported::Failed(kind) => kind.name(),
                Reported::InDoubt(_) => "in doubt",
            };
            self.errors
                .push(format!("transaction {name:?} was reported as {said} and is there {there} times"));
        }
    }
}

fn report(audit: &Audit, diaries: &[Diary], faults: &Faults, took: Duration, json: bool) -> ExitCode {
    let transactions: usize = diaries.iter().map(|diary| diary.reported.len()).sum();
    let reruns: u32 = diaries.iter().map(|diary| diary.reruns).sum();
    let failed: usize = audit.failed.values().sum();
    let count: usize = faults.values().sum();
    if json {
        println!(
            "{{\"transactions\": {transactions}, \"committed\": {}, \"failed\": {failed}, \"in_doubt\": {}, \"reruns\": {reruns}, \
             \"faults\": {count}, \"restarts\": {}, \"wrong\": {}, \"seconds\": {:.1}}}",
            audit.committed,
            audit.in_doubt.len(),
            faults.get("server restarted").unwrap_or(&0) + faults.get("server crashed").unwrap_or(&0),
            audit.errors.len(),
            took.as_secs_f64()
        );
    } else {
        println!("{transactions} transactions in {:.1} s, {reruns} runs more than that", took.as_secs_f64());
        println!("{count} faults: {faults:?}");
        println!(
            "{} committed, {failed} failed {:?}, {} in doubt",
            audit.committed,
            audit.failed,
            audit.in_doubt.len()
        );
        for ((thread, number), there, words) in &audit.in_doubt {
            let fate = if *there { "is there" } else { "is not there" };
            println!("  in doubt: number {number} of thread {thread}, which {fate}: {words}");
        }
        if audit.errors.is_empty() {
            println!("the books balance; what was reported is so");
        }
    }
    for error in &audit.errors {
        eprintln!("wrong: {error}");
    }
    ExitCode::from(u8::from(!audit.errors.is_empty()))
}
