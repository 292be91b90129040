//! Commits whose answer is lost: reported as unknown, or resolved if that was asked for.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{ErrorKind, Phase, Pool, PoolConfig, Result, TransactionOptions};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::activity::Observer;
use crate::support::proxy::Proxy;
use crate::support::{own_server, server, terminate, wait_until};
use crate::{ms, number, pool};

/// A table whose first commit takes its time.
pub fn table_that_commits_slowly(server: &EmbeddedPostgres, name: &str, seconds: f32) {
    let sql = format!(
        "create table {name} (n int); create sequence {name}_commits;
         create function {name}_dawdle() returns trigger language plpgsql as $$begin
             if nextval('{name}_commits') = 1 then perform pg_sleep({seconds}); end if;
             return null;
         end$$;
         create constraint trigger dawdle after insert on {name} deferrable initially deferred
             for each row execute function {name}_dawdle()"
    );
    server.execute(&sql).unwrap();
}

/// Runs a transaction that writes one row into a table, while `meanwhile` is done to its server process as soon as that
/// has come to COMMIT. Returns the result, the number of runs, and how long it took.
pub fn commit_while(
    server: &EmbeddedPostgres,
    pool: &Pool,
    name: &str,
    options: TransactionOptions,
    meanwhile: impl FnOnce(i32) + Send,
) -> (Result<()>, u32, Duration) {
    let start = Instant::now();
    let mut runs = 0;
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            let mut client = server.connect().unwrap();
            let mut pid = 0;
            wait_until("it dawdles in its COMMIT", ms(10_000), || {
                let sql = "select pid from pg_stat_activity
                           where regexp_replace(application_name, ' hf:[0-9a-f]{8}$', '') = $1 and query = 'COMMIT' and wait_event = 'PgSleep'";
                pid = client.query_opt(sql, &[&name]).unwrap().map_or(0, |row| row.get(0));
                pid != 0
            });
            meanwhile(pid);
        });
        pool.transaction_with(options, |tx| -> Result<()> {
            runs += 1;
            tx.batch_execute(&format!("insert into {name} values (1)"))
        })
    });
    (result, runs, start.elapsed())
}

/// The rows that stay in the end. Locks out the transaction that may still be running.
pub fn rows(server: &EmbeddedPostgres, name: &str) -> i64 {
    let mut client = server.connect().unwrap();
    client.batch_execute(&format!("begin; lock table {name}")).unwrap();
    client.query_one(&format!("select count(*) from {name}"), &[]).unwrap().get(0)
}

fn through(proxy: &Proxy, name: &str) -> Pool {
    let config = PoolConfig::from_url(&proxy.url()).unwrap().application_name(name);
    Pool::new(config.retry_max(100).retry_base_delay(ms(20)).retry_max_delay(ms(20))).unwrap()
}

/// Cuts the only connection of a pool, and lets the server go on with its COMMIT: the request to cancel it does not get
/// through.
pub fn cut_for_good(proxy: &Proxy, pool: &Pool) {
    proxy.refuse();
    assert_eq!(proxy.cut_all(), 1);
    wait_until("cancelling was tried in vain", ms(10_000), || pool.stats().total == 0);
}

pub fn resolving() -> TransactionOptions {
    TransactionOptions::new().resolve_commit(true)
}

#[test]
fn a_commit_whose_answer_is_lost_is_reported_as_unknown_and_never_run_again() {
    let server = server();
    table_that_commits_slowly(server, "doubt", 1.0);
    let proxy = Proxy::before(server);
    let pool = through(&proxy, "doubt");
    let cut = |_| cut_for_good(&proxy, &pool);
    let (result, runs, _) = commit_while(server, &pool, "doubt", TransactionOptions::new(), cut);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.phase(), runs), (ErrorKind::CommitUnknown, Some(Phase::Commit), 1));
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("look in the database"), "{error}");
    assert_eq!(rows(server, "doubt"), 1, "this one did happen");
}

#[test]
fn the_last_words_of_a_session_do_not_tell_what_became_of_its_commit() {
    let server = server();
    table_that_commits_slowly(server, "words", 5.0);
    let pool = pool(server, "words");
    let end = |pid| server.terminate_backend(pid).unwrap();
    let (result, runs, _) = commit_while(server, &pool, "words", TransactionOptions::new(), end);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::CommitUnknown, 1), "{error}");
    assert!(error.to_string().contains("57P01"), "{error}");
    assert_eq!(rows(server, "words"), 0, "this one did not happen");
}

#[test]
fn a_lost_commit_that_happened_is_resolved_to_success() {
    let server = server();
    table_that_commits_slowly(server, "happened", 1.0);
    let proxy = Proxy::before(server);
    let pool = through(&proxy, "happened");
    let cut = |_| {
        cut_for_good(&proxy, &pool);
        proxy.accept_again();
    };
    let (result, runs, _) = commit_while(server, &pool, "happened", resolving(), cut);
    result.expect("the server says that it was committed");
    assert_eq!((runs, rows(server, "happened")), (1, 1));
}

#[test]
fn a_lost_commit_that_did_not_happen_is_resolved_and_run_again() {
    let server = server();
    table_that_commits_slowly(server, "aborted", 5.0);
    let pool = pool(server, "aborted");
    let end = |pid| server.terminate_backend(pid).unwrap();
    let (result, runs, took) = commit_while(server, &pool, "aborted", resolving(), end);
    result.expect("the second run commits");
    assert_eq!((runs, rows(server, "aborted")), (2, 1));
    assert!(took < ms(4000), "took {took:?}");
}

