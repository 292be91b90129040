//! COPY in both directions, as `std::io` writer and reader.

pub(super) mod copy_in;
pub(super) mod copy_out;
