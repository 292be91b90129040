//! The outage with which it began: every slot of the server is taken by other clients, for a while.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{Error, ErrorKind, SqlState};
use holdfast_testkit::embedded::EmbeddedPostgres;
use postgres::{Client, NoTls};

use crate::diagnose::verification::checks::{at_once, short};
use crate::diagnose::verification::evidence::{Evidence, Finding};
use crate::diagnose::verification::target;
use crate::diagnose::verification::target::Subject;

const CALLERS: usize = 8;
const FULL_FOR: Duration = Duration::from_secs(2);
/// More than any private server has: filling it stops at the first refusal.
const MORE_THAN_ALL: usize = 200;

pub(in crate::diagnose) fn server_full(
    subject: &Subject,
    server: &EmbeddedPostgres,
    evidence: &mut Evidence<'_>,
) -> Finding {
    let url = target::url(server);
    let mut others = Vec::new();
    let mut refusal = None;
    while refusal.is_none() && others.len() < MORE_THAN_ALL {
        match Client::connect(&url, NoTls) {
            Ok(client) => others.push(client),
            Err(error) => refusal = Some(Error::from(error)),
        }
    }
    // The scene must be what it says, or the check would prove nothing.
    let code = refusal.as_ref().and_then(|e| e.sqlstate()).map_or("none", |s| s.code());
    let held = others.len();
    let is_full =
        refusal.as_ref().is_some_and(|error| error.sqlstate() == Some(&SqlState::TOO_MANY_CONNECTIONS));
    evidence.expect(is_full, || format!("a full server should refuse with 53300, got {code}"));
    evidence.tell(&format!(
        "other clients hold all {held} slots for 2 s and a plain connect fails with {code}; 8 threads ask the pool"
    ));

    let pool = subject.pool(8)?;
    let started = Instant::now();
    let (served, freed) = thread::scope(|scope| {
        let leaving = scope.spawn(move || {
            thread::sleep(FULL_FOR.saturating_sub(started.elapsed()));
            drop(others);
            started.elapsed()
        });
        let served =
            at_once(CALLERS, || pool.query_one("SELECT pg_backend_pid()", &[]).map(|_| started.elapsed()));
        (served, leaving.join().unwrap_or(FULL_FOR))
    });

    let mut times = Vec::new();
    for result in served {
        match result {
            Ok(at) => times.push(at),
            Err(error) => evidence.expect(false, || format!("a caller failed: {error}")),
        }
    }
    let last = times.iter().max().copied().unwrap_or_default();
    let stats = pool.stats();
    let refused = stats.errors_of(ErrorKind::ServerFull);
    evidence
        .expect(refused > 0, || "the pool never met a full server: nothing was put to the test".to_owned());
    evidence.expect(times.iter().all(|at| *at >= freed.saturating_sub(Duration::from_millis(50))), || {
        "a caller was served while every slot was taken: the scene leaks".to_owned()
    });
    evidence.count("slots_held", held, "connections");
    evidence.count("served", times.len(), "callers");
    evidence.count("failed", CALLERS - times.len(), "callers");
    evidence.figure("refused_attempts", refused as f64, "attempts");
    evidence.time("last_served", last);
    evidence.time("after_slots_came_free", last.saturating_sub(freed));
    Ok(format!(
        "{} of {CALLERS} served, {} failed; {refused} attempts met 53300; last one {} after slots came free",
        times.len(),
        CALLERS - times.len(),
        short(last.saturating_sub(freed))
    ))
}
