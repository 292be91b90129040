//! Types of the user's own: looked up once per pool, forgotten when they turn out to be stale.

use fallible_iterator::FallibleIterator;
use holdfast::Pool;
use holdfast::types::{FromSql, Kind, ToSql, Type};

use crate::support::own_server;
use crate::{config, ms, one, plain};

#[derive(Debug, Clone, PartialEq, ToSql, FromSql)]
#[postgres(name = "mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    Happy,
}

#[derive(Debug, Clone, PartialEq, ToSql, FromSql)]
#[postgres(name = "member")]
struct Member {
    name: String,
    moods: Vec<Mood>,
}

const TYPES: &str = "drop schema if exists own cascade; create schema own; set search_path = own;
    create type mood as enum ('sad', 'happy');
    create domain short as text check (length(value) < 10);
    create type member as (name text, moods mood[]);
    create type span as range (subtype = float8);
    create type team as (lead member, others member[], spans span[]);";

/// A pool of one whose connection finds the types, as its only one.
fn with_types(name: &str) -> Pool {
    let pool = one(name);
    let schema = format!("{name}_types");
    let sql = TYPES.replace("own", &schema);
    pool.batch_execute(&sql).unwrap();
    pool
}

#[test]
fn types_of_every_kind_are_looked_up_with_all_that_they_are_made_of() {
    let pool = with_types("every_kind");
    let mut conn = pool.get().unwrap();
    let statement = conn.prepare("select $1::team, $2::short, $3::mood[], 'sad'::mood").unwrap();
    let [team, short, moods] = statement.params() else { panic!("three parameters") };
    assert_eq!((team.name(), team.schema()), ("team", "every_kind_types"));
    let Kind::Composite(fields) = team.kind() else { panic!("{team:?}") };
    assert_eq!(fields.iter().map(|f| f.name()).collect::<Vec<_>>(), ["lead", "others", "spans"]);
    let Kind::Composite(member) = fields[0].type_().kind() else { panic!("{fields:?}") };
    assert_eq!(member[0].type_(), &Type::TEXT);
    let Kind::Array(span) = fields[2].type_().kind() else { panic!("{fields:?}") };
    assert_eq!(span.kind(), &Kind::Range(Type::FLOAT8));
    assert_eq!(short.kind(), &Kind::Domain(Type::TEXT));
    let Kind::Array(mood) = moods.kind() else { panic!("{moods:?}") };
    assert_eq!(mood.kind(), &Kind::Enum(vec!["sad".into(), "happy".into()]));
    // Ranges have their multirange from 14 on.
    let version: i32 =
        conn.query_one("select current_setting('server_version_num')::int4", &[]).unwrap().get(0);
    if version >= 140_000 {
        let statement = conn.prepare("select '{[1,2)}'::span_multirange").unwrap();
        let spans = statement.columns()[0].type_();
        assert_eq!((spans.name(), spans.kind()), ("span_multirange", &Kind::Multirange(Type::FLOAT8)));
    }
}

#[test]
fn values_of_own_types_go_there_and_back() {
    let pool = with_types("there_and_back");
    let member = Member { name: "Ada".into(), moods: vec![Mood::Happy, Mood::Sad] };
    let row = pool.query_one("select $1::member, $1, $2::mood", &[&member, &Mood::Sad]).unwrap();
    assert_eq!((row.get::<_, Member>(0), row.get::<_, Mood>(2)), (member, Mood::Sad));
}

#[test]
fn types_are_looked_up_once_for_all_connections_of_a_pool() {
    let server = own_server(|s| s);
    server.execute("create type mood as enum ('sad', 'happy')").unwrap();
    server.change_settings(&[("log_statement", "all")]).unwrap();
    let pool = Pool::new(config(&server, "shared").max_size(3)).unwrap();
    let mut conns: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    for conn in &mut conns {
        for sql in ["select 'sad'::mood", "select 'happy'::mood", "select array['sad'::mood]"] {
            conn.query_one(sql, &[]).unwrap();
        }
    }
    let look_ups = server.log().matches("WITH RECURSIVE wanted").count();
    // One for the enum, one for its array.
    assert_eq!(look_ups, 2, "{}", server.log());
    assert_eq!(pool.stats().statements, 9, "a look-up is no statement of the user's");
}

#[test]
fn discard_all_keeps_types_usable() {
    let pool = with_types("type_discarded");
    let mut conn = pool.get().unwrap();
    conn.query_one("select 'sad'::mood", &[]).unwrap();
    conn.batch_execute("discard all").unwrap();
    conn.batch_execute("set search_path = type_discarded_types").unwrap();
    for sql in ["select 'x'::short", "select 'sad'::mood", "select array['sad'::mood]"] {
        conn.query_one(sql, &[]).unwrap();
    }
}

