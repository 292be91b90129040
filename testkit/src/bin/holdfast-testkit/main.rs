//! The program `holdfast-testkit`: the test kit for programs in C, Node, Python and every other language. It starts a server or a
//! proxy, prints its URL, and follows orders on its standard input until that ends.

#![forbid(unsafe_code)]

mod arguments;
mod help;
mod json;
mod stand_in;
mod target;

use std::env;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use arguments::Command;
use stand_in::StandIn;

/// Wrong arguments, as `getopt` programs have it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match arguments::parse(env::args_os().skip(1)) {
        Ok(command) => command,
        Err(fault) => return end(&fault, USAGE),
    };
    let (what, json) = match command {
        Command::Help(text) => return print(text),
        Command::Version => return print(concat!("holdfast-testkit ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Run(what, json) => (what, json),
    };
    match StandIn::start(what) {
        Ok(mut started) => serve(&mut started, json),
        Err(fault) => end(&fault, 1),
    }
}

fn end(fault: &str, code: u8) -> ExitCode {
    eprintln!("holdfast-testkit: {fault}");
    ExitCode::from(code)
}

/// Prints a text; that nobody reads to its end is no failure.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Prints the URL and follows orders, until the standard input ends or nobody reads what is printed.
fn serve(started: &mut StandIn, json: bool) -> ExitCode {
    let (url, port) = (started.url(), started.port());
    let first = if json { json::started(&url, port) } else { url };
    if say(&first).is_err() {
        return ExitCode::SUCCESS;
    }
    for order in io::stdin().lock().lines() {
        // What is no text is no order either; an end of the input is the end.
        let Ok(order) = order else { break };
        let order = order.trim();
        if order.is_empty() {
            continue;
        }
        let done = started.obey(order);
        let reply = match (json, done) {
            (true, done) => json::reply(done.as_ref().err().map(String::as_str)),
            (false, Ok(())) => "ok".to_owned(),
            (false, Err(fault)) => format!("error: {}", fault.replace('\n', " ")),
        };
        if say(&reply).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Prints a line at once, whatever the output is.
fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
