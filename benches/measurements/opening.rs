//! What a connection costs that has to be opened first, without and with TLS.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast::postgres::{Config, NoTls};
use holdfast_testkit::embedded::{EmbeddedPostgres, TlsFiles};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::{X509, X509Name};
use postgres_openssl::MakeTlsConnector;

use super::Bench;
use crate::support::report::{Better, Measurement};
use crate::support::rounds::{Contender, interleave, millis};
use crate::support::subjects::{self, BARE, HOLDFAST, LIBPQ};
use crate::support::{Outcome, libpq};

/// Opened per round and subject.
const OPENINGS: u32 = 20;

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let openings = bench.options.calls(OPENINGS);
    let plain = {
        let url = &bench.url;
        let pool = subjects::holdfast(url, 8)?;
        let config: Config = url.parse()?;
        let libpq_url = format!("{url}?sslmode=disable&gssencmode=disable");
        let contenders = vec![
            Contender::new(HOLDFAST, || opened(openings, || pool.get(), |conn| conn.discard())),
            Contender::new(BARE, || opened(openings, || config.connect(NoTls), drop)),
            Contender::new(LIBPQ, || opened(openings, || libpq::Connection::open(&libpq_url), drop)),
        ];
        interleave(bench.options.rounds(9), contenders)?
    };
    let encrypted = {
        let server = server_with_tls()?;
        let url = format!("{}?sslmode=require", server.url());
        let pool = subjects::holdfast(&url, 8)?;
        let config: Config = url.parse()?;
        // As its users do: made once, for all connections.
        let mut tls = SslConnector::builder(SslMethod::tls_client())?;
        tls.set_verify(SslVerifyMode::NONE);
        let tls = MakeTlsConnector::new(tls.build());
        let libpq_url = format!("{url}&gssencmode=disable");
        let contenders = vec![
            Contender::new(HOLDFAST, || opened(openings, || pool.get(), |conn| conn.discard())),
            Contender::new(BARE, || opened(openings, || config.connect(tls.clone()), drop)),
            Contender::new(LIBPQ, || opened(openings, || libpq::Connection::open(&libpq_url), drop)),
        ];
        interleave(bench.options.rounds(9), contenders)?
    };
    Ok(vec![
        Measurement::new("open/plain", "opening a connection (Holdfast: in `get`)", ("ms", 2, Better::Less))
            .of(&plain, 0),
        Measurement::new("open/tls", "the same over TLS, certificate not verified", ("ms", 2, Better::Less))
            .of(&encrypted, 0),
    ])
}

/// Mean time of opening; closing is not part of it. Holdfast closes at once but counts a connection until the server has
/// let go of it, so it does not get more than a few ahead.
fn opened<T, E>(openings: u32, open: impl Fn() -> Result<T, E>, close: impl Fn(T)) -> Outcome<Vec<f64>>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut spent = Duration::ZERO;
    for _ in 0..openings {
        let start = Instant::now();
        let conn = open().map_err(Into::into)?;
        spent += start.elapsed();
        close(conn);
    }
    Ok(vec![millis(spent) / f64::from(openings)])
}

/// A server with a certificate that it signed itself.
pub(super) fn server_with_tls() -> Outcome<EmbeddedPostgres> {
    let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "localhost")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(1)?)?;
    certificate.sign(&key, MessageDigest::sha256())?;

    let folder = std::env::temp_dir().join(format!("holdfast-bench-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let started = start_with(&folder, &certificate.build().to_pem()?, &key.private_key_to_pem_pkcs8()?);
    fs::remove_dir_all(&folder)?;
    started
}

/// The files are copied at the start.
fn start_with(folder: &Path, certificate: &[u8], key: &[u8]) -> Outcome<EmbeddedPostgres> {
    let files = TlsFiles { cert: folder.join("server.crt"), key: folder.join("server.key"), client_ca: None };
    fs::write(&files.cert, certificate)?;
    fs::write(&files.key, key)?;
    Ok(EmbeddedPostgres::builder().max_connections(60).tls(files).start()?)
}
