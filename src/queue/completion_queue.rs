//! The queue that a program holds: its requests in progress, and the completions that wait to be drained.
//!
//! What must hold, under the lock:
//! - `accepted` counts the completions of every request from its acceptance until they are drained; `accepted <= capacity`;
//! - while completions wait, `signalled` is set, or a worker has deferred setting it for a moment. The thread that sets it
//!   raises the descriptor, wakes the sleepers and runs the callback after releasing the lock: once each time the queue
//!   stops being empty.
//!
//! The descriptor is cleared before the last completion is taken, and raised after the first is queued. So it may be
//! readable for a moment when no completion waits, but is never unreadable when one does.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sys::sync::{Condvar, Mutex, MutexGuard};

use super::notify::{Callback, Descriptor};
use super::request::{Kind, Request};
use super::task::Outcome;
use crate::error::ServerMessage;

/// The result of a request, with its times.
pub(crate) struct Completion {
    /// The program's own mark.
    pub(crate) tag: u64,
    /// The request's number.
    pub(crate) request: u64,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    /// What the server remarked meanwhile, if the request asked for that.
    pub(crate) notices: Vec<ServerMessage>,
    /// From its submission until it ran, or was answered without running.
    pub(crate) queued: Duration,
    /// From then until it was answered.
    pub(crate) running: Duration,
    /// The number of an answer before the last one; `None` for the last.
    pub(crate) part: Option<usize>,
}

/// The slot of a request in progress. The generation keeps an old number from finding a later request.
struct Slot {
    generation: u32,
    request: Option<Arc<Request>>,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    free: Vec<u32>,
    done: VecDeque<Completion>,
    accepted: usize,
    signalled: bool,
    /// How many times it was set.
    signals: u64,
    sleepers: u32,
    callback: Option<Arc<Callback>>,
    closed: bool,
}

/// Returns the slot and generation of a request number; 0 is no number.
fn slot_of(number: u64) -> (usize, u32) {
    ((number as u32).wrapping_sub(1) as usize, (number >> 32) as u32)
}

fn number_of(slot: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | (slot as u64 + 1)
}

impl State {
    fn insert(&mut self, make: impl FnOnce(u64) -> Arc<Request>) -> Arc<Request> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, request: None });
            self.slots.len() as u32 - 1
        }) as usize;
        let slot = &mut self.slots[index];
        let request = make(number_of(index, slot.generation));
        slot.request = Some(request.clone());
        request
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Request>> {
        let (index, generation) = slot_of(number);
        let slot = self.slots.get_mut(index).filter(|slot| slot.generation == generation)?;
        let request = slot.request.take()?;
        slot.generation = generation.wrapping_add(1);
        self.free.push(index as u32);
        Some(request)
    }
}

/// The callback that [`Queue::complete`] leaves to its caller, to run with no lock held on a thread of its choice.
pub(super) type PendingCallback = Option<Arc<Callback>>;

/// How soon the program must be notified of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Now,
    /// Notification may be deferred, but not until fewer requests than completions are left.
    Soon {
        left: usize,
    },
}

/// The state of the notification of one completion.
pub(super) enum Notified {
    /// The program is notified, by this thread or another. The callback is to be run, if there is one.
    Now(PendingCallback),
    /// Notification is due soon, by [`Queue::notify_deferred`] with this number.
    Deferred(u64),
}

pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    descriptor: Descriptor,
    capacity: usize,
}

