//! Which mailboxes exist, as far as this session is concerned?
//!
//! ```text
//!   upstream   INBOX  Finance  Finance/Payroll  HR        HR/Jobs        hidden: HR, Finance/Payroll
//!   client     INBOX  Finance                   HR ·····▶ HR/Jobs        HR is but a level: \NonExistent
//! ```
//!
//! A closed world: only names that the upstream itself listed are in the table, in the upstream's own spelling, and only
//! those go up. Told what was listed and, by its caller, what is hidden; knows nothing of rules or bytes on the wire.

use std::collections::BTreeMap;

use crate::imap::mailbox::MailboxName;

/// One mailbox (or level) that the upstream listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its canonical name.
    pub name: MailboxName,
    /// Its name as the upstream spells it, decoded, with the upstream's delimiter: what LIST patterns are matched with.
    pub text: Box<str>,
    /// Its name as the upstream spells it on the wire: what goes up, and down.
    pub octets: Box<[u8]>,
    /// Attributes, as spelled.
    pub attributes: Vec<Box<str>>,
    /// The hierarchy delimiter, if there is one.
    pub delimiter: Option<char>,
    /// Is it subscribed to?
    pub subscribed: bool,
    /// Did LIST name it (and not only LSUB)?
    pub listed: bool,
}

impl Row {
    fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|has| has.eq_ignore_ascii_case(attribute))
    }

    /// Can it be opened?
    #[must_use]
    pub fn exists(&self) -> bool {
        self.listed && !self.has("\\NonExistent") && !self.has("\\Noselect")
    }
}

/// All names that the upstream listed.
#[derive(Debug, Clone, Default)]
pub struct NameTable {
    rows: BTreeMap<MailboxName, Row>,
}

/// What LIST or LSUB asks for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Reference and pattern, joined and decoded; several for the extended form.
    pub patterns: &'a [String],
    /// Only what is subscribed to (LSUB, `LIST (SUBSCRIBED)`).
    pub subscribed: bool,
    /// Only mailboxes with a special use.
    pub special_use: bool,
    /// Is `\Subscribed` to be said?
    pub say_subscribed: bool,
    /// Is the extended form asked for, which knows `\NonExistent`?
    pub extended: bool,
    /// LSUB: a level above a subscribed name is said to be `\Noselect`.
    pub lsub: bool,
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Attributes.
    pub attributes: Vec<&'a str>,
    /// The delimiter.
    pub delimiter: Option<char>,
    /// The name on the wire.
    pub octets: Vec<u8>,
}

/// Attributes of special use (RFC 6154, RFC 8457).
const SPECIAL_USE: [&str; 9] =
    ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important", "\\Memos"];

/// Attributes that tell of nothing but the mailbox itself.
const KEPT: [&str; 3] = ["\\Noinferiors", "\\Noselect", "\\NonExistent"];

impl NameTable {
    /// Takes a line of LIST.
    pub fn list(&mut self, row: Row) {
        let subscribed = self.rows.get(&row.name).is_some_and(|known| known.subscribed);
        self.rows.insert(row.name.clone(), Row { subscribed: subscribed || row.subscribed, listed: true, ..row });
    }

    /// Takes a line of LSUB.
    pub fn subscribe(&mut self, row: Row) {
        if row.has("\\Noselect") {
            return; // only a level above what is subscribed to (RFC 3501 §6.3.9)
        }
        match self.rows.get_mut(&row.name) {
            Some(known) => known.subscribed = true,
            None => {
                self.rows.insert(row.name.clone(), Row { subscribed: true, listed: false, ..row });
            }
        }
    }

    /// The row of this name.
    #[must_use]
    pub fn get(&self, name: &MailboxName) -> Option<&Row> {
        self.rows.get(name)
    }

    /// Every row, by name.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is nothing known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a name lies below `name` that is visible.
    fn has_visible_child(&self, name: &MailboxName, visible: &impl Fn(&Row) -> bool) -> bool {
        self.rows
            .range::<MailboxName, _>((std::ops::Bound::Excluded(name), std::ops::Bound::Unbounded))
            .take_while(|(other, _)| other.as_str().starts_with(name.as_str()))
            .any(|(other, row)| other.is_below(name) && row.listed && visible(row))
    }

