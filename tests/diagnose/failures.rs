//! Servers that let nobody in.

use std::net::TcpListener;

use crate::diagnose;
use crate::support::certs::Certs;
use crate::support::proxy::Proxy;
use crate::support::{fill, own_server, server};

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
    let silent = diagnose(&silent, &["--timeout", "0.5"]);
    silent.says("connect_timeout", "critical", "the deadline passed");
    assert_eq!(silent.status, 3);
}

#[test]
fn a_server_that_goes_deaf_after_the_session_began_answers_no_questions() {
    let proxy = Proxy::before(server());
    proxy.after_bytes_from_server(600, crate::support::proxy::Then::GoDeaf);
    let url = format!("{}?sslmode=disable", proxy.url());
    let deaf = diagnose(&url, &["--timeout", "0.7"]);
    assert!(deaf.has("no_answers") || deaf.has("connect_timeout"), "{:#}", deaf.document);
    assert_eq!(deaf.status, 3);
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
    server.begin_stop(holdfast::embedded::StopMode::Smart).unwrap();
    crate::support::wait_until("it refuses", std::time::Duration::from_secs(10), || {
        diagnose(&server.url(), &[]).has("server_starting")
    });
}

#[test]
fn certificates_are_shown_and_judged_even_where_they_are_refused() {
    let certs = Certs::new();
    let server = own_server(|s| s.tls(certs.server(&certs.good)));
    let root = certs.ca_file.display();
    let url = |server: &holdfast::embedded::EmbeddedPostgres, more: &str| {
        format!("postgresql://postgres@localhost:{}/postgres?{more}", server.port())
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
