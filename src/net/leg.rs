//! One side of a session: a socket, TLS on it or not, and what waits to be written.
//!
//! ```text
//!   socket ─read─▶ shared buffer of the thread ─[TLS]─▶ on_bytes
//!   queue ─▶ pending ─[TLS]─▶ shared buffer of the thread ─write─▶ socket ─(full?)─▶ what is left is kept here
//! ```
//!
//! A read goes to a large buffer that all sessions of a thread share and that is free again before the poll ends: a leg
//! that waits holds no buffer, and one that is busy reads as much as there is with one system call. What a leg keeps is
//! what it must: the part of a TLS record that has come, and the octets that its socket did not take.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, CommonState, ServerConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::channel::{Channel, Outgoing};

/// Most that one read takes. Must hold a whole TLS record and more: 16 KiB and some 300 octets.
const READ: usize = 64 * 1024;

/// Most plaintext that is sealed before it is written.
const SEAL: usize = 64 * 1024;

/// Sealed octets left over are written together with new ones as long as there are no more of them than this.
const JOIN: usize = 4 * 1024;

/// What waits to be written beyond this is a reason not to read what leads to more.
const FULL: usize = 64 * 1024;

/// Octets that both legs of a session hold at most: what may wait, what one read more leads to, and a part of a record.
pub(super) const MOST_HELD: usize = FULL * 4 + FULL + 2 * (READ + SEAL);

/// Times between which a silent connection is probed.
const KEEPALIVE: Duration = Duration::from_secs(120);

/// Buffers for what goes out that a thread keeps when no session has any, and how large they are. Sessions that wait for others
/// before their records are written each have one meanwhile.
const SPARE: usize = 32;
const SPARE_OCTETS: usize = 72 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
    static SEAL_BUFFER: RefCell<Outgoing> = RefCell::default();
    static SPARE_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer for what goes out. All sessions of a thread take them by turns, each for the time from its read to its
/// write: so none keeps one, and the heap does not fill with the holes that they would leave.
pub(super) fn lend_buffer() -> Vec<u8> {
    SPARE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(SPARE_OCTETS))
}

fn give_back(mut buffer: Vec<u8>) {
    if (SPARE_OCTETS..=SPARE_OCTETS.saturating_mul(3)).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE_BUFFERS.with_borrow_mut(|spare| {
            if spare.len() < SPARE {
                spare.push(buffer);
            }
        });
    }
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Plaintext, which was handed on.
    Bytes,
    /// Something of TLS' own.
    Nothing,
    /// The peer sends nothing more.
    End,
}

/// One side of a session.
pub(super) struct Leg {
    socket: TcpStream,
    channel: Option<Channel>,
    /// Plaintext for the peer, of which `sent` octets have gone.
    pending: Vec<u8>,
    sent: usize,
    /// The same under TLS: ciphertext that the socket did not take yet.
    sealed: Vec<u8>,
    sealed_sent: usize,
    /// The part that has come of a TLS record.
    incoming: Vec<u8>,
    /// Plaintext that came along with the end of the handshake.
    early: Vec<u8>,
    /// Anything has come.
    heard: bool,
    /// The peer has said that it sends nothing more.
    ended: bool,
    /// Writing failed, or was ended: nothing more goes out.
    mute: bool,
    /// Since when the socket takes nothing.
    stalled: Option<Instant>,
}

impl Leg {
    /// A connection that stands. Small writes must not wait (`TCP_NODELAY`), and a peer that is gone must be noticed.
    pub fn new(socket: TcpStream) -> Self {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(Duration::from_secs(30));
        // Both only fail where the connection is gone, which the first read will tell.
        let _ = socket.set_nodelay(true);
        let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
        Self {
            socket,
            channel: None,
            pending: Vec::new(),
            sent: 0,
            sealed: Vec::new(),
            sealed_sent: 0,
            incoming: Vec::new(),
            early: Vec::new(),
            heard: false,
            ended: false,
            mute: false,
            stalled: None,
        }
    }

    /// Begins TLS with a client. All plaintext must be out.
    pub fn begin_server_tls(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        self.channel = Some(Channel::server(config).map_err(io::Error::other)?);
        Ok(())
    }

