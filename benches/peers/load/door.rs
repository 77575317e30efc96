//! Where clients go in, and as whom.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use super::tls::{self, Trust};

/// An address, in clear or in TLS; or one of each process where there are several, taken by turns.
#[derive(Clone)]
pub struct Door {
    addresses: Rc<[SocketAddr]>,
    connections: Rc<Cell<usize>>,
    trust: Trust,
    tls: Option<TlsConnector>,
    users: usize,
}

impl Door {
    /// With full handshakes where it is TLS; as one of so many users.
    pub fn new(addresses: &[SocketAddr], trust: &Trust, in_tls: bool, users: usize) -> Self {
        let tls = in_tls.then(|| tls::connector(trust, false));
        Self { addresses: addresses.into(), connections: Rc::default(), trust: trust.clone(), tls, users }
    }

    /// The same with tickets, kept for this copy alone.
    pub fn with_tickets(&self) -> Self {
        Self { tls: self.tls.as_ref().map(|_| tls::connector(&self.trust, true)), ..self.clone() }
    }

    /// One for each address.
    pub fn each(&self) -> impl Iterator<Item = Self> {
        self.addresses.iter().map(|address| Self { addresses: [*address].into(), ..self.clone() })
    }

    /// As another process of this program is told of it.
    pub fn arguments(&self) -> Vec<String> {
        let leg = if self.tls.is_some() { "tls" } else { "plain" };
        let mut words = vec![self.trust.file.display().to_string(), leg.to_owned(), self.users.to_string()];
        words.extend(self.addresses.iter().map(SocketAddr::to_string));
        words
    }

    /// What `arguments` wrote.
    pub fn of(arguments: &[String]) -> io::Result<Self> {
        let [file, leg, users, addresses @ ..] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
        let addresses = addresses.iter().map(|word| word.parse()).collect::<Result<Vec<_>, _>>();
        let addresses = addresses.map_err(io::Error::other)?;
        let users = users.parse().map_err(io::Error::other)?;
        Ok(Self::new(&addresses, &tls::trust(Path::new(file))?, leg == "tls", users))
    }

    /// Who the session with this number is.
    pub fn user(&self, number: usize) -> String {
        format!("user{}@example.org", number % self.users)
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let turn = self.connections.get();
        self.connections.set(turn + 1);
        let stream = TcpStream::connect(self.addresses[turn % self.addresses.len()]).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let name = ServerName::try_from("localhost").expect("a name");
        Ok(Stream::Tls(Box::new(tls.connect(name, stream).await?)))
    }
}
