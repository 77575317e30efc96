//! Where clients go in, and as whom.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use super::tls;

/// An address, in clear or in TLS.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    roots: Arc<RootCertStore>,
    tls: Option<TlsConnector>,
    users: usize,
}

impl Door {
    /// With full handshakes where it is TLS; as one of so many users.
    pub fn new(address: SocketAddr, roots: Arc<RootCertStore>, in_tls: bool, users: usize) -> Self {
        let tls = in_tls.then(|| tls::connector(&roots, false));
        Self { address, roots, tls, users }
    }

    /// The same with tickets, kept for this copy alone.
    pub fn with_tickets(&self) -> Self {
        Self { tls: self.tls.as_ref().map(|_| tls::connector(&self.roots, true)), ..self.clone() }
    }

    /// Who the session with this number is.
    pub fn user(&self, number: usize) -> String {
        format!("user{}@example.org", number % self.users)
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let name = ServerName::try_from("localhost").expect("a name");
        Ok(Stream::Tls(Box::new(tls.connect(name, stream).await?)))
    }
}
