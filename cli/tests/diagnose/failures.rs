//! Servers that accept no session.

use std::net::TcpListener;

use crate::support::certs::Certs;
use crate::support::fake::{FakeServer, Script};
use crate::support::{fill, own_server};
use crate::{diagnose, run};

fn failed_at(diagnosis: &crate::Diagnosis, phase: &str) {
    assert_eq!(diagnosis.document["hosts"][0]["error"]["phase"], phase, "{:#}", diagnosis.document);
    assert_eq!(diagnosis.status, 3);
    assert!(diagnosis.document["server"].is_null());
}

#[test]
fn a_closed_port_a_wrong_name_and_a_swallowed_connect_are_told_apart() {
    let refused = diagnose("postgresql://app@127.0.0.1:1/orders", &[]);
    refused.says("refused", "critical", "127.0.0.1:1: failed at connect");
    failed_at(&refused, "connect");
    let nowhere = diagnose("postgresql://app@nowhere.invalid/orders", &[]);
    nowhere.says("name_not_found", "critical", "nowhere.invalid");
    failed_at(&nowhere, "resolve");
    // Accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgresql://app@127.0.0.1:{}/orders", silent.local_addr().unwrap().port());
    let silent = diagnose(&silent, &["--timeout", "500ms"]);
    silent.says("connect_timeout", "critical", "not established in time");
    assert_eq!(silent.status, 3);
    // No system lets one connect to a group of machines.
    let group = diagnose("postgresql://app@224.0.0.1/orders", &[]);
    group.says("unreachable", "critical", "224.0.0.1:5432: failed at connect");
    failed_at(&group, "connect");
}

