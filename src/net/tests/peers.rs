//! The two peers of a session, on rustls' own streams: what they agree on with ours is agreed on with another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::house::Authority;
use crate::config::CertificatePair;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One end of a connection, line by line. What does not come in time is missing.
pub struct Peer(pub BufStream<Box<dyn Stream>>);

const PATIENCE: Duration = Duration::from_secs(20);

impl Peer {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self(BufStream::new(Box::new(stream)))
    }

    pub async fn connect(to: SocketAddr) -> Self {
        Self::new(TcpStream::connect(to).await.expect("a connection"))
    }

    pub async fn connect_tls(to: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to).await.expect("a connection");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Ok(Self::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?))
    }

    pub async fn say(&mut self, text: &str) {
        self.send(text.as_bytes()).await;
        self.send(b"\r\n").await;
        self.0.flush().await.expect("a peer that reads");
    }

    pub async fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).await.expect("a peer that reads");
    }

    /// The next line, without its end; empty at the end of the stream.
    pub async fn hear(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a line in time");
        read.map_or_else(|_| String::new(), |_| line.trim_end_matches("\r\n").to_owned())
    }

    /// Lines up to one that begins with this.
    pub async fn hear_until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.hear().await;
            assert!(!line.is_empty(), "the stream ended before `{start}`: {lines:#?}");
            let last = line.starts_with(start);
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    pub async fn hear_octets(&mut self, octets: &mut [u8]) -> std::io::Result<()> {
        timeout(PATIENCE, self.0.read_exact(octets)).await.expect("octets in time").map(|_| ())
    }

    /// Greeted and logged in.
    pub async fn log_in(&mut self) {
        assert!(self.hear().await.starts_with("* OK"), "a greeting");
        self.say("a1 LOGIN ann secret").await;
        self.hear_until("a1 OK").await;
    }

    /// Begins TLS on what was clear.
    pub async fn start_tls(self, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Ok(Self::new(TlsConnector::from(Arc::clone(config)).connect(name, self.0.into_inner()).await?))
    }
}

/// Trusts this authority.
pub fn client_config(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority.ca).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

pub fn acceptor(pair: &CertificatePair) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(&pair.certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(&pair.private_key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).expect("a key that fits")))
}

/// How an upstream speaks.
#[derive(Clone)]
pub enum Speaks {
    Clear,
    Tls(TlsAcceptor),
    Starttls(TlsAcceptor),
}

/// An upstream on a free port, whose part the test plays.
pub struct Upstream {
    listener: TcpListener,
    speaks: Speaks,
    pub address: SocketAddr,
}

impl Upstream {
    pub async fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self { listener, speaks, address }
    }

    /// The next connection, to which nothing was said.
    pub async fn connected(&self) -> Peer {
        Peer::new(
            timeout(PATIENCE, self.listener.accept()).await.expect("a connection in time").expect("a connection").0,
        )
    }

    /// The next connection, greeted and logged in.
    pub async fn accept(&self) -> Peer {
        let stream =
            timeout(PATIENCE, self.listener.accept()).await.expect("a connection in time").expect("a connection").0;
        let mut peer = match &self.speaks {
            Speaks::Clear => Peer::new(stream),
            Speaks::Tls(acceptor) => Peer::new(acceptor.accept(stream).await.expect("TLS")),
            Speaks::Starttls(acceptor) => {
                let mut peer = Peer::new(stream);
                peer.say("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hello").await;
                let (tag, _) = peer.hear_command("STARTTLS").await;
                peer.say(&format!("{tag} OK go ahead")).await;
                Peer::new(acceptor.accept(peer.0.into_inner()).await.expect("TLS"))
            }
        };
        if !matches!(self.speaks, Speaks::Starttls(_)) {
            peer.say("* OK [CAPABILITY IMAP4rev1] hello").await;
        }
        let (tag, line) = peer.hear_command("LOGIN").await;
        assert_eq!(line, "LOGIN ann secret");
        peer.say(&format!("{tag} OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS LITERAL+] welcome")).await;
        peer
    }
}

impl Peer {
    /// A command that begins with this, as its tag and the rest.
    pub async fn hear_command(&mut self, start: &str) -> (String, String) {
        let line = self.hear().await;
        let (tag, rest) = line.split_once(' ').unwrap_or_else(|| panic!("`{line}` is no command"));
        assert!(rest.starts_with(start), "`{rest}` does not begin with `{start}`");
        (tag.to_owned(), rest.to_owned())
    }
}

/// A client that has logged in, and the upstream that it has been given.
pub async fn session(mut client: Peer, upstream: &Upstream) -> (Peer, Peer) {
    let ((), peer) = tokio::join!(client.log_in(), upstream.accept());
    (client, peer)
}

impl Upstream {
    /// A connection that comes to nothing because the other side does not trust us.
    pub async fn fails_to_shake(&self) {
        let Speaks::Tls(acceptor) = &self.speaks else { panic!("there is no handshake") };
        let stream = self.listener.accept().await.expect("a connection").0;
        // Under TLS 1.3 our side may be done before the other refuses.
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let mut octets = Vec::new();
            let _ = stream.read_to_end(&mut octets).await;
            assert_eq!(octets, b"", "not even a byte in confidence");
        }
    }
}

impl Upstream {
    /// A connection that greets, and refuses the login.
    pub async fn refuse_login(&self) {
        let mut peer = Peer::new(self.listener.accept().await.expect("a connection").0);
        peer.say("* OK hello").await;
        let (tag, _) = peer.hear_command("LOGIN").await;
        peer.say(&format!("{tag} NO [AUTHENTICATIONFAILED] no")).await;
        peer.hear().await;
    }
}
