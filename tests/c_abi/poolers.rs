//! Three processes on two server connections, behind a pooler that gives each transaction another one: programs in Rust, C and
//! Node at full rate, each of which gets its own rows and no failure. Three of Node are tested with the Node package.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{Error, Pool};

use crate::foreign::leave_out;
use crate::support::own_server;
use crate::support::pgbouncer::PgBouncer;
use crate::{tool_exists, toolchain};

/// How long the processes of one mixture ask, in seconds; `make thorough` has them ask for 20.
const SECONDS: &str = "HOLDFAST_POOLER_SECONDS";
const FEW_SECONDS: &str = "1";

/// Set in a process that asks: the connection string and the name in its rows.
const ASKER: &str = "HOLDFAST_TEST_ASKER";
const TEST: &str = "poolers::every_row_is_the_askers_own_and_no_call_fails_in_rust_c_and_node";

const TEXTS: usize = 30;

fn seconds() -> String {
    env::var(SECONDS).unwrap_or_else(|_| FEW_SECONDS.to_owned())
}

/// Runs in a process of its own.
fn ask_in_rust(url: &str, owner: &str) {
    let pool = Pool::from_url(url).unwrap();
    let end = Instant::now() + Duration::from_secs_f64(seconds().parse().unwrap());
    let asked: usize = thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            let pool = &pool;
            scope.spawn(move || {
                let first = thread * 7;
                let mut n = first;
                while Instant::now() < end {
                    ask_once(pool, owner, n);
                    n += 1;
                }
                n - first
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("asked {asked}");
}

/// Asks in one of the ways that there are, and checks the row.
fn ask_once(pool: &Pool, owner: &str, n: usize) {
    let (id, number) = (i32::try_from(n).unwrap(), i32::try_from(n % TEXTS).unwrap());
    let text = format!("select '{owner}'::text as owner, $1::int as id, {number} as text");
    let row = match n % 4 {
        0 => pool.query_one(&text, &[&id]),
        1 => pool.get().and_then(|mut conn| conn.query_one(&text, &[&id])),
        2 => pool.get().and_then(|mut conn| {
            let statement = conn.prepare(&text)?;
            conn.query_one(&statement, &[&id])
        }),
        _ => pool.transaction(|tx| tx.query_one(&text, &[&id])),
    };
    let row = row.unwrap_or_else(|error: Error| panic!("{owner}, call {n}: {error}"));
    let found: (String, i32, i32) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, (owner.to_owned(), id, number), "a row of another");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    C,
    Node,
}

/// Starts a process that asks.
fn start(language: Language, c_program: &Path, url: &str, owner: &str) -> Child {
    let mut command = match language {
        Language::Rust => {
            let mut command = Command::new(env::current_exe().unwrap());
            command.args([TEST, "--exact", "--nocapture"]).env(ASKER, format!("{owner} {url}"));
            command
        }
        Language::C => {
            let mut command = Command::new(c_program);
            command.args([url, owner, &seconds()]);
            command
        }
        Language::Node => {
            let mut command = Command::new("node");
            command.arg(toolchain::root().join("bindings/node/test/support/asker.js"));
            command.args([url, owner, &seconds()]);
            command
        }
    };
    command
        .env("LD_LIBRARY_PATH", toolchain::library())
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a process, which must have had its own rows alone, and returns how often it asked.
fn asked(language: Language, process: Child) -> usize {
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{language:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let number = said.lines().find_map(|line| line.split_once("asked ")?.1.parse().ok());
    number.unwrap_or_else(|| panic!("{language:?} says nothing of how often it asked: {said}"))
}

#[test]
fn every_row_is_the_askers_own_and_no_call_fails_in_rust_c_and_node() {
    if let Ok(asker) = env::var(ASKER) {
        let (owner, url) = asker.rsplit_once(' ').unwrap();
        return ask_in_rust(url, owner);
    }
    use Language::{C, Node, Rust};
    let c_program = toolchain::build("gcc", "asker", "plain", &["-std=c99", "-O2"]);
    let has_node =
        tool_exists("node") && toolchain::root().join("bindings/node/build/holdfast.node").exists();
    if !has_node {
        leave_out("Node behind a transaction pooler", "the Node package is not built (make node)");
    }
    let mixtures = [[Rust, C, Node], [Rust; 3], [C; 3]];
    let server = own_server(|server| server);
    // Versions from 1.21 on keep track of prepared statements if they are told to.
    let tracking: &[&str] = match PgBouncer::version() {
        version if version >= (1, 21) => &["max_prepared_statements=0\n", "max_prepared_statements=50\n"],
        _ => &[""],
    };
    for settings in tracking {
        let bouncer = PgBouncer::start(&server, &format!("default_pool_size=2\n{settings}"));
        for (mixture, cache) in mixtures.into_iter().flat_map(|mixture| [(mixture, 256), (mixture, 0)]) {
            let url = format!("{}&statement_cache={cache}", bouncer.url());
            let mut calls = 0;
            let processes: Vec<_> = mixture
                .into_iter()
                .filter(|language| *language != Node || has_node)
                .enumerate()
                .map(|(n, language)| (language, start(language, &c_program, &url, &format!("asker {n}"))))
                .collect();
            for (language, process) in processes {
                let asked = asked(language, process);
                assert!(asked > 50, "{language:?} asked only {asked} times ({settings:?}, {cache})");
                calls += asked;
            }
            println!("{mixture:?}, statement_cache={cache}: {calls} calls");
        }
    }
}
