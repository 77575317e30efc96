//! Every work load on every peer, in turn: A B C, A B C, A B C.
//!
//! ```text
//!   work ─▶ leg ─▶ round ─▶ peer ─▶ one measurement ─▶ Report
//! ```
//!
//! What other programs do to the machine meanwhile then falls on all peers alike, and the medians are of figures that were
//! measured moments apart. A peer that fails is left out of what remains of that work load, and the report says so.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::curves;
use crate::descriptors::Descriptors;
use crate::load::tls;
use crate::options::Options;
use crate::peer::upstream::{Behind, Upstream};
use crate::peer::{Kind, Peer, Plan, RULES};
use crate::place::{self, Place};
use crate::report::{Machine, Report};
use crate::work::{Bench, Figure, Leg, Measured, WORKS, Work};

/// Longer than any measurement takes, 20,000 handshakes included; a peer that stands still ends it.
const PATIENCE: Duration = Duration::from_secs(240);

/// Measures what is asked for, and prints it.
pub fn main(options: &Options) -> ExitCode {
    if options.list {
        WORKS.iter().for_each(|work| println!("{:<20} {}", work.name, work.title));
        return ExitCode::SUCCESS;
    }
    let works = if options.curves.is_some() { Vec::new() } else { chosen(options) };
    let lacking = lacking(options, &works);
    if !lacking.is_empty() {
        lacking.iter().for_each(|line| eprintln!("peers: {line}"));
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let run = async {
        if let Some(file) = &options.curves {
            return until_stopped(curves::draw(options, file)).await.map(|table| (table, true));
        }
        let report = until_stopped(run(options, &works)).await?;
        Ok((report.render(options.markdown), report.complete()))
    };
    match tokio::task::LocalSet::new().block_on(&runtime, run) {
        Ok((text, complete)) => {
            print!("{text}");
            if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(e) => {
            eprintln!("peers: {e}");
            ExitCode::FAILURE
        }
    }
}

/// What it has started ends with the run, however that ends.
async fn until_stopped<T>(run: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        report = run => report,
        _ = tokio::signal::ctrl_c() => Err(io::Error::from(io::ErrorKind::Interrupted)),
        _ = term.recv() => Err(io::Error::from(io::ErrorKind::Interrupted)),
    }
}

/// A whole name means that one; part of a name all that have it.
fn chosen(options: &Options) -> Vec<&'static Work> {
    let named = |work: &&Work| options.only.is_empty() || options.only.iter().any(|part| means(part, work));
    WORKS.iter().filter(named).collect()
}

fn means(part: &str, work: &Work) -> bool {
    if WORKS.iter().any(|known| known.name == part) { work.name == part } else { work.name.contains(part) }
}

/// What has to be there and is not: all of it, at once.
fn lacking(options: &Options, works: &[&Work]) -> Vec<String> {
    let mut lines = Vec::new();
    for part in options.only.iter().filter(|part| !WORKS.iter().any(|work| means(part, work))) {
        lines.push(format!("no work load is called like {part}: --list names them"));
    }
    // Curves are of imapwarden alone.
    let peers = if options.curves.is_some() { &[] } else { options.peers.as_slice() };
    for (at, kind) in peers.iter().enumerate() {
        if peers[..at].contains(kind) {
            lines.push(format!("--peers has {} twice: its figures would be of twice as many rounds", kind.argument()));
        } else if let Some(missing) = kind.missing() {
            let others = peers.iter().filter(|other| other.missing().is_none()).map(|other| other.argument());
            lines.push(format!("{missing}\n       or leave it out: --peers {}", others.collect::<Vec<_>>().join(",")));
        }
    }
    if works.iter().any(|work| work.behind == Behind::Dovecot) && Kind::Dovecot.missing().is_some() {
        let others = works.iter().filter(|work| work.behind != Behind::Dovecot);
        let others = others.map(|work| format!(" --only {}", work.name)).collect::<String>();
        let without = if others.is_empty() { others } else { format!("\n       or leave out what needs it:{others}") };
        let package = "apt-get install --no-install-recommends dovecot-imapd";
        lines.push(format!("the second backend is missing: {package}{without}"));
    }
    if !options.imapwarden.is_file() {
        lines.push(format!("--imapwarden {}: there is no such file", options.imapwarden.display()));
    }
    // Found out now, not when all has been measured.
    if let Some(file) = &options.curves
        && let Err(e) = OpenOptions::new().append(true).create(true).open(file)
    {
        lines.push(format!("--curves {}: {e}", file.display()));
    }
    if place::program("setpriv").is_none() {
        lines.push("setpriv is missing: apt-get install --no-install-recommends util-linux".to_owned());
    }
    lines
}

