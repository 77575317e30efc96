//! What is told of one question, in words and in JSON.
//!
//! ```text
//! refused   NO [NOPERM]                                             rules 9b1d02c4
//! took      t e     inbox-organise      rules/base.toml:12    rights = "organise"
//! why       MOVE out of INBOX needs a destination without t, e, x; Archive keeps t e x
//! mend      give Archive to inbox-organise, too: mailbox = ["Archive", …]
//! ```

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Told;
use crate::policy::{Explanation, Share};

/// For people.
#[must_use]
pub fn to_text(told: &Told, rev: &str) -> String {
    let explanation = &told.explanation;
    let mut text = String::new();
    let answer = told.answer.as_deref().unwrap_or_default();
    line(&mut text, explanation.outcome.as_str(), &format!("{answer:<55} rules {rev}"));
    if told.about_all && !explanation.login.is_denied() {
        line(&mut text, "login", "allowed");
    }
    shares(&mut text, "took", &explanation.took);
    if let Some(rights) = explanation.rights {
        line(&mut text, "rights", &format!("at most {rights} of those that the server gives"));
    }
    explanation.why.iter().for_each(|why| line(&mut text, "why", why));
    shares(&mut text, "shadow", &explanation.shadow);
    let width = explanation.passed.iter().map(|passed| passed.rule.len()).max().unwrap_or(0);
    for passed in &explanation.passed {
        let place = format!("{}:{}", passed.file.display(), passed.line);
        line(&mut text, "passed", &format!("{:width$}  {place}  {}", passed.rule, passed.why));
    }
    told.note.iter().for_each(|note| line(&mut text, "note", note));
    explanation.mend.iter().for_each(|mend| line(&mut text, "mend", mend));
    text
}

fn line(text: &mut String, head: &str, rest: &str) {
    let _ = writeln!(text, "{head:<9} {rest}"); // to a String
}

fn shares(text: &mut String, head: &str, shares: &[Share]) {
    let of = |width: fn(&Share) -> usize| shares.iter().map(width).max().unwrap_or(0);
    let rights = of(|share| rights_of(share).trim().len());
    let ids = of(|share| share.rule.len());
    for share in shares {
        let place = format!("{}:{}", share.file.display(), share.line);
        let taken = rights_of(share);
        let gap = if rights == 0 { "" } else { "  " };
        line(text, head, &format!("{:rights$}{gap}{:ids$}  {place}  {}", taken.trim(), share.rule, share.written));
    }
}

/// ` t e`
pub(super) fn rights_of(share: &Share) -> String {
    share.rights.iter().map(|right| format!(" {}", right.letter())).collect()
}

/// For programs: one object.
#[must_use]
pub fn to_json(told: &Told, rev: &str) -> Value {
    let Explanation { outcome, login, rights, took, shadow, passed, why, mend, .. } = &told.explanation;
    let share = |share: &Share| {
        json!({
            "rule": &*share.rule,
            "file": share.file.display().to_string(),
            "line": share.line,
            "effect": share.effect.key(),
            "written": share.written,
            "rights": share.rights.to_string(),
        })
    };
    let ids = |ids: Vec<std::sync::Arc<str>>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let passed = passed.iter().map(|passed| {
        let file = passed.file.display().to_string();
        json!({ "rule": &*passed.rule, "file": file, "line": passed.line, "why": passed.why })
    });
    json!({
        "verdict": outcome.as_str(),
        "by": ids(told.explanation.by()),
        "shadow": ids(told.explanation.shadow_ids()),
        "rev": rev,
        "login": if login.is_denied() { "denied" } else { "allowed" },
        "answer": told.answer,
        "visible": told.visible,
        "rights": rights.map(|rights| rights.to_string()),
        "took": took.iter().map(share).collect::<Vec<_>>(),
        "would_take": shadow.iter().map(share).collect::<Vec<_>>(),
        "passed": passed.collect::<Vec<_>>(),
        "why": why,
        "note": told.note,
        "mend": mend,
    })
}
