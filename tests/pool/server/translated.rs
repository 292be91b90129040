//! A server with German messages: what its errors mean, and whether statements heal, does not depend on their words.

use std::env;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use holdfast::session::{Param, PipelineMode, Request, ResultFormat};
use holdfast::{Error, ErrorKind, Pool, PoolConfig};
use holdfast_testkit::embedded::{Builder, EmbeddedPostgres, StopMode};

use crate::ms;
use crate::support::{fill, own_server};

const TEST: &str = "server::translated::errors_mean_the_same_in_german_and_statements_heal";
const LANGUAGE: &str = "de_DE.UTF-8";

/// The variable by which glibc finds locales that are not the system's.
const LOCALES: &str = "LOCPATH";

/// A folder with the German locale, which few systems have without being asked; removed when dropped.
struct Locale(PathBuf);

impl Locale {
    /// # Errors
    /// In words: why it cannot be made.
    fn new() -> Result<Self, String> {
        let folder = env::temp_dir().join(format!("holdfast-locale-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder");
        let locale = Self(folder);
        // The server may be another user's.
        std::fs::set_permissions(&locale.0, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let made = Command::new("localedef")
            .args(["-i", "de_DE", "-f", "UTF-8"])
            .arg(locale.0.join(LANGUAGE))
            .output()
            .map_err(|e| format!("localedef cannot be run: {e}"))?;
        if !made.status.success() {
            return Err(format!("the locale {LANGUAGE} cannot be made (package locales)"));
        }
        Ok(locale)
    }
}

impl Drop for Locale {
    fn drop(&mut self) {
        // In the temporary folder; leaving it there fails no test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Says that the test has run nothing; not by `eprintln!`, which is kept back when a test passes.
fn leave_out(why: &str) {
    let _ = std::io::stderr()
        .write_all(format!("holdfast: left out: a server with German messages, since {why}\n").as_bytes());
}

/// The message that this server has for a division by zero.
fn division_by_zero(server: &EmbeddedPostgres) -> String {
    Pool::from_url(&server.url()).unwrap().batch_execute("select 1/0").unwrap_err().to_string()
}

fn described(language: Option<&str>) -> EmbeddedPostgres {
    let describe = |builder: Builder| {
        builder
            .max_connections(5)
            .setting("superuser_reserved_connections", "0")
            .setting("lc_messages", language.unwrap_or("C"))
            .sql("create role crowded login connection limit 0")
    };
    own_server(describe)
}

/// What the pool makes of an error: kind, whether to try again, SQLSTATE.
type Meaning = (ErrorKind, bool, String);

fn meaning(error: &Error) -> Meaning {
    (
        error.kind(),
        error.is_retryable(),
        error.sqlstate().map(|state| state.code().to_owned()).unwrap_or_default(),
    )
}

fn config(url: &str) -> PoolConfig {
    PoolConfig::from_url(url).unwrap().retry_max(0).fleet_share(false)
}

/// Meets the errors one by one, and names each.
fn meet_errors(server: &EmbeddedPostgres) -> Vec<(&'static str, Meaning)> {
    let mut met = Vec::new();
    let mut note = |what: &'static str, error: Error| met.push((what, meaning(&error)));
    let pool = Pool::new(config(&server.url()).max_size(2)).unwrap();
    {
        let mut conn = pool.get().unwrap();
        conn.batch_execute("set statement_timeout = '50ms'; set lock_timeout = '20ms'").unwrap();
        note("statement timeout", conn.query("select pg_sleep(10)", &[]).unwrap_err());
        note("statement timeout, raw", conn.raw().unwrap().script("select pg_sleep(10)").unwrap_err());
        conn.batch_execute("set statement_timeout = 0; create table if not exists locked (n int4)").unwrap();
        let mut holder = pool.get().unwrap();
        holder.batch_execute("begin; lock table locked").unwrap();
        note("lock timeout", conn.query("select * from locked", &[]).unwrap_err());
        holder.batch_execute("rollback").unwrap();
        let cancel = conn.cancel_handle();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(ms(100));
                cancel.cancel().unwrap();
            });
            note("cancel", conn.query("select pg_sleep(10)", &[]).unwrap_err());
        });
        note("read only", conn.batch_execute("begin read only; create table t ()").unwrap_err());
        conn.batch_execute("rollback").unwrap();
        note("ended", conn.query("select pg_terminate_backend(pg_backend_pid())", &[]).unwrap_err());
    }
    let refused = |url: &str| Pool::new(config(url)).unwrap().get().map(drop).unwrap_err();
    note("no such database", refused(&server.url_for("postgres", "nowhere")));
    note("wrong password", refused(&server.url_with_password("postgres", "wrong", "postgres")));
    note("full role", refused(&server.url_for("crowded", "postgres")));
    pool.close();
    let held = fill(&server.url());
    note("full server", refused(&server.url()));
    drop(held);
    let mut last = server.connect().unwrap();
    server.begin_stop(StopMode::Smart).unwrap();
    // The server takes a moment to know of it.
    let stopping = (0..100).find_map(|_| {
        thread::sleep(ms(20));
        Pool::new(config(&server.url())).unwrap().get().map(drop).err()
    });
    note("shutting down", stopping.expect("the server is shutting down"));
    last.batch_execute("select 1").expect("the last session may go on");
    met
}

