//! The text of an error: the failure, its place, the server's message, the attempts, the pool's state, and the remedy.

use std::fmt;
use std::time::Duration;

use super::{Attempt, Error, ErrorKind, Phase};

impl Error {
    /// Returns the failure and its place in one clause: no attempts, no pool state, no advice.
    pub fn summary(&self) -> String {
        match &self.0.target {
            Some(target) => format!("{} [{target}]", self.cause()),
            None => self.cause(),
        }
    }

    /// Returns the failure without the server's name.
    pub(super) fn cause(&self) -> String {
        let inner = &*self.0;
        let mut text = match &inner.server {
            Some(server) => {
                let mut said = format!("{} {}: {}", server.severity, server.sqlstate.code(), server.message);
                if let Some(detail) = &server.detail {
                    said.push_str(&format!(" ({detail})"));
                }
                said
            }
            None => inner.message.clone(),
        };
        for note in &inner.notes {
            text.push_str(&format!(" ({note})"));
        }
        text
    }
}

fn what(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Config => "configuration error",
        ErrorKind::Resolve => "host name not resolved",
        ErrorKind::Refused => "connection refused",
        ErrorKind::Unreachable => "server unreachable",
        ErrorKind::Tls => "TLS failed",
        ErrorKind::Auth => "authentication refused",
        ErrorKind::ServerFull => "server full",
        ErrorKind::ServerStarting => "server not ready",
        ErrorKind::ConnectTimeout => "connect timed out",
        ErrorKind::PoolTimeout => "no connection came free in time",
        ErrorKind::CircuitOpen => "circuit open",
        ErrorKind::PoolClosed => "pool closed",
        ErrorKind::ConnectionLost => "connection lost",
        ErrorKind::QueryTimeout => "statement timed out",
        ErrorKind::Canceled => "statement cancelled",
        ErrorKind::CommitUnknown => "commit in doubt",
        ErrorKind::Database => "database error",
        ErrorKind::Misuse => "misuse",
        ErrorKind::Overloaded => "pool overloaded",
        ErrorKind::LocalLimit => "this process is at a limit",
    }
}

fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Config => "while reading the configuration",
        Phase::Queue => "while waiting for a connection of the pool",
        Phase::Resolve => "while resolving the host name",
        Phase::Connect => "while connecting",
        Phase::Tls => "while establishing TLS",
        Phase::Auth => "while starting the session",
        Phase::Role => "while checking the server's role",
        Phase::Setup => "while running on_connect",
        Phase::Validate => "while validating a pooled connection",
        Phase::Query => "while running a statement",
        Phase::Commit => "while committing",
        Phase::Close => "while closing",
    }
}

/// Formats a duration for people: `850 ms`, `8.0 s`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(holdfast::error::human(Duration::from_millis(850)), "850 ms");
/// assert_eq!(holdfast::error::human(Duration::from_secs(8)), "8.0 s");
/// ```
pub fn human(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// Writes the attempts. It names the server only of those made elsewhere than the last.
fn write_attempts(f: &mut fmt::Formatter<'_>, attempts: &[Attempt], target: Option<&str>) -> fmt::Result {
    let plural = if attempts.len() == 1 { "" } else { "s" };
    write!(f, "; {} attempt{plural}:", attempts.len())?;
    for (index, attempt) in attempts.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        write!(f, "{separator} #{} {}", index + 1, attempt.cause)?;
        if let Some(phase) = attempt.phase {
            write!(f, " {}", doing(phase))?;
        }
        if let Some(elsewhere) = attempt.target.as_deref().filter(|t| Some(*t) != target) {
            write!(f, " [{elsewhere}]")?;
        }
        write!(f, " after {}, {} ago", human(attempt.took), human(attempt.age()))?;
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}", what(inner.kind))?;
        if let Some(phase) = inner.phase.filter(|_| inner.kind != ErrorKind::Config) {
            write!(f, " {}", doing(phase))?;
        }
        write!(f, ": {}", self.summary())?;
        if let Some(elapsed) = inner.elapsed {
            write!(f, "; gave up after {}", human(elapsed))?;
        }
        if !inner.attempts.is_empty() {
            write_attempts(f, &inner.attempts, self.target())?;
        }
        if let Some(s) = inner.snapshot {
            write!(
                f,
                "; pool: {} of {} connections ({} in use, {} idle, {} opening), {} waiting",
                s.total, s.limit, s.in_use, s.idle, s.opening, s.waiting
            )?;
            if let Some(by) = s.limited_by {
                write!(f, "; limited to {} of {} by {}", s.limit, s.max_size, by.words())?;
            }
        }
        if let Some(remedy) = self.remedy() {
            write!(f, "; what to do: {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("phase", &self.0.phase)
            .field("retryable", &self.0.retryable)
            .field("text", &self.to_string())
            .field("source", &self.0.source)
            .finish()
    }
}
