//! Log records about a pool's decisions. Each goes to the `log` crate, under the target `holdfast`, and
//! to the pool's own sink, if it has one.
//!
//! Every record of a pool is made by its [`Logger`]. What happens before there is a pool, while a configuration is read,
//! goes to the `log` crate alone.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use log::Level;
use log::kv::{self, Key, Source, Value, VisitSource};

use crate::printable::Printable;
use crate::sys::callback;

/// How much a record matters; the smaller, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// Something failed for good.
    Error = 1,
    /// Something failed and is tried again, or was put right.
    Warn,
    /// Something out of the ordinary.
    Info,
    /// Events of single connections.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    fn of(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

/// Something that a pool has to tell; see [`PoolConfig::log_sink`](crate::PoolConfig::log_sink).
#[derive(Debug)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// How much it matters.
    pub level: LogLevel,
    /// The event in one line: control characters in what a server or another session has said are escaped. Never holds a
    /// secret.
    pub message: &'a str,
    /// The pool's name and target, or its target alone if it has no name; control characters are escaped.
    pub pool: &'a str,
    /// When it was made.
    pub time: SystemTime,
    fields: &'a [Field<'a>],
}

impl LogRecord<'_> {
    /// The values of the record, such as `attempt`, `kind` or `connection`, with their names.
    ///
    /// ```
    /// let config = holdfast::PoolConfig::new().log_sink(holdfast::LogLevel::Info, |record| {
    ///     let fields: Vec<_> = record.fields().map(|(name, value)| format!("{name}={value}")).collect();
    ///     eprintln!("{} {}", record.message, fields.join(" "));
    /// });
    /// # let _ = config;
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&str, String)> {
        self.fields.iter().map(|(name, value)| (*name, value.to_string()))
    }
}

pub(crate) type Field<'a> = (&'static str, Value<'a>);

/// The sink of a pool, and how much it wants to hear of.
#[derive(Clone)]
pub(crate) struct LogSink {
    least: LogLevel,
    take: Arc<dyn Fn(&LogRecord<'_>) + Send + Sync>,
}

impl LogSink {
    pub(crate) fn new(least: LogLevel, take: impl Fn(&LogRecord<'_>) + Send + Sync + 'static) -> Self {
        Self { least, take: Arc::new(take) }
    }

    /// Returns the sink behind `pass`, which gets each record with the sink's own function.
    #[cfg(feature = "capi")]
    pub(crate) fn behind(&self, pass: impl Fn(&dyn Fn(&Self)) + Send + Sync + 'static) -> Self {
        Self::new(self.least, move |record| pass(&|sink| (sink.take)(record)))
    }
}

/// Makes the records of one pool. Never call it with a lock held: the sink is the program's.
pub(crate) struct Logger {
    /// The pool's name and target.
    pool: String,
    sink: Option<LogSink>,
}

impl Logger {
    /// `pool` may be from a tenant's name or a connection string: like a message it may not forge a line.
    pub(crate) fn new(pool: &str, sink: Option<LogSink>) -> Self {
        Self { pool: Printable(pool).to_string(), sink }
    }

    #[track_caller]
    pub(crate) fn warn(&self, fields: &[Field<'_>], message: fmt::Arguments<'_>) {
        self.record(Level::Warn, fields, message);
    }

    #[track_caller]
    pub(crate) fn info(&self, fields: &[Field<'_>], message: fmt::Arguments<'_>) {
        self.record(Level::Info, fields, message);
    }

    #[track_caller]
    pub(crate) fn debug(&self, fields: &[Field<'_>], message: fmt::Arguments<'_>) {
        self.record(Level::Debug, fields, message);
    }

    /// The pool's name and target.
    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    /// Whether anybody hears records of this level.
    pub(crate) fn wants(&self, level: Level) -> bool {
        (level <= log::STATIC_MAX_LEVEL && level <= log::max_level())
            || self.sink.as_ref().is_some_and(|sink| LogLevel::of(level) <= sink.least)
    }

    #[track_caller]
    pub(crate) fn record(&self, level: Level, fields: &[Field<'_>], message: fmt::Arguments<'_>) {
        if level <= log::STATIC_MAX_LEVEL && level <= log::max_level() {
            self.tell_the_crate(level, fields, message, Location::caller());
        }
        let least = LogLevel::of(level);
        // What a sink does can make further records; it does not get those, or it might never end.
        if let Some(sink) = self.sink.as_ref().filter(|sink| least <= sink.least && !callback::is_running()) {
            let message = Printable(message).to_string();
            let record = LogRecord {
                level: least,
                message: &message,
                pool: &self.pool,
                time: SystemTime::now(),
                fields,
            };
            callback::run(|| (sink.take)(&record));
        }
    }

    /// Does the same as the crate's own macros.
    fn tell_the_crate(
        &self,
        level: Level,
        fields: &[Field<'_>],
        message: fmt::Arguments<'_>,
        place: &'static Location<'static>,
    ) {
        let fields = WithPool { pool: &self.pool, fields };
        // In one expression, in which the message lives.
        log::logger().log(
            &log::Record::builder()
                .args(format_args!("{}", Printable(message)))
                .level(level)
                .target("holdfast")
                .module_path_static(Some("holdfast::pool"))
                .file_static(Some(place.file()))
                .line(Some(place.line()))
                .key_values(&fields)
                .build(),
        );
    }
}

/// The fields of a record, the pool being the first.
struct WithPool<'a> {
    pool: &'a str,
    fields: &'a [Field<'a>],
}

impl Source for WithPool<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        visitor.visit_pair(Key::from("pool"), Value::from(self.pool))?;
        self.fields.visit(visitor)
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::sync::Mutex;

    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_a_server_has_said() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let sink = LogSink::new(LogLevel::Warn, move |record| kept.lock().push(record.message.to_owned()));
        let logger = Logger::new("pool", Some(sink));
        logger.warn(&[], format_args!("the server said: {}", "no\r\n[    0.0 ERROR] forged \x1b[2J\u{202e}"));
        assert_eq!(*heard.lock(), [r"the server said: no\r\n[    0.0 ERROR] forged \u{1b}[2J\u{202e}"]);
    }

    #[test]
    fn a_pools_name_forges_no_line() {
        assert_eq!(Logger::new("tenant 7\r\nERROR \x1b[2J", None).pool(), r"tenant 7\r\nERROR \u{1b}[2J");
    }
}
