//! Pipelines: many statements on one connection, sent without waiting for each other's replies.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Parsing, Step, write};
use super::prepared::Prepared;
use crate::error::{Error, ErrorKind, Phase, Result, ServerMessage, is_duplicate_name, is_unknown_name};
use crate::link::CopyIn;
use crate::protocol::session_parameters::TextSettings;
use crate::session::exchange::request::Request;
use crate::session::exchange::{Exchange, Reply, copy_by_query, refused};
use crate::session::raw_session::RawSession;
use crate::session::transfer::result::{Column, ResultBlock};

/// The effect of a failure in a pipeline on the other statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipelineMode {
    /// None: outside a transaction each statement commits by itself.
    Separate,
    /// All or nothing: statements before the failed one are undone, those behind it are not run. Outside a transaction the
    /// pipeline forms one, committed at the end; inside a transaction, the failure fails that. The statements must not begin or
    /// end transactions themselves.
    Together,
}

/// The most reruns of the rest of a pipeline that was not begun; see [`RawSession::with_prepared`].
const MAX_RERUNS: usize = 2;

impl RawSession<'_> {
    /// Sends all statements at once and reads their replies in order. Statements not prepared yet are parsed in the same
    /// request, without a round trip of their own, except in automatic format, which depends on the types of the result. (If
    /// the server refuses to prepare one ahead of time, perhaps because it needs an object that an earlier statement creates,
    /// its result is requested as text. Inside a transaction the refusal fails the transaction: request text or binary there.)
    /// With `statement_cache=0` nothing is prepared by name, and automatic format means text.
    ///
    /// The statement deadline applies to the pipeline as a whole. Blocks until the last reply has come.
    ///
    /// # Errors
    /// The outer error is the connection's, and the outcome of the statements is then unknown; or it is
    /// [`Misuse`](crate::ErrorKind::Misuse), for requests that cannot be sent: wrong parameters, or COPY FROM STDIN. The inner
    /// errors are the server's. In [`Together`](PipelineMode::Together), errors of statements that failed with another are of
    /// kind [`Database`](crate::ErrorKind::Database) without a SQLSTATE, and never retryable by themselves; if the commit
    /// fails, its error is the last statement's.
    ///
    /// A prepared statement that turns out to be stale because a table changed is run again if no statement behind it was
    /// begun: if it is the last, if all behind it were stale too, or if it is the first of a `Together` pipeline. Otherwise its
    /// error is retryable, and it is prepared anew at its next use.
    ///
    /// ```
    /// use holdfast::session::{Param, PipelineMode, Request, ResultFormat};
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let values = [[Param::text("one")], [Param::text("two")]];
    /// let requests = values.each_ref().map(|params| Request { sql: "select $1".into(), params, format: ResultFormat::Text });
    /// for (result, value) in conn.raw()?.pipeline(&requests, PipelineMode::Together)?.into_iter().zip(["one", "two"]) {
    ///     assert_eq!(result?.text(0, 0).as_deref(), Some(value));
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn pipeline(
        &mut self,
        requests: &[Request<'_>],
        mode: PipelineMode,
    ) -> Result<Vec<Result<ResultBlock>>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        self.pipeline_to(requests, mode, &mut |outcome| outcomes.push(outcome))?;
        Ok(outcomes)
    }

    /// Does the same, and passes each outcome on in order, as soon as it is final: for `Separate` when its reply has come, unless
    /// the statement was stale and may run again; for `Together` at the end, since a failure undoes those before it.
    ///
    /// # Errors
    /// As the outer error of [`pipeline`](Self::pipeline). What was passed on before stands.
    pub(crate) fn pipeline_to(
        &mut self,
        requests: &[Request<'_>],
        mode: PipelineMode,
        pass_on: &mut dyn FnMut(Result<ResultBlock>),
    ) -> Result<()> {
        self.start()?;
        let outside_transaction = self.is_outside_transaction();
        let mut begun = 0;
        for rerun in 0..=MAX_RERUNS {
            let not_begun = self.run_pipeline(&requests[begun..], mode, pass_on)?;
            if not_begun.is_empty() || !outside_transaction || rerun == MAX_RERUNS {
                not_begun.into_iter().for_each(pass_on);
                break;
            }
            begun = requests.len() - not_begun.len();
        }
        Ok(())
    }

    /// Returns the outcomes of the last statements, if all of them were stale: none was begun.
    fn run_pipeline(
        &mut self,
        requests: &[Request<'_>],
        mode: PipelineMode,
        pass_on: &mut dyn FnMut(Result<ResultBlock>),
    ) -> Result<Vec<Result<ResultBlock>>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let outside_transaction = self.is_outside_transaction();
        // Statements that planning evicts from the cache may still be needed: they are closed with a later request.
        self.request()?;
        let steps = self.plan(requests)?;
        let settings = self.text_settings();
        let mut out = std::mem::take(self.out());
        write(requests, &steps, settings, mode, &mut out)?;
        *self.out() = out;
        let exchange = self.begin()?;
        let replies = Replies { exchange, requests, steps, settings, outside_transaction };
        match mode {
            PipelineMode::Separate => replies.separate(pass_on),
            PipelineMode::Together => {
                let outcomes = replies.together()?;
                if outcomes.first().is_some_and(is_stale) {
                    return Ok(outcomes);
                }
                outcomes.into_iter().for_each(pass_on);
                Ok(Vec::new())
            }
        }
    }
}

