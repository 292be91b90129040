//! A server that answers what the program asks as it should, and what the pool asks as an input says.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use crate::sys::sync::Mutex;

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
    fn answer(&mut self, out: &mut Vec<u8>) -> bool {
        match self.byte() {
            0..200 => {
                let (columns, rows) = (usize::from(self.byte() % 13), self.byte() % 8);
                let same = (self.byte() & 1 == 1).then(|| self.byte());
                describe(out, columns);
                for _ in 0..rows {
                    row(
                        out,
                        (0..columns)
                            .map(|_| VALUES[usize::from(same.unwrap_or_else(|| self.byte())) % VALUES.len()]),
                    );
                }
                message(out, b'C', b"SELECT 1\0");
                true
            }
            200..220 => {
                let code = [b'2', b'5', b'P', b'0', self.byte()];
                let fields = [&b"SERROR\0VERROR\0C"[..], &code, b"\0Mno\0\0"].concat();
                message(out, b'E', &fields);
                true
            }
            220..240 => {
                let (kind, length) = (self.byte(), usize::from(self.byte()));
                let body: Vec<u8> = (0..length).map(|_| self.byte()).collect();
                message(out, kind, &body);
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

    fn converse(&self, mut stream: UnixStream) -> io::Result<()> {
        read_packet(&mut stream)?;
        let mut out = Vec::new();
        message(&mut out, b'R', &[0; 4]);
        message(&mut out, b'S', b"server_version\x0017.0\0");
        message(&mut out, b'K', &[0, 0, 0, 7, 1, 2, 3, 4]);
        loop {
            message(&mut out, b'Z', b"I");
            stream.write_all(&out)?;
            out.clear();
            let mut kind = [0];
            stream.read_exact(&mut kind)?;
            let text = read_packet(&mut stream)?;
            match (kind[0], text.as_slice()) {
                (b'Q', b"\0") => message(&mut out, b'I', b""),
                (b'Q', b"select 1\0") => {
                    describe(&mut out, 1);
                    row(&mut out, [Some("1")].into_iter());
                    message(&mut out, b'C', b"SELECT 1\0");
                }
                (b'Q', _) if !self.answer(&mut out) => {
                    stream.write_all(&out)?;
                    return Ok(());
                }
                (b'Q', _) => {}
                _ => return Ok(()),
            }
        }
    }

    fn answer(&self, out: &mut Vec<u8>) -> bool {
        match &mut *self.0.lock() {
            Some(script) => script.answer(out),
            // A primary, whatever it is asked: `transaction_read_only`, and whether it is in recovery.
            None => {
                describe(out, 2);
                row(out, [Some("off"), Some("f")].into_iter());
                message(out, b'C', b"SELECT 1\0");
                true
            }
        }
    }
}

fn read_packet(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    stream.read_exact(&mut body).map(|()| body)
}

fn message(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}

fn describe(out: &mut Vec<u8>, columns: usize) {
    let column = [&b"c\0"[..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]].concat();
    message(out, b'T', &[&(columns as u16).to_be_bytes()[..], &column.repeat(columns)].concat());
}

fn row<'a>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = Option<&'a str>>) {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        let length = value.map_or(-1, |value| value.len() as i32);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(value.unwrap_or_default().as_bytes());
    }
    message(out, b'D', &body);
}
