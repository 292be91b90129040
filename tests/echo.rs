//! Pools that need no server: what the stand-in answers through the typed API and the raw view.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use holdfast::session::{Param, PipelineMode, Request, ResultFormat, WireFormat};
use holdfast::{ErrorKind, Pool, PoolConfig};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn echo(size: u32) -> Pool {
    Pool::echo(PoolConfig::new().max_size(size)).expect("a valid configuration")
}

fn binary(type_oid: u32, value: &[u8]) -> Param<'_> {
    Param { value: Some(value), format: WireFormat::Binary, type_oid }
}

fn typed(type_oid: u32, value: &str) -> Param<'_> {
    Param { type_oid, ..Param::text(value) }
}

#[test]
fn a_statement_comes_back_as_its_own_text() {
    let pool = echo(1);
    assert_eq!(pool.target(), "echo");
    let mut conn = pool.get().unwrap();
    assert_eq!(conn.target(), "echo");
    assert!(conn.backend_pid().is_some());
    let block = conn.raw().unwrap().query("select ünknown", &[], ResultFormat::Automatic).unwrap();
    assert_eq!((block.columns()[0].name.as_str(), block.columns()[0].type_oid), ("sql", 25));
    assert_eq!((block.text(0, 0).as_deref(), block.command_tag()), (Some("select ünknown"), "SELECT 1"));
    assert_eq!(conn.query_one("x", &[]).unwrap().get::<_, &str>(0), "x");
    assert_eq!(conn.raw().unwrap().query(" -- \n", &[], ResultFormat::Text).unwrap().columns().len(), 0);
}

#[test]
fn parameters_come_back_in_the_format_asked_for() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    let seven = 7i64.to_be_bytes();
    let params = [
        typed(23, "42"),
        binary(20, &seven),
        typed(16, "true"),
        typed(1184, "2026-11-23 12:00:00.5+02"),
        Param::text("wörd"),
        Param { value: None, format: WireFormat::Text, type_oid: 701 },
        binary(17, &[0, 255]),
    ];
    let sql = "insert into t values ($1, $2)";
    let mut texts = Vec::new();
    for format in [ResultFormat::Text, ResultFormat::Binary, ResultFormat::Automatic] {
        let block = conn.raw().unwrap().query(sql, &params, format).unwrap();
        let types: Vec<_> = block.columns().iter().map(|c| c.type_oid).collect();
        assert_eq!(types, [23, 20, 16, 1184, 25, 701, 17]);
        assert_eq!(block.columns()[6].name, "p7");
        texts.push((0..7).map(|n| block.text(0, n).map(String::from)).collect::<Vec<_>>());
    }
    let binary = ["42", "7", "t", "2026-11-23 10:00:00.5+00", "wörd"].map(|text| Some(text.to_owned()));
    assert_eq!(texts[1][..5], binary);
    assert_eq!((&texts[1][5], texts[1][6].as_deref()), (&None, Some("\\x00ff")));
    assert_eq!(texts[2], texts[1]);
    // In the format it was given in, a value is not touched.
    assert_eq!(
        (texts[0][2].as_deref(), texts[0][3].as_deref()),
        (Some("true"), Some("2026-11-23 12:00:00.5+02"))
    );
    let error =
        conn.raw().unwrap().query(sql, &[typed(23, "x"), typed(23, "1")], ResultFormat::Binary).unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "22P02");
    let error = conn.raw().unwrap().query("select $3", &[], ResultFormat::Text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
}

