//! `holdfast`: examines databases, and checks that connection pools keep what they promise.

#![deny(unsafe_code)]

mod diagnose;
mod install;
mod json;
mod logger;
mod options;
mod progress;
mod style;
mod table;
mod time;
mod tune;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use holdfast::Printable;

/// A blocking PostgreSQL connection pool that does not let go: what its databases and it itself have to tell.
#[derive(Parser)]
#[command(name = "holdfast", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Examples:
  holdfast verify                       every check, on a private PostgreSQL
  holdfast verify --url postgresql://app@db/orders
  holdfast diagnose --url postgresql://app@db/orders    what is wrong with a database, and what to do
  holdfast tune --processes 12 --rate 600               how big a pool should be, with the arithmetic
  holdfast watch --metrics http://127.0.0.1:9464        a pool, live; --url: everybody's connections
  holdfast options timeout              what options there are about time")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print the pool's log records (-v: warnings and news, -vv: everything) to standard error.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Diagnose(diagnose::Arguments),
    Tune(tune::Arguments),
    Verify(verify::Arguments),
    Watch(watch::Arguments),
    Options(options::Arguments),
    Completions(install::Completions),
    Man(install::Man),
}

/// Nothing was found out: a wrong option, no server. As for `clap`'s own errors.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logger::install(arguments.verbose);
    let done = match arguments.command {
        Command::Diagnose(diagnose) => diagnose.run(arguments.verbose > 0),
        Command::Tune(tune) => tune.run(arguments.verbose > 0),
        Command::Verify(verify) => verify.run(arguments.verbose > 0),
        Command::Watch(watch) => watch.run(),
        Command::Options(options) => options.run(),
        Command::Completions(completions) => completions.run(Arguments::command()),
        Command::Man(man) => man.run(Arguments::command()),
    };
    done.unwrap_or_else(|failure| {
        // That of a private server ends with lines of its log. No line but the first begins as one of ours.
        for (number, line) in failure.to_string().lines().enumerate() {
            eprintln!("{}{}", if number == 0 { "holdfast: " } else { "  " }, Printable(line));
        }
        ExitCode::from(COULD_NOT_RUN)
    })
}
