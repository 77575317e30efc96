//! What TLS is spoken with: certificates for clients, trust for upstreams.
//!
//! ```text
//!   certificate, private_key ─▶ ServerTls ─▶ one config for each new connection; a reload swaps it
//!   ca, server_name          ─▶ Trust     ─▶ one config for each upstream
//! ```
//!
//! TLS 1.2 and 1.3, no early data, no client certificates. A connection keeps what it began with.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, CommonState, ProtocolVersion, RootCertStore, ServerConfig};

use crate::config::{Listener, Upstream, UpstreamTls};
use crate::diagnostic::Severity;
use crate::metrics::TlsVersion;
use crate::session::ClientTls;

pub use super::certificate::{CertificateFacts, TlsFault};
use super::certificate::{load_certificates, load_pair};

/// What is spoken with clients of a listener.
#[derive(Debug, Clone)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    /// Each certificate that is served.
    pub certificates: Vec<CertificateFacts>,
}

impl ServerTls {
    /// Reads a listener's certificates. `None` if nothing can be served with them; there may be warnings beside it. With
    /// `before`, tickets that were given out under the certificates before stay good.
    #[must_use]
    pub fn load(listener: &Listener, now: Timestamp, before: Option<&Self>) -> (Option<Self>, Vec<TlsFault>) {
        let provider = provider();
        let (mut keys, mut certificates, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (at, pair) in listener.certificates.iter().enumerate() {
            let (loaded, wrong) = load_pair(pair, now, &provider);
            faults.extend(wrong.into_iter().map(|fault| TlsFault { certificate: at, ..fault }));
            if let Some((key, facts)) = loaded {
                keys.push(key);
                certificates.push(facts);
            }
        }
        if keys.len() < listener.certificates.len() || keys.is_empty() {
            return (None, faults);
        }
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites of both versions");
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(BySni { keys }));
        config.alpn_protocols = vec![b"imap".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {}); // tickets need no memory of ours
        config.send_tls13_tickets = 1;
        if let Some(before) = before {
            config.ticketer = Arc::clone(&before.config.ticketer);
        } else if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
            config.ticketer = ticketer;
        }
        (Some(Self { config: Arc::new(config), certificates }), faults)
    }
}

/// Whom the proxy takes for an upstream.
#[derive(Debug, Clone)]
pub struct Trust {
    pub(super) config: Arc<ClientConfig>,
    /// The name that each server must prove, in their order.
    pub(super) names: Vec<ServerName<'static>>,
}

impl Trust {
    /// Reads what an upstream is verified with. `Ok(None)` where it is spoken to in clear.
    pub fn load(upstream: &Upstream) -> Result<Option<Self>, Vec<TlsFault>> {
        if upstream.tls == UpstreamTls::Off {
            return Ok(None);
        }
        let mut faults = Vec::new();
        let names = server_names(upstream, &mut faults);
        let provider = provider();
        let verifier: Result<Arc<dyn ServerCertVerifier>, TlsFault> = match &upstream.ca {
            Some(ca) => verify_by_file(ca, &provider),
            None => verify_by_system(&provider),
        };
        match verifier {
            Ok(verifier) if faults.is_empty() => {
                let builder = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .expect("the provider has cipher suites of both versions");
                // Not dangerous: both are verifiers of webpki, one with the file's roots, one with the system's.
                let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
                Ok(Some(Self { config: Arc::new(config), names }))
            }
            Ok(_) => Err(faults),
            Err(fault) => {
                faults.push(fault);
                Err(faults)
            }
        }
    }
}

fn server_names(upstream: &Upstream, faults: &mut Vec<TlsFault>) -> Vec<ServerName<'static>> {
    let mut names = Vec::new();
    for server in &upstream.servers {
        let name = upstream.server_name.as_deref().unwrap_or(&server.host);
        match ServerName::try_from(name.to_owned()) {
            Ok(name) => names.push(name),
            Err(_) => faults.push(TlsFault {
                severity: Severity::Error,
                certificate: 0,
                key: if upstream.server_name.is_some() { "server_name" } else { "servers" },
                path: None,
                message: format!("`{name}` is neither a host name nor an address"),
                help: "a certificate is verified against this name; `server_name` can say another",
            }),
        }
        if upstream.server_name.is_some() && !faults.is_empty() {
            break; // the same for every server
        }
    }
    names
}

fn verify_by_file(ca: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    const HELP: &str = "the certificates of the authorities that sign the upstream's are needed, in PEM";
    let mut roots = RootCertStore::empty();
    for certificate in load_certificates("ca", ca)? {
        roots
            .add(certificate)
            .map_err(|error| TlsFault::error("ca", ca, format!("a certificate in it cannot be used: {error}"), HELP))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| TlsFault::error("ca", ca, error.to_string(), HELP))
}

fn verify_by_system(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    match rustls_platform_verifier::Verifier::new(Arc::clone(provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) => Err(TlsFault {
            severity: Severity::Error,
            certificate: 0,
            key: "ca",
            path: None,
            message: format!("the system's root certificates cannot be read: {error}"),
            help: "install them (Debian: ca-certificates), or name a file in `ca`",
        }),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Picks by the name that the client asks for, else the first.
#[derive(Debug)]
struct BySni {
    keys: Vec<Arc<CertifiedKey>>,
}

thread_local! {
    /// The name in the ClientHello that was read last on this thread. The unbuffered interface does not tell it, but it
    /// calls the resolver before it returns: whoever feeds it takes the name straight after.
    static ASKED: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// The name in the ClientHello that this thread has just read, if it did.
pub(super) fn take_asked_name() -> Option<Box<str>> {
    ASKED.take()
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ASKED.set(hello.server_name().map(Box::from));
        // Of two for one name (RSA, ECDSA) the one that the client can verify.
        let can_sign = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fitting = |key: &&Arc<CertifiedKey>| named.as_ref().is_some_and(|name| is_for(key, name));
        let pick = self.keys.iter().filter(fitting).find(can_sign);
        pick.or_else(|| self.keys.iter().find(can_sign)).or_else(|| self.keys.first()).map(Arc::clone)
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = key.cert.first().and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
    parsed.is_some_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

/// What was agreed on with a client, for records and rules.
pub(super) fn client_tls(facts: &CommonState, sni: Option<&str>) -> ClientTls {
    let suite = facts.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    ClientTls {
        version: version(facts),
        // IANA's names of the suites of TLS 1.3 have no 13 in them.
        cipher: suite.unwrap_or("unknown").replace("TLS13_", "TLS_").into(),
        sni: sni.map(Box::from),
    }
}

/// The same for counting handshakes.
pub(super) fn label(facts: &CommonState) -> Option<TlsVersion> {
    match facts.protocol_version()? {
        ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
        ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
        _ => None,
    }
}

/// "TLSv1.2" or "TLSv1.3".
fn version(facts: &CommonState) -> &'static str {
    match facts.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    }
}