fn is_stale(outcome: &Result<ResultBlock>) -> bool {
    outcome.as_ref().is_err_and(Error::is_of_stale_statement)
}

/// The replies to a pipeline.
struct Replies<'r, 'e> {
    exchange: Exchange<'e>,
    requests: &'r [Request<'r>],
    steps: Vec<Step>,
    settings: TextSettings,
    outside_transaction: bool,
}

impl Replies<'_, '_> {
    /// Reads the replies where a `Sync` follows each statement. Returns the outcomes of the last ones that were all stale.
    fn separate(mut self, pass_on: &mut dyn FnMut(Result<ResultBlock>)) -> Result<Vec<Result<ResultBlock>>> {
        let mut stale: Vec<Result<ResultBlock>> = Vec::new();
        // Parse errors by request, for later requests that run the same text.
        let mut refusals: HashMap<usize, ServerMessage> = HashMap::new();
        for index in 0..self.requests.len() {
            self.exchange.expect_replies(self.requests.len() - index);
            let mut read = self.read_one(index);
            if let Some(e) = read.as_ref().err()
                && self.is_the_end(e)
            {
                return read.map(|_| stale);
            }
            // An error that comes only now, at commit, counts too.
            if let Some(late) = self.exchange.skip_one()?
                && read.is_ok()
            {
                read = Err(refused(*late));
            }
            match (&self.steps[index].parsing, &read) {
                (Parsing::Parsed { .. }, Err(e)) => {
                    refusals.extend(e.server().cloned().map(|reported| (index, reported)));
                }
                (Parsing::ParsedBy(earlier), Err(e)) if is_unknown_name(e) => {
                    if let Some(reported) = refusals.get(earlier) {
                        let refusal = refused(reported.clone());
                        // The statement depended on that parse, so it was not begun either.
                        let stale = e.is_of_stale_statement() || is_duplicate_name(&refusal);
                        read = Err(if stale {
                            refusal.of_stale_statement(!self.outside_transaction)
                        } else {
                            refusal
                        });
                    }
                }
                _ => {}
            }
            if is_stale(&read) {
                stale.push(read);
            } else {
                stale.drain(..).chain([read]).for_each(&mut *pass_on);
            }
        }
        self.exchange.finish();
        Ok(stale)
    }

    /// Reads the replies where one `Sync` follows all statements.
    fn together(mut self) -> Result<Vec<Result<ResultBlock>>> {
        let count = self.requests.len();
        let mut blocks = Vec::with_capacity(count);
        while blocks.len() < count {
            match self.read_one(blocks.len()) {
                Ok(block) => blocks.push(block),
                Err(e) if self.is_the_end(&e) => return Err(e),
                Err(e) => {
                    self.exchange.skip_to_ready()?;
                    let failed = blocks.len();
                    return Ok(failed_together(
                        count,
                        failed,
                        e,
                        &format!("requests[{failed}] of the pipeline failed"),
                    ));
                }
            }
        }
        match self.exchange.skip_to_ready()? {
            None => Ok(blocks.into_iter().map(Ok).collect()),
            Some(late) => {
                let e = refused(*late).in_phase(Phase::Commit);
                Ok(failed_together(count, count - 1, e, "the pipeline could not be committed"))
            }
        }
    }

