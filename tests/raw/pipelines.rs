//! Many statements at once, each for itself or all together.

use std::time::Instant;

use holdfast::session::{Param, PipelineMode, Request, ResultBlock, ResultFormat};
use holdfast::{Error, ErrorKind, Phase, Pool, PoolConfig, PooledConnection, Result};

use crate::support::proxy::{Proxy, Then};
use crate::support::{own_server, server};
use crate::{ms, one, text};

use PipelineMode::{Separate, Together};

const BOTH: [PipelineMode; 2] = [Separate, Together];

type Outcomes = Vec<Result<ResultBlock>>;

/// Runs texts without parameters.
fn run(
    conn: &mut PooledConnection,
    mode: PipelineMode,
    format: ResultFormat,
    texts: &[&str],
) -> Result<Outcomes> {
    let requests: Vec<_> =
        texts.iter().map(|text| Request { sql: (*text).into(), params: &[], format }).collect();
    conn.raw()?.pipeline(&requests, mode)
}

/// Command tags of what went well, SQLSTATE of what the server refused, "fell" for what fell with another.
fn told(outcomes: &Outcomes) -> Vec<String> {
    let tell = |outcome: &Result<ResultBlock>| match outcome {
        Ok(block) => block.command_tag().to_owned(),
        Err(e) => e.sqlstate().map_or("fell".to_owned(), |code| code.code().to_owned()),
    };
    outcomes.iter().map(tell).collect()
}

fn error(outcomes: &Outcomes, index: usize) -> &Error {
    outcomes[index].as_ref().unwrap_err()
}

fn count(conn: &mut PooledConnection, table: &str) -> String {
    text(conn, &format!("select count(*) from {table}"), &[]).unwrap().unwrap()
}

#[test]
fn a_pipeline_keeps_order_and_one_failure_to_itself() {
    let pool = one(server(), "pipeline");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table piped (n int primary key)").unwrap();
    let numbers: Vec<String> = (0..2000).map(|n| (n % 1999).to_string()).collect();
    let params: Vec<_> = numbers.iter().map(|n| [Param::text(n)]).collect();
    let requests: Vec<_> = params
        .iter()
        .map(|params| Request {
            sql: "insert into piped values ($1) returning n".into(),
            params,
            format: ResultFormat::Text,
        })
        .collect();
    let results = conn.raw().unwrap().pipeline(&requests, PipelineMode::Separate).unwrap();
    assert_eq!(results.len(), 2000);
    for (result, number) in results.iter().zip(&numbers).take(1999) {
        assert_eq!(result.as_ref().unwrap().cell(0, 0), Some(number.as_bytes()));
    }
    assert_eq!(results[1999].as_ref().unwrap_err().sqlstate().unwrap().code(), "23505");
    assert_eq!(text(&mut conn, "select count(*) from piped", &[]).unwrap().as_deref(), Some("1999"));
}

/// In either direction much more than the buffers between hold.
#[test]
fn a_pipeline_larger_than_every_buffer_does_not_lock_up() {
    let pool = one(server(), "wide");
    let mut conn = pool.get().unwrap();
    let big = "z".repeat(100_000);
    let params = [Param::text(&big)];
    let requests =
        vec![Request { sql: "select $1::text".into(), params: &params, format: ResultFormat::Text }; 300];
    for mode in BOTH {
        let results = conn.raw().unwrap().pipeline(&requests, mode).unwrap();
        assert!(results.iter().all(|r| r.as_ref().unwrap().cell(0, 0).unwrap().len() == 100_000));
    }
}

