//! Scripts: texts of any number of statements without parameters.

use crate::error::Result;
use crate::link::CopyIn;
use crate::session::exchange::request;
use crate::session::exchange::{Exchange, Reply, copy_by_query, refused};
use crate::session::raw_session::{RawSession, end};
use crate::session::transfer::result::ResultBlock;

impl RawSession<'_> {
    /// Runs a text of one or more statements without parameters, and returns a block for each, values as text. They form one
    /// transaction unless the text contains transaction commands, and an error ends the whole text. Blocks until the last
    /// reply.
    ///
    /// # Errors
    /// The server's for the first statement that fails; [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) for a COPY; the same as for
    /// a query when the deadline passes or the connection is lost.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let blocks = conn.raw()?.script("select 1; echo:rows 2")?;
    /// assert_eq!(blocks.iter().map(|block| block.rows()).collect::<Vec<_>>(), [1, 2]);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn script(&mut self, sql: &str) -> Result<Vec<ResultBlock>> {
        self.start()?;
        request::query(sql, self.request()?)?;
        let mut exchange = self.begin()?;
        let mut blocks = Vec::new();
        let mut current = ResultBlock::new([].into());
        let failure = loop {
            let (reply, message) = exchange.next()?;
            match reply {
                Reply::Described(columns) => current = ResultBlock::new(columns.into()),
                Reply::Row => exchange.push_row(&mut current, &message)?,
                Reply::Complete => {
                    current.finish(exchange.tag(&message)?);
                    blocks.push(std::mem::replace(&mut current, ResultBlock::new([].into())));
                }
                Reply::EmptyQuery | Reply::Closed => {}
                Reply::Error(e) => break refused(*e),
                Reply::Ready => {
                    exchange.finish();
                    return Ok(blocks);
                }
                Reply::CopyIn => break exchange.refuse_copy(CopyIn::Simple),
                Reply::CopyOut => break copy_by_query(),
                _ => return Err(exchange.unexpected()),
            }
        };
        end(exchange, Err(failure))
    }

    /// Runs a text of any number of statements and skips their rows.
    pub(crate) fn run_batch(&mut self, sql: &str) -> Result<()> {
        self.start()?;
        request::query(sql, self.request()?)?;
        let exchange = self.begin()?;
        skip_script(exchange)
    }
}

fn skip_script(mut exchange: Exchange<'_>) -> Result<()> {
    let failure = loop {
        match exchange.next()?.0 {
            Reply::Described(_) | Reply::Row | Reply::Complete | Reply::EmptyQuery | Reply::Closed => {}
            Reply::Error(e) => break refused(*e),
            Reply::Ready => {
                exchange.finish();
                return Ok(());
            }
            Reply::CopyIn => break exchange.refuse_copy(CopyIn::Simple),
            Reply::CopyOut => break copy_by_query(),
            _ => return Err(exchange.unexpected()),
        }
    };
    end(exchange, Err(failure))
}
