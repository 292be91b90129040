//! Tasks that requests ask for, and their answers.

use std::any::Any;

use super::input::Input;
use crate::error::{Error, Result};
use crate::pool::{Came, PooledConnection};
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
    /// Statements that are sent at once.
    Pipeline { queries: Vec<Query>, mode: PipelineMode },
    /// Begins a transaction.
    Begin { options: TransactionOptions },
    /// Commits the open transaction.
    Commit,
    /// Rolls the open transaction back.
    Rollback,
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
    /// Success without a value.
    Done,
}

impl Answer {
    /// Returns the answer of a single statement.
    pub(super) fn to_query(block: ResultBlock, pack: bool) -> Result<Self> {
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

    pub(super) fn run(&self, conn: &mut PooledConnection) -> Result<Answer> {
        let target = conn.target().to_owned();
        let done = conn.raw().and_then(|mut raw| self.run_on(&mut raw, &target));
        done.map_err(|e| if e.target().is_none() { e.at_target(target) } else { e })
    }

    fn run_on(&self, raw: &mut RawSession<'_>, target: &str) -> Result<Answer> {
        match self {
            Self::Query { query, pack, .. } => {
                let Query { input, format, .. } = query;
                let block = input.with_params(|params| raw.query(query.sql(), params, *format))?;
                Answer::to_query(block, *pack)
            }
            Self::Script { input } => raw.script(input.text()).map(Answer::Results),
            Self::Pipeline { queries, mode } => {
                let outcomes = run_pipeline(raw, queries, *mode)?;
                Ok(Answer::Outcomes(outcomes, target.to_owned()))
            }
            Self::Begin { options } => raw.begin_transaction(options).map(|()| Answer::Done),
            Self::Commit => raw.commit().map(|()| Answer::Done),
            Self::Rollback => raw.rollback().map(|()| Answer::Done),
        }
    }
}

fn run_pipeline(
    raw: &mut RawSession<'_>,
    queries: &[Query],
    mode: PipelineMode,
) -> Result<Vec<Result<ResultBlock>>> {
    let params: Vec<Vec<Param<'_>>> = queries.iter().map(|query| query.input.params().collect()).collect();
    let requests: Vec<Request<'_>> = queries
        .iter()
        .zip(&params)
        .map(|(query, params)| Request { sql: query.sql(), params, format: query.format })
        .collect();
    raw.pipeline(&requests, mode)
}
