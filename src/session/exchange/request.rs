//! Writing requests: parse, bind, describe, execute, sync.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::error::{Error, Phase};
use crate::protocol::bind::write_bind;
use crate::protocol::session_parameters::TextSettings;
use crate::protocol::text_format;
use crate::session::statements::prepared::Prepared;
use crate::session::statements::statement::Sql;
use crate::session::statements::values::{BindValues, Unwritable};
use crate::session::transfer::result::{Column, WireFormat};

/// One parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Param<'a> {
    /// `None` is NULL.
    pub value: Option<&'a [u8]>,
    /// The format of `value`.
    pub format: WireFormat,
    /// The type, as in `pg_type`. 0 lets the server infer it, or takes the type that a prepared statement has.
    pub type_oid: u32,
}

impl<'a> Param<'a> {
    /// Returns a value in the form of a literal; its type is inferred.
    pub fn text(value: &'a str) -> Self {
        Self { value: Some(value.as_bytes()), format: WireFormat::Text, type_oid: 0 }
    }

    #[inline]
    pub(in crate::session) fn write(&self, out: &mut BytesMut) -> std::result::Result<IsNull, Unwritable> {
        match self.value {
            Some(value) => {
                out.extend_from_slice(value);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }
}

/// The format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResultFormat {
    /// Text, as the server prints each value.
    Text,
    /// The server's binary form of each value.
    Binary,
    /// Binary for the types whose binary form is simple and settled, text for all else.
    ///
    /// Binary are bool, int2, int4, int8, oid, float4, float8, bytea, uuid, date, timestamp and timestamptz; but dates and
    /// timestamps come as text unless `DateStyle` is ISO, timestamptz unless `TimeZone` is UTC, floats from servers before
    /// PostgreSQL 12: so that [`ResultBlock::text`](crate::session::ResultBlock::text) returns exactly what the server would
    /// have printed.
    Automatic,
}

/// One statement of a pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// A single statement, or one prepared before.
    pub sql: Sql<'a>,
    /// The parameters of the statement.
    pub params: &'a [Param<'a>],
    /// The format of its result.
    pub format: ResultFormat,
}

/// The types that [`ResultFormat::Automatic`] requests in binary: bool, bytea, int8, int2, int4, oid, float4, float8, date,
/// timestamp, timestamptz, uuid (OIDs of `pg_type.dat`, which never change).
const BINARY_WHEN_AUTOMATIC: [u32; 12] = [16, 17, 20, 21, 23, 26, 700, 701, 1082, 1114, 1184, 2950];

impl ResultFormat {
    /// Returns the format of a column of this type in a session with these settings.
    fn of(self, type_oid: u32, settings: TextSettings) -> WireFormat {
        match self {
            Self::Text => WireFormat::Text,
            Self::Binary => WireFormat::Binary,
            // The text of a value in automatic format must be what the server would have printed.
            Self::Automatic
                if BINARY_WHEN_AUTOMATIC.contains(&type_oid) && text_format::is_known(type_oid, settings) =>
            {
                WireFormat::Binary
            }
            Self::Automatic => WireFormat::Text,
        }
    }

    /// Returns the format for a result whose types are not known when it is requested.
    pub(in crate::session) fn unless_automatic(self) -> Self {
        if self == Self::Automatic { Self::Text } else { self }
    }

    /// Returns the columns of a statement in this format.
    pub(in crate::session) fn applied_to(self, columns: &[Column], settings: TextSettings) -> Arc<[Column]> {
        columns.iter().map(|c| Column { format: self.of(c.type_oid, settings), ..c.clone() }).collect()
    }

    /// The format codes for `Bind`: one for all columns, or one each.
    pub(in crate::session) fn codes(self, columns: &[Column], settings: TextSettings) -> Vec<i16> {
        match self {
            Self::Text => vec![0],
            Self::Binary => vec![1],
            Self::Automatic => columns.iter().map(|c| self.of(c.type_oid, settings).code()).collect(),
        }
    }
}

/// The error of a request that cannot be written: a NUL inside a text, more than 65,535 parameters, a value over 1 GB.
pub(in crate::session) fn unsendable(error: io::Error) -> Error {
    Error::misuse(format!("the request cannot be sent: {error}")).in_phase(Phase::Query)
}

pub(in crate::session) fn query(sql: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::query(sql, out).map_err(unsendable)
}

