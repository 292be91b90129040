//! The client and the raw session take turns on one connection, over every transport.

use holdfast::session::{Param, ResultFormat};
use holdfast::{Pool, PoolConfig};

use crate::support::certs::Certs;
use crate::support::{own_server, server};
use crate::{one, text};

/// Alternates between the client and the raw session, in small and large pieces, inside and outside a transaction.
fn take_turns(pool: &Pool) {
    let mut conn = pool.get().unwrap();
    for round in 0..30i32 {
        let by_client: i32 =
            conn.client().unwrap().query_one("select $1::int4 * 2", &[&round]).unwrap().get(0);
        let value = round.to_string();
        let by_raw = text(&mut conn, "select $1::int4 * 2", &[Param::text(&value)]).unwrap();
        assert_eq!(by_raw, Some(by_client.to_string()));
    }
    let sql = "select generate_series(1, 50000), repeat('y', 40)";
    let rows = conn.client().unwrap().query(sql, &[]).unwrap();
    assert_eq!(rows.len(), 50_000);
    assert_eq!(conn.raw().unwrap().query(sql, &[], ResultFormat::Text).unwrap().rows(), 50_000);
    let big = "v".repeat(3_000_000);
    assert_eq!(
        text(&mut conn, "select length($1::text)", &[Param::text(&big)]).unwrap().as_deref(),
        Some("3000000")
    );
    assert_eq!(text(&mut conn, "select repeat('w', 2000000)", &[]).unwrap().unwrap().len(), 2_000_000);
    conn.batch_execute("create temp table turns (n int)").unwrap();
    conn.batch_execute("begin").unwrap();
    text(&mut conn, "insert into turns values (1) returning n", &[]).unwrap();
    conn.client().unwrap().execute("insert into turns values (2)", &[]).unwrap();
    conn.raw().unwrap().script("rollback").unwrap();
    assert_eq!(text(&mut conn, "select count(*) from turns", &[]).unwrap().as_deref(), Some("0"));
    let mut raw = conn.raw().unwrap();
    let rows = "1234567\n".repeat(200_000);
    let mut sink = raw.copy_in("copy turns from stdin").unwrap();
    sink.write(rows.as_bytes()).unwrap();
    assert_eq!(sink.finish().unwrap(), 200_000);
    let mut source = raw.open_copy_out("copy turns to stdout").unwrap();
    let mut bytes = 0;
    while let Some(row) = source.read(&mut raw).unwrap() {
        bytes += row.len();
    }
    assert_eq!((source.rows(), bytes), (200_000, rows.len()));
    let mut stream = raw.open_stream("table turns", &[], ResultFormat::Text).unwrap();
    stream.next_portion(&mut raw, 1000).unwrap().expect("there are more");
    drop(stream);
    raw.copy_in("copy turns from stdin").unwrap().write(rows.as_bytes()).unwrap();
    assert_eq!(text(&mut conn, "select count(*) from turns", &[]).unwrap().as_deref(), Some("200000"));
    assert!(text(&mut conn, "select 1/0", &[]).is_err());
    assert_eq!(conn.client().unwrap().query_one("select 5", &[]).unwrap().get::<_, i32>(0), 5);
}

#[test]
fn over_tcp() {
    take_turns(&one(server(), "turns_tcp"));
}

#[test]
fn over_a_unix_socket() {
    take_turns(&Pool::from_url(&server().socket_url()).unwrap());
}

#[test]
fn over_tls() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let url = format!("{}?sslmode=require", server.url_at(&format!("localhost:{}", server.port())));
    take_turns(&Pool::from_url(&url).unwrap());
}

#[test]
fn a_notification_received_by_the_raw_session_reaches_the_client_and_the_other_way_round() {
    use fallible_iterator::FallibleIterator;
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(2);
    let pool = Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    conn.batch_execute("listen crossing").unwrap();
    pool.batch_execute("notify crossing, 'for the client'").unwrap();
    let note = conn
        .client()
        .unwrap()
        .notifications()
        .timeout_iter(crate::ms(2000))
        .next()
        .unwrap()
        .expect("it came");
    assert_eq!(note.payload(), "for the client");
    pool.batch_execute("notify crossing, 'for the raw'").unwrap();
    let note = conn.raw().unwrap().notification(crate::ms(2000)).unwrap().expect("it came");
    assert_eq!(note.payload, "for the raw");
    conn.batch_execute("unlisten *").unwrap();
}

#[test]
fn a_clients_result_half_read_keeps_the_raw_session_out() {
    use fallible_iterator::FallibleIterator;
    let pool = one(server(), "half_read");
    let mut conn = pool.get().unwrap();
    {
        let none: [&(dyn postgres::types::ToSql + Sync); 0] = [];
        let mut rows = conn.client().unwrap().query_raw("select generate_series(1, 1000000)", none).unwrap();
        rows.next().unwrap();
    }
    assert_eq!(conn.raw().err().unwrap().kind(), holdfast::ErrorKind::Misuse);
}