#[test]
fn together_all_are_committed_at_once_or_none() {
    let pool = one(server(), "together");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table fate (n int primary key)").unwrap();
    let insert = "insert into fate values ($1)";
    let params = ["1", "2", "3", "4", "5", "1", "6", "7"].map(|n| [Param::text(n)]);
    let requests: Vec<_> = params
        .iter()
        .map(|params| Request { sql: insert.into(), params, format: ResultFormat::Text })
        .collect();
    let outcomes = conn.raw().unwrap().pipeline(&requests[..3], Together).unwrap();
    assert_eq!(told(&outcomes), ["INSERT 0 1"; 3]);
    assert_eq!(
        text(&mut conn, "select count(distinct xmin::text) from fate", &[]).unwrap().as_deref(),
        Some("1")
    );

    let outcomes = conn.raw().unwrap().pipeline(&requests[3..], Together).unwrap();
    assert_eq!(told(&outcomes), ["fell", "fell", "23505", "fell", "fell"]);
    for (index, said) in [(0, "undone"), (1, "undone"), (3, "not run"), (4, "not run")] {
        let error = error(&outcomes, index);
        assert_eq!(
            (error.kind(), error.phase(), error.is_retryable()),
            (ErrorKind::Database, Some(Phase::Query), false)
        );
        let text = error.to_string();
        assert!(
            text.contains(&format!("{said}, because requests[2] of the pipeline failed: ERROR 23505")),
            "{text}"
        );
    }
    assert_eq!(count(&mut conn, "fate"), "3");
    assert_eq!(run(&mut conn, Together, ResultFormat::Text, &[]).unwrap().len(), 0);
}

#[test]
fn together_a_commit_that_fails_undoes_all() {
    let pool = one(server(), "deferred");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table deferred (n int unique deferrable initially deferred)").unwrap();
    let texts = ["insert into deferred values (1)", "insert into deferred values (1)", "select 5"];
    let outcomes = run(&mut conn, Together, ResultFormat::Text, &texts).unwrap();
    assert_eq!(told(&outcomes), ["fell", "fell", "23505"]);
    assert_eq!(error(&outcomes, 2).phase(), Some(Phase::Commit));
    assert_eq!(count(&mut conn, "deferred"), "0");
    let outcomes = run(&mut conn, Separate, ResultFormat::Text, &texts).unwrap();
    assert_eq!(told(&outcomes), ["INSERT 0 1", "23505", "SELECT 1"]);
    assert_eq!(count(&mut conn, "deferred"), "1");
}

#[test]
fn inside_a_transaction_nothing_is_committed_before_its_end() {
    let pool = one(server(), "inside");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table inside (n int primary key)").unwrap();
    for mode in BOTH {
        conn.raw().unwrap().script("begin").unwrap();
        let texts = ["insert into inside values (1)", "insert into inside values (2)"];
        assert_eq!(told(&run(&mut conn, mode, ResultFormat::Text, &texts).unwrap()), ["INSERT 0 1"; 2]);
        conn.raw().unwrap().script("rollback").unwrap();
        assert_eq!(count(&mut conn, "inside"), "0");
        conn.raw().unwrap().script("begin").unwrap();
        let texts = ["insert into inside values (1)", "select 1/0", "select 1"];
        let wanted =
            if mode == Separate { ["INSERT 0 1", "22012", "25P02"] } else { ["fell", "22012", "fell"] };
        assert_eq!(told(&run(&mut conn, mode, ResultFormat::Text, &texts).unwrap()), wanted);
        assert_eq!(text(&mut conn, "select 1", &[]).unwrap_err().sqlstate().unwrap().code(), "25P02");
        conn.raw().unwrap().script("rollback").unwrap();
    }
}

#[test]
fn a_statement_may_need_what_an_earlier_one_makes() {
    let pool = one(server(), "maker");
    let mut conn = pool.get().unwrap();
    for format in [ResultFormat::Text, ResultFormat::Binary, ResultFormat::Automatic] {
        for mode in BOTH {
            let texts = [
                "create temp table made (n int)",
                "insert into made values (1), (2)",
                "select n from made",
                "insert into made values (1), (2)",
                "drop table made",
            ];
            let outcomes = run(&mut conn, mode, format, &texts).unwrap();
            assert_eq!(
                told(&outcomes),
                ["CREATE TABLE", "INSERT 0 2", "SELECT 2", "INSERT 0 2", "DROP TABLE"],
                "{mode:?}"
            );
            let block = outcomes[2].as_ref().unwrap();
            assert_eq!(block.columns()[0].name, "n");
            conn.batch_execute("deallocate all").unwrap();
            conn.discard();
            conn = pool.get().unwrap();
        }
    }
}

