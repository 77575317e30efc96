//! Who belongs to which group?
//!
//! ```text
//!   groups.toml   finance = ["ann@example.org", "*@finance.example.org"]
//!   Ann+x         ann+x@example.org   ann@example.org  ─▶ finance        each reading of the name by itself
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::identity::Readings;
use super::pattern::TextPattern;
use crate::imap::mailbox::fold_text;

/// Number of a group.
pub(super) type GroupId = u32;

/// Some groups, sorted.
type Several = SmallVec<[GroupId; 4]>;

/// All groups, found by their members.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    /// As they are written, in the order of their numbers.
    names: Vec<Arc<str>>,
    by_name: HashMap<String, GroupId>,
    members: HashMap<Box<str>, SmallVec<[GroupId; 2]>>,
    patterns: Vec<(TextPattern, GroupId)>,
}

impl Groups {
    /// Is there none?
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The group of that name, made if there is none.
    pub(super) fn named(&mut self, name: &str) -> GroupId {
        let next = GroupId::try_from(self.names.len()).unwrap_or(GroupId::MAX);
        let id = *self.by_name.entry(key(name)).or_insert(next);
        if id == next {
            self.names.push(name.into());
        }
        id
    }

    /// Is there one?
    pub(super) fn find(&self, name: &str) -> Option<GroupId> {
        self.by_name.get(&key(name)).copied()
    }

    /// Those whose names a pattern matches.
    pub(super) fn matching(&self, pattern: &TextPattern) -> Box<[GroupId]> {
        let mut found: Vec<GroupId> =
            self.by_name.iter().filter(|(name, _)| pattern.matches(name)).map(|(_, id)| *id).collect();
        found.sort_unstable();
        found.into()
    }

    /// Names as they are written.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Members that are named by themselves.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(AsRef::as_ref)
    }

    /// Could somebody whom one of these patterns matches be in one of these groups?
    pub(super) fn could_hold(&self, groups: &[GroupId], patterns: &[TextPattern]) -> bool {
        let own = |held: &[GroupId]| held.iter().any(|group| groups.contains(group));
        let named = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        let meets = |member: &TextPattern| {
            let literal = |pattern: &TextPattern| pattern.as_literal().is_none_or(|name| member.matches(name));
            let domains = |pattern: &TextPattern| {
                pattern.as_domain().zip(member.as_domain()).is_none_or(|(one, other)| one == other)
            };
            patterns.iter().any(|pattern| literal(pattern) && domains(pattern))
        };
        self.members.iter().any(|(name, held)| own(held) && named(name))
            || self.patterns.iter().any(|(member, group)| own(&[*group]) && meets(member))
    }

    /// Takes a member up. `false`: it is one already.
    pub(super) fn add(&mut self, group: GroupId, member: TextPattern) -> bool {
        let Some(literal) = member.as_literal() else {
            self.patterns.push((member, group));
            return true;
        };
        let groups = self.members.entry(literal.into()).or_default();
        let new = !groups.contains(&group);
        if new {
            groups.push(group);
        }
        new
    }

    fn of_reading(&self, name: &str) -> Several {
        let mut groups: Several = self.members.get(name).into_iter().flatten().copied().collect();
        groups.extend(self.patterns.iter().filter(|(pattern, _)| pattern.matches(name)).map(|(_, group)| *group));
        groups.sort_unstable();
        groups
    }

    /// The groups of somebody, beside those that are told.
    pub(super) fn of(&self, user: &Readings, actor: &Readings, told: &[Arc<str>]) -> Memberships {
        let readings = match self.members.is_empty() && self.patterns.is_empty() {
            true => SmallVec::from_elem(Several::new(), 1),
            false => user.iter().chain(actor.iter()).map(|name| self.of_reading(name)).collect(),
        };
        let anybody = user.is_anybody() || actor.is_anybody();
        Memberships { readings, told: told.iter().filter_map(|name| self.find(name)).collect(), anybody }
    }

    /// The names of groups in which a reading of the name is.
    pub(super) fn told(&self, memberships: &Memberships) -> Vec<Arc<str>> {
        let mut ids: Vec<GroupId> = memberships.all().collect();
        ids.sort_unstable();
        ids.dedup();
        self.written(&ids)
    }

    /// Names as they are written.
    pub(super) fn written(&self, groups: &[GroupId]) -> Vec<Arc<str>> {
        groups.iter().filter_map(|id| self.names.get(*id as usize).cloned()).collect()
    }
}

