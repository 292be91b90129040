//! Many threads doing the same for a while.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;

/// One thread's part in it.
pub struct Shift<'a> {
    over: &'a AtomicBool,
    turns: u64,
    longest_wait: Duration,
}

impl Shift<'_> {
    pub fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    pub fn turn(&mut self) {
        self.turns += 1;
    }

    pub fn waited(&mut self, wait: Duration) {
        self.longest_wait = self.longest_wait.max(wait);
    }
}

/// What all of them did.
pub struct Crowd {
    pub elapsed: Duration,
    pub turns: Vec<u64>,
    pub longest_wait: Duration,
}

impl Crowd {
    pub fn rate(&self) -> f64 {
        self.turns.iter().sum::<u64>() as f64 / self.elapsed.as_secs_f64()
    }

    /// Turns of the thread that got fewest, as a share of those of the one that got most.
    pub fn fewest_to_most(&self) -> f64 {
        let fewest = self.turns.iter().min().copied().unwrap_or(0);
        let most = self.turns.iter().max().copied().unwrap_or(0);
        fewest as f64 / most.max(1) as f64
    }
}

/// Has `threads` threads do `work` at the same time; each is told its number and does turns while its shift goes on.
pub fn run(
    threads: usize,
    length: Duration,
    work: impl Fn(&mut Shift<'_>, usize) -> Outcome<()> + Sync,
) -> Outcome<Crowd> {
    let over = AtomicBool::new(false);
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let (over, start, work) = (&over, &start, &work);
                scope.spawn(move || {
                    let mut shift = Shift { over, turns: 0, longest_wait: Duration::ZERO };
                    start.wait();
                    work(&mut shift, number).map(|()| (shift.turns, shift.longest_wait))
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        thread::sleep(length);
        over.store(true, Ordering::Relaxed);
        let mut crowd = Crowd { elapsed: begun.elapsed(), turns: Vec::new(), longest_wait: Duration::ZERO };
        for worker in workers {
            let (turns, longest_wait) = worker.join().map_err(|_| "a measuring thread panicked")??;
            crowd.turns.push(turns);
            crowd.longest_wait = crowd.longest_wait.max(longest_wait);
        }
        Ok(crowd)
    })
}
