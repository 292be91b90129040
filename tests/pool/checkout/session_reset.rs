//! `session_reset`: what one checkout leaves in the session, and whether the next one finds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast::config::SessionReset;
use holdfast::session::ResultFormat;
use holdfast::{LogLevel, Pool, PoolConfig};

use crate::support::pgbouncer::PgBouncer;
use crate::{config, ms, server, soon};

/// A kind of state: how it is left, how it is seen, and how it looks in a new session.
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("a setting", "set lock_timeout = '7s'", "show lock_timeout", "0"),
    ("search_path", "set search_path = nowhere", "show search_path", "\"$user\", public"),
    ("a role", "set role pg_monitor", "select current_user::text", "postgres"),
    (
        "a temporary table",
        "create temp table leftover (n int)",
        "select to_regclass('leftover') is null",
        "t",
    ),
    (
        "an advisory lock",
        "select pg_advisory_lock(4711)",
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
        "0",
    ),
    (
        "a cursor",
        "begin; declare kept cursor with hold for select 1; commit",
        "select count(*) from pg_cursors where name = 'kept'",
        "0",
    ),
    (
        "currval",
        "create temp sequence counted; select nextval('counted')",
        "select count(*) from pg_class where relname = 'counted' and pg_is_other_temp_schema(relnamespace) is false",
        "0",
    ),
    (
        "a prepared statement of the caller's",
        "prepare mine as select 1",
        "select count(*) from pg_prepared_statements where name = 'mine'",
        "0",
    ),
];

fn one(name: &str, reset: SessionReset) -> PoolConfig {
    config(server(), name).max_size(1).session_reset(reset)
}

/// Asks within a transaction of the simple protocol, which leaves nothing itself.
fn seen(pool: &Pool, sql: &str) -> String {
    let mut conn = pool.get().unwrap();
    let block = conn.raw().unwrap().query(sql, &[], ResultFormat::Text).unwrap();
    String::from_utf8(block.cell(0, 0).unwrap().to_vec()).unwrap()
}

#[test]
fn what_a_checkout_leaves_in_its_session_is_found_by_the_next_unless_sessions_are_reset() {
    for (kind, left, look, fresh) in KINDS {
        for reset in [SessionReset::None, SessionReset::State, SessionReset::Discard] {
            let pool = Pool::new(one("reset", reset)).unwrap();
            pool.batch_execute(left).unwrap();
            let stays = reset == SessionReset::None
                || (reset == SessionReset::State && kind.starts_with("a prepared statement"));
            assert_eq!(seen(&pool, look) != fresh, stays, "{kind} with session_reset={reset}");
            assert_eq!(pool.stats().opens, 1, "{kind}: by a reset, and not by another session");
        }
    }
}

#[test]
fn statements_that_the_pool_has_prepared_are_kept_by_state_and_healed_after_discard() {
    for (reset, kept) in [(SessionReset::State, true), (SessionReset::Discard, false)] {
        let pool = Pool::new(one("reset prepared", reset)).unwrap();
        for n in 0..5_i32 {
            assert_eq!(pool.query_one("select $1::int4 + 1", &[&n]).unwrap().get::<_, i32>(0), n + 1);
        }
        let mut conn = pool.get().unwrap();
        let sql = "select count(*) from pg_prepared_statements where statement like 'select $1::int4%'";
        let block = conn.raw().unwrap().script(sql).unwrap();
        assert_eq!(block[0].cell(0, 0) == Some(&b"1"[..]), kept, "{reset}");
        drop(conn);
        assert_eq!(pool.stats().opens, 1);
    }
}

#[test]
fn neither_a_timeout_nor_a_role_that_a_caller_has_set_keeps_its_session_from_being_reset() {
    let pool = Pool::new(one("reset in spite of it", SessionReset::State)).unwrap();
    for _ in 0..20 {
        pool.batch_execute(
            "set role pg_monitor; set statement_timeout = 40; set default_transaction_read_only = on",
        )
        .unwrap();
    }
    assert_eq!(seen(&pool, "show statement_timeout"), "0");
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn a_session_that_was_reset_is_set_up_again_and_has_the_time_limits_of_its_start() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let config = one("reset and set up", SessionReset::Discard)
        .server_idle_session_timeout(ms(77_000))
        .on_connect(move |conn| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(conn.batch_execute("set lock_timeout = '7s'")?)
        });
    let pool = Pool::new(config).unwrap();
    pool.batch_execute("set lock_timeout = '1s'; set idle_session_timeout = 0").unwrap();
    assert_eq!(seen(&pool, "show lock_timeout"), "7s");
    assert_eq!(seen(&pool, "show idle_session_timeout"), "77s");
    soon("the last one has come back", || pool.stats().idle == 1);
    assert_eq!((runs.load(Ordering::SeqCst), pool.stats().opens), (4, 1));
}

#[test]
fn a_session_that_cannot_be_set_up_again_is_closed() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let config = one("reset in vain", SessionReset::State).on_connect(move |conn| {
        match counted.fetch_add(1, Ordering::SeqCst) {
            1 => Err("not again".into()),
            _ => Ok(conn.batch_execute("set lock_timeout = '7s'")?),
        }
    });
    let pool = Pool::new(config).unwrap();
    pool.batch_execute("select 1").unwrap();
    assert_eq!(seen(&pool, "show lock_timeout"), "7s");
    assert_eq!(pool.stats().opens, 2);
}

#[test]
fn behind_a_transaction_pooler_a_reset_has_no_effect_and_the_log_says_so_once() {
    let bouncer = PgBouncer::start(server(), "default_pool_size=3");
    let warned = Arc::new(AtomicU32::new(0));
    let counted = warned.clone();
    let config = PoolConfig::from_url(&bouncer.url())
        .unwrap()
        .max_size(2)
        .session_reset(SessionReset::Discard)
        .log_sink(LogLevel::Warn, move |record| {
            if record.message.contains("session_reset has no effect") {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
    let pool = Pool::new(config).unwrap();
    for n in 0..30_i32 {
        assert_eq!(pool.query_one("select $1::int4", &[&n]).unwrap().get::<_, i32>(0), n);
    }
    assert_eq!(warned.load(Ordering::SeqCst), 1);
}
