//! The gate before functions of the program's: once it is shut none is called any more, and the end of those under way can be
//! waited for.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::callback;
use super::sync::{Condvar, Mutex};

/// Functions, with the data they are called with.
pub(crate) struct Gate<T> {
    open: Mutex<Option<Arc<Passed<T>>>>,
    gone: Arc<Gone>,
}

/// The right to call what is behind a gate. That is dropped by whoever is the last to have it.
pub(crate) struct Passed<T> {
    value: T,
    /// Dropped after `value`, and what that holds.
    _tells: TellsGone,
}

impl<T> Deref for Passed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[derive(Default)]
struct Gone {
    is: Mutex<bool>,
    changed: Condvar,
}

struct TellsGone(Arc<Gone>);

impl Drop for TellsGone {
    fn drop(&mut self) {
        *self.0.is.lock() = true;
        self.0.changed.notify_all();
    }
}

impl<T> Gate<T> {
    pub(crate) fn new(value: T) -> Self {
        let gone = Arc::<Gone>::default();
        let passed = Passed { value, _tells: TellsGone(gone.clone()) };
        Self { open: Mutex::new(Some(Arc::new(passed))), gone }
    }

    /// Returns what is behind it, for a call; `None` once it is shut.
    pub(crate) fn pass(&self) -> Option<Arc<Passed<T>>> {
        self.open.lock().clone()
    }

    /// Shuts it, and blocks until every call has returned and what is behind it is dropped. Returns `false` if that takes longer
    /// than `patience`. Inside a callback, which may be one of those, it does not block.
    pub(crate) fn shut(&self, patience: Duration) -> bool {
        let taken = self.open.lock().take();
        drop(taken);
        let end = Instant::now() + if callback::is_running() { Duration::ZERO } else { patience };
        let mut is_gone = self.gone.is.lock();
        while !*is_gone {
            if self.gone.changed.wait_until(&mut is_gone, end).timed_out() {
                break;
            }
        }
        *is_gone
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn a_shut_gate_lets_nobody_pass_and_knows_when_those_inside_have_left() {
        let (dropped, was_dropped) = channel::<()>();
        let gate = Arc::new(Gate::new(dropped));
        let inside = gate.pass().unwrap();
        assert!(!gate.shut(Duration::from_millis(20)), "one is inside");
        assert!(gate.pass().is_none());
        let shutting = thread::spawn({
            let gate = gate.clone();
            move || gate.shut(Duration::from_secs(60))
        });
        thread::sleep(Duration::from_millis(20));
        assert!(was_dropped.try_recv().is_err_and(|e| e == std::sync::mpsc::TryRecvError::Empty));
        drop(inside);
        assert!(shutting.join().unwrap() && was_dropped.recv().is_err());
        assert!(gate.shut(Duration::ZERO), "still shut, and empty");
    }
}