/// In any case, as logins are compared.
fn key(name: &str) -> String {
    fold_text(name).trim().to_owned()
}

/// In which groups each reading of a subject's two names is.
#[derive(Debug)]
pub(super) struct Memberships {
    readings: SmallVec<[Several; 2]>,
    /// Whoever told of these knows whom it means.
    told: Several,
    /// The names may mean anybody.
    anybody: bool,
}

impl Memberships {
    /// For `when`: is any reading in one of these groups?
    pub(super) fn any_in(&self, groups: &[GroupId]) -> bool {
        let is_in = |own: &Several| own.iter().any(|group| groups.contains(group));
        self.anybody || is_in(&self.told) || self.readings.iter().any(is_in)
    }

    /// For `unless`: is each reading in one of them?
    pub(super) fn all_in(&self, groups: &[GroupId]) -> bool {
        let is_in = |own: &Several| own.iter().any(|group| groups.contains(group));
        is_in(&self.told) || (!self.anybody && self.readings.iter().all(is_in))
    }

    /// All in which any reading is; some come twice.
    pub(super) fn all(&self) -> impl Iterator<Item = GroupId> {
        self.readings.iter().flatten().chain(&self.told).copied()
    }

    pub(super) fn is_anybody(&self) -> bool {
        self.anybody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        let mut groups = Groups::default();
        for (name, members) in [("finance", &["ann", "*@fin.example"][..]), ("Board", &["bob"]), ("empty", &[])] {
            let id = groups.named(name);
            members.iter().for_each(|member| assert!(groups.add(id, TextPattern::new(member).unwrap())));
        }
        groups
    }

    #[test]
    fn who_is_in_them() {
        let groups = groups();
        let (finance, board) = (groups.find("finance").unwrap(), groups.find(" BOARD ").unwrap());
        let rows: [(&str, &str, &str, &[&str], &[GroupId], bool, bool); 11] = [
            ("a member", "ann", "ann", &[], &[finance], true, true),
            ("in any case", "Ann", "ANN", &[], &[finance], true, true),
            ("of another group", "ann", "ann", &[], &[board], false, false),
            ("by a pattern", "eve@fin.example", "eve@fin.example", &[], &[finance], true, true),
            ("one of two groups", "bob", "bob", &[], &[finance, board], true, true),
            ("one reading", "ann+x", "ann+x", &[], &[finance], true, false),
            ("the actor alone", "carol", "ann", &[], &[finance], true, false),
            ("each in another", "ann", "bob", &[], &[finance, board], true, true),
            ("told", "carol", "carol", &["Finance"], &[finance], true, true),
            ("told of one that there is not", "carol", "carol", &["x"], &[finance, board], false, false),
            ("nobody's name", &"*".repeat(20), "ann", &[], &[finance], true, false),
        ];
        for (name, user, actor, told, of, any, all) in rows {
            let told: Vec<Arc<str>> = told.iter().map(|name| Arc::from(*name)).collect();
            let memberships = groups.of(&Readings::of(user), &Readings::of(actor), &told);
            assert_eq!((memberships.any_in(of), memberships.all_in(of)), (any, all), "{name}");
        }
    }

    #[test]
    fn names() {
        let mut groups = groups();
        let both = groups.of(&Readings::of("ann*bob"), &Readings::of("ann"), &[]);
        assert_eq!(groups.told(&both), ["finance".into(), "Board".into()] as [Arc<str>; 2]);
        let ids = groups.matching(&TextPattern::new("*a*").unwrap());
        assert_eq!(*ids, [groups.find("finance").unwrap(), groups.find("board").unwrap()]);
        let board = groups.named("BOARD");
        assert!(!groups.add(board, TextPattern::new("Bob").unwrap()), "it is a member already");
        assert_eq!(groups.names().collect::<Vec<_>>(), ["finance", "Board", "empty"]);
    }
}
