//! Translates `sslmode` and its companions to OpenSSL. Semantics are libpq's ("SSL Support" in its documentation,
//! `fe-secure-openssl.c` in its source).

pub(crate) mod cache;
mod client_certificate;
mod revocations;

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode as Mode, SslOptions, SslRef, SslVerifyMode,
    SslVersion,
};
use openssl::x509::X509;
use openssl::x509::verify::X509CheckFlags;

pub(crate) use self::client_certificate::ClientCertificate;
pub(super) use self::client_certificate::client_certificate;
use self::client_certificate::{Requests, load_client_certificate};
use self::revocations::{load_revocations, revocations_given};
use crate::config::settings::{
    Pem, RootCertificates, SslCertMode, SslMode, SslNegotiation, TlsSettings, TlsVersion,
};
use crate::error::{Error, ErrorKind, Phase, find_source};

/// The extent to which the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verify {
    Nothing,
    Chain,
    ChainAndName,
}

/// The protocol requested by ALPN, with its length before it (IANA's registry; `PG_ALPN_PROTOCOL_VECTOR`).
const ALPN: &[u8] = b"\x0apostgresql";

/// A ready OpenSSL context for one configuration; `tls_cache` decides how long it is used.
pub(crate) struct TlsContext {
    context: SslContext,
    verify: Verify,
    sni: bool,
    negotiation: SslNegotiation,
    /// Set when a server must ask for the client's certificate.
    requests: Option<Requests>,
}

fn tls_error(message: String) -> Error {
    Error::new(ErrorKind::Tls, message).in_phase(Phase::Tls)
}

fn unreadable(what: String, e: io::Error) -> Error {
    let message = format!("{what}: {e}");
    Error::from_local_io(e, ErrorKind::Tls, message).in_phase(Phase::Tls)
}

fn openssl_error(doing: &str, e: ErrorStack) -> Error {
    tls_error(format!("{doing}: {e}")).with_source(e)
}

fn setup_error(e: ErrorStack) -> Error {
    openssl_error("could not set up TLS", e)
}

/// Makes a context with the options, modes and ciphers of the `openssl` crate's `SslConnector`. That crate's builder would
/// first read the system's bundle of roots, to be discarded: 80 ms and 0.8 MiB.
fn bare_context() -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
    let mut options = SslOptions::ALL
        | SslOptions::NO_COMPRESSION
        | SslOptions::NO_SSLV2
        | SslOptions::NO_SSLV3
        | SslOptions::SINGLE_DH_USE
        | SslOptions::SINGLE_ECDH_USE;
    options &= !SslOptions::DONT_INSERT_EMPTY_FRAGMENTS;
    builder.set_options(options);
    builder.set_mode(
        Mode::AUTO_RETRY
            | Mode::ACCEPT_MOVING_WRITE_BUFFER
            | Mode::ENABLE_PARTIAL_WRITE
            | Mode::RELEASE_BUFFERS,
    );
    builder.set_cipher_list("DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK")?;
    Ok(builder)
}

impl TlsContext {
    /// Makes a context, and reads every file that the settings name.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`] with the name of the file that is missing, unreadable or open to others.
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, Error> {
        let mut builder = bare_context().map_err(setup_error)?;
        builder.set_min_proto_version(settings.min_version.map(version)).map_err(setup_error)?;
        builder.set_max_proto_version(settings.max_version.map(version)).map_err(setup_error)?;
        if settings.negotiation == SslNegotiation::Direct {
            builder.set_alpn_protos(ALPN).map_err(setup_error)?;
        }
        let verify = load_roots(&mut builder, settings)?;
        builder.set_verify(match verify {
            Verify::Nothing => SslVerifyMode::NONE,
            Verify::Chain | Verify::ChainAndName => SslVerifyMode::PEER,
        });
        load_client_certificate(&mut builder, settings)?;
        let negotiation = settings.negotiation;
        let requests = match settings.cert_mode {
            SslCertMode::Require => Some(Requests::note(&mut builder).map_err(setup_error)?),
            SslCertMode::Disable | SslCertMode::Allow => None,
        };
        Ok(Self { context: builder.build(), verify, sni: settings.sni, negotiation, requests })
    }

