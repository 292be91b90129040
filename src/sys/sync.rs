//! The locks of what is checked over all schedules: `tests/admission_model` puts its own in their place.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
