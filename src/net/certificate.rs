//! Certificates and keys as they stand in files: read, checked, and every problem named.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::config::CertificatePair;
use crate::diagnostic::{Problem, Severity};

/// What is wrong with a file that TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// An error, or a warning: a certificate whose time is over is served all the same.
    pub severity: Severity,
    /// Which of a listener's certificates, in their order; 0 for an upstream's.
    pub certificate: usize,
    /// The key of the configuration that names the file: `certificate`, `private_key`, `ca`, `server_name`, `servers`.
    pub key: &'static str,
    /// The file, where it is one.
    pub path: Option<PathBuf>,
    /// What is wrong, without the file's name.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

impl TlsFault {
    pub(super) fn error(key: &'static str, path: &Path, message: impl Into<String>, help: &'static str) -> Self {
        let path = Some(path.to_owned());
        Self { severity: Severity::Error, certificate: 0, key, path, message: message.into(), help }
    }

    /// The same as a problem of the file as a whole. Whoever knows where the file is named may say a better place.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match &self.path {
            Some(path) => Problem::in_file(self.severity, path.as_path(), self.message.clone()).help(self.help),
            None => Problem::new(self.severity, self.message.clone()).help(self.help),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its file.
    pub path: PathBuf,
    /// When its time is over.
    pub not_after: Timestamp,
}

const PEM_HELP: &str = "a PEM file is needed, the server's own certificate first, then those that it was signed with";
const KEY_HELP: &str = "the key of the first certificate is needed, in PEM: PKCS #8, PKCS #1 or SEC1";

/// A certificate chain with its key.
pub(super) fn load_pair(
    pair: &CertificatePair,
    now: Timestamp,
    provider: &CryptoProvider,
) -> (Option<(Arc<CertifiedKey>, CertificateFacts)>, Vec<TlsFault>) {
    let mut faults = Vec::new();
    let chain = load_certificates("certificate", &pair.certificate).map_err(|fault| faults.push(fault)).ok();
    let key = load_key(&pair.private_key).map_err(|fault| faults.push(fault)).ok();
    let validity = chain.as_ref().and_then(|chain| check_first(&pair.certificate, chain, now, &mut faults));
    let (Some(chain), Some(key), Some(not_after)) = (chain, key, validity) else { return (None, faults) };
    match CertifiedKey::from_der(chain, key, provider) {
        Ok(key) => {
            let facts = CertificateFacts { path: pair.certificate.clone(), not_after };
            (Some((Arc::new(key), facts)), faults)
        }
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let message = format!("the private key does not belong to the certificate {}", pair.certificate.display());
            faults.push(TlsFault::error("private_key", &pair.private_key, message, KEY_HELP));
            (None, faults)
        }
        Err(error) => {
            let message = format!("the private key cannot be used: {error}");
            faults.push(TlsFault::error("private_key", &pair.private_key, message, KEY_HELP));
            (None, faults)
        }
    }
}

/// All certificates of a PEM file; at least one.
pub(super) fn load_certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(key, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsFault::error(key, path, "no certificate in the file", PEM_HELP)),
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsFault::error(key, path, format!("not a PEM file: {}", said(&error)), PEM_HELP)),
    }
}

fn load_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let text = zeroize::Zeroizing::new(read("private_key", path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if memchr::memmem::find(&text, b"ENCRYPTED").is_some() {
            let help = "store it without a passphrase: openssl pkey -in KEY -out NEW-KEY";
            return TlsFault::error("private_key", path, "the private key is encrypted", help);
        }
        let message = match error {
            pem::Error::NoItemsFound => "no private key in the file".to_owned(),
            error => format!("not a PEM file: {}", said(&error)),
        };
        TlsFault::error("private_key", path, message, KEY_HELP)
    })
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsFault> {
    std::fs::read(path).map_err(|error| {
        let (why, help) = match error.kind() {
            std::io::ErrorKind::NotFound => {
                ("no such file".to_owned(), "relative paths are relative to the configuration file")
            }
            std::io::ErrorKind::PermissionDenied => {
                ("permission denied".to_owned(), "the user that imapwarden runs as must be able to read it")
            }
            _ => (error.to_string(), "it must be a file that can be read"),
        };
        TlsFault::error(key, path, format!("cannot read the file: {why}"), help)
    })
}

/// What is wrong with PEM, in words for people.
fn said(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a section has a wrong start".to_owned(),
        pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
        other => other.to_string(),
    }
}

/// When the first certificate's time is over, if it can be read at all.
fn check_first(
    path: &Path,
    chain: &[CertificateDer<'static>],
    now: Timestamp,
    faults: &mut Vec<TlsFault>,
) -> Option<Timestamp> {
    let first = chain.first()?;
    let parsed = ParsedCertificate::try_from(first).is_ok();
    let Some((not_before, not_after)) = validity(first).filter(|_| parsed) else {
        faults.push(TlsFault::error("certificate", path, "the first certificate cannot be read", PEM_HELP));
        return None;
    };
    let message = if not_after < now {
        format!("the certificate expired on {}", day(not_after))
    } else if not_before > now {
        format!("the certificate is not valid before {}", day(not_before))
    } else {
        return Some(not_after);
    };
    let help = "clients will refuse it; put a new one in its place and reload";
    faults.push(TlsFault { severity: Severity::Warning, ..TlsFault::error("certificate", path, message, help) });
    Some(not_after)
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// notBefore and notAfter of a certificate (RFC 5280 §4.1).
fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut body, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(body, VERSION) {
        body = rest;
    }
    let (_, rest) = any_element(body)?; // serialNumber
    let (_, rest) = element(rest, SEQUENCE)?; // signature
    let (_, rest) = element(rest, SEQUENCE)?; // issuer
    let (validity, _) = element(rest, SEQUENCE)?;
    let (not_before, rest) = any_element(validity)?;
    let (not_after, _) = any_element(rest)?;
    Some((time(not_before)?, time(not_after)?))
}

/// UTCTime (YYMMDDHHMMSSZ) or GeneralizedTime (YYYYMMDDHHMMSSZ), told apart by their length.
fn time(digits: &[u8]) -> Option<Timestamp> {
    let digits = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let (century, digits) = match digits.len() {
        // RFC 5280 §4.1.2.5.1: YY of 50 and more is 19YY.
        12 => (if digits.get(..2)? < "50" { "20" } else { "19" }, digits),
        14 => (digits.get(..2)?, digits.get(2..)?),
        _ => return None,
    };
    let part = |from: usize| digits.get(from..from.saturating_add(2));
    let (year, month, day) = (part(0)?, part(2)?, part(4)?);
    let (hour, minute, second) = (part(6)?, part(8)?, part(10)?);
    format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

/// The content of the first element, which must have this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if der.first() == Some(&tag) { any_element(der) } else { None }
}

/// The content of the first element, and what follows it (X.690 §8.1, definite lengths).
fn any_element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_, length], rest) = der.split_first_chunk()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
