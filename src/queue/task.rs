//! What is asked for, and what is answered.

use std::any::Any;

use super::input::Input;
use crate::error::{Error, Result};
use crate::pool::{Came, PooledConnection};
use crate::session::{
    Lane, Param, PipelineMode, Request, ResultBlock, ResultFormat, Sql, Statement, TransactionOptions,
};

/// What a request asks of the pool.
pub(crate) enum Task {
    /// A connection, to be handed over.
    Acquire,
    /// Something to be done on any connection.
    Run(Work),
    /// A transaction, which borrows for itself, and again for each rerun.
    Transaction { options: TransactionOptions, body: Box<Body> },
}

/// What is done in a transaction: as the body of [`Lender::transaction`](crate::pool::Lender::transaction).
pub(crate) type Body =
    dyn Fn(PooledConnection) -> std::result::Result<Came<(), Trouble>, Trouble> + Send + Sync;

/// What is done on a connection.
pub(crate) enum Work {
    /// One statement; its result packed if so wanted; run again when it is lost, if it may be.
    Query { query: Query, pack: bool, idempotent: bool },
    /// A text of several statements.
    Script { input: Input },
    /// Statements that are sent at once.
    Pipeline { queries: Vec<Query>, mode: PipelineMode },
    /// A transaction begins.
    Begin { options: TransactionOptions },
    /// The open transaction is committed.
    Commit,
    /// The open transaction is rolled back.
    Rollback,
}

/// A statement with its parameters.
pub(crate) struct Query {
    /// Runs instead of the text of `input`, which is then empty.
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

    pub(super) fn sql(&self) -> Sql<'_> {
        self.statement.as_ref().map_or(Sql::Text(self.input.text()), Sql::Statement)
    }

    /// Its text, whichever way it was given.
    pub(super) fn text(&self) -> &str {
        self.statement.as_ref().map_or_else(|| self.input.text(), Statement::text)
    }
}

/// What became of a request that went well.
pub(crate) enum Answer {
    Result(ResultBlock),
    Pack(Vec<u8>),
    Results(Vec<ResultBlock>),
    /// Of a pipeline, and the server that they came from.
    Outcomes(Vec<Result<ResultBlock>>, String),
    Connection(PooledConnection),
    /// There is nothing more to say.
    Done,
}

impl Answer {
    /// That of a single statement.
    pub(super) fn to_query(block: ResultBlock, pack: bool) -> Result<Self> {
        if pack { block.pack().map(Self::Pack) } else { Ok(Self::Result(block)) }
    }
}

/// Why a request has no answer.
pub(crate) enum Trouble {
    Error(Error),
    /// A defect was caught on the way: what the panic said.
    Panic(Box<dyn Any + Send>),
    /// What the body of a transaction says, in the words of whoever gave it.
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

    pub(super) fn run(&self, conn: &mut PooledConnection) -> Result<Answer> {
        let target = conn.target().to_owned();
        let done = conn.lane().and_then(|mut lane| self.run_on(&mut lane, &target));
        done.map_err(|e| if e.target().is_none() { e.at_target(target) } else { e })
    }

    fn run_on(&self, lane: &mut Lane<'_>, target: &str) -> Result<Answer> {
        match self {
            Self::Query { query, pack, .. } => {
                let Query { input, format, .. } = query;
                let block = input.with_params(|params| lane.query(query.sql(), params, *format))?;
                Answer::to_query(block, *pack)
            }
            Self::Script { input } => lane.script(input.text()).map(Answer::Results),
            Self::Pipeline { queries, mode } => {
                let outcomes = run_pipeline(lane, queries, *mode)?;
                Ok(Answer::Outcomes(outcomes, target.to_owned()))
            }
            Self::Begin { options } => lane.begin_transaction(options).map(|()| Answer::Done),
            Self::Commit => lane.commit().map(|()| Answer::Done),
            Self::Rollback => lane.rollback().map(|()| Answer::Done),
        }
    }
}

fn run_pipeline(
    lane: &mut Lane<'_>,
    queries: &[Query],
    mode: PipelineMode,
) -> Result<Vec<Result<ResultBlock>>> {
    let params: Vec<Vec<Param<'_>>> = queries.iter().map(|query| query.input.params().collect()).collect();
    let requests: Vec<Request<'_>> = queries
        .iter()
        .zip(&params)
        .map(|(query, params)| Request { sql: query.sql(), params, format: query.format })
        .collect();
    lane.pipeline(&requests, mode)
}
