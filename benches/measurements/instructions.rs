//! The client's instructions for a prepared point query, counted by callgrind: the figure does not depend on what else the
//! machine does.

use std::env;
use std::process::{Command, Stdio};

use super::Bench;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave_cold};
use crate::support::subjects::{self, BARE, Bare, HOLDFAST, LIBPQ, Libpq, point_through};
use crate::support::{Outcome, children};

pub const NAME: &str = "instructions";

/// Two runs that differ in nothing but the number of queries: the difference is the queries' own.
const FEW: u32 = 200;
const MANY: u32 = 1_200;

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is missing, and its callgrind counts the instructions: install it".into());
    }
    let per_query = |subject: &'static str| {
        Contender::new(subject, move || {
            let few = counted(subject, FEW, &bench.url)?;
            let many = counted(subject, MANY, &bench.url)?;
            Ok(vec![(many - few) / f64::from(MANY - FEW)])
        })
    };
    let series = interleave_cold(1, vec![per_query(HOLDFAST), per_query(BARE), per_query(LIBPQ)])?;
    Ok(vec![
        Measurement::new(
            "instructions/point",
            "prepared point query through `pool.query_one`: instructions of the client",
            ("instructions", 0, Better::Less),
        )
        .of(&series, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.5)),
    ])
}

/// Instructions of a whole child process that runs so many queries.
fn counted(subject: &str, queries: u32, url: &str) -> Outcome<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([children::FLAG, NAME, &format!("{queries} {subject}"), url])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => Err(format!("callgrind did not count {subject}:\n{said}").into()),
    }
}

/// In a process of its own, under callgrind.
pub fn child(subject: &str, url: &str) -> Outcome<()> {
    let (queries, subject) = subject.split_once(' ').ok_or("no number of queries")?;
    let queries: u32 = queries.parse()?;
    let mut query: Box<dyn FnMut() -> Outcome<()>> = match subject {
        HOLDFAST => {
            let pool = subjects::holdfast(url, 1)?;
            Box::new(move || point_through(&pool))
        }
        BARE => {
            let mut client = Bare::open(url)?;
            Box::new(move || client.point())
        }
        LIBPQ => {
            let mut conn = Libpq::open(url)?;
            Box::new(move || conn.point())
        }
        other => return Err(format!("no such subject: {other}").into()),
    };
    for _ in 0..queries {
        query()?;
    }
    Ok(())
}
