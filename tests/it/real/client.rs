//! A client that says exactly what a test tells it to, and keeps exactly what it hears.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::place::PATIENCE;

/// One connection.
pub struct Client {
    wire: Wire,
    heard: Vec<u8>,
    commands: u32,
    /// The first line that the server said.
    pub greeting: String,
}

enum Wire {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Moving,
}

/// What came back for one command.
#[derive(Debug)]
pub struct Answer {
    command: String,
    /// Untagged responses and continuations, with their literals, without the last CRLF.
    pub untagged: Vec<Vec<u8>>,
    /// The tagged response without its tag.
    pub status: String,
}

impl Client {
    /// Connects to a port that speaks TLS.
    pub fn tls(address: SocketAddr, ca: &Path) -> Self {
        Self::greeted(Wire::Tls(Box::new(wrap(connect(address), ca, "localhost"))))
    }

    /// The same, from this address of loopback.
    pub fn tls_from(from: [u8; 4], address: SocketAddr, ca: &Path) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this host");
        socket.connect(&address.into()).unwrap_or_else(|e| panic!("{address}: {e}"));
        let stream = patient(socket.into());
        Self::greeted(Wire::Tls(Box::new(wrap(stream, ca, "localhost"))))
    }

    /// Connects to a port that does not, or not yet.
    pub fn clear(address: SocketAddr) -> Self {
        Self::greeted(Wire::Clear(connect(address)))
    }

    fn greeted(wire: Wire) -> Self {
        let mut client = Self { wire, heard: Vec::new(), commands: 0, greeting: String::new() };
        client.greeting = text(&client.response().unwrap_or_default());
        client
    }

    /// STARTTLS, then TLS on the same connection.
    pub fn starttls(&mut self, ca: &Path) {
        self.run("STARTTLS").ok();
        assert!(self.heard.is_empty(), "octets before the handshake: {:?}", text(&self.heard));
        let Wire::Clear(stream) = std::mem::replace(&mut self.wire, Wire::Moving) else { panic!("TLS already") };
        self.wire = Wire::Tls(Box::new(wrap(stream, ca, "localhost")));
    }

    /// LOGIN with the user's right password.
    pub fn login(mut self, user: &str) -> Self {
        self.run(&format!("LOGIN {user} {}", super::dovecot::password(user))).ok();
        self
    }

    /// Says these octets, whatever they are.
    pub fn say(&mut self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        match &mut self.wire {
            Wire::Clear(stream) => stream.write_all(octets),
            Wire::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Wire::Moving => unreachable!("between clear and TLS"),
        }
        .expect("the server reads");
    }

    /// As `say`, to a server that may have hung up.
    pub fn say_if_heard(&mut self, octets: &[u8]) {
        let _ = match &mut self.wire {
            Wire::Clear(stream) => stream.write_all(octets),
            Wire::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Wire::Moving => Ok(()),
        };
    }

    /// One command and all that comes up to its tagged response.
    pub fn run(&mut self, command: &str) -> Answer {
        self.run_parts(&[command.as_bytes()])
    }

    /// A command in parts: each but the last ends with a literal's announcement, and the server is heard before the next.
    pub fn run_parts(&mut self, parts: &[&[u8]]) -> Answer {
        let tag = self.next_tag();
        let command = parts.first().map(|part| text(part)).unwrap_or_default();
        let mut answer = Answer { command, untagged: Vec::new(), status: String::new() };
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            let head = if at == 0 { format!("{tag} ") } else { String::new() };
            self.say([head.as_bytes(), part, b"\r\n"].concat());
            if last || part.ends_with(b"+}") {
                continue;
            }
            if self.collect(&tag, &mut answer, true) {
                return answer; // refused before the literal
            }
        }
        assert!(self.collect(&tag, &mut answer, false), "no tagged response to {}", answer.command);
        answer
    }

    /// Sends a command and does not wait; its tag.
    pub fn send(&mut self, command: &str) -> String {
        let tag = self.next_tag();
        self.say(format!("{tag} {command}\r\n"));
        tag
    }

    fn next_tag(&mut self) -> String {
        self.commands += 1;
        format!("c{}", self.commands)
    }

    /// Reads until the tagged response, or a continuation where one is waited for. Was it the tagged response?
    fn collect(&mut self, tag: &str, answer: &mut Answer, continuation: bool) -> bool {
        loop {
            let Some(response) = self.response() else {
                panic!("connection closed during {}; heard {:?}", answer.command, answer.lines());
            };
            if let Some(status) = response.strip_prefix(format!("{tag} ").as_bytes()) {
                answer.status = text(status);
                return true;
            }
            if continuation && response.starts_with(b"+") {
                return false;
            }
            answer.untagged.push(response);
        }
    }

    /// One response with its literals, without its CRLF; nothing at the end of the connection.
    pub fn response(&mut self) -> Option<Vec<u8>> {
        let mut end = 0;
        loop {
            let line = self.line_from(end)?;
            let so_far = &self.heard[end..line];
            match literal(so_far) {
                Some(octets) => {
                    end = line + octets;
                    while self.heard.len() < end {
                        if !self.read_more() {
                            panic!("connection closed inside a literal of {octets} octets");
                        }
                    }
                }
                None => {
                    let mut response: Vec<u8> = self.heard.drain(..line).collect();
                    assert!(response.ends_with(b"\r\n"), "a line without CR: {:?}", text(&response));
                    response.truncate(response.len() - 2);
                    return Some(response);
                }
            }
        }
    }

    /// Where the line that begins at `start` ends.
    fn line_from(&mut self, start: usize) -> Option<usize> {
        let mut looked = start;
        loop {
            if let Some(at) = self.heard[looked..].iter().position(|octet| *octet == b'\n') {
                return Some(looked + at + 1);
            }
            looked = self.heard.len();
            if !self.read_more() {
                assert!(self.heard.is_empty(), "closed inside a line: {:?}", text(&self.heard));
                return None;
            }
        }
    }

    /// Reads what is there, or waits for it. `false` at the end of the connection.
    pub fn read_more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let got = match &mut self.wire {
            Wire::Clear(stream) => stream.read(&mut buffer),
            Wire::Tls(stream) => stream.read(&mut buffer),
            Wire::Moving => unreachable!("between clear and TLS"),
        };
        match got {
            Ok(0) => false,
            Ok(n) => {
                self.heard.extend_from_slice(&buffer[..n]);
                true
            }
            // The end of TLS without close_notify, or a reset: the end all the same.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                false
            }
            Err(e) => panic!("nothing heard within {PATIENCE:?}: {e}; so far {:?}", text(&self.heard)),
        }
    }

    /// Octets heard and not yet taken.
    pub fn take_heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.heard)
    }

    /// All that is said until the connection ends.
    pub fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(response) = self.response() {
            lines.push(text(&response));
        }
        lines
    }

    /// LOGOUT, and the end of the connection.
    pub fn logout(mut self) {
        let answer = self.run("LOGOUT").ok();
        assert!(answer.lines().iter().any(|line| line.starts_with("* BYE")), "{answer:?}");
        assert_eq!(self.rest(), [""; 0], "after LOGOUT");
    }
}

