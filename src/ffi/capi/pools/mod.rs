//! Pools: their options and configurations, what they tell a program, what a program may ask of them.

pub(super) mod config;
pub(super) mod echo;
pub(super) mod event;
pub(super) mod log;
pub(super) mod observe;
pub(super) mod option;
pub(super) mod password;
pub(super) mod pool;
pub(super) mod serve;
pub(super) mod silence;
pub(super) mod stats;
