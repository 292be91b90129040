//! Queue and executor without a server: requests that the test answers, or that no server is reachable for.

mod server;

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::completion_queue::Urgency;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::pool::{CloseReport, Pool};
use crate::session::ResultFormat;

/// A pool whose address has no listener.
fn nowhere() -> Pool {
    Pool::from_url("postgresql://nobody@127.0.0.1:1/nothing?retry_max=0").unwrap()
}

fn submission(tag: u64) -> Submission {
    let query = Query::new("select 1".into(), &[], ResultFormat::Text);
    Submission::of_task(tag, Kind::Query, Task::Run(Work::Query { query, pack: false, idempotent: false }))
}

/// A request that is in no backlog: the test answers it.
fn ticket(queue: &Arc<Queue>, pool: &Pool, tag: u64) -> Result<Ticket, Rejected> {
    Ticket::new(queue, Executor::of(&pool.checkout_handle()), submission(tag), Duration::from_secs(60), None)
}

fn answer(ticket: Ticket, urgency: Urgency) {
    ticket.done(Ok(Answer::Results(Vec::new()))).deliver(urgency);
}

fn kind_of(completion: &Completion) -> Option<ErrorKind> {
    match &completion.outcome {
        Err(Trouble::Error(e)) => Some(e.kind()),
        _ => None,
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut descriptors = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

#[test]
fn a_full_queue_refuses_until_it_is_drained() {
    let (queue, pool) = (Queue::new(2), nowhere());
    let first = ticket(&queue, &pool, 1).unwrap();
    let _second = ticket(&queue, &pool, 2).unwrap();
    assert!(matches!(ticket(&queue, &pool, 3), Err(Rejected::Full)));
    answer(first, Urgency::Now);
    assert!(matches!(ticket(&queue, &pool, 3), Err(Rejected::Full)), "its completion takes room, too");
    assert_eq!(queue.drain(10).len(), 1);
    assert_eq!(queue.pending(), 1);
    assert!(ticket(&queue, &pool, 3).is_ok());
}

#[test]
fn the_callback_is_called_once_for_each_time_the_queue_was_empty() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let callback = Callback::new(move || {
        counter.fetch_add(1, SeqCst);
    });
    assert!(queue.on_ready(Some(callback)).is_none());
    let mut expected = 0;
    for _ in 0..3 {
        for tag in 0..3 {
            answer(ticket(&queue, &pool, tag).unwrap(), Urgency::Now);
        }
        expected += 1;
        assert_eq!(calls.load(SeqCst), expected);
        assert_eq!(queue.drain(2).len(), 2);
        answer(ticket(&queue, &pool, 9).unwrap(), Urgency::Now);
        assert_eq!(calls.load(SeqCst), expected, "it was never empty");
        assert_eq!(queue.drain(2).len(), 2);
    }
    drop(queue.on_ready(None));
    answer(ticket(&queue, &pool, 1).unwrap(), Urgency::Now);
    assert_eq!(calls.load(SeqCst), expected);
    assert_eq!(Arc::strong_count(&calls), 1, "the callback is gone");
}

#[test]
fn the_end_of_a_callback_waits_until_no_call_of_it_is_under_way() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let (entered, has_entered) = std::sync::mpsc::channel();
    let returned = Arc::new(AtomicUsize::new(0));
    let counter = returned.clone();
    let callback = Callback::new(move || {
        let _ = entered.send(());
        thread::sleep(Duration::from_millis(200));
        counter.fetch_add(1, SeqCst);
    });
    assert!(queue.on_ready(Some(callback)).is_none());
    thread::scope(|scope| {
        scope.spawn(|| answer(ticket(&queue, &pool, 1).unwrap(), Urgency::Now));
        has_entered.recv().unwrap();
        queue.on_ready(None).expect("there is one").end();
        assert_eq!(returned.load(SeqCst), 1);
        assert_eq!(Arc::strong_count(&returned), 1, "the callback is gone");
    });
}