#[test]
fn a_text_that_is_refused_fails_each_of_its_statements_as_it_would_alone() {
    let pool = one(server(), "refused");
    let mut conn = pool.get().unwrap();
    for format in [ResultFormat::Text, ResultFormat::Automatic] {
        let texts = ["select nowhere", "select nowhere", "select 1", "select nowhere", "select 1"];
        let outcomes = run(&mut conn, Separate, format, &texts).unwrap();
        assert_eq!(told(&outcomes), ["42703", "42703", "SELECT 1", "42703", "SELECT 1"]);
        assert_eq!(
            told(&run(&mut conn, Together, format, &texts).unwrap()),
            ["42703", "fell", "fell", "fell", "fell"]
        );
    }
}

#[test]
fn texts_and_statements_in_all_formats_mix() {
    let pool = one(server(), "mixed");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let statement = raw.prepare("select $1::int4 + 1", &[]).unwrap();
    let params = [Param::text("41")];
    let request = |format| Request { sql: (&statement).into(), params: &params, format };
    let text = Request { sql: "select $1::int4 + 1".into(), ..request(ResultFormat::Automatic) };
    let requests = [
        request(ResultFormat::Text),
        request(ResultFormat::Binary),
        request(ResultFormat::Automatic),
        text,
        Request { format: ResultFormat::Text, ..text },
        request(ResultFormat::Text),
    ];
    let binary = [0, 0, 0, 42];
    for mode in BOTH {
        let outcomes = raw.pipeline(&requests, mode).unwrap();
        let values: Vec<_> = outcomes.iter().map(|o| o.as_ref().unwrap().cell(0, 0).unwrap()).collect();
        assert_eq!(values, [b"42", &binary[..], &binary, &binary, b"42", b"42"]);
    }
}

#[test]
fn a_pipeline_of_more_statements_than_the_cache_holds_runs_and_leaves_no_more_than_that() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(1).statement_cache(3);
    let pool = Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    let texts: Vec<String> = (0..40).map(|n| format!("select {}", n % 20)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for format in [ResultFormat::Text, ResultFormat::Automatic] {
        for mode in BOTH {
            let outcomes = run(&mut conn, mode, format, &texts).unwrap();
            assert_eq!(told(&outcomes), ["SELECT 1"; 40]);
            let left = conn.raw().unwrap().script("select count(*) from pg_prepared_statements").unwrap();
            assert_eq!(left[0].cell(0, 0), Some(&b"3"[..]));
        }
    }
}

#[test]
fn without_a_cache_a_pipeline_leaves_nothing_on_the_server() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(1).statement_cache(0);
    let pool = Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    for mode in BOTH {
        let texts = ["select 1", "select 1", "select nowhere", "select 2"];
        let outcomes = run(&mut conn, mode, ResultFormat::Automatic, &texts).unwrap();
        let wanted = if mode == Separate {
            ["SELECT 1", "SELECT 1", "42703", "SELECT 1"]
        } else {
            ["fell", "fell", "42703", "fell"]
        };
        assert_eq!(told(&outcomes), wanted);
        let left = conn.raw().unwrap().script("select count(*) from pg_prepared_statements").unwrap();
        assert_eq!(left[0].cell(0, 0), Some(&b"0"[..]));
    }
}

