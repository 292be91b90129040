//! What is noted when a loan begins and when it ends. Both are on the path of every `get`.

use std::sync::Arc;
use std::time::Duration;

use crate::observe::checkout::Place;
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::OpenConnection;
use crate::pool::core::Inner;
use crate::pool::lifecycle::failpoint::failpoint;

impl Inner {
    #[inline]
    pub(in crate::pool) fn begin_loan(
        self: &Arc<Self>,
        conn: &OpenConnection,
        place: Option<Place>,
        waited: Duration,
    ) {
        failpoint!(self, "lent");
        conn.loan.begin(place, waited);
        conn.link.traffic().count_statements(true);
        self.watch_from_now();
        if self.follows_loans {
            self.follow_loan(conn, waited);
        }
    }

    #[inline]
    pub(in crate::pool) fn end_loan(&self, conn: &OpenConnection) {
        conn.link.traffic().count_statements(false);
        let used = conn.loan.end();
        if self.follows_loans {
            self.tell(EventKind::Released).of(conn).took(used.unwrap_or_default()).silently();
        }
    }

    #[inline]
    pub(in crate::pool) fn watch_from_now(self: &Arc<Self>) {
        if !self.watch.is_active() {
            self.watch();
        }
    }

    #[cold]
    fn follow_loan(&self, conn: &OpenConnection, waited: Duration) {
        if self.settings.leak_backtrace {
            conn.loan.keep_backtrace();
        }
        self.tell(EventKind::Acquired).of(conn).took(waited).silently();
    }
}
