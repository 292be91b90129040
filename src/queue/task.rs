//! What is asked for, and what is answered.

use std::any::Any;

use super::input::Input;
use crate::error::{Error, Result};
use crate::pool::PooledConnection;
use crate::session::{Lane, ResultBlock, ResultFormat};

/// What a request asks of the pool.
pub(crate) enum Task {
    /// A connection, to be handed over.
    Acquire,
    /// Something to be done on any connection.
    Run(Work),
}

/// What is done on a connection.
pub(crate) enum Work {
    /// One statement.
    Query { input: Input, format: ResultFormat },
    /// A text of several statements.
    Script { input: Input },
}

/// What became of a request that went well.
pub(crate) enum Answer {
    Result(ResultBlock),
    Results(Vec<ResultBlock>),
    Connection(PooledConnection),
}

/// Why a request has no answer.
pub(crate) enum Trouble {
    Error(Error),
    /// A defect was caught on the way: what the panic said.
    Panic(Box<dyn Any + Send>),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

pub(super) type Outcome = std::result::Result<Answer, Trouble>;

impl Work {
    pub(super) fn run(&self, conn: &mut PooledConnection) -> Result<Answer> {
        let done = conn.lane().and_then(|mut lane| self.run_on(&mut lane));
        done.map_err(|e| if e.target().is_none() { e.at_target(conn.target()) } else { e })
    }

    fn run_on(&self, lane: &mut Lane<'_>) -> Result<Answer> {
        match self {
            Self::Query { input, format } => {
                input.with_params(|params| lane.query(input.text(), params, *format)).map(Answer::Result)
            }
            Self::Script { input } => lane.script(input.text()).map(Answer::Results),
        }
    }
}