#[test]
fn a_stale_statement_in_a_pipeline_is_worth_a_retry() {
    for (mode, wanted) in
        [(Separate, ["INSERT 0 1", "0A000", "SELECT 1"]), (Together, ["fell", "0A000", "fell"])]
    {
        let pool = one(server(), "stale_piped");
        let mut conn = pool.get().unwrap();
        conn.batch_execute("create temp table stale_piped (a int)").unwrap();
        let texts = ["insert into stale_piped (a) values (1)", "select * from stale_piped", "select 1"];
        run(&mut conn, mode, ResultFormat::Text, &texts).unwrap();
        conn.batch_execute("alter table stale_piped add column b int").unwrap();
        let outcomes = run(&mut conn, mode, ResultFormat::Text, &texts).unwrap();
        assert_eq!(told(&outcomes), wanted);
        assert!(error(&outcomes, 1).is_retryable());
        let outcomes = run(&mut conn, mode, ResultFormat::Text, &texts).unwrap();
        assert_eq!(outcomes[1].as_ref().unwrap().columns().len(), 2);
    }
}

#[test]
fn requests_that_cannot_be_sent_are_named_and_nothing_is_run() {
    let pool = one(server(), "unsendable");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table unsendable (n int)").unwrap();
    let mut raw = conn.raw().unwrap();
    let statement = raw.prepare("select $1::int4", &[]).unwrap();
    let request = |sql| Request { sql, params: &[], format: ResultFormat::Text };
    let good = request("insert into unsendable values (1)".into());
    for (wrong, said) in [
        ("copy unsendable from stdin".into(), "COPY FROM STDIN has no place in a pipeline"),
        ("select '\0'".into(), "cannot be sent"),
        ((&statement).into(), "1 parameter, but 0 were"),
    ] {
        for mode in BOTH {
            let error = raw.pipeline(&[good, request(wrong)], mode).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
            assert!(error.to_string().contains(said) && error.to_string().contains("requests[1]"), "{error}");
        }
    }
    assert_eq!(count(&mut conn, "unsendable"), "0");
    let texts = ["copy unsendable to stdout", "select 1"];
    let outcomes = run(&mut conn, Separate, ResultFormat::Text, &texts).unwrap();
    assert_eq!((error(&outcomes, 0).kind(), outcomes[1].is_ok()), (ErrorKind::Misuse, true));
}

#[test]
fn the_deadline_holds_for_a_pipeline_as_a_whole() {
    let pool = one(server(), "late_pipeline");
    for mode in BOTH {
        let mut conn = pool.get().unwrap();
        conn.set_deadline(Some(ms(500)));
        let start = Instant::now();
        let error = run(&mut conn, mode, ResultFormat::Text, &["select pg_sleep(0.2)"; 10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QueryTimeout, "{error}");
        assert!((ms(490)..ms(700)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    }
}

#[test]
fn a_connection_that_is_lost_in_the_middle_fails_the_pipeline() {
    let proxy = Proxy::before(server());
    let pool = Pool::new(PoolConfig::from_url(&proxy.url()).unwrap().max_size(1)).unwrap();
    for mode in BOTH {
        for bytes in [1, 20, 100, 1000, 5000] {
            let mut conn = pool.get().unwrap();
            proxy.after_bytes_from_server(bytes, Then::Cut);
            let error =
                run(&mut conn, mode, ResultFormat::Text, &["select repeat('x', 100)"; 100]).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ConnectionLost, false), "{error}");
        }
    }
    let server = own_server(|s| s);
    let pool = one(&server, "pipeline_terminated");
    for mode in BOTH {
        let mut conn = pool.get().unwrap();
        let texts = ["select 1", "select 1/0", "select pg_terminate_backend(pg_backend_pid())", "select 2"];
        let texts = if mode == Separate { &texts[..] } else { &texts[2..] };
        let error = run(&mut conn, mode, ResultFormat::Text, texts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert_eq!(error.sqlstate().unwrap().code(), "57P01", "{error}");
    }
}