async fn run(options: &Options, works: &[&'static Work]) -> io::Result<Report> {
    let descriptors = Descriptors::raise();
    let place = Place::new()?;
    let rounds = if options.quick { 1 } else { options.rounds };
    let machine = Machine::now(options, &descriptors, rounds);
    let mut report = Report::new(machine, options.peers.clone());
    let trust = tls::trust(&place.path("tls/ca.pem"))?;
    let mut upstreams = BTreeMap::new();
    for work in works {
        let processes = match descriptors.processes(work.sessions(options.quick), work.is_divisible()) {
            Ok(processes) => processes,
            Err(why) => {
                report.left_out(work, None, None, &io::Error::new(io::ErrorKind::Unsupported, why));
                continue;
            }
        };
        report.divided(work, processes);
        let upstream = (work.behind == Behind::Canned, processes);
        if let std::collections::btree_map::Entry::Vacant(vacant) = upstreams.entry(upstream) {
            vacant.insert(Upstream::start(work.behind, &place, processes)?);
        }
        let plan = Plan {
            place: &place,
            trust: trust.clone(),
            imapwarden: &options.imapwarden,
            upstream: &upstreams[&upstream],
            sessions: descriptors.sessions(),
            rules: RULES,
        };
        Runner { options, rounds, plan, report: &mut report }.work(work).await;
    }
    report.finish();
    Ok(report)
}

struct Runner<'r> {
    options: &'r Options,
    rounds: u32,
    plan: Plan<'r>,
    report: &'r mut Report,
}

impl Runner<'_> {
    /// One work load, on all peers and legs.
    async fn work(&mut self, work: &'static Work) {
        let mut peers = Vec::new();
        for kind in self.options.peers.iter().copied().filter(|kind| work.direct || *kind != Kind::Direct) {
            // One that must be fresh is started when its turn comes.
            let peer = if work.fresh { Ok(None) } else { Peer::start(kind, &self.plan).await.map(Some) };
            match peer {
                Ok(peer) => peers.push((kind, peer)),
                Err(e) => self.report.left_out(work, None, Some(kind), &e),
            }
        }
        for leg in work.legs.iter().filter(|leg| self.options.client.is_none_or(|client| client == **leg)) {
            let mut failed = Vec::new();
            for round in 1..=self.rounds {
                eprint!("{} {leg:?} {round}/{}:", work.name, self.rounds);
                for (kind, peer) in &mut peers {
                    if failed.contains(kind) {
                        continue;
                    }
                    match self.measure(work, *leg, *kind, peer.as_mut()).await {
                        Ok(measured) => {
                            eprint!(" {} {}", kind.argument(), brief(&measured));
                            self.report.add(work, *leg, *kind, measured);
                        }
                        Err(e) => {
                            eprintln!(" {} not measured", kind.argument());
                            failed.push(*kind);
                            self.report.left_out(work, Some(*leg), Some(*kind), &e);
                        }
                    }
                }
                eprintln!();
            }
        }
    }

    async fn measure(&self, work: &Work, leg: Leg, kind: Kind, peer: Option<&mut Peer>) -> io::Result<Measured> {
        let mut started;
        let peer = match peer {
            Some(peer) => peer,
            None => {
                started = Peer::start(kind, &self.plan).await?;
                &mut started
            }
        };
        let seconds = if self.options.quick { 0.15 } else { self.options.seconds };
        let bench = Bench {
            door: if leg == Leg::Plain { peer.plain.clone() } else { peer.tls.clone() },
            roots: peer.roots.clone(),
            seconds: Duration::from_secs_f64(seconds),
            size: self.plan.upstream.size,
            quick: self.options.quick,
        };
        let done = tokio::time::timeout(PATIENCE, (work.run)(bench)).await;
        done.unwrap_or_else(|_| Err(io::Error::other(format!("not done within {PATIENCE:?}"))))
            .map_err(|e| io::Error::new(e.kind(), format!("{e}{}", peer.why_ended())))
    }
}

/// The figure that matters most.
fn brief(measured: &Measured) -> String {
    measured.first().map_or_else(String::new, |(figure, value)| match figure {
        Figure::Memory => format!("{value:.1} KiB"),
        _ => format!("{value:.2}"),
    })
}