#[test]
fn a_callback_may_drain_and_submit() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let drained = Arc::new(AtomicUsize::new(0));
    let again = (queue.clone(), pool.clone(), drained.clone());
    let callback = Callback::new(move || {
        let (queue, pool, drained) = &again;
        assert!(crate::sys::callback::is_running());
        if drained.fetch_add(queue.drain(10).len(), SeqCst) < 3 {
            Ticket::submit(queue, &pool.checkout_handle(), submission(1)).unwrap();
        }
    });
    drop(queue.on_ready(Some(callback)));
    Ticket::submit(&queue, &pool.checkout_handle(), submission(1)).unwrap();
    until("four requests were drained", || drained.load(SeqCst) == 4 && queue.pending() == 0);
    drop(queue.on_ready(None));
}

#[test]
fn the_descriptor_is_readable_while_completions_wait() {
    let (queue, pool) = (Queue::new(10), nowhere());
    answer(ticket(&queue, &pool, 1).unwrap(), Urgency::Now);
    let fd = queue.descriptor().unwrap();
    assert_eq!(queue.descriptor().unwrap().as_raw_fd(), fd.as_raw_fd());
    assert!(is_readable(fd), "one waits already");
    answer(ticket(&queue, &pool, 2).unwrap(), Urgency::Now);
    assert_eq!(queue.drain(1).len(), 1);
    assert!(is_readable(fd), "one is left");
    assert_eq!(queue.drain(1).len(), 1);
    assert!(!is_readable(fd));
    assert_eq!(queue.drain(1).len(), 0);
    answer(ticket(&queue, &pool, 3).unwrap(), Urgency::Now);
    assert!(is_readable(fd));
}

#[test]
fn what_may_wait_is_told_of_once_enough_is_done_or_when_the_worker_pauses() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let fd = queue.descriptor().unwrap();
    let soon = Urgency::Soon { left: 3 };
    answer(ticket(&queue, &pool, 1).unwrap(), soon);
    answer(ticket(&queue, &pool, 2).unwrap(), soon);
    assert!(!is_readable(fd));
    answer(ticket(&queue, &pool, 3).unwrap(), soon);
    assert!(is_readable(fd), "as many are done as are left");
    assert_eq!(queue.drain(10).len(), 3);
    assert!(!is_readable(fd));

    answer(ticket(&queue, &pool, 4).unwrap(), soon);
    assert!(queue.wait(Duration::ZERO), "who asks hears of it");
    assert!(!is_readable(fd));
    crate::link::deferred::run_deferred();
    assert!(is_readable(fd));
}

#[test]
fn waiting_ends_with_the_first_completion_or_when_time_is_up() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let begun = Instant::now();
    assert!(!queue.wait(Duration::from_millis(30)));
    assert!(begun.elapsed() >= Duration::from_millis(30));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| queue.wait(Duration::from_secs(60)));
        thread::sleep(Duration::from_millis(20));
        answer(ticket(&queue, &pool, 1).unwrap(), Urgency::Now);
        assert!(waiter.join().unwrap());
    });
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_request_whose_worker_breaks_down_is_answered() {
    let (queue, pool) = (Queue::new(10), nowhere());
    drop(ticket(&queue, &pool, 7).unwrap());
    let done = queue.drain(10);
    assert_eq!(done.len(), 1);
    assert!(done[0].tag == 7 && matches!(done[0].outcome, Err(Trouble::Panic(_))));
}

#[test]
fn a_cancelled_request_is_answered_once_whether_cancel_or_answer_comes_first() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let waiting = ticket(&queue, &pool, 1).unwrap();
    let number = waiting.request().number();
    assert!(queue.cancel(number) && queue.cancel(number));
    assert!(!waiting.send(), "it never runs");
    answer(waiting, Urgency::Now);
    let done = queue.drain(10);
    assert_eq!(done.iter().map(kind_of).collect::<Vec<_>>(), [Some(ErrorKind::Canceled)]);

    let next = ticket(&queue, &pool, 2).unwrap();
    assert_ne!(next.request().number(), number);
    assert!(queue.cancel(number), "the place is another's now, which is left alone");
    assert_eq!(queue.drain(10).len(), 0);
    assert!(!queue.cancel(0) && !queue.cancel(99));
}

