//! Tests that a panic at each point of a connection's life leaves the pool whole.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use super::core::Core;
use super::failpoint::Armed;
use super::handle::{Handle, Pool};
use super::pooled_connection::PooledConnection;
use super::telemetry::stats::Circuit;
use crate::config::{PoolConfig, SessionReset};
use crate::connect::Connector;
use crate::link::dial::in_process::InProcess;
use crate::resilience::fleet::census::Id;
use crate::testing::echo;

const SIZE: u32 = 2;

/// Longer than anything here takes, unless something is lost.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(20);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The server's treatment of new connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Serves,
    IsAway,
    /// The server refuses them with this SQLSTATE.
    Says(&'static [u8; 5]),
}

/// A pool and its server.
struct Subject {
    pool: Pool,
    mood: Arc<parking_lot::Mutex<Mood>>,
}

fn refuse(mut stream: UnixStream, code: [u8; 5]) {
    thread::spawn(move || {
        let _ = stream.read(&mut [0; 1024]);
        let fields = [b"SFATAL\0VFATAL\0C", &code[..], b"\0Mno\0\0"].concat();
        let length = (fields.len() as u32 + 4).to_be_bytes();
        let _ = stream.write_all(&[b"E", &length[..], &fields[..]].concat());
    });
}

impl Subject {
    fn new(config: PoolConfig, fleet: bool) -> Self {
        let mood = Arc::new(parking_lot::Mutex::new(Mood::Serves));
        let (server, now) = (echo::server(), mood.clone());
        let inside = InProcess::new("moody", move |stream| match *now.lock() {
            Mood::Serves => server.accept(stream),
            Mood::IsAway => Err(io::ErrorKind::ConnectionRefused.into()),
            Mood::Says(code) => {
                refuse(stream, *code);
                Ok(())
            }
        });
        let (settings, server) = config.settings_within_process().unwrap();
        let fleet = fleet.then_some(Id(7));
        let core = Core::with(&config, settings, Connector::in_process(server, inside), fleet).unwrap();
        core.refill();
        Self { pool: Pool { _handle: Arc::new(Handle(core.clone())), core }, mood }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }
}

/// Checks out and uses a connection; ignores the outcome.
fn use_one(pool: &Pool, limit: Duration, with: impl FnOnce(PooledConnection)) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if let Ok(mut conn) = pool.get_with(0, Some(limit)) {
            let _ = conn.raw().and_then(|mut raw| raw.script("select 1"));
            with(conn);
        }
    }));
}

fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + EXPLAIN_TIMEOUT;
    while !holds() {
        assert!(Instant::now() < end, "did not happen: {what}");
        thread::sleep(ms(5));
    }
}

fn is_at_rest(pool: &Pool) -> bool {
    let stats = pool.stats();
    let counted = (stats.in_use, stats.opening, stats.waiting) == (0, 0, 0) && stats.total == stats.idle;
    counted && pool.core.registry.all().len() == stats.idle as usize
}

/// Checks that all counts are right, that all connections can be checked out, and that no single flight goes on.
fn assert_whole(pool: &Pool, point: &str) {
    soon(&format!("the end of an outage after a panic at {point}"), || {
        use_one(pool, ms(300), drop);
        pool.stats().circuit == Circuit::Closed
    });
    soon(&format!("rest after a panic at {point}: {:?}", pool.stats()), || is_at_rest(pool));
    let min_idle = pool.core.settings.min_idle;
    soon(&format!("min_idle after a panic at {point}"), || pool.stats().idle >= min_idle);
    let all: Vec<_> = (0..SIZE)
        .map(|_| {
            pool.get_timeout(EXPLAIN_TIMEOUT).unwrap_or_else(|e| panic!("after a panic at {point}: {e}"))
        })
        .collect();
    for mut conn in all {
        conn.raw().unwrap().script("select 1").unwrap();
    }
    soon(&format!("rest after all were used after a panic at {point}: {:?}", pool.stats()), || {
        is_at_rest(pool)
    });
    let core = &pool.core;
    let flights = [&core.opens_in_background, &core.validates_idle, &core.coordinator.probing];
    soon(&format!("the end of flights after a panic at {point}"), || {
        flights.iter().all(|f| !f.is_under_way())
    });
}

/// Makes a pool, has it panic at `point` while `drive` runs repeatedly, and checks that it is whole.
fn panics_at(
    point: &'static str,
    configure: impl FnOnce(PoolConfig) -> PoolConfig,
    drive: impl Fn(&Subject),
) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let injected = panic.payload_as_str().is_some_and(|text| text.starts_with("injected at"));
            if !injected {
                tell(panic);
            }
        }));
    });
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("whole-{}", NUMBER.fetch_add(1, Relaxed));
    let config = PoolConfig::new()
        .name(&name)
        .max_size(SIZE)
        .validate_after_idle(ms(3_600_000))
        .retry_base_delay(ms(5))
        .retry_max_delay(ms(20))
        .breaker_after(None);
    let armed = Armed::new(&name, point);
    let subject = Subject::new(configure(config), point.starts_with("fleet"));
    soon(&format!("{point} is reached"), || {
        drive(&subject);
        armed.was_reached()
    });
    subject.is(Mood::Serves);
    drop(armed);
    assert_whole(&subject.pool, point);
}

fn plainly(subject: &Subject) {
    use_one(&subject.pool, ms(2_000), drop);
}

/// Checks out and uses a connection, then leaves it idle for a while.
fn now_and_then(subject: &Subject) {
    plainly(subject);
    thread::sleep(ms(100));
}

