//! A pattern matches nothing: which name was probably meant?

use super::house::{House, Row};
use super::key_of;
use crate::diagnostic::{Problem, suggest};
use crate::imap::mailbox::fold;
use crate::policy::{Pattern, PatternKey, SpecialUse};

/// Names that are told where none is near.
const TOLD: usize = 8;

/// What is said of a pattern that matches nothing, with the mend.
pub(super) fn problem(pattern: &Pattern<'_>, house: &House, user: &str) -> Problem {
    let message = format!("`{}` matches no mailbox of {user}", pattern.written);
    let label = match pattern.key {
        PatternKey::Mailbox => format!("`{}` takes nothing by it", pattern.rule),
        PatternKey::ExceptMailbox | PatternKey::Exception => {
            format!("{} of `{}` spares nothing by it", key_of(pattern.key), pattern.rule)
        }
    };
    let problem = Problem::warning(pattern.file, pattern.span.clone(), message).label(label);
    match pattern.special_use {
        Some(uses) => problem.help(by_use(uses, house)),
        None => problem.help(by_name(pattern, house)),
    }
}

/// Patterns that name a mailbox, where what lies below it is neither taken by the rule nor spared.
pub(super) fn left_below(patterns: &[Pattern<'_>], house: &House) -> Vec<Problem> {
    let takes = patterns.iter().filter(|pattern| pattern.key == PatternKey::Mailbox && pattern.special_use.is_none());
    let problems = takes.filter_map(|pattern| {
        let known = |row: &&Row| {
            let mut of_rule = patterns.iter().filter(|other| other.rule == pattern.rule);
            of_rule.any(|other| other.matches(&house.target(row)))
        };
        let named: Vec<&Row> = house.rows.iter().filter(|row| pattern.matches(&house.target(row))).collect();
        let below = |row: &&Row| named.iter().any(|named| !named.name.is_inbox() && row.name.is_below(&named.name));
        let left = house.rows.iter().filter(|row| row.exists && below(row) && !known(row));
        let left: Vec<&str> = left.map(|row| row.name.as_str()).collect();
        let (first, written) = (left.first()?, pattern.written.trim_end_matches('/'));
        let more = if left.len() > 1 { format!(", and {} more", left.len() - 1) } else { String::new() };
        let message = format!("`{}` does not cover what is below: {first}{more}", pattern.written);
        let problem = Problem::warning(pattern.file, pattern.span.clone(), message);
        let label = format!("`{}` takes nothing there", pattern.rule);
        Some(
            problem
                .label(label)
                .help(format!("\"{written}/**\" covers it, too; except_mailbox says that it is not meant")),
        )
    });
    problems.collect()
}

fn by_use(uses: SpecialUse, house: &House) -> String {
    let told = house.rows.iter().filter(|row| !row.special_use.is_empty());
    let told: Vec<String> = told.map(|row| format!("{} is {}", row.name.as_str(), row.special_use)).collect();
    match told.is_empty() {
        true => format!("the server tells no special uses, and no mailbox has a usual name of {uses}: write its name"),
        false => format!("the server says that {}; write the name of the one you mean", told.join(", ")),
    }
}

fn by_name(pattern: &Pattern<'_>, house: &House) -> String {
    let parts = Parts::of(pattern.written);
    if let Some(name) = house.names().find(|name| fold(name) == fold(parts.head) && !parts.head.is_empty()) {
        let exactly = "what spares is compared letter by letter";
        return match pattern.key.spares() {
            true => format!("the server calls it `{name}`, and {exactly}: write `{}`", parts.with(name)),
            false => format!("there is `{name}`, but nothing of that pattern below it"),
        };
    }
    let meant = respelled(parts.head, house).or_else(|| aliased(parts.head, house));
    let meant = meant.or_else(|| suggest(parts.head, house.names()).map(str::to_owned));
    let meant = meant.or_else(|| same_last_level(parts.head, house));
    if let Some(name) = meant {
        return format!("did you mean `{}`?", parts.with(&name));
    }
    if let Some(written) = last_level_meant(pattern.written, house) {
        return format!("did you mean `{written}`?");
    }
    let all: Vec<&str> = house.rows.iter().map(|row| row.name.as_str()).collect();
    let some = all.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
    let more = if all.len() > TOLD { format!(", and {} more", all.len() - TOLD) } else { String::new() };
    format!("there is {some}{more}")
}

/// A pattern, cut where wildcards begin.
struct Parts<'p> {
    head: &'p str,
    tail: &'p str,
}

