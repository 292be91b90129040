//! A server that answers what the program asks as it should, and what the pool asks as an input says.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use crate::sys::sync::Mutex;
use crate::testing::echo::wire::Wire;

/// The process id that every session has, by which a census finds its own.
const PROCESS: &str = "7";

/// Values for any column.
const VALUES: [Option<&str>; 24] = [
    None,
    Some(""),
    Some(PROCESS),
    Some("0"),
    Some("1"),
    Some("3"),
    Some("-1"),
    Some("97"),
    Some("65536"),
    Some("2147483647"),
    Some("2147483648"),
    Some("4294967295"),
    Some("9223372036854775807"),
    Some("18446744073709551616"),
    Some("1700000000.5"),
    Some("1e19"),
    Some("NaN"),
    Some("-inf"),
    Some("active"),
    Some("idle in transaction"),
    Some("0000000a"),
    Some("on"),
    Some("off"),
    Some("app hf:0000000a\n\u{1b}[2J"),
];

/// What the pool's questions are answered with; `None` for the usual.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Option<Script>>>);

struct Script {
    bytes: Vec<u8>,
    at: usize,
}

impl Script {
    /// The bytes begin anew when they are used up, so that every question has an answer.
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at % self.bytes.len().max(1)).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// An answer of the right form with any values; or messages of any kind; `false` to hang up after it.
    fn answer(&mut self, wire: &mut Wire) -> bool {
        match self.byte() {
            0..200 => {
                let (columns, rows) = (usize::from(self.byte() % 13), self.byte() % 8);
                let same = (self.byte() & 1 == 1).then(|| self.byte());
                describe(wire, columns);
                for _ in 0..rows {
                    let value = |_| VALUES[usize::from(same.unwrap_or_else(|| self.byte())) % VALUES.len()];
                    row(wire, (0..columns).map(value));
                }
                wire.put(b'C', |body| body.text("SELECT 1"));
                true
            }
            200..220 => {
                let code = ['2', '5', 'P', '0', char::from(self.byte())].iter().collect::<String>();
                wire.put_report(b'E', "ERROR", &code, "no");
                true
            }
            220..240 => {
                let (kind, length) = (self.byte(), self.byte());
                wire.put(kind, |body| (0..length).for_each(|_| body.byte(self.byte())));
                false
            }
            _ => false,
        }
    }
}

impl Answers {
    pub(super) fn become_odd(&self, bytes: &[u8]) {
        *self.0.lock() = Some(Script { bytes: bytes.to_vec(), at: 0 });
    }

    pub(super) fn become_usual(&self) {
        *self.0.lock() = None;
    }

    /// Serves one connection on a thread of its own.
    pub(super) fn serve(&self, stream: UnixStream) {
        let answers = self.clone();
        thread::spawn(move || answers.converse(stream));
    }

    fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let mut wire = Wire::new(stream);
        wire.read_first()?;
        wire.put(b'R', |body| body.int4(0));
        wire.put(b'S', |body| ["server_version", "17.0"].into_iter().for_each(|text| body.text(text)));
        wire.put(b'K', |body| [7, 1].into_iter().for_each(|number| body.int4(number)));
        loop {
            wire.put(b'Z', |body| body.byte(b'I'));
            wire.flush()?;
            match wire.read()? {
                (b'Q', text) if text == b"\0" => wire.put(b'I', |_| ()),
                (b'Q', text) if text == b"select 1\0" => answer_with(&mut wire, &["1"]),
                (b'Q', _) if self.answer(&mut wire) => {}
                (b'Q', _) => return wire.flush(),
                _ => return Ok(()),
            }
        }
    }

    fn answer(&self, wire: &mut Wire) -> bool {
        match &mut *self.0.lock() {
            Some(script) => script.answer(wire),
            // A primary, whatever it is asked: `transaction_read_only`, and whether it is in recovery.
            None => {
                answer_with(wire, &["off", "f"]);
                true
            }
        }
    }
}

fn answer_with(wire: &mut Wire, values: &[&str]) {
    describe(wire, values.len());
    row(wire, values.iter().copied().map(Some));
    wire.put(b'C', |body| body.text("SELECT 1"));
}

fn describe(wire: &mut Wire, columns: usize) {
    const TEXT: u32 = 25;
    wire.put(b'T', |body| {
        body.int2(columns);
        for _ in 0..columns {
            body.text("c");
            body.int4(0);
            body.int2(0);
            body.int4(TEXT);
            body.int2(usize::from(u16::MAX));
            body.int4(u32::MAX);
            body.int2(0);
        }
    });
}

fn row<'a>(wire: &mut Wire, values: impl ExactSizeIterator<Item = Option<&'a str>>) {
    wire.put(b'D', |body| {
        body.int2(values.len());
        values.for_each(|value| body.value(value.map(str::as_bytes)));
    });
}
