//! The statements of the pool itself: nothing that a caller left in the session changes it.

use holdfast::{CloseReason, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::own_server;
use crate::{ms, soon};

/// Functions and operators with the names of the server's own, in a schema that a caller may put in front. Each notes that
/// it was run, although it is run in a transaction that only reads.
const EVIL: &str = "
create sequence caught;
create schema evil;
create function evil.caught() returns bool language sql volatile as $$ select nextval('public.caught') > 0 $$;
create function evil.current_setting(text) returns text language sql as $$ select case when evil.caught() then '7' end $$;
create function evil.current_setting(text, bool) returns text language sql as $$ select case when evil.caught() then '7' end $$;
create function evil.date_part(text, timestamptz) returns float8 language sql as $$ select case when evil.caught() then 7 end $$;
create function evil.date_part(text, interval) returns float8 language sql as $$ select case when evil.caught() then 7 end $$;
create function evil.pg_is_in_recovery() returns bool language sql as $$ select evil.caught() $$;
create function evil.same(name, name) returns bool language sql as $$ select evil.caught() $$;
create operator evil.= (leftarg = name, rightarg = name, function = evil.same);
create function evil.same(text, text) returns bool language sql as $$ select evil.caught() $$;
create operator evil.= (leftarg = text, rightarg = text, function = evil.same);
create function evil.less(int4, int4) returns int4 language sql as $$ select case when evil.caught() then 7 end $$;
create operator evil.- (leftarg = int4, rightarg = int4, function = evil.less);
create operator evil.+ (leftarg = int4, rightarg = int4, function = evil.less);
create function evil.between(timestamptz, timestamptz) returns interval language sql
  as $$ select case when evil.caught() then '1s'::interval end $$;
create operator evil.- (leftarg = timestamptz, rightarg = timestamptz, function = evil.between);
create aggregate evil.count(*) (sfunc = int8inc, stype = int8, initcond = '7');
create domain evil.int4 as text check (evil.caught());
create domain evil.text as pg_catalog.text check (evil.caught());
create role powerless;
";

fn server() -> EmbeddedPostgres {
    own_server(|s| s.max_connections(20))
}

fn caught(server: &EmbeddedPostgres) -> bool {
    let mut observer = postgres::Client::connect(&server.url(), postgres::NoTls).unwrap();
    observer.query_one("select is_called from public.caught", &[]).unwrap().get(0)
}

fn one(server: &EmbeddedPostgres, options: impl FnOnce(PoolConfig) -> PoolConfig) -> Pool {
    Pool::new(options(PoolConfig::from_url(&server.url()).unwrap().max_size(1))).unwrap()
}

/// Leaves `settings` in the session of a pool's only connection, and returns what the pool then learns of its server.
fn asks_after(pool: &Pool, settings: &str) -> holdfast::Exhaustion {
    pool.batch_execute(settings).unwrap();
    let mut story = pool.explain_exhaustion();
    for _ in 0..3 {
        // As of the fleet, which is looked at when a connection comes back.
        std::thread::sleep(ms(20));
        drop(pool.get().unwrap());
        story = pool.explain_exhaustion();
    }
    story
}

#[test]
fn functions_operators_and_types_that_a_caller_puts_in_front_are_never_run_by_the_pool() {
    let server = server();
    let url = server.url();
    postgres::Client::connect(&url, postgres::NoTls).unwrap().batch_execute(EVIL).unwrap();
    let pool = one(&server, |mut config| {
        config.set("target_session_attrs", "read-write").unwrap();
        config.validate_after_idle(ms(0))
    });
    let story = asks_after(&pool, "set search_path = evil, pg_catalog");
    let slots = story.server.expect("the server's own answer");
    assert_eq!((slots.max_connections, slots.reserved), (20, 3));
    soon("the pool has looked at its fleet", || pool.stats().fleet_peers == Some(1));
    let stats = pool.stats();
    assert!(stats.validations > 0, "{stats:?}");
    assert_eq!((stats.opens, stats.closes_by(CloseReason::WrongRole)), (1, 0), "{stats:?}");
    assert!(!caught(&server), "something of a caller's was run by the pool");
    // The trap works.
    pool.batch_execute("select evil.current_setting('x')").unwrap();
    assert!(caught(&server));
}

#[test]
fn a_role_and_a_statement_timeout_that_a_caller_leaves_do_not_break_what_the_pool_asks() {
    let server = server();
    postgres::Client::connect(&server.url(), postgres::NoTls).unwrap().batch_execute(EVIL).unwrap();
    let pool = one(&server, |c| c.validate_after_idle(ms(0)));
    let story = asks_after(&pool, "set role powerless; set statement_timeout = 1000");
    assert!(story.server.is_some(), "{story}");
    soon("the pool has looked at its fleet", || pool.stats().fleet_peers == Some(1));
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn statements_of_the_pools_own_are_not_limited_by_the_deadline_of_its_users_statements() {
    let server = server();
    let pool = one(&server, |c| c.validate_after_idle(ms(0)).statement_deadline(ms(1)));
    for _ in 0..20 {
        let mut conn = pool.get().unwrap();
        conn.set_deadline(None);
        conn.batch_execute("begin; select pg_sleep(0.002)").unwrap();
    }
    soon("all is cleaned", || pool.stats().idle == 1);
    assert_eq!((pool.stats().opens, pool.stats().rolled_back), (1, 20));
}
