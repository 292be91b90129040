//! The locks of code that is checked over all schedules: `tests/admission_model` replaces them by its own.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
