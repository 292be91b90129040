//! The table of open HTTP connections, which decides which of them a new one replaces.

use std::sync::Arc;
use std::time::Instant;

use crate::sys::sync::Mutex;
use tokio::sync::Notify;

/// The table of open connections. A new one always gets a place: silent connections must not keep a health check out.
pub(super) struct Places {
    most: usize,
    open: Mutex<Vec<Place>>,
}

struct Place {
    /// Wakes the connection's task to end it; also identifies the place.
    evicted: Arc<Notify>,
    waits_for: WaitsFor,
    since: Instant,
}

/// The next action of the client. Answers are made at once, so a connection always waits for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WaitsFor {
    Request,
    Reader,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::new(Vec::with_capacity(most)) })
    }

    /// Enters a new connection. Where all places are taken, the connection that has waited longest for a request ends; where
    /// all are being answered, the one whose reader has taken longest.
    pub(super) fn enter(self: &Arc<Self>) -> Entry {
        let evicted = Arc::new(Notify::new());
        let mut open = self.open.lock();
        if open.len() >= self.most {
            let longest = open.iter().enumerate().min_by_key(|(_, place)| (place.waits_for, place.since));
            if let Some(longest) = longest.map(|(index, _)| index) {
                open.swap_remove(longest).evicted.notify_one();
            }
        }
        open.push(Place {
            evicted: Arc::clone(&evicted),
            waits_for: WaitsFor::Request,
            since: Instant::now(),
        });
        drop(open);
        Entry { places: Arc::clone(self), evicted }
    }
}

/// One connection's place, given back when dropped.
pub(super) struct Entry {
    places: Arc<Places>,
    evicted: Arc<Notify>,
}

impl Entry {
    /// Records that a request has arrived in full.
    pub(super) fn request_received(&self) {
        self.set_waits_for(WaitsFor::Reader);
    }

    /// Records that the client has taken the whole answer.
    pub(super) fn answer_taken(&self) {
        self.set_waits_for(WaitsFor::Request);
    }

    /// Waits until another connection gets this place.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Restarts the wait only on a change: a client that reads or sends a byte now and then gains nothing.
    fn set_waits_for(&self, waits_for: WaitsFor) {
        let mut open = self.places.open.lock();
        if let Some(place) = open.iter_mut().find(|place| Arc::ptr_eq(&place.evicted, &self.evicted))
            && place.waits_for != waits_for
        {
            (place.waits_for, place.since) = (waits_for, Instant::now());
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.places.open.lock().retain(|place| !Arc::ptr_eq(&place.evicted, &self.evicted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(entry: &Entry) -> bool {
        entry.places.open.lock().iter().any(|place| Arc::ptr_eq(&place.evicted, &entry.evicted))
    }

    #[test]
    fn the_connection_that_has_waited_longest_for_a_request_gives_way() {
        let places = Places::new(2);
        let (asked, silent) = (places.enter(), places.enter());
        asked.request_received();
        let third = places.enter();
        assert!(is_open(&asked) && !is_open(&silent) && is_open(&third));
        // Answered and taken: from then on it waits for its next request, not as long as the third.
        asked.answer_taken();
        let fourth = places.enter();
        assert!(is_open(&asked) && !is_open(&third) && is_open(&fourth));
    }

    #[test]
    fn where_all_are_being_answered_the_slowest_reader_gives_way() {
        let places = Places::new(2);
        let (first, second) = (places.enter(), places.enter());
        second.request_received();
        first.request_received();
        let third = places.enter();
        assert!(is_open(&first) && !is_open(&second) && is_open(&third));
    }

    #[test]
    fn a_place_is_given_back_once() {
        let places = Places::new(1);
        drop(places.enter());
        let (first, second) = (places.enter(), places.enter());
        drop(first);
        assert!(is_open(&second), "the evicted connection's end frees no place of another");
    }
}
