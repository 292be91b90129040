//! Settings of the server that a pool would rather have otherwise.

use std::net::{IpAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::support::certs::Certs;
use crate::support::{major, own_server, server};
use crate::{Diagnosis, diagnose};

/// An address of this machine that is not its loopback's, as other machines would use it. Nothing is sent for it.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Of the block for documentation: of the routes to anywhere, the one that most machines have.
    socket.connect("198.51.100.1:9").expect("a machine with a network");
    let address = socket.local_addr().unwrap().ip();
    assert!(!address.is_loopback(), "a machine with an address of its own");
    address
}

#[test]
fn what_crosses_a_network_in_the_clear_or_unverified_is_told_and_the_loopback_is_none() {
    let certs = Certs::new();
    let server = own_server(|s| s.listen("*").tls(certs.server(&certs.good)));
    let url =
        |host: &str, more: &str| format!("{}?{more}", server.url_at(&format!("{host}:{}", server.port())));
    let own = own_address().to_string();
    let clear = diagnose(&url(&own, "sslmode=disable"), &[]);
    clear.says("not_encrypted", "warning", &format!("a plain connection to {own}"));
    assert!(!clear.has("server_not_verified"));
    assert_eq!((clear.status, &clear.document["hosts"][0]["encrypted"]), (1, &false.into()));
    let root = certs.ca_file.display();
    for mode in ["require".to_owned(), format!("verify-ca&sslrootcert={root}")] {
        let unverified = diagnose(&url(&own, &format!("sslmode={mode}")), &[]);
        let name = mode.split('&').next().unwrap();
        unverified.says("server_not_verified", "advice", &format!("sslmode={name}"));
        assert!(!unverified.has("not_encrypted"));
        assert_eq!(unverified.document["hosts"][0]["encrypted"], true);
    }
    // The certificate is made out to localhost; where it leads to is told by hostaddr.
    let verified = format!("sslmode=verify-full&sslrootcert={root}&hostaddr={own}");
    let verified = diagnose(&url("localhost", &verified), &[]);
    assert_eq!(verified.document["hosts"][0]["addresses"][0], own);
    for quiet in [&verified, &diagnose(&url("127.0.0.1", "sslmode=disable"), &[])] {
        assert!(!quiet.has("not_encrypted") && !quiet.has("server_not_verified"), "{:#}", quiet.document);
        assert!(quiet.document["hosts"][0]["error"].is_null());
    }
}

fn evidence(diagnosis: &Diagnosis) -> String {
    diagnosis.finding("no_idle_in_transaction_timeout")["evidence"].as_str().unwrap().to_owned()
}

#[test]
fn statements_without_a_limit_are_told_only_where_nothing_at_all_limits_them() {
    const FORGOTTEN: &str = "idle_in_transaction_session_timeout = 0";
    let url = server().url();
    let neither = diagnose(&url, &[]);
    assert_eq!(evidence(&neither), format!("{FORGOTTEN}, statement_timeout = 0, statement_deadline = 0"));
    neither.says("no_idle_in_transaction_timeout", "advice", FORGOTTEN);
    let of_server = diagnose(&format!("{url}?options=-c%20statement_timeout%3D1min"), &[]);
    assert_eq!(evidence(&of_server), FORGOTTEN);
    assert_eq!(evidence(&diagnose(&format!("{url}?statement_deadline=30s"), &[])), FORGOTTEN);
    let bounded = format!("{url}?options=-c%20idle_in_transaction_session_timeout%3D1min");
    assert!(!diagnose(&bounded, &[]).has("no_idle_in_transaction_timeout"));
}

#[test]
fn a_server_that_ends_idle_connections_before_the_pool_does_is_told() {
    const ID: &str = "idle_sessions_ended_by_server";
    let server = own_server(|s| s.setting("idle_session_timeout", "20s"));
    let with = |more: &str| diagnose(&format!("{}?{more}", server.url()), &[]);
    with("idle_timeout=1min").says(
        ID,
        "advice",
        "idle_session_timeout = 20s, min_idle = 0, idle_timeout = 60.0 s",
    );
    with("min_idle=1").says(ID, "advice", "min_idle = 1, max_lifetime = 1800.0 s");
    with("min_idle=1&max_lifetime=0").says(ID, "advice", "max_lifetime = 0 (for ever)");
    for fine in ["idle_timeout=15s", "min_idle=1&keepalive_interval=10s", "min_idle=1&max_lifetime=15s"] {
        assert!(!with(fine).has(ID), "{fine}");
    }
    // The pool's own word with the server counts, not the server's.
    with("min_idle=1&server_idle_session_timeout=30s").says(ID, "advice", "idle_session_timeout = 30s");
}

#[test]
fn sessions_that_no_pool_keeps_are_told_where_the_server_is_long_in_asking_for_their_clients() {
    const ID: &str = "sessions_abandoned";
    // What the system has by default, whatever this one has.
    let server = own_server(|s| s.listen("*").setting("tcp_keepalives_idle", "7200"));
    let own = own_address();
    let url =
        |more: &str| format!("{}?sslmode=disable{more}", server.url_at(&format!("{own}:{}", server.port())));
    // Stands for one whose client is gone: the server cannot tell either.
    let mut silent = Client::connect(&url(""), NoTls).unwrap();
    silent.batch_execute("select 1").unwrap();
    let local = Client::connect(&server.url(), NoTls).unwrap();
    thread::sleep(Duration::from_millis(300));
    let left = diagnose(&url("&max_lifetime=200ms"), &[]);
    left.says(ID, "advice", "1 as postgres from other machines, idle for up to ");
    left.says(
        ID,
        "advice",
        "longer than max_lifetime = 200 ms lets a pool keep one; tcp_keepalives_idle = 7200 s",
    );
    assert_eq!(left.document["server"]["abandoned"].as_array().unwrap().len(), 1, "{:#}", left.document);
    drop(local);
    let keepalive = "&options=-c%20tcp_keepalives_idle%3D60";
    for quiet in ["", "&max_lifetime=0", &format!("&max_lifetime=200ms{keepalive}")] {
        assert!(!diagnose(&url(quiet), &[]).has(ID), "{quiet}");
    }
    // idle_session_timeout came with 14.
    if major(&mut silent) >= 14 {
        assert!(!diagnose(&url("&max_lifetime=200ms&server_idle_session_timeout=1min"), &[]).has(ID));
    }
}
