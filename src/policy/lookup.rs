//! Which of a session's rules can be about a name? Found, not asked one by one.
//!
//! ```text
//!   pattern          filed under          finance/q3 looks at
//!   Finance/**       finance              finance, finance/q3 and "always"
//!   Finance/Q*/May   finance              and, where what is below matters, finance/q3/…
//!   **/Secret        always
//!   (no mailbox)     always
//! ```
//!
//! What is found may be about the name; whether it is, the rule says.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::mailboxes::{Names, Patterns};
use super::rule::{Rule, RuleSet};
use super::standing::BoundRule;
use crate::imap::glob::Glob;

/// Rules of a session by their numbers there.
pub(super) type Found = SmallVec<[u32; 16]>;

/// The rules of one session that take something of commands, filed by the levels that their patterns begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookup {
    /// Those that may be about any name.
    always: Box<[u32]>,
    /// Those that hide what shows the mail of hidden mailboxes again.
    aggregates: Box<[u32]>,
    /// In the order of the levels.
    filed: Box<[Filed]>,
}

/// One pattern of one rule.
#[derive(Debug, Clone, Copy)]
struct Filed {
    number: u32,
    glob: u32,
    /// Of the pattern's literal these octets are whole levels.
    levels: u32,
}

/// The rules of a session, to read patterns from.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'s> {
    pub(super) set: &'s RuleSet,
    pub(super) rules: &'s [BoundRule],
}

impl Shelf<'_> {
    fn rule(&self, number: u32) -> Option<&Rule> {
        self.set.rule(self.rules.get(number as usize)?.at)
    }

    fn levels(&self, filed: &Filed) -> &str {
        let glob = self.rule(filed.number).and_then(patterns).and_then(|takes| takes.globs.get(filed.glob as usize));
        glob.and_then(|glob| glob.literal().get(..filed.levels as usize)).unwrap_or_default()
    }
}

fn patterns(rule: &Rule) -> Option<&Patterns> {
    rule.mailboxes.as_ref()?.takes.as_ref()
}

impl Lookup {
    pub(super) fn of(shelf: Shelf<'_>) -> Self {
        let (mut always, mut aggregates, mut filed) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0u32.. {
            let Some(rule) = shelf.rule(number) else { break };
            if !rule.takes_of_commands() {
                continue;
            }
            if rule.hiding().is_some() && !rule.shows_aggregates {
                aggregates.push(number);
            }
            match patterns(rule).filter(|takes| takes.uses.is_empty()) {
                Some(takes) if takes.globs.iter().all(|glob| whole_levels(glob) > 0) => {
                    filed.extend((0u32..).zip(&takes.globs).map(|(at, glob)| {
                        let levels = u32::try_from(whole_levels(glob)).unwrap_or(0);
                        Filed { number, glob: at, levels }
                    }));
                }
                _ => always.push(number),
            }
        }
        filed.sort_by(|one, other| shelf.levels(one).cmp(shelf.levels(other)));
        Self { always: always.into(), aggregates: aggregates.into(), filed: filed.into() }
    }

    /// One that finds all of so many rules.
    #[cfg(test)]
    pub(super) fn finding_all(rules: usize) -> Self {
        Self { always: (0u32..).take(rules).collect(), ..Self::default() }
    }

    /// The rules that may be about one of these names, or, where that is asked for, a name below it: each once, in order.
    pub(super) fn find<'n, 't: 'n>(
        &self,
        shelf: Shelf<'_>,
        names: impl Iterator<Item = (&'n Names<'t>, bool)>,
    ) -> Found {
        let mut found: Found = self.always.iter().copied().collect();
        for (names, below) in names {
            let [whole, bare] = names.folded();
            self.find_name(shelf, whole, below, &mut found);
            if bare.len() != whole.len() {
                self.find_name(shelf, bare, below, &mut found);
            }
            if names.is_aggregate() || (below && names.is_above_aggregates()) {
                found.extend(self.aggregates.iter().copied());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn find_name(&self, shelf: Shelf<'_>, name: &str, below: bool, found: &mut Found) {
        if self.filed.is_empty() {
            return;
        }
        let ends = memchr::memchr_iter(b'/', name.as_bytes()).chain([name.len()]);
        for levels in ends.filter_map(|end| name.get(..end)) {
            let from = self.filed.partition_point(|filed| shelf.levels(filed) < levels);
            let same = self.filed.get(from..).unwrap_or_default().iter();
            found.extend(same.take_while(|filed| shelf.levels(filed) == levels).map(|filed| filed.number));
        }
        if below {
            let from = self.filed.partition_point(|filed| before_below(shelf.levels(filed), name) == Ordering::Less);
            let under = self.filed.get(from..).unwrap_or_default().iter();
            let is_under = |filed: &&Filed| before_below(shelf.levels(filed), name) == Ordering::Equal;
            found.extend(under.take_while(is_under).map(|filed| filed.number));
        }
    }
}

/// Does that come before what is below the name, is it below, or behind?
fn before_below(levels: &str, name: &str) -> Ordering {
    match levels.as_bytes().split_at_checked(name.len()) {
        Some((begin, rest)) => {
            begin.cmp(name.as_bytes()).then_with(|| rest.first().map_or(Ordering::Less, |next| next.cmp(&b'/')))
        }
        None => levels.as_bytes().cmp(name.as_bytes()),
    }
}

/// How many octets of the pattern's literal are whole levels of every name that it matches.
fn whole_levels(glob: &Glob) -> usize {
    let literal = glob.literal();
    if glob.as_literal().is_some() || glob.as_subtree().is_some() {
        return literal.len();
    }
    literal.rfind('/').unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_levels_of_patterns() {
        let rows = [
            ("a name", "Finance/Q3", "finance/q3"),
            ("all below", "Finance/Q3/**", "finance/q3"),
            ("a part of a level", "Finance/Q*", "finance"),
            ("one character", "Finance/?3", "finance"),
            ("across levels", "Finance/**/May", "finance"),
            ("a part of the first", "Fin*/Q3", ""),
            ("nothing but a wildcard", "**", ""),
        ];
        for (name, pattern, want) in rows {
            let glob = Glob::folded(pattern).unwrap();
            assert_eq!(glob.literal().get(..whole_levels(&glob)), Some(want), "{name}");
        }
    }

    #[test]
    fn what_lies_below() {
        let rows = [
            ("itself", "a/b", Ordering::Less),
            ("above", "a", Ordering::Less),
            ("below", "a/b/c", Ordering::Equal),
            ("a name that goes on otherwise", "a/b c", Ordering::Less),
            ("a longer name", "a/bc", Ordering::Greater),
            ("behind", "a/c", Ordering::Greater),
            ("behind, and shorter", "b", Ordering::Greater),
        ];
        for (name, levels, want) in rows {
            assert_eq!(before_below(levels, "a/b"), want, "{name}");
        }
    }
}
