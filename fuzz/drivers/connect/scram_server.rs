//! The server's half of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, apart from the client's: it makes what
//! fuzzers send, and judges what the client makes of it.

use openssl::base64::{decode_block, encode_block};
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;

use super::{MAX_ITERATIONS, PASSWORD, frames};

/// The client's nonce in every exchange.
pub(super) const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// Returns a `server-first-message` whose nonce is that of the client, or none, and the rest.
pub(super) fn challenge(clients: &str, rest: &[u8], salt: &[u8], iterations: u8) -> Vec<u8> {
    [b"r=", clients.as_bytes(), rest, format!(",s={},i={iterations}", encode_block(salt)).as_bytes()].concat()
}

/// A server that has the password, after it has sent a challenge.
pub(super) struct Verifier {
    nonce: String,
    stored_key: [u8; 32],
    /// The signatures of client and server are over this text.
    exchanged: String,
    signature: [u8; 32],
}

/// Returns a verifier for each challenge in the server's output, with or without an answer to a request for TLS in front.
pub(super) fn challenges(output: &[u8]) -> Vec<Verifier> {
    let starts = [output, output.get(1..).unwrap_or_default()];
    let challenges = starts.into_iter().flat_map(frames).filter(|frame| frame.kind == b'R');
    challenges.filter_map(|frame| Verifier::of(frame.body.strip_prefix(&[0, 0, 0, 11])?)).collect()
}

impl Verifier {
    fn of(challenge: &[u8]) -> Option<Self> {
        let challenge = str::from_utf8(challenge).ok()?;
        let mut fields = challenge.split(',');
        let nonce = fields.next()?.strip_prefix("r=")?;
        let salt = decode_block(fields.next()?.strip_prefix("s=")?).ok()?;
        let iterations: u32 = fields.next()?.strip_prefix("i=")?.parse().ok()?;
        if iterations > MAX_ITERATIONS {
            return None;
        }
        let mut salted = [0; 32];
        pbkdf2_hmac(PASSWORD.as_bytes(), &salt, iterations as usize, MessageDigest::sha256(), &mut salted)
            .ok()?;
        let stored_key = sha256(&hmac(&salted, b"Client Key"));
        // "biws" is the header of an exchange without channel binding, "n,,".
        let exchanged = format!("n=,r={NONCE},{challenge},c=biws,r={nonce}");
        let signature = hmac(&hmac(&salted, b"Server Key"), exchanged.as_bytes());
        Some(Self { nonce: nonce.to_owned(), stored_key, exchanged, signature })
    }

    /// Returns the `server-final-message`, which proves knowledge of the password.
    pub(super) fn signature(&self) -> String {
        format!("v={}", encode_block(&self.signature))
    }

    /// Returns the same with one byte of the signature changed.
    pub(super) fn forged_signature(&self, which: usize) -> String {
        let mut signature = self.signature;
        signature[which % signature.len()] ^= 1;
        format!("v={}", encode_block(&signature))
    }

    pub(super) fn continues_the_clients_nonce(&self) -> bool {
        self.nonce.len() > NONCE.len() && self.nonce.starts_with(NONCE)
    }

    /// Returns whether the proof of this exchange is in the server's output.
    pub(super) fn signed(&self, output: &[u8]) -> bool {
        let signature = self.signature();
        output.windows(signature.len()).any(|window| window == signature.as_bytes())
    }

    /// Returns whether the client's last message has the right proof.
    pub(super) fn accepts(&self, sent: &[u8]) -> bool {
        let without_proof = format!("c=biws,r={},p=", self.nonce);
        let at = sent.windows(without_proof.len()).position(|window| window == without_proof.as_bytes());
        let Some(proof) = at.and_then(|at| sent.get(at + without_proof.len()..)) else { return false };
        let decoded = str::from_utf8(proof).ok().and_then(|proof| decode_block(proof).ok());
        let Some(Ok(mut key)) = decoded.map(<[u8; 32]>::try_from) else { return false };
        let signature = hmac(&self.stored_key, self.exchanged.as_bytes());
        key.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        sha256(&key) == self.stored_key
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut code = [0; 32];
    let key = PKey::hmac(key).expect("a key of any bytes");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("SHA-256 is there");
    signer.sign_oneshot(&mut code, message).expect("32 bytes are enough");
    code
}
