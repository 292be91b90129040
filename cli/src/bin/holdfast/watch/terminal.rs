//! The terminal, which is given back as it was, however the program ends.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// A terminal that is drawn on. Dropping it gives it back.
pub(super) struct Canvas(pub(super) Terminal<CrosstermBackend<Stdout>>);

impl Canvas {
    pub(super) fn take() -> io::Result<Self> {
        // Before its message, which would be lost with the screen otherwise.
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            give_back();
            told(what);
        }));
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen).inspect_err(|_| give_back())?;
        Terminal::new(CrosstermBackend::new(stdout())).map(Self).inspect_err(|_| give_back())
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        give_back();
    }
}

/// A terminal that went away needs nothing.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// Becomes true when a signal ends the program.
pub(super) fn told_to_end() -> io::Result<Arc<AtomicBool>> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&told))?;
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    /// Set for the run of this test within a terminal, which panics.
    const WITHIN: &str = "HOLDFAST_TEST_WITHIN_TERMINAL";

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_then_told_where_it_can_be_read() {
        if env::var_os(WITHIN).is_some() {
            let _canvas = Canvas::take().unwrap();
            panic!("provoked");
        }
        let itself = env::current_exe().unwrap();
        let name =
            "watch::terminal::tests::a_panic_gives_the_terminal_back_and_is_then_told_where_it_can_be_read";
        let run = format!("{} --exact {name} --nocapture; stty -a", itself.display());
        // A real terminal, as util-linux makes one.
        let output = Command::new("script")
            .args(["-qec", &run, "/dev/null"])
            .env(WITHIN, "1")
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let seen = String::from_utf8_lossy(&output.stdout).into_owned();
        let place = |part: &str| seen.find(part).unwrap_or_else(|| panic!("no {part:?} in {seen:?}"));
        assert!(place("\x1b[?1049h") < place("\x1b[?1049l"), "{seen:?}");
        assert!(place("\x1b[?1049l") < place("provoked"), "{seen:?}");
        let modes: Vec<_> = seen.split_whitespace().collect();
        assert!(["icanon", "isig", "echo"].iter().all(|mode| modes.contains(mode)), "{seen:?}");
    }
}
