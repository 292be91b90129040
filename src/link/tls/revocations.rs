//! Lists of revoked certificates: one that is given, and a directory of them.
//!
//! OpenSSL adds a list that is in memory by a function that the `openssl` crate does not have.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fs;
use std::path::Path;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslFiletype};
use openssl::x509::X509Crl;
use openssl::x509::store::{X509Lookup, X509StoreBuilderRef};
use openssl::x509::verify::X509VerifyFlags;
use openssl_sys::{X509_CRL, X509_STORE};

use super::{openssl_error, setup_error, tls_error, unreadable};
use crate::config::settings::{Pem, TlsSettings};
use crate::error::Error;

unsafe extern "C" {
    /// `X509_STORE_add_crl(3)`: adds a list, of which the store takes a reference of its own. Returns 1, or 0 with an error.
    fn X509_STORE_add_crl(store: *mut X509_STORE, list: *mut X509_CRL) -> c_int;
}

/// Returns the list of revoked certificates; a file may not exist. libpq's default counts only where no directory is given.
pub(super) fn revocations_given(settings: &TlsSettings) -> Option<Pem> {
    let default = || settings.user_file("root.crl").filter(|_| settings.crl_dir.is_none());
    settings.crl.clone().or_else(|| default().map(Pem::File))
}

/// Loads the list of revoked certificates, and has those of the directory looked up during a handshake. Of the directory
/// OpenSSL reads what is named after the hash of an authority.
pub(super) fn load_revocations(builder: &mut SslContextBuilder, settings: &TlsSettings) -> Result<(), Error> {
    let is_there = |given: &Pem| settings.crl.is_some() || given.file().is_some_and(Path::exists);
    let given = revocations_given(settings).filter(is_there);
    if given.is_none() && settings.crl_dir.is_none() {
        return Ok(());
    }
    let store = builder.cert_store_mut();
    if let Some(given) = given {
        let name = given.name("revocation list", "sslcrl");
        let added = add_lists(store, &given.read(&name)?);
        if added.map_err(|e| openssl_error(&format!("could not use {name}"), e))? == 0 {
            return Err(tls_error(format!("could not use {name}: it holds no list")));
        }
    }
    if let Some(directory) = &settings.crl_dir {
        let unusable = || format!("could not use directory of revocation lists \"{}\"", directory.display());
        fs::read_dir(directory).map_err(|e| unreadable(unusable(), e))?;
        let path = directory.to_str().ok_or_else(|| tls_error(format!("{}: not UTF-8", unusable())))?;
        store
            .add_lookup(X509Lookup::hash_dir())
            .and_then(|lookup| lookup.add_dir(path, SslFiletype::PEM))
            .map_err(|e| openssl_error(&unusable(), e))?;
    }
    store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL).map_err(setup_error)
}

/// Adds every list of a PEM text, and returns how many those are.
fn add_lists(store: &mut X509StoreBuilderRef, pem: &[u8]) -> Result<usize, ErrorStack> {
    const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";
    let starts: Vec<usize> =
        pem.windows(BEGIN.len()).enumerate().filter(|(_, at)| *at == BEGIN).map(|(start, _)| start).collect();
    for start in &starts {
        let list = X509Crl::from_pem(&pem[*start..])?;
        add_list(store, &list)?;
    }
    Ok(starts.len())
}

fn add_list(store: &mut X509StoreBuilderRef, list: &X509Crl) -> Result<(), ErrorStack> {
    // SAFETY: both are alive, and the store is not shared. OpenSSL keeps a reference to the list that it counts itself.
    let added = unsafe { X509_STORE_add_crl(store.as_ptr(), list.as_ptr()) };
    if added == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