#[test]
fn rows_come_in_any_number_and_in_portions() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    for format in [ResultFormat::Text, ResultFormat::Automatic] {
        let block = raw.query("echo:rows 100000", &[], format).unwrap();
        assert_eq!((block.rows(), block.command_tag()), (100_000, "SELECT 100000"));
        assert_eq!(
            (block.text(0, 0).as_deref(), block.text(99_999, 0).as_deref()),
            (Some("1"), Some("100000"))
        );
        assert_eq!(block.text(99_999, 1).as_deref(), Some("row 100000"));
    }
    assert_eq!(raw.query("echo:rows 0", &[], ResultFormat::Text).unwrap().rows(), 0);
    let mut stream = raw.stream("echo:rows 2500", &[], ResultFormat::Text).unwrap();
    let mut portions = Vec::new();
    while let Some(portion) = stream.next_portion(1000).unwrap() {
        portions.push(portion.rows());
    }
    assert_eq!(portions, [1000, 1000, 500]);
    drop(stream);
    let mut tx = conn.transaction().unwrap();
    let portal = tx.bind("echo:rows 5", &[]).unwrap();
    let sizes: Vec<_> = (0..3).map(|_| tx.query_portal(&portal, 2).unwrap().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn errors_are_those_asked_for_and_leave_the_connection_usable() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    for _ in 0..2 {
        let error =
            conn.raw().unwrap().query("echo:error 23505 there is one", &[], ResultFormat::Text).unwrap_err();
        assert_eq!(
            (error.sqlstate().unwrap().code(), error.server_message()),
            ("23505", Some("there is one"))
        );
        let error = conn.query("echo:error 40001 again", &[]).unwrap_err();
        assert_eq!(error.sqlstate().unwrap().code(), "40001");
        let error = conn.query("echo:fly", &[]).unwrap_err();
        assert_eq!(error.sqlstate().unwrap().code(), "42601");
    }
    assert_eq!(conn.last_sqlstate().as_deref(), Some("42601"));
    assert_eq!(conn.query("fine", &[]).unwrap().len(), 1);
    drop(conn);
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn a_transaction_left_open_is_rolled_back() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    conn.batch_execute("begin; savepoint \"My point\"").unwrap();
    assert!(conn.batch_execute("echo:error 22012 division by zero").is_err());
    let error = conn.batch_execute("anything").unwrap_err();
    assert_eq!(error.code().unwrap().code(), "25P02");
    conn.batch_execute("rollback to savepoint \"My point\"; anything").unwrap();
    drop(conn);
    pool.get().unwrap().batch_execute("anything").unwrap();
    assert_eq!((pool.stats().rolled_back, pool.stats().opens), (1, 1));
}

#[test]
fn transactions_are_run_again_when_they_conflict() {
    let pool = echo(1);
    let mut runs = 0;
    pool.transaction(|tx| {
        runs += 1;
        let text = if runs < 3 { "echo:error 40001 try again" } else { "fine" };
        tx.batch_execute(text)?;
        Ok::<(), holdfast::Error>(())
    })
    .unwrap();
    assert_eq!(runs, 3);
}

#[test]
fn a_script_answers_each_statement_up_to_the_first_error() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let blocks = raw.script("one; echo:rows 2; begin;; commit; ';'").unwrap();
    let tags: Vec<_> = blocks.iter().map(|block| block.command_tag()).collect();
    assert_eq!(tags, ["SELECT 1", "SELECT 2", "BEGIN", "COMMIT", "SELECT 1"]);
    assert_eq!(blocks[4].text(0, 0).as_deref(), Some("';'"));
    let error = raw.script("one; echo:error 22012 no; echo:drop").unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "22012");
    let requests = ["a", "echo:error 22012 no", "c"].map(|sql| Request {
        sql: sql.into(),
        params: &[],
        format: ResultFormat::Text,
    });
    for (mode, wanted) in
        [(PipelineMode::Separate, [true, false, true]), (PipelineMode::Together, [false; 3])]
    {
        let outcomes = raw.pipeline(&requests, mode).unwrap();
        assert_eq!(outcomes.iter().map(|outcome| outcome.is_ok()).collect::<Vec<_>>(), wanted);
        assert_eq!(outcomes[1].as_ref().unwrap_err().sqlstate().unwrap().code(), "22012");
    }
}

#[test]
fn notices_and_notifications_arrive() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    raw.script("echo:notice mind the gap; commit").unwrap();
    let notices = raw.take_notices();
    let said: Vec<_> = notices.iter().map(|n| (n.severity.as_str(), n.message.as_str())).collect();
    assert_eq!(said, [("NOTICE", "mind the gap"), ("WARNING", "there is no transaction in progress")]);
    raw.query("echo:notify news of today", &[], ResultFormat::Text).unwrap();
    let notification = raw.notification(ms(2000)).unwrap().unwrap();
    assert_eq!((notification.channel.as_str(), notification.payload.as_str()), ("news", "of today"));
    let pid = notification.process_id;
    assert_eq!(conn.backend_pid(), Some(pid));
}

#[test]
fn a_deadline_ends_a_sleep() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    conn.set_deadline(Some(ms(50)));
    let begun = Instant::now();
    let error = conn.raw().unwrap().query("echo:sleep 60000", &[], ResultFormat::Text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueryTimeout);
    drop(conn);
    pool.get_timeout(ms(5000)).unwrap().batch_execute("fine").unwrap();
    assert!(begun.elapsed() < ms(5000));
}