    /// Makes OpenSSL's state of one handshake with `host`.
    pub(super) fn prepare(&self, host: &str) -> Result<Ssl, Error> {
        let mut ssl = Ssl::new(&self.context).map_err(setup_error)?;
        let address = host.parse::<std::net::IpAddr>().ok();
        if self.verify == Verify::ChainAndName {
            // To OpenSSL a name that begins with a dot matches any name below it, and an empty one matches any name at all.
            if host.is_empty() || host.starts_with('.') {
                return Err(tls_error(format!(
                    "sslmode verify-full needs the name of a host, and \"{host}\" is none"
                )));
            }
            let parameters = ssl.param_mut();
            parameters.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
            match address {
                Some(address) => parameters.set_ip(address),
                None => parameters.set_host(host),
            }
            .map_err(setup_error)?;
        }
        // An address is no server name (RFC 6066, section 3).
        if self.sni && !host.is_empty() && address.is_none() {
            ssl.set_hostname(host).map_err(setup_error)?;
        }
        if let Some(requests) = &self.requests {
            requests.begin(&mut ssl);
        }
        Ok(ssl)
    }

    /// Checks the selected protocol after a handshake. With direct negotiation nothing else distinguishes PostgreSQL from another
    /// service whose certificate fits (the ALPACA attack). So, as in libpq, a server that selects no protocol is refused.
    pub(super) fn check_protocol(&self, ssl: &SslRef) -> Result<(), Error> {
        if self.negotiation != SslNegotiation::Direct || ssl.selected_alpn_protocol() == Some(&ALPN[1..]) {
            return Ok(());
        }
        Err(tls_error(
            "the server did not select the protocol \"postgresql\" (ALPN), which sslnegotiation=direct demands: it is older than PostgreSQL 17, or no PostgreSQL server".into(),
        ))
    }
}

/// Returns the data for channel binding (`tls-server-end-point`, RFC 5929, section 4.1): the hash of the server's certificate,
/// by the hash function of its signature, but SHA-256 in place of MD5 and SHA-1. `None` where the signature has no hash
/// function of its own, as Ed25519.
pub(super) fn server_end_point(ssl: &SslRef) -> Option<Vec<u8>> {
    let certificate = ssl.peer_certificate()?;
    let algorithm = certificate.signature_algorithm().object().nid().signature_algorithms()?;
    let digest = match algorithm.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        other => MessageDigest::from_nid(other)?,
    };
    certificate.digest(digest).ok().map(|hash| hash.to_vec())
}

/// Returns the alert with which the server ended TLS, if that caused an error. A connection that ends without one, as when a
/// server is killed, has none.
pub(crate) fn alert_of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ErrorStack> {
    // SSL_AD_REASON_OFFSET of OpenSSL's ssl.h: reasons from there on are alerts that were received.
    const RECEIVED: i32 = 1000;
    let stack = find_source::<openssl::ssl::Error>(error)?.ssl_error()?;
    stack.errors().iter().any(|each| each.reason_code() >= RECEIVED).then_some(stack)
}

/// Returns every file that the settings name or imply, whether or not it exists, and what is in the directory of revocations.
pub(super) fn files_in_use(settings: &TlsSettings) -> Vec<PathBuf> {
    let named = |given: &Option<Pem>, default: &str| match given {
        Some(given) => given.file().map(Path::to_path_buf),
        None => settings.user_file(default),
    };
    let root = match &settings.root {
        RootCertificates::Given(given) => given.file().map(Path::to_path_buf),
        RootCertificates::Default => settings.user_file("root.crt"),
        // The system's store is many files; it changes with the system, and a restart follows.
        RootCertificates::System => None,
    };
    let crl_dir = settings.crl_dir.iter();
    // A list that is replaced in place leaves the directory itself as it was.
    let mut revocations: Vec<PathBuf> = crl_dir
        .clone()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .collect();
    revocations.sort();
    let rest = [
        revocations_given(settings).and_then(|given| given.file().map(Path::to_path_buf)),
        named(&settings.cert, "postgresql.crt"),
        named(&settings.key, "postgresql.key"),
    ];
    rest.into_iter().chain([root]).flatten().chain(crl_dir.cloned()).chain(revocations).collect()
}

