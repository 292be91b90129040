//! Log records, in the `log` crate and in the pool's own sink.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::SystemTime;

use holdfast::{ErrorKind, LogLevel, Pool, PoolConfig};
use log::kv::{Error, Key, Value, VisitSource};

use crate::{config, ms, server, soon};

/// A record as either of the two receives it.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    level: LogLevel,
    message: String,
    pool: String,
    fields: Vec<(String, String)>,
}

/// A configuration for a port on which no process listens: two retries, 1 ms and 2 ms after a failure.
fn nobody(name: &str) -> PoolConfig {
    PoolConfig::from_url("postgresql://app@127.0.0.1:1/orders")
        .unwrap()
        .name(name)
        .retry_base_delay(ms(1))
        .retry_jitter(0.0)
}

fn listening(config: PoolConfig, level: LogLevel) -> (Pool, Receiver<Told>) {
    let (sender, told) = mpsc::channel();
    let config = config.log_sink(level, move |record| {
        assert!(record.time <= SystemTime::now());
        let told = Told {
            level: record.level,
            message: record.message.to_owned(),
            pool: record.pool.to_owned(),
            fields: record.fields().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let _ = sender.send(told);
    });
    (Pool::new(config).unwrap(), told)
}

/// All that the `log` crate was told in this program.
struct Crate(Mutex<Vec<Told>>);

impl Crate {
    fn of_pool(&self, name: &str) -> Vec<Told> {
        let told = self.0.lock().unwrap();
        told.iter().filter(|t| t.pool.starts_with(&format!("{name} "))).cloned().collect()
    }
}

struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

impl log::Log for Crate {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() != "holdfast" || record.level() != log::Level::Warn {
            return;
        }
        let mut fields = Fields(Vec::new());
        record.key_values().visit(&mut fields).unwrap();
        assert!(record.file().is_some_and(|file| file.contains("pool")), "{:?}", record.file());
        let (first, pool) = fields.0.remove(0);
        assert_eq!(first, "pool");
        let message = record.args().to_string();
        self.0.lock().unwrap().push(Told { level: LogLevel::Warn, message, pool, fields: fields.0 });
    }

    fn flush(&self) {}
}

fn the_crate() -> &'static Crate {
    static TOLD: OnceLock<&'static Crate> = OnceLock::new();
    TOLD.get_or_init(|| {
        let told: &'static Crate = Box::leak(Box::new(Crate(Mutex::new(Vec::new()))));
        log::set_logger(told).expect("no other logger in this program");
        log::set_max_level(log::LevelFilter::Warn);
        told
    })
}

