//! Medians, side by side: for people at a terminal, or as `docs/performance.md` has them.
//!
//! ```text
//!   (work, leg, figure) ─▶ a row      peer ─▶ a column      what was not measured ─▶ "–", and why below the tables
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::descriptors::Descriptors;
use crate::options::Options;
use crate::peer::Kind;
use crate::work::{Figure, Leg, Measured, WORKS, Work};

/// All that was measured.
pub struct Report {
    machine: Machine,
    peers: Vec<Kind>,
    figures: BTreeMap<(usize, Leg, Figure), BTreeMap<Kind, Vec<f64>>>,
    /// Work loads that took several processes of each part.
    divided: BTreeMap<usize, usize>,
    left_out: Vec<String>,
    failed: bool,
}

/// What the figures hold for.
pub struct Machine {
    lines: Vec<String>,
}

impl Machine {
    /// One to a line.
    pub fn render(&self, markdown: bool) -> String {
        let bullet = if markdown { " - " } else { "" };
        self.lines.iter().fold(String::new(), |text, line| text + bullet + line + "\n")
    }

    /// This machine, now.
    pub fn now(options: &Options, descriptors: &Descriptors, rounds: u32) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown CPU");
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = read("/proc/meminfo");
        let kib = memory.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let release = read("/etc/os-release");
        let system =
            release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
        let kernel = rustix::system::uname();
        let mut lines = vec![
            format!("date: {}", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC")),
            format!(
                "machine: {cpus} × {}, {} GiB, {system}, Linux {}",
                model.trim_start_matches(['\t', ' ', ':']),
                kib >> 20,
                kernel.release().to_string_lossy()
            ),
            format!("load before: {}", load()),
            format!("descriptors: limit {} (was {})", descriptors.limit, descriptors.was),
            if options.quick {
                "rounds: 1, quick: shows that it works, not what it costs".to_owned()
            } else {
                format!("rounds: {rounds} of {} s each, medians", options.seconds)
            },
            "TLS to the client: 1.3, P-256, AES-256-GCM; to the backend: none".to_owned(),
        ];
        lines.extend(
            options.peers.iter().map(|kind| format!("{}: {}", kind.title(), kind.version(&options.imapwarden))),
        );
        Self { lines }
    }
}

/// Processes that wanted to run, over the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_ascii_whitespace().next().unwrap_or("unknown").to_owned()
}

/// A table: which figure, and how it reads.
struct Table {
    figure: Figure,
    title: &'static str,
    unit: fn(&Work) -> String,
    decimals: usize,
}

const TABLES: &[Table] = &[
    Table { figure: Figure::Cpu, title: "CPU time", unit: |work| format!("µs/{}", work.unit), decimals: 2 },
    Table { figure: Figure::Memory, title: "Memory (PSS)", unit: |_| "KiB/session".to_owned(), decimals: 1 },
    Table { figure: Figure::P50, title: "Latency, half within", unit: |_| "µs".to_owned(), decimals: 0 },
    Table { figure: Figure::P99, title: "Latency, 99 of 100 within", unit: |_| "µs".to_owned(), decimals: 0 },
    Table { figure: Figure::Rate, title: "Throughput", unit: |work| per_second(work.unit), decimals: 0 },
];

fn per_second(unit: &str) -> String {
    if unit == "MB" { "MB/s".to_owned() } else { format!("{unit}s/s") }
}

impl Report {
    /// Nothing yet.
    pub fn new(machine: Machine, peers: Vec<Kind>) -> Self {
        Self { machine, peers, figures: BTreeMap::new(), divided: BTreeMap::new(), left_out: Vec::new(), failed: false }
    }

    /// One measurement more.
    pub fn add(&mut self, work: &Work, leg: Leg, kind: Kind, measured: Measured) {
        // The backend is not started anew for each: what it held before, it holds still.
        let measured = measured.into_iter().filter(|(figure, _)| kind != Kind::Direct || *figure != Figure::Memory);
        for (figure, value) in measured {
            let row = self.figures.entry((position(work), leg, figure)).or_default();
            row.entry(kind).or_default().push(value);
        }
    }

    /// In how many processes of each part it runs.
    pub fn divided(&mut self, work: &Work, processes: usize) {
        self.divided.insert(position(work), processes);
    }

    /// What could not be measured, and why; what there was of it before is taken back.
    pub fn left_out(&mut self, work: &Work, leg: Option<Leg>, kind: Option<Kind>, why: &io::Error) {
        // What a peer or a machine cannot do is no failure of the run.
        self.failed |= why.kind() != io::ErrorKind::Unsupported;
        if let (Some(leg), Some(kind)) = (leg, kind) {
            let rows = self.figures.iter_mut().filter(|((at, its, _), _)| (*at, *its) == (position(work), leg));
            rows.for_each(|(_, row)| drop(row.remove(&kind)));
        }
        let what = [kind.map(Kind::title), leg.map(words)].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let line = format!("{}{}{what}: {why}", work.name, if what.is_empty() { "" } else { ", " });
        eprintln!("peers: {line}");
        self.left_out.push(line);
    }

