//! Converts parameters to the format of the result.

use super::datetime;
use super::wire::Refusal;
use crate::protocol::session_parameters::TextSettings;
use crate::protocol::text_format;
use crate::session::oid::{
    BOOL, BPCHAR, BYTEA, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, JSON, NAME, OID, TEXT as TEXT_OID,
    TIMESTAMP, TIMESTAMPTZ, UNKNOWN, UUID, VARCHAR, XML,
};

/// The format codes of the protocol.
pub(super) const TEXT: u16 = 0;
pub(super) const BINARY: u16 = 1;

/// The major version that this server reports.
pub(super) const MAJOR_VERSION: u8 = 17;

/// Converts a value of a type from one format to another.
pub(super) fn convert(type_oid: u32, value: &[u8], from: u16, to: u16) -> Result<Vec<u8>, Refusal> {
    if from == TEXT && str::from_utf8(value).is_err() {
        return Err(Refusal::error("22021", "invalid byte sequence for encoding \"UTF8\""));
    }
    match (from, to) {
        _ if from == to => Ok(value.to_vec()),
        (BINARY, _) => print(type_oid, value),
        _ => read(type_oid, str::from_utf8(value).unwrap_or_default()),
    }
}

fn print(type_oid: u32, value: &[u8]) -> Result<Vec<u8>, Refusal> {
    let settings = TextSettings::ordinary(MAJOR_VERSION);
    if !text_format::is_known(type_oid, settings) {
        return Err(unknown(type_oid));
    }
    if let Some(text) = text_format::within(type_oid, value) {
        return Ok(text.to_vec());
    }
    let mut text = String::new();
    match text_format::write(type_oid, value, settings, &mut text) {
        Some(()) => Ok(text.into_bytes()),
        None => Err(Refusal::error("22P03", format!("incorrect binary data for type {type_oid}"))),
    }
}

fn read(type_oid: u32, text: &str) -> Result<Vec<u8>, Refusal> {
    let trimmed = text.trim();
    let (name, value) = match type_oid {
        TEXT_OID | VARCHAR | BPCHAR | NAME | UNKNOWN | JSON | XML => return Ok(text.into()),
        BOOL => ("boolean", bool(trimmed).map(|b| vec![u8::from(b)])),
        INT2 => ("smallint", trimmed.parse().ok().map(|n: i16| n.to_be_bytes().into())),
        INT4 => ("integer", trimmed.parse().ok().map(|n: i32| n.to_be_bytes().into())),
        INT8 => ("bigint", trimmed.parse().ok().map(|n: i64| n.to_be_bytes().into())),
        OID => ("oid", trimmed.parse().ok().map(|n: u32| n.to_be_bytes().into())),
        FLOAT4 => ("real", trimmed.parse().ok().map(|n: f32| n.to_be_bytes().into())),
        FLOAT8 => ("double precision", trimmed.parse().ok().map(|n: f64| n.to_be_bytes().into())),
        BYTEA => ("bytea", text.strip_prefix("\\x").and_then(hex)),
        UUID => ("uuid", hex(&trimmed.replace('-', "")).filter(|bytes| bytes.len() == 16)),
        DATE => ("date", datetime::date(trimmed).map(|days| days.to_be_bytes().into())),
        TIMESTAMP => ("timestamp", datetime::timestamp(trimmed, false).map(|us| us.to_be_bytes().into())),
        TIMESTAMPTZ => {
            let micros = datetime::timestamp(trimmed, true);
            ("timestamp with time zone", micros.map(|us| us.to_be_bytes().into()))
        }
        _ => return Err(unknown(type_oid)),
    };
    value.ok_or_else(|| Refusal::error("22P02", format!("invalid input syntax for type {name}: \"{text}\"")))
}

fn unknown(type_oid: u32) -> Refusal {
    let message = format!("echo cannot tell text and binary form of type {type_oid} from each other");
    Refusal::error("0A000", message)
}

fn bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, left) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
    if left.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_values_are_read_back() {
        let mut random = fastrand::Rng::with_seed(20_261_123);
        for type_oid in
            [BOOL, INT2, INT4, INT8, OID, FLOAT4, FLOAT8, BYTEA, UUID, DATE, TIMESTAMP, TIMESTAMPTZ]
        {
            for _ in 0..5_000 {
                let number = random.i64(..) >> random.u32(..64);
                // Within the server's calendar.
                let value = match type_oid {
                    BOOL => vec![u8::from(number < 0)],
                    INT2 => (number as i16).to_be_bytes().into(),
                    INT4 | OID => (number as i32).to_be_bytes().into(),
                    FLOAT4 => (number as f32 / 7.0).to_be_bytes().into(),
                    FLOAT8 => (number as f64 / 7.0).to_be_bytes().into(),
                    DATE => (number.clamp(-2_451_545, 2_145_031_948) as i32).to_be_bytes().into(),
                    TIMESTAMP | TIMESTAMPTZ => {
                        number.clamp(-211_813_488_000_000_000, 9_223_371_331_199_999_999).to_be_bytes().into()
                    }
                    UUID => u128::from(number as u64).to_be_bytes().into(),
                    _ => number.to_be_bytes().to_vec(),
                };
                let text = convert(type_oid, &value, BINARY, TEXT).unwrap();
                let shown = String::from_utf8_lossy(&text);
                assert_eq!(convert(type_oid, &text, TEXT, BINARY).unwrap(), value, "{type_oid} {shown}");
            }
        }
    }

    #[test]
    fn invalid_values_are_refused() {
        for (type_oid, text, code) in [
            (INT4, "seven", "22P02"),
            (INT2, "32768", "22P02"),
            (BOOL, "maybe", "22P02"),
            (BYTEA, "\\x0", "22P02"),
            (UUID, "6f2d1a3e", "22P02"),
            (DATE, "2026-02-30", "22P02"),
            (1700, "1.5", "0A000"),
        ] {
            let refusal = convert(type_oid, text.as_bytes(), TEXT, BINARY).unwrap_err();
            assert_eq!(refusal.code, code, "{text}");
        }
        assert_eq!(convert(INT4, &[0; 3], BINARY, TEXT).unwrap_err().code, "22P03");
        assert_eq!(convert(TEXT_OID, b"\xff", TEXT, TEXT).unwrap_err().code, "22021");
        assert_eq!(convert(600, &[0; 16], BINARY, TEXT).unwrap_err().code, "0A000");
        assert_eq!(convert(1700, b"1.5", TEXT, TEXT).unwrap(), b"1.5");
    }
}
