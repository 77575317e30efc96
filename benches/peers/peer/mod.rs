//! The servers that are measured: each with two doors, in clear and in TLS, and one backend behind it.
//!
//! Started with a generated configuration on free ports, and taken for ready once a login has passed through both doors.

mod dovecot;
mod haproxy;
mod imapwarden;
mod nginx;
pub mod upstream;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustls::RootCertStore;

use crate::load::client::Client;
use crate::load::door::Door;
use crate::place::{self, Place, Process};
use upstream::Upstream;

/// What stands between clients and backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Nothing: the backend's own CPU time
    Direct,
    /// imapwarden with 100 rules, audit log and metrics
    Imapwarden,
    /// The same, with 100 rules of which each is about somebody else
    ImapwardenOthers,
    /// The same, with 100 rules of which ten hide mailboxes from everybody: all names are asked for after login
    ImapwardenHiding,
    /// The same with one rule, which hides messages by a field of their header
    ImapwardenHidingMessages,
    /// The same without a rule
    ImapwardenNoRules,
    /// The same with 100 rules, and one more by which no mailbox and no message is recorded
    ImapwardenUnrecorded,
    /// nginx's mail proxy, auth_http answered by nginx itself
    Nginx,
    /// HAProxy in TCP mode
    Haproxy,
    /// Dovecot's proxy
    Dovecot,
}

impl Kind {
    /// As a table's head has it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Direct => "backend, directly",
            Self::Imapwarden => "imapwarden",
            Self::ImapwardenOthers => "imapwarden, others' rules",
            Self::ImapwardenHiding => "imapwarden, hiding",
            Self::ImapwardenHidingMessages => "imapwarden, hiding messages",
            Self::ImapwardenNoRules => "imapwarden, no rules",
            Self::ImapwardenUnrecorded => "imapwarden, unrecorded",
            Self::Nginx => "nginx mail",
            Self::Haproxy => "HAProxy TCP",
            Self::Dovecot => "Dovecot proxy",
        }
    }

    /// As `--peers` has it.
    pub fn argument(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The program, and the Debian packages that it comes in.
    fn packages(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Direct
            | Self::Imapwarden
            | Self::ImapwardenOthers
            | Self::ImapwardenHiding
            | Self::ImapwardenHidingMessages
            | Self::ImapwardenNoRules
            | Self::ImapwardenUnrecorded => None,
            Self::Nginx => Some(("nginx", "nginx libnginx-mod-mail")),
            Self::Haproxy => Some(("haproxy", "haproxy")),
            Self::Dovecot => Some(("dovecot", "dovecot-imapd")),
        }
    }

    /// Says what is missing, and how to get it.
    pub fn missing(self) -> Option<String> {
        let (program, packages) = self.packages()?;
        let there = place::program(program).is_some() && (self != Self::Nginx || nginx::module().is_some());
        (!there).then(|| format!("{} is missing: apt-get install --no-install-recommends {packages}", self.title()))
    }

    /// What it says its version is.
    pub fn version(self, imapwarden: &Path) -> String {
        let (program, flag) = match self {
            Self::Direct => return "canned answers, one thread".to_owned(),
            Self::Imapwarden
            | Self::ImapwardenOthers
            | Self::ImapwardenHiding
            | Self::ImapwardenHidingMessages
            | Self::ImapwardenNoRules
            | Self::ImapwardenUnrecorded => (Some(imapwarden.to_owned()), "--version"),
            Self::Nginx => (place::program("nginx"), "-v"),
            Self::Haproxy => (place::program("haproxy"), "-v"),
            Self::Dovecot => (place::program("dovecot"), "--version"),
        };
        let said = program.and_then(|program| Command::new(program).arg(flag).output().ok());
        said.map_or_else(String::new, |said| {
            let text = [said.stdout, said.stderr].concat();
            String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
        })
    }
}

/// A peer that answers.
pub struct Peer {
    /// Its process, or the backend's where there is nothing between.
    pub root: u32,
    /// Where it takes clients in clear.
    pub plain: Door,
    /// Where it takes those in TLS.
    pub tls: Door,
    /// Ended when dropped.
    process: Option<Process>,
}

impl Peer {
    /// Starts one before this backend, and waits until a login passes.
    pub async fn start(kind: Kind, plan: &Plan<'_>) -> io::Result<Self> {
        let mut failed = io::Error::other("not started");
        // Another process may take a port between the choice and the start.
        for _ in 0..3 {
            match Self::try_start(kind, plan).await {
                Ok(peer) => return Ok(peer),
                Err(e) => failed = e,
            }
        }
        Err(io::Error::other(format!("{} does not start: {failed}", kind.title())))
    }

    async fn try_start(kind: Kind, plan: &Plan<'_>) -> io::Result<Self> {
        let (upstream, sessions) = (plan.upstream, plan.sessions);
        let doors = match kind {
            Kind::Direct => Doors { plain: upstream.plain, tls: upstream.tls, sessions },
            _ => Doors { plain: place::free_address()?, tls: place::free_address()?, sessions },
        };
        let place = plan.place;
        let process = match kind {
            Kind::Direct => None,
            Kind::Imapwarden
            | Kind::ImapwardenOthers
            | Kind::ImapwardenHiding
            | Kind::ImapwardenHidingMessages
            | Kind::ImapwardenNoRules
            | Kind::ImapwardenUnrecorded => Some(imapwarden::start(kind, plan, &doors)?),
            Kind::Nginx => Some(nginx::start(place, &doors, upstream.plain)?),
            Kind::Haproxy => Some(haproxy::start(place, &doors, upstream.plain)?),
            Kind::Dovecot => Some(dovecot::start(place, &doors, upstream.plain)?),
        };
        let door = |address, in_tls| Door::new(address, Arc::clone(&plan.roots), in_tls, upstream.users);
        let root = process.as_ref().map_or(upstream.id(), Process::id);
        let mut peer = Self { root, plain: door(doors.plain, false), tls: door(doors.tls, true), process };
        peer.until_ready().await?;
        Ok(peer)
    }

    async fn until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let passed = passes(&self.plain).await.and(passes(&self.tls).await);
            let Err(failed) = passed else { return Ok(()) };
            let ended = self.process.as_mut().is_some_and(Process::ended);
            if ended || Instant::now() > deadline {
                let words = self.process.as_ref().map(Process::last_words).unwrap_or_default();
                return Err(io::Error::other(format!("a login does not pass: {failed}\n{words}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where it has ended: what it wrote last.
    pub fn why_ended(&mut self) -> String {
        let Some(process) = &mut self.process else { return String::new() };
        if process.ended() { format!("; it has ended:\n{}", process.last_words()) } else { String::new() }
    }
}

/// Does a login pass?
async fn passes(door: &Door) -> io::Result<()> {
    let login = async { Client::session(door, 0).await?.logout().await };
    tokio::time::timeout(Duration::from_secs(5), login).await.map_err(|_| io::Error::other("no answer"))?
}

/// What a peer is started with.
pub struct Plan<'p> {
    /// The folder for its configuration.
    pub place: &'p Place,
    /// What clients trust.
    pub roots: Arc<RootCertStore>,
    /// The imapwarden to start.
    pub imapwarden: &'p PathBuf,
    /// What answers.
    pub upstream: &'p Upstream,
    /// How many sessions a peer must be able to hold.
    pub sessions: u64,
    /// How many rules imapwarden has, where it has any.
    pub rules: usize,
}

/// Rules of a company.
pub const RULES: usize = 100;

/// Where a peer is to listen, and for how many.
struct Doors {
    plain: SocketAddr,
    tls: SocketAddr,
    sessions: u64,
}
