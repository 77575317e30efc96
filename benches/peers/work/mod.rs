//! The work loads: ONE table, and a file for each kind.
//!
//! ```text
//!   Bench (which door, whose CPU, how long)  ─▶  work  ─▶  Measured: CPU per unit, units per second, latency, memory
//! ```
//!
//! A work load connects and warms up first; only then does the measurement begin. It reads every answer and counts what
//! came: an answer that is too short is an error, not a fast one.

pub mod commands;
pub mod crowd;
pub mod sessions;
pub mod transfers;
mod turns;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use crate::backend::Size;
use crate::load::door::Door;
use crate::peer::upstream::Behind;

/// What is done, to whom and for how long.
#[derive(Clone)]
pub struct Bench {
    /// Where clients go in.
    pub door: Door,
    /// Whose CPU time and memory: these processes and those below them.
    pub roots: Vec<u32>,
    /// How long to measure.
    pub seconds: Duration,
    /// What the backend has.
    pub size: Size,
    /// A tenth of the sessions will do.
    pub quick: bool,
}

/// What can be said of a work load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Microseconds of CPU time for a unit.
    Cpu,
    /// Units in a second, on this machine with the load and the backend on it.
    Rate,
    /// Microseconds within which half of them were done.
    P50,
    /// Microseconds within which 99 of 100 were done.
    P99,
    /// KiB of PSS for a session.
    Memory,
}

/// What was measured.
pub type Measured = Vec<(Figure, f64)>;
type Job = Pin<Box<dyn Future<Output = io::Result<Measured>>>>;

/// How clients connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Leg {
    /// In clear
    Plain,
    /// In TLS 1.3
    Tls,
}

/// A row of the table.
pub struct Work {
    /// For `--only`.
    pub name: &'static str,
    /// For the report.
    pub title: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// What answers.
    pub behind: Behind,
    /// How clients connect.
    pub legs: &'static [Leg],
    /// Says something of the backend, too.
    pub direct: bool,
    /// Needs a peer that has done nothing before: memory is measured.
    pub fresh: bool,
    /// Sessions at once.
    pub sessions: u64,
    /// Does it.
    pub run: fn(Bench) -> Job,
}

const BOTH: &[Leg] = &[Leg::Plain, Leg::Tls];

/// An ordinary row.
const fn row(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    sessions: u64,
    run: fn(Bench) -> Job,
) -> Work {
    Work { name, title, unit, behind: Behind::Canned, legs: BOTH, direct: true, fresh: false, sessions, run }
}

/// A row before the real Dovecot.
const fn real(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    sessions: u64,
    run: fn(Bench) -> Job,
) -> Work {
    Work { behind: Behind::Dovecot, ..row(name, title, unit, sessions, run) }
}

/// A row about memory.
const fn held(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    sessions: u64,
    run: fn(Bench) -> Job,
) -> Work {
    Work { fresh: true, ..row(name, title, unit, sessions, run) }
}

/// All of them, in the order of the report.
pub const WORKS: &[Work] = &[
    row("login", "connect, full handshake, LOGIN, LOGOUT", "login", 16, |b| Box::pin(sessions::login(b))),
    Work {
        legs: &[Leg::Tls],
        ..row("login-ticket", "the same with a ticket", "login", 16, |b| Box::pin(sessions::login_with_ticket(b)))
    },
    row("noop", "NOOP, 64 connections", "command", 64, |b| Box::pin(commands::noop(b))),
    row("noop-pipelined", "NOOP, 64 pipelined", "command", 4, |b| Box::pin(commands::noop_pipelined(b))),
    row("single", "NOOP, one session at a time", "command", 1, |b| Box::pin(commands::single(b))),
    row("small-fetch", "FETCH of a small message, 64 connections", "command", 64, |b| {
        Box::pin(commands::small_fetch(b))
    }),
    row("visit", "a mail reader's visit of 16 commands", "command", 16, |b| Box::pin(commands::visit(b))),
    row("status", "STATUS of 50 mailboxes, pipelined", "command", 4, |b| Box::pin(commands::status(b))),
    row("list", "LIST of 1,000 mailboxes", "MB", 4, |b| Box::pin(transfers::list(b))),
    row("lsub", "LSUB of 1,000 mailboxes", "MB", 4, |b| Box::pin(transfers::lsub(b))),
    row("flags", "FLAGS of 10,000 messages", "MB", 4, |b| Box::pin(transfers::flags(b))),
    row("envelope", "ENVELOPE of 10,000 messages", "MB", 4, |b| Box::pin(transfers::envelope(b))),
    row("search", "SEARCH answered by lines of 64 KiB", "MB", 4, |b| Box::pin(transfers::search(b))),
    row("fetch", "FETCH of 25 MiB", "MB", 4, |b| Box::pin(transfers::fetch(b))),
    row("append", "APPEND of 25 MiB, literals of both kinds", "MB", 4, |b| Box::pin(transfers::append(b))),
    row("logins-beside-idle", "200 logins/s beside 2,000 idle sessions", "login", 2_100, |b| {
        Box::pin(sessions::logins_beside_idle(b))
    }),
    Work { direct: false, ..held("idle", "5,000 sessions in IDLE", "session", 5_000, |b| Box::pin(sessions::idle(b))) },
    held("scale-900", "900 sessions, a quarter with a command a second", "command", 900, |b| {
        Box::pin(sessions::scale(b, 900))
    }),
    held("scale-9000", "9,000 sessions, a quarter with a command a second", "command", 9_000, |b| {
        Box::pin(sessions::scale(b, 9_000))
    }),
    held("scale-20000", "20,000 sessions, a quarter with a command a second", "command", 20_000, |b| {
        Box::pin(sessions::scale(b, 20_000))
    }),
    real("noop-dovecot", "NOOP, 64 connections, before a real Dovecot", "command", 64, |b| Box::pin(commands::noop(b))),
    real("small-fetch-dovecot", "FETCH of a small message, before a real Dovecot", "command", 64, |b| {
        Box::pin(commands::small_fetch(b))
    }),
    real("visit-dovecot", "the visit, before a real Dovecot", "command", 16, |b| Box::pin(commands::visit(b))),
    real("flags-dovecot", "FLAGS of 1,000 messages, before a real Dovecot", "MB", 4, |b| Box::pin(transfers::flags(b))),
];

impl Work {
    /// Sessions at once.
    pub fn sessions(&self, quick: bool) -> u64 {
        if quick && self.is_divisible() { self.sessions / 10 } else { self.sessions }
    }

    /// Can it be shared out among several processes of each part? Where there are many sessions.
    pub fn is_divisible(&self) -> bool {
        self.sessions > 1_000
    }
}

impl Bench {
    /// So many sessions, or a tenth where it has to be quick.
    fn many(&self, sessions: usize) -> usize {
        if self.quick { sessions / 10 } else { sessions }
    }
}
