//! The operations on a connection whose server may send anything, and the conditions that hold after each.

use std::time::Duration;

use super::values::read_block;
use crate::error::{Error, ErrorKind, LinkFault, Result};
use crate::ffi::fuzzing::read_result;
use crate::link::scripted_server::ScriptedServer;
use crate::session::raw_session::{RawSession, SessionState};
use crate::session::{
    CopyInCursor, CopyOutCursor, Param, PipelineMode, Request, ResultBlock, ResultFormat, RowStream, Sql,
    Statement, StreamCursor, TransactionOptions, WireFormat,
};

const TEXTS: [&str; 5] = ["select 1", "select $1", "select $1, $2", "copy t from stdin", "a\0b"];
const FORMATS: [ResultFormat; 3] = [ResultFormat::Text, ResultFormat::Binary, ResultFormat::Automatic];

/// More data than a copy gathers before it sends.
static MUCH: [u8; 70_000] = [b'x'; 70_000];

const PARAMS: [Param<'static>; 2] = [
    Param { value: Some(b"42"), format: WireFormat::Text, type_oid: 0 },
    Param { value: None, format: WireFormat::Binary, type_oid: 23 },
];

pub(super) struct Visit {
    server: ScriptedServer,
    state: SessionState,
    statements: Vec<Statement>,
    stream: Option<StreamCursor>,
    copy_in: Option<CopyInCursor>,
    copy_out: Option<CopyOutCursor>,
}

/// The state in which a call may leave the connection.
#[derive(PartialEq, Eq)]
enum Leaves {
    /// At rest, unless it is lost, or the call was refused because an exchange is open.
    AtRest,
    /// In the middle of an exchange, or unchanged, since there was nothing to do.
    Open,
}

impl Visit {
    pub(super) fn new(server: ScriptedServer, state: SessionState) -> Self {
        Self { server, state, statements: Vec::new(), stream: None, copy_in: None, copy_out: None }
    }