#[test]
fn a_close_that_is_cancelled_before_it_begins_never_closes_and_one_that_has_begun_goes_on() {
    let (queue, pool) = (Queue::new(8), nowhere());
    let executor = Executor::of(&pool.checkout_handle());
    let closed = Arc::new(AtomicUsize::new(0));
    let to_close = |cancels_itself: bool| {
        let (count, itself) = (closed.clone(), queue.clone());
        let close = move || {
            count.fetch_add(1, SeqCst);
            if cancels_itself {
                itself.cancel(1 << 32 | 1);
            }
            CloseReport::default()
        };
        let submission = Submission::of_task(7, Kind::Close, Task::Close(Box::new(close)));
        Ticket::new(&queue, executor.clone(), submission, Duration::ZERO, None).unwrap()
    };
    let ticket = to_close(false);
    assert!(queue.cancel(ticket.request().number()));
    worker::close(ticket);
    let done = queue.drain(8);
    assert_eq!((closed.load(SeqCst), done.len(), kind_of(&done[0])), (0, 1, Some(ErrorKind::Canceled)));

    let ticket = to_close(true);
    assert_eq!(ticket.request().number(), 1 << 32 | 1, "the one that is cancelled in its midst");
    worker::close(ticket);
    let done = queue.drain(8);
    assert!(done.len() == 1 && matches!(done[0].outcome, Ok(Answer::Closed(_))) && queue.pending() == 0);
    assert_eq!(closed.load(SeqCst), 1);
}

#[test]
fn a_request_sent_behind_others_can_still_be_cancelled_and_says_that_it_may_have_run() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let sent = ticket(&queue, &pool, 1).unwrap();
    assert!(sent.send());
    assert!(queue.cancel(sent.request().number()));
    let done = queue.drain(10);
    let Err(Trouble::Error(error)) = &done[0].outcome else { panic!("cancelled") };
    assert!(error.kind() == ErrorKind::Canceled && !error.is_retryable());
}

