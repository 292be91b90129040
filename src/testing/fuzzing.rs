//! Entry points for fuzzers. Each takes arbitrary bytes, interprets them as calls of the library, and panics when an invariant
//! does not hold. They are modules of the rooms they exercise, and their files are in `fuzz/drivers`; `fuzz/targets` has a
//! program for each, and `make fuzz` runs them.

#[path = "../../fuzz/drivers/exposition/mod.rs"]
mod exposition;

pub use crate::connect::fuzzing::startup;
pub use crate::ffi::fuzzing::{c_calls, c_texts};
pub use crate::link::fuzzing::cancel;
pub use crate::pool::fuzzing::own_questions;
pub use crate::session::fuzzing::{binary_values, hostile_server};
pub use exposition::{http, rendering};

/// A reader of an input, piece by piece. An input that is used up yields zeros, so that every input is valid.
pub(crate) struct Draws<'a>(&'a [u8]);

impl<'a> Draws<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Draws one of `choices`.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Draws up to this many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Draws a length and that many bytes.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.bytes(length)
    }

    /// Takes the rest of the input.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
