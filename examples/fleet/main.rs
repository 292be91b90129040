//! Many processes, each with a pool of eight, share a server with `max_connections=20`: 17 slots, of which none is reserved.
//! Each process keeps 16 requests in flight, and each request takes a connection for 20 ms.
//!
//! `cargo run --release --example fleet -- --help`

mod child;
mod contender;
mod run;
mod scene;
mod verdict;
mod view;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use contender::Outcome;
use scene::Scene;

const HELP: &str = "\
Many processes, each with a pool of 8, share a PostgreSQL with max_connections=20: 17 slots.
Each process keeps 16 requests in flight, and each request takes a connection for 20 ms.
Compared are Holdfast, stock r2d2 and the plain retry loop. With 1 it exits if Holdfast misses a target.

usage: fleet [SCENE ...] [--only CONTENDER] [--seconds N] [--quick] [--json]

scenes (n10 if none is given, or all):
  n10      10 processes
  n2       2 processes, who may have 16 of the slots
  n30      30 processes, more than there are slots: they take turns
  late     an eleventh joins half-way
  killed   one of 10 is killed half-way
  deploy   10 are replaced one by one

options:
  --only CONTENDER   holdfast, r2d2 or retry
  --seconds N        how long each takes (20)
  --quick            5 seconds, where a target needs no more
  --json             one JSON object for each, a line each, instead of a table and the live view
";

struct Options {
    scenes: Vec<Scene>,
    contenders: Vec<&'static str>,
    span: Duration,
    json: bool,
}

fn options(arguments: impl Iterator<Item = String>) -> Outcome<Option<Options>> {
    let (mut names, mut contenders) = (Vec::new(), contender::NAMES.to_vec());
    let (mut span, mut json) = (Duration::from_secs(20), false);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value; --help tells more"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => span = Duration::from_secs(5),
            "--json" => json = true,
            "--seconds" => {
                let text = value()?;
                let seconds = text.parse().ok().filter(|seconds| (3..=3600).contains(seconds));
                span =
                    Duration::from_secs(seconds.ok_or(format!("--seconds takes 3 to 3600, not {text:?}"))?);
            }
            "--only" => {
                let text = value()?;
                contenders.retain(|name| *name == text);
                if contenders.is_empty() {
                    return Err(format!("there is no contender {text:?}: holdfast, r2d2 or retry").into());
                }
            }
            other if other.starts_with('-') => {
                return Err(format!("there is no option {other}; --help lists them").into());
            }
            _ => names.push(argument),
        }
    }
    if names.is_empty() {
        names.push("n10".to_owned());
    }
    let mut scenes = scene::all();
    let unknown = |name: &&String| *name != "all" && !scenes.iter().any(|scene| scene.name == **name);
    if let Some(name) = names.iter().find(unknown) {
        return Err(format!("there is no scene {name:?}; --help lists them").into());
    }
    scenes.retain(|scene| names.iter().any(|name| name == "all" || name == scene.name));
    Ok(Some(Options { scenes, contenders, span, json }))
}

fn run(options: &Options) -> Outcome<bool> {
    let mut all_met = true;
    for scene in &options.scenes {
        if !options.json {
            println!("{} ({:.0} s)", scene.words, options.span.as_secs_f64());
            println!("{}", verdict::HEAD);
        }
        for contender in &options.contenders {
            let outcomes = run::play(scene, contender, options.span, !options.json)?;
            let missed =
                if *contender == "holdfast" { verdict::missed(scene, &outcomes) } else { Vec::new() };
            all_met &= missed.is_empty();
            if options.json {
                println!("{}", verdict::json(scene, contender, &outcomes, &missed));
            } else {
                println!("{}", verdict::row(scene, contender, &outcomes));
                for missed in missed {
                    println!("  MISSED: {missed}");
                }
            }
        }
        if !options.json {
            println!();
        }
    }
    if !options.json {
        println!("{}", if all_met { "every target met" } else { "NOT every target met" });
    }
    Ok(all_met)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, contender, url] = &arguments[..]
        && flag == child::FLAG
    {
        return match child::run(contender, url) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("fleet, a process with {contender}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match options(arguments.into_iter()) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => match run(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("fleet: {error}");
                ExitCode::from(2)
            }
        },
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::from(2)
        }
    }
}
