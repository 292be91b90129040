//! The queue that a program holds: the requests it has handed over and not heard of, and the completions that wait for it.
//!
//! What must hold, under the lock:
//! - `accepted` counts every request from its acceptance until its completion is drained; `accepted <= capacity`;
//! - while completions wait, `signalled` is set, or somebody has put setting it off for a moment. Whoever sets it raises
//!   the descriptor, wakes the sleepers and calls the callback, after the lock is gone: once for each time the queue was
//!   empty and is not any more.
//!
//! The descriptor is cleared before the last completion is taken, and raised after the first is there. So it may be
//! readable for a moment when nothing waits, but is never unreadable when something does.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::notify::{Callback, Descriptor};
use super::request::{Kind, Request};
use super::task::Outcome;

/// What became of a request.
pub(crate) struct Completion {
    /// The program's own mark.
    pub(crate) tag: u64,
    /// The request's number.
    pub(crate) request: u64,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    /// From its submission until it ran, or until it was clear that it would not.
    pub(crate) queued: Duration,
    /// From then until it was done.
    pub(crate) running: Duration,
}

/// Slot for a request under way. A number that was used once never finds another request.
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
    /// How often it was.
    signals: u64,
    sleepers: u32,
    callback: Option<Arc<Callback>>,
    closed: bool,
}

/// Where a number's slot is; 0 is no number.
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

/// What [`Queue::complete`] leaves to do: the callback is the caller's to call, with no lock held, on a thread of its
/// choice.
pub(super) type PendingCallback = Option<Arc<Callback>>;

/// How soon the program has to hear of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Now,
    /// It may wait, but not until fewer requests than completions are left to do: those who do them are busy with these.
    Soon {
        left: usize,
    },
}

/// Whether the program was told of a completion.
pub(super) enum Notified {
    /// It was, or is being told by somebody else. The callback is to be called.
    Now(PendingCallback),
    /// It is to be told soon, by [`Queue::tell`] with this.
    Deferred(u64),
}

pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    descriptor: Descriptor,
    capacity: usize,
}

impl Queue {
    /// A queue that takes on as many requests as `capacity` before completions have to be drained.
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            descriptor: Descriptor::default(),
            capacity,
        })
    }

    /// Takes on a request, if there is room for it.
    pub(super) fn accept(&self, make: impl FnOnce(u64) -> Arc<Request>) -> Option<Arc<Request>> {
        let mut state = self.state.lock();
        if state.accepted >= self.capacity || state.closed {
            return None;
        }
        state.accepted += 1;
        Some(state.insert(make))
    }

    /// A request that was taken on could not be handed on: it never was.
    pub(super) fn unaccept(&self, number: u64) {
        let mut state = self.state.lock();
        let request = state.remove(number);
        state.accepted -= usize::from(request.is_some());
        drop(state);
        drop(request);
    }

    /// A request is over.
    #[must_use]
    pub(super) fn complete(&self, completion: Completion, urgency: Urgency) -> Notified {
        let mut state = self.state.lock();
        let request = state.remove(completion.request);
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
            // Who put the first one off tells of the others, too.
            if state.done.len() == 1 { Notified::Deferred(state.signals) } else { Notified::Now(None) }
        } else {
            Notified::Now(self.signal(state))
        };
        drop(request);
        told
    }

    /// Tells of completions that were put off, if some still wait and nobody was told since.
    #[must_use]
    pub(super) fn tell(&self, put_off_at: u64) -> PendingCallback {
        let state = self.state.lock();
        if state.done.is_empty() || state.signals != put_off_at { None } else { self.signal(state) }
    }

    /// Tells everybody that completions wait, unless they were told.
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

    /// Takes up to `most` completions, the first done first. Never waits.
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
            // More came meanwhile than fits.
            self.descriptor.raise();
        }
        taken
    }

    /// Waits until a completion waits. `false` if none does within `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.state.lock();
        // Whoever asks need not be told.
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

    /// How many requests were taken on and not drained.
    pub(crate) fn pending(&self) -> usize {
        self.state.lock().accepted
    }

    /// A descriptor that is readable while completions wait.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let (fd, made) = self.descriptor.get();
        if made && self.state.lock().signalled {
            self.descriptor.raise();
        }
        fd
    }

    /// Has `callback` called each time that the queue was empty and is not any more. It replaces an earlier one, which is
    /// returned: to be dropped where no lock is held.
    #[must_use]
    pub(crate) fn on_ready(&self, callback: Option<Arc<Callback>>) -> Option<Arc<Callback>> {
        mem::replace(&mut self.state.lock().callback, callback)
    }

    /// Cancels a request: one that does not run yet ends at once, for one that runs the server is asked. `false` when this
    /// number was never given out. Never blocks.
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

    /// Nobody will drain it any more. Completions are dropped, those that wait and those to come; requests that do not run
    /// yet never will.
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
