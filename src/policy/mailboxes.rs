//! Which mailboxes is a rule about?
//!
//! ```text
//!                          with the prefix         without
//!   takes: folded          inbox/finance/q3        finance/q3      whatever looks like it to some server
//!   spares: exactly        INBOX/Finance/Q3        Finance/Q3      nothing that merely looks like it
//! ```
//!
//! By name only: what exists plays no part (contract: hiding goes by name).

use std::ops::Range;

use crate::imap::glob::{Glob, Letters, Reach};
use crate::imap::mailbox::{FoldKey, fold_onto};

use super::request::{SpecialUse, Target};
use super::special_use::{is_above_aggregates, is_aggregate, is_usual_below, of_exact, of_folded};

/// A mailbox that a request is about, spelled in all ways in which rules compare it.
#[derive(Debug)]
pub(super) struct Names<'t> {
    exact: &'t str,
    special_use: Option<SpecialUse>,
    prefix: &'t str,
    /// The folded name, with the prefix before it where there is one.
    key: FoldKey,
    /// Where in `key` the name begins without its prefix.
    bare: usize,
    /// Every rule that hides asks.
    aggregate: bool,
    /// Of `key`: most patterns have others.
    letters: Letters,
    /// What is told of mailboxes below it.
    uses_below: SpecialUse,
}

impl<'t> Names<'t> {
    pub(super) fn new(target: &Target<'t>) -> Self {
        let names = Self::of(target.name.as_str(), target.special_use, target.prefix.unwrap_or_default());
        Self { uses_below: target.uses_below, ..names }
    }

    /// Where no rule asks for a name, there is no need to fold it.
    pub(super) fn unread(target: &Target<'t>) -> Self {
        let exact = target.name.as_str();
        Self {
            exact,
            special_use: target.special_use,
            uses_below: target.uses_below,
            prefix: "",
            key: FoldKey::new(),
            bare: 0,
            aggregate: false,
            letters: Letters::default(),
        }
    }

    fn of(exact: &'t str, special_use: Option<SpecialUse>, prefix: &'t str) -> Self {
        let mut key = FoldKey::new();
        fold_onto(&mut key, exact);
        let mut names = Self {
            exact,
            special_use,
            uses_below: SpecialUse::NONE,
            prefix,
            key,
            bare: 0,
            aggregate: false,
            letters: Letters::default(),
        };
        names.spell_prefix();
        names.letters = Letters::of(names.whole());
        names.aggregate = match special_use {
            Some(uses) => uses.intersects(SpecialUse::AGGREGATES),
            None => names.folded().into_iter().any(is_aggregate),
        };
        names
    }

    /// A server may know the name with the prefix and without: for what takes it is both.
    fn spell_prefix(&mut self) {
        let mut key = FoldKey::new();
        fold_onto(&mut key, self.prefix);
        if key.is_empty() || key == self.key {
            return;
        }
        key.push(b'/');
        let bare = key.len();
        if self.key.starts_with(&key) {
            self.bare = bare;
        } else {
            key.extend_from_slice(&self.key);
            (self.key, self.bare) = (key, bare);
        }
    }

    fn whole(&self) -> &str {
        // A key is written character by character, and "/" parts the prefix from the rest.
        std::str::from_utf8(&self.key).unwrap_or_default()
    }

    /// The folded name: with the prefix, and without.
    pub(super) fn folded(&self) -> [&str; 2] {
        let whole = self.whole();
        [whole, whole.get(self.bare..).unwrap_or(whole)]
    }

    /// The name as it is: with its prefix, and without.
    fn exact(&self) -> [&str; 2] {
        [self.exact, self.exact.strip_prefix(self.prefix).unwrap_or(self.exact)]
    }

    /// The level that is nothing but the personal prefix has nothing below it, and what is behind it nothing above.
    fn is_prefix(&self) -> bool {
        let mut key = FoldKey::new();
        fold_onto(&mut key, self.prefix);
        !key.is_empty() && key == self.key
    }

    /// The name above it, of which nothing but the name is known.
    pub(super) fn above(&self) -> Option<Self> {
        let (above, _) = self.exact.trim_end_matches('/').rsplit_once('/')?;
        let above = Self::of(above, None, self.prefix);
        (!above.key.is_empty() && !above.is_prefix()).then_some(above)
    }

