//! `holdfast tune`: measures a server and advises on a pool's size and settings, with the arithmetic.

mod document;
mod text;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use holdfast::PoolConfig;
use holdfast_cli::diagnose::{Advice, Fit, Workload, tune};

use crate::progress::Progress;
use crate::style::print;

/// Measure a server, and advise on a pool's size and settings, with the arithmetic line by line.
///
/// Measures what it takes to open a connection, a round trip, and a statement; reads how many connections there may be (the
/// server's, the database's and the role's limit) and who has them; then reckons: how many connections a process has in use on
/// average (Little's law), with room above it, against what is available for each process, a deploy included. It opens six
/// connections, no two at once. The statement runs some 50 times, in transactions that only read and are rolled back.
#[derive(Args)]
#[command(
    after_help = "Exit status: 0 what is wanted fits, 1 there are too few connections for it, 2 could not run (wrong options, no server).

Examples:
  holdfast tune --url postgresql://app@db/orders --processes 12 --rate 600 --statement 'select * from orders where id = 7'
  holdfast tune --processes 40 --rate 2000 --service-time 12ms --overlap 1.25
  holdfast tune --processes 12 --rate 600 --env > pool.env      HOLDFAST_* lines, each with its reason
  holdfast tune --json | jq '.pool[] | {key, value}'

Pools that run already under this application_name and role are the ones that are tuned; all other sessions are others.
Without --url and DATABASE_URL, PG* and HOLDFAST_* variables say where. Steps go to standard error, advice to standard output."
)]
pub(crate) struct Arguments {
    /// The database, as a URL or as keywords; PG* and HOLDFAST_* variables fill in what it leaves open.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// How many processes have such a pool, usually.
    #[arg(long, value_name = "N", default_value_t = 1)]
    processes: u32,
    /// Requests a second of all processes together, at the busiest time. Without it the size does not follow from the load.
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// A statement to measure: one, without parameters, that only reads.
    #[arg(long, value_name = "SQL", conflicts_with = "service_time")]
    statement: Option<String>,
    /// What a statement takes the server (12ms, 0.4ms, 2s): instead of measuring one.
    #[arg(long, value_name = "TIME", value_parser = crate::time::duration)]
    service_time: Option<Duration>,
    /// How many statements a request runs on the connection it holds, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    statements: u32,
    /// How many times the usual number of processes there are during a deploy: 2 is all old ones beside all new ones, 1.25 a
    /// quarter more, 1 is none.
    #[arg(long, visible_alias = "deploy-overlap", value_name = "FACTOR", default_value_t = 2.0)]
    overlap: f64,
    /// How many more processes there are during a deploy: instead of --overlap.
    #[arg(long, value_name = "N", conflicts_with = "overlap")]
    overlap_processes: Option<u32>,
    /// Connections kept free for people and jobs [default: a tenth of what there are, and at least 3].
    #[arg(long, value_name = "K")]
    reserve: Option<u32>,
    /// Cores of the database's machine, for a note on how many statements can run at once.
    #[arg(long, value_name = "N")]
    database_cores: Option<u32>,
    /// How long each opening and each question may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::time::duration)]
    timeout: Duration,
    /// Print HOLDFAST_* lines for a file of environment variables, with the reasons as comments.
    #[arg(long, conflicts_with = "json")]
    env: bool,
    /// Print one JSON document (docs/tune.schema.json).
    #[arg(long)]
    json: bool,
    /// No steps on standard error.
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn run(self, logging: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        let config = url.map_or_else(PoolConfig::from_env, PoolConfig::from_url)?;
        let workload = self.workload();
        let advice = Progress::of_steps(self.quiet, logging, |tell| tune(&config, &workload, tell))?;
        print(&self.written(&advice))?;
        Ok(ExitCode::from(u8::from(advice.fit != Fit::Fits)))
    }

    fn workload(&self) -> Workload {
        let mut workload = Workload::new()
            .processes(self.processes)
            .statements(self.statements)
            .overlap(self.overlap)
            .timeout(self.timeout);
        if let Some(rate) = self.rate {
            workload = workload.rate(rate);
        }
        if let Some(statement) = &self.statement {
            workload = workload.statement(statement);
        }
        if let Some(time) = self.service_time {
            workload = workload.service_time(time);
        }
        if let Some(more) = self.overlap_processes {
            workload = workload.overlap_processes(more);
        }
        if let Some(kept_free) = self.reserve {
            workload = workload.reserve(kept_free);
        }
        if let Some(cores) = self.database_cores {
            workload = workload.database_cores(cores);
        }
        workload
    }

    fn written(&self, advice: &Advice) -> String {
        if self.json {
            format!("{:#}\n", document::of(advice))
        } else if self.env {
            text::environment(advice, self.processes)
        } else {
            text::for_people(advice, self.processes)
        }
    }
}
