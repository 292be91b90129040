//! A process that was frozen: its sessions may be gone, and callers of the pool do not notice.
//!
//! The process is a copy of this program, stopped and continued by signals.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{ErrorKind, LogLevel, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;
use rustix::process::{Pid, Signal, kill_process};

use crate::{Observer, ms, soon};

/// Where the copy finds its server.
const URL: &str = "HOLDFAST_TEST_SLEEPER_URL";
/// Tells what the copy says from what the test runner does.
const SAYS: &str = "sleeper: ";

/// The copy's part of a test, if this is the copy.
fn in_the_sleeper() -> Option<PoolConfig> {
    let url = std::env::var(URL).ok()?;
    Some(PoolConfig::from_url(&url).unwrap().application_name("sleeper"))
}

fn say(words: impl std::fmt::Display) {
    println!("\n{SAYS}{words}");
}

/// Sleeps until it is woken after a freeze. What wakes it was said while it was frozen, so that it is awake before anything
/// else that has to wait for its turn.
fn sleep_through_the_freeze() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert_eq!(line, "wake up\n");
}

fn pid_of(pool: &Pool) -> i32 {
    pool.query_one("select pg_backend_pid()", &[]).expect("no error is seen").get(0)
}

/// Fills a pool and gives all back.
fn warm_up(pool: &Pool, count: usize) {
    let conns: Vec<_> = (0..count).map(|_| pool.get().unwrap()).collect();
    drop(conns);
}