#[test]
fn a_sleep_can_be_cancelled_and_a_late_request_hits_nothing() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    let cancel = conn.cancel_handle();
    let canceller = thread::spawn(move || {
        thread::sleep(ms(200));
        cancel.cancel().unwrap();
        cancel
    });
    let begun = Instant::now();
    let error = conn.query("echo:sleep 60000", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled, "{error}");
    assert!(begun.elapsed() >= ms(200) && begun.elapsed() < ms(10_000));
    let cancel = canceller.join().unwrap();
    cancel.cancel().unwrap();
    conn.query("echo:sleep 20", &[]).expect("the request came between two statements");
}

#[test]
fn a_dropped_connection_is_lost_and_replaced() {
    let pool = echo(1);
    let mut conn = pool.get().unwrap();
    let error = conn.raw().unwrap().query("echo:drop", &[], ResultFormat::Text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    drop(conn);
    let mut conn = pool.get().unwrap();
    assert!(conn.query("echo:drop", &[]).is_err());
    drop(conn);
    pool.query("fine", &[]).unwrap();
    assert_eq!(pool.stats().opens, 3);
}

#[test]
fn many_threads_share_few_connections() {
    let pool = echo(3);
    thread::scope(|scope| {
        for thread in 0..16 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..100 {
                    let text = format!("{thread} {round}");
                    let row = pool.query_one(&text, &[]).unwrap();
                    assert_eq!(row.get::<_, &str>(0), text);
                }
            });
        }
    });
    assert!((1..=3).contains(&pool.stats().opens));
}

#[test]
fn closing_cuts_what_does_not_end() {
    let pool = echo(2);
    let mut conn = pool.get().unwrap();
    let sleeper = thread::spawn(move || conn.query("echo:sleep 60000", &[]).unwrap_err().kind());
    thread::sleep(ms(50));
    let report = pool.close_timeout(ms(300));
    assert_eq!(report.cancelled, 1);
    assert!(matches!(sleeper.join().unwrap(), ErrorKind::Canceled | ErrorKind::ConnectionLost));
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::PoolClosed);
}

#[test]
fn what_the_configuration_says_about_servers_is_not_looked_at() {
    let config = PoolConfig::from_url(
        "postgresql://me:secret@nowhere.invalid:1/x?sslmode=verify-full&sslrootcert=/nowhere&target_session_attrs=standby&max_size=1&application_name=me",
    );
    let pool = Pool::echo(config.unwrap()).unwrap();
    assert_eq!(pool.target(), "echo");
    let _held = pool.get().unwrap();
    assert_eq!(pool.get_timeout(ms(10)).unwrap_err().kind(), ErrorKind::PoolTimeout);
    let error = Pool::echo(PoolConfig::new().max_size(1).min_idle(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// The outcome of each statement: its tags or its SQLSTATE, and its notices.
fn story(pool: &Pool, failing: &str) -> Vec<String> {
    const STATEMENTS: [&str; 27] = [
        "commit",
        "rollback",
        "savepoint a",
        "release a",
        "rollback to a",
        "begin",
        "begin isolation level serializable",
        "savepoint \"A b\"",
        "savepoint a",
        "fail",
        "select 1",
        "savepoint c",
        "rollback to savepoint \"A b\"",
        "rollback to a",
        "rollback to \"A b\"",
        "RELEASE SAVEPOINT \"A b\"",
        "commit",
        "start transaction read only",
        "savepoint X",
        "savepoint x",
        "release x",
        "rollback work to x",
        "end transaction",
        "begin; savepoint a; fail; select 1",
        "commit",
        "begin; commit; fail; begin",
        "abort",
    ];
    let mut conn = pool.get().unwrap();
    let mut told = Vec::new();
    for statement in STATEMENTS {
        let mut raw = conn.raw().unwrap();
        let said = match raw.script(&statement.replace("fail", failing)) {
            Ok(blocks) => blocks.iter().map(|block| block.command_tag()).collect::<Vec<_>>().join(", "),
            Err(error) => error.sqlstate().unwrap().code().to_owned(),
        };
        let remarks: Vec<_> = raw.take_notices().iter().map(|n| n.sqlstate.code().to_owned()).collect();
        told.push(format!("{statement}: {said} {remarks:?}"));
    }
    told
}

#[test]
fn transactions_go_as_on_a_real_server() {
    let server = support::own_server(|server| server);
    let real = Pool::new(PoolConfig::from_url(&server.url()).unwrap().max_size(1)).unwrap();
    assert_eq!(story(&echo(1), "echo:error 22012 division by zero"), story(&real, "select 1/0"));
}