    fn raw(&mut self) -> RawSession<'_> {
        RawSession::new(&self.server.link, &self.server.cancel, &mut self.state)
    }

    pub(super) fn perform(&mut self, what: u8, how: u8) {
        let before = self.server.link.fault();
        let (error, leaves) = match what % 24 {
            0..=2 => (self.query(how), Leaves::AtRest),
            3 => (self.script(), Leaves::AtRest),
            4 => (self.prepare(how), Leaves::AtRest),
            5 => (self.execute(how), Leaves::Open),
            6 | 7 => (self.pipeline(how), Leaves::AtRest),
            8 => (self.stream_and_drop(how), Leaves::Open),
            9 => (self.open_stream(how), Leaves::Open),
            10 => (self.next_portion(how), Leaves::Open),
            11 => (self.copy_in_and_end(how), Leaves::Open),
            12 => (self.open_copy_in(), Leaves::Open),
            13 => (self.write(how), Leaves::Open),
            14 => (self.copy_out_and_drop(how), Leaves::Open),
            15 => (self.open_copy_out(), Leaves::Open),
            16 => (self.read(), Leaves::Open),
            17 => (self.notification(how), Leaves::AtRest),
            18 => (self.batch(how), Leaves::Open),
            19 => (self.transaction(how), Leaves::Open),
            20 => (self.forget_cursors(how), Leaves::Open),
            21 => (self.end_open_exchange(), Leaves::AtRest),
            22 => (self.end_checkout(), Leaves::Open),
            _ => (self.raw().drain().err(), Leaves::AtRest),
        };
        if let Some(error) = &error {
            self.check_error(error);
        }
        self.check(before, leaves);
        self.raw().take_notices();
    }

    /// Checks the conditions between two calls, whatever the server sent.
    fn check(&self, before: Option<LinkFault>, leaves: Leaves) {
        let fault = self.server.link.fault();
        assert!(before.is_none() || fault == before, "{before:?} was forgotten: {fault:?}");
        let refused = self.stream.is_some() || self.copy_in.is_some() || self.copy_out.is_some();
        assert!(
            fault.is_some() || leaves == Leaves::Open || refused || !self.state.is_unfinished(),
            "a call ended, and the connection is neither at rest nor lost"
        );
    }

    /// Checks the conditions for every error.
    fn check_error(&self, error: &Error) {
        let said = format!("{error} {error:?}");
        if error.kind() == ErrorKind::ConnectionLost && error.server().is_none() {
            assert!(self.server.link.fault().is_some(), "it is not lost: {said}");
        }
        for slip in ["middle of a message", "a read that may wait", "two threads use"] {
            assert!(!said.contains(slip), "an impossible error: {said}");
        }
    }

    fn keep(&self, block: ResultBlock) {
        read_block(&block);
        read_result(block);
    }

    fn see(&self, outcome: Result<ResultBlock>) -> Option<Error> {
        outcome.map(|block| self.keep(block)).err()
    }

    fn query(&mut self, how: u8) -> Option<Error> {
        let text = TEXTS[usize::from(how >> 4) % TEXTS.len()];
        let params = &PARAMS[..usize::from(how >> 2 & 3).min(2)];
        let outcome = self.raw().query(text, params, format(how));
        self.see(outcome)
    }

    fn script(&mut self) -> Option<Error> {
        let outcome = self.raw().script("select 1; select 2");
        outcome.map(|blocks| blocks.into_iter().for_each(|block| self.keep(block))).err()
    }

    fn prepare(&mut self, how: u8) -> Option<Error> {
        let text = TEXTS[usize::from(how) % TEXTS.len()];
        let prepared = self.raw().prepare(text, &[23]);
        prepared.map(|statement| self.statements.push(statement)).err()
    }

    fn execute(&mut self, how: u8) -> Option<Error> {
        let statement = self.statements.get(usize::from(how >> 4)).or(self.statements.last())?.clone();
        let params = &PARAMS[..statement.parameters().len().min(2)];
        let outcome = self.raw().query(&statement, params, format(how));
        self.see(outcome)
    }

    fn pipeline(&mut self, how: u8) -> Option<Error> {
        let statement = self.statements.last().cloned();
        let request = |number: u8| {
            let sql = match &statement {
                Some(statement) if number & 8 != 0 => Sql::Statement(statement),
                _ => Sql::Text(TEXTS[usize::from(number) % 3]),
            };
            let params = match sql {
                Sql::Statement(statement) => statement.parameters().len().min(2),
                Sql::Text(text) => text.matches('$').count(),
            };
            Request { sql, params: &PARAMS[..params], format: format(number) }
        };
        let requests: Vec<_> = (0..how & 3).map(|number| request((how >> 2).wrapping_add(number))).collect();
        let mode = if how & 128 == 0 { PipelineMode::Separate } else { PipelineMode::Together };
        match self.raw().pipeline(&requests, mode) {
            Ok(outcomes) => {
                assert_eq!(outcomes.len(), requests.len());
                let errors: Vec<_> = outcomes.into_iter().filter_map(|outcome| self.see(outcome)).collect();
                errors.into_iter().next()
            }
            Err(e) => Some(e),
        }
    }

    fn stream_and_drop(&mut self, how: u8) -> Option<Error> {
        let (mut portions, link) = (Vec::new(), self.server.link.clone());
        let (failure, before) = {
            let mut raw = self.raw();
            match raw.stream(TEXTS[0], &[], format(how)) {
                Ok(mut stream) => {
                    let failure = read_portions(&mut stream, usize::from(how >> 2 & 3), &mut portions);
                    (failure, link.fault())
                }
                Err(e) => return Some(e),
            }
        };
        assert_not_awaited(before, link.fault());
        portions.into_iter().for_each(|block| self.keep(block));
        failure
    }

    fn open_stream(&mut self, how: u8) -> Option<Error> {
        let text = TEXTS[usize::from(how >> 2) % TEXTS.len()];
        let params = &PARAMS[..text.matches('$').count()];
        let opened = self.raw().open_stream(text, params, format(how));
        opened.map(|cursor| self.stream = Some(cursor)).err()
    }

    fn next_portion(&mut self, how: u8) -> Option<Error> {
        let mut cursor = self.stream.take()?;
        let portion = cursor.next_portion(&mut self.raw(), usize::from(how & 3));
        self.stream = Some(cursor);
        portion.map(|block| block.into_iter().for_each(|block| self.keep(block))).err()
    }

    fn copy_in_and_end(&mut self, how: u8) -> Option<Error> {
        let mut raw = self.raw();
        let mut copy = match raw.copy_in("copy t from stdin") {
            Ok(copy) => copy,
            Err(e) => return Some(e),
        };
        let data = if how & 4 == 0 { &b"1\n"[..] } else { &MUCH };
        if let Err(e) = copy.write(data) {
            return Some(e);
        }
        match how & 3 {
            0 => copy.finish().err(),
            1 => copy.abort("no reason").err(),
            2 => copy.abort("a\0b").err(),
            _ => None,
        }
    }

    fn open_copy_in(&mut self) -> Option<Error> {
        let opened = self.raw().open_copy_in("copy t from stdin");
        opened.map(|cursor| self.copy_in = Some(cursor)).err()
    }

    fn write(&mut self, how: u8) -> Option<Error> {
        let mut cursor = self.copy_in.take()?;
        let mut raw = self.raw();
        let done = match how & 3 {
            0 => cursor.write(&mut raw, b"1\n"),
            1 => cursor.write(&mut raw, &MUCH),
            2 => cursor.finish(&mut raw).map(drop),
            _ => cursor.abort(&mut raw, "no reason"),
        };
        self.copy_in = Some(cursor);
        done.err()
    }

    fn copy_out_and_drop(&mut self, how: u8) -> Option<Error> {
        let link = self.server.link.clone();
        let (failure, before) = {
            let mut raw = self.raw();
            let mut copy = match raw.copy_out("copy t to stdout") {
                Ok(copy) => copy,
                Err(e) => return Some(e),
            };
            let reads = (0..how & 3).map(|_| copy.read());
            (reads.filter_map(Result::err).last(), link.fault())
        };
        assert_not_awaited(before, link.fault());
        failure
    }

    fn open_copy_out(&mut self) -> Option<Error> {
        let opened = self.raw().open_copy_out("copy t to stdout");
        opened.map(|cursor| self.copy_out = Some(cursor)).err()
    }

    fn read(&mut self) -> Option<Error> {
        let mut cursor = self.copy_out.take()?;
        let read = cursor.read(&mut self.raw());
        self.copy_out = Some(cursor);
        read.err()
    }

    fn notification(&mut self, how: u8) -> Option<Error> {
        // The longest wait: the server's output has ended, so no call blocks.
        let timeout = if how & 1 == 0 { Duration::ZERO } else { Duration::MAX };
        self.raw().notification(timeout).err()
    }

    fn batch(&mut self, how: u8) -> Option<Error> {
        match batch(&mut self.raw(), how) {
            Ok(outcomes) => {
                let errors: Vec<_> = outcomes.into_iter().filter_map(|outcome| self.see(outcome)).collect();
                errors.into_iter().next()
            }
            Err(e) => Some(e),
        }
    }

    fn transaction(&mut self, how: u8) -> Option<Error> {
        let mut raw = self.raw();
        let done = match how % 6 {
            0 => raw.begin_transaction(&TransactionOptions::new()),
            1 => raw.commit(),
            2 => raw.rollback(),
            3 => raw.savepoint("a\"b"),
            4 => raw.rollback_to("a"),
            _ => raw.release_savepoint("a"),
        };
        done.err()
    }

    fn forget_cursors(&mut self, how: u8) -> Option<Error> {
        if how & 1 == 0 {
            self.stream = None;
        }
        if how & 2 == 0 {
            self.copy_in = None;
        }
        if how & 4 == 0 {
            self.copy_out = None;
        }
        None
    }

    fn end_open_exchange(&mut self) -> Option<Error> {
        if self.state.is_unfinished() {
            self.raw().end_open_exchange();
        }
        None
    }

    fn end_checkout(&mut self) -> Option<Error> {
        let before = self.server.link.fault();
        self.raw().end_checkout();
        assert_not_awaited(before, self.server.link.fault());
        None
    }
}

