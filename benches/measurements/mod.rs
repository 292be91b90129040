//! What is measured. Each makes its subjects, lets them take turns, and names the targets.

pub mod capi;
pub mod first_row;
pub mod footprint;
pub mod free_get;
pub mod instructions;
pub mod opening;
pub mod point_query;
pub mod raw_session;
pub mod rows;
pub mod scarcity;

use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::options::Options;

/// Where and how to measure.
pub struct Bench<'a> {
    pub server: &'a EmbeddedPostgres,
    pub url: String,
    pub options: &'a Options,
}