    pub(super) fn is_inbox(&self) -> bool {
        self.folded().contains(&"inbox")
    }

    /// What the mailbox is for, for rules that take.
    pub(super) fn special_use(&self) -> SpecialUse {
        self.special_use.unwrap_or_else(|| {
            let [whole, bare] = self.folded();
            of_folded(whole) | of_folded(bare)
        })
    }

    fn exact_special_use(&self) -> SpecialUse {
        self.special_use.unwrap_or_else(|| {
            let [whole, bare] = self.exact();
            of_exact(whole) | of_exact(bare)
        })
    }

    /// Does it show mail again that is elsewhere, too? As LIST says; without that word, at Gmail by name.
    pub(super) fn is_aggregate(&self) -> bool {
        self.aggregate
    }

    pub(super) fn is_above_aggregates(&self) -> bool {
        self.folded().into_iter().any(is_above_aggregates)
    }

    /// Could a mailbox for one of these uses lie below it?
    pub(super) fn may_be_above(&self, uses: SpecialUse) -> bool {
        let usual = |name| is_usual_below(name, uses);
        uses.intersects(self.uses_below) || (!self.is_prefix() && self.folded().into_iter().any(usual))
    }

    fn folded_reach(&self, glob: &Glob) -> Reach {
        let [whole, bare] = self.folded();
        joined(glob, whole, bare)
    }

    fn exact_reach(&self, glob: &Glob) -> Reach {
        let [whole, bare] = self.exact();
        joined(glob, whole, bare)
    }
}

/// Where the pattern can be behind the "/" below either name.
fn joined(glob: &Glob, whole: &str, bare: &str) -> Reach {
    let mut reach = glob.reach_below(whole);
    if bare != whole {
        reach.join(&glob.reach_below(bare));
    }
    reach
}

/// Patterns and special uses: one of them must fit.
#[derive(Debug, Clone, Default)]
pub(super) struct Patterns {
    pub(super) globs: Box<[Glob]>,
    pub(super) uses: SpecialUse,
    /// All of them as the rule file has them, for explanations.
    pub(super) written: Box<[Box<str>]>,
    /// Where each of these stands in its file.
    pub(super) places: Box<[Range<usize>]>,
}

impl Patterns {
    /// Is a mailbox named by what it is for?
    pub(super) fn name_uses(&self) -> bool {
        !self.uses.is_empty()
    }

    /// As what spares: exactly.
    pub(super) fn spare(&self, names: &Names<'_>) -> bool {
        let [whole, bare] = names.exact();
        self.globs.iter().any(|glob| glob.matches(whole) || (bare.len() != whole.len() && glob.matches(bare)))
            || (!self.uses.is_empty() && self.uses.intersects(names.exact_special_use()))
    }

    /// Is every name below this one spared?
    pub(super) fn spare_all_below(&self, names: &Names<'_>) -> bool {
        self.globs.iter().any(|glob| names.exact_reach(glob).takes_all(glob))
    }

    /// What is spared below `to` must be spared below `from`.
    fn spare_below_alike(&self, from: &Names<'_>, to: &Names<'_>) -> bool {
        !to.may_be_above(self.uses)
            && self.globs.iter().all(|glob| to.exact_reach(glob).is_within(&from.exact_reach(glob)))
    }
}

/// The mailboxes of a rule with `mailbox`, `except_mailbox` or both.
#[derive(Debug, Clone, Default)]
pub(super) struct Mailboxes {
    /// `mailbox`; `None`: every one.
    pub(super) takes: Option<Patterns>,
    /// `except_mailbox`
    pub(super) spares: Patterns,
}

impl Mailboxes {
    /// Is a mailbox named by what it is for?
    pub(super) fn name_uses(&self) -> bool {
        self.spares.name_uses() || self.takes.as_ref().is_some_and(Patterns::name_uses)
    }

    /// Is the rule about this mailbox?
    pub(super) fn cover(&self, names: &Names<'_>) -> bool {
        self.take(names) && !self.spares.spare(names)
    }