impl<'p> Parts<'p> {
    fn of(written: &'p str) -> Self {
        let wild = written.find(['*', '?']).unwrap_or(written.len());
        // A level that is only begun is not a name.
        let end = match written.get(..wild).and_then(|head| head.rfind('/')) {
            Some(slash) if wild < written.len() => slash,
            None if wild < written.len() => 0,
            _ => wild,
        };
        let (head, tail) = written.split_at_checked(end).unwrap_or((written, ""));
        Self { head: head.trim_end_matches('/'), tail }
    }

    fn with(&self, name: &str) -> String {
        format!("{name}{}", self.tail.trim_end_matches(|c| c == '/' && self.tail.len() == 1))
    }
}

/// The same name as another program, or the server itself, writes it.
fn respelled(head: &str, house: &House) -> Option<String> {
    let slashes = head.replace(['\\', '.'], "/");
    let decoded = crate::wire::mailbox::decode(head.as_bytes(), Default::default(), Some('/'));
    let decoded = decoded.map(|name| name.as_str().to_owned()).unwrap_or_default();
    let bare = |text: &str| {
        let (first, rest) = text.split_once('/')?;
        first.eq_ignore_ascii_case("INBOX").then(|| rest.to_owned())
    };
    let without = [bare(head), bare(&slashes)].into_iter().flatten();
    let tried: Vec<String> = [slashes.clone(), decoded].into_iter().chain(without).map(|text| fold(&text)).collect();
    house.names().find(|name| tried.contains(&fold(name))).map(str::to_owned)
}

/// Where Gmail keeps what it makes, in any spelling that people use; and mailboxes that are for the same.
fn aliased(head: &str, house: &House) -> Option<String> {
    let is_gmail = |level: &str| ["gmail", "googlemail"].contains(&&*letters(level));
    let rest = |name: &str| name.split_once('/').filter(|(top, _)| is_gmail(top)).map(|(_, rest)| fold(rest));
    let wanted = rest(head);
    let top = || house.names().find(|name| is_gmail(head) && is_gmail(name) && !name.contains('/'));
    let same = || house.names().find(|name| wanted.is_some() && rest(name) == wanted);
    let for_the_same = || {
        let last = head.rsplit('/').next().unwrap_or_default();
        let uses = SpecialUse::usual(head) | SpecialUse::usual(last);
        let row = house.rows.iter().find(|row| {
            let told = house.target(row).special_use.unwrap_or_else(|| SpecialUse::usual(row.name.as_str()));
            uses.intersects(told)
        });
        row.map(|row| row.name.as_str())
    };
    top().or_else(same).or_else(for_the_same).map(str::to_owned)
}

fn letters(level: &str) -> String {
    level.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn same_last_level(head: &str, house: &House) -> Option<String> {
    let last = |name: &str| fold(name.rsplit('/').next().unwrap_or_default());
    let wanted = last(head);
    house.names().find(|name| !wanted.is_empty() && last(name) == wanted).map(str::to_owned)
}

/// `**/Sekret`: a typo behind the wildcards.
fn last_level_meant(written: &str, house: &House) -> Option<String> {
    let (before, last) = written.rsplit_once('/')?;
    let levels = house.names().filter_map(|name| name.rsplit('/').next());
    let near = suggest(last, levels).filter(|_| !last.contains(['*', '?']))?;
    Some(format!("{before}/{near}"))
}