fn version(v: TlsVersion) -> SslVersion {
    match v {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}

impl TlsSettings {
    /// Returns the path of a file in libpq's per-user folder, whether or not it exists.
    fn user_file(&self, name: &str) -> Option<PathBuf> {
        self.user_folder.as_ref().map(|folder| folder.join(name))
    }

    fn existing_user_file(&self, name: &str) -> Option<Pem> {
        self.user_file(name).filter(|path| path.exists()).map(Pem::File)
    }
}

/// Loads the trusted roots and returns the extent of verification. `require` verifies the chain where a root file exists, for
/// compatibility, exactly as libpq does.
fn load_roots(builder: &mut SslContextBuilder, settings: &TlsSettings) -> Result<Verify, Error> {
    let wanted = match settings.mode {
        SslMode::VerifyFull => Verify::ChainAndName,
        SslMode::VerifyCa => Verify::Chain,
        _ => Verify::Nothing,
    };
    let given = match &settings.root {
        RootCertificates::System => {
            load_system_roots(builder)
                .map_err(|e| openssl_error("could not load the system's root certificates", e))?;
            return Ok(Verify::ChainAndName);
        }
        RootCertificates::Given(given) => {
            Some(given.clone()).filter(|given| given.file().is_none_or(Path::exists))
        }
        RootCertificates::Default => settings.existing_user_file("root.crt"),
    };
    let Some(given) = given else {
        if wanted == Verify::Nothing {
            return Ok(Verify::Nothing);
        }
        let missing = match &settings.root {
            RootCertificates::Given(Pem::File(path)) => path.display().to_string(),
            _ => settings.user_file("root.crt").unwrap_or_default().display().to_string(),
        };
        return Err(tls_error(format!(
            "root certificate file \"{missing}\" does not exist: provide it with sslrootcert, use the system's roots with sslrootcert=system, or choose an sslmode that does not verify"
        )));
    };
    load_root_certificates(builder, &given)?;
    load_revocations(builder, settings)?;
    Ok(if wanted == Verify::Nothing { Verify::Chain } else { wanted })
}

impl Pem {
    /// Returns the name of a file, or the option that was given the text, for messages.
    fn name(&self, what: &str, option: &str) -> String {
        match self {
            Self::File(path) => format!("{what} \"{}\"", path.display()),
            Self::Text(_) => format!("the text of {option}"),
        }
    }

    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            Self::File(path) => {
                fs::read(path).map(Cow::Owned).map_err(|e| unreadable(format!("could not read {name}"), e))
            }
            Self::Text(text) => Ok(Cow::Borrowed(text.reveal().as_bytes())),
        }
    }
}

/// Loads the roots from where OpenSSL was built to look, or from where `SSL_CERT_FILE` and `SSL_CERT_DIR` say. An OpenSSL that
/// came with Holdfast was built for no system in particular: there the places of the usual distributions are tried.
fn load_system_roots(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    #[cfg(feature = "vendored")]
    if !["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some()) {
        let places = openssl_probe::probe();
        if places.cert_file.is_some() || !places.cert_dir.is_empty() {
            return builder.load_verify_locations(
                places.cert_file.as_deref(),
                places.cert_dir.first().map(PathBuf::as_path),
            );
        }
    }
    builder.set_default_verify_paths()
}

fn load_root_certificates(builder: &mut SslContextBuilder, given: &Pem) -> Result<(), Error> {
    let name = given.name("root certificate file", "sslrootcert");
    let unusable = |e| openssl_error(&format!("could not use {name}"), e);
    let certificates = X509::stack_from_pem(&given.read(&name)?).map_err(unusable)?;
    if certificates.is_empty() {
        return Err(tls_error(format!("{name} holds no certificate")));
    }
    for certificate in certificates {
        builder.cert_store_mut().add_cert(certificate).map_err(unusable)?;
    }
    Ok(())
}
