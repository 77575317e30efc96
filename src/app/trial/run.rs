//! Runs unit tests of rules.
//!
//! ```text
//! ok    a contractor cannot see Finance                    rules/contractors.test.toml:1
//! FAIL  nor delete in Projects                             rules/contractors.test.toml:7
//!       expected refused by contractors-read-only, got allowed
//!       contractors-read-only: client_ip 198.51.100.7 is not in 203.0.113.0/24
//! rules reached 40 of 42; never: old-clients, tls-floor
//! 41 passed, 1 failed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::suite::{Case, Part};
use super::{Ground, Suite, Told};
use crate::policy::{LoginVerdict, Outcome};

/// What came of all tests.
#[derive(Debug, Default)]
pub struct Report {
    results: Vec<ResultOfTest>,
    /// How many rules there are.
    rules: usize,
    /// Those that took nothing in any test, in their order.
    never: Vec<Arc<str>>,
}

/// What came of one.
#[derive(Debug)]
struct ResultOfTest {
    name: String,
    place: String,
    passed: bool,
    /// What went wrong and why, or what is worth a word.
    says: Vec<String>,
}

impl Report {
    /// Did all pass, and was there one?
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.is_empty() && self.failed() == 0
    }

    /// Was there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.results.is_empty()
    }

    fn failed(&self) -> usize {
        self.results.iter().filter(|result| !result.passed).count()
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let results = self.results.iter().map(|result| {
            json!({ "name": result.name, "place": result.place, "passed": result.passed, "says": result.says })
        });
        json!({
            "tests": results.collect::<Vec<_>>(),
            "passed": self.results.len().saturating_sub(self.failed()),
            "failed": self.failed(),
            "rules": self.rules,
            "never": self.never.iter().map(|id| &**id).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.results.iter().map(|result| result.name.chars().count()).max().unwrap_or(0).clamp(50, 80);
        for ResultOfTest { name, place, passed, says } in &self.results {
            let word = if *passed { "ok  " } else { "FAIL" };
            writeln!(f, "{word}  {name:width$} {place}")?;
            says.iter().try_for_each(|line| writeln!(f, "      {line}"))?;
        }
        let reached = self.rules.saturating_sub(self.never.len());
        write!(f, "rules reached {reached} of {}", self.rules)?;
        if !self.never.is_empty() {
            write!(f, "; never: {}", self.never.join(", "))?;
        }
        let failed = self.failed();
        writeln!(f, "\n{} passed, {failed} failed", self.results.len().saturating_sub(failed))
    }
}

/// Runs all tests; those that say no time are about now.
#[must_use]
pub fn run(suite: &Suite, now: Timestamp) -> Report {
    let mut report = Report::default();
    for Part { ground, cases } in &suite.parts {
        let mut reached = BTreeSet::new();
        for case in cases {
            report.results.push(Trial { ground, case, now }.result(&mut reached));
        }
        report.rules += ground.rules.len();
        let never = ground.rules.rules().filter(|rule| !reached.contains(rule.id));
        report.never.extend(never.map(|rule| Arc::clone(rule.id)));
    }
    report
}

/// One test, asked.
struct Trial<'s> {
    ground: &'s Ground,
    case: &'s Case,
    now: Timestamp,
}

/// What is told of an expectation that failed: what was expected, what came.
type Difference = (String, String);

/// Without a time in the test, so far ahead.
const AHEAD_HOURS: i64 = 8 * 24;

/// So often rules may change meanwhile.
const MOST_CHANGES: usize = 200;

