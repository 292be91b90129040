//! Values that show that a type of the user's own was altered after it was looked up.

use postgres_types::{Kind, Type};

/// Returns whether a value in binary format cannot be of the type as it is known: a label that an enum had not, or other
/// attributes of a composite. A value that is not valid in any version of the type shows nothing.
pub(in crate::sql) fn is_outdated(type_: &Type, value: &[u8]) -> bool {
    match type_.kind() {
        Kind::Enum(labels) => !labels.iter().any(|label| label.as_bytes() == value),
        Kind::Domain(base) => is_outdated(base, value),
        Kind::Array(element) if Type::from_oid(element.oid()).is_none() => {
            array_is_outdated(element, value).unwrap_or(false)
        }
        Kind::Composite(fields) => {
            let types: Vec<&Type> = fields.iter().map(|field| field.type_()).collect();
            record_is_outdated(&types, value).unwrap_or(false)
        }
        _ => false,
    }
}

/// An array: dimensions, a flag, the type of the elements, length and lower bound of each dimension, elements.
fn array_is_outdated(element: &Type, value: &[u8]) -> Option<bool> {
    let mut rest = value;
    let dimensions = usize::try_from(take_number(&mut rest)?).ok()?;
    take_number(&mut rest)?;
    take_number(&mut rest)?;
    rest = rest.get(dimensions.checked_mul(8)?..)?;
    while !rest.is_empty() {
        if take_value(&mut rest)?.is_some_and(|value| is_outdated(element, value)) {
            return Some(true);
        }
    }
    Some(false)
}

/// A record: the number of attributes, and for each its type and value.
fn record_is_outdated(types: &[&Type], value: &[u8]) -> Option<bool> {
    let mut rest = value;
    if usize::try_from(take_number(&mut rest)?) != Ok(types.len()) {
        return Some(true);
    }
    for type_ in types {
        if take_number(&mut rest)?.cast_unsigned() != type_.oid()
            || take_value(&mut rest)?.is_some_and(|value| is_outdated(type_, value))
        {
            return Some(true);
        }
    }
    Some(false)
}

fn take_number(rest: &mut &[u8]) -> Option<i32> {
    let (number, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(i32::from_be_bytes(*number))
}

/// Takes a length and as many bytes; `Some(None)` is NULL.
fn take_value<'v>(rest: &mut &'v [u8]) -> Option<Option<&'v [u8]>> {
    let Ok(length) = usize::try_from(take_number(rest)?) else { return Some(None) };
    let (value, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(Some(value))
}

#[cfg(test)]
mod tests {
    use postgres_types::Field;

    use super::*;

    fn own(oid: u32, kind: Kind) -> Type {
        Type::new("own".into(), oid, kind, "public".into())
    }

    fn mood() -> Type {
        own(70_000, Kind::Enum(vec!["sad".into(), "happy".into()]))
    }

    fn numbers(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    #[test]
    fn a_label_that_is_not_known_shows_an_altered_enum_wherever_it_stands() {
        let array = own(70_001, Kind::Array(mood()));
        let domain = own(70_002, Kind::Domain(mood()));
        let pair = own(70_003, Kind::Composite(vec![Field::new("m".into(), mood())]));
        for (label, outdated) in [(&b"happy"[..], false), (b"angry", true)] {
            let length = label.len() as i32;
            assert_eq!(is_outdated(&mood(), label), outdated);
            assert_eq!(is_outdated(&domain, label), outdated);
            let elements = [numbers(&[1, 1, 70_000, 2, 1, -1, length]), label.to_vec()].concat();
            assert_eq!(is_outdated(&array, &elements), outdated);
            let attributes = [numbers(&[1, 70_000, length]), label.to_vec()].concat();
            assert_eq!(is_outdated(&pair, &attributes), outdated);
        }
    }

    #[test]
    fn another_number_or_type_of_attributes_shows_an_altered_composite() {
        let pair = own(70_003, Kind::Composite(vec![Field::new("a".into(), Type::INT4)]));
        assert!(!is_outdated(&pair, &numbers(&[1, 23, 4, 7])));
        assert!(!is_outdated(&pair, &numbers(&[1, 23, -1])));
        assert!(is_outdated(&pair, &numbers(&[1, 25, 4, 7])));
        assert!(is_outdated(&pair, &numbers(&[2, 23, 4, 7, 23, 4, 7])));
    }

    #[test]
    fn bytes_that_are_no_value_show_nothing() {
        let array = own(70_001, Kind::Array(mood()));
        let pair = own(70_003, Kind::Composite(vec![Field::new("m".into(), mood())]));
        for bytes in [&b""[..], b"\0\0", &numbers(&[1, 70_000, 100]), &numbers(&[i32::MAX, 0, 0])] {
            assert!(!is_outdated(&array, bytes) && !is_outdated(&pair, &bytes[..bytes.len().min(3)]));
        }
    }
}