    /// Answers LIST or LSUB with what is `visible`, and says how many hidden names would have matched.
    pub fn answer<'a>(&'a self, query: &Query<'_>, visible: impl Fn(&Row) -> bool) -> (Vec<Listed<'a>>, u64) {
        let mut lines: BTreeMap<&str, Listed<'a>> = BTreeMap::new();
        let mut hidden = 0u64;
        for row in self.rows.values() {
            let asked = if query.subscribed { row.subscribed } else { row.listed };
            if !asked || (query.special_use && !SPECIAL_USE.iter().any(|attribute| row.has(attribute))) {
                continue;
            }
            if !visible(row) {
                hidden = hidden.saturating_add(u64::from(matches_any(query.patterns, row)));
                continue;
            }
            if !self.stands_alone(row, &visible) {
                continue;
            }
            if matches_any(query.patterns, row) {
                lines.insert(&row.text, self.line(row, query, &visible));
            }
            if !query.special_use {
                self.levels_above(row, query, &visible, &mut lines);
            }
        }
        (lines.into_values().collect(), hidden)
    }

    /// A level that cannot be opened is there for what is below it: where all of that is hidden, so is the level.
    fn stands_alone(&self, row: &Row, visible: &impl Fn(&Row) -> bool) -> bool {
        row.exists() || !row.listed || self.has_visible_child(&row.name, visible)
    }

    fn line<'a>(&'a self, row: &'a Row, query: &Query<'_>, visible: &impl Fn(&Row) -> bool) -> Listed<'a> {
        let mut attributes: Vec<&str> = row
            .attributes
            .iter()
            .map(|attribute| &**attribute)
            .filter(|attribute| KEPT.iter().chain(&SPECIAL_USE).any(|kept| kept.eq_ignore_ascii_case(attribute)))
            .collect();
        if !row.listed {
            attributes = if query.extended { vec!["\\NonExistent"] } else { vec!["\\Noselect"] };
        }
        if row.listed && !row.has("\\Noinferiors") {
            let children = self.has_visible_child(&row.name, visible);
            attributes.push(if children { "\\HasChildren" } else { "\\HasNoChildren" });
        }
        if row.subscribed && query.say_subscribed {
            attributes.push("\\Subscribed");
        }
        Listed { attributes, delimiter: row.delimiter, octets: row.octets.to_vec() }
    }

    /// `%` at the end of a pattern names levels that do not exist themselves (RFC 3501 §6.3.8).
    fn levels_above<'a>(
        &'a self,
        row: &'a Row,
        query: &Query<'_>,
        visible: &impl Fn(&Row) -> bool,
        lines: &mut BTreeMap<&'a str, Listed<'a>>,
    ) {
        let Some(delimiter) = row.delimiter else { return };
        let mut name = row.name.clone();
        let ends = row.text.match_indices(delimiter).map(|(at, _)| at).collect::<Vec<_>>();
        for end in ends.into_iter().rev() {
            let (Some(parent), Some(text)) = (name.parent(), row.text.get(..end)) else { return };
            name = parent;
            let shown = |row: &Row| {
                let asked = if query.subscribed { row.subscribed } else { row.listed };
                asked && visible(row)
            };
            if self.rows.get(&name).is_some_and(shown) || lines.contains_key(text) {
                continue;
            }
            let named =
                query.patterns.iter().any(|pattern| pattern.ends_with('%') && matches(pattern, text, delimiter));
            let levels = text.matches(delimiter).count();
            if let (true, Some(octets)) = (named, prefix_of(&row.octets, delimiter, levels)) {
                let attributes = match (query.extended, query.lsub) {
                    (_, true) => vec!["\\Noselect"],
                    (true, false) => vec!["\\NonExistent", "\\HasChildren"],
                    (false, false) => vec!["\\Noselect", "\\HasChildren"],
                };
                lines.insert(text, Listed { attributes, delimiter: row.delimiter, octets: octets.to_vec() });
            }
        }
    }
}

/// The octets up to the delimiter behind `levels` others. A delimiter is ASCII and stands for itself in both encodings.
fn prefix_of(octets: &[u8], delimiter: char, levels: usize) -> Option<&[u8]> {
    let delimiter = u8::try_from(delimiter).ok()?;
    let end = octets.iter().enumerate().filter(|(_, octet)| **octet == delimiter).nth(levels)?.0;
    octets.get(..end)
}

fn matches_any(patterns: &[String], row: &Row) -> bool {
    let delimiter = row.delimiter.unwrap_or('\0');
    patterns.iter().any(|pattern| {
        matches(pattern, &row.text, delimiter)
            || (row.name.is_inbox() && matches(&pattern.to_ascii_uppercase(), "INBOX", delimiter))
    })
}

