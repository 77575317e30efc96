//! What other rules would have made of what a log tells, counted.
//!
//! ```text
//!   allowed ─▶ refused: would refuse      refused ─▶ allowed: would allow
//!   allowed ─▶ hidden:  would hide        what the log does not say: undecidable, and why
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::app::holders::Holders;
use crate::audit::Number;
use crate::report::table::printable;

/// What would come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// What came out.
    Same,
    /// Refused, where it was done.
    Refuse,
    /// Answered as absent, where it was done.
    Hide,
    /// Done with less.
    Narrow,
    /// Done, or done in full, where it was not.
    Allow,
    /// The log does not say enough.
    Undecidable,
}

impl Change {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 6] = [Self::Same, Self::Refuse, Self::Hide, Self::Narrow, Self::Allow, Self::Undecidable];

    /// The word for it on the command line and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Refuse => "refuse",
            Self::Hide => "hide",
            Self::Narrow => "narrow",
            Self::Allow => "allow",
            Self::Undecidable => "undecidable",
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Refuse => "would refuse",
            Self::Hide => "would hide",
            Self::Narrow => "would narrow",
            Self::Allow => "would allow",
            Self::Undecidable => "undecidable",
        }
    }
}

/// One command or login, as far as rows need it.
#[derive(Debug)]
pub(super) struct Judged<'j> {
    pub change: Change,
    /// Rules that would take it, or that took it and would not.
    pub rules: Vec<String>,
    /// Why it is undecidable.
    pub why: Option<&'static str>,
    pub user: &'j str,
    /// An example: when, the command and the mailbox.
    pub example: String,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Difference {
    counts: BTreeMap<Change, u64>,
    by_rule: BTreeMap<(String, Change), Row>,
    by_user: BTreeMap<String, BTreeMap<Change, u64>>,
    why: BTreeMap<&'static str, u64>,
    /// Who has read what would be hidden.
    pub(super) holders: Holders,
    /// Revisions of the rules that the log names.
    pub(super) revisions: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Row {
    times: u64,
    users: BTreeSet<String>,
    example: String,
}

/// Users that are named.
const USERS: usize = 20;
/// What stands for a rule where no rule is named.
const NOT_OFFERED: &str = "(not offered under these rules)";

impl Difference {
    pub(super) fn add(&mut self, judged: Judged<'_>) {
        let Judged { change, rules, why, user, example } = judged;
        bump(self.counts.entry(change).or_default());
        if change == Change::Same {
            return;
        }
        if let Some(why) = why {
            bump(self.why.entry(why).or_default());
        }
        bump(self.by_user.entry(user.to_owned()).or_default().entry(change).or_default());
        if change == Change::Undecidable {
            return;
        }
        let rules = if rules.is_empty() { vec![NOT_OFFERED.to_owned()] } else { rules };
        for rule in rules {
            let row = self.by_rule.entry((rule, change)).or_default();
            bump(&mut row.times);
            row.users.insert(user.to_owned());
            if row.example.is_empty() {
                row.example.clone_from(&example);
            }
        }
    }

    /// How often that would come out.
    #[must_use]
    pub fn count(&self, change: Change) -> u64 {
        self.counts.get(&change).copied().unwrap_or(0)
    }

    /// How much was asked again.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.counts.values().fold(0, |all, count| all.saturating_add(*count))
    }

    /// How often something else would come out.
    #[must_use]
    pub fn changes(&self) -> u64 {
        [Change::Refuse, Change::Hide, Change::Narrow, Change::Allow]
            .iter()
            .fold(0, |all, change| all.saturating_add(self.count(*change)))
    }

    /// Revisions of the rules that the log names.
    #[must_use]
    pub fn recorded_under(&self) -> String {
        self.revisions.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// For programs. `rev`: of the rules on trial.
    #[must_use]
    pub fn to_json(&self, rev: &str) -> Value {
        let counts = Change::ALL.iter().map(|change| (change.as_str().to_owned(), self.count(*change).into()));
        let by_rule = self.by_rule.iter().map(|((rule, change), row)| {
            json!({"rule": rule, "would": change.as_str(), "times": row.times, "users": row.users, "example": row.example})
        });
        let by_user = self.by_user.iter().map(|(user, counts)| {
            let counts = counts.iter().map(|(change, n)| (change.as_str().to_owned(), (*n).into()));
            json!({"user": user, "counts": Value::Object(counts.collect())})
        });
        json!({
            "rev": rev,
            "recorded_under": self.revisions,
            "counts": Value::Object(counts.collect()),
            "by_rule": by_rule.collect::<Vec<_>>(),
            "by_user": by_user.collect::<Vec<_>>(),
            "undecidable": self.why,
            "held": self.holders.to_json(),
        })
    }
}

fn bump(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in Change::ALL {
            writeln!(f, "{:<13} {:>9}", change.told(), Number(self.count(change)).to_string())?;
        }
        for (why, n) in &self.why {
            writeln!(f, "              {:>9}  {why}", Number(*n).to_string())?;
        }
        let width = self.by_rule.keys().map(|(rule, _)| rule.chars().count()).max().unwrap_or(0);
        for (at, ((rule, change), row)) in self.by_rule.iter().enumerate() {
            if at == 0 {
                writeln!(f, "\nby rule")?;
            }
            let users = if row.users.len() == 1 { "1 user".to_owned() } else { format!("{} users", row.users.len()) };
            let times = if row.times == 1 { "once".to_owned() } else { format!("{} times", Number(row.times)) };
            let (rule, example) = (printable(rule), printable(&row.example));
            writeln!(f, "  {rule:<width$}  {:<12}  {times}, {users}, as {example}", change.told())?;
        }
        if !self.holders.is_empty() {
            write!(f, "\nread already\n{}", self.holders)?;
        }
        let mut users: Vec<_> = self.by_user.iter().collect();
        users.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.values().sum::<u64>()));
        for (at, (user, counts)) in users.iter().take(USERS).enumerate() {
            if at == 0 {
                writeln!(f, "\nby user")?;
            }
            let counts: Vec<_> = counts.iter().map(|(change, n)| format!("{} {}", change.told(), Number(*n))).collect();
            let user = if user.is_empty() { "(before a login)".to_owned() } else { printable(user) };
            writeln!(f, "  {user}  {}", counts.join(", "))?;
        }
        match users.len().saturating_sub(USERS) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
