//! The look-up of types: one statement for any number of them and their components.
//!
//! The look-up is a single statement of the simple protocol, so that a pooler in transaction mode cannot split it. Every name
//! in it, operators included, is qualified, so that it does not depend on the `search_path`.

use std::collections::HashMap;

use postgres_types::{Field, Kind, Oid, Type};

use crate::error::{Error, ErrorKind, Phase, Result};
use crate::session::ResultBlock;

/// The first major version with `pg_range.rngmultitypid`.
const MULTIRANGES_SINCE: u8 = 14;

/// Returns the statement that looks up these types, for a server of this major version (0 if unknown). It returns a row for
/// each label of an enum and each attribute of a composite, and one for every other type.
pub(in crate::sql) fn statement(oids: &[Oid], server_major: u8) -> String {
    let list = oids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let range = if server_major >= MULTIRANGES_SINCE {
        "(r.rngtypid OPERATOR(pg_catalog.=) t.oid OR r.rngmultitypid OPERATOR(pg_catalog.=) t.oid)"
    } else {
        "r.rngtypid OPERATOR(pg_catalog.=) t.oid"
    };
    format!(
        "WITH RECURSIVE wanted(oid) AS (\
         SELECT t.oid FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) ANY ('{{{list}}}'::pg_catalog.oid[]) \
         UNION \
         SELECT part.oid FROM wanted w \
         JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) w.oid \
         LEFT JOIN pg_catalog.pg_range r ON {range} \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.typrelid \
         AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped \
         CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype), (r.rngsubtype), (a.atttypid)) part(oid) \
         WHERE part.oid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid) \
         SELECT t.oid, t.typname, n.nspname, t.typtype, t.typlen, t.typelem, t.typbasetype, r.rngsubtype, p.name, p.type \
         FROM wanted w \
         JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) w.oid \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace \
         LEFT JOIN pg_catalog.pg_range r ON {range} \
         LEFT JOIN LATERAL (\
         SELECT e.enumlabel, 0::pg_catalog.oid, e.enumsortorder::pg_catalog.float8 FROM pg_catalog.pg_enum e \
         WHERE e.enumtypid OPERATOR(pg_catalog.=) t.oid \
         UNION ALL \
         SELECT a.attname, a.atttypid, a.attnum::pg_catalog.float8 FROM pg_catalog.pg_attribute a \
         WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 \
         AND NOT a.attisdropped) p(name, type, place) ON true \
         ORDER BY t.oid, p.place"
    )
}

/// A row of `pg_type`, with its labels or attributes.
struct Found {
    name: String,
    schema: String,
    kind: u8,
    has_variable_length: bool,
    element: Oid,
    base: Oid,
    subtype: Oid,
    /// The labels of an enum, or the attributes of a composite with their types.
    parts: Vec<(String, Oid)>,
}

/// Builds the types from the answer to [`statement`].
///
/// # Errors
/// A [`Database`](ErrorKind::Database) error when a type is missing because it was dropped meanwhile.
pub(in crate::sql) fn assemble(wanted: &[Oid], answer: &ResultBlock) -> Result<Vec<Type>> {
    let found = read(answer);
    let mut made = HashMap::new();
    for oid in wanted {
        make(*oid, &found, &mut made, &mut Vec::new())?;
    }
    Ok(made.into_values().collect())
}

fn read(answer: &ResultBlock) -> HashMap<Oid, Found> {
    let mut found: HashMap<Oid, Found> = HashMap::new();
    for row in 0..answer.rows() {
        let text = |column| {
            answer
                .cell(row, column)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .unwrap_or_default()
        };
        let oid = |column: usize| text(column).parse::<Oid>().unwrap_or(0);
        let entry = found.entry(oid(0)).or_insert_with(|| Found {
            name: text(1),
            schema: text(2),
            kind: text(3).bytes().next().unwrap_or(0),
            has_variable_length: text(4) == "-1",
            element: oid(5),
            base: oid(6),
            subtype: oid(7),
            parts: Vec::new(),
        });
        if answer.cell(row, 8).is_some() {
            entry.parts.push((text(8), oid(9)));
        }
    }
    found
}

/// Builds a type after its components. `within` lists those being built: on a server no type contains itself, but a hostile
/// answer must not overflow the stack.
fn make(
    oid: Oid,
    found: &HashMap<Oid, Found>,
    made: &mut HashMap<Oid, Type>,
    within: &mut Vec<Oid>,
) -> Result<Type> {
    if let Some(known) = Type::from_oid(oid).or_else(|| made.get(&oid).cloned()) {
        return Ok(known);
    }
    let row = found.get(&oid).filter(|_| !within.contains(&oid)).ok_or_else(|| unknown(oid))?;
    within.push(oid);
    let mut part = |oid| make(oid, found, made, within);
    let kind = match row.kind {
        b'e' => Kind::Enum(row.parts.iter().map(|(label, _)| label.clone()).collect()),
        b'p' => Kind::Pseudo,
        b'd' => Kind::Domain(part(row.base)?),
        b'r' => Kind::Range(part(row.subtype)?),
        b'm' => Kind::Multirange(part(row.subtype)?),
        b'c' => {
            let fields = row.parts.iter().map(|(name, oid)| Ok(Field::new(name.clone(), part(*oid)?)));
            Kind::Composite(fields.collect::<Result<_>>()?)
        }
        // Types of a fixed length that can be subscripted, as `point`, have elements and are no arrays.
        _ if row.element != 0 && row.has_variable_length => Kind::Array(part(row.element)?),
        _ => Kind::Simple,
    };
    within.pop();
    let made_now = Type::new(row.name.clone(), oid, kind, row.schema.clone());
    made.insert(oid, made_now.clone());
    Ok(made_now)
}

fn unknown(oid: Oid) -> Error {
    let message = format!(
        "the type with OID {oid} is not in pg_type: it was dropped since the statement was described"
    );
    Error::new(ErrorKind::Database, message).in_phase(Phase::Query)
}
