//! Certificates: an authority, what it has signed, and what should never be trusted.
//!
//! The keys are for the elliptic curve P-256, since making RSA keys takes a second.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_testkit::embedded::TlsFiles;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name, X509NameRef};

const DAY: i64 = 24 * 60 * 60;

/// A certificate and its key, as PEM files; the key can be read by its owner alone, as clients and servers insist.
#[derive(Debug, Clone)]
pub struct CertFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// A folder of certificates, removed when dropped. The server gets copies, in its own hands and with its own mode.
pub struct Certs {
    dir: PathBuf,
    ca: Authority,
    /// The authority to trust.
    pub ca_file: PathBuf,
    /// Another authority, which signed nothing but [`Certs::wrong_ca`].
    pub other_ca_file: PathBuf,
    /// Good for `localhost` and 127.0.0.1.
    pub good: CertFiles,
    /// Good for the same, until yesterday.
    pub expired: CertFiles,
    /// Signed by itself alone.
    pub self_signed: CertFiles,
    /// Good for `elsewhere.invalid` only.
    pub wrong_name: CertFiles,
    /// Good for `localhost`, says an authority that is not trusted.
    pub wrong_ca: CertFiles,
    /// A client's, for the role `app`.
    pub client: CertFiles,
}

/// The purpose of a certificate.
enum Purpose<'a> {
    /// A server with these names.
    Server(&'a [&'a str]),
    /// The client with the common name of the certificate.
    Client,
    Authority,
}

struct Authority {
    key: PKey<Private>,
    cert: X509,
}

impl Certs {
    pub fn new() -> Self {
        let name = format!("holdfast-certs-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        let (ca, other) = (Authority::new("Holdfast Test CA"), Authority::new("Somebody Else's CA"));
        let here = Purpose::Server(&["localhost", "127.0.0.1"]);
        let year = 365 * DAY;
        let itself = Authority::new("localhost");
        let signed = |file: &str, cn, purpose: &Purpose<'_>, days: (i64, i64), by: &Authority| {
            let key = new_key();
            let cert = sign(cn, &key, purpose, days, Some(by));
            write(&dir, file, &cert, &key)
        };
        Self {
            ca_file: write(&dir, "ca", &ca.cert, &ca.key).cert,
            other_ca_file: write(&dir, "other-ca", &other.cert, &other.key).cert,
            good: signed("good", "localhost", &here, (-DAY, year), &ca),
            expired: signed("expired", "localhost", &here, (-year, -DAY), &ca),
            self_signed: {
                let cert = sign("localhost", &itself.key, &here, (-DAY, year), None);
                write(&dir, "self-signed", &cert, &itself.key)
            },
            wrong_name: signed(
                "wrong-name",
                "elsewhere.invalid",
                &Purpose::Server(&["elsewhere.invalid"]),
                (-DAY, year),
                &ca,
            ),
            wrong_ca: signed("wrong-ca", "localhost", &here, (-DAY, year), &other),
            client: signed("client", "app", &Purpose::Client, (-DAY, year), &ca),
            ca,
            dir,
        }
    }

    /// A client certificate for another role.
    pub fn client_for(&self, role: &str) -> CertFiles {
        let key = new_key();
        let cert = sign(role, &key, &Purpose::Client, (-DAY, 365 * DAY), Some(&self.ca));
        write(&self.dir, &format!("client-{role}"), &cert, &key)
    }

    /// A server's certificate that is good for so many days from now.
    pub fn server_for_days(&self, days: i64) -> CertFiles {
        let key = new_key();
        let here = Purpose::Server(&["localhost", "127.0.0.1"]);
        let cert = sign("localhost", &key, &here, (-DAY, days * DAY), Some(&self.ca));
        write(&self.dir, &format!("good-for-{days}-days"), &cert, &key)
    }

