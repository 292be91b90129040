//! SCRAM-SHA-256, the client's side (RFC 5802, RFC 7677): the password is never sent, and both sides verify that the other
//! has it.

use openssl::base64::{decode_block, encode_block};
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::rand::rand_bytes;
use openssl::sha::sha256;
use openssl::sign::Signer;

use super::failed;
use crate::error::{Error, PasswordFault};

/// Random bytes in a nonce, as many as in libpq's (`SCRAM_RAW_NONCE_LEN`).
const NONCE_BYTES: usize = 18;

/// The client's nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect) enum Nonce {
    /// Drawn for each exchange.
    Random,
    /// Always this one, so that a fuzzer's input can continue it.
    #[cfg(any(test, feature = "fuzzing"))]
    Fixed(&'static str),
}

impl Nonce {
    fn draw(self) -> Result<String, Error> {
        match self {
            Self::Random => {
                let mut random = [0; NONCE_BYTES];
                rand_bytes(&mut random).map_err(crypto)?;
                Ok(encode_block(&random))
            }
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Fixed(nonce) => Ok(nonce.to_owned()),
        }
    }
}

/// The binding of the exchange to the TLS connection it runs over.
pub(super) enum Binding {
    /// There is no TLS connection, or binding is not wanted.
    Unsupported,
    /// The client supports binding, and the server does not offer it.
    NotOffered,
    /// Bound to the hash of the server's certificate.
    ServerEndPoint(Vec<u8>),
}

impl Binding {
    fn header(&self) -> &'static str {
        match self {
            Self::Unsupported => "n,,",
            Self::NotOffered => "y,,",
            Self::ServerEndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::ServerEndPoint(hash) => hash,
            Self::Unsupported | Self::NotOffered => &[],
        }
    }
}

/// An exchange that was begun.
pub(super) struct Scram {
    password: Vec<u8>,
    binding: Binding,
    nonce: String,
}

/// The signature that the server has to send at the end.
pub(super) struct Expected {
    signature: [u8; 32],
}

fn crypto(e: openssl::error::ErrorStack) -> Error {
    failed(format!("SCRAM cannot be computed: {e}")).with_source(e)
}

fn malformed(what: &str) -> Error {
    failed(format!("the server sent a malformed SCRAM message: {what}"))
}

impl Scram {
    pub(super) fn new(password: &str, binding: Binding, nonce: Nonce) -> Result<Self, Error> {
        Ok(Self::with_nonce(password, binding, nonce.draw()?))
    }

    fn with_nonce(password: &str, binding: Binding, nonce: String) -> Self {
        // PostgreSQL uses passwords that SASLprep forbids unchanged.
        let prepared = stringprep::saslprep(password).map_or(password.into(), |prepared| prepared);
        Self { password: prepared.as_bytes().to_vec(), binding, nonce }
    }

    /// Returns the `client-first-message`. The user is in the start-up packet already.
    pub(super) fn first_message(&self) -> String {
        format!("{}{}", self.binding.header(), self.first_message_bare())
    }

    fn first_message_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Returns the answer to `server-first-message`, and the signature that has to follow it.
    ///
    /// # Errors
    /// When the message is malformed, does not continue the client's nonce, or demands less than one or more than
    /// `max_iterations` iterations.
    pub(super) fn answer(
        &self,
        server_first: &[u8],
        max_iterations: u32,
    ) -> Result<(String, Expected), Error> {
        let challenge = str::from_utf8(server_first).map_err(|_| malformed("it is no text"))?;
        let mut fields = challenge.split(',');
        let mut field = |name: &str| {
            let found = fields.next().and_then(|field| field.strip_prefix(name));
            found.ok_or_else(|| malformed(&format!("{name} is missing in the challenge")))
        };
        let nonce = field("r=")?;
        let salt =
            base64(field("s=")?).filter(|salt| !salt.is_empty()).ok_or_else(|| malformed("its salt"))?;
        let iterations = field("i=")?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(failed("the server answered SCRAM with a nonce that does not continue the client's"));
        }
        let iterations = checked_iterations(iterations, max_iterations)?;

