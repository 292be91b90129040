//! The display while checks run, or steps of other work. On a terminal, what is under way is one line that is written over,
//! with a clock; elsewhere every step is a line of its own.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::Printable;
use holdfast_cli::diagnose::{Check, CheckReport, Observer, Verdict};

use crate::style::{Style, is_interactive, width};
use crate::table::cut;

/// How often the clock moves on.
const TICK: Duration = Duration::from_millis(100);
const CLEAR_LINE: &str = "\r\x1b[2K";

/// Prints to standard error.
pub(crate) struct Progress {
    style: Style,
    /// `None` where lines cannot be written over.
    clock: Option<Clock>,
}

impl Progress {
    /// `plain` prints line by line even on a terminal: where other output comes in between.
    pub(crate) fn new(plain: bool) -> Self {
        let style = Style::of(&io::stderr());
        let live = !plain && is_interactive(&io::stderr());
        Self { style, clock: live.then(|| Clock::start(style)) }
    }

    /// Does work that tells its steps, and shows these unless it shall be quiet. Nothing is left of them on a terminal when it is
    /// done, so that nothing is written over once there is something to read.
    pub(crate) fn of_steps<T>(quiet: bool, plain: bool, work: impl FnOnce(&mut dyn FnMut(&str)) -> T) -> T {
        let mut progress = (!quiet).then(|| Self::new(plain));
        work(&mut |step| {
            if let Some(progress) = &mut progress {
                progress.step(step);
            }
        })
    }

    fn say(&self, line: &str) {
        eprintln!("{}", self.style.line(line));
    }

    /// The next step of work that has no checks: it stands there until the next one, or until this is dropped.
    fn step(&mut self, step: &str) {
        match &self.clock {
            Some(clock) => {
                let mut scene = clock.scene();
                let scene = scene.insert(Scene::of_step(step));
                scene.draw(self.style);
            }
            None => self.say(step),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // Taken away first: what is not there the clock does not draw.
        if let Some(clock) = &self.clock
            && clock.scene().take().is_some()
        {
            eprint!("{CLEAR_LINE}");
        }
    }
}

impl Observer for Progress {
    fn begins(&mut self, check: &'static Check) {
        match &self.clock {
            Some(clock) => *clock.scene() = Some(Scene::of(check)),
            None => self.say(&format!("{}: {}", self.style.bold(check.title), check.claim)),
        }
    }

    fn tells(&mut self, story: &str) {
        match &self.clock {
            Some(clock) => {
                let mut scene = clock.scene();
                if let Some(scene) = scene.as_mut() {
                    story.clone_into(&mut scene.story);
                    scene.draw(self.style);
                }
            }
            None => self.say(&format!("        {story}")),
        }
    }

    fn ends(&mut self, report: &CheckReport) {
        if report.verdict == Verdict::Skipped {
            // The table will say why.
            return;
        }
        let clear = match &self.clock {
            Some(clock) => {
                clock.scene().take();
                CLEAR_LINE
            }
            None => "",
        };
        let mark = if report.verdict == Verdict::Passed { "✓" } else { "✗" };
        let mark = self.style.verdict(report.verdict, mark);
        let seconds = self.style.dim(&format!("{:4.1} s", report.took.as_secs_f64()));
        // The claim is repeated where the line of the check under way was written over.
        let claim = self.clock.as_ref().map_or_else(String::new, |_| format!(": {}", report.check.claim));
        eprint!("{clear}");
        self.say(&format!("{seconds}  {mark} {}{claim}", self.style.bold(report.check.title)));
    }
}

/// The check under way.
struct Scene {
    /// The title of a check; empty for a step.
    title: &'static str,
    story: String,
    since: Instant,
}

impl Scene {
    fn of(check: &Check) -> Self {
        Self { title: check.title, story: check.claim.to_owned(), since: Instant::now() }
    }

    fn of_step(step: &str) -> Self {
        Self { title: "", story: step.to_owned(), since: Instant::now() }
    }

    fn draw(&self, style: Style) {
        let seconds = self.since.elapsed().as_secs_f64();
        let separator = if self.title.is_empty() { "" } else { ": " };
        let line = format!("{}{separator}{}", self.title, self.story);
        let line = cut(&Printable(line).to_string(), width().saturating_sub(10));
        let mut out = io::stderr().lock();
        // A terminal that went away is no reason to stop checking.
        let clock = style.line(&style.dim(&format!("{seconds:4.1} s")));
        let _ = write!(out, "{CLEAR_LINE}{clock}  {line}");
        let _ = out.flush();
    }
}

/// Draws the check under way again and again, so that its time runs. Its thread ends once this is dropped.
struct Clock {
    scene: Arc<Mutex<Option<Scene>>>,
}

impl Clock {
    fn start(style: Style) -> Self {
        let scene = Arc::new(Mutex::new(None::<Scene>));
        let watched = Arc::downgrade(&scene);
        thread::spawn(move || {
            while let Some(scene) = watched.upgrade() {
                if let Some(scene) = scene.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                    scene.draw(style);
                }
                drop(scene);
                thread::sleep(TICK);
            }
        });
        Self { scene }
    }

    fn scene(&self) -> MutexGuard<'_, Option<Scene>> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
