//! Which mailboxes exist, as far as this session is concerned?
//!
//! ```text
//!   upstream   INBOX  Finance  Finance/Payroll  HR        HR/Jobs        hidden: HR, Finance/Payroll
//!   client     INBOX  Finance                   HR ·····▶ HR/Jobs        HR is but a level: \NonExistent
//! ```
//!
//! A closed world: only names that the upstream itself listed are in the table, in the upstream's own spelling, and only
//! those go up. Told what was listed and, by its caller, what is hidden; knows nothing of rules or bytes on the wire.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::imap::mailbox::MailboxName;

/// One mailbox (or level) that the upstream listed. Many sessions hold many of them: what is alike is held once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its canonical name.
    pub name: MailboxName,
    /// Its name as the upstream spells it, decoded, with the upstream's delimiter: what LIST patterns are matched with.
    pub text: Arc<str>,
    /// Its name as the upstream spells it on the wire: what goes up, and down.
    pub octets: Arc<[u8]>,
    /// Attributes, as spelled.
    pub attributes: Arc<[Box<str>]>,
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
    /// Lists of attributes that rows have: there are few.
    attributes: Vec<Arc<[Box<str>]>>,
}

/// Most lists of attributes that are looked through.
const MAX_LISTS: usize = 32;

/// What LIST or LSUB asks for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Reference and pattern, joined and decoded; several for the extended form.
    pub patterns: &'a [String],
    /// Only what is subscribed to (LSUB, `LIST (SUBSCRIBED)`).
    pub subscribed: bool,
    /// Only mailboxes with a special use.
    pub special_use: bool,
    /// Also what lies above such mailboxes, if it matches (RECURSIVEMATCH).
    pub recursive: bool,
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
    pub octets: &'a [u8],
    /// What of the options that select is true of mailboxes below it, where that is asked for (RFC 5258 §4: CHILDINFO).
    pub below: Vec<&'static str>,
    /// Its row, if it was selected and can be opened.
    pub mailbox: Option<&'a Row>,
}

impl Query<'_> {
    fn selects(&self, row: &Row) -> bool {
        (if self.subscribed { row.subscribed } else { row.listed })
            && (!self.special_use || SPECIAL_USE.iter().any(|attribute| row.has(attribute)))
    }

    /// The options that select, as CHILDINFO names them.
    fn below(&self) -> Vec<&'static str> {
        let options = [(self.subscribed, "SUBSCRIBED"), (self.special_use, "SPECIAL-USE")];
        options.into_iter().filter(|(asked, _)| *asked).map(|(_, name)| name).collect()
    }
}

/// Attributes of special use (RFC 6154, RFC 8457).
const SPECIAL_USE: [&str; 9] =
    ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important", "\\Memos"];

/// Attributes that tell of nothing but the mailbox itself.
const KEPT: [&str; 3] = ["\\Noinferiors", "\\Noselect", "\\NonExistent"];

impl NameTable {
    /// A row that holds nothing twice.
    fn shared(&mut self, mut row: Row) -> Row {
        if *row.text == *row.name.as_str() {
            row.text = row.name.shared();
        }
        if *row.octets == *row.text.as_bytes() {
            row.octets = Arc::clone(&row.text).into();
        }
        match self.attributes.iter().find(|known| **known == row.attributes) {
            Some(known) => row.attributes = Arc::clone(known),
            None if self.attributes.len() < MAX_LISTS => self.attributes.push(Arc::clone(&row.attributes)),
            None => {}
        }
        row
    }

