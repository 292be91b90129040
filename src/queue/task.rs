//! Tasks that requests ask for, and their answers.

use std::any::Any;

use crate::sys::sync::Mutex;

use super::input::Input;
use crate::error::{Error, Result};
use crate::pool::{Came, CloseReport, PooledConnection};
use crate::session::{
    Param, PipelineMode, RawSession, Request, ResultBlock, ResultFormat, Sql, Statement, TransactionOptions,
};

/// The task of a request.
pub(crate) enum Task {
    /// Check out a connection and hand it over.
    Acquire,
    /// Work on any connection.
    Run(Work),
    /// A transaction, which checks out its own connection, and another for each rerun.
    Transaction { options: TransactionOptions, body: Box<Body> },
    /// Closes the pool, which the function keeps. It needs no connection, and the pool may be closed already.
    Close(Box<dyn Fn() -> CloseReport + Send + Sync>),
}

/// The body of a transaction, as for [`CheckoutHandle::transaction`](crate::pool::CheckoutHandle::transaction).
pub(crate) type Body =
    dyn Fn(PooledConnection) -> std::result::Result<Came<(), Trouble>, Trouble> + Send + Sync;

/// The work to do on a connection.
pub(crate) enum Work {
    /// One statement. `pack`: the result is packed. `idempotent`: it runs again when its connection is lost.
    Query { query: Query, pack: bool, idempotent: bool },
    /// A text of several statements.
    Script { input: Input },
    /// Statements that are sent at once. `in_parts`: each outcome is answered as it comes.
    Pipeline { queries: Vec<Query>, mode: PipelineMode, in_parts: bool },
    /// Begins a transaction.
    Begin { options: TransactionOptions },
    /// Commits the open transaction.
    Commit,
    /// Rolls the open transaction back.
    Rollback,
    /// A step that its giver knows.
    Step(Step),
}

/// A step on a held connection, such as the next portion of a stream that is open there. It runs once, and is dropped before
/// its request is answered, with the handles that it keeps.
pub(crate) struct Step(Mutex<Option<Box<StepFunction>>>);

type StepFunction = dyn FnOnce(&mut RawSession<'_>) -> Result<Answer> + Send;

impl Step {
    pub(crate) fn new(run: impl FnOnce(&mut RawSession<'_>) -> Result<Answer> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(run))))
    }

    fn take(&self) -> Option<Box<StepFunction>> {
        self.0.lock().take()
    }

    fn run(&self, raw: &mut RawSession<'_>) -> Result<Answer> {
        let step = self.take().unwrap_or_else(|| unreachable!("requests for a held connection run once"));
        step(raw)
    }
}

/// A statement with its parameters.
pub(crate) struct Query {
    /// A prepared statement, which replaces the then empty text of `input`.
    pub(crate) statement: Option<Statement>,
    pub(crate) input: Input,
    pub(crate) format: ResultFormat,
}

impl Query {
    pub(crate) fn new(sql: Sql<'_>, params: &[Param<'_>], format: ResultFormat) -> Self {
        let (text, statement) = match sql {
            Sql::Text(text) => (text, None),
            Sql::Statement(statement) => ("", Some(statement.clone())),
        };
        Self { statement, input: Input::new(text, params), format }
    }

    /// Passes the statement to `run`.
    pub(crate) fn run_with<T>(&self, run: impl FnOnce(Sql<'_>, &[Param<'_>], ResultFormat) -> T) -> T {
        self.input.with_params(|params| run(self.sql(), params, self.format))
    }

    pub(super) fn sql(&self) -> Sql<'_> {
        self.statement.as_ref().map_or(Sql::Text(self.input.text()), Sql::Statement)
    }

    /// Returns its text, prepared or not.
    pub(super) fn text(&self) -> &str {
        self.statement.as_ref().map_or_else(|| self.input.text(), Statement::text)
    }
}

