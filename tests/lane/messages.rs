//! Notifications and notices.

use std::thread;

use holdfast::{Pool, PoolConfig};

use crate::support::server;
use crate::{ms, text};

#[test]
fn notifications_arrive_whichever_lane_was_in_use() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(2);
    let pool = Pool::new(config).unwrap();
    let mut ears = pool.get().unwrap();
    ears.lane().unwrap().script("listen lane_news").unwrap();
    assert!(ears.lane().unwrap().notification(ms(50)).unwrap().is_none());
    pool.batch_execute("notify lane_news, 'one'").unwrap();
    let one = ears.lane().unwrap().notification(ms(2000)).unwrap().expect("the first");
    assert_eq!((one.channel.as_str(), one.payload.as_str()), ("lane_news", "one"));
    // This one comes while a statement of the lane runs.
    thread::scope(|scope| {
        scope.spawn(|| pool.batch_execute("notify lane_news, 'two'").unwrap());
        text(&mut ears, "select pg_sleep(0.3)", &[]).unwrap();
    });
    let two = ears.lane().unwrap().notification(ms(2000)).unwrap().expect("the second");
    assert_eq!(two.payload, "two");
    ears.lane().unwrap().script("unlisten *").unwrap();
}

#[test]
fn notices_are_kept_for_whoever_asks() {
    let pool = crate::one(server(), "noticer");
    let mut conn = pool.get().unwrap();
    let mut lane = conn.lane().unwrap();
    lane.script("do $$ begin raise notice 'look here'; raise warning 'and there'; end $$").unwrap();
    let notices = lane.take_notices();
    let texts: Vec<_> = notices.iter().map(|n| (n.severity.as_str(), n.message.as_str())).collect();
    assert_eq!(texts, [("NOTICE", "look here"), ("WARNING", "and there")]);
    assert!(lane.take_notices().is_empty());
}