    /// Does `mailbox` name it?
    pub(super) fn take(&self, names: &Names<'_>) -> bool {
        let by_use = |takes: &Patterns| !takes.uses.is_empty() && takes.uses.intersects(names.special_use());
        self.take_by_name(names) || self.takes.as_ref().is_some_and(by_use)
    }

    fn take_by_name(&self, names: &Names<'_>) -> bool {
        let Some(takes) = &self.takes else { return true };
        let [whole, bare] = names.folded();
        let matches = |glob: &Glob| glob.matches(whole) || (bare.len() != whole.len() && glob.matches(bare));
        takes.globs.iter().any(|glob| glob.letters().are_among(names.letters) && matches(glob))
    }

    /// Could the rule be about a name below this one?
    pub(super) fn may_cover_below(&self, names: &Names<'_>) -> bool {
        if names.is_prefix() || self.spares.spare_all_below(names) {
            return false;
        }
        self.takes.as_ref().is_none_or(|takes| {
            takes.globs.iter().any(|glob| !names.folded_reach(glob).is_empty()) || names.may_be_above(takes.uses)
        })
    }

    /// Is the rule about `to`, and each name that could lie below it, where it is about `from`, and the same name below
    /// that one? `also` is spared, too. Says no where it cannot be told.
    pub(super) fn cover_alike(&self, from: &Names<'_>, to: &Names<'_>, also: &[&Patterns]) -> bool {
        let spared = |names| also.iter().any(|spares| spares.spare(names));
        if self.cover(from) && !spared(from) && (!self.will_cover(from, to) || spared(to)) {
            return false;
        }
        if !self.may_cover_below(from) || also.iter().any(|spares| spares.spare_all_below(from)) {
            return true;
        }
        let mut spares = also.iter().copied().chain([&self.spares]);
        self.take_below_alike(from, to) && spares.all(|spares| spares.spare_below_alike(from, to))
    }

    /// Will it be about `to` once it is there? A usual name is no promise where the server itself says what a mailbox is for,
    /// as it did of `from`.
    fn will_cover(&self, from: &Names<'_>, to: &Names<'_>) -> bool {
        let promised = from.special_use.is_none() || to.special_use.is_some();
        (promised || self.take_by_name(to)) && self.cover(to)
    }

    fn take_below_alike(&self, from: &Names<'_>, to: &Names<'_>) -> bool {
        let Some(takes) = &self.takes else { return true };
        let all = takes.globs.iter().any(|glob| names_all_below(glob, to));
        let alike = || {
            !from.may_be_above(takes.uses)
                && takes.globs.iter().all(|glob| from.folded_reach(glob).is_within(&to.folded_reach(glob)))
        };
        all || alike()
    }
}

