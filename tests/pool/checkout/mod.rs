//! Checkouts: the wait for one, its deadlines, and its end.

mod deadlines;
mod listening;
mod returning;
mod session_reset;
mod shedding;
mod waiting;
