//! The submission: everything that a program hands over, and the reasons for not accepting it.

use std::time::Duration;

use crate::error::Error;
use crate::queue::task::Task;

/// The kind of a submission, reported back with its completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Execute,
    Acquire,
    Transaction,
    Pipeline,
    ConnectionQuery,
    ConnectionScript,
    ConnectionExecute,
    ConnectionPipeline,
    ConnectionBegin,
    ConnectionCommit,
    ConnectionRollback,
    Script,
    ConnectionStream,
    StreamNext,
    ConnectionCopyIn,
    CopyInWrite,
    CopyInFinish,
    CopyInAbort,
    ConnectionCopyOut,
    CopyOutRead,
    ConnectionPrepare,
    ConnectionSavepoint,
    ConnectionRollbackTo,
    ConnectionReleaseSavepoint,
    Close,
}

/// The reason why a submission was not accepted.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// The queue is full: `capacity` requests are in progress or not drained.
    Full,
    /// The pool was closed.
    Closed(Error),
    /// As many callers and requests wait for a connection as `max_waiting` allows.
    Shed(Error),
    /// The connection is in use by a thread that does not go through the queue.
    Busy,
    /// No worker exists and none could be started.
    NoThread(std::io::Error),
}

/// A task with its limits and the program's tag.
pub(crate) struct Submission {
    /// The program's own mark, returned with the completion.
    pub(crate) tag: u64,
    pub(crate) kind: Kind,
    pub(crate) task: Task,
    /// Limit for checking out a connection.
    pub(crate) timeout: Option<Duration>,
    /// Replaces `retry_max`.
    pub(crate) retries: Option<u32>,
    /// Limit of the statement; `None`: the connection's own.
    pub(crate) deadline: Option<Duration>,
    /// The deadline counts from the submission, and so limits the checkout as well.
    pub(crate) deadline_covers_wait: bool,
    /// What the server remarks while the request runs comes with its completion.
    pub(crate) notices: bool,
}

impl Submission {
    /// A task without any limit of its own.
    pub(crate) fn of_task(tag: u64, kind: Kind, task: Task) -> Self {
        Self {
            tag,
            kind,
            task,
            timeout: None,
            retries: None,
            deadline: None,
            deadline_covers_wait: false,
            notices: false,
        }
    }

    /// Returns whether other requests may be sent with it: a passed deadline would close the connection under them, and what the
    /// server remarks would belong to any of them.
    pub(super) fn may_be_coalesced(&self) -> bool {
        self.deadline.is_none() && !self.notices
    }

    /// Returns the limit for checking out a connection: the smaller of `timeout` and a deadline that covers the wait.
    pub(super) fn limit_of_wait(&self) -> Option<Duration> {
        let whole = self.deadline.filter(|_| self.deadline_covers_wait);
        self.timeout.into_iter().chain(whole).min()
    }
}