pub(in crate::session) fn parse(
    name: &str,
    text: &str,
    types: &[u32],
    out: &mut BytesMut,
) -> Result<(), Error> {
    frontend::parse(name, text, types.iter().copied(), out).map_err(unsendable)
}

/// Writes `Parse` under a name, behind a `Close` of whatever statement has that name. An empty name stands for the last unnamed
/// statement and needs none.
pub(in crate::session) fn parse_named(
    name: &str,
    text: &str,
    types: &[u32],
    out: &mut BytesMut,
) -> Result<(), Error> {
    if !name.is_empty() {
        close_statement(name, out)?;
    }
    parse(name, text, types, out)
}

pub(in crate::session) fn describe_statement(name: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::describe(b'S', name, out).map_err(unsendable)
}

pub(in crate::session) fn close_statement(name: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::close(b'S', name, out).map_err(unsendable)
}

/// Writes `Bind` of parameters as given, to the unnamed portal.
pub(in crate::session) fn bind(
    name: &str,
    params: &[Param<'_>],
    result_formats: &[i16],
    out: &mut BytesMut,
) -> Result<(), Error> {
    let format = |index: usize| params[index].format.code();
    let write = |index: usize, out: &mut BytesMut| params[index].write(out);
    written(write_bind(("", name), params.len(), format, write, result_formats, out))
}

/// Writes `Bind` of values to a described statement; an empty `portal` is the unnamed one. A statement without a name is parsed
/// before, and the portal described, since its table may have changed.
#[inline]
pub(in crate::session) fn bind_values<V: BindValues + ?Sized>(
    portal: &str,
    sql: Sql<'_>,
    statement: &Prepared,
    values: &V,
    result_formats: &[i16],
    out: &mut BytesMut,
) -> Result<(), Error> {
    if !statement.is_named() {
        parse_again(sql, statement, values, out)?;
    }
    let format = |index| values.format(statement, index);
    let write = |index, out: &mut BytesMut| values.write(statement, index, out);
    written(write_bind((portal, &statement.name), values.len(), format, write, result_formats, out))?;
    if statement.is_named() { Ok(()) } else { describe_portal(portal, out) }
}

#[cold]
fn parse_again<V: BindValues + ?Sized>(
    sql: Sql<'_>,
    statement: &Prepared,
    values: &V,
    out: &mut BytesMut,
) -> Result<(), Error> {
    if V::NEEDS_DESCRIPTION {
        parse("", sql.text(), statement.parameters(), out)
    } else {
        parse("", sql.text(), &sql.types(values), out)
    }
}

fn written(bound: std::result::Result<(), BindError>) -> Result<(), Error> {
    match bound {
        Ok(()) => Ok(()),
        Err(BindError::Serialization(e)) => Err(unsendable(e)),
        Err(BindError::Conversion(e)) => {
            let message = format!("a parameter cannot be written: {e}");
            Err(Error::misuse(message).in_phase(Phase::Query).with_source(e))
        }
    }
}

/// Writes `Execute` of the unnamed portal without a limit.
pub(in crate::session) fn execute(out: &mut BytesMut) {
    // Type, length, no name, no limit.
    out.extend_from_slice(b"E\0\0\0\x09\0\0\0\0\0");
}

/// Writes `Execute` of a portal for at most `most` rows; 0 for all.
pub(in crate::session) fn execute_portal(name: &str, most: i32, out: &mut BytesMut) -> Result<(), Error> {
    frontend::execute(name, most, out).map_err(unsendable)
}

pub(in crate::session) fn describe_portal(name: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::describe(b'P', name, out).map_err(unsendable)
}

pub(in crate::session) fn close_portal(name: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::close(b'P', name, out).map_err(unsendable)
}

/// Writes `Flush`, on which the server sends its replies. It gathers up to 8 KiB or the end of the request otherwise.
pub(in crate::session) fn flush(out: &mut BytesMut) {
    frontend::flush(out);
}

/// Writes `Parse`, `Describe` and `Bind` of an unnamed statement, which leaves nothing on the server. The format is not
/// automatic.
pub(in crate::session) fn bind_undescribed(
    sql: Sql<'_>,
    params: &[Param<'_>],
    format: ResultFormat,
    out: &mut BytesMut,
) -> Result<(), Error> {
    parse("", sql.text(), &sql.types(params), out)?;
    describe_statement("", out)?;
    bind("", params, &format.codes(&[], TextSettings::default()), out)
}

pub(in crate::session) fn sync(out: &mut BytesMut) {
    frontend::sync(out);
}
