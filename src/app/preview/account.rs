//! What is left, in words and in JSON.
//!
//! ```text
//! ann@example.org at main                                  rules 9b1d02c4
//! INBOX             lrswipkxtea
//! Archive           lr              archive-read-only
//!   2024            lr              archive-read-only
//! ~~Finance~~       hidden          contractors-no-finance
//!
//! hidden messages
//!   no-secrets    3 of 9 in INBOX, 2 of 5 in Archive
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Folder, Mail, Preview};
use crate::diagnostic::{Sources, to_json as problems_json};
use crate::imap::message::UidSet;
use crate::policy::{Hits, LoginVerdict};

/// For people; `color`: what is hidden is struck out, besides the marks.
#[must_use]
pub fn to_text(preview: &Preview, rev: &str, color: bool) -> String {
    let mut text = String::new();
    let head = format!("{} at {}", shown(&preview.user), preview.upstream);
    let _ = writeln!(text, "{head:<57} rules {rev}"); // to a String
    if let LoginVerdict::Denied { text: said, by, .. } = &preview.told.explanation.login {
        let _ = writeln!(text, "login refused: {said}  ({})", ids(by).join(", "));
    }
    let lines: Vec<(String, &Folder)> =
        preview.folders.iter().map(|folder| (indented(preview, folder), folder)).collect();
    let width = |folder: &Folder, name: &str| name.chars().count() + if folder.visible { 0 } else { 4 };
    let names = lines.iter().map(|(name, folder)| width(folder, name)).max().unwrap_or(0);
    for (name, folder) in &lines {
        let gap = " ".repeat(names - width(folder, name));
        let line = format!("{}{gap}  {:<11}  {}", struck(name, folder.visible, color), left(folder), reasons(folder));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    preview.told.note.iter().for_each(|note| {
        let _ = writeln!(text, "note: {note}");
    });
    preview.told.explanation.mend.iter().for_each(|mend| {
        let _ = writeln!(text, "mend: {mend}");
    });
    let _ = writeln!(text, "{}", summary(preview));
    push_messages(&mut text, preview);
    text
}

/// How many messages each rule hides, and where; rules in shadow in brackets.
fn push_messages(text: &mut String, preview: &Preview) {
    let [by, shadow] = [by_rule(preview, |mail| &mail.by), by_rule(preview, |mail| &mail.shadow)];
    let shadow = shadow.into_iter().map(|(rule, places)| (format!("({rule} would)"), places));
    let rows: Vec<(String, Places<'_>)> =
        by.into_iter().map(|(rule, places)| (rule.to_string(), places)).chain(shadow).collect();
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|(rule, _)| rule.chars().count()).max().unwrap_or(0);
    let _ = writeln!(text, "\nhidden messages");
    for (rule, places) in rows {
        let told: Vec<String> = places
            .iter()
            .filter(|(_, hidden, _)| *hidden > 0)
            .map(|(name, hidden, all)| format!("{hidden} of {all} in {}", shown(name)))
            .collect();
        let told = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
        let _ = writeln!(text, "  {rule:<width$}  {told}");
    }
}

/// Mailboxes, with how many of their messages are hidden, of how many.
type Places<'p> = Vec<(&'p str, u64, u64)>;

fn by_rule<'p>(
    preview: &'p Preview,
    uids: impl Fn(&'p Mail) -> &'p BTreeMap<Arc<str>, UidSet>,
) -> BTreeMap<&'p str, Places<'p>> {
    let mut rules: BTreeMap<&str, Places<'_>> = BTreeMap::new();
    for folder in &preview.folders {
        let Some(mail) = &folder.mail else { continue };
        for (rule, hidden) in uids(mail) {
            rules.entry(rule).or_default().push((folder.name.as_str(), hidden.len(), mail.messages));
        }
    }
    rules
}

