//! Work left behind by dropped guards: a statement whose answer the next call reads, or the rest of a result.
//!
//! Nothing here blocks. A statement that cannot be sent at once is sent first by the next call, or by the pool.

use std::io;

use bytes::BytesMut;

use super::request;
use super::state::ExchangeState;
use crate::link::CopyIn;
use crate::session::raw_session::RawSession;

impl RawSession<'_> {
    /// Leaves the rest of a dropped cursor's result for the next call, which reads it without a cancel, so that the statement
    /// takes effect as if all of it were read. Does not block.
    pub(crate) fn leave_unread(&mut self) {
        if !self.state.exchange_state.is_at_rest() {
            self.state.unread.to_the_end = true;
        }
        self.skip_received();
    }

    /// Sends a statement without waiting; the next call skips its answer. If the kernel does not accept it, the next call sends
    /// it. Does nothing on a lost connection.
    pub(crate) fn send_and_leave(&mut self, sql: &str) {
        if self.link().fault().is_none() && !self.try_to_send(sql) && self.link().fault().is_none() {
            self.state.unsent = Some(sql.into());
        }
    }

    /// Sends a statement without waiting, behind the exchange under way; `false` when it was not sent.
    fn try_to_send(&mut self, sql: &str) -> bool {
        let Ok(mut line) = self.link.resume_blocking(None) else { return false };
        self.state.out.clear();
        match line.copy_in() {
            None => {}
            // The copy's data was not ended, and is aborted.
            Some(CopyIn::Simple) if abort_copy(&mut self.state.out).is_ok() => {}
            Some(_) => return false,
        }
        if request::query(sql, &mut self.state.out).is_err() {
            return false;
        }
        match line.send_now(&self.state.out) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(e) => {
                log::debug!(target: "holdfast", "could not send {sql}: {e}");
                return false;
            }
        }
        line.pause();
        let at_rest = self.state.exchange_state.is_at_rest();
        self.state.unread.only_rollback = at_rest;
        self.state.unread.to_the_end = true;
        self.state.unread.more += u32::from(!at_rest);
        self.state.exchange_state = ExchangeState::Left;
        if at_rest {
            self.state.reader.begin_exchange();
        }
        true
    }
}

fn abort_copy(out: &mut BytesMut) -> io::Result<()> {
    postgres_protocol::message::frontend::copy_fail("the copy was dropped", out)
}
