//! PostgreSQL's messages as bytes: `Bind`, framing, parameter reports, fatal messages, command tags, text formats. No I/O.

pub(crate) mod bind;
pub(crate) mod command_tag;
pub(crate) mod fatal_message;
pub(crate) mod framing;
pub(crate) mod session_parameters;
pub(crate) mod text_format;