/// A copy of this program that runs one test in the part of the sleeper.
struct Sleeper {
    child: Child,
    pid: Pid,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Sleeper {
    /// `test` names a test of this module.
    fn start(test: &str, server: &EmbeddedPostgres) -> Self {
        let (_program, module) = module_path!().split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::{test}"), "--nocapture"])
            .env(URL, server.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pid = Pid::from_child(&child);
        Self { child, pid, lines }
    }

    /// The next thing it says.
    fn hear(&mut self) -> String {
        let heard = self
            .lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix(SAYS).map(str::to_owned));
        heard.expect("the frozen process answers")
    }

    fn send(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    fn freeze(&self) {
        self.send(Signal::STOP);
        // A stopped process prints nothing; the state is what `ps` shows as T.
        let stat = format!("/proc/{}/stat", self.child.id());
        soon("it is frozen", || std::fs::read_to_string(&stat).unwrap().contains(") T "));
    }

    fn thaw(&mut self) {
        // One that does not sleep any more has closed this.
        let _ = self.child.stdin.as_mut().unwrap().write_all(b"wake up\n");
        self.send(Signal::CONT);
    }

    fn ends_well(mut self) {
        for line in self.lines.by_ref() {
            drop(line);
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn own_server() -> EmbeddedPostgres {
    EmbeddedPostgres::builder().start().unwrap()
}

fn sleepers(server: &EmbeddedPostgres) -> Vec<i32> {
    Observer::of(server).backends("sleeper")
}

#[test]
fn what_outlived_its_idle_time_in_the_freeze_is_not_checked_out_after_it() {
    const THREADS: usize = 8;
    if let Some(config) = in_the_sleeper() {
        // The timer that would close them is held up: pools share it, and this one's sink takes its time.
        let slow = config.clone().idle_timeout(ms(900)).application_name("slow");
        let slow = Pool::new(slow.log_sink(LogLevel::Debug, |_| thread::sleep(ms(700)))).unwrap();
        warm_up(&slow, 1);
        let pool = Pool::new(config.max_size(8).idle_timeout(ms(1000))).unwrap();
        warm_up(&pool, 8);
        say("warm");
        sleep_through_the_freeze();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| say(pid_of(&pool)));
            }
        });
        return;
    }
    let server = own_server();
    let mut sleeper =
        Sleeper::start("what_outlived_its_idle_time_in_the_freeze_is_not_checked_out_after_it", &server);
    assert_eq!(sleeper.hear(), "warm");
    let old = sleepers(&server);
    sleeper.freeze();
    thread::sleep(ms(2600));
    sleeper.thaw();
    for _ in 0..THREADS {
        let held: i32 = sleeper.hear().parse().unwrap();
        assert!(!old.contains(&held), "one that was idle for 2.6 s was checked out, though 1 s is the most");
    }
    sleeper.ends_well();
}

#[test]
fn sessions_that_ended_during_the_freeze_cost_nobody_an_error() {
    if let Some(config) = in_the_sleeper() {
        // Nothing but a look is asked of what is idle.
        let hour = Duration::from_secs(3600);
        let pool = Pool::new(config.max_size(4).idle_timeout(hour).validate_after_idle(hour)).unwrap();
        warm_up(&pool, 4);
        say("warm");
        sleep_through_the_freeze();
        for _ in 0..4 {
            say(pid_of(&pool));
        }
        return;
    }
    let server = own_server();
    let mut sleeper = Sleeper::start("sessions_that_ended_during_the_freeze_cost_nobody_an_error", &server);
    assert_eq!(sleeper.hear(), "warm");
    let old = sleepers(&server);
    sleeper.freeze();
    let mut observer = Observer::of(&server);
    old.iter().for_each(|pid| observer.terminate(*pid));
    thread::sleep(ms(600));
    sleeper.thaw();
    for _ in 0..4 {
        assert!(!old.contains(&sleeper.hear().parse().unwrap()));
    }
    sleeper.ends_well();
}

#[test]
fn sessions_that_stopped_answering_during_the_freeze_are_replaced_within_validation_timeout() {
    if let Some(config) = in_the_sleeper() {
        let pool = Pool::new(config.max_size(4).validation_timeout(ms(300))).unwrap();
        warm_up(&pool, 4);
        say("warm");
        sleep_through_the_freeze();
        let start = Instant::now();
        say(pid_of(&pool));
        say(start.elapsed().as_millis());
        return;
    }
    let server = own_server();
    let test = "sessions_that_stopped_answering_during_the_freeze_are_replaced_within_validation_timeout";
    let mut sleeper = Sleeper::start(test, &server);
    assert_eq!(sleeper.hear(), "warm");
    let old = sleepers(&server);
    sleeper.freeze();
    // As behind a firewall that has forgotten them: no end is heard, and no answer comes.
    old.iter().for_each(|pid| server.freeze_backend(*pid).unwrap());
    thread::sleep(ms(1000));
    sleeper.thaw();
    assert!(!old.contains(&sleeper.hear().parse().unwrap()));
    let took: u64 = sleeper.hear().parse().unwrap();
    assert!(took < 4 * 300 + 1500, "took {took} ms");
    sleeper.ends_well();
    old.iter().for_each(|pid| server.thaw_backend(*pid).unwrap());
}

#[test]
fn a_deadline_that_passed_in_the_freeze_ends_the_statement_at_once_and_the_connection_with_it() {
    if let Some(config) = in_the_sleeper() {
        let pool = Pool::new(config.max_size(1)).unwrap();
        let mut conn = pool.get().unwrap();
        conn.set_deadline(Some(ms(1000)));
        say("running");
        let start = Instant::now();
        let error = conn.batch_execute("select pg_sleep(60)").unwrap_err();
        assert!((ms(1900)..ms(10_000)).contains(&start.elapsed()), "it was frozen: {:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::QueryTimeout);
        drop(conn);
        say(pid_of(&pool));
        return;
    }
    let server = own_server();
    let test = "a_deadline_that_passed_in_the_freeze_ends_the_statement_at_once_and_the_connection_with_it";
    let mut sleeper = Sleeper::start(test, &server);
    assert_eq!(sleeper.hear(), "running");
    let old = sleepers(&server);
    sleeper.freeze();
    thread::sleep(ms(2000));
    let thawed = Instant::now();
    sleeper.thaw();
    assert!(!old.contains(&sleeper.hear().parse().unwrap()));
    assert!(thawed.elapsed() < ms(4000), "took {:?}", thawed.elapsed());
    sleeper.ends_well();
}

#[test]
fn the_server_reaps_the_sessions_of_a_process_that_stays_frozen() {
    if let Some(config) = in_the_sleeper() {
        let config = config.idle_timeout(ms(1000)).server_idle_session_timeout(ms(1500));
        let pool = Pool::new(config).unwrap();
        warm_up(&pool, 3);
        say("warm");
        sleep_through_the_freeze();
        say(pid_of(&pool));
        return;
    }
    let server = own_server();
    let mut sleeper = Sleeper::start("the_server_reaps_the_sessions_of_a_process_that_stays_frozen", &server);
    assert_eq!(sleeper.hear(), "warm");
    sleeper.freeze();
    assert_eq!(sleepers(&server).len(), 3);
    soon("their slots are free", || sleepers(&server).is_empty());
    sleeper.thaw();
    sleeper.hear().parse::<i32>().expect("who used the pool has noticed nothing");
    sleeper.ends_well();
}

#[test]
fn the_server_stops_working_for_a_process_that_was_killed() {
    if let Some(config) = in_the_sleeper() {
        let pool = Pool::new(config.server_connection_check_interval(ms(200))).unwrap();
        say("running");
        pool.batch_execute("select pg_sleep(600)").unwrap();
        return;
    }
    let server = own_server();
    let mut sleeper = Sleeper::start("the_server_stops_working_for_a_process_that_was_killed", &server);
    assert_eq!(sleeper.hear(), "running");
    soon("it runs its statement", || sleepers(&server).len() == 1);
    drop(sleeper);
    soon("nothing is left of it", || sleepers(&server).is_empty());
}

#[test]
fn what_the_server_is_to_do_about_orphans_is_told_to_every_session_and_otherwise_left_alone() {
    let server = own_server();
    server.change_settings(&[("idle_session_timeout", "7h")]).unwrap();
    let shown = |config: PoolConfig| {
        let pool = Pool::new(config).unwrap();
        ["idle_session_timeout", "client_connection_check_interval"].map(|name| {
            let row = pool.query_one("select current_setting($1)", &[&name]).unwrap();
            row.get::<_, String>(0)
        })
    };
    let config = || crate::config(&server, "orphans");
    soon("the server has read its settings", || shown(config()) == ["7h", "0"]);
    let both = config().server_idle_session_timeout(ms(60_000)).server_connection_check_interval(ms(2_500));
    assert_eq!(shown(both), ["1min", "2500ms"]);
    let error = Pool::new(config().server_idle_session_timeout(ms(15_000))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("idle_timeout \"15s\""), "{error}");
}
