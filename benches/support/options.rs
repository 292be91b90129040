//! The command line.

use std::time::Duration;

use super::Outcome;

pub const HELP: &str = "\
Measures Holdfast beside its peers on a private PostgreSQL, in one run, and says which targets were met.

    cargo bench --bench holdfast -- [options]

  --only NAME    measure only this; may be given several times (names below)
  --quick        fewer and shorter rounds: under 30 s instead of under 5 min, with more noise
  --json         one JSON object on standard output instead of tables
  --unix         connect over the Unix-domain socket instead of TCP on the loopback
  --help         this text

What is measured:
  get            get and drop of a free connection, against r2d2 without its test on checkout
  crowd          64 threads on 8 connections: rate of prepared point queries, and the longest wait
  hold           64 threads on 8 connections, each held for 2 ms: longest wait, and how even the turns are
  point          a prepared point query with 1 and with 8 threads, on one CPU and on all, against the bare driver and libpq
  text           the same statement given as text, against r2d2, whose users prepare it every time, and libpq
  instructions   the client's instructions for a prepared point query, counted by callgrind, against the bare driver and libpq
  rows           100,000 rows of 4 columns: time and peak memory
  raw            the raw session: a point query, 100,000 rows, 10,000 inserts pipelined, against libpq
  capi           the C library: point queries, 100,000 rows, against libpq (needs `make lib`, which `make bench` runs)
  open           opening a connection, without and with TLS
  first          a process from its start to its first row, over TLS, against libpq
  footprint      memory, descriptors and threads of a pool and of an open connection

How to read it: subjects take turns round by round, after one round of warming up. Shown are the median of the rounds, the
least and the most, and \"Holdfast / it\": the median over the rounds of our figure divided by the peer's of the same round,
which a busy machine disturbs less than either. Targets are judged by the median, the words \"at worst\" by the worst round.
A missed target is not an error: the exit status is 0 unless something could not be measured.

Needs PostgreSQL's server binaries (HOLDFAST_PG_BINDIR, or found by themselves) and libpq. Linux only.
For figures worth keeping let nothing else run, and look at the load printed first.
";

/// The names that `--only` takes.
pub const NAMES: [&str; 12] = [
    "get",
    "crowd",
    "hold",
    "point",
    "text",
    "instructions",
    "rows",
    "raw",
    "capi",
    "open",
    "first",
    "footprint",
];

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub quick: bool,
    pub json: bool,
    pub unix: bool,
    only: Vec<String>,
}

/// What the arguments ask for.
pub enum Asked {
    Help,
    /// `cargo test --benches` runs this program too, to see that it starts.
    Nothing,
    Run(Options),
}

impl Options {
    pub fn read(arguments: impl Iterator<Item = String>) -> Outcome<Asked> {
        let mut options = Self::default();
        let mut arguments = arguments.peekable();
        if arguments.peek().is_none() {
            return Ok(Asked::Nothing);
        }
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Added by `cargo bench`.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--unix" => options.unix = true,
                "--only" => options.only.push(known(arguments.next())?),
                "--help" | "-h" => return Ok(Asked::Help),
                other => return Err(format!("unknown argument {other:?}; --help lists what there is").into()),
            }
        }
        Ok(Asked::Run(options))
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// As many rounds as asked, or 3.
    pub fn rounds(&self, full: usize) -> usize {
        if self.quick { 3 } else { full }
    }

    /// As many calls per round as asked, or a quarter.
    pub fn calls(&self, full: u32) -> u32 {
        if self.quick { full / 4 } else { full }
    }

    /// As long a round as asked, or a third of it.
    pub fn length(&self, full: Duration) -> Duration {
        if self.quick { full / 3 } else { full }
    }
}

fn known(name: Option<String>) -> Outcome<String> {
    match name {
        Some(name) if NAMES.contains(&name.as_str()) => Ok(name),
        Some(name) => {
            Err(format!("nothing called {name:?} is measured; there is {}", NAMES.join(", ")).into())
        }
        None => Err("--only needs a name".into()),
    }
}