    /// The machine as it is in the end.
    pub fn finish(&mut self) {
        self.machine.lines.insert(3, format!("load after: {}", load()));
    }

    /// Was everything measured that can be? And was that anything?
    pub fn complete(&self) -> bool {
        !self.failed && !self.figures.is_empty()
    }

    /// All tables.
    pub fn render(&self, markdown: bool) -> String {
        let mut out = self.machine.render(markdown);
        for table in TABLES {
            let rows = self.rows(table);
            if rows.len() > 1 {
                write!(out, "\n{}{}\n\n{}", if markdown { "## " } else { "" }, table.title, lay_out(&rows, markdown))
                    .expect("a string takes all");
            }
        }
        if !self.left_out.is_empty() {
            out.push_str("\nNot measured:\n");
            self.left_out.iter().for_each(|line| writeln!(out, " - {line}").expect("a string takes all"));
        }
        out
    }

    fn rows(&self, table: &Table) -> Vec<Vec<String>> {
        let mut head = vec!["work".to_owned(), "client".to_owned(), "unit".to_owned()];
        head.extend(self.peers.iter().map(|kind| kind.title().to_owned()));
        head.extend(RATIOS.iter().filter(|(_, _, title)| self.has(title)).map(|(_, _, title)| (*title).to_owned()));
        let mut rows = vec![head];
        for ((at, leg, figure), row) in &self.figures {
            let work = &WORKS[*at];
            // How long a transfer takes says no more than its throughput.
            let told = !matches!(figure, Figure::P50 | Figure::P99) || work.unit != "MB";
            if *figure != table.figure || row.is_empty() || !told {
                continue;
            }
            let value = |kind: Kind| row.get(&kind).map(|values| median(values));
            let mut cells = vec![title(work, self.divided.get(at)), words(*leg).to_owned(), (table.unit)(work)];
            cells.extend(self.peers.iter().map(|kind| number(value(*kind), table.decimals)));
            cells.extend(RATIOS.iter().filter(|(_, _, title)| self.has(title)).map(|(ours, theirs, _)| {
                number(value(*ours).zip(value(*theirs)).map(|(ours, theirs)| ours / theirs), 2)
            }));
            rows.push(cells);
        }
        rows
    }

    /// Are both of a ratio among the peers?
    fn has(&self, ratio: &str) -> bool {
        let found = RATIOS.iter().find(|(_, _, title)| *title == ratio);
        found.is_some_and(|(ours, theirs, _)| self.peers.contains(ours) && self.peers.contains(theirs))
    }
}

/// What matters in the end: imapwarden as it comes, over those it is compared with.
const RATIOS: &[(Kind, Kind, &str)] =
    &[(Kind::Imapwarden, Kind::Haproxy, "imapwarden / HAProxy"), (Kind::Imapwarden, Kind::Nginx, "imapwarden / nginx")];

/// Says in how many processes of each part it was measured where there is more than one.
fn title(work: &Work, processes: Option<&usize>) -> String {
    match processes {
        None | Some(1) => work.title.to_owned(),
        Some(count) => format!("{}, {count} processes", work.title),
    }
}

fn position(work: &Work) -> usize {
    WORKS.iter().position(|known| known.name == work.name).expect("from the table")
}

fn words(leg: Leg) -> &'static str {
    match leg {
        Leg::Plain => "plain",
        Leg::Tls => "TLS",
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

pub fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        None => "–".to_owned(),
        // Three digits say enough.
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.*}", decimals.min(1)),
        Some(value) => format!("{value:.decimals$}"),
    }
}

pub fn lay_out(rows: &[Vec<String>], markdown: bool) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = (0..columns).map(width).collect::<Vec<_>>();
    let mut out = String::new();
    for (line, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            // Words to the left, numbers to the right.
            if at < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let cells = cells.collect::<Vec<_>>();
        if markdown {
            writeln!(out, "| {} |", cells.join(" | ")).expect("a string takes all");
            if line == 0 {
                let rule = (0..columns).map(|at| if at < 3 { "---" } else { "---:" }).collect::<Vec<_>>();
                writeln!(out, "| {} |", rule.join(" | ")).expect("a string takes all");
            }
        } else {
            writeln!(out, "{}", cells.join("  ")).expect("a string takes all");
        }
    }
    out
}
