//! Two ways to the proxy: its process, over a socket; or its session alone, which needs neither.
//!
//! ```text
//!   Socket     client ─▶ imapwarden run ─▶ Dovecot         the program as it is
//!   Direct     client ─▶ Session ─▶ Dovecot                 no audit log, no runtime; time is what the test says it is,
//!                             └─▶ what the upstream heard    and what goes up is seen
//! ```

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imapwarden::session::{Clock, ListenerTls, Output, Session, SessionStart, Shared, UpstreamInfo};

use super::play::{Heard, Road};

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program over a socket.
pub struct Socket(TcpStream);

impl Socket {
    pub fn open(address: SocketAddr) -> Self {
        Self(connect(address))
    }
}

impl Road for Socket {
    fn say(&mut self, octets: &[u8]) {
        let _ = self.0.write_all(octets); // it may have hung up: the end is heard then
    }

    fn hear(&mut self) -> Heard {
        read(&mut self.0)
    }

    fn hang_up(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn read(stream: &mut TcpStream) -> Heard {
    let mut buffer = vec![0; 16 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) => Heard::End,
        Ok(n) => {
            buffer.truncate(n);
            Heard::Octets(buffer)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Heard::Silence,
        Err(_) => Heard::End,
    }
}

/// A session alone, and its connection to Dovecot.
pub struct Direct {
    session: Session,
    dovecot: SocketAddr,
    upstream: Option<TcpStream>,
    client: Vec<u8>,
    /// What goes up.
    pub up: Rc<RefCell<Vec<u8>>>,
    now: Instant,
    over: bool,
}

impl Direct {
    /// `up` gets what the upstream is told.
    pub fn open(shared: Arc<Shared>, dovecot: SocketAddr, now: Instant, up: Rc<RefCell<Vec<u8>>>) -> Self {
        let start = SessionStart {
            sid: Arc::from("4c2q8m0v7x1t"),
            listener: Arc::from("imap"),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            client_port: 50_000,
            connected_to: None,
            via: None,
            tls: ListenerTls::Off,
            allow_plaintext_login: true,
            tag_prefix: Arc::from("t"),
        };
        let session = Session::new(start, shared, now);
        let mut road = Self { session, dovecot, upstream: None, client: Vec::new(), up, now, over: false };
        road.perform();
        road
    }

    fn perform(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::ToClient(octets) => self.client.extend_from_slice(&octets),
                Output::ToUpstream(octets) => {
                    self.up.borrow_mut().extend_from_slice(&octets);
                    if let Some(upstream) = &mut self.upstream {
                        let _ = upstream.write_all(&octets);
                    }
                }
                Output::Record(_) | Output::Announce(_) | Output::Note(_) => {}
                Output::Intent(_) => self.session.handle_recorded(true, self.now),
                Output::Connect { .. } => {
                    self.upstream = Some(connect(self.dovecot));
                    self.session.handle_upstream_connected(false, self.now);
                }
                Output::StartClientTls | Output::StartUpstreamTls => unreachable!("no TLS here"),
                Output::CloseUpstream => self.upstream = None,
                Output::Close => self.over = true,
            }
        }
    }

    /// Is a pause all that is waited for?
    fn pause_is_over(&mut self) -> bool {
        let due = self.session.next_deadline().filter(|due| *due <= self.now + Duration::from_secs(5));
        if let Some(due) = due {
            self.now = self.now.max(due);
            self.session.handle_deadline(self.now);
            self.perform();
        }
        due.is_some()
    }
}

impl Road for Direct {
    fn say(&mut self, octets: &[u8]) {
        self.now += Duration::from_secs(1);
        if !self.over {
            self.session.handle_client_bytes(octets, self.now);
            self.perform();
        }
    }

    fn hear(&mut self) -> Heard {
        loop {
            if !self.client.is_empty() {
                return Heard::Octets(std::mem::take(&mut self.client));
            }
            if self.over {
                return Heard::End;
            }
            if self.pause_is_over() {
                continue;
            }
            let Some(upstream) = &mut self.upstream else { return Heard::Silence };
            match read(upstream) {
                Heard::Octets(octets) => self.session.handle_upstream_bytes(&octets, self.now),
                Heard::End => self.session.handle_upstream_closed(self.now),
                Heard::Silence => return Heard::Silence,
            }
            self.perform();
        }
    }

    fn settle(&mut self) {
        while !self.over && !self.session.is_idle() {
            if self.pause_is_over() {
                continue;
            }
            let Some(upstream) = &mut self.upstream else { return };
            match read(upstream) {
                Heard::Octets(octets) => self.session.handle_upstream_bytes(&octets, self.now),
                Heard::End => self.session.handle_upstream_closed(self.now),
                Heard::Silence => return,
            }
            self.perform();
        }
    }

    fn hang_up(&mut self) {
        self.session.handle_client_closed(self.now);
        self.perform();
    }
}

/// What sessions share: rules, and an upstream that is reached in clear.
pub fn shared(rules: &str, now: Instant) -> Arc<Shared> {
    Arc::new(Shared {
        rules: crate::driver::rules(rules, None),
        default_domain: None,
        upstreams: vec![Arc::new(UpstreamInfo::new(Arc::from("main"), false, None))],
        limits: imapwarden::session::Limits::default(),
        budgets: Arc::new(imapwarden::session::InMemory::new(now)),
        locks: Arc::default(),
        verdicts: imapwarden::session::verdicts::in_memory(),
        clock: Arc::new(Clock::new(now, jiff::Timestamp::now())),
        stopwatch: Instant::now,
    })
}
