//! Checkouts: the wait for one, its deadlines, and its end.

mod deadlines;
mod listening;
mod returning;
mod shedding;
mod waiting;
