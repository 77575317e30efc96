//! Listening sockets that somebody keeps for us: systemd, over restarts and upgrades.
//!
//! ```text
//!   LISTEN_FDS=3  LISTEN_FDNAMES=imaps:imaps:admin   ─▶ by name, else by address ─▶ the listener, or the admin port
//! ```
//!
//! As long as they are kept, nobody who connects is refused: who is not accepted by one process waits for the next.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use listenfd::ListenFd;
use socket2::SockRef;

/// A socket on which somebody listens.
#[derive(Debug)]
pub enum Listening {
    /// An address with a port.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

/// What this process was given. Whoever takes a socket keeps it.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    name: String,
    socket: Listening,
}

impl Inherited {
    /// Takes what the environment says, once, before there are other threads.
    ///
    /// # Errors
    /// Something is no socket on which somebody listens.
    pub fn take() -> io::Result<Self> {
        // The crate that takes the descriptors knows no names; and it forgets the other variables.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..given.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let socket = match given.take_tcp_listener(at) {
                Ok(tcp) => tcp.map(Listening::Tcp),
                Err(_) => given.take_unix_listener(at)?.map(Listening::Unix),
            };
            if let Some(socket) = socket {
                socket.prepare()?;
                sockets.push(Named { name, socket });
            }
        }
        Ok(Self { sockets })
    }

    /// Was nothing given, or is all of it taken?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// The names or addresses of what nobody took.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let told = |named: &Named| match &named.socket {
            Listening::Tcp(socket) => match socket.local_addr() {
                Ok(address) => format!("{} ({address})", named.name),
                Err(_) => named.name.clone(),
            },
            Listening::Unix(_) => named.name.clone(),
        };
        self.sockets.iter().map(told).collect()
    }

    /// All sockets of this name, else one of this address that has no name of its own.
    pub fn tcp(&mut self, name: &str, address: SocketAddr) -> Vec<TcpListener> {
        let named = self.drain(|named| named.name == name && matches!(named.socket, Listening::Tcp(_)));
        let found = match named.is_empty() {
            true => self.drain(|named| match &named.socket {
                Listening::Tcp(socket) => socket.local_addr().is_ok_and(|bound| bound == address),
                Listening::Unix(_) => false,
            }),
            false => named,
        };
        found.into_iter().filter_map(Listening::into_tcp).collect()
    }

    /// The socket of this name, or of this path.
    pub fn unix(&mut self, name: &str, path: &Path) -> Option<UnixListener> {
        let is_it = |named: &Named| match &named.socket {
            Listening::Unix(socket) => {
                named.name == name || socket.local_addr().is_ok_and(|bound| bound.as_pathname() == Some(path))
            }
            Listening::Tcp(_) => false,
        };
        let found = self.drain(is_it).into_iter().next()?;
        match found {
            Listening::Unix(socket) => Some(socket),
            Listening::Tcp(_) => None,
        }
    }

    fn drain(&mut self, take: impl Fn(&Named) -> bool) -> Vec<Listening> {
        let all = std::mem::take(&mut self.sockets);
        let (taken, left): (Vec<_>, Vec<_>) = all.into_iter().partition(take);
        self.sockets = left;
        taken.into_iter().map(|named| named.socket).collect()
    }
}

impl Listening {
    fn prepare(&self) -> io::Result<()> {
        let listens = match self {
            Self::Tcp(socket) => SockRef::from(socket).is_listener()?,
            Self::Unix(socket) => SockRef::from(socket).is_listener()?,
        };
        if !listens {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "nobody listens on a socket that was handed over"));
        }
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true),
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    fn into_tcp(self) -> Option<TcpListener> {
        match self {
            Self::Tcp(socket) => Some(socket),
            Self::Unix(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_name_then_by_address() {
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two, three) = (tcp(), tcp(), tcp());
        let third = three.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let unix = UnixListener::bind(&path).unwrap();
        let named = |name: &str, socket| Named { name: name.to_owned(), socket };
        let mut given = Inherited {
            sockets: vec![
                named("imaps", Listening::Tcp(one)),
                named("imapwarden.socket", Listening::Tcp(three)),
                named("imaps", Listening::Tcp(two)),
                named("admin", Listening::Unix(unix)),
            ],
        };
        let nowhere = "192.0.2.1:993".parse().unwrap();
        assert_eq!(given.tcp("imap", nowhere).len(), 0);
        assert_eq!(given.tcp("imaps", nowhere).len(), 2, "both families");
        assert_eq!(given.left(), [format!("imapwarden.socket ({third})"), "admin".to_owned()]);
        assert_eq!(given.tcp("imap", third).len(), 1);
        assert!(given.unix("other", Path::new("/run/other")).is_none());
        assert!(given.unix("other", &path).is_some() && given.is_empty());
    }

    #[test]
    fn nobody_listens_on_a_socket_that_is_only_bound() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        assert!(Listening::Tcp(socket.into()).prepare().is_err());
    }
}