#[test]
fn what_listens_and_is_no_postgresql_is_told_at_once_to_be_none() {
    for mode in ["disable", "prefer", "require"] {
        let fake = FakeServer::start(Script::SayBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
        let begun = std::time::Instant::now();
        let other = diagnose(&format!("{}?sslmode={mode}", fake.url()), &[]);
        other.says("not_postgresql", "critical", "HTTP/1.1 400 Bad Request");
        failed_at(&other, if mode == "disable" { "auth" } else { "tls" });
        assert!(begun.elapsed() < std::time::Duration::from_secs(3), "took {:?}", begun.elapsed());
    }
}

#[test]
fn a_server_that_lets_one_in_and_then_says_nothing_answers_no_questions() {
    let server = own_server(|s| s);
    let mut holds = server.connect().unwrap();
    // Sessions begin without it, and nothing can be asked of it.
    holds.batch_execute("begin; lock table pg_catalog.pg_settings in access exclusive mode").unwrap();
    let deaf = diagnose(&server.url(), &["--timeout", "700ms"]);
    deaf.says("no_answers", "critical", "the deadline passed");
    assert!(deaf.document["hosts"][0]["error"].is_null() && !deaf.has("connect_timeout"));
    assert_eq!(deaf.status, 3);
    holds.batch_execute("rollback").unwrap();
    assert!(!diagnose(&server.url(), &[]).has("no_answers"));
}

#[test]
fn a_session_that_is_refused_for_other_reasons_is_told_with_the_servers_words() {
    let server = own_server(|s| {
        s.role("app", "secret").database("closed").sql("revoke connect on database closed from public")
    });
    let options = diagnose(&format!("{}?options=-c%20no_such_setting%3D1", server.url()), &[]);
    options.says("cannot_connect", "critical", "no_such_setting");
    failed_at(&options, "auth");
    let closed = diagnose(&server.url_with_password("app", "secret", "closed"), &[]);
    closed.says("not_allowed", "critical", "42501");
    assert!(closed.finding("not_allowed")["remedy"].as_str().unwrap().contains("grant connect"));
    failed_at(&closed, "auth");
}

#[test]
fn phases_that_went_well_are_shown_with_their_times_before_the_one_that_failed() {
    let certs = Certs::new();
    let server = own_server(|s| {
        s.role("app", "right").hba("host all app all scram-sha-256").tls(certs.server(&certs.good))
    });
    let url = |password: &str, more: &str| {
        format!("postgresql://app:{password}@localhost:{}/postgres?{more}", server.port())
    };
    let times = |diagnosis: &crate::Diagnosis| {
        let host = &diagnosis.document["hosts"][0];
        let passed: Vec<_> = host["phases"].as_array().unwrap().iter().collect();
        let all = passed.iter().copied().chain([&host["failed"]]);
        let sum: f64 = all.map(|phase| phase["took_s"].as_f64().unwrap()).sum();
        assert!(sum > 0.0 && sum <= host["took_s"].as_f64().unwrap(), "{host:#}");
        let names: Vec<_> = passed.iter().map(|phase| phase["phase"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), host["failed"]["phase"].as_str().unwrap().to_owned())
    };
    let named = |passed: &str, failed: &str| (passed.to_owned(), failed.to_owned());
    let refused = diagnose(&url("wrong", "sslmode=require"), &[]);
    refused.says("authentication", "critical", "28P01");
    assert_eq!(times(&refused), named("resolve connect tls", "auth"));
    assert!(refused.document["hosts"][0]["phases"][2]["took_s"].as_f64().unwrap() > 0.0);
    let plain = diagnose(&url("wrong", "sslmode=disable"), &[]);
    assert_eq!(times(&plain), named("resolve connect", "auth"));
    // The server's certificate is not signed by this one.
    let stranger = Certs::new();
    let untrusted = format!("sslmode=verify-full&sslrootcert={}", stranger.ca_file.display());
    let untrusted = diagnose(&url("right", &untrusted), &[]);
    untrusted.says("tls", "critical", "certificate");
    assert_eq!(times(&untrusted), named("resolve connect", "tls"));
    let nobody = diagnose("postgresql://app@127.0.0.1:1/orders", &[]);
    assert_eq!(times(&nobody), named("resolve", "connect"));
    let right = diagnose(&url("right", "sslmode=require"), &[]);
    assert!(right.document["hosts"][0]["failed"].is_null());

    let text = run(&["--url", &url("wrong", "sslmode=require"), "--quiet"]).stdout;
    let text = String::from_utf8(text).unwrap();
    let rows: Vec<_> = text.lines().skip_while(|line| !line.starts_with("phase")).skip(1).take(4).collect();
    for (row, phase) in rows.iter().zip(["resolve", "connect", "tls", "auth"]) {
        assert!(row.starts_with(phase) && row.contains(" ms"), "{text}");
        assert_eq!(row.contains("FAILED: auth"), phase == "auth", "{text}");
    }
}

#[test]
fn refusals_of_the_server_are_told_apart_and_the_password_is_shown_nowhere() {
    const MARK: &str = "S3cr3tMark";
    let server = own_server(|s| {
        s.role("app", "right").hba("host all app 127.0.0.1/32 scram-sha-256").max_connections(6)
    });
    let wrong = diagnose(&server.url_with_password("app", MARK, "postgres"), &[]);
    wrong.says("authentication", "critical", "28P01");
    failed_at(&wrong, "auth");
    let text = format!("{:?}", wrong.output);
    assert!(!text.contains(MARK), "{text}");
    let unknown = diagnose(&server.url_with_password("app", "right", "nowhere"), &[]);
    unknown.says("unknown_database", "critical", "nowhere");
    let right = server.url_with_password("app", "right", "postgres");
    let held = fill(&right);
    diagnose(&right, &[]).says("server_full", "critical", "53300");
    drop(held);
}

#[test]
fn limits_of_role_and_database_are_named_when_they_refuse() {
    let server = own_server(|s| {
        s.role("app", "secret")
            .sql("alter role app connection limit 1")
            .database("small")
            .sql("alter database small connection limit 1")
            .role("other", "secret")
    });
    let of_role = server.url_with_password("app", "secret", "postgres");
    let held = fill(&of_role);
    let full = diagnose(&of_role, &[]);
    full.says("server_full", "critical", "53300");
    assert!(full.finding("server_full")["remedy"].as_str().unwrap().contains("alter role"));
    let of_database = server.url_with_password("other", "secret", "small");
    let more = fill(&of_database);
    let full = diagnose(&of_database, &[]);
    assert!(full.finding("server_full")["remedy"].as_str().unwrap().contains("alter database"));
    drop((held, more));
}

#[test]
fn a_server_that_starts_is_told_to_be_starting() {
    let server = own_server(|s| s);
    let _held = server.connect().unwrap();
    // A smart shutdown waits for the session, and refuses others.
    server.begin_stop(holdfast_testkit::embedded::StopMode::Smart).unwrap();
    crate::support::wait_until("it refuses", std::time::Duration::from_secs(10), || {
        diagnose(&server.url(), &[]).has("server_starting")
    });
}

#[test]
fn certificates_are_shown_and_judged_even_where_they_are_refused() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let root = certs.ca_file.display();
    let url = |server: &holdfast_testkit::embedded::EmbeddedPostgres, more: &str| {
        format!("{}?{more}", server.url_at(&format!("localhost:{}", server.port())))
    };
    let good = diagnose(&url(&server, &format!("sslmode=verify-full&sslrootcert={root}")), &[]);
    let host = &good.document["hosts"][0];
    let phases: Vec<_> = host["phases"].as_array().unwrap().iter().map(|phase| &phase["phase"]).collect();
    assert_eq!(phases, ["resolve", "connect", "tls", "auth"], "{host:#}");
    let certificate = &host["certificate"];
    assert_eq!((&host["encrypted"], &certificate["subject"]), (&true.into(), &"CN=localhost".into()));
    assert!(certificate["left_s"].as_u64().unwrap() > 300 * 86_400, "{certificate:#}");
    assert!(!good.has("certificate_ends_soon") && !good.has("certificate_ended"));
    let ended = own_server(|s| s.tls(certs.server(&certs.expired)));
    let ended = diagnose(&url(&ended, &format!("sslmode=verify-full&sslrootcert={root}")), &[]);
    ended.says("tls", "critical", "expired");
    ended.says("certificate_ended", "critical", "CN=localhost, signed by CN=Holdfast Test CA");
    assert!(ended.document["hosts"][0]["certificate"]["left_s"].is_null());
    let soon = certs.server_for_days(20);
    let soon = own_server(|s| s.tls(certs.server(&soon)));
    diagnose(&url(&soon, "sslmode=require"), &[]).says("certificate_ends_soon", "warning", "CN=localhost");
}