impl Answer {
    /// It was OK.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.starts_with("OK"), "{}: {} after {:?}", self.command, self.status, self.lines());
        self
    }

    /// It was NO, with this response code or these words.
    #[track_caller]
    pub fn no(self, with: &str) -> Self {
        let refused = self.status.starts_with("NO") && self.status.contains(with);
        assert!(refused, "{}: not NO with {with} but {} after {:?}", self.command, self.status, self.lines());
        self
    }

    /// It was BAD.
    #[track_caller]
    pub fn bad(self) -> Self {
        assert!(self.status.starts_with("BAD"), "{}: not BAD but {}", self.command, self.status);
        self
    }

    /// Untagged responses as text.
    pub fn lines(&self) -> Vec<String> {
        self.untagged.iter().map(|line| text(line)).collect()
    }

    /// The untagged responses that begin like this.
    pub fn starting(&self, with: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with(with)).collect()
    }

    /// Names in LIST or LSUB, as they were sent.
    pub fn names(&self) -> Vec<String> {
        let listed = self.lines().into_iter().filter(|line| line.starts_with("* LIST") || line.starts_with("* LSUB"));
        let mut names = listed.map(|line| name_in(&line)).collect::<Vec<_>>();
        names.sort();
        names
    }

    /// The literal in the first response that has one.
    pub fn literal(&self) -> Vec<u8> {
        let found = self.untagged.iter().find_map(|line| {
            let start = line.windows(3).position(|w| w == b"}\r\n")? + 3;
            let octets = literal(&line[..start])?;
            line.get(start..start + octets).map(<[u8]>::to_vec)
        });
        found.unwrap_or_else(|| panic!("no literal in {:?}", self.lines()))
    }

    /// The reference in a refusal.
    #[track_caller]
    pub fn reference(&self) -> String {
        let (_, rest) = self.status.split_once("(ref ").unwrap_or_else(|| panic!("no reference in {}", self.status));
        rest.trim_end_matches(')').to_owned()
    }

    /// Whole answer as one text, to be compared.
    pub fn whole(&self) -> String {
        let mut lines = self.lines();
        lines.push(self.status.clone());
        lines.join("\n")
    }
}

/// The mailbox at the end of a LIST response: ` "/" name`, where the name may be quoted or a literal.
fn name_in(line: &str) -> String {
    let (_, rest) = line.split_once(") ").expect("attributes");
    let (_, name) = rest.split_once(' ').expect("a delimiter and a name");
    let name = name.split_once("\r\n").map_or(name, |(_, literal)| literal);
    name.trim_matches('"').to_owned()
}

/// Octets of the literal that a line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let start = line.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(&line[start + 1..]).ok()?.parse().ok()
}

fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}")))
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn wrap(stream: TcpStream, ca: &Path, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream)
}

/// Octets as text; what is not UTF-8 is marked.
pub fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