fn names_all_below(glob: &Glob, names: &Names<'_>) -> bool {
    names.folded_reach(glob).takes_all(glob)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::mailbox::MailboxName;

    fn mailboxes(takes: &[&str], spares: &[&str]) -> Mailboxes {
        let split = |patterns: &[&str], compile: fn(&str) -> Glob| Patterns {
            globs: patterns
                .iter()
                .filter(|pattern| !pattern.starts_with('\\'))
                .map(|pattern| compile(pattern))
                .collect(),
            uses: patterns.iter().fold(SpecialUse::NONE, |uses, pattern| uses | SpecialUse::from_attribute(pattern)),
            written: patterns.iter().map(|pattern| (*pattern).into()).collect(),
            places: Box::default(),
        };
        Mailboxes {
            takes: (!takes.is_empty()).then(|| split(takes, |pattern| Glob::folded(pattern).unwrap())),
            spares: split(spares, |pattern| Glob::exact(pattern).unwrap()),
        }
    }

    fn cover(mailboxes: &Mailboxes, name: &str, special_use: Option<SpecialUse>, prefix: &str) -> bool {
        let name = MailboxName::new(name);
        let prefix = (!prefix.is_empty()).then_some(prefix);
        mailboxes.cover(&Names::new(&Target { special_use, prefix, ..Target::new(&name) }))
    }

    #[test]
    fn names_covered() {
        let rows: [(&str, &[&str], &[&str], &str, &str, bool); 17] = [
            ("by name", &["Finance/**"], &[], "Finance/Q3", "", true),
            ("in another case", &["Finance"], &[], "FINANCE", "", true),
            ("with a delimiter behind it", &["Archive"], &[], "archive/", "", true),
            ("spared", &["Finance/**"], &["Finance/Public"], "Finance/Public", "", false),
            ("spared only exactly", &["Finance/**"], &["Finance/Public"], "finance/public", "", true),
            ("all but one", &[], &["Drafts"], "Sent", "", true),
            ("that one", &[], &["Drafts"], "Drafts", "", false),
            ("the prefix left out of the rule", &["Finance"], &[], "INBOX/Finance", "INBOX/", true),
            ("the prefix left out of the name", &["INBOX/Finance"], &[], "Finance", "INBOX/", true),
            ("no prefix to leave out", &["Finance"], &[], "INBOX/Finance", "", false),
            ("spared with the prefix", &["**"], &["Finance"], "INBOX/Finance", "INBOX/", false),
            ("INBOX itself is not its prefix", &["*"], &[], "INBOX", "INBOX/", true),
            ("INBOX in any case", &["inbox"], &[], "INBOX", "", true),
            ("INBOX spared in any case", &["**"], &["inbox"], "Inbox", "", false),
            ("a usual name", &["\\Trash"], &[], "Deleted Items", "", true),
            ("a usual name behind the prefix", &["\\Trash"], &[], "Mail/Bin", "Mail/", true),
            ("a usual name spared, exactly", &["**"], &["\\Trash"], "trash", "", true),
        ];
        for (name, takes, spares, mailbox, prefix, want) in rows {
            assert_eq!(cover(&mailboxes(takes, spares), mailbox, None, prefix), want, "{name}");
        }
    }

    #[test]
    fn special_uses() {
        let trash = mailboxes(&["\\Trash"], &[]);
        assert!(cover(&trash, "Wastebasket", Some(SpecialUse::TRASH), ""), "as LIST says");
        assert!(!cover(&trash, "Trash", Some(SpecialUse::NONE), ""), "LIST says that it is not");
        let but_sent = mailboxes(&[], &["\\Sent"]);
        assert!(!cover(&but_sent, "Gesendet", None, "") && !cover(&but_sent, "Out", Some(SpecialUse::SENT), ""));
    }

    fn names<'t>(name: &'t MailboxName, prefix: &'t str) -> Names<'t> {
        Names::new(&Target { prefix: (!prefix.is_empty()).then_some(prefix), ..Target::new(name) })
    }

    #[test]
    fn names_below() {
        let rows: [(&str, &[&str], &[&str], &str, &str, bool); 9] = [
            ("a name below", &["Finance/Q3"], &[], "Finance", "", true),
            ("none below", &["Finance"], &[], "Finance", "", false),
            ("a pattern across levels", &["**/Secret"], &[], "Any", "", true),
            ("every mailbox", &[], &[], "Any", "", true),
            ("all below is spared", &["**"], &["Any/**"], "Any", "", false),
            ("some below is spared", &["**"], &["Any/*"], "Any", "", true),
            ("below the prefix is nothing", &["Finance"], &[], "INBOX", "INBOX/", false),
            ("behind the prefix", &["Finance/Q3"], &[], "INBOX/Finance", "INBOX/", true),
            ("a usual name", &["\\Trash"], &[], "[Gmail]", "", true),
        ];
        for (name, takes, spares, mailbox, prefix, want) in rows {
            let mailbox = MailboxName::new(mailbox);
            assert_eq!(mailboxes(takes, spares).may_cover_below(&names(&mailbox, prefix)), want, "{name}");
        }
    }

    #[test]
    fn names_above() {
        let rows = [
            ("a level up", "a/b/c", "", Some("a/b")),
            ("the top", "a", "", None),
            ("a delimiter at the end", "a/b/", "", Some("a")),
            ("behind the prefix", "INBOX/a", "INBOX/", None),
            ("behind the prefix in another case", "inbox/a", "INBOX/", None),
            ("two levels behind the prefix", "INBOX/a/b", "INBOX/", Some("INBOX/a")),
        ];
        for (name, mailbox, prefix, want) in rows {
            let mailbox = MailboxName::new(mailbox);
            assert_eq!(names(&mailbox, prefix).above().map(|above| above.exact), want, "{name}");
        }
    }

    #[test]
    fn covered_alike_where_the_server_tells_special_uses() {
        let trash = SpecialUse::TRASH;
        let rows: [(&str, &[&str], SpecialUse, Option<SpecialUse>, bool); 5] = [
            ("a usual name is no promise", &["\\Trash"], trash, None, false),
            ("by name as well", &["\\Trash", "*"], trash, None, true),
            ("the target is one, too", &["\\Trash"], trash, Some(trash), true),
            ("it is none", &["\\Trash"], SpecialUse::NONE, None, true),
            ("the target is said to be none", &["\\Trash"], trash, Some(SpecialUse::NONE), false),
        ];
        let (old, new) = (MailboxName::new("Trash"), MailboxName::new("Deleted Items"));
        for (name, takes, of_old, special_use, want) in rows {
            let from = Names::new(&Target { special_use: Some(of_old), ..Target::new(&old) });
            let to = Names::new(&Target { special_use, ..Target::new(&new) });
            assert_eq!(mailboxes(takes, &[]).cover_alike(&from, &to, &[]), want, "{name}");
        }
    }

    #[test]
    fn covered_alike() {
        let rows: [(&str, &[&str], &[&str], &str, &str, bool); 16] = [
            ("neither", &["Finance/**"], &[], "A", "B", true),
            ("both below the pattern", &["Archive/**"], &[], "Archive/1", "Archive/2", true),
            ("out of it", &["Archive/**"], &[], "Archive/1", "B", false),
            ("into it", &["Archive/**"], &[], "A", "Archive/A", true),
            ("something below would come out of it", &["A/B"], &[], "A", "C", false),
            ("the pattern is about one name", &["Archive/1"], &[], "Archive/1", "Archive/2", false),
            ("one level", &["*"], &[], "A", "B", true),
            ("another level", &["*"], &[], "A", "B/A", false),
            ("from one pattern to the other", &["A/**", "B/**"], &[], "A/x", "B/x", true),
            ("every mailbox", &[], &[], "A", "B", true),
            ("to what is spared", &["A/**"], &["A/Public"], "A/x", "A/Public", false),
            ("from what is spared", &["A/**"], &["A/Public"], "A/Public", "A/x", true),
            ("below it is spared there", &["**"], &["B/Public"], "A", "B", false),
            ("spared here as there", &["**"], &["*/Public"], "A", "B", true),
            ("a name of the same shape", &["Team-*/**"], &[], "Team-a", "Team-b", true),
            ("a special use", &["\\Trash"], &[], "Trash", "Old", false),
        ];
        for (name, takes, spares, from, to, want) in rows {
            let (from, to) = (MailboxName::new(from), MailboxName::new(to));
            assert_eq!(mailboxes(takes, spares).cover_alike(&names(&from, ""), &names(&to, ""), &[]), want, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn alike_means_alike(
            takes in proptest::collection::vec("[ab/*]{1,5}", 0..3),
            spares in proptest::collection::vec("[ab/*]{1,5}", 0..2),
            from in "[ab](/[ab]){0,2}", to in "[ab](/[ab]){0,2}", below in "(/[ab]){0,2}",
        ) {
            let good = |patterns: &[String]| patterns.iter().filter(|p| Glob::folded(p).is_ok() && Glob::exact(p).is_ok())
                .cloned().collect::<Vec<_>>();
            let (takes, spares) = (good(&takes), good(&spares));
            let rule = mailboxes(&takes.iter().map(String::as_str).collect::<Vec<_>>(), &spares.iter().map(String::as_str).collect::<Vec<_>>());
            let [from, to, from_below, to_below] =
                [from.clone(), to.clone(), from + &below, to + &below].map(|name| MailboxName::new(&name));
            if rule.cover_alike(&names(&from, ""), &names(&to, ""), &[]) && rule.cover(&names(&from_below, "")) {
                proptest::prop_assert!(rule.cover(&names(&to_below, "")));
            }
            if !below.is_empty() && rule.cover(&names(&from_below, "")) {
                proptest::prop_assert!(rule.may_cover_below(&names(&from, "")));
            }
        }
    }
}
