//! PGlite's socket server, PostgreSQL in WebAssembly: all sessions share one backend, so that each sees the prepared statements of
//! the others, and by default it takes one connection at a time.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use holdfast::{ErrorKind, Pool, PoolConfig};
use holdfast_testkit::embedded::free_port;

/// Where npm has put `@electric-sql/pglite-socket`: `scripts/matrix.sh` lays it out.
fn package() -> Option<PathBuf> {
    let laid_out = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/matrix/pglite");
    let folder = env::var_os("HOLDFAST_PGLITE").map_or_else(laid_out, PathBuf::from);
    let program = folder.join("node_modules/@electric-sql/pglite-socket/dist/scripts/server.js");
    program.exists().then_some(program)
}

struct PGlite {
    process: Child,
    port: u16,
}

impl PGlite {
    /// Starts one, or says that it cannot be had. Not by `eprintln!`, which is kept back when a test passes.
    fn start(arguments: &[&str]) -> Option<Self> {
        let Some(program) = package() else {
            let line = "holdfast: left out: PGlite's socket server, since it is not there (MATRIX_ONLY=fetch make matrix lays it out)\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let port = free_port().unwrap();
        let process = Command::new("node")
            .arg(program)
            .args(["--port", &port.to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs what npm has installed");
        let mut server = Self { process, port };
        let mut said = BufReader::new(server.process.stdout.take().expect("piped")).lines();
        // Not found out by connecting, which would take its one connection. What it says later must be read too.
        let is_ready = said.by_ref().map_while(Result::ok).any(|line| line.contains("listening"));
        assert!(is_ready, "PGlite ends before it listens");
        thread::spawn(move || said.map_while(Result::ok).for_each(drop));
        Some(server)
    }

    fn pool(&self) -> Pool {
        let url = format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port);
        Pool::new(PoolConfig::from_url(&url).unwrap()).unwrap()
    }
}

impl Drop for PGlite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const CALLS: i32 = 60;

/// Has threads of each pool ask for rows of their own, in transactions too if there is but one connection: after a
/// transaction PGlite mixes up the messages that others have sent meanwhile, whichever client they have.
fn all_ask(pools: &[Pool], in_transactions: bool) {
    thread::scope(|scope| {
        for (owner, pool) in pools.iter().enumerate() {
            for _ in 0..4 {
                scope.spawn(move || {
                    for n in 0..CALLS {
                        let text =
                            format!("select '{owner}'::text as owner, $1::int as id, {} as text", n % 7);
                        let row = match n % 3 {
                            0 if in_transactions => pool.transaction(|tx| tx.query_one(&text, &[&n])),
                            _ => pool.query_one(&text, &[&n]),
                        };
                        let row = row.unwrap_or_else(|error| panic!("pool {owner}, call {n}: {error}"));
                        let found: (String, i32, i32) = (row.get(0), row.get(1), row.get(2));
                        assert_eq!(found, (owner.to_string(), n, n % 7));
                        // The same text by every pool: so is its name.
                        let same: i32 = pool.query_one("select $1::int + 1", &[&n]).unwrap().get(0);
                        assert_eq!(same, n + 1);
                    }
                });
            }
        }
    });
}

#[test]
fn with_its_defaults_pglite_serves_a_pool_over_its_one_connection() {
    let Some(server) = PGlite::start(&[]) else { return };
    let pool = server.pool();
    all_ask(std::slice::from_ref(&pool), true);
    let error = pool.batch_execute("select 1/0").unwrap_err();
    assert_eq!((error.kind(), error.sqlstate().unwrap().code()), (ErrorKind::Database, "22012"));
    pool.batch_execute("create table t as select 1 as one").unwrap();
    let width = |pool: &Pool| pool.query("select * from t", &[]).unwrap()[0].len();
    assert_eq!(width(&pool), 1);
    pool.batch_execute("alter table t add column two int4; create type mood as enum ('sad', 'glad')")
        .unwrap();
    assert_eq!(width(&pool), 2);
    assert_eq!(pool.query_one("select 'glad'::mood::text", &[]).unwrap().get::<_, &str>(0), "glad");
    // Another pool gets the connection, and the backend with its statements, once this one has let go of it.
    pool.close();
    let next = server.pool();
    let found =
        next.get().unwrap().transaction().and_then(|mut tx| tx.query("select * from t", &[])).unwrap();
    assert_eq!(found[0].len(), 2);
    all_ask(&[next], true);
}

#[test]
fn pools_that_share_the_one_backend_of_pglite_get_their_own_rows_and_no_failure() {
    let Some(server) = PGlite::start(&["--max-connections", "10"]) else { return };
    let pools = [server.pool(), server.pool()];
    // What one session closes, all others have lost: that would end a transaction.
    let mut conns = pools.each_ref().map(|pool| pool.get().unwrap());
    for conn in &mut conns {
        conn.query("select 'the same'", &[]).unwrap();
    }
    conns[0].batch_execute("deallocate all").unwrap();
    conns[1].transaction().and_then(|mut tx| tx.query("select 'the same'", &[])).unwrap();
    drop(conns);
    all_ask(&pools, false);
}
