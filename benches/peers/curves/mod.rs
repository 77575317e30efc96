//! How does the cost grow? One thing at a time is made ten times as much, and ten times as much again; all else stays.
//!
//! ```text
//!   sessions, mailboxes, messages, rules ─▶ a backend and an imapwarden of that size ─▶ CPU of a login, of a command, of a
//!   line; memory of a session ─▶ medians ─▶ a table, and a picture
//! ```

mod draw;

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::backend::Size;
use crate::descriptors::Descriptors;
use crate::load::tls;
use crate::options::Options;
use crate::peer::upstream::Upstream;
use crate::peer::{Kind, Peer, Plan};
use crate::place::Place;
use crate::report::{Machine, lay_out, median, number};
use crate::work::{Bench, Figure, Measured, commands, sessions, transfers};

/// What there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    sessions: usize,
    size: Size,
    rules: usize,
}

/// Where a curve is about something else.
const ORDINARY: Account = Account { sessions: 900, size: Size { mailboxes: 1_000, messages: 10_000 }, rules: 100 };

/// One thing that grows.
struct Curve {
    title: &'static str,
    kind: Kind,
    /// How much of it there is.
    steps: &'static [usize],
    account: fn(usize) -> Account,
    /// Whose answer is counted in lines.
    lines: Lines,
}

#[derive(Clone, Copy)]
enum Lines {
    /// Of LIST: one for each mailbox.
    Mailboxes,
    /// Of FETCH: one for each message.
    Messages,
}

const CURVES: &[Curve] = &[
    Curve {
        title: "sessions",
        kind: Kind::Imapwarden,
        steps: &[200, 2_000, 20_000],
        account: |sessions| Account { sessions, ..ORDINARY },
        lines: Lines::Mailboxes,
    },
    Curve {
        title: "mailboxes",
        kind: Kind::Imapwarden,
        steps: &[100, 1_000, 10_000],
        account: |mailboxes| Account { size: Size { mailboxes, ..ORDINARY.size }, ..ORDINARY },
        lines: Lines::Mailboxes,
    },
    Curve {
        title: "messages",
        kind: Kind::Imapwarden,
        steps: &[1_000, 10_000, 100_000],
        account: |messages| {
            let messages = u32::try_from(messages).expect("from the table");
            Account { size: Size { messages, ..ORDINARY.size }, ..ORDINARY }
        },
        lines: Lines::Messages,
    },
    Curve {
        title: "rules",
        kind: Kind::Imapwarden,
        steps: &[100, 1_000, 10_000],
        account: |rules| Account { rules, ..ORDINARY },
        lines: Lines::Mailboxes,
    },
    Curve {
        title: "mailboxes, some hidden",
        kind: Kind::ImapwardenHiding,
        steps: &[100, 1_000, 10_000],
        account: |mailboxes| Account { size: Size { mailboxes, ..ORDINARY.size }, ..ORDINARY },
        lines: Lines::Mailboxes,
    },
];

/// What is measured at each step.
struct Aspect {
    title: &'static str,
    unit: &'static str,
}

const ASPECTS: [Aspect; 4] = [
    Aspect { title: "A login with SELECT", unit: "µs of CPU" },
    Aspect { title: "A command (NOOP, 64 connections)", unit: "µs of CPU" },
    Aspect { title: "A line of LIST, or of FETCH for messages", unit: "µs of CPU" },
    Aspect { title: "A session in IDLE", unit: "KiB of memory" },
];

type Costs = [f64; ASPECTS.len()];

/// Measures all curves, draws them into a file, and gives the table.
pub async fn draw(options: &Options, file: &Path) -> io::Result<String> {
    let descriptors = Descriptors::raise();
    let place = Place::new()?;
    let rounds = if options.quick { 1 } else { options.rounds };
    let machine = Machine::now(options, &descriptors, rounds);
    let runner = Runner { options, place: &place, sessions: descriptors.sessions() };
    let mut all = Vec::new();
    for curve in CURVES {
        let processes = curve.processes(&descriptors, options.quick)?;
        let mut costs = Vec::new();
        for step in curve.steps {
            costs.push(runner.step(curve, *step, rounds, processes).await?);
        }
        all.push((processes, costs));
    }
    let mut head = vec!["what grows".to_owned(), "from … to".to_owned(), "client".to_owned()];
    head.extend(ASPECTS.iter().map(|aspect| format!("{}, {}", aspect.title, aspect.unit)));
    let rows = CURVES.iter().zip(&all).map(|(curve, (processes, costs))| row(curve, *processes, costs));
    draw::draw(file, &all)?;
    let table = lay_out(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), options.markdown);
    Ok(format!("{}\n{table}", machine.render(options.markdown)))
}

