//! Commits whose answer is lost, on servers with another history than the one they were begun in, or a hidden one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast::{ErrorKind, Pool, PoolConfig, Result};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};

use crate::commits::{commit_while, cut_for_good, resolving, rows, table_that_commits_slowly};
use crate::ms;
use crate::support::proxy::Proxy;
use crate::support::{major, own_server, wait_until};

/// A pool of a role that may do nothing but what all may, and use one table.
fn pool_of_a_plain_role(proxy: &Proxy, server: &EmbeddedPostgres, name: &str) -> Pool {
    server
        .execute(&format!("create role plain login password '{}'; grant all on {name} to plain; grant all on sequence {name}_commits to plain", server.password()))
        .unwrap();
    let config = PoolConfig::from_url(&proxy.url()).unwrap().user("plain").application_name(name);
    Pool::new(config.retry_max(100).retry_base_delay(ms(20)).retry_max_delay(ms(20))).unwrap()
}

/// Loses the answer of a commit that happens.
fn lose(server: &EmbeddedPostgres, proxy: &Proxy, pool: &Pool, name: &str) -> Result<()> {
    let cut = |_| {
        cut_for_good(proxy, pool);
        proxy.accept_again();
    };
    let (result, runs, _) = commit_while(server, pool, name, resolving(), cut);
    assert_eq!((runs, rows(server, name)), (1, 1));
    result
}

#[test]
fn a_plain_role_may_read_what_it_takes_to_resolve_a_commit() {
    let server = own_server(|s| s);
    table_that_commits_slowly(&server, "plainly", 1.0);
    let proxy = Proxy::before(&server);
    let pool = pool_of_a_plain_role(&proxy, &server, "plainly");
    lose(&server, &proxy, &pool, "plainly").expect("the server says that it was committed");
}

#[test]
fn where_the_history_is_hidden_transactions_commit_and_a_lost_one_stays_unknown_with_its_id() {
    for hidden in ["pg_control_system()", "pg_walfile_name(pg_lsn)"] {
        let server = own_server(|s| s);
        server.execute(&format!("revoke execute on function {hidden} from public")).unwrap();
        table_that_commits_slowly(&server, "hidden", 1.0);
        let proxy = Proxy::before(&server);
        let pool = pool_of_a_plain_role(&proxy, &server, "hidden");
        let one: i32 = pool
            .transaction_with(resolving(), |tx| -> Result<i32> { Ok(tx.query_one("select 1", &[])?.get(0)) })
            .unwrap();
        assert_eq!(one, 1);
        let error = lose(&server, &proxy, &pool, "hidden").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error}");
        assert!(error.to_string().contains("its transaction id is "), "{error}");
    }
}

/// Makes `standby` a copy of `primary` that was made while both were stopped: even its statistics are the primary's.
fn copy_while_stopped(primary: &EmbeddedPostgres, standby: &EmbeddedPostgres) {
    const OWN: [&str; 4] = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "standby.signal"];
    standby.stop(StopMode::Fast).unwrap();
    primary.stop(StopMode::Fast).unwrap();
    let own = standby.data_dir().with_extension("own");
    fs::create_dir(&own).unwrap();
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("--archive").arg(from).arg(to).status().unwrap();
        assert!(copied.success(), "{} could not be copied", from.display());
    };
    OWN.iter().for_each(|name| copy(&standby.data_dir().join(name), &own));
    fs::remove_dir_all(standby.data_dir()).unwrap();
    copy(&primary.data_dir(), &standby.data_dir());
    OWN.iter().for_each(|name| copy(&own.join(name), &standby.data_dir()));
    primary.start_again().unwrap();
    standby.start_again().unwrap();
}

fn statistics_since(server: &EmbeddedPostgres) -> String {
    let sql = "select stats_reset::text from pg_stat_bgwriter";
    server.connect().unwrap().query_one(sql, &[]).unwrap().get(0)
}

/// The new primary may have given the id to another transaction since: its timeline tells that it is another history. This one has
/// the commit, and says so, but that cannot be known.
#[test]
fn a_lost_commit_stays_unknown_after_a_failover_whatever_the_new_primary_says() {
    let primary = own_server(|s| s);
    let standby = EmbeddedPostgres::builder().start_standby_of(&primary).unwrap();
    copy_while_stopped(&primary, &standby);
    // Before 15 a standby forgets them when it starts.
    if major(&mut primary.connect().unwrap()) >= 15 {
        assert_eq!(statistics_since(&primary), statistics_since(&standby), "else those tell them apart");
    }
    table_that_commits_slowly(&primary, "failover", 1.0);

    let (first, second) = (Proxy::before(&primary), Proxy::before(&standby));
    second.refuse();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", first.port(), second.port());
    let config = PoolConfig::from_url(&primary.url_at(&hosts)).unwrap();
    let config = config.application_name("failover").retry_max(500).retry_base_delay(ms(20));
    let pool = Pool::new(config.retry_max_delay(ms(20)).max_size(1)).unwrap();

    let fail_over = |_| {
        cut_for_good(&first, &pool);
        wait_until("the standby has the commit", ms(10_000), || {
            let mut there = standby.connect().unwrap();
            there.query_one("select count(*) from failover", &[]).unwrap().get::<_, i64>(0) == 1
        });
        primary.stop(StopMode::Immediate).unwrap();
        standby.promote().unwrap();
        second.accept_again();
    };
    let options = resolving().timeout(Duration::from_secs(20));
    let (result, runs, took) = commit_while(&primary, &pool, "failover", options, fail_over);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::CommitUnknown, 1), "{error}");
    assert!(error.to_string().contains("its transaction id is "), "{error}");
    assert!(took < Duration::from_secs(15), "it gave up after {took:?}: was the new primary asked?");
    assert_eq!(pool.query_one("select count(*) from failover", &[]).unwrap().get::<_, i64>(0), 1);
}
