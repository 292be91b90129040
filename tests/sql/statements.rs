//! Statements: prepared once by their text, healed where they went stale, unnamed where nothing may be kept.

use holdfast::types::Type;
use holdfast::{ErrorKind, GenericClient, Pool, Statement};

use crate::support::pgbouncer::PgBouncer;
use crate::support::server;
use crate::{config, one, plain};

const PREPARED: &str = "select count(*) from pg_prepared_statements";

#[test]
fn a_text_is_prepared_once_however_it_is_run() {
    let pool = one("once_prepared");
    let mut conn = pool.get().unwrap();
    let sql = "select $1::int4 + 1";
    let statement = conn.prepare(sql).unwrap();
    assert_eq!(conn.query_one(sql, &[&1i32]).unwrap().get::<_, i32>(0), 2);
    assert_eq!(conn.query_one(&statement, &[&2i32]).unwrap().get::<_, i32>(0), 3);
    assert_eq!(conn.query_one(&sql.to_owned(), &[&3i32]).unwrap().get::<_, i32>(0), 4);
    assert_eq!(conn.transaction().unwrap().query_opt(sql, &[&4i32]).unwrap().unwrap().get::<_, i32>(0), 5);
    assert_eq!((conn.execute(sql, &[&5i32]).unwrap(), conn.cached_statements()), (1, 1));
    assert_eq!(plain(&mut conn, PREPARED).as_deref(), Some("1"));
}

#[test]
fn a_statement_runs_on_any_connection_and_after_it_was_pushed_out() {
    let pool = Pool::new(config(server(), "anywhere").max_size(2).statement_cache(1)).unwrap();
    let statement: Statement =
        pool.get().unwrap().prepare_typed("select $1, $2::int4", &[Type::INT8]).unwrap();
    assert_eq!(statement.params(), [Type::INT8, Type::INT4]);
    let (mut a, mut b) = (pool.get().unwrap(), pool.get().unwrap());
    for conn in [&mut a, &mut b] {
        for _ in 0..2 {
            assert_eq!(conn.query_one(&statement, &[&1i64, &2i32]).unwrap().get::<_, i64>(0), 1);
            conn.query_one("select 'another'", &[]).unwrap();
        }
        assert_eq!(conn.cached_statements(), 1);
    }
}

#[test]
fn a_parameter_whose_type_changed_is_noticed_by_nobody() {
    let pool = one("retyped");
    pool.batch_execute("create table retyped (id int4); insert into retyped values (7)").unwrap();
    let sql = "select count(*) from retyped where id = $1";
    let count =
        |id: &(dyn holdfast::types::ToSql + Sync)| pool.query_one(sql, &[id]).map(|row| row.get::<_, i64>(0));
    assert_eq!(count(&7i32).unwrap(), 1);
    pool.batch_execute("alter table retyped alter column id type text using id::text").unwrap();
    assert_eq!(count(&"7").unwrap(), 1);
    let error = count(&7i32).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("parameter $1 (type text)"), "{error}");
    assert!(error.to_string().contains("i32"), "{error}");
    // Also where a transaction is open: nothing was sent.
    let mut conn = pool.get().unwrap();
    conn.batch_execute("alter table retyped alter column id type int8 using id::int8").unwrap();
    let mut tx = conn.transaction().unwrap();
    assert_eq!(tx.query_one(sql, &[&7i64]).unwrap().get::<_, i64>(0), 1);
    tx.commit().unwrap();
}

#[test]
fn discard_all_is_noticed_by_nobody() {
    let pool = one("discarded_all");
    pool.query_one("select 1", &[]).unwrap();
    pool.batch_execute("discard all").unwrap();
    pool.query_one("select 1", &[]).unwrap();
}

