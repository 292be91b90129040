//! Requests in bytes: parse, bind, describe, execute, sync.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use super::block::{Column, WireFormat};
use crate::error::{Error, Phase};

/// One parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Param<'a> {
    /// `None` is NULL.
    pub value: Option<&'a [u8]>,
    /// How `value` is written.
    pub format: WireFormat,
    /// 0 lets the server infer the type.
    pub type_oid: u32,
}

impl<'a> Param<'a> {
    /// A value as the server reads it from a literal; its type is inferred.
    pub fn text(value: &'a str) -> Self {
        Self { value: Some(value.as_bytes()), format: WireFormat::Text, type_oid: 0 }
    }
}

/// How a result is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultFormat {
    /// Every value as the server prints it.
    Text,
    /// Every value in the server's binary form.
    Binary,
    /// Binary for the types whose binary form is simple and settled, text for all else.
    Automatic,
}

/// One statement of a pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// A single statement.
    pub sql: &'a str,
    /// Its parameters.
    pub params: &'a [Param<'a>],
    /// How its result is wanted.
    pub format: ResultFormat,
}

/// Types for which [`ResultFormat::Automatic`] asks for binary: bool, bytea, int8, int2, int4, oid, float4, float8,
/// date, timestamp, timestamptz, uuid (OIDs of `pg_type.dat`, which never change).
const BINARY_WHEN_AUTOMATIC: [u32; 12] = [16, 17, 20, 21, 23, 26, 700, 701, 1082, 1114, 1184, 2950];

impl ResultFormat {
    /// The format of a column of this type.
    pub(super) fn of(self, type_oid: u32) -> WireFormat {
        match self {
            Self::Text => WireFormat::Text,
            Self::Binary => WireFormat::Binary,
            Self::Automatic if BINARY_WHEN_AUTOMATIC.contains(&type_oid) => WireFormat::Binary,
            Self::Automatic => WireFormat::Text,
        }
    }

    /// The columns of a statement as they come in this format.
    pub(super) fn applied_to(self, columns: &[Column]) -> Arc<[Column]> {
        columns.iter().map(|c| Column { format: self.of(c.type_oid), ..c.clone() }).collect()
    }

    /// The format codes of a `Bind`: one for all columns, or one each.
    pub(super) fn codes(self, columns: &[Column]) -> Vec<i16> {
        match self {
            Self::Text => vec![0],
            Self::Binary => vec![1],
            Self::Automatic => columns.iter().map(|c| self.of(c.type_oid).code()).collect(),
        }
    }
}

/// What keeps a request from being written down: a NUL inside a text, more than 65,535 parameters, a value over 1 GB.
fn unsendable(error: io::Error) -> Error {
    Error::misuse(format!("the request cannot be sent: {error}")).in_phase(Phase::Query)
}

pub(super) fn query(sql: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::query(sql, out).map_err(unsendable)
}

pub(super) fn parse(name: &str, sql: &str, params: &[Param<'_>], out: &mut BytesMut) -> Result<(), Error> {
    frontend::parse(name, sql, params.iter().map(|p| p.type_oid), out).map_err(unsendable)
}

pub(super) fn describe_statement(name: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::describe(b'S', name, out).map_err(unsendable)
}

pub(super) fn close_statement(name: &str, out: &mut BytesMut) -> Result<(), Error> {
    frontend::close(b'S', name, out).map_err(unsendable)
}

/// `Bind` to the unnamed portal, then `Execute` without a limit.
pub(super) fn bind_and_execute(
    name: &str,
    params: &[Param<'_>],
    result_formats: &[i16],
    out: &mut BytesMut,
) -> Result<(), Error> {
    let formats = params.iter().map(|p| p.format.code());
    let bound = frontend::bind(
        "",
        name,
        formats,
        params.iter(),
        |param, buffer| match param.value {
            Some(value) => {
                buffer.extend_from_slice(value);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        },
        result_formats.iter().copied(),
        out,
    );
    match bound {
        Ok(()) => frontend::execute("", 0, out).map_err(unsendable),
        Err(BindError::Serialization(e)) => Err(unsendable(e)),
        Err(BindError::Conversion(e)) => Err(Error::misuse(e.to_string()).in_phase(Phase::Query)),
    }
}

pub(super) fn sync(out: &mut BytesMut) {
    frontend::sync(out);
}