fn read_portions(stream: &mut RowStream<'_>, count: usize, portions: &mut Vec<ResultBlock>) -> Option<Error> {
    for _ in 0..count {
        match stream.next_portion(2) {
            Ok(portion) => portions.extend(portion),
            Err(e) => return Some(e),
        }
    }
    None
}

/// Sends up to three statements as a batch, and returns their outcomes, or the first one's if the rest is abandoned.
fn batch(raw: &mut RawSession<'_>, how: u8) -> Result<Vec<Result<ResultBlock>>> {
    let mut ready = Vec::new();
    for number in 0..usize::from(how & 3) {
        let params = &PARAMS[..number];
        ready.extend(raw.ready(TEXTS[number].into(), params, format(how))?.map(|one| (one, params)));
    }
    if ready.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = raw.send_batch(|write| ready.iter().try_for_each(|(one, params)| write(one, params)))?;
    let most = if how & 8 == 0 { usize::MAX } else { 1 };
    Ok(std::iter::from_fn(|| batch.next()).take(most).collect())
}

fn format(how: u8) -> ResultFormat {
    FORMATS[usize::from(how & 3) % FORMATS.len()]
}

/// Checks that a drop did not wait for the server. Only a wait finds that the server has closed.
fn assert_not_awaited(before: Option<LinkFault>, after: Option<LinkFault>) {
    let found = before != Some(LinkFault::ClosedByServer) && after == Some(LinkFault::ClosedByServer);
    assert!(!found, "it waited for the server");
}
