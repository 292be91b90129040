//! Nothing is left after the last handle of a pool is dropped: no memory, as valgrind sees it.
//!
//! A program without a test harness, so that valgrind sees the library's allocations and no others.

use std::env;
use std::process::{Command, exit};
use std::time::Duration;

use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

/// Set in the copy that runs under valgrind: where its server is.
const URL: &str = "HOLDFAST_TEST_LEAKS_URL";

fn main() {
    match env::var(URL) {
        Ok(url) => live_and_die(&url),
        Err(_) => check_under_valgrind(),
    }
}

fn check_under_valgrind() {
    let server = EmbeddedPostgres::builder().start().expect("a private PostgreSQL starts");
    let output = Command::new("valgrind")
        .args(["--quiet", "--leak-check=full", "--num-callers=40", "--child-silent-after-fork=yes"])
        .args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"])
        .arg("--error-exitcode=9")
        .arg(env::current_exe().expect("this program's own path"))
        .env(URL, server.url())
        .output()
        .expect("valgrind is installed (package valgrind)");
    let report = String::from_utf8_lossy(&output.stderr);
    let clean = output.status.success();
    println!("test no_memory_is_left_behind_by_a_pool ... {}", if clean { "ok" } else { "FAILED" });
    if !clean {
        let shown: String = report.lines().take(120).map(|l| format!("{:.160}\n", l)).collect();
        println!("{}\n{shown}", output.status);
    }
    println!("{} passed, {} failed", u8::from(clean), u8::from(!clean));
    drop(server);
    exit(i32::from(!clean));
}

/// Pools that meet success, failure, an abandoned transaction, a passed deadline and a full queue, several times over.
fn live_and_die(url: &str) {
    for round in 0..3 {
        let config = PoolConfig::from_url(url).expect("a valid URL").max_size(3);
        let pool = Pool::new(config).expect("a valid configuration");
        let mut conns: Vec<_> = (0..3).map(|_| pool.get().expect("a connection")).collect();
        assert!(pool.get_timeout(Duration::from_millis(10)).is_err());
        conns[0].batch_execute("begin").expect("a transaction is left open");
        assert!(conns[1].query("select 1/0", &[]).is_err());
        conns[1].set_deadline(Some(Duration::from_millis(50)));
        assert!(conns[1].query("select pg_sleep(5)", &[]).is_err());
        conns.remove(2).discard();
        drop(conns);
        pool.query("select $1::int4", &[&round]).expect("the pool works on");
        if round == 1 {
            pool.close();
        }
    }
    let nobody = PoolConfig::from_url("postgresql://app@127.0.0.1:1/x?retry_max=1&retry_base_delay=1ms");
    assert!(Pool::new(nobody.expect("a valid URL")).expect("a valid configuration").get().is_err());
    // The workers end in their own time.
    std::thread::sleep(Duration::from_secs(1));
}
