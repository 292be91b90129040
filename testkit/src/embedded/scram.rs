//! A password as a server keeps it (RFC 5802, RFC 7677; PostgreSQL's `scram-common.c`), made here for two reasons: before
//! PostgreSQL 14 a server keeps MD5 by default, and hashing 4096 times at every opening would be most of what an opening takes
//! in a build without optimization. The many times make guessing slow; these are random texts, or stand in a test's source.

use openssl::base64::encode_block;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;

const ITERATIONS: usize = 1;

/// Returns the text behind `PASSWORD` in a statement: the verifier, or the password itself where the server has to make it, since
/// what is not ASCII has to be normalized first (SASLprep).
pub(super) fn stored(password: &str) -> String {
    let verifier = if password.is_ascii() { verifier(password).ok() } else { None };
    verifier.unwrap_or_else(|| password.to_owned())
}

fn verifier(password: &str) -> Result<String, ErrorStack> {
    let mut salt = [0; 16];
    openssl::rand::rand_bytes(&mut salt)?;
    with_salt(password, &salt, ITERATIONS)
}

fn with_salt(password: &str, salt: &[u8], iterations: usize) -> Result<String, ErrorStack> {
    let mut salted = [0; 32];
    pbkdf2_hmac(password.as_bytes(), salt, iterations, MessageDigest::sha256(), &mut salted)?;
    let key = PKey::hmac(&salted)?;
    let derived = |name: &[u8]| {
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.sign_oneshot_to_vec(name)
    };
    let stored_key = sha256(&derived(b"Client Key")?);
    let server_key = derived(b"Server Key")?;
    Ok(format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        encode_block(salt),
        encode_block(&stored_key),
        encode_block(&server_key)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_that_postgresql_makes() {
        for (password, known) in [
            // The example of RFC 7677: with this server key it gives the signature that is printed there.
            (
                "pencil",
                "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
            ),
            // The empty one of PostgreSQL's `src/test/regress/sql/password.sql`.
            (
                "",
                "SCRAM-SHA-256$4096:hpFyHTUsSWcR7O9P$LgZFIt6Oqdo27ZFKbZ2nV+vtnYM995pDh9ca6WSi120=:qVV5NeluNfUPkwm7Vqat25RjSPLkGeoZBQs6wVv+um4=",
            ),
        ] {
            let salt = known.split([':', '$']).nth(2).unwrap();
            let salt = openssl::base64::decode_block(salt).unwrap();
            assert_eq!(with_salt(password, &salt, 4096).unwrap(), known);
        }
    }

    #[test]
    fn what_has_to_be_normalized_is_left_to_the_server() {
        assert!(stored("secret").starts_with("SCRAM-SHA-256$1:"));
        assert_eq!(stored("geheim\u{e4}"), "geheim\u{e4}");
    }
}