impl Curve {
    /// In how many processes of each part: for all steps as many as the largest takes, for a process more costs something, too.
    fn processes(&self, descriptors: &Descriptors, quick: bool) -> io::Result<usize> {
        let sessions = self.steps.iter().map(|step| asked((self.account)(*step).sessions, quick)).max().unwrap_or(0);
        descriptors.processes(sessions as u64, true).map_err(|why| {
            io::Error::new(io::ErrorKind::Unsupported, format!("{sessions} sessions, where {} grow: {why}", self.title))
        })
    }

    /// What grows.
    fn subject(&self, processes: usize) -> String {
        if processes > 1 { format!("{}, {processes} processes", self.title) } else { self.title.to_owned() }
    }
}

/// A tenth of the sessions, where it has to be quick.
fn asked(sessions: usize, quick: bool) -> usize {
    if quick { sessions.div_ceil(10) } else { sessions }
}

fn row(curve: &Curve, processes: usize, costs: &[Costs]) -> Vec<String> {
    let (first, last) = (curve.steps.first(), curve.steps.last());
    let span = first.zip(last).map_or_else(String::new, |(first, last)| format!("{first} … {last}"));
    let cells = (0..ASPECTS.len())
        .map(|aspect| costs.iter().map(|costs| number(Some(costs[aspect]), 2)).collect::<Vec<_>>().join(" → "));
    [curve.subject(processes), span, "plain".to_owned()].into_iter().chain(cells).collect()
}

struct Runner<'r> {
    options: &'r Options,
    place: &'r Place,
    /// How many a proxy can hold.
    sessions: u64,
}

impl Runner<'_> {
    async fn step(&self, curve: &Curve, step: usize, rounds: u32, processes: usize) -> io::Result<Costs> {
        let account = (curve.account)(step);
        let upstream = Upstream::canned(self.place, account.size, processes)?;
        let plan = Plan {
            place: self.place,
            trust: tls::trust(&self.place.path("tls/ca.pem"))?,
            imapwarden: &self.options.imapwarden,
            upstream: &upstream,
            sessions: self.sessions,
            rules: account.rules,
        };
        let mut costs = Vec::new();
        for _ in 0..rounds {
            let peer = Peer::start(curve.kind, &plan).await?;
            let seconds = if self.options.quick { 0.15 } else { self.options.seconds };
            let bench = Bench {
                door: peer.plain.clone(),
                roots: peer.roots.clone(),
                seconds: Duration::from_secs_f64(seconds),
                size: account.size,
                quick: self.options.quick,
            };
            let sessions = asked(account.sessions, self.options.quick);
            costs.push(measure(bench, sessions, curve.lines).await?);
        }
        let costs = std::array::from_fn(|aspect| median(&costs.iter().map(|costs| costs[aspect]).collect::<Vec<_>>()));
        eprintln!("{} {step}: {costs:.2?}", curve.title);
        Ok(costs)
    }
}

async fn measure(bench: Bench, sessions: usize, lines: Lines) -> io::Result<Costs> {
    let (waiting, (_, memory)) = sessions::waiting(&bench, sessions).await?;
    let login = cpu(sessions::enter(bench.clone()).await?);
    let command = cpu(commands::noop(bench.clone()).await?);
    let line = match lines {
        Lines::Mailboxes => transfers::lines(&bench, "LIST \"\" \"*\"", bench.size.mailboxes as u64 / 2),
        Lines::Messages => transfers::lines(&bench, "UID FETCH 1:* (UID FLAGS)", bench.size.messages.into()),
    };
    let line = cpu(line.await?);
    drop(waiting);
    Ok([login, command, line, memory])
}

fn cpu(measured: Measured) -> f64 {
    measured.into_iter().find(|(figure, _)| *figure == Figure::Cpu).map_or(f64::NAN, |(_, value)| value)
}