/// Does the LIST pattern match? `*` is anything, `%` anything but the delimiter; without backtracking over more than the
/// last wildcard of each kind would allow, so time is bounded by the product of the lengths.
#[must_use]
pub fn matches(pattern: &str, text: &str, delimiter: char) -> bool {
    let text: Vec<char> = text.chars().collect();
    // reach[i]: can the pattern so far end before text[i]?
    let mut reach = vec![false; text.len().saturating_add(1)];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for letter in pattern.chars() {
        let mut next = vec![false; reach.len()];
        match letter {
            '*' | '%' => {
                let mut open = false;
                for (at, next) in next.iter_mut().enumerate() {
                    let stops = at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|c| *c == delimiter);
                    open = (open && !(letter == '%' && stops)) || reach.get(at).copied().unwrap_or(false);
                    *next = open;
                }
            }
            letter => {
                for (at, c) in text.iter().enumerate() {
                    if *c == letter
                        && reach.get(at).copied().unwrap_or(false)
                        && let Some(next) = next.get_mut(at.saturating_add(1))
                    {
                        *next = true;
                    }
                }
            }
        }
        reach = next;
    }
    reach.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, attributes: &[&str]) -> Row {
        Row {
            name: MailboxName::new(name),
            text: name.into(),
            octets: name.as_bytes().into(),
            attributes: attributes.iter().map(|attribute| (*attribute).into()).collect(),
            delimiter: Some('/'),
            subscribed: false,
            listed: true,
        }
    }

    fn table() -> NameTable {
        let mut table = NameTable::default();
        for name in ["INBOX", "Finance", "Finance/Payroll", "HR", "HR/Jobs", "Team", "Team/Cell", "Sent"] {
            table.list(row(name, if name == "Sent" { &["\\Sent", "\\Marked"] } else { &["\\HasChildren"] }));
        }
        table.list(row("Ghost", &["\\Noselect", "\\HasChildren"]));
        table.list(row("Ghost/X", &[]));
        for name in ["HR", "HR/Jobs", "Old"] {
            table.subscribe(row(name, &[]));
        }
        table
    }

    fn visible(row: &Row) -> bool {
        !["HR", "Finance/Payroll", "Team/Cell", "Ghost/X"].contains(&&*row.text)
    }

    fn answer(patterns: &[&str], extended: bool, subscribed: bool) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let query = Query {
            patterns: &patterns,
            subscribed,
            special_use: false,
            say_subscribed: false,
            extended,
            lsub: subscribed && !extended,
        };
        let table = table();
        let (lines, _) = table.answer(&query, visible);
        lines.iter().map(|line| format!("({}) {}", line.attributes.join(" "), line.octets.escape_ascii())).collect()
    }

    #[test]
    fn lists() {
        assert_eq!(answer(&["HR*"], false, false), ["(\\HasNoChildren) HR/Jobs"], "no level for *");
        assert_eq!(
            answer(&["%"], false, false),
            [
                "(\\HasNoChildren) Finance",
                "(\\Noselect \\HasChildren) HR",
                "(\\HasNoChildren) INBOX",
                "(\\Sent \\HasNoChildren) Sent",
                "(\\HasNoChildren) Team"
            ]
        );
        assert_eq!(answer(&["HR%"], true, false), ["(\\NonExistent \\HasChildren) HR"]);
        assert_eq!(answer(&["HR"], false, false), Vec::<String>::new());
        assert_eq!(answer(&["inbox"], false, false), ["(\\HasNoChildren) INBOX"]);
        assert_eq!(answer(&["Ghost*", "Team*"], false, false), ["(\\HasNoChildren) Team"]);
    }

    #[test]
    fn subscriptions() {
        assert_eq!(answer(&["%"], false, true), ["(\\Noselect) HR", "(\\Noselect) Old"]);
        assert_eq!(answer(&["*"], true, true), ["(\\HasNoChildren) HR/Jobs", "(\\NonExistent) Old"]);
    }

    #[test]
    fn patterns() {
        let rows = [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%/%", "a/b", true),
            ("a*b", "a/x/b", true),
            ("a%b", "axxb", true),
            ("a%b", "a/b", false),
            ("", "", true),
            ("a", "ab", false),
            ("%", "", true),
        ];
        for (pattern, text, want) in rows {
            assert_eq!(matches(pattern, text, '/'), want, "{pattern} {text}");
        }
    }
}
