//! Pipelines: many statements on one connection, sent without waiting for each other's replies.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;

use super::prepared::Prepared;
use super::statement::check_count;
use super::statement_cache::Origin;
use crate::error::{Error, ErrorKind, Phase, Result, ServerMessage, is_duplicate_name, is_unknown_name};
use crate::link::CopyIn;
use crate::protocol::session_parameters::TextSettings;
use crate::session::exchange::request;
use crate::session::exchange::request::{Request, ResultFormat};
use crate::session::exchange::{Exchange, Reply, copy_by_query, refused};
use crate::session::lane::Lane;
use crate::session::transfer::result::{Column, ResultBlock};

/// The effect of a failure in a pipeline on the other statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PipelineMode {
    /// None: outside a transaction each statement commits by itself.
    Separate,
    /// All or nothing: statements before the failed one are undone, those behind it are not run. Outside a transaction the
    /// pipeline forms one, committed at the end; inside a transaction, the failure fails that. The statements must not begin or
    /// end transactions themselves.
    Together,
}

/// The parse state of one statement of a pipeline.
enum Parsing {
    /// Described before; `fresh` if by this pipeline.
    Known { prepared: Arc<Prepared>, fresh: bool },
    /// Parsed with this request under this name; unnamed if that is empty.
    Parsed { name: String, key: Arc<[u8]> },
    /// Parsed with the request of this index.
    ParsedBy(usize),
}

/// The most reruns of the rest of a pipeline that was not begun; see [`Lane::with_prepared`].
const MAX_RERUNS: usize = 2;

/// One statement of a pipeline.
struct Step {
    parsing: Parsing,
    format: ResultFormat,
}

impl Lane<'_> {
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
    pub fn pipeline(
        &mut self,
        requests: &[Request<'_>],
        mode: PipelineMode,
    ) -> Result<Vec<Result<ResultBlock>>> {
        self.start()?;
        let outside_transaction = self.is_outside_transaction();
        let mut outcomes = self.run_pipeline(requests, mode)?;
        for _ in 0..MAX_RERUNS {
            let begun = begun(&outcomes, mode);
            if !outside_transaction || begun == outcomes.len() {
                break;
            }
            outcomes.truncate(begun);
            outcomes.extend(self.run_pipeline(&requests[begun..], mode)?);
        }
        Ok(outcomes)
    }

    fn run_pipeline(
        &mut self,
        requests: &[Request<'_>],
        mode: PipelineMode,
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
            PipelineMode::Separate => replies.separate(),
            PipelineMode::Together => replies.together(),
        }
    }

    fn plan(&mut self, requests: &[Request<'_>]) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::with_capacity(requests.len());
        let mut parsed = HashMap::new();
        for (index, request) in requests.iter().enumerate() {
            let step = match index.checked_sub(1).map(|before| (before, &requests[before])) {
                // A statement that is repeated is looked up once.
                Some((before, same))
                    if request.sql.is_certainly_same(request.params, same.sql, same.params) =>
                {
                    Step::again(&steps[before], before, request)
                }
                _ => self.plan_one(request, index, &mut parsed).map_err(|e| at(e, index))?,
            };
            if let Parsing::Known { prepared, .. } = &step.parsing {
                check_count(prepared.parameters().len(), request.params.len()).map_err(|e| at(e, index))?;
            }
            steps.push(step);
        }
        Ok(steps)
    }

    fn plan_one(
        &mut self,
        request: &Request<'_>,
        index: usize,
        parsed: &mut HashMap<Arc<[u8]>, usize>,
    ) -> Result<Step> {
        request.sql.check(request.params)?;
        if is_copy_from_stdin(request.sql.text()) {
            let message = "COPY FROM STDIN has no place in a pipeline: use copy_in";
            return Err(Error::misuse(message).in_phase(Phase::Query));
        }
        let unsettled = request.format.unless_automatic();
        if let Some(prepared) = self.statements().find(request.sql, request.params) {
            return Ok(Step { parsing: Parsing::Known { prepared, fresh: false }, format: request.format });
        }
        let key = self.statements().key_of(request.sql, request.params);
        if !self.statements().is_named() {
            return Ok(Step { parsing: Parsing::Parsed { name: String::new(), key }, format: unsettled });
        }
        if let Some(earlier) = parsed.get(&key) {
            return Ok(Step { parsing: Parsing::ParsedBy(*earlier), format: unsettled });
        }
        if request.format == ResultFormat::Automatic {
            // The buffer's contents are sent with it.
            match self.prepare_now(request.sql, request.params) {
                Ok(prepared) => {
                    return Ok(Step {
                        parsing: Parsing::Known { prepared, fresh: true },
                        format: request.format,
                    });
                }
                Err(e) if e.server().is_none() || self.link().fault().is_some() => return Err(e),
                // The error is reported in its turn, if it still occurs then.
                Err(_) => {}
            }
        }
        parsed.insert(key.clone(), index);
        let name = self.statements().name_for(&key, Origin::Kept);
        Ok(Step { parsing: Parsing::Parsed { name, key }, format: unsettled })
    }
}

/// Returns the number of outcomes up to the last statement that was begun. All later ones were stale.
fn begun(outcomes: &[Result<ResultBlock>], mode: PipelineMode) -> usize {
    let is_stale = |outcome: &Result<ResultBlock>| outcome.as_ref().is_err_and(Error::is_of_stale_statement);
    match mode {
        PipelineMode::Separate => {
            outcomes.iter().rposition(|outcome| !is_stale(outcome)).map_or(0, |last| last + 1)
        }
        PipelineMode::Together if outcomes.first().is_some_and(is_stale) => 0,
        PipelineMode::Together => outcomes.len(),
    }
}

/// Adds the index of the request to its error.
fn at(error: Error, index: usize) -> Error {
    error.with_note(format!("requests[{index}]"))
}

/// Returns whether a statement is a COPY that waits for data. The server would read the rest of the pipeline as its data, and
/// end the session.
fn is_copy_from_stdin(text: &str) -> bool {
    let text = text.trim_start().as_bytes();
    let is_copy = text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"copy"));
    is_copy && text.windows(5).any(|word| word.eq_ignore_ascii_case(b"stdin"))
}

