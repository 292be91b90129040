//! Parameter types without asking the server, for `statement_cache=0`.
//!
//! A pooler in transaction mode may give every request another server connection, so a statement cannot be described
//! in one request and run in the next. Parse, bind and execute then travel as one, which needs the types beforehand:
//! each value is asked which of the common types it encodes as.

use bytes::BytesMut;
use postgres_types::Type;

use super::params::Parameters;
use crate::error::{Error, Phase, Result};

/// Tried in this order; the first that accepts the value is its type. A Rust type that fits several (texts, JSON) gets
/// the one PostgreSQL itself prefers.
const CANDIDATES: [Type; 37] = [
    Type::TEXT,
    Type::INT4,
    Type::INT8,
    Type::BOOL,
    Type::FLOAT8,
    Type::INT2,
    Type::FLOAT4,
    Type::BYTEA,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMP,
    Type::DATE,
    Type::TIME,
    Type::UUID,
    Type::JSONB,
    Type::JSON,
    Type::NUMERIC,
    Type::INET,
    Type::CIDR,
    Type::MACADDR,
    Type::OID,
    Type::CHAR,
    Type::INTERVAL,
    Type::POINT,
    Type::BOX,
    Type::PATH,
    Type::VARBIT,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::INT8_ARRAY,
    Type::BOOL_ARRAY,
    Type::FLOAT8_ARRAY,
    Type::INT2_ARRAY,
    Type::FLOAT4_ARRAY,
    Type::BYTEA_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::UUID_ARRAY,
    Type::JSONB_ARRAY,
];

pub(super) fn guess(params: &dyn Parameters) -> Result<Vec<Type>> {
    let mut scratch = BytesMut::new();
    let of = |index: usize| {
        let accepts = |candidate: &&Type| {
            scratch.clear();
            params.value(index).to_sql_checked(candidate, &mut scratch).is_ok()
        };
        CANDIDATES.iter().find(accepts).cloned().ok_or_else(|| unknown(index + 1))
    };
    (0..params.count()).map(of).collect()
}

fn unknown(position: usize) -> Error {
    Error::misuse(format!(
        "with statement_cache=0 the type of parameter ${position} must be known beforehand, and its Rust type is none of the common ones: use query_typed on a connection from get(), or send it as text and cast it in SQL"
    ))
    .in_phase(Phase::Query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Params;

    #[test]
    fn common_rust_values_get_the_type_the_server_would_infer() {
        let params: Params<'_> = &[&1i32, &2i64, &"text", &true, &1.5f64, &Option::<&str>::None];
        let types = guess(&params).expect("all common");
        assert_eq!(types, [Type::INT4, Type::INT8, Type::TEXT, Type::BOOL, Type::FLOAT8, Type::TEXT]);
    }
}