    /// Returns whether an error ends the pipeline rather than one statement. The connection may be broken already while earlier
    /// replies are read.
    fn is_the_end(&self, error: &Error) -> bool {
        let of_a_statement = error.server().is_some_and(|reported| reported.severity == "ERROR");
        self.exchange.is_abandoned() || (self.exchange.is_broken() && !of_a_statement)
    }

    fn read_one(&mut self, index: usize) -> Result<ResultBlock> {
        if let Parsing::Parsed { name, key } = &self.steps[index].parsing {
            let (name, key) = (name.clone(), key.clone());
            let prepared = self.read_description(name, key)?;
            self.steps[index].parsing = Parsing::Known { prepared: prepared.clone(), fresh: true };
            self.exchange.await_bound()?;
            return self.read_rows(index, &prepared, None);
        }
        let known = match &self.steps[index].parsing {
            Parsing::ParsedBy(earlier) => &self.steps[*earlier].parsing,
            parsing => parsing,
        };
        let Parsing::Known { prepared, fresh } = known else { return self.read_unparsed() };
        let (prepared, fresh) = (prepared.clone(), *fresh);
        let bound = if prepared.is_named() {
            self.exchange.await_bound().map(|()| None)
        } else {
            let shape = prepared.shape(self.steps[index].format, self.settings);
            self.exchange.await_columns(&prepared, shape).map(Some)
        };
        match bound {
            Ok(columns) => self.read_rows(index, &prepared, columns),
            Err(e) => Err(self.exchange.check_stale(e, &prepared, fresh, !self.outside_transaction)),
        }
    }

    fn read_description(&mut self, name: String, key: Arc<[u8]>) -> Result<Arc<Prepared>> {
        match self.exchange.await_described() {
            Ok((parameters, columns)) => {
                let prepared = Arc::new(Prepared::new(key, name, parameters, &columns));
                self.exchange.statements().insert(prepared.clone());
                Ok(prepared)
            }
            Err(e) if !name.is_empty() && is_duplicate_name(&e) => {
                Err(self.exchange.note_duplicate_name(e, !self.outside_transaction))
            }
            Err(e) => Err(e),
        }
    }

    fn read_rows(
        &mut self,
        index: usize,
        prepared: &Prepared,
        columns: Option<Arc<[Column]>>,
    ) -> Result<ResultBlock> {
        let shape = prepared.shape(self.steps[index].format, self.settings);
        prepared.read(columns.as_ref().unwrap_or(&shape.columns), |block| self.exchange.read_rows(block))
    }

    /// Reads the reply to a statement whose text an earlier request failed to parse. The server has no such statement, unless
    /// an older one of the same name could not be closed (42P05) and was run.
    fn read_unparsed(&mut self) -> Result<ResultBlock> {
        self.exchange.await_bound()?;
        loop {
            match self.exchange.next()?.0 {
                Reply::Row => {}
                Reply::Complete | Reply::EmptyQuery => {
                    let message = "the statement was run under a name that the server had for it before; its result is \
                                   not known, since it was not described";
                    return Err(Error::new(ErrorKind::Database, message).in_phase(Phase::Query));
                }
                Reply::Error(e) => return Err(refused(*e)),
                Reply::CopyIn => return Err(self.exchange.refuse_copy(CopyIn::Extended)),
                Reply::CopyOut => return Err(copy_by_query()),
                _ => return Err(self.exchange.unexpected()),
            }
        }
    }
}

/// Returns the outcomes of `count` statements, of which one failed and the others with it.
fn failed_together(count: usize, failed: usize, error: Error, why: &str) -> Vec<Result<ResultBlock>> {
    let why = format!("{why}: {}", error.summary());
    let mut outcomes: Vec<_> = (0..count).map(|index| Err(Error::fell_with(&why, index < failed))).collect();
    outcomes[failed] = Err(error);
    outcomes
}
