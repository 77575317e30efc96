//! Who does a login name mean?
//!
//! ```text
//!   Ann+lists@Example.org   ann+lists@example.org   ann@example.org
//!   ann*admin               ann*admin   ann   admin                   whoever the server takes for the user
//! ```
//!
//! Rules only take away, so doubt has one answer: `when` holds if any reading of a name matches, `unless` only if all do.

use std::borrow::Cow;

use smallvec::{SmallVec, smallvec};

use crate::imap::mailbox::fold_text;

/// A name without "@" is one of the default domain's.
#[must_use]
pub fn complete_login<'a>(name: &'a str, default_domain: Option<&str>) -> Cow<'a, str> {
    match default_domain {
        Some(domain) if !name.contains('@') && !name.is_empty() => Cow::Owned(format!("{}@{domain}", name.trim())),
        _ => Cow::Borrowed(name),
    }
}

/// The name under which somebody's budgets are kept: the same however it is written, and without `+detail`, which many
/// servers leave out of account.
#[must_use]
pub fn budget_owner(login: &str) -> String {
    let name = fold_text(login).trim().to_owned();
    let (local, domain) = name.rsplit_once('@').map_or((&*name, None), |(local, domain)| (local, Some(domain)));
    match (local.split_once('+'), domain) {
        (Some((user, _)), Some(domain)) if !user.is_empty() => format!("{user}@{domain}"),
        (Some((user, _)), None) if !user.is_empty() => user.to_owned(),
        _ => name,
    }
}

/// Can this login name mean that user? In doubt it can.
#[must_use]
pub fn may_mean(login: &str, user: &str) -> bool {
    let user = fold_text(user);
    Readings::of(login).any(|name| name == user.trim())
}

/// Servers part the user from a master user, a domain or a program's name with these.
const SEPARATORS: [char; 4] = ['*', '\\', '/', '%'];

/// A name with more separators than this, or longer than that, is nobody's: any rule may be about it.
const MAX_SEPARATORS: usize = 8;
const MAX_NAME: usize = 1024;

/// What a login name can mean, each folded and trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Readings {
    /// As it was sent, first.
    names: SmallVec<[String; 2]>,
    /// It may mean anybody.
    anybody: bool,
    /// It may name two people.
    parted: bool,
}

impl Readings {
    pub(super) fn of(name: &str) -> Self {
        let separators = name.matches(SEPARATORS).count();
        if separators > MAX_SEPARATORS || name.len() > MAX_NAME {
            return Self { names: SmallVec::new(), anybody: true, parted: true };
        }
        let whole = fold_text(name).trim().to_owned();
        let mut readings = Self { names: smallvec![whole.clone()], anybody: false, parted: separators > 0 };
        readings.add_without_detail(&whole);
        if separators > 0 {
            readings.add_sides(&whole);
        }
        readings
    }

    fn add(&mut self, name: &str) {
        let name = name.trim();
        if !name.is_empty() && !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    /// `ann+lists@example.org` is delivered to `ann@example.org` (RFC 5233).
    fn add_without_detail(&mut self, name: &str) {
        let (local, domain) = name.rsplit_once('@').map_or((name, None), |(local, domain)| (local, Some(domain)));
        if let Some((user, _)) = local.split_once('+') {
            match domain {
                Some(domain) => self.add(&format!("{user}@{domain}")),
                None => self.add(user),
            }
        }
    }

    /// Each side of each separator; one without a domain may be in the domain of the whole.
    fn add_sides(&mut self, whole: &str) {
        let domain = whole.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| !domain.contains(SEPARATORS));
        let two = whole.match_indices(SEPARATORS).flat_map(|(at, separator)| {
            let (before, after) = whole.split_at(at);
            [before, after.get(separator.len()..).unwrap_or_default()]
        });
        let sides: Vec<&str> = two.chain(whole.split(SEPARATORS)).collect();
        for side in sides {
            self.add(side);
            self.add_without_detail(side);
            if let (Some(domain), false) = (domain, side.contains('@') || side.trim().is_empty()) {
                let completed = format!("{}@{domain}", side.trim());
                self.add(&completed);
                self.add_without_detail(&completed);
            }
        }
    }

