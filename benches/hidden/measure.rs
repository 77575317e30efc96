//! One backend, all three ways to it, in turn.
//!
//! ```text
//!   round:  a new imapwarden that remembers nothing ─▶ SELECT (judged) ─▶ SELECT … ─▶ FLAGS ─▶ ended, started again ─▶ SELECT
//!           directly, and through one without rules:   SELECT, FETCH of the field, FLAGS, moments before or after
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::backend::{Size, is_secret};
use super::load::client::{Answer, Client};
use super::load::tls;
use super::peer::upstream::Upstream;
use super::peer::{Kind, Peer, Plan};
use super::place::Place;
use super::usage::{self, Cpu};
use super::{Backend, Options};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// SELECT by one for whom nothing has been judged.
    First,
    /// SELECT.
    Later,
    /// SELECT in a process that has just been started.
    Restarted,
    /// The field that the rule goes by, of all messages.
    Field,
    /// The flags of all messages.
    Flags,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Without a proxy.
    Direct,
    /// Through one that hides nothing.
    Plain,
    /// Through one that hides messages.
    Filtered,
}

/// Of one command.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// How long the client waited.
    pub wait: Duration,
    /// What the proxy's process took of a CPU; of none where there is no proxy.
    pub cpu: Duration,
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Measured {
    samples: BTreeMap<(Work, Way), Vec<Sample>>,
    /// KiB of PSS for each session: after LOGIN, after SELECT, and after a FETCH of all flags.
    pub memory: BTreeMap<Way, [f64; 3]>,
}

impl Measured {
    /// The median of each of the two.
    pub fn median(&self, work: Work, way: Way) -> Option<Sample> {
        let samples = self.samples.get(&(work, way))?;
        let middle = |of: fn(&Sample) -> Duration| {
            let mut all = samples.iter().map(of).collect::<Vec<_>>();
            all.sort_unstable();
            all[all.len() / 2]
        };
        Some(Sample { wait: middle(|sample| sample.wait), cpu: middle(|sample| sample.cpu) })
    }
}

/// SELECTs in a round.
const SELECTS: usize = 10;
/// Transfers of all flags in a round.
const TRANSFERS: usize = 3;
/// Sessions whose memory is divided by their number.
const SESSIONS: usize = 40;
/// Longer than imapwarden lets verdicts wait before it writes them down.
const WRITTEN: Duration = Duration::from_millis(1_500);

/// What clients ask first, and imapwarden where it may hide something: behind it Dovecot looks through a Maildir that it opens.
const LIST: &str = "LIST \"\" \"*\"";
const FLAGS: &str = "UID FETCH 1:* (FLAGS)";
const FIELD: &str = "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-Classification)])";

/// Measures all before this backend.
pub async fn all(options: &Options, backend: Backend) -> io::Result<Measured> {
    let place = Place::new()?;
    eprintln!("hidden: {} messages for {}", options.messages, backend.title());
    let upstream = match backend {
        Backend::Canned => Upstream::canned(&place, Size { messages: options.messages, ..Size::default() }, 1)?,
        Backend::Dovecot => Upstream::dovecot(&place, options.messages)?,
    };
    let trust = tls::trust(&place.path("tls/ca.pem"))?;
    let plan = Plan {
        place: &place,
        trust: trust.clone(),
        imapwarden: &options.imapwarden,
        upstream: &upstream,
        sessions: 200,
        rules: 1,
    };
    let mut bench = Bench { plan, messages: options.messages, measured: Measured::default() };
    let rounds = if options.quick { 1 } else { options.rounds };
    let direct = Peer::start(Kind::Direct, &bench.plan).await?;
    let plain = Peer::start(Kind::ImapwardenNoRules, &bench.plan).await?;
    // Indexes and caches of the server are made once, and not on anybody's account.
    let mut client = opened(&direct).await?;
    for command in [FIELD, FLAGS] {
        client.command(command).await?;
    }
    client.logout().await?;
    for round in 1..=rounds {
        bench.round(&direct, &plain).await?;
        eprintln!("hidden: {} {round}/{rounds}", backend.title());
    }
    drop(plain);
    for (way, kind) in [(Way::Plain, Kind::ImapwardenNoRules), (Way::Filtered, Kind::ImapwardenHidingMessages)] {
        let memory = bench.memory(kind).await?;
        bench.measured.memory.insert(way, memory);
    }
    Ok(bench.measured)
}