    /// Begins TLS with an upstream. All plaintext must be out.
    pub fn begin_client_tls(&mut self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<()> {
        let mut channel = Channel::client(config, name).map_err(io::Error::other)?;
        let greeted = SEAL_BUFFER.with_borrow_mut(|out| {
            out.clear();
            let taken = channel.take(&mut [], out, &mut |_| {});
            self.sealed.extend_from_slice(out.filled()); // ClientHello
            taken
        });
        self.channel = Some(channel);
        greeted.map(|_| ()).map_err(io::Error::other)
    }

    /// What TLS agreed on, if it stands.
    pub fn tls(&self) -> Option<&CommonState> {
        self.channel.as_ref().map(Channel::facts)
    }

    /// Has the peer sent anything at all?
    pub fn has_heard(&self) -> bool {
        self.heard
    }

    /// The server name that a client asked for.
    pub fn sni(&self) -> Option<&str> {
        self.channel.as_ref().and_then(Channel::sni)
    }

    fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(CommonState::is_handshaking)
    }

    /// Goes on with the handshake until it is complete. What it says last may still wait to be flushed.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.is_handshaking() {
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            let mut early = std::mem::take(&mut self.early);
            let heard = self.poll_records(cx, &mut |plain| early.extend_from_slice(plain));
            self.early = early;
            match heard {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Heard::End)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(Heard::Bytes | Heard::Nothing)) => {}
                Poll::Ready(Err(error)) => {
                    let _ = self.poll_flush(cx); // the alert, if the socket takes it
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; plaintext goes to `on_bytes`.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, on_bytes: &mut dyn FnMut(&[u8])) -> Poll<io::Result<Heard>> {
        if !self.early.is_empty() {
            on_bytes(&std::mem::take(&mut self.early));
            return Poll::Ready(Ok(Heard::Bytes));
        }
        loop {
            match ready!(self.poll_records(cx, on_bytes))? {
                Heard::Nothing => {}
                heard => return Poll::Ready(Ok(heard)),
            }
        }
    }

    fn poll_records(&mut self, cx: &mut Context<'_>, on_bytes: &mut dyn FnMut(&[u8])) -> Poll<io::Result<Heard>> {
        if self.ended {
            return Poll::Ready(Ok(Heard::End));
        }
        let kept = self.incoming.len();
        if kept > 0 {
            // Only then is it worth while to bring the part of a record to the shared buffer.
            ready!(self.socket.poll_read_ready(cx))?;
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            if let Some(room) = buffer.get_mut(..kept) {
                room.copy_from_slice(&self.incoming);
            }
            let mut room = ReadBuf::new(buffer.get_mut(kept..).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room))?;
            let n = room.filled().len();
            if n == 0 {
                self.ended = true;
                return Poll::Ready(Ok(Heard::End));
            }
            self.heard = true;
            let octets = buffer.get_mut(..kept.saturating_add(n)).unwrap_or_default();
            if self.channel.is_some() {
                return Poll::Ready(self.open(octets, on_bytes));
            }
            on_bytes(octets);
            Poll::Ready(Ok(Heard::Bytes))
        })
    }

    /// Takes records apart; what is left of them waits for the next read.
    fn open(&mut self, octets: &mut [u8], on_bytes: &mut dyn FnMut(&[u8])) -> io::Result<Heard> {
        let Some(channel) = &mut self.channel else { return Ok(Heard::Nothing) };
        let mut heard = Heard::Nothing;
        let taken = SEAL_BUFFER.with_borrow_mut(|out| {
            out.clear();
            let taken = channel.take(octets, out, &mut |plain| {
                heard = Heard::Bytes;
                on_bytes(plain);
            });
            if !self.mute {
                self.sealed.extend_from_slice(out.filled());
            }
            taken
        });
        let taken = taken.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.ended = taken.ended;
        self.incoming.clear();
        self.incoming.extend_from_slice(octets.get(taken.used..).unwrap_or_default());
        Ok(if self.ended && heard == Heard::Nothing { Heard::End } else { heard })
    }

    /// Octets for the peer.
    pub fn queue(&mut self, octets: Vec<u8>) {
        if self.mute {
            return give_back(octets);
        }
        if self.pending.is_empty() {
            return give_back(std::mem::replace(&mut self.pending, octets));
        }
        self.pending.extend_from_slice(&octets);
        give_back(octets);
    }

    /// Where the octets end that are queued so far.
    pub fn mark(&self) -> usize {
        self.pending.len()
    }

    /// Takes back what was queued behind a mark. Nothing may have been flushed since.
    pub fn take_back(&mut self, mark: usize) {
        self.pending.truncate(mark);
    }

    fn waiting(&self) -> usize {
        (self.pending.len().saturating_sub(self.sent))
            .saturating_add(self.sealed.len().saturating_sub(self.sealed_sent))
    }

    /// Octets that it holds, of what goes out and of what has come in part.
    pub fn held(&self) -> usize {
        self.waiting().saturating_add(self.incoming.len()).saturating_add(self.early.len())
    }

    /// Is everything written that was queued?
    pub fn is_flushed(&self) -> bool {
        self.waiting() == 0
    }

    /// May more be read that leads to octets for this peer?
    pub fn has_room(&self) -> bool {
        self.waiting() < FULL
    }

    /// May more be read of this peer itself? It may be slow to read, but not go on forever like that.
    pub fn answers_have_room(&self) -> bool {
        self.waiting() < FULL.saturating_mul(4)
    }

    /// Since when the socket takes nothing of what waits.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    /// Writes what waits, until all is out or the socket is full.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        let before = self.waiting();
        let written = if self.channel.is_some() { self.poll_sealed(cx) } else { self.poll_plain(cx) };
        if self.sent >= self.pending.len() / 2 {
            self.pending.drain(..self.sent); // else it would grow for as long as the peer never catches up
            self.sent = 0;
        }
        if self.pending.is_empty() {
            give_back(std::mem::take(&mut self.pending));
        }
        match &written {
            Poll::Ready(Ok(())) => self.stalled = None,
            Poll::Ready(Err(_)) => self.silence(),
            Poll::Pending if self.stalled.is_none() || self.waiting() < before => {
                self.stalled = Some(tokio::time::Instant::now().into_std());
            }
            Poll::Pending => {}
        }
        written
    }

    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let n = ready!(write(&mut self.socket, cx, rest))?;
            self.sent = self.sent.saturating_add(n);
        }
        self.pending.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_sealed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_flushed() {
            if self.is_handshaking() && self.sealed.len() == self.sealed_sent {
                return Poll::Pending; // what is queued has to wait for its end
            }
            if self.sealed.len().saturating_sub(self.sealed_sent) > JOIN {
                let rest = self.sealed.get(self.sealed_sent..).unwrap_or_default();
                let n = ready!(write(&mut self.socket, cx, rest))?;
                self.sealed_sent = self.sealed_sent.saturating_add(n);
                continue;
            }
            ready!(SEAL_BUFFER.with_borrow_mut(|out| self.poll_seal_and_write(out, cx)))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_seal_and_write(&mut self, out: &mut Outgoing, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seal(out)?;
        let mut sent = 0;
        while let Some(rest) = out.filled().get(sent..).filter(|rest| !rest.is_empty()) {
            match write(&mut self.socket, cx, rest) {
                Poll::Ready(Ok(n)) => sent = sent.saturating_add(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.sealed.extend_from_slice(rest);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what waits to `out`, sealed.
    fn seal(&mut self, out: &mut Outgoing) -> io::Result<()> {
        out.clear();
        out.extend(self.sealed.get(self.sealed_sent..).unwrap_or_default());
        self.sealed.clear();
        self.sealed_sent = 0;
        let Some(channel) = &mut self.channel else { return Ok(()) };
        let rest = self.pending.get(self.sent..).unwrap_or_default();
        let plain = rest.get(..SEAL).unwrap_or(rest);
        if plain.is_empty() || channel.facts().is_handshaking() {
            return Ok(());
        }
        channel.seal(&mut self.incoming, plain, out).map_err(io::Error::other)?;
        self.sent = self.sent.saturating_add(plain.len());
        if self.sent >= self.pending.len() {
            self.pending.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Flushes, then tells the peer that nothing more comes.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_handshaking() {
            ready!(self.poll_flush(cx))?;
        }
        if self.mute {
            return Poll::Ready(Ok(()));
        }
        if let Some(channel) = self.channel.as_mut().filter(|channel| !channel.facts().is_handshaking()) {
            SEAL_BUFFER.with_borrow_mut(|out| {
                out.clear();
                if channel.close(&mut self.incoming, out).is_ok() {
                    // The socket has room as all before was taken; if it has none, the end of the stream must do.
                    let _ = write(&mut self.socket, cx, out.filled());
                }
            });
        }
        self.silence();
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// Reads and forgets.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut room = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room))?;
            Poll::Ready(Ok(room.filled().len()))
        })
    }

    fn silence(&mut self) {
        self.mute = true;
        self.pending = Vec::new();
        self.sealed = Vec::new();
        (self.sent, self.sealed_sent) = (0, 0);
        self.stalled = None;
    }

    /// Gives back all memory that holds nothing.
    pub fn relax(&mut self) {
        for buffer in [&mut self.sealed, &mut self.incoming, &mut self.early] {
            if buffer.is_empty() {
                *buffer = Vec::new();
            }
        }
    }
}

fn write(socket: &mut TcpStream, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(socket).poll_write(cx, octets))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        n => Poll::Ready(Ok(n)),
    }
}
