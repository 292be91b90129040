//! How a fleet does while it runs: one line for each process.

use std::io::{self, Write};
use std::time::Duration;

use crate::contender::SIZE;
use crate::run::Told;
use crate::scene::Scene;

pub(crate) struct Screen {
    live: bool,
    lines: usize,
}

impl Screen {
    pub(crate) fn new(live: bool) -> Self {
        Self { live, lines: 0 }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    pub(crate) fn draw(&mut self, scene: &Scene, contender: &str, elapsed: Duration, told: &[Told]) {
        if !self.live {
            return;
        }
        let most = told.iter().map(|told| told.served).max().unwrap_or(0).max(1);
        let mut text = format!("{contender}, {}: {:4.1} s\x1b[K\n", scene.words, elapsed.as_secs_f64());
        for (index, told) in told.iter().enumerate() {
            let held = "#".repeat(told.held.min(SIZE) as usize);
            let bar = "=".repeat((told.served * 40 / most) as usize);
            let failed = if told.failed > 0 { format!(" {} failed", told.failed) } else { String::new() };
            text += &format!("  {:2} [{held:<8}] {:6} {bar}{failed}\x1b[K\n", index + 1, told.served);
        }
        self.back();
        print!("{text}");
        let _ = io::stdout().flush();
        self.lines = told.len() + 1;
    }

    /// Makes room for what is there to stay.
    pub(crate) fn clear(&mut self) {
        self.back();
        if self.live {
            print!("\x1b[J");
        }
        self.lines = 0;
    }

    fn back(&self) {
        if self.lines > 0 {
            print!("\x1b[{}A", self.lines);
        }
    }
}
