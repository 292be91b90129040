//! The records of a checkout's beginning and end. Both are on the path of every `get`.

use std::sync::Arc;
use std::time::Duration;

use log::Level;
use log::kv::Value;

use crate::link::Traced;
use crate::observe::checkout::Place;
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::OpenConnection;
use crate::pool::core::Core;

impl Core {
    #[inline]
    pub(in crate::pool) fn begin_checkout(
        self: &Arc<Self>,
        conn: &OpenConnection,
        place: Option<Place>,
        waited: Duration,
    ) {
        failpoint!(self, "checked_out");
        conn.checkout.begin(place, waited);
        conn.link.traffic().count_statements(true);
        self.keep_sampling();
        if self.follows_checkouts {
            self.follow_checkout(conn, waited);
        }
    }

    #[inline]
    pub(in crate::pool) fn end_checkout(&self, conn: &OpenConnection) {
        conn.link.traffic().count_statements(false);
        let used = conn.checkout.end();
        if self.follows_checkouts {
            self.emit(EventKind::Released).of(conn).took(used.unwrap_or_default()).event_only();
        }
    }

    /// Emits an event for each notice that nobody fetched, and drops them.
    #[cold]
    pub(in crate::pool) fn tell_notices(&self, conn: &mut OpenConnection) {
        let notices = conn.session.take_notices();
        if self.events.is_none() {
            return;
        }
        for notice in notices {
            let severity = notice.severity.to_ascii_lowercase();
            let emission = self.emit(EventKind::Notice).of(conn).reason(&severity);
            emission.sqlstate(Some(notice.sqlstate.code())).event_saying(&notice.message);
        }
    }

    /// Logs the messages of a checkout that is over.
    #[cold]
    pub(in crate::pool) fn log_trace(&self, conn: &OpenConnection, traced: &Traced) {
        if !self.log.wants(Level::Debug) {
            return;
        }
        let fields = [("connection", Value::from(conn.id))];
        for (since, entry) in traced.since_the_first() {
            let (name, count, ms) = (entry.name(), entry.count, since.as_secs_f64() * 1e3);
            match count {
                1 => self.log.debug(&fields, format_args!("protocol: {ms:.3} ms {name}")),
                _ => self.log.debug(&fields, format_args!("protocol: {ms:.3} ms {name}, {count} of them")),
            }
        }
        if traced.left_out > 0 {
            self.log.debug(&fields, format_args!("protocol: {} further messages", traced.left_out));
        }
    }

    #[inline]
    pub(in crate::pool) fn keep_sampling(self: &Arc<Self>) {
        if !self.sampler.is_active() {
            self.start_sampling();
        }
    }

    #[cold]
    fn follow_checkout(&self, conn: &OpenConnection, waited: Duration) {
        if self.settings.leak_backtrace {
            conn.checkout.keep_backtrace();
        }
        self.emit(EventKind::Acquired).of(conn).took(waited).event_only();
    }
}
