//! The program starts what it is asked for, follows orders, ends with its input, and tells wrong arguments.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use holdfast_testkit::embedded::EmbeddedPostgres;
use postgres::{Client, NoTls};

/// The program, until it is dropped.
struct Kit {
    child: Child,
    orders: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    first: String,
}

impl Kit {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast-testkit"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, replies) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut kit = Self { child, orders, replies, first: String::new() };
        kit.first = kit.line();
        kit
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.replies.read_line(&mut line).unwrap(), 0, "it has ended");
        line.trim_end().to_owned()
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.line()
    }

    /// The SQLSTATE with which a client is refused; empty when it gets in, or without one.
    fn refusal(&self) -> String {
        let refused = Client::connect(&self.first, NoTls).err();
        refused.map_or(String::new(), |e| e.code().map_or(e.to_string(), |code| code.code().to_owned()))
    }
}

/// Looks again for 20 s at most: a client that was refused just now may not have left yet.
fn until_let_in(kit: &Kit) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while kit.refusal() == "53300" {
        assert!(Instant::now() < deadline, "it stays full");
    }
    assert_eq!(kit.refusal(), "");
}

impl Drop for Kit {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

fn run(words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_holdfast-testkit"));
    program.args(words).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_full_server_frees_slots_on_order_and_is_gone_with_its_input() {
    let mut kit = Kit::start(&["full-server", "--slots", "2"]);
    assert_eq!(kit.refusal(), "53300");
    assert_eq!(kit.order("free=1"), "ok");
    until_let_in(&kit);
    assert_eq!(kit.order("free=one"), "error: `free=one` takes a number, as in `slow=200` or `free=1`");
    assert_eq!(kit.order("sing"), "error: there is no order `sing` (see --help of the command)");
    assert_eq!(kit.order("stop"), "ok");
    assert!(kit.refusal().contains("connect"), "{}", kit.refusal());
    assert_eq!(kit.order("start"), "ok");
    drop(kit.orders.take());
    assert!(kit.child.wait().unwrap().success());
    assert!(kit.refusal().contains("connect"), "{}", kit.refusal());
}

#[test]
fn a_proxy_leads_to_its_server_until_it_is_told_otherwise() {
    let server = EmbeddedPostgres::start().unwrap();
    let mut kit = Kit::start(&["proxy", "--to", &server.url(), "--fault", "slow=1"]);
    let mut client = Client::connect(&kit.first, NoTls).unwrap();
    client.batch_execute("SELECT 1").unwrap();
    assert_eq!(kit.order("half-open"), "ok");
    assert_eq!(kit.order("cut"), "ok");
    assert!(client.batch_execute("SELECT 1").is_err());
    for order in ["deaf", "hear", "deaf-to-new", "hear", "deaf-after=5", "hear", "half-close", "slow=0"] {
        assert_eq!(kit.order(order), "ok", "{order}");
    }
    assert_eq!(kit.refusal(), "");
    assert_eq!(kit.order("cut-after=3"), "ok");
    assert!(!kit.refusal().is_empty());
    assert_eq!(kit.order("refuse"), "ok");
    assert!(kit.refusal().contains("connect"), "{}", kit.refusal());
    assert_eq!(kit.order("accept"), "ok");
    assert_eq!(kit.refusal(), "");
}

#[test]
fn a_refusal_comes_at_its_point_and_as_often_as_it_was_asked_for() {
    let kit = Kit::start(&["refuse", "--sqlstate=57P03", "--times", "1"]);
    assert_eq!((kit.refusal().as_str(), kit.refusal().as_str()), ("57P03", ""));
    let mut kit = Kit::start(&["refuse", "--sqlstate", "25006", "--at", "statement:2"]);
    let mut client = Client::connect(&kit.first, NoTls).unwrap();
    client.batch_execute("BEGIN").unwrap();
    let error = client.batch_execute("INSERT INTO t VALUES (1)").unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("read-only"), "{error}");
    assert_eq!(kit.order("let-in"), "ok");
    assert_eq!(kit.order("refuse"), "ok");
    let kit =
        Kit::start(&["refuse", "--sqlstate", "28000", "--at", "after-authentication", "--message", "no"]);
    assert_eq!(kit.refusal(), "28000");
}

#[test]
fn with_json_each_line_is_a_document() {
    let mut kit = Kit::start(&["refuse", "--sqlstate", "53300", "--json"]);
    assert!(kit.first.starts_with(r#"{"url":"postgresql://postgres@127.0.0.1:"#), "{}", kit.first);
    assert_eq!(kit.order("let-in"), r#"{"ok":true}"#);
    assert!(kit.order("sing").starts_with(r#"{"ok":false,"error":"there is no order"#));
}

#[test]
fn wrong_arguments_are_named_and_end_the_program_with_2() {
    for (words, said) in [
        (&[][..], "a command is missing"),
        (&["sing"], "no command `sing`"),
        (&["server", "--slots", "3"], "server has no option `--slots`"),
        (&["full-server", "--slots"], "`--slots` needs a value"),
        (&["full-server", "--slots", "0"], "`--slots` takes a number from 1 on, not `0`"),
        (&["proxy"], "proxy needs `--to`"),
        (&["proxy", "--to", "db:x"], "`--to` takes a host and a port"),
        (&["refuse"], "refuse needs `--sqlstate`"),
        (&["refuse", "--sqlstate", "5330"], "five digits and capitals"),
        (&["refuse", "--sqlstate", "53300", "--at", "statement:0"], "`--at` takes"),
        (&["refuse", "--sqlstate", "53300", "--severity", "fatal"], "`--severity` takes"),
    ] {
        let output = run(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(said) && error.lines().count() == 1, "{words:?}: {error}");
    }
}

#[test]
fn what_cannot_start_is_told_and_ends_the_program_with_1() {
    let taken = Kit::start(&["refuse", "--sqlstate", "53300"]);
    let port = taken.first.rsplit([':', '/']).nth(1).unwrap();
    assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    let output = run(&["refuse", "--sqlstate", "53300", "--port", port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot listen"));
}

#[test]
fn each_command_has_a_help_that_names_its_orders() {
    for (words, named) in [
        (&["--help"][..], ["full-server", "--json"]),
        (&["server", "--help"], ["freeze", "--max-connections"]),
        (&["full-server", "-h"], ["free=N", "--slots"]),
        (&["proxy", "--help"], ["half-open", "--to"]),
        (&["refuse", "--help"], ["let-in", "--sqlstate"]),
        (&["--version"], ["holdfast-testkit ", env!("CARGO_PKG_VERSION")]),
    ] {
        let output = run(words);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && named.iter().all(|name| said.contains(name)), "{words:?}: {said}");
        assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    }
}