impl Queue {
    /// Creates a queue that accepts `capacity` requests before completions have to be drained.
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            descriptor: Descriptor::default(),
            capacity,
        })
    }

    /// Accepts a request, if there is room for that many completions.
    pub(super) fn accept(
        &self,
        completions: usize,
        make: impl FnOnce(u64) -> Arc<Request>,
    ) -> Option<Arc<Request>> {
        let mut state = self.state.lock();
        if completions > self.capacity.saturating_sub(state.accepted) || state.closed {
            return None;
        }
        state.accepted += completions;
        Some(state.insert(make))
    }

    /// Undoes the acceptance of a request that could not be handed to the executor.
    pub(super) fn unaccept(&self, number: u64, completions: usize) {
        let mut state = self.state.lock();
        let request = state.remove(number);
        if request.is_some() {
            state.accepted -= completions;
        }
        drop(state);
        drop(request);
    }

    /// Queues a completion of a request that another one follows.
    #[must_use]
    pub(super) fn complete_part(&self, completion: Completion) -> PendingCallback {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return None;
        }
        state.done.push_back(completion);
        self.signal(state)
    }

    /// Queues the last completion of a request, of which `unused` earlier ones never came.
    #[must_use]
    pub(super) fn complete(&self, completion: Completion, urgency: Urgency, unused: usize) -> Notified {
        let mut state = self.state.lock();
        let request = state.remove(completion.request);
        state.accepted -= unused;
        if state.closed {
            drop(state);
            // The completion is dropped here, with what it holds.
            return Notified::Now(None);
        }
        state.done.push_back(completion);
        let wait = match urgency {
            Urgency::Soon { left } => !state.signalled && state.done.len() < left,
            Urgency::Now => false,
        };
        let told = if wait {
            // The thread that deferred the first notification covers the others, too.
            if state.done.len() == 1 { Notified::Deferred(state.signals) } else { Notified::Now(None) }
        } else {
            Notified::Now(self.signal(state))
        };
        drop(request);
        told
    }

    /// Sends a deferred notification, if completions still wait and none was sent since.
    #[must_use]
    pub(super) fn notify_deferred(&self, deferred_at: u64) -> PendingCallback {
        let state = self.state.lock();
        if state.done.is_empty() || state.signals != deferred_at { None } else { self.signal(state) }
    }

    /// Notifies the program that completions wait, unless it was notified already.
    fn signal(&self, mut state: MutexGuard<'_, State>) -> PendingCallback {
        if mem::replace(&mut state.signalled, true) {
            return None;
        }
        state.signals += 1;
        let sleepers = state.sleepers;
        let callback = state.callback.clone();
        drop(state);
        self.descriptor.raise();
        if sleepers > 0 {
            self.ready.notify_all();
        }
        callback
    }

    /// Takes up to `most` completions, in the order of completion. Never waits.
    pub(crate) fn drain(&self, most: usize) -> VecDeque<Completion> {
        let mut state = self.state.lock();
        let clears = self.descriptor.exists() && state.done.len() <= most;
        if clears {
            drop(state);
            self.descriptor.clear();
            state = self.state.lock();
        }
        let taken = if state.done.len() <= most {
            state.signalled = false;
            mem::take(&mut state.done)
        } else {
            let rest = state.done.split_off(most);
            mem::replace(&mut state.done, rest)
        };
        state.accepted -= taken.len();
        let more = state.signalled;
        drop(state);
        if clears && more {
            // More arrived meanwhile than `most`.
            self.descriptor.raise();
        }
        taken
    }

    /// Blocks until a completion waits. Returns `false` if none does within `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.state.lock();
        // A thread that polls the queue needs no notification.
        while state.done.is_empty() && !state.closed {
            state.sleepers += 1;
            let late = self.ready.wait_until(&mut state, end).timed_out();
            state.sleepers -= 1;
            if late {
                break;
            }
        }
        !state.done.is_empty()
    }

    /// Returns how many requests were accepted and not drained.
    pub(crate) fn pending(&self) -> usize {
        self.state.lock().accepted
    }

    /// Returns a descriptor that is readable while completions wait.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let (fd, made) = self.descriptor.get();
        if made && self.state.lock().signalled {
            self.descriptor.raise();
        }
        fd
    }

    /// Registers a callback to run each time the queue stops being empty. Returns the one it replaces, to be dropped where no
    /// lock is held.
    #[must_use]
    pub(crate) fn on_ready(&self, callback: Option<Arc<Callback>>) -> Option<Arc<Callback>> {
        mem::replace(&mut self.state.lock().callback, callback)
    }

    /// Cancels a request: one that does not run yet ends at once, for one that runs the server is asked. Returns `false` for a
    /// number that was never issued. Never blocks.
    pub(crate) fn cancel(&self, number: u64) -> bool {
        let (index, generation) = slot_of(number);
        let state = self.state.lock();
        let Some(slot) = state.slots.get(index) else { return false };
        let request = slot.request.clone().filter(|_| slot.generation == generation);
        let known = generation <= slot.generation;
        drop(state);
        if let Some(request) = request {
            request.cancel();
        }
        known
    }

    /// Closes the queue: waiting and future completions are dropped, and requests that do not run yet never will.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let done = mem::take(&mut state.done);
        let callback = state.callback.take();
        let under_way: Vec<_> = state.slots.iter_mut().filter_map(|slot| slot.request.take()).collect();
        drop(state);
        self.ready.notify_all();
        for request in under_way {
            request.abandon();
        }
        drop((done, callback));
    }
}
