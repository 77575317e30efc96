//! The figures beside their bounds, as `docs/performance.md` has them.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use super::Options;
use super::backend::is_secret;
use super::measure::{Measured, Way, Work};

/// Beyond plain scope, in KiB.
const MEMORY: f64 = 256.0;

/// What the figures hold for.
pub fn head(options: &Options) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown CPU");
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = read("/proc/loadavg");
    format!(
        " - date: {}\n - machine: {cpus} × {}, Linux {}\n - load before: {}\n - rounds: {}\n - mailbox: {} messages, {} of them hidden\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"),
        model.trim_start_matches(['\t', ' ', ':']),
        rustix::system::uname().release().to_string_lossy(),
        load.split_ascii_whitespace().next().unwrap_or("unknown"),
        if options.quick {
            "1, quick: shows that it works, not what it costs".to_owned()
        } else {
            options.rounds.to_string()
        },
        options.messages,
        (1..=options.messages).filter(|number| is_secret(*number)).count(),
    )
}

/// One backend.
pub fn table(title: &str, measured: &Measured) -> String {
    let mut out = format!("\n### Before {title}\n\n");
    out.push_str("| | bound | measured | of the bound | CPU of imapwarden |\n| --- | ---: | ---: | ---: | ---: |\n");
    let wait = |work, way| measured.median(work, way).map(|sample| milliseconds(sample.wait)).unwrap_or(f64::NAN);
    let cpu = |work, way| measured.median(work, way).map(|sample| milliseconds(sample.cpu)).unwrap_or(f64::NAN);
    let select = wait(Work::Later, Way::Direct);
    let field = wait(Work::Field, Way::Direct);
    let rows = [
        ("SELECT, judged for the first time", select + 1.5 * field, wait(Work::First, Way::Filtered), Work::First),
        ("SELECT later", 1.5 * select, wait(Work::Later, Way::Filtered), Work::Later),
        ("SELECT after a restart", 1.5 * select, wait(Work::Restarted, Way::Filtered), Work::Restarted),
    ];
    for (name, bound, took, work) in rows {
        row(&mut out, name, "ms", bound, took, Some(cpu(work, Way::Filtered)));
    }
    let flags = cpu(Work::Flags, Way::Filtered);
    row(&mut out, "UID FETCH 1:* (FLAGS), CPU", "ms", 1.3 * cpu(Work::Flags, Way::Plain), flags, Some(flags));
    let memory = |way| measured.memory.get(&way).copied().unwrap_or([f64::NAN; 3]);
    let (plain, filtered) = (memory(Way::Plain), memory(Way::Filtered));
    // The table of names, which a session has before it opens anything, is not about messages.
    let opened = |of: [f64; 3], at: usize| of[at] - of[0];
    for (at, when) in [(1, "after SELECT"), (2, "after FETCH of all flags")] {
        let beyond = opened(filtered, at) - opened(plain, at);
        row(&mut out, &format!("memory of an open mailbox {when}, beyond plain scope"), "KiB", MEMORY, beyond, None);
    }
    out.push_str("\nWhat the client waits, and what imapwarden takes of a CPU, in ms:\n\n");
    out.push_str("| | directly | plain scope | hidden messages | CPU, plain scope | CPU, hidden messages |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for (name, work) in [
        ("SELECT, judged for the first time", Work::First),
        ("SELECT later", Work::Later),
        ("SELECT after a restart", Work::Restarted),
        ("UID FETCH 1:* of the field", Work::Field),
        ("UID FETCH 1:* (FLAGS)", Work::Flags),
    ] {
        let waits = [Way::Direct, Way::Plain, Way::Filtered].map(|way| figure(wait(work, way)));
        let cpus = [Way::Plain, Way::Filtered].map(|way| figure(cpu(work, way)));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {name} | {} | {} |", waits.join(" | "), cpus.join(" | "));
    }
    let words = |of: [f64; 3]| of.map(|kib| format!("{kib:.0}")).join(", ");
    let _ = writeln!(
        out,
        "\nKiB for a session after LOGIN, after SELECT and after the flags: {} in plain scope; {} with hidden messages.",
        words(plain),
        words(filtered)
    );
    out
}

fn row(out: &mut String, name: &str, unit: &str, bound: f64, measured: f64, cpu: Option<f64>) {
    let cpu = cpu.map_or_else(|| "–".to_owned(), |cpu| format!("{} ms", figure(cpu)));
    let within = if measured <= bound { "" } else { " **missed**" };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "| {name} | {} {unit} | {} {unit} | {:.2}{within} | {cpu} |",
        figure(bound),
        figure(measured),
        measured / bound
    );
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Three digits, as far as there are.
fn figure(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".to_owned(),
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
