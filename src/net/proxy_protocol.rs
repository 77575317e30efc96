//! Whose connection is it that a balancer hands on? The PROXY protocol, versions 1 and 2, in and out.
//!
//! ```text
//!   balancer ─▶ "PROXY TCP4 203.0.113.5 192.0.2.1 50000 993\r\n"  or 12 octets, 4, and as many as these say
//!                    └─▶ the header and not an octet more ─▶ Origin ─▶ TLS, or the session
//! ```
//!
//! Only from addresses that the configuration names, and there it must come: what a client sends itself never gets here.
//! Of a header only the addresses count; what version 2 appends (TLVs) is passed over. A connection that is the balancer's
//! own (LOCAL, UNKNOWN, of no address or of a UNIX socket) is from the balancer's address.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use proxy_header::{ParseConfig, Protocol, ProxiedAddress, ProxyHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Begins version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Begins version 1.
const WORD: &[u8; 6] = b"PROXY ";

/// Octets of a line of version 1, at most.
const LONGEST_LINE: usize = 107;

/// Octets of a header of version 2 before those that it counts, and of those at most: addresses, and TLVs that nobody reads.
const FIXED: usize = 16;
const LONGEST_REST: usize = 4096;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The client.
    pub client: SocketAddr,
    /// Where it connected to.
    pub reached: SocketAddr,
    /// Who handed it on.
    pub via: Option<IpAddr>,
}

/// What came before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The connection was closed without an octet: somebody looked whether the port is open.
    Nothing,
    /// A connection of the balancer's own.
    Own,
    /// One that it hands on: from the first of these to the second.
    HandedOn(SocketAddr, SocketAddr),
}

/// Reads a header, and not an octet more.
pub(super) async fn hear(socket: &mut TcpStream) -> io::Result<Heard> {
    let mut header = Vec::with_capacity(LONGEST_LINE);
    while header.len() < SIGNATURE.len() {
        let mut room = [0; SIGNATURE.len()];
        let room = room.get_mut(header.len()..).unwrap_or_default();
        match socket.read(room).await? {
            0 if header.is_empty() => return Ok(Heard::Nothing),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => header.extend_from_slice(room.get(..n).unwrap_or_default()),
        }
        if !begins(&header, SIGNATURE) && !begins(&header, WORD) {
            return Err(invalid());
        }
    }
    if header.starts_with(SIGNATURE) {
        rest_of_block(socket, &mut header).await?
    } else {
        rest_of_line(socket, &mut header).await?
    }
    said(&header)
}

/// Can these octets be the beginning of one that begins so?
fn begins(octets: &[u8], with: &[u8]) -> bool {
    let n = octets.len().min(with.len());
    octets.get(..n) == with.get(..n)
}

