//! Emits one event and the matching log record from the same fields, so they cannot disagree.

use std::time::Duration;

use log::Level;
use log::kv::Value;

use crate::error::Error;
use crate::logging::Field;
use crate::observe::event::{Event, EventKind};
use crate::pool::connection::server_connection::OpenConnection;
use crate::pool::core::Core;

/// An event in the making. It is emitted by [`debug`](Self::debug), [`info`](Self::info), [`warn`](Self::warn) or
/// [`event_only`](Self::event_only), which must not be called with a lock held.
pub(in crate::pool) struct Emission<'a> {
    core: &'a Core,
    event: Event<'a>,
}

impl Core {
    pub(in crate::pool) fn emit(&self, kind: EventKind) -> Emission<'_> {
        Emission { core: self, event: Event::new(kind, self.log.pool()) }
    }
}

impl<'a> Emission<'a> {
    pub(in crate::pool) fn of(mut self, conn: &OpenConnection) -> Self {
        self.event.connection = Some(conn.id);
        self.event.backend_pid = conn.link.backend_key().map(|key| key.process_id);
        self
    }

    pub(in crate::pool) fn connection(mut self, id: u64, backend_pid: Option<u32>) -> Self {
        self.event.connection = Some(id);
        self.event.backend_pid = backend_pid;
        self
    }

    pub(in crate::pool) fn took(mut self, duration: Duration) -> Self {
        self.event.took = Some(duration);
        self
    }

    pub(in crate::pool) fn reason(mut self, name: &'a str) -> Self {
        self.event.reason = Some(name);
        self
    }

    pub(in crate::pool) fn moved(mut self, from: u32, to: u32) -> Self {
        (self.event.from, self.event.to) = (Some(from), Some(to));
        self
    }

    pub(in crate::pool) fn place(mut self, place: Option<&'a str>) -> Self {
        self.event.place = place;
        self
    }

    pub(in crate::pool) fn error(mut self, error: &'a Error) -> Self {
        self.event.error = Some(error);
        self.event.sqlstate = error.sqlstate().map(|state| state.code());
        self
    }

    pub(in crate::pool) fn sqlstate(mut self, code: Option<&'a str>) -> Self {
        self.event.sqlstate = code;
        self
    }

    #[track_caller]
    pub(in crate::pool) fn debug(self, more: &[Field<'_>], message: std::fmt::Arguments<'_>) {
        self.write(Level::Debug, more, message);
    }

    #[track_caller]
    pub(in crate::pool) fn info(self, more: &[Field<'_>], message: std::fmt::Arguments<'_>) {
        self.write(Level::Info, more, message);
    }

    #[track_caller]
    pub(in crate::pool) fn warn(self, more: &[Field<'_>], message: std::fmt::Arguments<'_>) {
        self.write(Level::Warn, more, message);
    }

    /// Emits the event alone: it is too frequent for log records.
    pub(in crate::pool) fn event_only(self) {
        if let Some(sink) = &self.core.events {
            sink.tell(&self.event);
        }
    }

    /// The same with a text.
    pub(in crate::pool) fn event_saying(mut self, message: &'a str) {
        self.event.message = message;
        self.event_only();
    }

    #[track_caller]
    fn write(self, level: Level, more: &[Field<'_>], message: std::fmt::Arguments<'_>) {
        if self.core.log.wants(level) {
            self.core.log.record(level, &self.fields(more), message);
        }
        if let Some(sink) = &self.core.events {
            let message = message.to_string();
            sink.tell(&Event { message: &message, ..self.event });
        }
    }

    /// Returns the event's fields under stable names, followed by `more`.
    fn fields<'b>(&'b self, more: &[Field<'b>]) -> Vec<Field<'b>> {
        let event = &self.event;
        let mut fields: Vec<Field<'b>> = vec![("event", Value::from(event.kind.name()))];
        let mut add = |name, value: Option<Value<'b>>| fields.extend(value.map(|value| (name, value)));
        add("connection", event.connection.map(Value::from));
        add("backend_pid", event.backend_pid.map(Value::from));
        let duration = if event.kind == EventKind::Retried { "wait_ms" } else { "took_ms" };
        add(duration, event.took.map(|took| Value::from(took.as_millis() as u64)));
        add("reason", event.reason.map(Value::from));
        add("from", event.from.map(Value::from));
        add("to", event.to.map(Value::from));
        add("place", event.place.map(Value::from));
        add("kind", event.error.map(|error| Value::from(error.kind().name())));
        add("sqlstate", event.sqlstate.map(Value::from));
        fields.extend(more.iter().cloned());
        fields
    }
}