    /// For `when`: does it hold for any reading?
    pub(super) fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.anybody || self.names.iter().any(|name| holds(name))
    }

    /// For `unless`: does it hold for all readings?
    pub(super) fn all(&self, holds: impl Fn(&str) -> bool) -> bool {
        !self.anybody && self.names.iter().all(|name| holds(name))
    }

    /// May it mean anybody at all?
    pub(super) fn is_anybody(&self) -> bool {
        self.anybody
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Can, and must, these two be different people?
    pub(super) fn differ(&self, other: &Self) -> Differ {
        if self.anybody || other.anybody {
            return Differ { can: true, must: false };
        }
        if self.names.first() == other.names.first() {
            return Differ { can: self.parted, must: false };
        }
        Differ { can: true, must: !self.names.iter().any(|name| other.names.contains(name)) }
    }
}

/// Is it somebody else who logged in (`delegated`)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Differ {
    pub(super) can: bool,
    pub(super) must: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings() {
        let rows: [(&str, &str, &[&str]); 9] = [
            ("as sent", "ann@example.org", &["ann@example.org"]),
            ("case, width and blanks", " Ａnn@Example.ORG ", &["ann@example.org"]),
            ("detail", "ann+x@example.org", &["ann+x@example.org", "ann@example.org"]),
            ("detail without a domain", "ann+x+y", &["ann+x+y", "ann"]),
            ("a master user", "ann*admin", &["ann*admin", "ann", "admin"]),
            ("a domain before it", "CORP\\ann", &["corp\\ann", "corp", "ann"]),
            ("a master user, completed", "ann*admin@x.org", &["ann*admin@x.org", "ann", "ann@x.org", "admin@x.org"]),
            ("nothing on one side", "*ann", &["*ann", "ann"]),
            ("two separators", "a/b%c", &["a/b%c", "a", "b%c", "a/b", "c", "b"]),
        ];
        for (name, login, want) in rows {
            assert_eq!(Readings::of(login).iter().collect::<Vec<_>>(), want, "{name}");
        }
    }

    #[test]
    fn a_name_that_can_be_read_too_many_ways_is_anybody() {
        for login in ["a*".repeat(9), "a".repeat(1025)] {
            let readings = Readings::of(&login);
            assert!(readings.any(|_| false) && !readings.all(|_| true));
        }
    }

    #[test]
    fn who_is_somebody_else() {
        let rows = [
            ("the same", "ann", "Ann", false, false),
            ("another", "ann", "bob", true, true),
            ("perhaps the same", "ann+x", "ann", true, false),
            ("the same, parted", "ann*admin", "ann*admin", true, false),
            ("the same, with detail", "ann+x", "ann+x", false, false),
        ];
        for (name, user, actor, can, must) in rows {
            assert_eq!(Readings::of(user).differ(&Readings::of(actor)), Differ { can, must }, "{name}");
        }
    }

    #[test]
    fn owners_of_budgets() {
        let rows = [
            ("as it is", "ann@example.org", "ann@example.org"),
            ("case and blanks", " Ann@Example.ORG ", "ann@example.org"),
            ("detail", "ann+x+y@example.org", "ann@example.org"),
            ("detail without a domain", "ann+x", "ann"),
            ("nothing but detail", "+x@example.org", "+x@example.org"),
        ];
        for (name, login, want) in rows {
            assert_eq!(budget_owner(login), want, "{name}");
        }
    }

    #[test]
    fn completion() {
        assert_eq!(complete_login("ann", Some("example.org")), "ann@example.org");
        assert_eq!(complete_login("ann@x", Some("example.org")), "ann@x");
        assert_eq!(complete_login("ann", None), "ann");
    }

    proptest::proptest! {
        #[test]
        fn all_is_never_wider_than_any(login in "\\PC{0,20}|[a-c*+@%/\\\\ ]{0,20}", pattern in "[a-c]") {
            let readings = Readings::of(&login);
            let holds = |name: &str| name.contains(&pattern);
            proptest::prop_assert!(!readings.all(holds) || readings.any(holds));
        }
    }
}
