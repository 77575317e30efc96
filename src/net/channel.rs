//! TLS of one leg, without its socket.
//!
//! ```text
//!   ciphertext ─▶ take ─▶ plaintext, and sometimes an answer (handshake, key update, alert) ─▶ outgoing
//!   plaintext  ─▶ seal ─▶ ciphertext ─▶ outgoing
//! ```
//!
//! rustls' unbuffered interface: the connection keeps keys and state, the caller keeps the octets. So an idle session
//! holds no record buffer on either leg, and all sessions of a thread share the large ones ([`super::leg`]).

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

/// Octets that go out, in a buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    octets: Vec<u8>,
    /// How many of `octets` are to go out; those behind are only room.
    len: usize,
}

impl Outgoing {
    /// What is to go out.
    pub fn filled(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    /// Forgets what was to go out, and keeps the room.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Octets that are ready to go out.
    pub fn extend(&mut self, octets: &[u8]) {
        if let Some(room) = self.room(octets.len()).get_mut(..octets.len()) {
            room.copy_from_slice(octets);
            self.advance(octets.len());
        }
    }

    /// At least `n` octets of room. Zeroed once, when the buffer grows, and not each time.
    fn room(&mut self, n: usize) -> &mut [u8] {
        let wanted = self.len.saturating_add(n);
        if self.octets.len() < wanted {
            self.octets.resize(wanted, 0);
        }
        self.octets.get_mut(self.len..).unwrap_or_default()
    }

    fn advance(&mut self, n: usize) {
        self.len = self.len.saturating_add(n).min(self.octets.len());
    }
}

/// What [`Channel::take`] came to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// How much of the ciphertext is done with; what is behind belongs to a record that is not whole yet.
    pub used: usize,
    /// The peer will send nothing more (close_notify).
    pub ended: bool,
}

/// One side of TLS: keys and state, no octets.
pub(super) enum Channel {
    /// With a client of ours, and the server name that it asked for.
    Server(Box<UnbufferedServerConnection>, Option<Box<str>>),
    /// With an upstream.
    Client(Box<UnbufferedClientConnection>),
}