    /// Takes a line of LIST.
    pub fn list(&mut self, row: Row) {
        let row = self.shared(row);
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
                let row = self.shared(row);
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

    /// The rows of names below `name`.
    pub fn below<'a>(&'a self, name: &'a MailboxName) -> impl Iterator<Item = &'a Row> {
        self.rows
            .range::<MailboxName, _>((std::ops::Bound::Excluded(name), std::ops::Bound::Unbounded))
            .take_while(|(other, _)| other.as_str().starts_with(name.as_str()))
            .filter(|(other, _)| other.is_below(name))
            .map(|(_, row)| row)
    }

    /// Answers LIST or LSUB with what is `visible`, and says how many hidden names would have matched.
    pub fn answer<'a>(&'a self, query: &Query<'_>, visible: impl Fn(&Row) -> bool) -> (Vec<Listed<'a>>, u64) {
        let seen = Seen::of(&self.rows, query, visible);
        let mut lines: BTreeMap<&str, Listed<'a>> = BTreeMap::new();
        let mut hidden = 0u64;
        // Only LSUB and the simple LIST tell of levels unasked (RFC 3501 §6.3.8; RFC 5258 §3).
        let unasked = query.lsub || !(query.subscribed || query.special_use);
        let levels = query.recursive || (unasked && query.patterns.iter().any(|pattern| pattern.ends_with('%')));
        for row in self.rows.values().filter(|row| query.selects(row)) {
            if !seen.is_visible(row) {
                hidden = hidden.saturating_add(u64::from(matches_any(query.patterns, row)));
                continue;
            }
            if !seen.stands_alone(row) {
                continue;
            }
            if matches_any(query.patterns, row) {
                lines.entry(&row.text).or_insert_with(|| line(row, query, &seen));
            }
            if levels {
                self.levels_above(row, query, &seen, &mut lines);
            }
        }
        (lines.into_values().collect(), hidden)
    }

    /// `%` at the end of a pattern names levels that do not exist themselves (RFC 3501 §6.3.8). RECURSIVEMATCH names each
    /// level that matches, there or not, above what is selected.
    fn levels_above<'a>(
        &'a self,
        row: &'a Row,
        query: &Query<'_>,
        seen: &Seen<'a>,
        lines: &mut BTreeMap<&'a str, Listed<'a>>,
    ) {
        let Some(delimiter) = row.delimiter else { return };
        let mut name = row.name.clone();
        let ends = row.text.match_indices(delimiter).map(|(at, _)| at).collect::<Vec<_>>();
        for end in ends.into_iter().rev() {
            let (Some(parent), Some(text)) = (name.parent(), row.text.get(..end)) else { return };
            name = parent;
            let there = self.rows.get(&name).filter(|row| seen.is_visible(row));
            if lines.contains_key(text) || there.is_some_and(|row| query.selects(row)) {
                continue;
            }
            let names = |pattern: &&String| query.recursive || pattern.ends_with('%');
            if !query.patterns.iter().filter(names).any(|pattern| matches(pattern, text, delimiter)) {
                continue;
            }
            if let Some(above) = there.filter(|above| query.recursive && above.listed) {
                lines.insert(&above.text, line(above, query, seen));
            } else if let Some(octets) = prefix_of(&row.octets, delimiter, text.matches(delimiter).count()) {
                let attributes = match (query.extended, query.lsub) {
                    (_, true) => vec!["\\Noselect"],
                    (true, false) => vec!["\\NonExistent", "\\HasChildren"],
                    (false, false) => vec!["\\Noselect", "\\HasChildren"],
                };
                let below = if query.recursive { query.below() } else { Vec::new() };
                lines.insert(text, Listed { attributes, delimiter: row.delimiter, octets, below, mailbox: None });
            }
        }
    }
}

/// What of the table can be seen, asked once for each row.
struct Seen<'a> {
    visible: HashSet<&'a str>,
    /// Names above a mailbox that is listed and visible.
    above: HashSet<&'a str>,
    /// Names above one that the query selects, where that is asked for.
    above_chosen: HashSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(rows: &'a BTreeMap<MailboxName, Row>, query: &Query<'_>, visible: impl Fn(&Row) -> bool) -> Self {
        let visible: HashSet<&str> = rows.values().filter(|row| visible(row)).map(|row| row.name.as_str()).collect();
        let shown = rows.values().filter(|row| row.listed && visible.contains(row.name.as_str()));
        let mut seen = Self { above: above(shown), visible, above_chosen: HashSet::new() };
        if query.recursive {
            let chosen = |row: &&Row| query.selects(row) && seen.is_visible(row) && seen.stands_alone(row);
            let names = above(rows.values().filter(chosen));
            seen.above_chosen = names;
        }
        seen
    }

    fn is_visible(&self, row: &Row) -> bool {
        self.visible.contains(row.name.as_str())
    }

    /// A level that cannot be opened is there for what is below it: where all of that is hidden, so is the level.
    fn stands_alone(&self, row: &Row) -> bool {
        row.exists() || !row.listed || self.above.contains(row.name.as_str())
    }
}

