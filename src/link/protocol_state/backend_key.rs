//! The key that authorizes a cancel request for a session.

use std::fmt;
use std::sync::Arc;

/// The process id and secret that identify a session in a cancel request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BackendKey {
    pub(crate) process_id: u32,
    /// Four bytes in protocol 3.0, up to 256 since 3.2.
    pub(crate) secret: Arc<[u8]>,
}

impl BackendKey {
    /// Parses the body of a `BackendKeyData`; `None` for one that no server sends.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (process_id, secret) = body.split_first_chunk::<4>()?;
        let known = (4..=256).contains(&secret.len());
        known.then(|| Self { process_id: u32::from_be_bytes(*process_id), secret: secret.into() })
    }
}

impl fmt::Debug for BackendKey {
    /// Leaves the secret out: anyone who has it can cancel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKey").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_key_has_four_to_256_secret_bytes_and_shows_none_of_them() {
        let key = BackendKey::parse(&[0, 0, 1, 2, 9, 8, 7, 6]).expect("one of protocol 3.0");
        assert_eq!((key.process_id, &*key.secret), (258, &[9, 8, 7, 6][..]));
        assert_eq!(format!("{key:?}"), "BackendKey { process_id: 258, .. }");
        assert_eq!(BackendKey::parse(&[7; 4 + 256]).expect("one of protocol 3.2").secret.len(), 256);
        for length in [0, 3, 4, 7, 4 + 257] {
            assert_eq!(BackendKey::parse(&vec![7; length]), None, "{length}");
        }
    }
}
