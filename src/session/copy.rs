//! COPY in both directions, as streams.

use postgres_protocol::message::frontend::{self, CopyData};

use super::exchange::{Exchange, Reply, refused};
use super::lane::{Lane, end};
use super::request;
use crate::error::{Error, Phase, Result};

/// Data for `COPY ... FROM STDIN`, in the format the statement names.
///
/// Dropped before [`finish`](Self::finish), the copy is given up: nothing of it stays in the table.
pub struct CopyIn<'a> {
    exchange: Option<Exchange<'a>>,
}

/// Data of `COPY ... TO STDOUT`.
pub struct CopyOut<'a> {
    exchange: Option<Exchange<'a>>,
    tag: String,
}

/// The number at the end of a command tag.
fn rows_in(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn not_a_copy(direction: &str) -> Error {
    Error::misuse(format!("the statement is not a COPY {direction}")).in_phase(Phase::Query)
}

impl Lane<'_> {
    /// Begins `COPY ... FROM STDIN`.
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        request::query(sql, self.request()?)?;
        let mut exchange = self.begin()?;
        match exchange.next()?.0 {
            Reply::CopyIn => Ok(CopyIn { exchange: Some(exchange) }),
            Reply::Error(e) => end(exchange, Err(refused(*e))),
            _ => end(exchange, Err(not_a_copy("FROM STDIN"))),
        }
    }

    /// Begins `COPY ... TO STDOUT`.
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        request::query(sql, self.request()?)?;
        let mut exchange = self.begin()?;
        match exchange.next()?.0 {
            Reply::CopyOut => Ok(CopyOut { exchange: Some(exchange), tag: String::new() }),
            Reply::Error(e) => end(exchange, Err(refused(*e))),
            Reply::CopyIn => {
                fail(&mut exchange, "not a COPY TO STDOUT")?;
                let _ = exchange.skip_to_ready()?;
                Err(not_a_copy("TO STDOUT"))
            }
            _ => end(exchange, Err(not_a_copy("TO STDOUT"))),
        }
    }
}

fn fail(exchange: &mut Exchange<'_>, reason: &str) -> Result<()> {
    frontend::copy_fail(reason, exchange.out()).map_err(|e| Error::misuse(e.to_string()))?;
    exchange.send()
}

impl CopyIn<'_> {
    /// Sends some of the data; rows may be cut anywhere.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let Some(exchange) = &mut self.exchange else { return Err(over()) };
        // Pieces well below the protocol's limit of 1 GB for a message.
        for piece in data.chunks(1 << 20) {
            let message = CopyData::new(piece).map_err(|e| Error::misuse(e.to_string()))?;
            message.write(exchange.out());
            exchange.send()?;
        }
        Ok(())
    }

    /// Ends the data; returns the number of rows copied.
    pub fn finish(mut self) -> Result<u64> {
        let Some(mut exchange) = self.exchange.take() else { return Err(over()) };
        frontend::copy_done(exchange.out());
        exchange.send()?;
        let rows = match exchange.next()?.0 {
            Reply::Complete(tag) => Ok(rows_in(&tag)),
            Reply::Error(e) => Err(refused(*e)),
            _ => return Err(exchange.unexpected()),
        };
        end(exchange, rows)
    }

    /// Gives the copy up; `reason` appears in the server's log.
    pub fn abort(mut self, reason: &str) -> Result<()> {
        let Some(mut exchange) = self.exchange.take() else { return Ok(()) };
        fail(&mut exchange, reason)?;
        // The server answers with the error that was asked for.
        exchange.skip_to_ready().map(drop)
    }
}

fn over() -> Error {
    Error::misuse("the copy is over").in_phase(Phase::Query)
}

impl CopyOut<'_> {
    /// The next piece of data, one row in text and CSV format; `None` at the end.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(mut exchange) = self.exchange.take() else { return Ok(None) };
        loop {
            let (reply, message) = exchange.next()?;
            match reply {
                Reply::CopyData => {
                    let data = exchange.body(&message).to_vec();
                    self.exchange = Some(exchange);
                    return Ok(Some(data));
                }
                Reply::CopyDone => {}
                Reply::Complete(tag) => {
                    self.tag = tag;
                    end(exchange, Ok(()))?;
                    return Ok(None);
                }
                Reply::Error(e) => return end(exchange, Err(refused(*e))),
                _ => return Err(exchange.unexpected()),
            }
        }
    }

    /// The number of rows copied, once the end was read.
    pub fn rows(&self) -> u64 {
        rows_in(&self.tag)
    }
}
