//! Runs a scene with one contender: a private server, real processes, a clock.

use std::env;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};

use crate::child;
use crate::contender::Outcome;
use crate::scene::{End, Scene};
use crate::view;

const MAX_CONNECTIONS: u32 = 20;
/// Less the three that are reserved for superusers.
pub(crate) const SLOTS: u32 = 17;
/// Requests of 20 ms that one slot can serve in a second.
pub(crate) const PER_SLOT: f64 = 50.0;

/// What one process told so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) served: u64,
    pub(crate) failed: u64,
    pub(crate) held: u32,
    /// In milliseconds after it began.
    pub(crate) first: Option<u64>,
    pub(crate) failure: Option<String>,
    latencies: Vec<u32>,
}

pub(crate) struct Outcomes {
    pub(crate) span: Duration,
    pub(crate) processes: Vec<Told>,
    /// Sorted.
    pub(crate) latencies: Vec<u32>,
    /// Refused connects in a second, after the first two seconds.
    pub(crate) refused: f64,
}

impl Outcomes {
    pub(crate) fn rate(&self) -> f64 {
        let served: u64 = self.processes.iter().map(|told| told.served).sum();
        served as f64 / self.span.as_secs_f64()
    }

    /// Of what the slots allow.
    pub(crate) fn share(&self) -> f64 {
        self.rate() / (f64::from(SLOTS) * PER_SLOT)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.processes.iter().map(|told| told.failed).sum()
    }

    pub(crate) fn percentile(&self, percent: usize) -> u32 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).copied().unwrap_or(0)
    }

    /// What the worst process got, and the median one, of those that were there throughout.
    pub(crate) fn worst_and_median(&self, scene: &Scene) -> (u64, u64) {
        let there = self.processes.iter().enumerate().filter(|(index, _)| scene.is_there_throughout(*index));
        let mut served: Vec<u64> = there.map(|(_, told)| told.served).collect();
        served.sort_unstable();
        (served.first().copied().unwrap_or(0), served.get(served.len() / 2).copied().unwrap_or(0))
    }

    /// How long the slowest of those who joined later waited for their first answer; `None` if one never got any.
    pub(crate) fn slowest_to_join(&self, scene: &Scene) -> Option<u64> {
        let joined = self.processes.iter().zip(&scene.processes).filter(|(_, process)| process.starts > 0.0);
        joined.map(|(told, _)| told.first).try_fold(0, |slowest, first| Some(slowest.max(first?)))
    }
}

/// A process under way.
struct Running {
    child: Child,
    told: Arc<Mutex<Told>>,
    listener: JoinHandle<()>,
}

impl Running {
    fn start(contender: &str, url: &str) -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([child::FLAG, contender, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let told = Arc::new(Mutex::new(Told::default()));
        let stdout = child.stdout.take().ok_or("a child without standard output")?;
        let listener = thread::spawn({
            let told = told.clone();
            move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    understand(&line, &mut told.lock().unwrap_or_else(PoisonError::into_inner));
                }
            }
        });
        Ok(Self { child, told, listener })
    }

    fn begin(&mut self) -> Outcome<()> {
        self.child.stdin.as_mut().ok_or("a child without standard input")?.write_all(b"begin\n")?;
        Ok(())
    }

    fn end(&mut self, how: End) -> Outcome<()> {
        match how {
            End::Killed => self.child.kill()?,
            End::Stopped => drop(self.child.stdin.take()),
        }
        Ok(())
    }

    fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(mut self) -> Outcome<Told> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        let _ = self.listener.join();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *told))
    }
}

fn understand(line: &str, told: &mut Told) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut numbers = rest.split(' ').filter_map(|number| number.parse::<u64>().ok());
    match word {
        "now" => {
            told.served = numbers.next().unwrap_or(0);
            told.failed = numbers.next().unwrap_or(0);
            told.held = numbers.next().unwrap_or(0) as u32;
        }
        "first" => told.first = numbers.next(),
        "latencies" => told.latencies = numbers.map(|number| number as u32).collect(),
        "failure" => told.failure = Some(rest.to_owned()),
        _ => {}
    }
}

/// Plays `scene` for `span`, with every process using `contender`.
pub(crate) fn play(scene: &Scene, contender: &str, span: Duration, live: bool) -> Outcome<Outcomes> {
    let server = EmbeddedPostgres::builder().max_connections(MAX_CONNECTIONS).role("app", "app").start()?;
    let url = server.url_with_password("app", "app", "postgres");
    let mut running: Vec<Running> =
        scene.processes.iter().map(|_| Running::start(contender, &url)).collect::<Outcome<_>>()?;
    let mut steps: Vec<(f64, usize, Option<End>)> = Vec::new();
    for (index, process) in scene.processes.iter().enumerate() {
        steps.push((process.starts, index, None));
        steps.extend(process.ends.map(|(at, how)| (at, index, Some(how))));
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut steps = steps.into_iter().peekable();
    let mut screen = view::Screen::new(live && std::io::stdout().is_terminal());
    let (begun, mut refused_early) = (Instant::now(), None);
    while begun.elapsed() < span {
        while let Some((_, index, end)) = steps.next_if(|step| begun.elapsed() >= span.mul_f64(step.0)) {
            match end {
                None => running[index].begin()?,
                Some(how) => running[index].end(how)?,
            }
        }
        if refused_early.is_none() && begun.elapsed() >= Duration::from_secs(2) {
            refused_early = Some(refused(&server));
        }
        screen.draw(
            scene,
            contender,
            begun.elapsed(),
            &running.iter().map(Running::told).collect::<Vec<_>>(),
        );
        thread::sleep(Duration::from_millis(if screen.is_live() { 100 } else { 5 }));
    }
    let all_refused = refused(&server);
    for process in &mut running {
        process.end(End::Stopped)?;
    }
    let mut processes: Vec<Told> = running.into_iter().map(Running::finish).collect::<Outcome<_>>()?;
    screen.clear();
    let mut latencies: Vec<u32> =
        processes.iter_mut().flat_map(|told| std::mem::take(&mut told.latencies)).collect();
    latencies.sort_unstable();
    let later = span.saturating_sub(Duration::from_secs(2)).as_secs_f64().max(0.1);
    let refused = (all_refused - refused_early.unwrap_or(all_refused)) as f64 / later;
    server.stop(StopMode::Immediate)?;
    Ok(Outcomes { span, processes, latencies, refused })
}

/// How many connects the server has refused so far, by its own log.
fn refused(server: &EmbeddedPostgres) -> usize {
    let log = server.log();
    log.lines()
        .filter(|line| {
            line.contains("too many clients already") || line.contains("remaining connection slots")
        })
        .count()
}