#[test]
fn a_lost_commit_that_may_not_be_run_again_says_that_it_was_aborted() {
    let server = server();
    table_that_commits_slowly(server, "spent", 5.0);
    let pool = pool(server, "spent");
    let end = |pid| server.terminate_backend(pid).unwrap();
    let (result, runs, _) = commit_while(server, &pool, "spent", resolving().reruns(0), end);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::ConnectionLost, 1), "{error}");
    assert!(error.is_retryable() && error.to_string().contains("was aborted"), "{error}");
}

#[test]
fn a_lost_commit_that_goes_on_too_long_stays_unknown_with_its_id() {
    let server = server();
    table_that_commits_slowly(server, "endless", 20.0);
    let proxy = Proxy::before(server);
    let pool = through(&proxy, "endless");
    let cut = |_| cut_for_good(&proxy, &pool);
    let options = resolving().timeout(ms(1500));
    let (result, runs, took) = commit_while(server, &pool, "endless", options, cut);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::CommitUnknown, 1), "{error}");
    assert!(error.to_string().contains("its transaction id is "), "{error}");
    assert!(took < ms(1700), "took {took:?}");
    let mut observer = Observer::of(server);
    let pid = observer.backends_of("endless").first().map(|b| b.pid);
    server.terminate_backend(pid.expect("it is still at it")).unwrap();
}

/// After a crash the id is given out again, or was aborted: a statement about it may be about another transaction.
#[test]
fn a_lost_commit_stays_unknown_when_the_server_has_crashed() {
    let server = own_server(|s| s);
    table_that_commits_slowly(&server, "crashed", 5.0);
    let proxy = Proxy::before(&server);
    let pool = through(&proxy, "crashed");
    let kill = |pid| {
        proxy.refuse();
        let mut witness = server.connect().unwrap();
        server.kill_backend(pid).unwrap();
        wait_until("the server has crashed", ms(10_000), || witness.batch_execute("select 1").is_err());
        wait_until("others have committed since", ms(10_000), || {
            server.execute("create table if not exists others (n int); insert into others values (1)").is_ok()
        });
        server.execute(&"insert into others values (1);".repeat(3)).unwrap();
        proxy.accept_again();
    };
    let (result, runs, _) = commit_while(&server, &pool, "crashed", resolving(), kill);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::CommitUnknown, 1), "{error}");
}

/// The id is that of the transaction, and orderly restarts do not make it useless.
#[test]
fn a_lost_commit_is_resolved_across_a_restart() {
    let server = own_server(|s| s);
    table_that_commits_slowly(&server, "restarted", 5.0);
    let pool = pool(&server, "restarted");
    let (result, runs, _) =
        commit_while(&server, &pool, "restarted", resolving(), |_| server.restart().unwrap());
    result.expect("aborted by the shutdown, and run again after it");
    assert_eq!((runs, number(&pool, "select count(*) from restarted")), (2, 1));
}

#[test]
fn what_only_reads_commits_with_resolving_too_and_on_a_standby() {
    let primary = own_server(|s| s);
    let standby = EmbeddedPostgres::builder().start_standby_of(&primary).unwrap();
    for server in [&primary, &standby] {
        let pool = pool(server, "readers");
        let one: i32 = pool
            .transaction_with(resolving(), |tx| -> Result<i32> { Ok(tx.query_one("select 1", &[])?.get(0)) })
            .unwrap();
        assert_eq!(one, 1);
    }
}

/// Holds back the answer to a COMMIT until the session's last words are behind it, so that both arrive in one piece.
fn answer_and_last_words_together(server: &EmbeddedPostgres, proxy: &Proxy, pid: i32) {
    proxy.go_deaf();
    let mut client = server.connect().unwrap();
    wait_until("the COMMIT is over", ms(10_000), || {
        let sql = "select state = 'idle' from pg_stat_activity where pid = $1";
        client.query_one(sql, &[&pid]).unwrap().get(0)
    });
    terminate(&mut client, pid);
    proxy.hear_again();
}

/// The driver gives up on such a connection before it has looked at the answer.
#[test]
fn a_commit_that_was_answered_is_not_run_again_though_the_session_ended_right_behind() {
    let server = server();
    table_that_commits_slowly(server, "answered", 1.0);
    let proxy = Proxy::before(server);
    let pool = through(&proxy, "answered");
    let together = |pid| answer_and_last_words_together(server, &proxy, pid);
    let (result, runs, _) = commit_while(server, &pool, "answered", TransactionOptions::new(), together);
    result.expect("the answer was there");
    assert_eq!((runs, rows(server, "answered")), (1, 1));
}

#[test]
fn a_commit_that_was_refused_is_reported_as_failed_though_the_session_ended_right_behind() {
    let server = server();
    table_that_commits_slowly(server, "refused", 1.0);
    server
        .execute(
            "create function refused_refuse() returns trigger language plpgsql as $$begin raise 'no'; end$$;
             create constraint trigger refuse after insert on refused deferrable initially deferred
                 for each row execute function refused_refuse()",
        )
        .unwrap();
    let proxy = Proxy::before(server);
    let pool = through(&proxy, "refused");
    let together = |pid| answer_and_last_words_together(server, &proxy, pid);
    let (result, runs, _) = commit_while(server, &pool, "refused", TransactionOptions::new(), together);
    let error = result.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::CommitUnknown, "{error}");
    assert_eq!((runs, rows(server, "refused")), (1, 0));
}
