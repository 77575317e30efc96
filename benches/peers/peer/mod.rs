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
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::load::client::Client;
use crate::load::door::Door;
use crate::load::tls::Trust;
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
    /// Its processes, or the backend's where there is nothing between.
    pub roots: Vec<u32>,
    /// Where it takes clients in clear.
    pub plain: Door,
    /// Where it takes those in TLS.
    pub tls: Door,
    /// Ended when dropped.
    processes: Vec<Process>,
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
            Kind::Direct => Doors { plain: upstream.plain.clone(), tls: upstream.tls.clone(), sessions },
            _ => {
                let count = upstream.plain.len();
                Doors { plain: place::free_addresses(count)?, tls: place::free_addresses(count)?, sessions }
            }
        };
        let place = plan.place;
        let processes = match kind {
            Kind::Direct => Vec::new(),
            Kind::Imapwarden
            | Kind::ImapwardenOthers
            | Kind::ImapwardenHiding
            | Kind::ImapwardenHidingMessages
            | Kind::ImapwardenNoRules
            | Kind::ImapwardenUnrecorded => imapwarden::start(kind, plan, &doors)?,
            Kind::Nginx => nginx::start(place, &doors, &upstream.plain)?,
            Kind::Haproxy => haproxy::start(place, &doors, &upstream.plain)?,
            Kind::Dovecot => vec![dovecot::start(place, &doors, &upstream.plain)?],
        };
        let door = |addresses: &[SocketAddr], in_tls| Door::new(addresses, &plan.trust, in_tls, upstream.users);
        let servers = if kind == Kind::Direct { &upstream.processes } else { &processes };
        let roots = servers.iter().map(Process::id).collect();
        let mut peer = Self { roots, plain: door(&doors.plain, false), tls: door(&doors.tls, true), processes };
        peer.until_ready().await?;
        Ok(peer)
    }

    async fn until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let Err(failed) = self.pass().await else { return Ok(()) };
            let ended = self.processes.iter_mut().any(Process::ended);
            if ended || Instant::now() > deadline {
                let words = self.processes.iter().map(Process::last_words).collect::<Vec<_>>().join("\n");
                return Err(io::Error::other(format!("a login does not pass: {failed}\n{words}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Do logins pass, through every door?
    async fn pass(&self) -> io::Result<()> {
        for door in self.plain.each().chain(self.tls.each()) {
            passes(&door).await?;
        }
        Ok(())
    }

    /// Where it has ended: what it wrote last.
    pub fn why_ended(&mut self) -> String {
        let ended = self.processes.iter_mut().find_map(|process| process.ended().then(|| process.last_words()));
        ended.map_or_else(String::new, |words| format!("; it has ended:\n{words}"))
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
    pub trust: Trust,
    /// The imapwarden to start.
    pub imapwarden: &'p PathBuf,
    /// What answers.
    pub upstream: &'p Upstream,
    /// How many sessions one process must be able to hold.
    pub sessions: u64,
    /// How many rules imapwarden has, where it has any.
    pub rules: usize,
}

/// Rules of a company.
pub const RULES: usize = 100;

/// Where a peer is to listen, and for how many: one port, on an address for each backend.
struct Doors {
    plain: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    /// In one process.
    sessions: u64,
}

impl Doors {
    /// How many processes can run at once.
    fn cpus(&self) -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }
}
