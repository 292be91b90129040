//! `target_session_attrs` over a real primary and its streaming standby.

use holdfast::{ErrorKind, Phase, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::own_server;
use crate::{config, refused};

fn pair() -> (EmbeddedPostgres, EmbeddedPostgres) {
    let primary = own_server(|s| s);
    let standby = EmbeddedPostgres::builder().start_standby_of(&primary).expect("a standby follows");
    (primary, standby)
}

fn url(servers: &[&EmbeddedPostgres], attrs: &str) -> String {
    let hosts: Vec<_> = servers.iter().map(|s| format!("127.0.0.1:{}", s.port())).collect();
    format!("{}?target_session_attrs={attrs}", servers[0].url_at(&hosts.join(",")))
}

/// The port of the server that a pool with this URL ends up on.
fn chosen(url: &str) -> Option<u16> {
    let pool = Pool::new(config(url)).unwrap();
    let row = pool.query_one("select inet_server_port()", &[]).ok()?;
    Some(row.get::<_, i32>(0) as u16)
}

#[test]
fn all_six_roles_find_their_server_in_either_order() {
    let (primary, standby) = pair();
    let (p, s) = (Some(primary.port()), Some(standby.port()));
    for order in [[&primary, &standby], [&standby, &primary]] {
        let first = Some(order[0].port());
        for (attrs, expected) in [
            ("any", first),
            ("read-write", p),
            ("primary", p),
            ("read-only", s),
            ("standby", s),
            ("prefer-standby", s),
        ] {
            assert_eq!(chosen(&url(&order, attrs)), expected, "{attrs}");
        }
    }
}

#[test]
fn prefer_standby_is_content_with_a_primary() {
    let primary = own_server(|s| s);
    assert_eq!(chosen(&url(&[&primary], "prefer-standby")), Some(primary.port()));
}

#[test]
fn a_role_that_nobody_has_is_an_error_that_may_pass() {
    let (_primary, standby) = pair();
    let error = refused(&url(&[&standby], "primary"));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Unreachable, Some(Phase::Role)), "{error}");
    assert!(error.is_retryable());
    assert!(error.to_string().contains("it is a standby"), "{error}");
}

#[test]
fn a_dead_first_host_leads_to_the_second() {
    let (primary, standby) = pair();
    let urls = url(&[&primary, &standby], "any");
    primary.stop(holdfast_testkit::embedded::StopMode::Immediate).unwrap();
    assert_eq!(chosen(&urls), Some(standby.port()));
    standby.promote().unwrap();
    assert_eq!(chosen(&url(&[&primary, &standby], "read-write")), Some(standby.port()));
}

#[test]
fn when_every_host_fails_each_is_named() {
    let ports =
        [holdfast_testkit::embedded::free_port().unwrap(), holdfast_testkit::embedded::free_port().unwrap()];
    let error = refused(&format!("postgresql://app@127.0.0.1:{},127.0.0.1:{}/x", ports[0], ports[1]));
    for port in ports {
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
}
