//! The text and parameters of a request, copied into one allocation.

use std::mem::size_of;

use crate::session::{Param, WireFormat};

/// A text and its parameters. First a head of fixed size for each parameter, then the text, then the values.
pub(crate) struct Input {
    bytes: Box<[u8]>,
    text_length: usize,
    params: usize,
}

/// Size of a parameter's head: the end of its value, its type, and a flag.
const HEAD_BYTES: usize = size_of::<u64>() + 2 * size_of::<u32>();

const TEXT: u32 = 0;
const BINARY: u32 = 1;
const NULL: u32 = 2;

/// Up to this many parameters are read without an allocation.
const PARAMS_ON_STACK: usize = 8;

const NO_PARAM: Param<'static> = Param { value: None, format: WireFormat::Text, type_oid: 0 };

impl Input {
    pub(crate) fn new(text: &str, params: &[Param<'_>]) -> Self {
        let values: usize = params.iter().filter_map(|p| p.value).map(<[u8]>::len).sum();
        let mut bytes = Vec::with_capacity(params.len() * HEAD_BYTES + text.len() + values);
        let mut end = params.len() * HEAD_BYTES + text.len();
        for param in params {
            end += param.value.map_or(0, <[u8]>::len);
            let flag = match (param.value, param.format) {
                (None, _) => NULL,
                (_, WireFormat::Text) => TEXT,
                (_, WireFormat::Binary) => BINARY,
            };
            bytes.extend_from_slice(&(end as u64).to_ne_bytes());
            bytes.extend_from_slice(&param.type_oid.to_ne_bytes());
            bytes.extend_from_slice(&flag.to_ne_bytes());
        }
        bytes.extend_from_slice(text.as_bytes());
        for value in params.iter().filter_map(|p| p.value) {
            bytes.extend_from_slice(value);
        }
        Self { bytes: bytes.into_boxed_slice(), text_length: text.len(), params: params.len() }
    }

    pub(super) fn text(&self) -> &str {
        let start = self.params * HEAD_BYTES;
        std::str::from_utf8(&self.bytes[start..start + self.text_length])
            .unwrap_or_else(|_| unreachable!("it was copied from a text"))
    }

    /// Passes all parameters to `read`, without an allocation if they are few.
    pub(super) fn with_params<T>(&self, read: impl FnOnce(&[Param<'_>]) -> T) -> T {
        if self.params > PARAMS_ON_STACK {
            return read(&self.params().collect::<Vec<_>>());
        }
        let mut few = [NO_PARAM; PARAMS_ON_STACK];
        for (place, param) in few.iter_mut().zip(self.params()) {
            *place = param;
        }
        read(&few[..self.params])
    }

    /// Returns the parameters as they were given.
    pub(super) fn params(&self) -> impl Iterator<Item = Param<'_>> {
        let (heads, _) = self.bytes[..self.params * HEAD_BYTES].as_chunks::<HEAD_BYTES>();
        let mut start = self.params * HEAD_BYTES + self.text_length;
        heads.iter().map(move |head| {
            let [e0, e1, e2, e3, e4, e5, e6, e7, t0, t1, t2, t3, f0, f1, f2, f3] = *head;
            let end = u64::from_ne_bytes([e0, e1, e2, e3, e4, e5, e6, e7]) as usize;
            let flag = u32::from_ne_bytes([f0, f1, f2, f3]);
            let value = &self.bytes[start..end];
            start = end;
            Param {
                value: (flag != NULL).then_some(value),
                format: if flag == BINARY { WireFormat::Binary } else { WireFormat::Text },
                type_oid: u32::from_ne_bytes([t0, t1, t2, t3]),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_comes_out_again_however_many_parameters_there_are() {
        for count in [0, 1, PARAMS_ON_STACK, PARAMS_ON_STACK + 1, 300] {
            let values: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; i % 5]).collect();
            let params: Vec<Param<'_>> = (0..count)
                .map(|i| Param {
                    value: (i % 3 != 2).then_some(values[i].as_slice()),
                    format: if i % 2 == 0 { WireFormat::Text } else { WireFormat::Binary },
                    type_oid: i as u32 * 7,
                })
                .collect();
            let input = Input::new("select 'é'", &params);
            assert_eq!(input.text(), "select 'é'");
            input.with_params(|seen| {
                assert_eq!(seen.len(), count);
                for (seen, given) in seen.iter().zip(&params) {
                    assert_eq!((seen.value, seen.type_oid), (given.value, given.type_oid));
                    assert!(given.value.is_none() || seen.format == given.format);
                }
            });
        }
    }
}
