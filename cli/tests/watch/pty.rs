//! A real pseudo-terminal with the program in it, and a reader of its screen.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::wait_until;

const ROWS: u16 = 40;
const COLUMNS: u16 = 140;
const SOON: Duration = Duration::from_secs(20);

/// A terminal in which the program runs.
pub struct Terminal {
    child: Child,
    keyboard: File,
    /// The program's end, to look at its modes; while it is open, what reads the screen goes on.
    program_end: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    pub fn run(mut command: Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let path = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).unwrap();
        let program_end = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let end = || program_end.try_clone().unwrap();
        let child = command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keyboard = File::from(controller);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
        let (mut output, drawn) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { child, keyboard, program_end, screen }
    }

    pub fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// All of these are on the screen at the same time, soon.
    #[track_caller]
    pub fn shows(&self, parts: &[&str]) {
        self.until(&format!("{parts:?} on the screen"), |text| parts.iter().all(|part| text.contains(part)));
    }

    #[track_caller]
    pub fn until(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let begun = std::time::Instant::now();
        while !condition(&self.contents()) {
            assert!(begun.elapsed() < SOON, "not seen: {what}\n{}", self.contents());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn press(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Lines are edited and echoed, as a shell wants it.
    pub fn is_as_shells_want_it(&self) -> bool {
        let modes = tcgetattr(&self.program_end).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// The program ends, and has given the terminal back: its modes, the screen that was there before, the cursor.
    #[track_caller]
    pub fn ends_and_gives_back(mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the program has ended", SOON, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(self.is_as_shells_want_it(), "the modes of the terminal");
        wait_until("the screen is given back", SOON, || {
            let parser = self.screen.lock().unwrap();
            !parser.screen().alternate_screen() && !parser.screen().hide_cursor()
        });
        status.unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
