//! Checkouts that are forgotten.

use std::sync::mpsc::channel;
use std::thread;

use holdfast::{EventKind, Pool};

use crate::support::server;
use crate::{config, ms, sample, soon};

#[test]
fn a_forgotten_checkout_is_reported_once_with_the_place_where_it_was_taken() {
    let (sender, reports) = channel();
    let config = config(server(), "leaky").leak_detection_threshold(ms(200)).on_event(move |event| {
        if event.kind == EventKind::LeakSuspected {
            let _ =
                sender.send((event.place.map(str::to_owned), event.took.unwrap(), event.message.to_owned()));
        }
    });
    let pool = Pool::new(config).unwrap();
    let (line, forgotten) = (line!(), pool.get().unwrap());
    let (place, held, message) = reports.recv_timeout(ms(10_000)).unwrap();
    assert_eq!(place, Some(format!("tests/observe/leaks.rs:{line}:44")));
    assert!(held >= ms(200) && message.contains("was it forgotten?"), "{held:?} {message}");
    thread::sleep(ms(2_500));
    assert!(reports.try_recv().is_err(), "once is enough");
    drop(forgotten);
    let _again = pool.get().unwrap();
    reports.recv_timeout(ms(10_000)).expect("the next checkout is another");
    assert_eq!(sample(&pool.metrics_text(), "holdfast_leaks_suspected_total", &[]), Some(2.0));
}

#[test]
fn a_checkout_that_comes_back_in_time_is_not_reported() {
    let pool = Pool::new(config(server(), "no leak").leak_detection_threshold(ms(3_000))).unwrap();
    for _ in 0..5 {
        let _held = pool.get().unwrap();
        thread::sleep(ms(500));
    }
    soon("it was looked at meanwhile", || !pool.alerts().iter().any(|_| true));
    assert_eq!(sample(&pool.metrics_text(), "holdfast_leaks_suspected_total", &[]), Some(0.0));
}

#[inline(never)]
fn takes_a_connection_and_forgets_it(pool: &Pool) -> holdfast::PooledConnection {
    pool.get().unwrap()
}

#[test]
fn with_leak_backtrace_all_callers_are_named() {
    let config = config(server(), "traced").leak_backtrace(true).leak_detection_threshold(ms(100));
    let pool = Pool::new(config).unwrap();
    let _forgotten = takes_a_connection_and_forgets_it(&pool);
    let story = pool.explain_exhaustion();
    let trace = story.holders[0].backtrace.as_ref().expect("a backtrace").to_string();
    assert!(trace.contains("takes_a_connection_and_forgets_it"), "{trace}");
}
