//! TLS that is the same for all: version 1.3, P-256 for the exchange and the certificate, AES-256-GCM.
//!
//! What a proxy and a client agree upon by themselves differs from proxy to proxy; then the numbers would, too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::SECP256R1],
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    })
}

/// What clients trust.
#[derive(Clone)]
pub struct Trust {
    /// The file it is from.
    pub file: PathBuf,
    roots: Arc<RootCertStore>,
}

/// The authorities in this file.
pub fn trust(file: &Path) -> io::Result<Trust> {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(file)?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    Ok(Trust { file: file.to_owned(), roots: Arc::new(roots) })
}

/// Connects with a full handshake each time or, with tickets, with those that this connector was given before.
pub fn connector(trust: &Trust, tickets: bool) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a suite of TLS 1.3")
        .with_root_certificates(Arc::clone(&trust.roots))
        .with_no_client_auth();
    config.resumption = if tickets { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    TlsConnector::from(Arc::new(config))
}

/// For the backend itself, which clients reach directly.
pub fn server(chain: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let chain =
        CertificateDer::pem_slice_iter(&fs::read(chain)?).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(key)?).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a suite of TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
    Ok(Arc::new(config))
}
