//! Subjects, rules and verdicts for tests, in few words.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::load::{GroupsFile, LoadContext, RuleFile};
use super::request::{Subject, TlsLevel};
use super::rule::RuleSet;
use super::verdict::{Hits, Narrowing, RefusalKind, Verdict};

/// A Friday, ten in the morning in Berlin.
pub(super) const FRIDAY: &str = "2027-01-15T09:00:00Z";

pub(super) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub(super) fn ann() -> Subject {
    Subject {
        user: "ann@example.org".into(),
        actor: "ann@example.org".into(),
        groups: [].into(),
        listener: "imaps".into(),
        upstream: "main".into(),
        client_ip: "203.0.113.5".parse().unwrap(),
        client_id: "".into(),
        tls: TlsLevel::Server,
    }
}

/// Who belongs to which group.
const GROUPS: &str = "finance = [\"ann@example.org\", \"*@finance.example\"]\nboard = \"bob@example.org\"\n";

pub(super) fn groups_file(text: &str) -> GroupsFile {
    GroupsFile::Read(RuleFile { path: Path::new("groups.toml").into(), text: text.to_owned() })
}

/// Rules from the bodies of their tables; a body that does not begin with an id gets one.
pub(super) fn rules(bodies: &[&str]) -> Arc<RuleSet> {
    let numbered = bodies.iter().enumerate().map(|(n, body)| {
        if body.starts_with("[[exception]]") {
            return format!("{body}\n");
        }
        let id = if body.starts_with("id = ") { String::new() } else { format!("id = \"r{n}\"\n") };
        format!("[[rule]]\n{id}{body}\n")
    });
    let text: String = numbered.collect();
    let context = LoadContext {
        listeners: vec!["imaps".into()],
        upstreams: vec!["main".into()],
        groups: groups_file(GROUPS),
        ..LoadContext::default()
    };
    let (set, problems) = RuleSet::load(&[RuleFile { path: Path::new("test.toml").into(), text }], &context);
    Arc::new(set.unwrap_or_else(|| panic!("{problems:?}")))
}

/// `ok`, `no`, `hidden`, `reserved`, or what is left out.
pub(super) fn outcome(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allowed(permit) => narrowed(permit.narrowing()),
        Verdict::Refused(refusal) => match refusal.kind {
            RefusalKind::NoPerm => "no",
            RefusalKind::Hidden => "hidden",
            RefusalKind::Reserved => "reserved",
        }
        .to_owned(),
    }
}

fn narrowed(narrowing: Narrowing) -> String {
    let words = [
        (narrowing.examine, "examine"),
        (narrowing.peek, "peek"),
        (narrowing.drop_seen, "-seen"),
        (narrowing.drop_deleted, "-deleted"),
        (narrowing.drop_other, "-other"),
        (narrowing.expunge_nothing, "expunge nothing"),
    ];
    let said: Vec<&str> = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
    if said.is_empty() { "ok".to_owned() } else { said.join(" ") }
}

pub(super) fn by(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allowed(permit) => hits(permit.by()),
        Verdict::Refused(refusal) => hits(&refusal.by),
    }
}

pub(super) fn shadow(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allowed(permit) => hits(permit.shadow()),
        Verdict::Refused(refusal) => hits(&refusal.shadow),
    }
}

/// `r0:rights r1:hide`
pub(super) fn hits(hits: &Hits) -> String {
    hits.iter().map(|hit| format!("{}:{}", hit.rule, hit.effect.key())).collect::<Vec<_>>().join(" ")
}
