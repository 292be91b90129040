//! The fuzzers' use of the C ABI: any texts, functions in any order, and reading all results.

mod calls;
mod reading;
mod texts;
mod world;

pub use calls::c_calls;
pub(crate) use reading::read_result;
pub use texts::c_texts;