#[test]
fn the_sink_of_a_pool_and_the_log_crate_hear_the_same() {
    let known = the_crate();
    let (pool, told) = listening(nobody("both"), LogLevel::Warn);
    pool.get().unwrap_err();
    let told: Vec<Told> = told.try_iter().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let fields = |attempt: &str, wait: &str| {
        [("event", "retried"), ("wait_ms", wait), ("kind", "refused"), ("attempt", attempt)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    assert_eq!(told[0].fields, fields("1", "1"));
    assert_eq!(told[1].fields, fields("2", "2"));
    assert!(told[0].message.starts_with("could not open a connection (attempt 1): "), "{}", told[0].message);
    assert_eq!(told[0].pool, "both (127.0.0.1:1)");
    assert_eq!(known.of_pool("both"), told);
}

#[test]
fn every_retry_is_logged_with_attempt_cause_and_wait() {
    let known = the_crate();
    Pool::new(nobody("retried").retry_base_delay(ms(20))).unwrap().get().unwrap_err();
    let told = known.of_pool("retried");
    assert_eq!(told.len(), 2, "{told:?}");
    for (record, (attempt, wait)) in told.iter().zip([("attempt 1", "20 ms"), ("attempt 2", "40 ms")]) {
        assert_eq!(record.level, LogLevel::Warn);
        for part in [attempt, wait, "Connection refused"] {
            assert!(record.message.contains(part), "{part:?} is missing in: {}", record.message);
        }
    }
}

#[test]
fn a_sink_hears_its_own_pool_from_its_level_up() {
    let (loud, everything) = listening(config(server(), "loud"), LogLevel::Debug);
    let (quiet, little) = listening(config(server(), "quiet"), LogLevel::Warn);
    for pool in [&loud, &quiet] {
        pool.batch_execute("select 1").unwrap();
        pool.get().unwrap().discard();
    }
    let next = || everything.recv_timeout(ms(10_000)).unwrap();
    let (opened, closed) = (next(), next());
    assert!(opened.message.starts_with("opened a connection to 127.0.0.1:"), "{}", opened.message);
    assert_eq!((closed.level, closed.message.as_str()), (LogLevel::Debug, "closing a connection: discarded"));
    assert!(everything.try_recv().is_err(), "nothing else happened");
    assert!(little.try_recv().is_err(), "nothing that matters enough happened");
}

#[test]
fn a_pool_cannot_be_waited_for_inside_a_sink_and_a_panic_there_stays_there() {
    let (sender, outcomes) = mpsc::channel();
    let itself: Arc<OnceLock<Pool>> = Arc::default();
    let inside = Arc::downgrade(&itself);
    let config = nobody("meddled").log_sink(LogLevel::Warn, move |_| {
        let pool = Weak::upgrade(&inside).expect("the test holds it");
        let pool = pool.get().expect("set before anything is told");
        let _ = sender.send((pool.get().unwrap_err(), pool.try_get().unwrap_err(), pool.stats().retries));
        panic!("a slip of the program's");
    });
    itself.set(Pool::new(config).unwrap()).unwrap();
    let error = itself.get().unwrap().get().unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Refused, 3), "both retries were made");
    let outcomes: Vec<_> = outcomes.try_iter().collect();
    assert_eq!(outcomes.len(), 2);
    for (get, try_get, _) in &outcomes {
        assert_eq!((get.kind(), try_get.kind()), (ErrorKind::Misuse, ErrorKind::Misuse), "{get}");
    }
    assert_eq!(outcomes[1].2, 1, "figures can be read inside");
}

#[test]
fn a_sink_goes_with_the_last_that_has_it() {
    let kept = Arc::new(());
    let held = Arc::downgrade(&kept);
    let config = config(server(), "kept").log_sink(LogLevel::Trace, move |_| drop(kept.clone()));
    let pool = Pool::new(config.clone()).unwrap();
    drop(config);
    let conn = pool.get().unwrap();
    drop(pool);
    assert!(held.upgrade().is_some(), "a connection is still out");
    drop(conn);
    soon("the sink is gone", || held.upgrade().is_none());
}

#[test]
fn a_trace_has_the_messages_of_a_checkout_by_name_and_nothing_of_their_contents() {
    let mut config = config(server(), "traced");
    config.set("protocol_trace", "on").unwrap();
    let (pool, told) = listening(config, LogLevel::Debug);
    pool.query("select generate_series(1, 5), $1::text", &[&"a secret"]).unwrap();
    pool.query("select 1 / $1::int", &[&0i32]).unwrap_err();
    pool.close();
    let told: Vec<_> = told.try_iter().collect();
    assert!(!told.iter().any(|record| record.message.contains("secret")), "{told:?}");
    let traced: Vec<_> = told.iter().filter(|record| record.message.starts_with("protocol: ")).collect();
    for name in [
        "> Parse",
        "> Sync",
        "< DataRow, 5 of them",
        "< CommandComplete",
        "< ErrorResponse",
        "< ReadyForQuery",
    ] {
        assert!(traced.iter().any(|record| record.message.ends_with(name)), "no {name} in {traced:?}");
    }
    assert!(traced[0].message.starts_with("protocol: 0.000 ms > "), "{traced:?}");
    assert!(traced.iter().all(|record| record.fields.iter().any(|(name, _)| name == "connection")));
}