/// The names above these rows.
fn above<'a>(rows: impl Iterator<Item = &'a Row>) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for row in rows {
        let mut name = row.name.as_str();
        while let Some((parent, _)) = name.rsplit_once('/') {
            if !names.insert(parent) {
                break; // and so is what is above it
            }
            name = parent;
        }
    }
    names
}

fn line<'a>(row: &'a Row, query: &Query<'_>, seen: &Seen<'_>) -> Listed<'a> {
    let mut attributes: Vec<&str> = row
        .attributes
        .iter()
        .map(|attribute| &**attribute)
        .filter(|attribute| KEPT.iter().chain(&SPECIAL_USE).any(|kept| kept.eq_ignore_ascii_case(attribute)))
        .collect();
    if !row.listed {
        // In LSUB `\\Noselect` would say that it is not subscribed to (RFC 3501 §6.3.9).
        attributes = if query.lsub { Vec::new() } else { vec!["\\NonExistent"] };
    }
    if row.listed && !row.has("\\Noinferiors") {
        let children = seen.above.contains(row.name.as_str());
        attributes.push(if children { "\\HasChildren" } else { "\\HasNoChildren" });
    }
    if row.subscribed && query.say_subscribed {
        attributes.push("\\Subscribed");
    }
    let below = if seen.above_chosen.contains(row.name.as_str()) { query.below() } else { Vec::new() };
    // What stands there for what is below it only is not what was asked for (RFC 5819 §2).
    let mailbox = Some(row).filter(|row| row.exists() && query.selects(row));
    Listed { attributes, delimiter: row.delimiter, octets: &row.octets, below, mailbox }
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
    match pattern {
        "*" => return true,
        "%" => return !text.contains(delimiter),
        _ => {}
    }
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
            recursive: false,
            say_subscribed: false,
            extended,
            lsub: subscribed && !extended,
        };
        let table = table();
        let (lines, _) = table.answer(&query, visible);
        lines.iter().map(shown).collect()
    }

    fn shown(line: &Listed<'_>) -> String {
        let below = line.below.iter().map(|option| format!(" [{option}]")).collect::<String>();
        format!("({}) {}{below}", line.attributes.join(" "), line.octets.escape_ascii())
    }

    #[test]
    fn levels_above_what_is_selected() {
        let rows: [(&str, bool, bool, &[&str]); 7] = [
            ("%", true, false, &["(\\NonExistent \\HasChildren) HR [SUBSCRIBED]", "(\\NonExistent \\Subscribed) Old"]),
            (
                "*",
                true,
                false,
                &[
                    "(\\NonExistent \\HasChildren) HR [SUBSCRIBED]",
                    "(\\HasNoChildren \\Subscribed) HR/Jobs",
                    "(\\NonExistent \\Subscribed) Old",
                ],
            ),
            ("HR", true, false, &["(\\NonExistent \\HasChildren) HR [SUBSCRIBED]"]),
            ("Team", true, false, &[]),
            ("Deep%", false, true, &["(\\HasChildren) Deep [SPECIAL-USE]"]),
            (
                "*",
                false,
                true,
                &[
                    "(\\HasChildren) Deep [SPECIAL-USE]",
                    "(\\Trash \\HasNoChildren) Deep/Trash",
                    "(\\Sent \\HasNoChildren) Sent",
                ],
            ),
            ("S%", true, true, &[]),
        ];
        let mut table = table();
        table.list(row("Deep", &[]));
        table.list(row("Deep/Trash", &["\\Trash"]));
        for (pattern, subscribed, special_use, want) in rows {
            let patterns = [pattern.to_owned()];
            let query = Query {
                patterns: &patterns,
                subscribed,
                special_use,
                recursive: true,
                say_subscribed: subscribed,
                extended: true,
                lsub: false,
            };
            let (lines, _) = table.answer(&query, visible);
            assert_eq!(lines.iter().map(shown).collect::<Vec<_>>(), want, "{pattern}");
        }
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
        assert_eq!(answer(&["%"], false, true), ["(\\Noselect) HR", "() Old"]);
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