impl Step {
    /// The step of a request for the same statement as that before it, whose index is `before`.
    fn again(last: &Self, before: usize, request: &Request<'_>) -> Self {
        let unsettled = request.format.unless_automatic();
        match &last.parsing {
            Parsing::Known { prepared, fresh } => Self {
                parsing: Parsing::Known { prepared: prepared.clone(), fresh: *fresh },
                format: request.format,
            },
            // The next statement may run on another server connection.
            Parsing::Parsed { name, key } if name.is_empty() => {
                Self { parsing: Parsing::Parsed { name: String::new(), key: key.clone() }, format: unsettled }
            }
            Parsing::Parsed { .. } => Self { parsing: Parsing::ParsedBy(before), format: unsettled },
            Parsing::ParsedBy(earlier) => Self { parsing: Parsing::ParsedBy(*earlier), format: unsettled },
        }
    }
}

/// Returns the name under which the server has the statement of a step.
fn name<'s>(steps: &'s [Step], step: &'s Step) -> &'s str {
    match &step.parsing {
        Parsing::Known { prepared, .. } => &prepared.name,
        Parsing::Parsed { name, .. } => name,
        Parsing::ParsedBy(earlier) => match &steps[*earlier].parsing {
            Parsing::Parsed { name, .. } => name,
            Parsing::Known { prepared, .. } => &prepared.name,
            Parsing::ParsedBy(_) => unreachable!("it leads to the request that parses"),
        },
    }
}

fn write(
    requests: &[Request<'_>],
    steps: &[Step],
    settings: TextSettings,
    mode: PipelineMode,
    out: &mut BytesMut,
) -> Result<()> {
    for (index, (request, step)) in requests.iter().zip(steps).enumerate() {
        write_one(request, step, name(steps, step), settings, out).map_err(|e| at(e, index))?;
        if mode == PipelineMode::Separate {
            request::sync(out);
        }
    }
    if mode == PipelineMode::Together {
        request::sync(out);
    }
    Ok(())
}

fn write_one(
    request: &Request<'_>,
    step: &Step,
    name: &str,
    settings: TextSettings,
    out: &mut BytesMut,
) -> Result<()> {
    match &step.parsing {
        Parsing::Known { prepared, .. } => {
            let codes = &prepared.shape(step.format, settings).codes;
            request::bind_values("", request.sql, prepared, request.params, codes, out)?;
        }
        Parsing::Parsed { .. } => {
            request::parse_named(name, request.sql.text(), &request.sql.types(request.params), out)?;
            request::describe_statement(name, out)?;
            request::bind(name, request.params, &step.format.codes(&[], settings), out)?;
        }
        Parsing::ParsedBy(_) => {
            request::bind(name, request.params, &step.format.codes(&[], settings), out)?;
        }
    }
    request::execute(out)
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
    /// Reads the replies where a `Sync` follows each statement.
    fn separate(mut self) -> Result<Vec<Result<ResultBlock>>> {
        let mut outcomes: Vec<Result<ResultBlock>> = Vec::with_capacity(self.requests.len());
        // Parse errors by request, for later requests that run the same text.
        let mut refusals: HashMap<usize, ServerMessage> = HashMap::new();
        for index in 0..self.requests.len() {
            self.exchange.expect_replies(self.requests.len() - index);
            let mut read = self.read_one(index);
            if let Some(e) = read.as_ref().err()
                && self.is_the_end(e)
            {
                return read.map(|_| outcomes);
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
            outcomes.push(read);
        }
        self.exchange.finish();
        Ok(outcomes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_waits_for_data_is_recognised_by_its_words() {
        for text in ["copy t from stdin", "  COPY t (a)\nFROM STDIN with (format csv)"] {
            assert!(is_copy_from_stdin(text), "{text}");
        }
        for text in ["copy t to stdout", "copy t from '/tmp/x'", "select 'copy from stdin'", "cop", ""] {
            assert!(!is_copy_from_stdin(text), "{text}");
        }
    }
}
