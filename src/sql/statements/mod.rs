//! Statements: texts or prepared ones, their typed parameters and description, and running them.

pub(super) mod describe;
pub(super) mod described;
pub(super) mod params;
pub(super) mod run;
pub(super) mod statement;
pub(super) mod to_statement;
pub(super) mod values;