#[test]
fn what_cannot_be_sent_is_the_callers_mistake_and_leaves_the_connection_usable() {
    let pool = one("unsendable");
    let mut conn = pool.get().unwrap();
    let many: Vec<&(dyn holdfast::types::ToSql + Sync)> = vec![&1i32; 70_000];
    for error in [
        conn.query("select 'a\0b'", &[]).unwrap_err(),
        conn.batch_execute("select 'a\0b'").unwrap_err(),
        conn.simple_query("select 'a\0b'").unwrap_err(),
        conn.prepare("select 'a\0b'").unwrap_err(),
        conn.query_typed("select 'a\0b'", &[]).unwrap_err(),
        conn.copy_in("copy t from stdin \0").unwrap_err(),
        conn.query("select 1", &many).unwrap_err(),
        conn.query("select $1::int4", &[]).unwrap_err(),
        conn.query("select $1::int4", &[&1i32, &2i32]).unwrap_err(),
        conn.query_typed("select $1", &[(&"text", Type::INT4)]).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    }
    assert_eq!(conn.query("select $1::int4", &[]).unwrap_err().parameter_count().unwrap().wanted, 1);
    assert_eq!(conn.query_one("select 2", &[]).unwrap().get::<_, i32>(0), 2);
}

#[test]
fn an_unnamed_statement_with_types_keeps_nothing_on_the_server() {
    let mut conn = one("typed").get().unwrap();
    let sql = "select $1 + 1, $2";
    let rows = conn.query_typed(sql, &[(&1i32, Type::INT4), (&"x", Type::TEXT)]).unwrap();
    assert_eq!((rows[0].get::<_, i32>(0), rows[0].get::<_, &str>(1)), (2, "x"));
    assert!(conn.query_typed_opt("select 1 where $1", &[(&false, Type::BOOL)]).unwrap().is_none());
    assert_eq!(conn.query_typed_one("select $1", &[(&7i64, Type::INT8)]).unwrap().get::<_, i64>(0), 7);
    assert_eq!(conn.execute_typed("select $1", &[(&7i64, Type::INT8)]).unwrap(), 1);
    assert_eq!(plain(&mut conn, PREPARED).as_deref(), Some("0"));
}

#[test]
fn functions_take_a_connection_or_a_transaction() {
    fn add(client: &mut impl GenericClient, n: i32) -> holdfast::Result<i32> {
        let statement = client.prepare("select $1 + 1")?;
        Ok(client.query_one(&statement, &[&n])?.get(0))
    }
    let mut conn = one("generic").get().unwrap();
    assert_eq!(add(&mut conn, 1).unwrap(), 2);
    let mut tx = conn.transaction().unwrap();
    assert_eq!(add(&mut tx, 2).unwrap(), 3);
    assert_eq!(add(&mut tx.transaction().unwrap(), 3).unwrap(), 4);
}

#[test]
fn behind_a_pooler_that_changes_servers_own_types_work_without_named_statements() {
    server()
        .execute("drop type if exists pooled_mood; create type pooled_mood as enum ('sad', 'happy')")
        .unwrap();
    let bouncer = PgBouncer::start(server(), "default_pool_size=2");
    let config = holdfast::PoolConfig::from_url(&bouncer.url()).unwrap().max_size(8).statement_cache(0);
    let pool = Pool::new(config).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let row = pool.query_one("select 'happy'::pooled_mood, $1::int4", &[&7i32]).unwrap();
                    assert_eq!(row.columns()[0].type_().name(), "pooled_mood");
                    assert_eq!(row.get::<_, i32>(1), 7);
                }
            });
        }
    });
}

#[test]
fn calls_work_on_a_thread_of_an_async_runtime() {
    let pool = one("in_async");
    let mut conn = pool.get().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(conn.query_one("select $1::int4", &[&7i32]).unwrap().get::<_, i32>(0), 7);
        let mut tx = conn.transaction().unwrap();
        tx.batch_execute("select 1").unwrap();
        drop(tx);
        let mut rows = conn.query_raw("select generate_series(1, 1000)", Vec::<&str>::new()).unwrap();
        fallible_iterator::FallibleIterator::next(&mut rows).unwrap();
        drop(rows);
        conn.check_connection().unwrap();
        drop(conn);
        pool.query_one("select 1", &[]).unwrap();
    });
}