/// Up to the end of the line. What stands behind it is looked at, but not taken.
async fn rest_of_line(socket: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    while !header.ends_with(b"\n") {
        let mut room = [0; LONGEST_LINE];
        let room = room.get_mut(header.len()..).filter(|room| !room.is_empty()).ok_or_else(invalid)?;
        let seen = socket.peek(room).await?;
        let seen = room.get(..seen).unwrap_or_default();
        let n = memchr::memchr(b'\n', seen).map_or(seen.len(), |at| at.saturating_add(1));
        let room = room.get_mut(..n).filter(|room| !room.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
        socket.read_exact(room).await?;
        header.extend_from_slice(room);
    }
    Ok(())
}

/// As many octets as it says.
async fn rest_of_block(socket: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    let mut fixed = [0; FIXED - SIGNATURE.len()];
    socket.read_exact(&mut fixed).await?;
    header.extend_from_slice(&fixed);
    let [_, _, high, low] = fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > LONGEST_REST {
        return Err(invalid());
    }
    let begin = header.len();
    header.resize(begin.saturating_add(rest), 0);
    socket.read_exact(header.get_mut(begin..).unwrap_or_default()).await?;
    Ok(())
}

/// What a whole header says.
fn said(header: &[u8]) -> io::Result<Heard> {
    let parsed = ProxyHeader::parse(header, ParseConfig { include_tlvs: false, ..ParseConfig::default() });
    let (parsed, len) = parsed.map_err(|_| invalid())?;
    if len != header.len() {
        return Err(invalid());
    }
    match parsed.proxied_address() {
        None => Ok(Heard::Own),
        Some(ProxiedAddress { protocol: Protocol::Stream, source, destination }) => {
            let plain = |address: &SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
            Ok(Heard::HandedOn(plain(source), plain(destination)))
        }
        Some(ProxiedAddress { protocol: Protocol::Datagram, .. }) => Err(invalid()),
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no header of the PROXY protocol")
}

/// A header of version 2 for an upstream: whose connection this one is for; a connection of the proxy's own without.
pub(super) fn header(origin: Option<&Origin>) -> io::Result<Vec<u8>> {
    let header = match origin {
        None => ProxyHeader::with_local(),
        Some(origin) => {
            let (mut client, mut reached) = (origin.client, origin.reached);
            if client.is_ipv4() != reached.is_ipv4() {
                // One header has one family.
                (client, reached) = (mapped(client), mapped(reached));
            }
            ProxyHeader::with_address(ProxiedAddress::stream(client, reached))
        }
    };
    let mut octets = Vec::with_capacity(64);
    header.encode_v2(&mut octets).map_err(|_| invalid())?;
    Ok(octets)
}

fn mapped(address: SocketAddr) -> SocketAddr {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::new(ip.into(), address.port())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// What comes of these octets, sent piece by piece, and what is left for the session.
    async fn heard(pieces: &[&[u8]]) -> (Option<Heard>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        let send = async {
            for piece in pieces {
                // Where the header is refused early nobody takes the rest.
                let _ = client.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _ = client.shutdown().await;
        };
        let ((), heard) = tokio::join!(send, hear(&mut socket));
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        (heard.ok(), rest)
    }

    fn from(client: &str, reached: &str) -> Option<Heard> {
        Some(Heard::HandedOn(client.parse().unwrap(), reached.parse().unwrap()))
    }

    /// A header of version 2 with these octets behind the length.
    fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = SIGNATURE.to_vec();
        octets.extend_from_slice(&[command, family]);
        octets.extend_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(rest);
        octets
    }

    #[tokio::test]
    async fn headers() {
        let four: &[u8] = &[203, 0, 113, 5, 192, 0, 2, 1, 0xc3, 0x50, 0x03, 0xe1];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        (six[15], six[31], six[33], six[35]) = (1, 2, 7, 9);
        let with_tlvs = [four, &[0x04, 0, 3, 1, 2, 3, 0xe0, 0, 1, 9]].concat();
        let long = [four, &[0x04, 0x0f, 0xf1], &[0; 0x0ff1]].concat();
        let too_long = [four, &[0; 4096]].concat();
        let told = from("203.0.113.5:50000", "192.0.2.1:993");
        let rows: Vec<(&str, Vec<u8>, Option<Heard>)> = vec![
            ("1, IPv4", b"PROXY TCP4 203.0.113.5 192.0.2.1 50000 993\r\n".to_vec(), told),
            ("1, IPv6", b"PROXY TCP6 2001:db8::1 ::2 7 9\r\n".to_vec(), from("[2001:db8::1]:7", "[::2]:9")),
            ("1, mapped", b"PROXY TCP6 ::ffff:203.0.113.5 ::2 7 9\r\n".to_vec(), from("203.0.113.5:7", "[::2]:9")),
            ("1, unknown", b"PROXY UNKNOWN\r\n".to_vec(), Some(Heard::Own)),
            ("1, unknown with more", b"PROXY UNKNOWN ff:: ff:: 1 2\r\n".to_vec(), Some(Heard::Own)),
            ("1, another family", b"PROXY UDP4 203.0.113.5 192.0.2.1 50000 993\r\n".to_vec(), None),
            ("1, no address", b"PROXY TCP4 example.org 192.0.2.1 50000 993\r\n".to_vec(), None),
            ("1, no port", b"PROXY TCP4 203.0.113.5 192.0.2.1 70000 993\r\n".to_vec(), None),
            ("1, of the other family", b"PROXY TCP4 ::1 ::2 50000 993\r\n".to_vec(), None),
            ("1, bare LF", b"PROXY TCP4 203.0.113.5 192.0.2.1 50000 993\n".to_vec(), None),
            ("1, two spaces", b"PROXY  TCP4 203.0.113.5 192.0.2.1 50000 993\r\n".to_vec(), None),
            ("1, lower case", b"proxy TCP4 203.0.113.5 192.0.2.1 50000 993\r\n".to_vec(), None),
            ("1, endless", [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200], b"\r\n"].concat(), None),
            ("1, cut", b"PROXY TCP4 203.0.113.5 192".to_vec(), None),
            ("2, IPv4", block(0x21, 0x11, four), told),
            ("2, IPv6", block(0x21, 0x21, &six), from("[2001:db8::1]:7", "[::2]:9")),
            ("2, with TLVs", block(0x21, 0x11, &with_tlvs), told),
            ("2, as long as it may be", block(0x21, 0x11, &long), told),
            ("2, longer", block(0x21, 0x11, &too_long), None),
            ("2, LOCAL", block(0x20, 0x00, b""), Some(Heard::Own)),
            ("2, LOCAL with an address", block(0x20, 0x11, four), Some(Heard::Own)),
            ("2, of no address", block(0x21, 0x00, b"anything"), Some(Heard::Own)),
            ("2, of a UNIX socket", block(0x21, 0x31, &[0; 216]), Some(Heard::Own)),
            ("2, of a UNIX socket, cut", block(0x21, 0x31, &[0; 100]), None),
            ("2, datagrams", block(0x21, 0x12, four), None),
            ("2, another command", block(0x22, 0x11, four), None),
            ("2, version 3", block(0x31, 0x11, four), None),
            ("2, another family", block(0x21, 0x41, four), None),
            ("2, shorter than its addresses", block(0x21, 0x11, &four[..8]), None),
            ("2, cut", block(0x21, 0x11, four)[..20].to_vec(), None),
            ("none, but IMAP", b"a1 LOGIN ann secret\r\n".to_vec(), None),
            ("none, but TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), None),
            ("nothing", Vec::new(), Some(Heard::Nothing)),
            ("an octet", b"P".to_vec(), None),
        ];
        for (name, octets, want) in rows {
            let rest: &[u8] = if want.is_some_and(|heard| heard != Heard::Nothing) { b"a1 NOOP\r\n\n" } else { b"" };
            let all = [octets.as_slice(), rest].concat();
            let single: Vec<&[u8]> = if all.len() < 300 { all.chunks(1).collect() } else { all.chunks(1000).collect() };
            for pieces in [vec![all.as_slice()], single] {
                let (heard, left) = heard(&pieces).await;
                assert_eq!(heard, want, "{name}");
                assert!(want.is_none() || left == rest, "{name}: {left:?}");
            }
        }
    }

    #[test]
    fn what_is_said_upstream_is_what_was_heard() {
        let origin = |client: &str, reached: &str| Origin {
            client: client.parse().unwrap(),
            reached: reached.parse().unwrap(),
            via: None,
        };
        let six = header(Some(&origin("203.0.113.5:5", "[2001:db8::1]:9"))).unwrap();
        assert_eq!(said(&six).unwrap(), from("203.0.113.5:5", "[2001:db8::1]:9").unwrap());
        assert_eq!(six.len(), FIXED + 36, "two families are told in the wider one");
        assert_eq!(header(Some(&origin("203.0.113.5:5", "192.0.2.1:9"))).unwrap().len(), FIXED + 12);
        assert_eq!(said(&header(None).unwrap()).unwrap(), Heard::Own);
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(octets in proptest::collection::vec(any::<u8>(), 0..300), version in 0..3_u8) {
            let begin: &[u8] = match version { 1 => WORD, 2 => SIGNATURE, _ => b"" };
            let _ = said(&[begin, &octets].concat());
        }

        #[test]
        fn any_two_addresses_pass(client: [u8; 16], reached: [u8; 16], ports: (u16, u16), four: (bool, bool)) {
            let address = |octets: [u8; 16], port, four: bool| match four {
                true => SocketAddr::from(([octets[0], octets[1], octets[2], octets[3]], port)),
                false => SocketAddr::from((octets, port)),
            };
            let (client, reached) = (address(client, ports.0, four.0), address(reached, ports.1, four.1));
            let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
            let octets = header(Some(&Origin { client, reached, via: None })).unwrap();
            prop_assert_eq!(said(&octets).unwrap(), Heard::HandedOn(plain(client), plain(reached)));
        }
    }
}