/// Changes a table under statements that are kept, by each path on which one is run.
fn heal(server: &EmbeddedPostgres) {
    let pool = Pool::new(config(&server.url()).max_size(1)).unwrap();
    let text = "select * from t where n = $1";
    let columns = |pool: &Pool| pool.query(text, &[&1]).unwrap()[0].len();
    pool.batch_execute("create table t (n int4); insert into t values (1)").unwrap();
    let one = [Param::text("1")];
    let request = Request { sql: text.into(), params: &one, format: ResultFormat::Text };
    let in_transaction = |pool: &Pool| pool.transaction(|tx| tx.query(text, &[&1])).unwrap()[0].len();
    assert_eq!((columns(&pool), in_transaction(&pool)), (1, 1));
    for added in 1..4 {
        let mut conn = pool.get().unwrap();
        // A connection of the pool prepared it by each path, and the table changes afterwards.
        conn.raw().unwrap().query(text, &one, ResultFormat::Text).unwrap();
        conn.batch_execute(&format!("alter table t add column more_{added} int4")).unwrap();
        match added {
            1 => drop(conn),
            2 => {
                let block = conn.raw().unwrap().query(text, &one, ResultFormat::Text).unwrap();
                assert_eq!(block.columns().len(), 3);
                drop(conn);
            }
            _ => {
                let mut raw = conn.raw().unwrap();
                let blocks = raw.pipeline(&[request; 2], PipelineMode::Separate).unwrap();
                let widths: Vec<_> = blocks.into_iter().map(|block| block.unwrap().columns().len()).collect();
                assert_eq!(widths, [4, 4]);
                drop(conn);
            }
        }
        assert_eq!(in_transaction(&pool), 1 + added);
        assert_eq!(columns(&pool), 1 + added);
    }
    pool.batch_execute("discard all").unwrap();
    assert_eq!(columns(&pool), 4, "a statement that the server has forgotten");
    pool.close();
}

#[test]
fn errors_mean_the_same_in_german_and_statements_heal() {
    if env::var_os(LOCALES).is_none() {
        let locale = match Locale::new() {
            Ok(locale) => locale,
            Err(why) => return leave_out(&why),
        };
        // Servers get the variable from the process that starts them.
        let status = Command::new(env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(LOCALES, &locale.0)
            .status();
        return assert!(status.unwrap().success(), "see above");
    }
    let german = described(Some(LANGUAGE));
    let message = division_by_zero(&german);
    if !message.contains("Division durch Null") {
        return leave_out(&format!("this server has no German messages: {message}"));
    }
    heal(&german);
    let met = meet_errors(&german);
    assert_eq!(met, meet_errors(&described(None)));
    let of = |what: &str| met.iter().find(|(met, _)| *met == what).map(|(_, meaning)| meaning.0);
    for (what, kind) in [
        ("statement timeout", ErrorKind::QueryTimeout),
        ("statement timeout, raw", ErrorKind::QueryTimeout),
        ("lock timeout", ErrorKind::Database),
        ("cancel", ErrorKind::Canceled),
        ("ended", ErrorKind::ConnectionLost),
        ("no such database", ErrorKind::Database),
        ("wrong password", ErrorKind::Auth),
        ("full role", ErrorKind::ServerFull),
        ("full server", ErrorKind::ServerFull),
        ("shutting down", ErrorKind::ServerStarting),
    ] {
        assert_eq!(of(what), Some(kind), "{what}");
    }
}
