//! Notifications and notices.

use std::thread;

use holdfast::{Pool, PoolConfig};

use crate::support::server;
use crate::{ms, text};

#[test]
fn notifications_arrive_whichever_api_was_in_use() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(2);
    let pool = Pool::new(config).unwrap();
    let mut ears = pool.get().unwrap();
    ears.raw().unwrap().script("listen raw_news").unwrap();
    assert!(ears.raw().unwrap().notification(ms(50)).unwrap().is_none());
    pool.batch_execute("notify raw_news, 'one'").unwrap();
    let one = ears.raw().unwrap().notification(ms(2000)).unwrap().expect("the first");
    assert_eq!((one.channel.as_str(), one.payload.as_str()), ("raw_news", "one"));
    // This one comes while a statement of the raw session runs.
    thread::scope(|scope| {
        scope.spawn(|| pool.batch_execute("notify raw_news, 'two'").unwrap());
        text(&mut ears, "select pg_sleep(0.3)", &[]).unwrap();
    });
    let two = ears.raw().unwrap().notification(ms(2000)).unwrap().expect("the second");
    assert_eq!(two.payload, "two");
    ears.raw().unwrap().script("unlisten *").unwrap();
}

#[test]
fn notices_are_kept_for_a_caller_that_asks() {
    let pool = crate::one(server(), "noticer");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    raw.script("do $$ begin raise notice 'look here'; raise warning 'and there'; end $$").unwrap();
    let notices = raw.take_notices();
    let texts: Vec<_> = notices.iter().map(|n| (n.severity.as_str(), n.message.as_str())).collect();
    assert_eq!(texts, [("NOTICE", "look here"), ("WARNING", "and there")]);
    assert!(raw.take_notices().is_empty());
}
