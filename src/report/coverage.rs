//! What a report covers, said before anything else: which log, from when to when, and whether it is whole.
//!
//! ```text
//! covers   mx-a1, log 01k9z3t0m4, 2027-01-13T00:00:00Z to now: intact, gaps 0, intents without done 0
//!          mail read past the proxy is not covered
//! ```

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use super::filter::Filter;
use crate::audit::{HashedField, Number, Report};

/// What is said of the log before what it says.
#[derive(Debug, Clone)]
pub struct Coverage {
    lines: Vec<String>,
    json: Value,
    exit: u8,
    hashed: BTreeSet<HashedField>,
}

impl Coverage {
    /// Of what was verified, and of the period that was asked for.
    #[must_use]
    pub fn of(report: &Report, filter: &Filter) -> Self {
        let summary = report.summary();
        let exit = report.exit_code();
        let (since, until) = (filter.since.as_deref(), filter.until.as_deref());
        let period = format!("{} to {}", since.map_or("the begin".into(), short), until.map_or("now".into(), short));
        let mut lines = Vec::new();
        match (summary.log, summary.foreign) {
            (_, Some(why)) => lines.push(why.to_owned()),
            (None, None) => lines.push(format!("no record: {}", report.verdict())),
            (Some((log, node)), None) => lines.push(format!(
                "{node}, log {log}, {period}: {}, gaps {}, intents without done {}",
                state(report),
                Number(summary.gaps.0),
                Number(summary.intents)
            )),
        }
        if exit == 1 {
            let places = if summary.findings == 1 { "place" } else { "places" };
            lines.push(format!(
                "NOT WHAT WAS WRITTEN in {} {places}; `imapwarden audit verify` names them",
                Number(summary.findings)
            ));
            lines.extend(report.findings().iter().take(3).map(|finding| finding.what.clone()));
        }
        let gaps = summary.gaps.1.iter().take(3).map(|gap| format!("lost     {gap}"));
        lines.extend(gaps);
        if summary.gaps.0 > 3 {
            lines.push(format!("lost     {} gaps more", Number(summary.gaps.0.saturating_sub(3))));
        }
        if summary.torn.0 > 0 {
            lines.push(format!("torn lines {}, each the last of a process that died", Number(summary.torn.0)));
        }
        if summary.unclosed > 0 {
            lines.push(format!("segments without an end {}, each of a process that died", Number(summary.unclosed)));
        }
        if summary.clock > 0 {
            lines.push(format!(
                "clock    went back, times {}: order is by number, never by time",
                Number(summary.clock)
            ));
        }
        let on_hashes = filter.on_hashes(summary.hashed);
        lines.extend(on_hashes.iter().map(|what| format!("hashed   {what}")));
        if summary.foreign.is_none() {
            lines.push("mail read past the proxy is not covered".to_owned());
        }
        let mut json = json!({
            "log": summary.log.map(|(log, _)| log),
            "node": summary.log.map(|(_, node)| node),
            "since": since,
            "until": until,
            "first_record": summary.records.0,
            "last_record": summary.records.1,
            "state": report.verdict(),
            "findings": summary.findings,
            "gaps": summary.gaps.0,
            "lost_records": summary.missing,
            "intents_without_done": summary.intents,
            "torn_lines": summary.torn.0,
            "unclosed_segments": summary.unclosed,
            "clock_went_back": summary.clock,
            "past_the_proxy": "not covered",
        });
        if !summary.hashed.is_empty() {
            json["hashed"] = summary.hashed.iter().map(|field| field.as_str()).collect();
            json["hash_key"] = filter.key.as_deref().into();
            json["on_hashes"] = on_hashes.into();
        }
        Self { lines, json, exit, hashed: summary.hashed.clone() }
    }

    /// Of what nobody verified.
    #[must_use]
    pub fn unverified(filter: &Filter) -> Self {
        let (since, until) = (filter.since.as_deref(), filter.until.as_deref());
        let period = format!("{} to {}", since.map_or("the begin".into(), short), until.map_or("now".into(), short));
        let lines = vec![
            format!("{period}: NOT VERIFIED, as asked: whether the log is whole is not known"),
            "mail read past the proxy is not covered".to_owned(),
        ];
        let json = json!({"since": since, "until": until, "state": "not verified", "past_the_proxy": "not covered"});
        Self { lines, json, exit: 0, hashed: BTreeSet::new() }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Of what there are hashes in the log, as far as it was looked at.
    #[must_use]
    pub fn hashed(&self) -> &BTreeSet<HashedField> {
        &self.hashed
    }

    /// The exit status: as of `verify`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit
    }

    /// Can nothing be told of the log?
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.exit == 2
    }
}

fn state(report: &Report) -> &'static str {
    match report.exit_code() {
        1 => "ALTERED OR CUT",
        _ => "intact",
    }
}

/// Without microseconds that are none.
fn short(ts: &str) -> String {
    ts.strip_suffix(".000000Z").map_or_else(|| ts.to_owned(), |ts| format!("{ts}Z"))
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = "covers";
        for line in &self.lines {
            writeln!(f, "{head:<8} {line}")?;
            head = "";
        }
        Ok(())
    }
}
