//! The server hangs: its processes are stopped in their tracks, while the kernel goes on accepting connections for it.

use std::thread;
use std::time::Duration;

use holdfast::{ErrorKind, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::diagnose::verification::checks::{at_once, short};
use crate::diagnose::verification::evidence::{Evidence, Finding, timed};
use crate::diagnose::verification::target::Subject;

const STATEMENT_DEADLINE: Duration = Duration::from_millis(300);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// How late a call may come back: a busy machine's scheduler, and a wide margin.
const LATE: Duration = Duration::from_millis(500);
/// The time limit of a drop: it must not wait for a network, but it may lose the processor for a moment.
const DROP_LIMIT: Duration = Duration::from_millis(100);
const CALLERS: usize = 8;

/// Lets the server go on whatever happens.
struct Frozen<'a>(&'a EmbeddedPostgres);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.thaw() {
            log::warn!("could not thaw the private server: {error}");
        }
    }
}

pub(in crate::diagnose) fn frozen(
    subject: &Subject,
    server: &EmbeddedPostgres,
    evidence: &mut Evidence<'_>,
) -> Finding {
    let pool = Pool::new(subject.config()?.max_size(5).connection_timeout(CONNECTION_TIMEOUT))?;
    let mut conn = pool.get()?;
    let parked = pool.get()?;
    drop(parked);
    // Long enough that the idle one has to be validated.
    thread::sleep(Duration::from_millis(600));

    evidence.tell("SIGSTOP to every process of the server; a statement with a deadline of 300 ms");
    server.freeze()?;
    let frozen = Frozen(server);
    conn.set_deadline(Some(STATEMENT_DEADLINE));
    let (statement, statement_took) = timed(|| conn.query("SELECT 1", &[]));
    let kind = statement.err().map(|e| e.kind());
    evidence.expect(kind == Some(ErrorKind::QueryTimeout), || {
        format!("the statement ended with {kind:?} instead of a statement timeout")
    });
    evidence.expect((STATEMENT_DEADLINE..STATEMENT_DEADLINE + LATE).contains(&statement_took), || {
        format!("a statement with a deadline of 300 ms took {}", short(statement_took))
    });
    let ((), drop_took) = timed(|| drop(conn));
    evidence
        .expect(drop_took < DROP_LIMIT, || format!("giving the connection back took {}", short(drop_took)));

    evidence.tell("the server still hangs: a connect, limited to 1 s");
    let (connect, connect_took) = timed(|| pool.get_with(0, None));
    let kind = connect.err().map(|e| e.kind());
    evidence.expect(kind == Some(ErrorKind::ConnectTimeout), || {
        format!("the connect ended with {kind:?} instead of a connect timeout")
    });
    evidence.expect(connect_took < CONNECTION_TIMEOUT + LATE, || {
        format!("a connect limited to 1 s took {}", short(connect_took))
    });

    evidence.tell("the server goes on: 8 threads ask at once");
    drop(frozen);
    let (served, recovered) = timed(|| at_once(CALLERS, || pool.query_one("SELECT 1", &[])));
    let failures: Vec<_> = served.into_iter().filter_map(Result::err).collect();
    let ok = CALLERS - failures.len();
    for error in failures {
        evidence.expect(false, || format!("after the thaw a caller failed: {error}"));
    }
    evidence.time("statement", statement_took);
    evidence.time("give_back", drop_took);
    evidence.time("connect", connect_took);
    evidence.time("recovered", recovered);
    evidence.count("served_after", ok, "callers");
    Ok(format!(
        "statement back after {}, given back in {}, connect after {}; thawed: {ok} of {CALLERS} served in {}",
        short(statement_took),
        short(drop_took),
        short(connect_took),
        short(recovered)
    ))
}
