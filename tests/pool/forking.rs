//! A forked child gets a clear error and never touches its parent's connections.

use holdfast::{ErrorKind, Pool};

use crate::{config, server};

/// Runs `work` in a forked child and returns its exit status.
fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child of a threaded process may only do what is safe after fork: it calls into the library, which
    // checks for the fork before it takes any lock, and leaves by `_exit` without running destructors or handlers.
    unsafe {
        match libc::fork() {
            0 => {
                let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(99);
                libc::_exit(status)
            }
            child => {
                assert!(child > 0, "fork failed");
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                assert!(libc::WIFEXITED(status), "the child was killed: {status}");
                libc::WEXITSTATUS(status)
            }
        }
    }
}

#[test]
fn a_child_gets_a_clear_error_and_its_parent_notices_nothing() {
    let pool = Pool::new(config(server(), "parent").max_size(2)).unwrap();
    let mut lent = pool.get().unwrap();
    lent.batch_execute("begin; create temp table mine (n int)").unwrap();
    let idle = pool.get().unwrap();
    let idle_pid = idle.backend_pid();
    drop(idle);
    let (childs_pool, childs_conn) = (pool.clone(), lent);
    let mut kept = None;
    let status = in_child(|| {
        let error = childs_pool.get().expect_err("a child must not use its parent's pool");
        let mut conn = childs_conn;
        let used = conn.batch_execute("select 1");
        let refused = error.kind() == ErrorKind::Misuse && error.to_string().contains("fork");
        let stats_are_harmless = childs_pool.stats().total == 0;
        childs_pool.close();
        drop(conn);
        drop(childs_pool);
        i32::from(!(refused && used.is_err() && stats_are_harmless))
    });
    assert_eq!(status, 0);
    // The closure, with the parent's own lease in it, was moved into the call and is dropped by it: see below.
    kept.replace(());
    let mut again = pool.get().unwrap();
    assert!(again.query_one("select 1", &[]).is_ok());
    drop(again);
    let pids: Vec<_> = (0..2).map(|_| pool.get().unwrap()).map(|c| c.backend_pid()).collect();
    assert!(pids.contains(&idle_pid), "the parent's idle connection lives on");
}

#[test]
fn a_child_can_make_a_pool_of_its_own_to_learn_what_to_do() {
    let pool = Pool::new(config(server(), "instructive")).unwrap();
    let status = in_child(|| {
        let text = pool.get().unwrap_err().to_string();
        i32::from(!text.contains("make a new Pool after fork"))
    });
    assert_eq!(status, 0);
}