/// `12 mailboxes, 3 hidden, 2 with less; 1 of 7 patterns matches nothing`
fn summary(preview: &Preview) -> String {
    let there = || preview.folders.iter().filter(|folder| folder.exists);
    let hidden = there().filter(|folder| !folder.visible).count();
    let narrowed = there().filter(|folder| folder.visible && !folder.by.is_empty()).count();
    let (all, unmatched) = (there().count(), preview.unmatched.len());
    let plural = if all == 1 { "" } else { "es" };
    let matches = if unmatched == 1 { "matches" } else { "match" };
    format!(
        "{all} mailbox{plural}, {hidden} hidden, {narrowed} with less; {unmatched} of {} patterns {matches} nothing",
        preview.patterns
    )
}

/// The name below the nearest name that is there.
fn indented(preview: &Preview, folder: &Folder) -> String {
    let above = preview.folders.iter().filter(|other| folder.name.is_below(&other.name));
    let depth = above.clone().count();
    let nearest = above.map(|other| other.name.as_str()).max_by_key(|name| name.len());
    let name = folder.name.as_str();
    let rest = nearest.and_then(|nearest| name.strip_prefix(nearest)?.strip_prefix('/')).unwrap_or(name);
    format!("{}{}", "  ".repeat(depth), shown(rest))
}

fn struck(name: &str, visible: bool, color: bool) -> String {
    if visible {
        return name.to_owned();
    }
    let text = name.trim_start();
    let indent = name.get(..name.len() - text.len()).unwrap_or_default();
    let [on, off] = if color { ["\x1b[9m", "\x1b[29m"] } else { [""; 2] };
    format!("{indent}~~{on}{text}{off}~~")
}

fn left(folder: &Folder) -> String {
    match (folder.visible, folder.exists) {
        (false, _) => "hidden".to_owned(),
        (true, false) => "-".to_owned(),
        (true, true) if folder.rights.is_empty() => "nothing".to_owned(),
        (true, true) => folder.rights.to_string(),
    }
}

fn reasons(folder: &Folder) -> String {
    let shadow = ids(&folder.shadow).into_iter().map(|id| format!("({id} would)"));
    let absent = (!folder.exists).then(|| "no mailbox, only a name".to_owned());
    ids(&folder.by).into_iter().chain(shadow).chain(absent).collect::<Vec<_>>().join(", ")
}

fn ids(hits: &Hits) -> Vec<String> {
    let mut ids: Vec<String> = hits.iter().map(|hit| hit.rule.to_string()).collect();
    ids.dedup();
    ids
}

/// A name is the server's: nothing in it may move a terminal's cursor or turn the order of letters.
fn shown(name: &str) -> String {
    let hostile = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().map(|c| if hostile(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// For programs: one object.
#[must_use]
pub fn to_json(preview: &Preview, rev: &str, sources: &Sources) -> Value {
    let folder = |folder: &Folder| {
        json!({
            "name": folder.name.as_str(),
            "exists": folder.exists,
            "special_use": (!folder.special_use.is_empty()).then(|| folder.special_use.to_string()),
            "subscribed": folder.subscribed,
            "visible": folder.visible,
            "rights": folder.rights.to_string(),
            "by": ids(&folder.by),
            "shadow": ids(&folder.shadow),
            "messages": folder.mail.as_ref().map(|mail| json!({
                "all": mail.messages,
                "hidden": mail.hidden,
                "by": counts(&mail.by),
                "shadow": counts(&mail.shadow),
            })),
        })
    };
    let counts_of = || {
        let mails = preview.folders.iter().filter_map(|folder| folder.mail.as_ref());
        mails.fold(0u64, |all, mail| all.saturating_add(mail.hidden))
    };
    let login = &preview.told.explanation.login;
    json!({
        "user": &*preview.user,
        "upstream": &*preview.upstream,
        "rev": rev,
        "login": if login.is_denied() { "denied" } else { "allowed" },
        "hidden_messages": counts_of(),
        "mailboxes": preview.folders.iter().map(folder).collect::<Vec<_>>(),
        "patterns": preview.patterns,
        "unmatched": problems_json(&preview.unmatched, sources)["problems"],
        "remarks": problems_json(&preview.remarks, sources)["problems"],
        "note": preview.told.note,
        "mend": preview.told.explanation.mend,
    })
}

fn counts(by: &BTreeMap<Arc<str>, UidSet>) -> Value {
    Value::Object(by.iter().map(|(rule, uids)| (rule.to_string(), uids.len().into())).collect())
}