        let mut salted = [0; 32];
        pbkdf2_hmac(&self.password, &salt, iterations, MessageDigest::sha256(), &mut salted)
            .map_err(crypto)?;
        let client_key = hmac(&salted, b"Client Key")?;
        let stored_key = sha256(&client_key);
        let bound = encode_block(&[self.binding.header().as_bytes(), self.binding.data()].concat());
        let without_proof = format!("c={bound},r={nonce}");
        let exchanged = format!("{},{challenge},{without_proof}", self.first_message_bare());
        let signature = hmac(&stored_key, exchanged.as_bytes())?;
        let mut proof = client_key;
        proof.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        let server_key = hmac(&salted, b"Server Key")?;
        let expected = Expected { signature: hmac(&server_key, exchanged.as_bytes())? };
        Ok((format!("{without_proof},p={}", encode_block(&proof)), expected))
    }
}

impl Expected {
    /// Checks `server-final-message`, which authenticates the server.
    pub(super) fn verify(&self, server_final: &[u8]) -> Result<(), Error> {
        let text = str::from_utf8(server_final).map_err(|_| malformed("its end is no text"))?;
        let last = text.split(',').next().unwrap_or_default();
        if let Some(error) = last.strip_prefix("e=") {
            let refusal =
                failed(format!("the server ended SCRAM with the error \"{}\"", error.escape_default()));
            return Err(match error {
                "invalid-proof" | "unknown-user" => refusal.of_password(PasswordFault::Refused),
                _ => refusal,
            });
        }
        let shown =
            last.strip_prefix("v=").and_then(base64).ok_or_else(|| malformed("its end has no signature"))?;
        if shown.len() == self.signature.len() && openssl::memcmp::eq(&shown, &self.signature) {
            return Ok(());
        }
        Err(failed(
            "the server's SCRAM signature is wrong: it does not know the password, and may be an impostor",
        ))
    }
}

fn checked_iterations(text: &str, most: u32) -> Result<usize, Error> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed("its number of iterations"));
    }
    let iterations: u64 = text.parse().map_err(|_| malformed("its number of iterations"))?;
    if iterations < 1 {
        return Err(failed("the server asks for a password hashed zero times (SCRAM iterations)"));
    }
    if iterations > u64::from(most) {
        return Err(failed(format!(
            "the server asks for {iterations} SCRAM iterations, and the option scram_max_iterations allows {most}: if the server is right, raise the option"
        )));
    }
    usize::try_from(iterations).map_err(|_| malformed("its number of iterations"))
}

fn hmac(key: &[u8], message: &[u8]) -> Result<[u8; 32], Error> {
    let key = PKey::hmac(key).map_err(crypto)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key).map_err(crypto)?;
    let mut code = [0; 32];
    signer.sign_oneshot(&mut code, message).map_err(crypto)?;
    Ok(code)
}

