//! Pools, watched where they serve their metrics.

use holdfast::exposition::ServeOptions;
use holdfast::{Pool, PoolConfig};

use crate::pty::Terminal;
use crate::support::server;
use crate::{checked, program, run, text};

fn pool(name: &str) -> Pool {
    Pool::new(PoolConfig::from_url(&server().url()).unwrap().name(name).max_size(3)).unwrap()
}

#[test]
fn pools_are_shown_as_they_work_and_one_that_is_not_there_is_named() {
    let (orders, stock) = (pool("orders"), pool("stock"));
    let served = [orders.serve("127.0.0.1:0").unwrap(), stock.serve("127.0.0.1:0").unwrap()];
    let nowhere = format!("127.0.0.1:{}", holdfast_testkit::embedded::free_port().unwrap());
    let [first, second] = served.each_ref().map(|served| served.address().to_string());
    let arguments = ["--metrics", &first, "--metrics", &second, "--metrics", &nowhere, "--interval", "200ms"];
    let terminal = Terminal::run(program(&arguments));
    terminal.shows(&["connections in use: 0 of 6", "orders", "stock", &nowhere, "does a pool serve there?"]);
    let held: Vec<_> = (0..3).map(|_| orders.get().unwrap()).collect();
    terminal.shows(&["connections in use: 3 of 6"]);
    drop(held);
    terminal.shows(&["connections in use: 0 of 6"]);
    drop(served);
    terminal.until("all are gone", |text| text.matches("does a pool serve there?").count() == 3);
    terminal.press("q");
    assert!(terminal.ends_and_gives_back().success());
}

#[test]
fn a_pool_that_wants_a_token_gets_it_and_nobody_sees_it() {
    let pool = pool("orders");
    let served = pool.serve_with("127.0.0.1:0", ServeOptions::new().token("S3cr3tMark")).unwrap();
    let address = served.address().to_string();
    let refused = run(&["--metrics", &address, "--once"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).replace(char::is_whitespace, "").contains("--token"), "{refused:?}");
    let let_in = program(&["--metrics", &address, "--once", "--json"])
        .env("HOLDFAST_WATCH_TOKEN", "S3cr3tMark")
        .output()
        .unwrap();
    assert_eq!(let_in.status.code(), Some(0), "{let_in:?}");
    let line = text(&let_in.stdout);
    let document = checked(&line);
    assert_eq!(document["pools"][0]["stats"]["connections"]["max_size"], 3);
    assert!(document["server"].is_null() && document["server_error"].is_null());
    for output in [refused, let_in] {
        assert!(!format!("{output:?}").contains("S3cr3tMark"));
    }
}

#[test]
fn a_database_and_its_pools_are_shown_together() {
    let pool = pool("orders");
    let served = pool.serve("127.0.0.1:0").unwrap();
    let address = served.address().to_string();
    let terminal = Terminal::run(program(&["--url", &server().url(), "--metrics", &address]));
    terminal.shows(&["connections in use: 0 of 3", "slots used: ", "Sessions", "Pools"]);
}
