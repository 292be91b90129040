//! A forked child gets a clear error and never touches its parent's connections.

use std::sync::Mutex;

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
    // The child takes its own copies out of these; the parent's stay where they are.
    let (lease, handle) = (Mutex::new(Some(lent)), Mutex::new(Some(pool.clone())));
    let status = in_child(|| {
        let (mut conn, pool) =
            (lease.lock().unwrap().take().unwrap(), handle.lock().unwrap().take().unwrap());
        let error = pool.get().expect_err("a child must not use its parent's pool");
        assert!(error.kind() == ErrorKind::Misuse && error.to_string().contains("fork"), "{error}");
        conn.batch_execute("select 1").expect_err("nor its parent's connection");
        assert_eq!(pool.stats().total, 0);
        assert_eq!(pool.close().cut, 0);
        drop(conn);
        drop(pool);
        0
    });
    assert_eq!(status, 0);
    let mut lent = lease.lock().unwrap().take().unwrap();
    lent.batch_execute("insert into mine values (1); commit").expect("the parent's transaction goes on");
    let idle = pool.get().unwrap();
    assert_eq!(idle.backend_pid(), idle_pid, "the parent's idle connection lives on");
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

#[test]
fn a_pool_made_in_the_child_works_beside_that_of_the_parent() {
    let parents = Pool::new(config(server(), "elder")).unwrap();
    parents.batch_execute("select 1").unwrap();
    let start = std::time::Instant::now();
    let status = in_child(|| {
        let own = Pool::new(config(server(), "younger")).unwrap();
        own.batch_execute("select 1").unwrap();
        own.get().unwrap().batch_execute("begin").unwrap();
        own.batch_execute("select 1").unwrap();
        own.close().cut as i32
    });
    assert_eq!(status, 0);
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "took {:?}", start.elapsed());
}
