//! `holdfast watch`: a pool, a fleet, or a database, live in a terminal.

mod database;
mod document;
mod history;
mod look;
mod metrics;
mod plain;
mod screen;
mod sorting;
mod sources;
mod tables;
mod terminal;

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use clap::Args;
use holdfast::PoolConfig;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};

use crate::style::{is_interactive, print};
use database::Database;
use look::Look;
use metrics::Addresses;
use screen::Scene;
use sources::Sources;
use terminal::{Canvas, told_to_end};

/// Watch a database's connections, or pools at their metrics addresses, live.
///
/// With --url, asks the database once a second, over one connection of its own: slots in use, sessions by application, role and
/// state, the pools of a fleet by their marks, statements and idle transactions that last. With --metrics, asks pools where they
/// serve (Pool::serve): connections, callers that wait, circuit, health, alerts with what to do. Both go together. What does
/// not answer is shown as such, and asked again until it does.
#[derive(Args)]
#[command(
    after_help = "Keys: q quits, p pauses, s or the arrows left and right choose the column to sort by, r turns the order round, up and
down scroll.

Exit status: 0, or 1 when a single look (--once) found nothing, 2 could not run (wrong options).

Examples:
  holdfast watch --url postgresql://app@db/orders
  holdfast watch --metrics http://127.0.0.1:9464 --metrics http://127.0.0.1:9465
  holdfast watch --url postgresql://app@db/orders --once           one look, as text
  holdfast watch --metrics 127.0.0.1:9464 --json | jq '.pools[].stats.connections.in_use'

Without --metrics and --url, DATABASE_URL, PG* and HOLDFAST_* variables say which database. Without a terminal, it is one look.
Literals are left out of the statements shown. NO_COLOR is honoured."
)]
pub(crate) struct Arguments {
    /// The database, as a URL or as keywords; PG* and HOLDFAST_* variables fill in what it leaves open.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where a pool serves its metrics. May be repeated.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Vec<String>,
    /// The token that the pools want.
    #[arg(long, env = "HOLDFAST_WATCH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// How long from look to look.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = crate::time::duration)]
    interval: Duration,
    /// From when on statements and idle transactions are worth telling.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::time::duration)]
    long: Duration,
    /// Look once, and print it.
    #[arg(long)]
    once: bool,
    /// Print each look as one line of JSON (docs/watch.schema.json).
    #[arg(long)]
    json: bool,
}

/// How long a key may wait until it is seen.
const TICK: Duration = Duration::from_millis(100);

impl Arguments {
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let sources = self.sources()?;
        if self.once || !self.json && !is_interactive(&io::stdout()) {
            return self.look_once(&sources);
        }
        let told = told_to_end()?;
        if self.json {
            return self.print_lines(&sources, &told);
        }
        let paused = Arc::new(AtomicBool::new(false));
        let looks = sources.look_on(self.interval, Arc::clone(&paused));
        self.show(&looks, &paused, &told)?;
        Ok(ExitCode::SUCCESS)
    }

    fn sources(&self) -> Result<Sources, Box<dyn Error>> {
        let given = self.url.as_deref().filter(|url| !url.is_empty());
        let of_environment = || env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        let config = match given {
            Some(url) => Some(PoolConfig::from_url(url)?),
            None if !self.metrics.is_empty() => None,
            None => {
                Some(of_environment().map_or_else(PoolConfig::from_env, |url| PoolConfig::from_url(&url))?)
            }
        };
        let pools = match self.metrics.is_empty() {
            true => None,
            false => Some(Addresses::new(&self.metrics, self.token.clone())?),
        };
        Ok(Sources { database: config.map(Database::new).transpose()?, pools })
    }

    fn look_once(&self, sources: &Sources) -> Result<ExitCode, Box<dyn Error>> {
        let look = sources.look();
        print(&self.written(&look))?;
        Ok(ExitCode::from(u8::from(!look.found_something())))
    }

    fn written(&self, look: &Look) -> String {
        if self.json { format!("{}\n", document::of(look, self.long)) } else { plain::of(look, self.long) }
    }

    /// Runs until a signal ends it, or its output is closed.
    fn print_lines(&self, sources: &Sources, told: &AtomicBool) -> Result<ExitCode, Box<dyn Error>> {
        use std::io::Write;
        while !told.load(Ordering::Relaxed) {
            let begun = std::time::Instant::now();
            let line = self.written(&sources.look());
            let mut out = io::stdout().lock();
            match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                done => done?,
            }
            while begun.elapsed() < self.interval && !told.load(Ordering::Relaxed) {
                std::thread::sleep(TICK.min(self.interval));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, looks: &Receiver<Look>, paused: &AtomicBool, told: &AtomicBool) -> io::Result<()> {
        let mut scene = Scene {
            look: None,
            history: history::History::default(),
            sorting: sorting::Sorting::default(),
            paused: false,
            scrolled: 0,
            long: self.long,
            colours: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let mut canvas = Canvas::take()?;
        while !told.load(Ordering::Relaxed) {
            canvas.0.draw(|frame| scene.draw(frame))?;
            if poll(TICK)? && !scene.obeys(&read()?) {
                break;
            }
            paused.store(scene.paused, Ordering::Relaxed);
            match looks.try_recv() {
                // One that was under way when it was paused is not shown.
                Ok(look) if !scene.paused => scene.show(look),
                Ok(_) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
        }
        Ok(())
    }
}

impl Scene {
    fn show(&mut self, look: Look) {
        self.history.add(&look);
        self.look = Some(look);
    }

    /// `false` to quit.
    fn obeys(&mut self, event: &Event) -> bool {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.obeys_key(key),
            _ => true,
        }
    }

    fn obeys_key(&mut self, key: &KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Char('s') | KeyCode::Right => self.sorting = self.sorting.next(),
            KeyCode::Left => self.sorting = self.sorting.previous(),
            KeyCode::Char('r') => self.sorting = self.sorting.turned(),
            KeyCode::Down => self.scrolled = self.scrolled.saturating_add(1),
            KeyCode::Up => self.scrolled = self.scrolled.saturating_sub(1),
            _ => {}
        }
        true
    }
}
