//! The library's log records on standard error: time since the start, level, message, fields.

use std::sync::OnceLock;
use std::time::Instant;

use holdfast::Printable;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

static STARTED: OnceLock<Instant> = OnceLock::new();

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The driver writes its statements to the log; their contents must not appear here.
        metadata.target().starts_with("holdfast")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let seconds = STARTED.get_or_init(Instant::now).elapsed().as_secs_f64();
            let mut fields = Fields(String::new());
            let _ = record.key_values().visit(&mut fields);
            let line = format_args!("{}{}", record.args(), fields.0).to_string();
            eprintln!("[{seconds:8.3} {:5}] {}", record.level(), Printable(line));
        }
    }

    fn flush(&self) {}
}

/// Fields of a record as ` key=value`.
struct Fields(String);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push_str(&format!(" {key}={value}"));
        Ok(())
    }
}

/// Installs the logger, if anything is to be logged.
pub(crate) fn install(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => LevelFilter::Info,
        _ => LevelFilter::Trace,
    };
    STARTED.get_or_init(Instant::now);
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(level);
    }
}