#[test]
fn no_search_path_leads_a_look_up_astray() {
    let pool = with_types("astray");
    let mut conn = pool.get().unwrap();
    conn.batch_execute(
        "drop schema if exists evil cascade; create schema evil;
         create table evil.hits (n int);
         create function evil.eq(oid, oid) returns bool language plpgsql as $$
             begin insert into evil.hits values (1); return true; end $$;
         create operator evil.= (leftarg = oid, rightarg = oid, function = evil.eq);
         create table evil.pg_type (oid oid); create table evil.pg_enum (oid oid);
         set search_path = evil, astray_types, pg_catalog",
    )
    .unwrap();
    let statement = conn.prepare("select 'sad'::mood, null::team").unwrap();
    assert_eq!(statement.columns()[0].type_().name(), "mood");
    assert_eq!(plain(&mut conn, "select count(*) from evil.hits").as_deref(), Some("0"));
}

#[test]
fn a_type_that_was_made_anew_is_looked_up_again() {
    let pool = with_types("made_anew");
    let select = |pool: &Pool| pool.query_one("select $1::mood", &[&Mood::Happy]);
    assert_eq!(select(&pool).unwrap().get::<_, Mood>(0), Mood::Happy);
    pool.batch_execute("drop type mood cascade; create type mood as enum ('happy', 'sad')").unwrap();
    let healed = select(&pool).or_else(|_| select(&pool)).expect("with the second call at the latest");
    assert_eq!(healed.get::<_, Mood>(0), Mood::Happy);
}

#[test]
fn a_composite_that_was_altered_is_looked_up_again() {
    let pool = one("altered");
    pool.batch_execute("drop type if exists pair cascade; create type pair as (a int4)").unwrap();
    #[derive(Debug, PartialEq, ToSql, FromSql)]
    #[postgres(name = "pair")]
    struct Pair {
        a: i32,
        b: Option<i32>,
    }
    pool.query_one("select $1::pair is null", &[&Option::<Pair>::None]).unwrap_err();
    pool.query_one("select row(1)::pair", &[]).unwrap();
    pool.batch_execute("alter type pair add attribute b int4").unwrap();
    let pair = Pair { a: 1, b: Some(2) };
    let there = pool.query_one("select ($1::pair).b", &[&pair]).unwrap();
    assert_eq!(there.get::<_, i32>(0), 2);
    let back = || pool.query_one("select row(1, 2)::pair", &[]).unwrap().get::<_, Pair>(0);
    assert_eq!(back(), pair);
    pool.batch_execute("drop type pair").unwrap();
}

#[test]
fn a_label_or_an_attribute_that_others_added_is_known_in_the_first_result_that_has_it() {
    let (pool, others) = (one("altered_by_others"), one("others"));
    let schema = "set search_path = altered_by_others_types";
    let define =
        "drop schema if exists altered_by_others_types cascade; create schema altered_by_others_types";
    for pool in [&others, &pool] {
        pool.batch_execute(if std::ptr::eq(pool, &others) { define } else { "select 1" }).unwrap();
        pool.batch_execute(schema).unwrap();
    }
    others.batch_execute("create type weather as enum ('dry'); create type pair as (w weather)").unwrap();
    #[derive(Debug, PartialEq, FromSql)]
    #[postgres(name = "weather", rename_all = "lowercase")]
    enum Weather {
        Dry,
        Wet,
    }
    #[derive(Debug, PartialEq, FromSql)]
    #[postgres(name = "pair")]
    struct Pair {
        w: Weather,
        n: Option<i32>,
    }
    let mut conn = pool.get().unwrap();
    let weathers = "select array[(select max(w) from unnest(enum_range(null::weather)) w)]";
    let pairs = "select json_populate_record(null::pair, '{\"w\": \"dry\", \"n\": 7}')";
    conn.query_one(weathers, &[]).unwrap();
    conn.query_one(pairs, &[]).unwrap();
    others.batch_execute("alter type weather add value 'wet'").unwrap();
    assert_eq!(conn.query_one(weathers, &[]).unwrap().get::<_, Vec<Weather>>(0), [Weather::Wet]);
    others.batch_execute("alter type pair add attribute n int4").unwrap();
    let pair = Pair { w: Weather::Dry, n: Some(7) };
    assert_eq!(conn.query_one(pairs, &[]).unwrap().get::<_, Pair>(0), pair);
    assert_eq!(conn.query_typed(pairs, &[]).unwrap()[0].get::<_, Pair>(0), pair);
}

#[test]
fn the_first_use_of_a_type_may_be_inside_a_transaction_or_in_rows_read_one_by_one() {
    let pool = with_types("first_use");
    let mut conn = pool.get().unwrap();
    let mut tx = conn.transaction().unwrap();
    let mut rows = tx.query_raw("select 'sad'::mood from generate_series(1, 3)", Vec::<&str>::new()).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<_, Mood>(0), Mood::Sad);
    drop(rows);
    let typed = [(&1i32 as &(dyn ToSql + Sync), Type::INT4)];
    let mut rows = tx.query_typed_raw("select array['happy'::mood], $1", typed).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<_, Vec<Mood>>(0), [Mood::Happy]);
    assert!(rows.next().unwrap().is_none());
    drop(rows);
    tx.commit().unwrap();
    conn.set_deadline(Some(ms(5000)));
    conn.clear_type_cache();
    assert_eq!(conn.query_one("select 'sad'::mood", &[]).unwrap().get::<_, Mood>(0), Mood::Sad);
}