impl Channel {
    /// With a client of ours.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self::Server(Box::new(UnbufferedServerConnection::new(config)?), None))
    }

    /// With an upstream of this name.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Ok(Self::Client(Box::new(UnbufferedClientConnection::new(config, name)?)))
    }

    /// What was agreed on.
    pub fn facts(&self) -> &CommonState {
        match self {
            Self::Server(tls, _) => tls,
            Self::Client(tls) => tls,
        }
    }

    /// The server name that a client asked for.
    pub fn sni(&self) -> Option<&str> {
        match self {
            Self::Server(_, sni) => sni.as_deref(),
            Self::Client(_) => None,
        }
    }

    /// Opens what came, in the handshake (complete when [`CommonState::is_handshaking`] is false) as well as after it. The
    /// plaintext goes to `on_plain`, record by record; nothing but a part of a record is left.
    pub fn take(
        &mut self,
        incoming: &mut [u8],
        out: &mut Outgoing,
        on_plain: &mut dyn FnMut(&[u8]),
    ) -> Result<Taken, Error> {
        let mut taken = Taken::default();
        loop {
            let (discard, step) = self.advance(incoming.get_mut(taken.used..).unwrap_or_default(), out, on_plain);
            taken.used = taken.used.saturating_add(discard);
            match step {
                Ok(Step::More) => {}
                Ok(Step::Ended) => taken.ended = true,
                Ok(Step::Wait) => return Ok(taken),
                Err(error) => {
                    // The alert that tells the peer what is wrong stands ready. Not a step further: there are no others.
                    while self.facts().wants_write() {
                        let _ = self.advance(incoming.get_mut(taken.used..).unwrap_or_default(), out, on_plain);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn advance(
        &mut self,
        incoming: &mut [u8],
        out: &mut Outgoing,
        on_plain: &mut dyn FnMut(&[u8]),
    ) -> (usize, Result<Step, Error>) {
        match self {
            Self::Server(tls, sni) => {
                let step = advance(tls.process_tls_records(incoming), out, on_plain);
                if sni.is_none() && tls.is_handshaking() {
                    *sni = super::tls::take_asked_name();
                }
                step
            }
            Self::Client(tls) => advance(tls.process_tls_records(incoming), out, on_plain),
        }
    }

    /// Encrypts `plain` behind what is in `out` already. `incoming` is the part of a record that waits for its rest.
    pub fn seal(&mut self, incoming: &mut [u8], plain: &[u8], out: &mut Outgoing) -> Result<(), Error> {
        self.write(incoming, out, Writing::Data(plain))
    }

    /// Tells the peer that nothing more comes.
    pub fn close(&mut self, incoming: &mut [u8], out: &mut Outgoing) -> Result<(), Error> {
        self.write(incoming, out, Writing::CloseNotify)
    }

    fn write(&mut self, incoming: &mut [u8], out: &mut Outgoing, what: Writing<'_>) -> Result<(), Error> {
        loop {
            let sealed = match self {
                Self::Server(tls, _) => encrypt(tls.process_tls_records(incoming), out, what)?,
                Self::Client(tls) => encrypt(tls.process_tls_records(incoming), out, what)?,
            };
            if sealed {
                return Ok(());
            }
        }
    }
}

enum Step {
    More,
    Ended,
    Wait,
}

#[derive(Clone, Copy)]
enum Writing<'p> {
    Data(&'p [u8]),
    CloseNotify,
}

/// One step on: what it takes off the front of the ciphertext, and whether there is more to do.
fn advance<Side>(
    status: UnbufferedStatus<'_, '_, Side>,
    out: &mut Outgoing,
    on_plain: &mut dyn FnMut(&[u8]),
) -> (usize, Result<Step, Error>) {
    let mut discard = status.discard;
    let step = match status.state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Step::More),
                Some(Err(error)) => break Err(error),
                Some(Ok(record)) => {
                    discard = discard.saturating_add(record.discard);
                    on_plain(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            encode(|room| data.encode(room), out);
            Ok(Step::More)
        }
        // It is in `out`, before all that is put there later.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::More)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::Ended),
        Ok(ConnectionState::Closed | ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
            Ok(Step::Wait)
        }
        // Early data is switched off.
        Ok(_) => Err(Error::General("unexpected state of TLS".into())),
    };
    (discard, step)
}

fn encode(mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>, out: &mut Outgoing) {
    let mut wanted = 0;
    loop {
        match encode(out.room(wanted)) {
            Ok(n) => return out.advance(n),
            Err(EncodeError::InsufficientSize(size)) => wanted = size.required_size,
            Err(EncodeError::AlreadyEncoded) => return,
        }
    }
}

/// Writes when it may; `false`: something of TLS' own had to go first.
fn encrypt<Side>(status: UnbufferedStatus<'_, '_, Side>, out: &mut Outgoing, what: Writing<'_>) -> Result<bool, Error> {
    match status.state? {
        ConnectionState::WriteTraffic(mut traffic) => {
            let mut wanted = 0;
            loop {
                let room = out.room(wanted);
                let written = match what {
                    Writing::Data(plain) => traffic.encrypt(plain, room),
                    Writing::CloseNotify => traffic.queue_close_notify(room),
                };
                match written {
                    Ok(n) => {
                        out.advance(n);
                        return Ok(true);
                    }
                    Err(EncryptError::InsufficientSize(size)) => wanted = size.required_size,
                    Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
                }
            }
        }
        ConnectionState::EncodeTlsData(mut data) => {
            encode(|room| data.encode(room), out);
            Ok(false)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(false)
        }
        // The peer has said that it sends nothing more; it may still read.
        ConnectionState::PeerClosed => Ok(false),
        _ => Err(Error::HandshakeNotComplete),
    }
}
