//! Writes `Bind`, which every statement with parameters begins with. (PostgreSQL documentation, "Message Formats".)
//!
//! `postgres_protocol` writes the same bytes, checked by a test below. It searches both names for a NUL each time and grows the
//! buffer field by field, which costs as much as receiving the result of a point query.

use std::error::Error as StdError;
use std::io;

use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::BindError;

/// The bytes around names and values: type, length, two terminators, three counts.
const FIXED_BYTES: usize = 1 + 4 + 2 + 3 * 2;
/// A guess at the bytes of one parameter: its format, its length, and a small value.
const BYTES_PER_PARAMETER: usize = 2 + 4 + 16;

/// Appends `Bind` of `values` to a statement. Portal and statement are names without a NUL: Holdfast made them, or `Parse` and
/// `Describe`, which were sent before, have refused others. `write` appends the value of an index, without its length.
///
/// # Errors
/// More than 65,535 values or formats; a value or message longer than 2 GiB; what `write` returns. The buffer then holds a part
/// of the message.
#[inline]
pub(crate) fn write_bind(
    (portal, statement): (&str, &str),
    count: usize,
    format: impl Fn(usize) -> i16,
    mut write: impl FnMut(usize, &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>>,
    result_formats: &[i16],
    out: &mut BytesMut,
) -> Result<(), BindError> {
    debug_assert!(!portal.contains('\0') && !statement.contains('\0'), "a name with a NUL");
    let start = out.len();
    let values = u16::try_from(count).map_err(|_| too_large())?;
    let codes = u16::try_from(result_formats.len()).map_err(|_| too_large())?;
    out.reserve(
        FIXED_BYTES
            + portal.len()
            + statement.len()
            + count * BYTES_PER_PARAMETER
            + size_of_val(result_formats),
    );
    out.extend_from_slice(b"B\0\0\0\0");
    for name in [portal, statement] {
        out.extend_from_slice(name.as_bytes());
        out.put_u8(0);
    }
    out.put_u16(values);
    for index in 0..count {
        out.put_i16(format(index));
    }
    out.put_u16(values);
    for index in 0..count {
        let length_at = out.len();
        out.put_i32(-1);
        if let IsNull::No = write(index, out)? {
            set_length(out, length_at, out.len() - length_at - 4)?;
        }
    }
    out.put_u16(codes);
    for code in result_formats {
        out.put_i16(*code);
    }
    set_length(out, start + 1, out.len() - start - 1)
}

#[inline]
fn set_length(out: &mut BytesMut, at: usize, length: usize) -> Result<(), BindError> {
    let length = i32::try_from(length).map_err(|_| too_large())?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cold]
fn too_large() -> BindError {
    BindError::Serialization(io::Error::new(io::ErrorKind::InvalidInput, "value too large to transmit"))
}

#[cfg(test)]
mod tests {
    use postgres_protocol::message::frontend;

    use super::*;

    fn write(value: Option<&[u8]>, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match value {
            Some(b"refused") => Err("refused".into()),
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn ours(names: (&str, &str), values: &[Option<&[u8]>], codes: &[i16]) -> Result<BytesMut, BindError> {
        let mut out = BytesMut::from(&b"before"[..]);
        let format = |index| index as i16 % 2;
        write_bind(names, values.len(), format, |i, out| write(values[i], out), codes, &mut out)?;
        Ok(out)
    }

    #[test]
    fn bind_is_written_as_postgres_protocol_writes_it() {
        let long = vec![7; 100_000];
        let many = vec![Some(&b"x"[..]); usize::from(u16::MAX)];
        for (names, values, codes) in [
            (("", ""), &[][..], &[][..]),
            (("", "hf_0123456789abcdef"), &[Some(&b"\0\0\0\x05"[..])], &[1]),
            (("p1", "s"), &[None, Some(&b""[..]), Some(&long)], &[0, 1, 1]),
            (("", "s"), &many, &[1]),
        ] {
            let mut theirs = BytesMut::from(&b"before"[..]);
            let formats = (0..values.len()).map(|index| index as i16 % 2);
            let codes_given = codes.iter().copied();
            let (portal, statement) = names;
            let written = frontend::bind(
                portal,
                statement,
                formats,
                values,
                |v, out| write(*v, out),
                codes_given,
                &mut theirs,
            );
            assert!(written.is_ok());
            assert!(ours(names, values, codes).is_ok_and(|ours| ours == theirs), "{names:?}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_written_and_too_many_values_are_refused() {
        let refused = ours(("", "s"), &[Some(b"1"), Some(b"refused")], &[1]);
        assert!(matches!(refused, Err(BindError::Conversion(e)) if e.to_string() == "refused"));
        let many = vec![None; usize::from(u16::MAX) + 1];
        assert!(matches!(ours(("", "s"), &many, &[1]), Err(BindError::Serialization(_))));
    }
}
