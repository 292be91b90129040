//! Enums whose values have a stable name: one row declares a value with its documentation and its name.

/// Declares an enum with `ALL` and `name`. A value with a number keeps it for ever: it is part of the C ABI.
macro_rules! named_enum {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident { $($(#[$doc:meta])* $Value:ident $(= $number:literal)? $name:literal,)+ }
    ) => {
        $(#[$meta])*
        pub enum $Enum { $($(#[$doc])* $Value $(= $number)?,)+ }

        impl $Enum {
            /// Every value, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$Value),+];

            /// Returns its stable name in snake case.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Value => $name,)+ }
            }

            /// Returns its name with a NUL, as C needs it.
            #[cfg(feature = "capi")]
            #[allow(dead_code, reason = "not every such enum has a function for its names in C")]
            pub(crate) fn name_with_nul(self) -> &'static str {
                match self { $(Self::$Value => concat!($name, "\0"),)+ }
            }

            /// Returns the name with a NUL of the value with this number, "unknown" for one that there is not.
            #[cfg(feature = "capi")]
            #[allow(dead_code, reason = "not every such enum has a function for its names in C")]
            pub(crate) fn name_of_number(number: i32) -> &'static str {
                let known = Self::ALL.iter().find(|known| **known as i32 == number);
                known.map_or("unknown\0", |known| known.name_with_nul())
            }
        }
    };
}
pub(crate) use named_enum;