/// Decodes base64 strictly: no white space, whole groups of four.
fn base64(text: &str) -> Option<Vec<u8>> {
    let strict = text.len().is_multiple_of(4)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    if strict { decode_block(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nonce of the example in RFC 7677. That has a user in it, on which nothing derived from the password depends.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

    fn begun() -> Scram {
        Scram::with_nonce("pencil", Binding::Unsupported, NONCE.into())
    }

    fn challenge(nonce: &str, salt: &str, iterations: &str) -> Vec<u8> {
        format!("r={nonce},s={salt},i={iterations}").into_bytes()
    }

    /// Computes the server's side, to the letter of RFC 5802.
    fn server_final(challenge: &[u8], answer: &str) -> String {
        let salt = base64(SALT).unwrap();
        let mut salted = [0; 32];
        pbkdf2_hmac(b"pencil", &salt, 4096, MessageDigest::sha256(), &mut salted).unwrap();
        let (without_proof, proof) = answer.rsplit_once(",p=").unwrap();
        let exchanged = format!("n=,r={NONCE},{},{without_proof}", str::from_utf8(challenge).unwrap());
        let stored_key = sha256(&hmac(&salted, b"Client Key").unwrap());
        let mut client_key = base64(proof).unwrap();
        let signature = hmac(&stored_key, exchanged.as_bytes()).unwrap();
        client_key.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        assert_eq!(sha256(&client_key), stored_key, "the proof is right");
        let server_key = hmac(&salted, b"Server Key").unwrap();
        format!("v={}", encode_block(&hmac(&server_key, exchanged.as_bytes()).unwrap()))
    }

    #[test]
    fn a_nonce_is_drawn_anew_for_each_exchange() {
        let nonces: Vec<String> = (0..3).map(|_| Nonce::Random.draw().unwrap()).collect();
        assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0].len() == 24, "{nonces:?}");
        let scram = Scram::new("pencil", Binding::Unsupported, Nonce::Fixed(NONCE)).unwrap();
        assert_eq!(scram.first_message(), begun().first_message());
    }

    #[test]
    fn both_sides_verify_that_the_other_has_the_password() {
        let challenge = challenge("rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", SALT, "4096");
        let (answer, expected) = begun().answer(&challenge, 100_000).unwrap();
        let last = server_final(&challenge, &answer);
        expected.verify(last.as_bytes()).unwrap();
        for wrong in
            [last.replacen("v=", "v=AAAA", 1), "v=AAAA".into(), "v=".into(), String::new(), "e=other".into()]
        {
            let error = expected.verify(wrong.as_bytes()).expect_err(&wrong);
            assert!(!error.is_of_refused_password(), "{wrong}");
        }
        assert!(expected.verify(b"e=invalid-proof").expect_err("a refusal").is_of_refused_password());
    }

    #[test]
    fn our_exchange_is_that_of_postgres_protocol() {
        use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
        let hash = || vec![1, 2, 3];
        for password in ["pencil", "p\u{e4}ss\u{ad}wort\u{aa}", "\u{7}not for SASLprep"] {
            for (theirs, ours) in [
                (ChannelBinding::unsupported(), Binding::Unsupported),
                (ChannelBinding::unrequested(), Binding::NotOffered),
                (ChannelBinding::tls_server_end_point(hash()), Binding::ServerEndPoint(hash())),
            ] {
                let mut theirs = ScramSha256::new(password.as_bytes(), theirs);
                let first = String::from_utf8(theirs.message().to_vec()).unwrap();
                let nonce = first.split_once(",r=").unwrap().1.to_owned();
                let ours = Scram::with_nonce(password, ours, nonce.clone());
                assert_eq!(ours.first_message(), first);
                let challenge = challenge(&format!("{nonce}more"), SALT, "2");
                theirs.update(&challenge).unwrap();
                let (answer, expected) = ours.answer(&challenge, 2).unwrap();
                assert_eq!(answer.as_bytes(), theirs.message());
                theirs.finish(format!("v={}", encode_block(&expected.signature)).as_bytes()).unwrap();
            }
        }
    }

    #[test]
    fn challenges_that_no_server_sends_are_final_failures() {
        let good = format!("{NONCE}more");
        for (nonce, salt, iterations) in [
            (NONCE, SALT, "4096"),
            ("somebodyelses", SALT, "4096"),
            ("", SALT, "4096"),
            (good.as_str(), "", "4096"),
            (good.as_str(), "W22Z aJ0SNY7soEsUEjb6gQ==", "4096"),
            (good.as_str(), SALT, "0"),
            (good.as_str(), SALT, "-1"),
            (good.as_str(), SALT, "+1"),
            (good.as_str(), SALT, "many"),
            (good.as_str(), SALT, "1000001"),
            (good.as_str(), SALT, "99999999999999999999"),
        ] {
            let error = begun().answer(&challenge(nonce, salt, iterations), 1_000_000).map(drop).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Auth, "{nonce} {salt} {iterations}");
            assert!(!error.is_retryable(), "{error}");
        }
        for text in [&b""[..], b"\xff", b"m=x,r=", b"s=,r=,i="] {
            assert!(begun().answer(text, 1_000_000).is_err(), "{text:?}");
        }
        let error = begun().answer(&challenge(&good, SALT, "600001"), 600_000).map(drop).unwrap_err();
        assert!(error.to_string().contains("600001 SCRAM iterations"), "{error}");
        assert!(error.to_string().contains("scram_max_iterations allows 600000"), "{error}");
    }
}