#[test]
fn a_panic_while_a_connection_is_opened_loses_nothing() {
    for point in ["capacity", "granted", "leased", "connected", "registered", "opened"] {
        panics_at(point, |c| c, plainly);
    }
    panics_at(
        "not opened",
        |c| c,
        |subject| {
            subject.is(Mood::IsAway);
            use_one(&subject.pool, ms(50), drop);
        },
    );
    panics_at("opening in the background", |c| c, |subject| use_one(&subject.pool, ms(50), drop));
    panics_at("setting up", |c| c.on_connect(|_| Ok(())), |subject| use_one(&subject.pool, ms(5_000), drop));
    panics_at("refilling", |c| c.min_idle(SIZE), |_| {});
    panics_at("registered", |c| c.min_idle(SIZE), |_| {});
}

#[test]
fn a_panic_while_a_connection_is_validated_loses_nothing() {
    for point in ["validating", "validated"] {
        panics_at(
            point,
            |c| c.validate_after_idle(ms(0)),
            |subject| {
                plainly(subject);
                thread::sleep(ms(15));
            },
        );
    }
    let in_a_hurry = |subject: &Subject| {
        plainly(subject);
        thread::sleep(ms(15));
        use_one(&subject.pool, ms(100), drop);
    };
    panics_at("validating in the background", |c| c.validate_after_idle(ms(0)), in_a_hurry);
    panics_at(
        "keepalive",
        |c| c.keepalive_interval(ms(1_000)),
        |subject| {
            plainly(subject);
            thread::sleep(ms(1_500));
        },
    );
}

#[test]
fn a_panic_while_a_connection_is_checked_out_or_comes_back_loses_nothing() {
    for point in ["checked_out", "returned", "parking"] {
        panics_at(point, |c| c, plainly);
    }
    panics_at("resetting", |c| c.session_reset(SessionReset::State), plainly);
    for point in ["settling", "settled"] {
        panics_at(
            point,
            |c| c,
            |subject| {
                use_one(&subject.pool, ms(2_000), |mut conn| {
                    let _ = conn.raw().and_then(|mut raw| raw.script("begin"));
                });
            },
        );
    }
}

#[test]
fn a_panic_of_the_caller_loses_nothing() {
    let subject = Subject::new(PoolConfig::new().max_size(SIZE), false);
    let caller = catch_unwind(AssertUnwindSafe(|| {
        let mut conn = subject.pool.get().unwrap();
        conn.raw().unwrap().script("begin").unwrap();
        panic!("injected at the caller");
    }));
    assert!(caller.is_err());
    assert_whole(&subject.pool, "the caller");
    assert_eq!(subject.pool.stats().opens, 2, "the connection is kept");
}

#[test]
fn a_panic_while_a_connection_is_closed_loses_nothing() {
    for point in ["retired", "closing", "departing"] {
        panics_at(point, |c| c, |subject| use_one(&subject.pool, ms(2_000), PooledConnection::discard));
        panics_at(
            point,
            |c| c.min_idle(1),
            |subject| {
                use_one(&subject.pool, ms(2_000), PooledConnection::discard);
            },
        );
    }
    panics_at("closing", |c| c.idle_timeout(ms(20)), now_and_then);
    panics_at(
        "closing",
        |c| c,
        |subject| {
            plainly(subject);
            let _ = catch_unwind(AssertUnwindSafe(|| subject.pool.release_idle()));
        },
    );
    panics_at("housekeeping", |c| c.idle_timeout(ms(20)), now_and_then);
}

#[test]
fn a_panic_while_a_server_is_away_or_refuses_loses_nothing() {
    let away = |subject: &Subject| {
        subject.is(Mood::IsAway);
        use_one(&subject.pool, ms(300), drop);
    };
    for point in ["probe due", "probing"] {
        panics_at(point, |c| c, away);
    }
    let refused_first = |subject: &Subject| {
        subject.is(Mood::Says(b"28P01"));
        use_one(&subject.pool, ms(300), drop);
        thread::sleep(ms(50));
    };
    panics_at("asked again", |c| c, refused_first);
    let full = |subject: &Subject| {
        let held = subject.pool.get_timeout(ms(300));
        subject.is(Mood::Says(b"53300"));
        use_one(&subject.pool, ms(300), drop);
        drop(held);
    };
    for point in ["full", "one more"] {
        panics_at(point, |c| c, full);
    }
}

#[test]
fn a_panic_while_the_pool_looks_around_loses_nothing() {
    panics_at("fleet look", |c| c, plainly);
    panics_at("watched", |c| c, plainly);
    panics_at(
        "exhaustion question",
        |c| c,
        |subject| {
            let all: Vec<_> = (0..SIZE).filter_map(|_| subject.pool.get_timeout(ms(300)).ok()).collect();
            use_one(&subject.pool, ms(5), drop);
            drop(catch_unwind(AssertUnwindSafe(|| drop(all))));
        },
    );
}

#[test]
fn a_panic_while_a_role_is_in_doubt_loses_nothing() {
    let server = holdfast_testkit::embedded::EmbeddedPostgres::start().unwrap();
    let mut config = PoolConfig::from_url(&server.url()).unwrap();
    config.set("target_session_attrs", "read-write").unwrap();
    let pool = Pool::new(config.name("whole-role").max_size(SIZE)).unwrap();
    let armed = Armed::new("whole-role", "role in doubt");
    soon("the role is in doubt", || {
        use_one(&pool, EXPLAIN_TIMEOUT, |mut conn| {
            let mut raw = conn.raw().unwrap();
            raw.script("begin read only; create table refused ()").unwrap_err();
            raw.script("rollback").unwrap();
        });
        armed.was_reached()
    });
    assert_whole(&pool, "role in doubt");
}