impl Trial<'_> {
    fn result(&self, reached: &mut BTreeSet<Arc<str>>) -> ResultOfTest {
        let test = &self.case.test;
        let at = test.given.at.unwrap_or(self.now);
        let told = self.ask(at);
        let took = took(&told);
        reached.extend(took.iter().cloned().chain(told.explanation.shadow_ids()));
        let differences = self.differences(&told);
        let passed = differences.is_empty();
        let mut says: Vec<String> =
            differences.into_iter().map(|(expected, got)| format!("expected {expected}, got {got}")).collect();
        says.extend(if passed { self.remarks(&told, at) } else { self.reasons(&told, at) });
        let place = format!("{}:{}", test.file.display(), test.line);
        ResultOfTest { name: test.name.to_string(), place, passed, says }
    }

    fn ask(&self, at: Timestamp) -> Told {
        let mailbox = self.case.test.mailbox.as_ref().map(|mailbox| &*mailbox.text);
        self.ground.ask(&self.case.test.given, mailbox, self.case.question.as_ref(), at)
    }

    fn differences(&self, told: &Told) -> Vec<Difference> {
        let expect = &self.case.test.expect;
        let outcome = told.explanation.outcome;
        let denied = told.explanation.login.is_denied();
        let done = match outcome {
            Outcome::Allowed | Outcome::Narrowed => true,
            Outcome::Limited => !told.explanation.too_big,
            Outcome::Hidden | Outcome::Refused => false,
        };
        let took = took(told);
        let missing = expect.by.iter().any(|(id, _)| !took.iter().any(|took| **took == **id));
        // Ids are looked for where the most is asked.
        let of_login = missing && expect.visible.is_none() && expect.allowed.is_none();
        let of_visible = missing && expect.allowed.is_none();
        let by = |is: bool, ids: &[String]| match ids {
            some @ [_, ..] if is => format!(" by {}", some.join(", ")),
            _ => String::new(),
        };
        let wanted: Vec<String> = expect.by.iter().map(|(id, _)| id.to_string()).collect();
        let came: Vec<String> = took.iter().map(ToString::to_string).collect();
        let mut differences = Vec::new();
        let mut compare = |expected: Option<bool>, got: bool, missing: bool, words: [&str; 2], got_words: &str| {
            let Some(expected) = expected else { return };
            if expected != got || missing {
                let word = if expected { words[0] } else { words[1] };
                let by_wanted = by(missing || !expected, &wanted);
                differences.push((format!("{word}{by_wanted}"), format!("{got_words}{}", by(true, &came))));
            }
        };
        let login = if denied { "login denied" } else { "login allowed" };
        compare(expect.login, !denied, of_login, ["login allowed", "login denied"], login);
        let visible = told.visible.unwrap_or(true);
        let seen = match (visible, denied) {
            (true, _) => "visible",
            (false, false) => "hidden",
            (false, true) => "login denied",
        };
        compare(expect.visible, visible, of_visible, ["visible", "hidden"], seen);
        let what = if denied { "login denied" } else { outcome.as_str() };
        compare(expect.allowed, done, missing, ["allowed", "refused"], what);
        if missing && expect.login.is_none() && expect.visible.is_none() && expect.allowed.is_none() {
            differences
                .push((format!("something taken by {}", wanted.join(", ")), format!("{what}{}", by(true, &came))));
        }
        differences
    }

    /// Why rules that should have taken something did not, and what those took that should not have.
    fn reasons(&self, told: &Told, at: Timestamp) -> Vec<String> {
        let took = took(told);
        let expect = &self.case.test.expect;
        let mut reasons = BTreeMap::new();
        for (id, _) in expect.by.iter().filter(|(id, _)| !took.iter().any(|took| **took == **id)) {
            reasons.insert(id.to_string(), self.why_not(id, told, at));
        }
        let wants_more = [expect.login, expect.visible, expect.allowed].contains(&Some(false));
        if expect.by.is_empty() && wants_more && took.is_empty() {
            let passed = told.explanation.passed.iter().map(|passed| (passed.rule.to_string(), passed.why.clone()));
            reasons.extend(passed);
            if reasons.is_empty() {
                return vec!["no rule names the mailbox or the user".to_owned()];
            }
        }
        let shares = told.explanation.took.iter().filter(|share| !expect.by.iter().any(|(id, _)| **id == *share.rule));
        for share in shares {
            let rights = super::account::rights_of(share);
            let takes = if rights.is_empty() { "" } else { " takes" };
            let what = format!("{}{takes}{rights} ({}:{})", share.written, share.file.display(), share.line);
            reasons.entry(share.rule.to_string()).or_insert(what);
        }
        let mut says: Vec<String> = reasons.into_iter().map(|(id, why)| format!("{id}: {why}")).collect();
        says.extend(told.explanation.why.iter().cloned());
        says.extend(self.ground.unsaid(&self.case.test.given, &says));
        says
    }

    fn why_not(&self, id: &str, told: &Told, at: Timestamp) -> String {
        if told.explanation.shadow_ids().iter().any(|shadow| **shadow == *id) {
            return "is in shadow: it would have taken something, and is not applied".to_owned();
        }
        let mailbox = self.case.test.mailbox.as_ref().map(|mailbox| &*mailbox.text);
        let why = self.ground.why_not(id, &self.case.test.given, mailbox, self.case.question.as_ref(), at);
        why.unwrap_or_default()
    }

    /// A test that passes for another reason than it seems to.
    fn remarks(&self, told: &Told, at: Timestamp) -> Vec<String> {
        let expect = &self.case.test.expect;
        let mut remarks = Vec::new();
        if let (LoginVerdict::Denied { by, .. }, None, true) =
            (&told.explanation.login, expect.login, expect.by.is_empty())
        {
            let by: Vec<_> = by.ids().iter().map(ToString::to_string).collect();
            remarks.push(format!("note: only because the login is denied by {}", by.join(", ")));
        }
        if self.case.test.given.at.is_none()
            && let Some(change) = self.changes(at)
        {
            remarks.push(format!("note: this fails from {change} on; say when it holds: at = {at}"));
        }
        remarks
    }

    /// When it would fail within the next days, because rules look at the clock.
    fn changes(&self, now: Timestamp) -> Option<Timestamp> {
        let until = now.checked_add(AHEAD_HOURS.hours()).ok()?;
        let next = |at: &Timestamp| self.ground.next_change(&self.case.test.given, *at);
        let changes = std::iter::successors(next(&now), next).take(MOST_CHANGES).take_while(|at| *at < until);
        changes.into_iter().find(|at| !self.differences(&self.ask(*at)).is_empty())
    }
}