struct Bench<'p> {
    plan: Plan<'p>,
    messages: u32,
    measured: Measured,
}

impl Bench<'_> {
    async fn round(&mut self, direct: &Peer, plain: &Peer) -> io::Result<()> {
        let kind = Kind::ImapwardenHidingMessages;
        let state = self.plan.place.path(&format!("{}/state", kind.argument()));
        if state.exists() {
            fs::remove_dir_all(state)?;
        }
        let filtered = Peer::start(kind, &self.plan).await?;
        self.field(direct).await?;
        self.select(Work::First, Way::Filtered, &filtered).await?;
        for _ in 0..SELECTS {
            for (way, peer) in [(Way::Direct, direct), (Way::Plain, plain), (Way::Filtered, &filtered)] {
                self.select(Work::Later, way, peer).await?;
            }
        }
        for _ in 0..TRANSFERS {
            for (way, peer) in [(Way::Direct, direct), (Way::Plain, plain), (Way::Filtered, &filtered)] {
                self.flags(way, peer).await?;
            }
        }
        self.field(direct).await?;
        tokio::time::sleep(WRITTEN).await;
        drop(filtered);
        let again = Peer::start(kind, &self.plan).await?;
        self.select(Work::Restarted, Way::Filtered, &again).await
    }

    async fn select(&mut self, work: Work, way: Way, peer: &Peer) -> io::Result<()> {
        let mut client = Client::session(&peer.plain, 0).await?;
        client.command(LIST).await?;
        self.sample(work, way, peer, &mut client, "SELECT INBOX").await?;
        client.logout().await
    }

    async fn flags(&mut self, way: Way, peer: &Peer) -> io::Result<()> {
        let mut client = opened(peer).await?;
        let answer = self.sample(Work::Flags, way, peer, &mut client, FLAGS).await?;
        let hidden = (1..=self.messages).filter(|number| is_secret(*number)).count() as u64;
        let wanted = u64::from(self.messages) - if way == Way::Filtered { hidden } else { 0 };
        // Flags of which the client has not heard are told beside it.
        if !(wanted..=wanted + 9).contains(&answer.untagged) {
            return Err(io::Error::other(format!("{} responses to {FLAGS}, not {wanted}", answer.untagged)));
        }
        client.logout().await
    }

    async fn field(&mut self, direct: &Peer) -> io::Result<()> {
        let mut client = opened(direct).await?;
        self.sample(Work::Field, Way::Direct, direct, &mut client, FIELD).await?;
        client.logout().await
    }

    async fn sample(
        &mut self,
        work: Work,
        way: Way,
        peer: &Peer,
        client: &mut Client,
        command: &str,
    ) -> io::Result<Answer> {
        let before = (way != Way::Direct).then(|| Cpu::of(&peer.roots)).transpose()?;
        let begun = Instant::now();
        let answer = client.command(command).await?;
        let wait = begun.elapsed();
        let cpu = match before {
            Some(before) => Cpu::of(&peer.roots)?.since(&before),
            None => Duration::ZERO,
        };
        self.measured.samples.entry((work, way)).or_default().push(Sample { wait, cpu });
        Ok(answer)
    }

    /// KiB for each session, beyond what the process had when one had come and gone.
    async fn memory(&self, kind: Kind) -> io::Result<[f64; 3]> {
        let peer = Peer::start(kind, &self.plan).await?;
        let mut first = opened(&peer).await?;
        first.command(FLAGS).await?;
        first.logout().await?;
        let before = settled(&peer.roots).await?;
        let each = |now: u64| (now as f64 - before as f64) / SESSIONS as f64;
        let mut clients = Vec::new();
        for _ in 0..SESSIONS {
            clients.push(Client::session(&peer.plain, 0).await?);
        }
        let after_login = each(settled(&peer.roots).await?);
        for client in &mut clients {
            client.command("SELECT INBOX").await?;
        }
        let after_select = each(settled(&peer.roots).await?);
        for client in &mut clients {
            client.command(FLAGS).await?;
        }
        let after_flags = each(settled(&peer.roots).await?);
        Ok([after_login, after_select, after_flags])
    }
}

async fn opened(peer: &Peer) -> io::Result<Client> {
    let mut client = Client::session(&peer.plain, 0).await?;
    client.command("SELECT INBOX").await?;
    Ok(client)
}

/// Memory once what is freed has been.
async fn settled(roots: &[u32]) -> io::Result<u64> {
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    usage::pss(roots)
}
