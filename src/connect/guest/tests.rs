use std::time::{Duration, Instant};

use super::*;
use crate::config::PoolConfig;
use crate::connect::{Connector, Opened};
use crate::session::ResultFormat;
use crate::session::SessionState;

/// Opens a session to the echo server, which runs within the process.
fn opened() -> Opened {
    let (_, server) = PoolConfig::from_url("postgresql://echo@localhost/echo")
        .and_then(|config| config.settings())
        .expect("valid settings");
    Connector::in_process(server, crate::testing::echo::server())
        .open(Instant::now() + Duration::from_secs(10), &Arc::default(), &|| {
            SessionState::new(8, Arc::default())
        })
        .expect("it lets everyone in")
}

#[test]
fn a_guest_speaks_over_the_session_and_leaves_it_as_it_was() {
    let mut opened = opened();
    for round in 0..3 {
        let mut guest = open_guest(&opened.link, &opened.start).unwrap();
        let row = guest.query_one("select 1", &[]).expect("an answer");
        assert_eq!(row.len(), 1);
        let left = guest.leave();
        assert!(left.len() <= 1, "{left:?}");
        assert!(opened.link.is_clean() && opened.link.fault().is_none(), "round {round}");
        let block = opened.raw().query("select 2", &[], ResultFormat::Text).unwrap();
        assert_eq!(block.rows(), 1);
    }
}

#[test]
fn in_async_code_a_guest_is_refused_and_one_that_is_given_up_there_does_no_harm() {
    let opened = opened();
    let guest = open_guest(&opened.link, &opened.start).unwrap();
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.block_on(async {
        drop(guest);
        let error = open_guest(&opened.link, &opened.start).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("spawn_blocking"), "{error}");
    });
    assert!(opened.link.is_clean());
    // Where blocking is allowed the guest is made.
    let opened = one.block_on(async {
        let made =
            tokio::task::spawn_blocking(move || open_guest(&opened.link, &opened.start).map(|_| opened));
        made.await.expect("no panic").expect("a guest")
    });
    assert!(opened.link.is_clean());
}

#[test]
fn a_guest_that_leaves_while_a_server_is_silent_does_not_wait_for_it() {
    let opened = opened();
    let guest = open_guest(&opened.link, &opened.start).unwrap();
    // Like a statement that was abandoned before its end.
    opened.link.blocking(None).unwrap().send(b"Q\0\0\0\x0dselect 1\0"[..9].as_ref(), |_| Ok(())).unwrap();
    let begun = Instant::now();
    drop(guest);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(opened.link.fault().is_some(), "a request was cut");
}
