//! Inspection of a server's certificate, whatever signed it: the certificate that a pool refuses is of most interest.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use holdfast::connect::StandaloneSession;
use openssl::asn1::Asn1Time;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use openssl::x509::{X509, X509NameRef, X509Ref};

/// Asks for TLS, in PostgreSQL's protocol: the length, and a version that stands for the request.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server's TLS as it was negotiated. Version and cipher are those of the session; where none came about, of a
/// handshake that accepts any: a pool with bounds of its own (`ssl_min_protocol_version`, ...) may agree on others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The TLS version that was agreed on.
    pub protocol: String,
    /// The cipher that was agreed on.
    pub cipher: String,
    /// The subject of the certificate.
    pub subject: String,
    /// The issuer of the certificate.
    pub issuer: String,
    /// The time at which it expires.
    pub not_after: SystemTime,
    /// The time until it expires; `None` when it has expired.
    pub left: Option<Duration>,
}

/// Returns the certificate of a session; `None` when it is not encrypted.
pub(super) fn of_session(session: &StandaloneSession) -> Option<Certificate> {
    let encryption = session.encryption()?;
    let shown = X509::from_der(&encryption.certificate?).ok()?;
    describe(&shown, encryption.version, encryption.cipher)
}

/// Returns `None` when the server offers no TLS, or its certificate cannot be read: the pool's own attempt reports the reason.
pub(super) fn look(address: SocketAddr, name: &str, direct: bool, timeout: Duration) -> Option<Certificate> {
    let end = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout).ok()?;
    let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left)).ok()?;
    stream.set_write_timeout(Some(left)).ok()?;
    if !direct {
        stream.write_all(&SSL_REQUEST).ok()?;
        let mut answer = [0];
        stream.read_exact(&mut answer).ok()?;
        if answer != *b"S" {
            return None;
        }
    }
    let mut builder = SslContext::builder(SslMethod::tls_client()).ok()?;
    // Nothing is sent over it, and nothing believed of what comes.
    builder.set_verify(SslVerifyMode::NONE);
    if direct {
        builder.set_alpn_protos(b"\x0apostgresql").ok()?;
    }
    let mut ssl = Ssl::new(&builder.build()).ok()?;
    if name.parse::<std::net::IpAddr>().is_err() {
        ssl.set_hostname(name).ok()?;
    }
    let tls = ssl.connect(stream).ok()?;
    let ssl = tls.ssl();
    let cipher = ssl.current_cipher().map_or("", |cipher| cipher.name());
    describe(&*ssl.peer_certificate()?, ssl.version_str(), cipher)
}

fn describe(shown: &X509Ref, protocol: &str, cipher: &str) -> Option<Certificate> {
    let (now, epoch) = (Asn1Time::days_from_now(0).ok()?, Asn1Time::from_unix(0).ok()?);
    let seconds = |from: &openssl::asn1::Asn1TimeRef| {
        let difference = from.diff(shown.not_after()).ok()?;
        Some(i64::from(difference.days) * 86_400 + i64::from(difference.secs))
    };
    Some(Certificate {
        protocol: protocol.to_owned(),
        cipher: cipher.to_owned(),
        subject: words(shown.subject_name()),
        issuer: words(shown.issuer_name()),
        not_after: UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds(&epoch)?).ok()?),
        left: u64::try_from(seconds(&now)?).ok().filter(|left| *left > 0).map(Duration::from_secs),
    })
}

/// `CN=db, O=Example`.
fn words(name: &X509NameRef) -> String {
    let entry = |entry: &openssl::x509::X509NameEntryRef| {
        let value = entry.data().to_string().map(|text| text.to_string()).unwrap_or_default();
        Some(format!("{}={value}", entry.object().nid().short_name().ok()?))
    };
    name.entries().filter_map(entry).collect::<Vec<_>>().join(", ")
}
