//! A forked child gets a clear error and never touches its parent's connections.

use std::sync::Mutex;

use holdfast::{ErrorKind, Pool};

use crate::support::own_process::alone;
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
    let mut held = pool.get().unwrap();
    held.batch_execute("begin; create temp table mine (n int)").unwrap();
    let idle = pool.get().unwrap();
    let idle_pid = idle.backend_pid();
    drop(idle);
    // The child takes its own copies out of these; the parent's stay where they are.
    let (lease, handle) = (Mutex::new(Some(held)), Mutex::new(Some(pool.clone())));
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
    let mut held = lease.lock().unwrap().take().unwrap();
    held.batch_execute("insert into mine values (1); commit").expect("the parent's transaction goes on");
    let idle = pool.get().unwrap();
    assert_eq!(idle.backend_pid(), idle_pid, "the parent's idle connection lives on");
}

#[test]
fn a_child_is_told_what_to_do() {
    let pool = Pool::new(config(server(), "instructive")).unwrap();
    let status = in_child(|| {
        let text = pool.get().unwrap_err().to_string();
        i32::from(!text.contains("make a pool of its own in the child"))
    });
    assert_eq!(status, 0);
}

/// Opens a pool, uses it in several ways, and closes it.
fn use_a_pool_of_its_own(name: &str) -> i32 {
    let own = Pool::new(config(server(), name).max_size(2)).unwrap();
    own.batch_execute("select 1").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| own.batch_execute("select 1").unwrap()));
        }
    });
    // Left in a transaction: a worker of the child's cleans up.
    own.get().unwrap().batch_execute("begin").unwrap();
    own.batch_execute("select 1").unwrap();
    own.close().cut as i32
}

#[test]
fn a_child_has_a_pool_of_its_own_whatever_its_parent_had() {
    let parents = Pool::new(config(server(), "elder").max_size(2)).unwrap();
    parents.batch_execute("select 1").unwrap();
    let closed = Pool::new(config(server(), "closed")).unwrap();
    closed.batch_execute("select 1").unwrap();
    closed.close();
    drop(closed);
    // Threads of the parent sleep in its queue, and others run statements, at the fork.
    let held = [parents.get().unwrap(), parents.get().unwrap()];
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| parents.batch_execute("select 1"))).collect();
        for round in 0..20 {
            assert_eq!(in_child(|| use_a_pool_of_its_own("younger")), 0, "child {round}");
        }
        // A child's child.
        assert_eq!(in_child(|| in_child(|| use_a_pool_of_its_own("youngest"))), 0);
        drop(held);
        for thread in waiting {
            thread.join().unwrap().expect("the parent's callers are served");
        }
    });
}

#[test]
fn a_pool_of_echoes_works_in_a_child_too() {
    let parents = Pool::echo(config(server(), "echoes")).unwrap();
    parents.batch_execute("select 1").unwrap();
    let status = in_child(|| {
        let own = Pool::echo(holdfast::PoolConfig::new()).unwrap();
        own.batch_execute("select 1").unwrap();
        0
    });
    assert_eq!(status, 0);
}

/// In a process that has no pool yet.
#[test]
fn a_child_forked_before_the_first_pool_can_have_its_own() {
    let Some(url) = alone("forking::a_child_forked_before_the_first_pool_can_have_its_own") else { return };
    let statuses = [0, 1].map(|_| {
        in_child(|| {
            let own = Pool::from_url(&url).unwrap();
            own.batch_execute("select 1").unwrap();
            own.get().unwrap().batch_execute("begin").unwrap();
            own.batch_execute("select 1").unwrap();
            own.close().cut as i32
        })
    });
    assert_eq!(statuses, [0, 0]);
    Pool::from_url(&url).unwrap().batch_execute("select 1").expect("the parent can have one, too");
}