#[test]
fn a_queue_that_is_closed_lets_everything_go() {
    let (queue, pool) = (Queue::new(10), nowhere());
    let (waiting, done) = (ticket(&queue, &pool, 1).unwrap(), ticket(&queue, &pool, 2).unwrap());
    answer(done, Urgency::Now);
    queue.close();
    answer(waiting, Urgency::Now);
    assert_eq!(queue.drain(10).len(), 0);
    assert!(matches!(ticket(&queue, &pool, 3), Err(Rejected::Full)));
    assert_eq!(Arc::strong_count(&queue), 1, "no request is left");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_request_hears_that_there_is_no_server() {
    let (queue, pool) = (Queue::new(100), nowhere());
    for tag in 0..100 {
        Ticket::submit(&queue, &pool.checkout_handle(), submission(tag)).unwrap();
    }
    let mut tags = Vec::new();
    until("all are answered", || {
        for completion in queue.drain(7) {
            assert_eq!(kind_of(&completion), Some(ErrorKind::Refused));
            tags.push(completion.tag);
        }
        tags.len() == 100
    });
    tags.sort_unstable();
    assert_eq!(tags, (0..100).collect::<Vec<_>>());
    let executor = Executor::of(&pool.checkout_handle());
    assert!((1..=pool.stats().max_size).contains(&executor.counts().0), "{:?}", executor.counts());
    until("workers without work end", || executor.counts() == (0, 0, 0));
    Ticket::submit(&queue, &pool.checkout_handle(), submission(1)).unwrap();
    until("another one comes", || queue.drain(1).len() == 1);
}

#[test]
fn a_pool_that_is_closed_takes_nothing_on() {
    let (queue, pool) = (Queue::new(10), nowhere());
    pool.close();
    let refused = Ticket::submit(&queue, &pool.checkout_handle(), submission(1));
    assert!(matches!(refused, Err(Rejected::Closed(_))));
    let pool = nowhere();
    Ticket::submit(&queue, &pool.checkout_handle(), submission(1)).unwrap();
    pool.close();
    assert!(matches!(
        Ticket::submit(&queue, &pool.checkout_handle(), submission(2)),
        Err(Rejected::Closed(_))
    ));
    until("the one taken on is answered", || queue.drain(10).len() == 1);
    assert_eq!(queue.pending(), 0);
    until("its workers end", || Executor::of(&pool.checkout_handle()).counts().0 == 0);
}

/// Submits, cancels and drains on several threads while the pool closes. Returns how many completions there were.
fn storm(pool: Pool, queue: &Arc<Queue>, last_handle_drops: bool) -> (usize, usize) {
    let (accepted, drained) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    let numbers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let submitters: Vec<_> = (0..3)
            .map(|_| {
                let handle = pool.checkout_handle();
                let (accepted, numbers) = (&accepted, &numbers);
                scope.spawn(move || {
                    loop {
                        match Ticket::submit(queue, &handle, submission(0)) {
                            Ok(number) => {
                                accepted.fetch_add(1, SeqCst);
                                if fastrand::u8(..) < 100 {
                                    numbers.lock().unwrap().push(number);
                                }
                            }
                            Err(Rejected::Full) => thread::yield_now(),
                            Err(Rejected::Closed(_)) => return,
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    match numbers.lock().unwrap().pop() {
                        Some(number) => assert!(queue.cancel(number)),
                        None => thread::yield_now(),
                    }
                }
            });
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    if queue.wait(Duration::from_millis(5)) {
                        drained.fetch_add(queue.drain(fastrand::usize(1..20)).len(), SeqCst);
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(fastrand::u64(1..60)));
        if last_handle_drops {
            drop(pool);
        } else {
            pool.close_timeout(Duration::from_millis(200));
        }
        for submitter in submitters {
            submitter.join().unwrap();
        }
        until("all are answered", || queue.pending() == 0);
        over.store(true, SeqCst);
    });
    (accepted.into_inner(), drained.into_inner())
}

#[test]
fn whatever_threads_do_while_the_pool_closes_each_request_is_answered_once() {
    for round in 0..6 {
        let queue = Queue::new(64);
        let (accepted, drained) = storm(nowhere(), &queue, round % 2 == 0);
        assert!(accepted > 0);
        assert_eq!(accepted, drained);
        until("nothing holds the queue any more", || Arc::strong_count(&queue) == 1);
    }
}

#[test]
fn a_request_that_waits_too_long_for_its_turn_is_told_so() {
    // The peer accepts and sends nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgresql://nobody@127.0.0.1:{}/nothing?retry_max=0&max_size=1&connection_timeout=1s&sslmode=disable",
        mute.local_addr().unwrap().port()
    );
    let (queue, pool) = (Queue::new(10), Pool::from_url(&url).unwrap());
    let begun = Instant::now();
    for (tag, limit) in [(1, 1000), (2, 100), (3, 200), (4, 150)] {
        let timeout = Some(Duration::from_millis(limit));
        Ticket::submit(&queue, &pool.checkout_handle(), Submission { timeout, ..submission(tag) }).unwrap();
    }
    let mut heard = Vec::new();
    until("all are answered", || {
        for completion in queue.drain(10) {
            heard.push((completion.tag, kind_of(&completion)));
            if completion.tag == 2 {
                assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
                assert!(completion.queued >= Duration::from_millis(100) && completion.running.is_zero());
            }
        }
        heard.len() == 4
    });
    assert_eq!(heard.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [2, 4, 3, 1]);
    assert_eq!(heard[0].1, Some(ErrorKind::PoolTimeout));
    assert!(begun.elapsed() >= Duration::from_millis(900));
}

#[test]
fn an_error_stays_what_it_is_on_its_way_through_the_queue() {
    let (queue, pool) = (Queue::new(1), nowhere());
    let failed = ticket(&queue, &pool, 1).unwrap();
    failed.done(Err(Error::new(ErrorKind::QueryTimeout, "too late").into())).deliver(Urgency::Now);
    assert_eq!(kind_of(&queue.drain(1)[0]), Some(ErrorKind::QueryTimeout));
}
