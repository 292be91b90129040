//! The primary moves: writes go on at the new one, and a caller that writes to a read-only server gets an error.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, Error, LogLevel, Pool, PoolConfig, PooledConnection};
use holdfast_testkit::embedded::{Builder, EmbeddedPostgres, StopMode};

use crate::support::{own_server, wait_until};
use crate::{Observer, ms, soon};

const HOUR: Duration = Duration::from_secs(3600);

/// A primary with a table to write to, and a hot standby that follows it.
fn pair() -> (EmbeddedPostgres, EmbeddedPostgres) {
    let primary = own_server(|s| s.max_connections(40));
    primary.execute("create table done (worker int, n int, at int, primary key (worker, n))").unwrap();
    let standby = Builder::default().max_connections(40).start_standby_of(&primary).unwrap();
    wait_until("the standby has the table", Duration::from_secs(10), || {
        standby.execute("select from done").is_ok()
    });
    (primary, standby)
}

/// Leads to whichever of the servers has the role.
fn config(name: &str, servers: [&EmbeddedPostgres; 2], attrs: &str) -> PoolConfig {
    let [a, b] = servers.map(|s| s.port());
    let place = format!("127.0.0.1:{a},127.0.0.1:{b}");
    let url = format!("{}?target_session_attrs={attrs}", servers[0].url_at(&place));
    PoolConfig::from_url(&url).unwrap().application_name(name)
}

fn port_of(conn: &mut PooledConnection) -> u16 {
    conn.query_one("select inet_server_port()", &[]).unwrap().get::<_, i32>(0) as u16
}

/// Makes a primary read-only for everybody, as some services do with one that is to be replaced.
fn demote(server: &EmbeddedPostgres) {
    server.change_settings(&[("default_transaction_read_only", "on")]).unwrap();
    // Each session reads its settings by itself, before its next statement at the latest.
    soon("it is read-only", || {
        let row = Observer::of(server).0.query_one("show transaction_read_only", &[]).unwrap();
        row.get::<_, String>(0) == "on"
    });
}

/// The errors that a writer has received.
struct Told {
    /// When the answer came.
    at: Instant,
    /// The port of the server that wrote, or the error.
    what: Result<u16, Error>,
}

/// Threads that write to a pool without pause, each its own rows, until dropped.
fn write_by(pool: &Pool, threads: i32, stop: &AtomicBool, told: &Mutex<Vec<Told>>, during: impl FnOnce()) {
    thread::scope(|scope| {
        for worker in 0..threads {
            scope.spawn(move || {
                let mut n = 0i32;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let sql = "insert into done values ($1, $2, inet_server_port()) returning at";
                    let what = pool.query_one(sql, &[&worker, &n]).map(|row| row.get::<_, i32>(0) as u16);
                    told.lock().unwrap().push(Told { at: Instant::now(), what });
                }
            });
        }
        during();
        stop.store(true, Ordering::Relaxed);
    });
}

/// How many rows a server has that it wrote itself.
fn rows_written_at(server: &EmbeddedPostgres) -> usize {
    let mut client = server.connect().unwrap();
    let sql = "select count(*) from done where at = $1";
    client.query_one(sql, &[&i32::from(server.port())]).unwrap().get::<_, i64>(0) as usize
}

#[test]
fn when_a_standby_is_promoted_under_traffic_writes_go_on_within_two_seconds() {
    // Before the first retries, and right after them.
    for until_promoted in [ms(100), ms(1000)] {
        fail_over(until_promoted);
    }
}

