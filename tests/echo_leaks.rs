//! Nothing is left of a pool that needs no server: descriptors and threads are counted, so this is a process of its own.

#[path = "support/leaks.rs"]
mod leaks;

use std::time::Duration;

use holdfast::{Pool, PoolConfig};
use leaks::{held, open_descriptors, thread_names, wait_until_no_more_than};

#[test]
fn nothing_is_left_when_the_last_handle_is_dropped() {
    // The first use of the library leaves behind what a process has once.
    drop(Pool::echo(PoolConfig::new()).unwrap().get().unwrap());
    std::thread::sleep(Duration::from_millis(500));
    let before = held();
    for _ in 0..3 {
        let pool = Pool::echo(PoolConfig::new().max_size(4)).unwrap();
        let mut conns: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
        let threads = thread_names();
        let serving = threads.iter().filter(|name| name.as_str() == "holdfast-echo").count();
        assert!(serving >= 4 && !open_descriptors().is_empty(), "{threads:?}");
        conns[0].set_deadline(Some(Duration::from_millis(20)));
        assert!(conns[0].query("echo:sleep 60000", &[]).is_err());
        assert!(conns[1].query("echo:drop", &[]).is_err());
        conns[2].batch_execute("begin").unwrap();
        conns.pop().unwrap().discard();
    }
    wait_until_no_more_than(before, Duration::from_secs(10));
}