/// The answer of a request that succeeded.
pub(crate) enum Answer {
    Result(ResultBlock),
    Pack(Vec<u8>),
    Results(Vec<ResultBlock>),
    /// The outcomes of a pipeline, and the server that they came from.
    Outcomes(Vec<Result<ResultBlock>>, String),
    Connection(PooledConnection),
    /// The value of a step, which its giver knows.
    Given(Box<dyn Any + Send>),
    Closed(CloseReport),
    /// Success without a value.
    Done,
}

impl Answer {
    /// Returns the answer of a single statement.
    pub(crate) fn to_query(block: ResultBlock, pack: bool) -> Result<Self> {
        if pack { block.pack().map(Self::Pack) } else { Ok(Self::Result(block)) }
    }
}

/// The reason why a request has no answer.
pub(crate) enum Trouble {
    Error(Error),
    /// The payload of a panic that was caught.
    Panic(Box<dyn Any + Send>),
    /// The error value that the program's transaction body returned.
    Given(Box<dyn Any + Send>),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

pub(super) type Outcome = std::result::Result<Answer, Trouble>;

impl Work {
    pub(super) fn may_be_repeated(&self) -> bool {
        matches!(self, Self::Query { idempotent: true, .. })
    }

    /// Drops what a step keeps, before its request is answered.
    pub(super) fn let_go(&self) {
        if let Self::Step(step) = self {
            drop(step.take());
        }
    }

    /// Returns how many answers come before the last one.
    pub(super) fn parts(&self) -> usize {
        match self {
            Self::Pipeline { queries, in_parts: true, .. } => queries.len(),
            _ => 0,
        }
    }

    /// `part` gets the answers before the last one.
    pub(super) fn run(
        &self,
        conn: &mut PooledConnection,
        part: &mut dyn FnMut(Result<ResultBlock>),
    ) -> Result<Answer> {
        let target = conn.target().to_owned();
        let at_target = |e: Error| if e.target().is_none() { e.at_target(target.as_str()) } else { e };
        let mut part = |outcome: Result<_>| part(outcome.map_err(at_target));
        let done = conn.raw().and_then(|mut raw| self.run_on(&mut raw, &target, &mut part));
        done.map_err(at_target)
    }

    fn run_on(
        &self,
        raw: &mut RawSession<'_>,
        target: &str,
        part: &mut dyn FnMut(Result<ResultBlock>),
    ) -> Result<Answer> {
        match self {
            Self::Query { query, pack, .. } => {
                let block = query.run_with(|sql, params, format| raw.query(sql, params, format))?;
                Answer::to_query(block, *pack)
            }
            Self::Script { input } => raw.script(input.text()).map(Answer::Results),
            Self::Pipeline { queries, mode, in_parts: true } => {
                run_pipeline(raw, queries, *mode, part).map(|()| Answer::Done)
            }
            Self::Pipeline { queries, mode, in_parts: false } => {
                let mut outcomes = Vec::with_capacity(queries.len());
                run_pipeline(raw, queries, *mode, &mut |outcome| outcomes.push(outcome))?;
                Ok(Answer::Outcomes(outcomes, target.to_owned()))
            }
            Self::Begin { options } => raw.begin_transaction(options).map(|()| Answer::Done),
            Self::Commit => raw.commit().map(|()| Answer::Done),
            Self::Rollback => raw.rollback().map(|()| Answer::Done),
            Self::Step(step) => step.run(raw),
        }
    }
}

fn run_pipeline(
    raw: &mut RawSession<'_>,
    queries: &[Query],
    mode: PipelineMode,
    pass_on: &mut dyn FnMut(Result<ResultBlock>),
) -> Result<()> {
    let params: Vec<Vec<Param<'_>>> = queries.iter().map(|query| query.input.params().collect()).collect();
    let requests: Vec<Request<'_>> = queries
        .iter()
        .zip(&params)
        .map(|(query, params)| Request { sql: query.sql(), params, format: query.format })
        .collect();
    raw.pipeline_to(&requests, mode, pass_on)
}
