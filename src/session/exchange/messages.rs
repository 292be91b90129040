//! Messages that the server sends unasked: notifications and notices, kept until callers fetch them.

use std::collections::VecDeque;
use std::io;

use super::reader::{malformed, take_text};
use crate::error::ServerMessage;
use crate::session::SessionState;

/// The number of messages kept of each kind; older ones are dropped first.
const MAX_MESSAGES: usize = 10_000;

/// The memory for each kind. Notifications of other roles (`NOTIFY` needs no privilege) and notices must not fill the memory of
/// a program that does not fetch them.
const MAX_MESSAGES_BYTES: usize = 512 * 1024;

/// A notification, as `NOTIFY` sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The session that sent it.
    pub process_id: u32,
    /// The channel it was sent on.
    pub channel: String,
    /// The payload; empty when none was given.
    pub payload: String,
}

impl Notification {
    /// The session that sent it, in the type that `postgres::Notification` uses.
    pub fn process_id(&self) -> i32 {
        self.process_id.cast_signed()
    }

    /// The channel it was sent on.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The payload; empty when none was given.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    pub(in crate::session) fn parse(body: &[u8]) -> io::Result<Self> {
        let (process_id, rest) = body.split_first_chunk::<4>().ok_or_else(malformed)?;
        let (channel, rest) = take_text(rest)?;
        let (payload, _) = take_text(rest)?;
        Ok(Self { process_id: u32::from_be_bytes(*process_id), channel, payload })
    }
}

/// The messages of one checkout.
#[derive(Default)]
pub(in crate::session) struct Messages {
    pub(in crate::session) notifications: BoundedQueue<Notification>,
    pub(in crate::session) notices: BoundedQueue<ServerMessage>,
}

impl Messages {
    /// Returns how many messages were dropped because they were not fetched.
    pub(in crate::session) fn dropped(&self) -> u64 {
        self.notifications.dropped + self.notices.dropped
    }

    /// Drops the messages of one checkout, so that the next starts with none.
    #[inline]
    pub(in crate::session) fn forget(&mut self) {
        self.notifications.forget();
        self.notices.forget();
    }
}

impl SessionState {
    /// Returns whether notices wait to be fetched.
    #[inline]
    pub(crate) fn has_notices(&self) -> bool {
        self.messages.notices.len() > 0
    }

    pub(crate) fn take_notices(&mut self) -> Vec<ServerMessage> {
        self.messages.notices.take_all()
    }
}

/// A message made of texts.
pub(in crate::session) trait HasTexts {
    fn text_bytes(&self) -> usize;
}

impl HasTexts for Notification {
    fn text_bytes(&self) -> usize {
        self.channel.len() + self.payload.len()
    }
}

impl HasTexts for ServerMessage {
    fn text_bytes(&self) -> usize {
        let optional = [
            &self.detail,
            &self.hint,
            &self.position,
            &self.internal_position,
            &self.internal_query,
            &self.context,
            &self.schema,
            &self.table,
            &self.column,
            &self.data_type,
            &self.constraint,
            &self.file,
            &self.line,
            &self.routine,
        ];
        let optional: usize = optional.into_iter().flatten().map(String::len).sum();
        self.severity.len() + self.message.len() + optional
    }
}

/// Messages of one kind, bounded in number and size.
pub(in crate::session) struct BoundedQueue<T> {
    queue: VecDeque<T>,
    bytes: usize,
    dropped: u64,
}

impl<T> Default for BoundedQueue<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, dropped: 0 }
    }
}

impl<T: HasTexts> BoundedQueue<T> {
    fn size(message: &T) -> usize {
        size_of::<T>() + message.text_bytes()
    }

    pub(in crate::session) fn push(&mut self, new: T) {
        self.bytes += Self::size(&new);
        self.queue.push_back(new);
        while self.queue.len() > MAX_MESSAGES || self.bytes > MAX_MESSAGES_BYTES {
            if self.pop().is_none() {
                return;
            }
            self.dropped += 1;
        }
    }

    pub(in crate::session) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(in crate::session) fn pop(&mut self) -> Option<T> {
        let oldest = self.queue.pop_front()?;
        self.bytes -= Self::size(&oldest);
        Some(oldest)
    }

    pub(in crate::session) fn take_all(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into()
    }

    #[inline]
    fn forget(&mut self) {
        if self.queue.capacity() > 0 || self.dropped > 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(payload: usize) -> Notification {
        Notification { process_id: 1, channel: "news".into(), payload: "x".repeat(payload) }
    }

    #[test]
    fn messages_that_are_not_fetched_are_bounded_in_number_and_size_and_what_is_dropped_is_counted() {
        let mut messages = Messages::default();
        for _ in 0..100_000 {
            messages.notifications.push(notification(8000));
        }
        let kept = messages.notifications.queue.len();
        assert!(kept > 50 && messages.notifications.bytes <= MAX_MESSAGES_BYTES, "{kept}");
        assert_eq!(messages.dropped(), 100_000 - kept as u64);
        for _ in 0..kept {
            assert!(messages.notifications.pop().is_some());
        }
        assert_eq!(messages.notifications.bytes, 0);
        messages.forget();
        for _ in 0..MAX_MESSAGES * 2 {
            messages.notifications.push(Notification {
                process_id: 1,
                channel: String::new(),
                payload: String::new(),
            });
        }
        assert!(messages.notifications.queue.len() <= MAX_MESSAGES);
        messages.forget();
        assert_eq!((messages.dropped(), messages.notifications.queue.capacity()), (0, 0));
    }

    #[test]
    fn one_message_larger_than_all_that_is_kept_is_dropped_by_itself() {
        let mut messages = Messages::default();
        messages.notifications.push(notification(MAX_MESSAGES_BYTES));
        assert_eq!((messages.notifications.queue.len(), messages.notifications.bytes), (0, 0));
        messages.notifications.push(notification(1));
        assert_eq!((messages.notifications.take_all().len(), messages.dropped()), (1, 1));
    }
}