/// Ids of all that took something, the login and the look of the mailbox included.
fn took(told: &Told) -> BTreeSet<Arc<str>> {
    told.explanation.by().into_iter().chain(told.hidden_by.ids()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    const RULE: &str = r#"
[[rule]]
id = "office-hours"
unless = { time = { days = "Mon-Fri", hours = "08:00-18:00", zone = "Europe/Berlin" } }
deny_login = "Outside office hours"
"#;

    #[test]
    fn a_test_that_says_no_time_is_told_when_it_will_fail() {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it is ours");
        write("hours.toml", RULE);
        let rows = [
            (
                "no time",
                "",
                "note: this fails from 2027-01-15T17:00:00Z on; say when it holds: at = 2027-01-15T09:00:00Z",
            ),
            ("a time", ", at = 2027-01-15T09:00:00Z", ""),
        ];
        for (name, at, want) in rows {
            let given = format!("{{ user = \"ann\"{at} }}");
            write(
                "hours.test.toml",
                &format!("[[test]]\nname = \"x\"\ngiven = {given}\nexpect = {{ login = true }}\n"),
            );
            let files = [folder.path().join("hours.test.toml")];
            let (suite, problems) = Suite::of_files(&files, &mut Sources::default());
            let suite = suite.unwrap_or_else(|| panic!("{problems:?}"));
            let report = run(&suite, "2027-01-15T09:00:00Z".parse().expect("a time"));
            assert!(report.is_good(), "{name}: {report}");
            assert_eq!(report.results[0].says.join("; "), want, "{name}");
        }
    }
}
