//! What fuzzers do with the C ABI: give it any texts, call its functions in any order, read all that it gives.

mod calls;
mod reading;
mod texts;
mod world;

pub use calls::c_calls;
pub(crate) use reading::read_result;
pub use texts::c_texts;
