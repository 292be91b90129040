//! The text of binary values, exactly as the server prints it.
//!
//! For most types the text depends on the value alone, for some also on the session's settings: see [`is_known`]. The forms
//! are those of PostgreSQL's output functions, which each part names, and are compared with the server's own output in
//! `tests/raw/text_form.rs`.

mod addresses;
mod bits;
mod date;
mod float;
mod interval;
mod number;

use std::fmt::Write as _;

pub(crate) use float::float4_as_printed;

use super::session_parameters::TextSettings;

/// The OIDs of `pg_type.dat`, which never change.
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const CHAR: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const XID: u32 = 28;
    pub(crate) const CID: u32 = 29;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const XML: u32 = 142;
    pub(crate) const CIDR: u32 = 650;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const UNKNOWN: u32 = 705;
    pub(crate) const MACADDR8: u32 = 774;
    pub(crate) const MACADDR: u32 = 829;
    pub(crate) const INET: u32 = 869;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const BIT: u32 = 1560;
    pub(crate) const VARBIT: u32 = 1562;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const REFCURSOR: u32 = 1790;
    pub(crate) const CSTRING: u32 = 2275;
    pub(crate) const UUID: u32 = 2950;
    pub(crate) const JSONB: u32 = 3802;
    pub(crate) const JSONPATH: u32 = 4072;
    pub(crate) const XID8: u32 = 5069;
}

use oid::*;

/// Returns whether the server's text of a type's binary values is known, in a session with these settings.
pub(crate) fn is_known(type_oid: u32, settings: TextSettings) -> bool {
    match type_oid {
        BOOL | BYTEA | CHAR | INT8 | INT2 | INT4 | OID | XID | CID | XID8 | NUMERIC | UUID => true,
        JSONB | JSONPATH | CIDR | INET | MACADDR | MACADDR8 | BIT | VARBIT | TIME | TIMETZ => true,
        FLOAT4 | FLOAT8 => settings.has_shortest_floats(),
        DATE | TIMESTAMP => settings.has_iso_dates(),
        TIMESTAMPTZ => settings.has_iso_dates() && settings.is_in_utc(),
        INTERVAL => settings.has_postgres_intervals(),
        _ => is_text(type_oid),
    }
}

/// Returns whether a type's binary form is its text.
fn is_text(type_oid: u32) -> bool {
    matches!(type_oid, NAME | TEXT | JSON | XML | UNKNOWN | BPCHAR | VARCHAR | REFCURSOR | CSTRING)
}

/// Returns the text of a binary value that contains it unchanged.
pub(crate) fn within(type_oid: u32, bytes: &[u8]) -> Option<&[u8]> {
    match (type_oid, bytes) {
        // `char_out`: a zero byte is the empty text.
        (CHAR, [0] | []) => bytes.get(..0),
        (CHAR, [1..0x80]) => Some(bytes),
        (JSONB | JSONPATH, [1, text @ ..]) => Some(text),
        _ if is_text(type_oid) => Some(bytes),
        _ => None,
    }
}

/// Appends the text of a binary value that is not [`within`] it. `None` when the text is unknown, or when the bytes are no
/// value of the type; the appended text is then invalid.
pub(crate) fn write(type_oid: u32, bytes: &[u8], settings: TextSettings, out: &mut String) -> Option<()> {
    if !is_known(type_oid, settings) {
        return None;
    }
    match type_oid {
        BOOL => out.push(if bit(bytes)? { 't' } else { 'f' }),
        INT2 => number::write(i16::from_be_bytes(bytes.try_into().ok()?).into(), out),
        INT4 => number::write(i32::from_be_bytes(bytes.try_into().ok()?).into(), out),
        INT8 => number::write(i64::from_be_bytes(bytes.try_into().ok()?), out),
        OID | XID | CID => number::write(u32::from_be_bytes(bytes.try_into().ok()?).into(), out),
        XID8 => write!(out, "{}", u64::from_be_bytes(bytes.try_into().ok()?)).ok()?,
        FLOAT4 => float::write4(f32::from_be_bytes(bytes.try_into().ok()?), out),
        FLOAT8 => float::write8(f64::from_be_bytes(bytes.try_into().ok()?), out),
        NUMERIC => number::write_numeric(bytes, out)?,
        CHAR => bits::write_high_char(bytes, settings, out)?,
        BYTEA => bits::write_bytea(bytes, out),
        UUID => bits::write_uuid(bytes, out)?,
        BIT | VARBIT => bits::write_bits(bytes, out)?,
        INET | CIDR => addresses::write_inet(bytes, out)?,
        MACADDR | MACADDR8 => addresses::write_mac(bytes, out)?,
        DATE => date::write_date(i32::from_be_bytes(bytes.try_into().ok()?), out)?,
        TIME => date::write_time(i64::from_be_bytes(bytes.try_into().ok()?), out)?,
        TIMETZ => date::write_timetz(bytes, out)?,
        TIMESTAMP => date::write_timestamp(i64::from_be_bytes(bytes.try_into().ok()?), "", out)?,
        TIMESTAMPTZ => date::write_timestamp(i64::from_be_bytes(bytes.try_into().ok()?), "+00", out)?,
        INTERVAL => interval::write(bytes, settings, out)?,
        _ => return None,
    }
    Some(())
}

fn bit(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_make_a_form_panic() {
        let settings = TextSettings::ordinary(17);
        let mut random = fastrand::Rng::with_seed(20_261_123);
        let known: Vec<u32> = (1..6_000).filter(|oid| is_known(*oid, settings)).collect();
        assert_eq!(known.len(), 37);
        for type_oid in known {
            for _ in 0..20_000 {
                let mut bytes: Vec<u8> = (0..random.usize(..26)).map(|_| random.u8(..)).collect();
                if random.bool() {
                    // Small numbers are plausible counts and lengths.
                    bytes.iter_mut().for_each(|b| *b &= 3);
                }
                let mut text = String::new();
                let _ = (within(type_oid, &bytes), write(type_oid, &bytes, settings, &mut text));
            }
        }
    }

    #[test]
    fn a_value_of_the_wrong_length_has_no_text() {
        let settings = TextSettings::ordinary(15);
        for type_oid in
            [BOOL, INT2, INT4, INT8, OID, FLOAT4, FLOAT8, DATE, TIMESTAMP, UUID, INTERVAL, NUMERIC]
        {
            for bytes in [&[][..], &[0; 3], &[0; 17]] {
                assert_eq!(
                    write(type_oid, bytes, settings, &mut String::new()),
                    None,
                    "{type_oid} {bytes:?}"
                );
            }
        }
    }
}
