//! The client's certificate: loading it, and whether a server asked for it and got it.
//!
//! OpenSSL tells only by a callback whether a server asked, and the `openssl` crate does not have that callback. It is
//! registered here, for `sslcertmode=require` alone.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContextBuilder, SslRef};
use openssl::x509::X509;
use openssl_sys::{SSL, SSL_CTX};

use super::{openssl_error, tls_error};
use crate::config::settings::{Pem, SslCertMode, TlsSettings};
use crate::error::Error;

/// The use of the client's certificate in a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ClientCertificate {
    /// The server did not ask for one; so on a plain connection.
    NotAsked,
    /// The server asked, and there was none to send.
    Missing,
    Sent,
}

/// The place of a [`ClientCertificate`] in each handshake's data.
static OUTCOME: OnceLock<Index<Ssl, AtomicU8>> = OnceLock::new();

unsafe extern "C" {
    /// `SSL_CTX_set_cert_cb(3)`: has `callback` called in each handshake in which the other side asks for a certificate.
    fn SSL_CTX_set_cert_cb(
        context: *mut SSL_CTX,
        callback: Option<unsafe extern "C" fn(*mut SSL, *mut c_void) -> c_int>,
        argument: *mut c_void,
    );
}

/// Notes what OpenSSL is about to answer, and changes nothing.
unsafe extern "C" fn note_request(ssl: *mut SSL, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL calls with the handshake that is under way on this thread, and nothing else uses it meanwhile.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    if let Some(outcome) = OUTCOME.get().and_then(|index| ssl.ex_data(*index)) {
        let answer =
            if ssl.certificate().is_some() { ClientCertificate::Sent } else { ClientCertificate::Missing };
        outcome.store(answer as u8, Ordering::Relaxed);
    }
    1
}

/// Has the handshakes of a context note whether the server asks for the client's certificate.
#[derive(Clone, Copy)]
pub(super) struct Requests(Index<Ssl, AtomicU8>);

impl Requests {
    pub(super) fn note(builder: &mut SslContextBuilder) -> Result<Self, ErrorStack> {
        let index = match OUTCOME.get() {
            Some(index) => *index,
            None => {
                let new = Ssl::new_ex_index()?;
                *OUTCOME.get_or_init(|| new)
            }
        };
        // SAFETY: the context is alive and not shared; the callback has the demanded type, needs no argument, and
        // does not unwind.
        unsafe { SSL_CTX_set_cert_cb(builder.as_ptr(), Some(note_request), ptr::null_mut()) };
        Ok(Self(index))
    }

    /// Prepares a handshake.
    pub(super) fn begin(self, ssl: &mut Ssl) {
        ssl.set_ex_data(self.0, AtomicU8::new(ClientCertificate::NotAsked as u8));
    }
}

/// Returns what became of the client's certificate, if [`Requests`] were noted in the handshake.
pub(in crate::link) fn client_certificate(ssl: &SslRef) -> ClientCertificate {
    let noted =
        OUTCOME.get().and_then(|index| ssl.ex_data(*index)).map(|noted| noted.load(Ordering::Relaxed));
    [ClientCertificate::Missing, ClientCertificate::Sent]
        .into_iter()
        .find(|outcome| noted == Some(*outcome as u8))
        .unwrap_or(ClientCertificate::NotAsked)
}

/// Loads certificate and key, where there are any and `sslcertmode` does not forbid it.
pub(super) fn load_client_certificate(
    builder: &mut SslContextBuilder,
    settings: &TlsSettings,
) -> Result<(), Error> {
    if settings.cert_mode == SslCertMode::Disable {
        return Ok(());
    }
    let Some(certificate) = settings.cert.clone().or_else(|| settings.existing_user_file("postgresql.crt"))
    else {
        return Ok(());
    };
    let key = settings
        .key
        .clone()
        .or_else(|| settings.user_file("postgresql.key").map(Pem::File))
        .ok_or_else(|| tls_error("a client certificate is set (sslcert) but no key (sslkey)".into()))?;
    if let Some(file) = key.file() {
        check_key_is_private(file)?;
    }
    load_chain(builder, &certificate)?;
    let name = key.name("private key", "sslkey");
    let pem = key.read(&name)?;
    let unusable = |e| openssl_error(&format!("could not use {name}"), e);
    let password = settings.key_password.as_ref().map_or("", |p| p.reveal());
    // Given a passphrase, even an empty one, OpenSSL never asks on the terminal.
    let key = PKey::private_key_from_pem_passphrase(&pem, password.as_bytes()).map_err(unusable)?;
    builder.set_private_key(&key).and_then(|()| builder.check_private_key()).map_err(unusable)
}

fn load_chain(builder: &mut SslContextBuilder, certificate: &Pem) -> Result<(), Error> {
    let name = certificate.name("client certificate", "sslcert");
    let chain = X509::stack_from_pem(&certificate.read(&name)?);
    let chain = chain.map_err(|e| openssl_error(&format!("could not use {name}"), e))?;
    let mut chain = chain.into_iter();
    let Some(own) = chain.next() else { return Err(tls_error(format!("{name} holds no certificate"))) };
    builder
        .set_certificate(&own)
        .and_then(|()| chain.try_for_each(|issuer| builder.add_extra_chain_cert(issuer)))
        .map_err(|e| openssl_error(&format!("could not use {name}"), e))
}

/// Checks a key file's mode by libpq's rule: only the owner may read the key, or root owns it and the group may read it.
fn check_key_is_private(key: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(key)
        .map_err(|e| tls_error(format!("private key \"{}\" cannot be used: {e}", key.display())))?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(tls_error(format!(
            "private key \"{}\" is open to others (mode {:o}): set it to 0600, or 0640 if root owns it",
            key.display(),
            metadata.mode() & 0o777
        )));
    }
    Ok(())
}
