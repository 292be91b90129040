//! The gauges as structs of C have them: filled from the table in `src/error/snapshot.rs`.

use super::error::limited_by;
use crate::error::LimitedBy;

/// A row of the macro [`gauges`](crate::error::gauges): sets every gauge of a C struct.
macro_rules! fill_gauges {
    ($to:ident; $from:ident; $($(#[$doc:meta])* $gauge:ident: $Type:ty,)+) => {
        $($to.$gauge = $crate::ffi::capi::library::gauges::InC::in_c($from.$gauge);)+
    };
}
pub(in crate::ffi::capi) use fill_gauges;

/// A gauge as C has it.
pub(in crate::ffi::capi) trait InC {
    type C;

    fn in_c(self) -> Self::C;
}

impl InC for u32 {
    type C = u32;

    fn in_c(self) -> u32 {
        self
    }
}

/// 0 stands for a gauge that is not known.
impl InC for Option<u32> {
    type C = u32;

    fn in_c(self) -> u32 {
        self.unwrap_or(0)
    }
}

impl InC for Option<LimitedBy> {
    type C = i32;

    fn in_c(self) -> i32 {
        limited_by(self)
    }
}
