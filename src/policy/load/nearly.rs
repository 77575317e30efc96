//! Login names that stand nowhere else, and are nearly others.
//!
//! ```text
//!   default_domain = "example.org"     user = "*@exmaple.org"      ─▶ did you mean `*@example.org`?
//!   finance = ["m.berg@example.org"]   user = "m.breg@example.org" ─▶ did you mean `m.berg@example.org`?
//! ```
//!
//! Of names only slips of the hand are told: letters that changed places, or stand twice. People have names that are much
//! alike.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::document::Span;
use super::groups::Known;
use crate::diagnostic::Problem;
use crate::policy::pattern::TextPattern;

/// A pattern of `user` or `actor`, and where it stands.
pub(super) struct Login {
    pub(super) pattern: TextPattern,
    pub(super) file: Arc<Path>,
    pub(super) span: Span,
}

/// Letters of a domain that may be wrong.
const STEPS: usize = 2;

/// Below this, domains are alike by chance.
const LONG: usize = 6;

pub(super) fn about_all(known: &Known<'_>, problems: &mut Vec<Problem>) {
    let domains = Domains::of(known);
    let names = Names::of(known);
    for login in &known.logins {
        let meant = domains.meant(login).or_else(|| names.meant(login));
        if let Some(meant) = meant {
            let written = login.pattern.written();
            let problem = Problem::warning(&login.file, login.span.clone(), format!("`{written}` stands nowhere else"));
            problems.push(problem.label("never seen").help(format!("did you mean `{meant}`?")));
        }
    }
}

/// Domains that the configuration and the groups name, and how often rules do.
struct Domains {
    known: BTreeSet<String>,
    uses: HashMap<String, usize>,
}

impl Domains {
    fn of(known: &Known<'_>) -> Self {
        let context = known.context;
        let served = context.served.iter().flatten().filter_map(|pattern| domain_in(pattern));
        let own = context.default_domain.iter().map(|domain| domain.to_lowercase());
        let of_groups = known.groups.literals().filter_map(domain_in);
        let mut uses = HashMap::new();
        for domain in known.logins.iter().filter_map(|login| domain_in(login.pattern.written())) {
            *uses.entry(domain).or_default() += 1;
        }
        Self { known: own.chain(served).chain(of_groups).collect(), uses }
    }

    fn meant(&self, login: &Login) -> Option<String> {
        let written = login.pattern.written();
        let domain = domain_in(written)?;
        if self.known.contains(&domain) || self.uses.get(&domain).is_some_and(|uses| *uses > 1) {
            return None;
        }
        let often = self.uses.iter().filter(|(_, uses)| **uses > 1).map(|(domain, _)| domain);
        let near = self.known.iter().chain(often).find(|other| is_near(&domain, other))?;
        let (local, _) = written.rsplit_once('@')?;
        Some(format!("{local}@{near}"))
    }
}

/// What stands behind the "@" of a pattern, without wildcards.
fn domain_in(pattern: &str) -> Option<String> {
    let (_, domain) = pattern.trim().rsplit_once('@')?;
    let plain = domain.chars().all(|c| c.is_alphanumeric() || "-.".contains(c)) && !pattern.starts_with("re:");
    plain.then(|| domain.to_lowercase())
}

fn is_near(domain: &str, other: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    domain != other
        && domain.len() >= LONG
        && letters(domain) != letters(other)
        && strsim::damerau_levenshtein(domain, other) <= STEPS
        && tops_are_near(domain, other)
}

/// `.ogr` is a slip, `.com` for `.org` is none.
fn tops_are_near(domain: &str, other: &str) -> bool {
    let top = |domain: &str| domain.rsplit('.').next().unwrap_or_default().to_owned();
    let (one, two) = (top(domain), top(other));
    one == two || strsim::damerau_levenshtein(&one, &two) == 1
}

/// Logins by their letters, in whatever order, and once where they stand twice in a row.
struct Names<'k> {
    by_letters: HashMap<String, Vec<&'k str>>,
    /// How often each is named; by a group counts as often enough.
    uses: HashMap<&'k str, usize>,
}

impl<'k> Names<'k> {
    fn of(known: &'k Known<'_>) -> Self {
        let mut names = Self { by_letters: HashMap::new(), uses: HashMap::new() };
        let of_groups = known.groups.literals().map(|name| (name, 2));
        let of_rules = known.logins.iter().filter_map(|login| Some((login.pattern.as_literal()?, 1)));
        for (name, often) in of_groups.chain(of_rules) {
            let uses = names.uses.entry(name).or_default();
            if *uses == 0 {
                names.by_letters.entry(letters(name)).or_default().push(name);
            }
            *uses += often;
        }
        names
    }

    fn meant(&self, login: &Login) -> Option<String> {
        let name = login.pattern.as_literal()?;
        let often = |name: &str| self.uses.get(name).is_some_and(|uses| *uses > 1);
        if often(name) || local(name).len() < SHORTEST {
            return None;
        }
        let slipped = |other: &str| other != name && strsim::damerau_levenshtein(name, other) == 1;
        let others = self.by_letters.get(&letters(name))?;
        others.iter().find(|other| slipped(other) && often(other)).map(|other| (*other).to_owned())
    }
}

/// Ana and Anna are two people.
const SHORTEST: usize = 6;

fn local(name: &str) -> &str {
    name.rsplit_once('@').map_or(name, |(local, _)| local)
}

fn letters(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    letters.dedup();
    letters.sort_unstable();
    letters.into_iter().collect()
}