    /// A directory of revocation lists as `openssl rehash` makes it, with one list of the authority: of these certificates.
    pub fn revocations(&self, name: &str, revoked: &[&CertFiles]) -> PathBuf {
        let work = self.dir.join(format!("{name}-work"));
        fs::create_dir_all(&work).unwrap();
        let config = format!(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = {0}/index.txt\ndefault_md = sha256\ndefault_crl_days = 7\n",
            work.display()
        );
        fs::write(work.join("ca.conf"), config).unwrap();
        let lines = revoked.iter().map(|files| {
            let cert = X509::from_pem(&fs::read(&files.cert).unwrap()).unwrap();
            let serial = cert.serial_number().to_bn().unwrap().to_hex_str().unwrap();
            format!("R\t491231235959Z\t200101000000Z\t{serial}\tunknown\t/CN=revoked\n")
        });
        fs::write(work.join("index.txt"), lines.collect::<String>()).unwrap();
        let directory = self.dir.join(name);
        fs::create_dir_all(&directory).unwrap();
        let list = directory.join("list.pem");
        let keys =
            [&self.ca_file, &self.ca_file.with_extension("key")].map(|path| path.display().to_string());
        openssl(&[
            &["ca", "-gencrl", "-config", &work.join("ca.conf").display().to_string()][..],
            &["-cert", &keys[0], "-keyfile", &keys[1], "-out", &list.display().to_string()],
        ]);
        openssl(&[&["rehash", &directory.display().to_string()]]);
        directory
    }

    /// A server with this certificate.
    pub fn server(&self, files: &CertFiles) -> TlsFiles {
        TlsFiles { cert: files.cert.clone(), key: files.key.clone(), client_ca: None }
    }

    /// A server with this certificate, that accepts client certificates of [`Certs::ca_file`].
    pub fn server_that_knows_clients(&self, files: &CertFiles) -> TlsFiles {
        TlsFiles { client_ca: Some(self.ca_file.clone()), ..self.server(files) }
    }
}

impl Drop for Certs {
    fn drop(&mut self) {
        // In the temporary folder; leaving it there fails no test.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Authority {
    fn new(cn: &str) -> Self {
        let key = new_key();
        let cert = sign(cn, &key, &Purpose::Authority, (-2 * 365 * DAY, 365 * DAY), None);
        Self { key, cert }
    }
}

fn openssl(arguments: &[&[&str]]) {
    let output = Command::new("openssl").args(arguments.concat()).output().expect("openssl is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate for `cn`, valid between two points of time in seconds from now, signed `by` an authority or by itself.
fn sign(
    cn: &str,
    key: &PKey<Private>,
    purpose: &Purpose<'_>,
    valid: (i64, i64),
    by: Option<&Authority>,
) -> X509 {
    let subject = name(cn);
    let issuer: &X509NameRef = by.map_or(&subject, |authority| authority.cert.subject_name());
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();

    let mut cert = X509::builder().unwrap();
    cert.set_version(2).unwrap(); // counted from 0: X.509v3
    cert.set_serial_number(&Asn1Integer::from_bn(&serial).unwrap()).unwrap();
    cert.set_subject_name(&subject).unwrap();
    cert.set_issuer_name(issuer).unwrap();
    cert.set_pubkey(key).unwrap();
    cert.set_not_before(&from_now(valid.0)).unwrap();
    cert.set_not_after(&from_now(valid.1)).unwrap();
    match purpose {
        Purpose::Authority => {
            cert.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
            cert.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap())
                .unwrap();
        }
        Purpose::Client => {
            cert.append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap()).unwrap()
        }
        Purpose::Server(names) => {
            cert.append_extension(ExtendedKeyUsage::new().server_auth().build().unwrap()).unwrap();
            let mut alternatives = SubjectAlternativeName::new();
            for name in *names {
                match name.parse::<Ipv4Addr>() {
                    Ok(_) => alternatives.ip(name),
                    Err(_) => alternatives.dns(name),
                };
            }
            let alternatives = alternatives.build(&cert.x509v3_context(None, None)).unwrap();
            cert.append_extension(alternatives).unwrap();
        }
    }
    cert.sign(by.map_or(key, |authority| &authority.key), MessageDigest::sha256()).unwrap();
    cert.build()
}

fn name(cn: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", cn).unwrap();
    name.build()
}

fn from_now(seconds: i64) -> Asn1Time {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Asn1Time::from_unix(i64::try_from(now.as_secs()).unwrap() + seconds).unwrap()
}

fn write(dir: &Path, name: &str, cert: &X509, key: &PKey<Private>) -> CertFiles {
    let files = CertFiles { cert: dir.join(format!("{name}.crt")), key: dir.join(format!("{name}.key")) };
    fs::write(&files.cert, cert.to_pem().unwrap()).unwrap();
    fs::write(&files.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
    files
}