fn fail_over(until_promoted: Duration) {
    let (primary, standby) = pair();
    let pool = Pool::new(config("survivors", [&primary, &standby], "read-write").max_size(8)).unwrap();
    let (stop, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut crashed = Instant::now();
    let mut promoted = Instant::now();
    write_by(&pool, 16, &stop, &told, || {
        soon("traffic flows", || told.lock().unwrap().len() > 500);
        crashed = Instant::now();
        primary.crash().unwrap();
        thread::sleep(until_promoted);
        standby.promote().unwrap();
        promoted = Instant::now();
        soon("writes go on", || {
            told.lock().unwrap().iter().filter(|t| t.at > promoted && t.what.is_ok()).count() > 500
        });
    });
    let told = told.into_inner().unwrap();
    let first = told.iter().filter(|t| t.at > promoted && t.what.is_ok()).map(|t| t.at).min().unwrap();
    let gap = first.duration_since(promoted);
    let failed = told.iter().filter(|t| t.what.is_err()).count();
    println!(
        "first write {gap:?} after the promotion, {:?} after the crash; {failed} of {} failed; {} connections opened",
        first.duration_since(crashed),
        told.len(),
        pool.stats().opens
    );
    assert!(gap < Duration::from_secs(2), "writes went on after {gap:?}");
    // What was written, and where, is what the writers were told; but for answers that were lost with the primary.
    let at = |server: &EmbeddedPostgres| {
        told.iter().filter(|t| t.what.as_ref().is_ok_and(|port| *port == server.port())).count()
    };
    assert_eq!(at(&standby), rows_written_at(&standby), "a write was not told, or told and not done");
    assert!(at(&primary) > 0 && at(&primary) + at(&standby) + failed == told.len());
    for error in told.iter().filter_map(|t| t.what.as_ref().err()) {
        assert_ne!(error.sqlstate().map(|s| s.code()), Some("25006"), "{error}");
    }
    assert!(pool.stats().total <= 8);
}

#[test]
fn when_a_primary_is_made_read_only_under_traffic_few_writes_are_refused_and_none_is_lost() {
    let (primary, standby) = pair();
    let config = config("movers", [&primary, &standby], "read-write").max_size(8);
    let (stop, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let pool = Pool::new(config).unwrap();
    write_by(&pool, 16, &stop, &told, || {
        soon("traffic flows", || told.lock().unwrap().len() > 500);
        standby.promote().unwrap();
        demote(&primary);
        let demoted = Instant::now();
        soon("writes go on", || {
            told.lock().unwrap().iter().filter(|t| t.at > demoted && t.what.is_ok()).count() > 500
        });
    });
    let told = told.into_inner().unwrap();
    let refused: Vec<_> = told.iter().filter_map(|t| t.what.as_ref().err()).collect();
    println!("{} writes of {} were refused", refused.len(), told.len());
    for error in &refused {
        assert_eq!(error.sqlstate().map(|s| s.code()), Some("25006"), "{error}");
    }
    // Each connection that was out can be met once; then it is known.
    assert!(refused.len() <= 8, "{} writes were refused", refused.len());
    let at = |server: &EmbeddedPostgres| {
        told.iter().filter(|t| t.what.as_ref().is_ok_and(|port| *port == server.port())).count()
    };
    assert_eq!((at(&primary), at(&standby)), (rows_written_at(&primary), rows_written_at(&standby)));
    assert!(at(&standby) > 0);
    assert!(Observer::of(&primary).backends("movers").is_empty(), "connections to the old primary are held");
    assert!(pool.stats().closes_by(CloseReason::WrongRole) > 0);
}

/// A pool of three on a primary that has just been made read-only, in spite of which nothing has noticed: one connection
/// is idle, two are checked out.
struct Demoted {
    primary: EmbeddedPostgres,
    standby: EmbeddedPostgres,
    pool: Pool,
    held: [PooledConnection; 2],
}

fn demoted(name: &str, change: impl FnOnce(PoolConfig) -> PoolConfig) -> Demoted {
    let (primary, standby) = pair();
    // Only evidence makes the pool validate a connection.
    let config = config(name, [&primary, &standby], "read-write").max_size(3).validate_after_idle(HOUR);
    let pool = Pool::new(change(config)).unwrap();
    let (held, idle) = ([pool.get().unwrap(), pool.get().unwrap()], pool.get().unwrap());
    drop(idle);
    thread::sleep(ms(30));
    standby.promote().unwrap();
    demote(&primary);
    Demoted { primary, standby, pool, held }
}

#[test]
fn one_refused_write_has_the_role_of_all_other_connections_validated_idle_or_checked_out() {
    let records = std::sync::Arc::new(Mutex::new(Vec::new()));
    let sink = records.clone();
    let Demoted { primary, standby, pool, held: [mut refused, unaware] } = demoted("warned", |config| {
        config.log_sink(LogLevel::Info, move |record| {
            sink.lock().unwrap().push((record.level, record.message.to_owned()));
        })
    });
    let error = refused.execute("insert into done values (1, 1, 1)", &[]).unwrap_err();
    assert_eq!(error.sqlstate().map(|s| s.code()), Some("25006"), "the error is what the server said");
    drop(refused);
    drop(unaware);
    let mut conns: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    for conn in &mut conns {
        assert_eq!(port_of(conn), standby.port());
        conn.execute("insert into done values (1, (select count(*) from done), 1)", &[]).expect("it writes");
    }
    assert_eq!(pool.stats().closes_by(CloseReason::WrongRole), 3);
    soon("nothing is held at the old primary", || Observer::of(&primary).backends("warned").is_empty());
    let records = records.lock().unwrap();
    let told = |level, part: &str| records.iter().filter(|(l, m)| *l == level && m.contains(part)).count();
    assert_eq!(told(LogLevel::Info, "the primary may have moved (25006"), 1, "{records:?}");
    assert_eq!(told(LogLevel::Warn, "its sessions are read-only"), 3, "{records:?}");
}

#[test]
fn a_server_that_reports_its_new_role_need_not_refuse_anything_to_be_noticed() {
    let Demoted { primary, standby, pool, held: [mut reader, other] } = demoted("reader", |config| config);
    if primary.major_version().unwrap() < 14 {
        return; // It reports nothing of the kind.
    }
    // The report comes with the answer to whatever is asked next.
    reader.query("select 1", &[]).unwrap();
    drop(reader);
    soon("it is closed", || pool.stats().closes_by(CloseReason::WrongRole) == 1);
    drop(other);
    let mut conns: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    conns.iter_mut().for_each(|conn| assert_eq!(port_of(conn), standby.port()));
}

#[test]
fn a_refused_write_in_a_read_only_transaction_costs_the_pool_no_connection() {
    let server = own_server(|s| s);
    let pool = Pool::new(config("own fault", [&server, &server], "primary").max_size(2)).unwrap();
    server.execute("create table done (n int)").unwrap();
    let mut pids: Vec<_> = [pool.get().unwrap(), pool.get().unwrap()].map(|c| c.backend_pid()).into();
    let mut conn = pool.get().unwrap();
    conn.batch_execute("begin read only").unwrap();
    conn.batch_execute("insert into done values (1)").expect_err("25006");
    drop(conn);
    soon("it is back", || pool.stats().idle == 2);
    let mut after: Vec<_> = [pool.get().unwrap(), pool.get().unwrap()].map(|c| c.backend_pid()).into();
    pids.sort();
    after.sort();
    assert_eq!(pids, after);
    assert_eq!(pool.stats().closes_by(CloseReason::WrongRole), 0);
}

#[test]
fn with_target_any_no_server_is_asked_for_its_role() {
    let server = own_server(|s| s);
    server.execute("create table done (n int)").unwrap();
    let pool = Pool::new(crate::config(&server, "any")).unwrap();
    let pid = pool.get().unwrap().backend_pid();
    demote(&server);
    pool.execute("insert into done values (1)", &[]).expect_err("25006");
    thread::sleep(ms(700)); // beyond validate_after_idle
    assert_eq!(pool.get().unwrap().backend_pid(), pid);
}

#[test]
fn a_pool_of_standbys_lets_go_of_one_that_is_promoted() {
    let (primary, standby) = pair();
    let second = Builder::default().max_connections(40).start_standby_of(&primary).unwrap();
    let config = config("readers", [&standby, &second], "standby").max_size(2).validate_after_idle(ms(50));
    let pool = Pool::new(config).unwrap();
    assert_eq!(port_of(&mut pool.get().unwrap()), standby.port());
    standby.promote().unwrap();
    thread::sleep(ms(100));
    assert_eq!(port_of(&mut pool.get().unwrap()), second.port());
    assert_eq!(pool.stats().closes_by(CloseReason::WrongRole), 1);
}

/// Starts a stopped primary as a standby of another server.
fn come_back_behind(old: &EmbeddedPostgres, new: &EmbeddedPostgres) {
    let upstream = format!("host={} port={} user=postgres", new.socket_dir().display(), new.port());
    old.change_settings(&[("primary_conninfo", &upstream)]).unwrap();
    std::fs::write(old.data_dir().join("standby.signal"), "").unwrap();
    old.start_again().unwrap();
}

#[test]
fn an_old_primary_that_comes_back_as_a_standby_is_left_alone_and_found_when_it_leads_again() {
    let (primary, standby) = pair();
    let pool = Pool::new(config("returner", [&primary, &standby], "read-write").max_size(2)).unwrap();
    assert_eq!(port_of(&mut pool.get().unwrap()), primary.port());
    // In order, so that the standby has all of it and the old one can follow.
    primary.stop(StopMode::Fast).unwrap();
    standby.promote().unwrap();
    assert_eq!(port_of(&mut pool.get().unwrap()), standby.port());
    come_back_behind(&primary, &standby);
    for mut conn in [pool.get().unwrap(), pool.get().unwrap()] {
        assert_eq!(port_of(&mut conn), standby.port(), "it is the first in the list, and only reads");
    }
    wait_until("it follows", Duration::from_secs(20), || {
        primary.log().contains("started streaming WAL from primary")
    });
    standby.stop(StopMode::Fast).unwrap();
    primary.promote().unwrap();
    let mut conn = pool.get().unwrap();
    assert_eq!(port_of(&mut conn), primary.port());
    conn.execute("insert into done values (9, 9, 9)", &[]).expect("it writes");
}

#[test]
fn a_primary_that_falls_silent_holds_up_one_opening_and_not_every_one() {
    let (primary, standby) = pair();
    let config = config("silenced", [&primary, &standby], "read-write").connection_timeout(ms(4000));
    let pool = Pool::new(config).unwrap();
    standby.promote().unwrap();
    primary.freeze().unwrap();
    let mut took = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        let mut conn = pool.get().unwrap();
        took.push(start.elapsed());
        assert_eq!(port_of(&mut conn), standby.port());
        conn.discard();
    }
    primary.thaw().unwrap();
    assert!(took[0] >= ms(1900), "the silent one is asked first, for half of the time: {took:?}");
    assert!(took[1..].iter().all(|t| *t < ms(1500)), "{took:?}");
}

#[test]
fn after_a_failover_no_more_is_opened_than_callers_need() {
    let Demoted { primary, standby: _follows, pool, held: [mut refused, other] } =
        demoted("paced", |config| config);
    let opens = pool.stats().opens;
    refused.execute("insert into done values (1, 1, 1)", &[]).expect_err("25006");
    drop((refused, other));
    soon("the refused one is closed", || pool.stats().closes_by(CloseReason::WrongRole) == 1);
    thread::sleep(ms(300));
    assert_eq!(pool.stats().opens, opens, "nobody has asked for one");
    for _ in 0..20 {
        pool.execute("insert into done values (2, (select count(*) from done), 1)", &[]).unwrap();
    }
    assert_eq!(pool.stats().opens, opens + 1, "one caller at a time needs one connection");
    assert!(Observer::of(&primary).backends("paced").len() <= 1);
}
