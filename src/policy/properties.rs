//! What must hold of any rules at all: they only take away, their order does not matter, shadows change nothing.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::bound::{Bound, Scope};
use super::explain;
use super::mailboxes::Names;
use super::request::{FlagChange, FlagsWanted, Request, Role, Roles, SpecialUse, Subject, Target};
use super::rule::Mode;
use super::sample::{ann, at, by, outcome, rules, shadow};
use super::verdict::{Narrowing, Verdict};
use crate::imap::mailbox::MailboxName;
use crate::imap::verb::Verb;

const NAMES: [&str; 12] =
    ["INBOX", "A", "a/", "A/b", "A/b/c", "B", "B/b", "Trash", "INBOX/A", "INBOX/Trash", "[Gmail]", "[Gmail]/All Mail"];

const PATTERNS: [&str; 11] = ["INBOX", "A", "A/**", "A/*", "**", "*", "**/b", "b?", "A/b", "*/c", "[Gmail]/**"];

fn mailboxes() -> impl Strategy<Value = String> {
    let list = |key: &'static str, most| {
        subsequence(PATTERNS.to_vec(), 0..=most).prop_map(move |patterns| match patterns.as_slice() {
            [] => String::new(),
            some => format!("{key} = {some:?}\n"),
        })
    };
    (list("mailbox", 2), list("except_mailbox", 1)).prop_map(|(takes, spares)| takes + &spares)
}

fn effect() -> impl Strategy<Value = String> {
    let letters = subsequence("lrswipkxtea".chars().collect::<Vec<_>>(), 5..=11);
    let rights = letters.prop_map(|letters| format!("rights = \"{}\"\n", letters.into_iter().collect::<String>()));
    let preset = select(vec!["read-only", "organise", "tidy"]).prop_map(|preset| format!("rights = \"{preset}\"\n"));
    let deny = select(Verb::ALL.iter().map(|verb| verb.name()).collect::<Vec<_>>())
        .prop_filter("cannot be denied", |name| !["LOGIN", "AUTHENTICATE", "STARTTLS", "LOGOUT", "ID"].contains(name))
        .prop_map(|name| format!("deny_commands = \"{name}\"\n"));
    let hide = mailboxes().prop_map(|chosen| {
        let chosen = if chosen.starts_with("mailbox") { chosen } else { format!("mailbox = \"A\"\n{chosen}") };
        format!("hide = true\n{chosen}")
    });
    prop_oneof![
        1 => (mailboxes(), select(vec!["SUBJECT a", "SEEN", "ALL"]))
            .prop_map(|(chosen, program)| format!("{chosen}hide_messages = '{program}'\n")),
        3 => (mailboxes(), prop_oneof![rights, preset, deny]).prop_map(|(chosen, effect)| chosen + &effect),
        1 => hide,
        1 => Just("deny_login = \"No\"\n".to_owned()),
        1 => mailboxes().prop_map(|chosen| chosen + "limit = { commands = \"50/s\" }\n"),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    let condition = select(vec![
        "{ user = \"ann*\" }",
        "{ user = \"bob\" }",
        "{ client_id = \"x\" }",
        "{ listener = \"imaps\", tls = \"server\" }",
        "{ group = \"finance\" }",
        "{ group = [\"board\"] }",
        "{ time = { days = \"Fri\" } }",
        "{ time = { hours = \"22:00-06:00\", zone = \"Europe/Berlin\" } }",
    ]);
    let key =
        |key: &'static str, condition: Option<&str>| condition.map_or(String::new(), |is| format!("{key} = {is}\n"));
    let (when, unless) = (prop::option::weighted(0.4, condition.clone()), prop::option::weighted(0.3, condition));
    (when, unless).prop_map(move |(when, unless)| key("when", when) + &key("unless", unless))
}

/// One is alive on all days that are asked about, one on none, the others on some.
const LIVES: [&str; 6] = [
    "",
    "",
    "from = 2027-01-01\nuntil = 2027-01-31\n",
    "from = 2027-01-16\n",
    "until = 2027-01-15\n",
    "until = 2027-01-14\n",
];

fn rule(shadows: f64) -> impl Strategy<Value = String> {
    let life = select(LIVES.to_vec());
    (prop::bool::weighted(shadows), conditions(), effect(), life).prop_map(|(shadow, conditions, effect, life)| {
        let mode = if shadow { "mode = \"shadow\"\n" } else { "" };
        format!("{mode}{conditions}{effect}{life}")
    })
}

/// From rule 0.
fn exception() -> impl Strategy<Value = String> {
    let keys =
        ["user = \"ann*\"", "user = \"bob\"", "client_id = \"x\"", "group = \"finance\"", "time = { days = \"Fri\" }"];
    let until = ["2027-01-15T20:00:00Z", "2027-12-31", "2027-01-01"];
    (select(keys.to_vec()), select(PATTERNS.to_vec()), any::<bool>(), select(until.to_vec())).prop_map(
        |(key, pattern, everywhere, until)| {
            let mailbox = if everywhere { String::new() } else { format!("mailbox = \"{pattern}\"\n") };
            format!("[[exception]]\nrule = \"rule-0\"\n{key}\n{mailbox}until = {until}\nreason = \"a reason\"\n")
        },
    )
}

/// Each with its id, so that it stays the same rule in any company; some have an exception behind them.
fn some_rules(shadows: f64) -> impl Strategy<Value = Vec<String>> {
    let rule = (rule(shadows), prop::option::weighted(0.3, exception()));
    prop::collection::vec(rule, 1..6).prop_map(|bodies| {
        let numbered = bodies.into_iter().enumerate().map(|(n, (body, exception))| {
            let exception = exception.unwrap_or_default().replace("rule-0", &format!("rule-{n}"));
            format!("id = \"rule-{n}\"\n{body}{exception}")
        });
        numbered.collect()
    })
}

fn bind(bodies: &[String], subject: &Subject) -> Bound {
    rules(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).bind(subject)
}

/// A command, its mailboxes, and when it comes.
#[derive(Debug, Clone)]
struct Asked {
    verb: Verb,
    names: Vec<MailboxName>,
    special_use: Option<SpecialUse>,
    prefix: Option<&'static str>,
    flags: FlagsWanted,
    deleted_expunges: bool,
    at: Timestamp,
}

fn asked() -> impl Strategy<Value = Asked> {
    let names = prop::collection::vec(select(NAMES.to_vec()).prop_map(MailboxName::new), 3);
    let told = select(vec![None, Some(SpecialUse::NONE), Some(SpecialUse::TRASH), Some(SpecialUse::ALL)]);
    let change = select(vec![FlagChange::Add, FlagChange::Remove, FlagChange::Replace]);
    let flags = (any::<[bool; 3]>(), change).prop_map(|([seen, deleted, other], change)| FlagsWanted {
        seen,
        deleted,
        other,
        change,
    });
    let time = select(vec!["2027-01-15T09:00:00Z", "2027-01-15T23:00:00Z", "2027-01-17T12:00:00Z"]).prop_map(at);
    (select(Verb::ALL.to_vec()), names, told, select(vec![None, Some("INBOX/")]), flags, any::<bool>(), time).prop_map(
        |(verb, names, special_use, prefix, flags, deleted_expunges, at)| Asked {
            verb,
            names,
            special_use,
            prefix,
            flags,
            deleted_expunges,
            at,
        },
    )
}

impl Asked {
    fn target(&self, at: usize) -> Target<'_> {
        let uses_below = self.special_use.unwrap_or(SpecialUse::NONE);
        Target { special_use: self.special_use, uses_below, prefix: self.prefix, ..Target::new(&self.names[at]) }
    }

    fn decide(&self, bound: &Bound) -> Verdict {
        bound.decide(&self.request(&self.targets()), self.at)
    }

    fn targets(&self) -> Vec<(Role, Target<'_>)> {
        let roles = Roles::of(self.verb);
        let roles = [roles.named, roles.second, roles.selected].into_iter().enumerate();
        roles.filter_map(|(at, role)| Some((role?, self.target(at)))).collect()
    }

    fn request<'t>(&self, targets: &'t [(Role, Target<'t>)]) -> Request<'t> {
        let request = Request::new(self.verb, targets).flags(self.flags);
        Request { deleted_expunges: self.deleted_expunges, ..request }
    }
}

/// Everything that is said to a session, but for shadows.
fn said(bound: &Bound, asked: &Asked) -> impl PartialEq + std::fmt::Debug + use<> {
    let (verdict, target) = (asked.decide(bound), asked.target(0));
    (
        (outcome(&verdict), by(&verdict)),
        (bound.scope(), bound.restricts(), bound.denies_capability(b"MOVE", asked.at)),
        (bound.is_hidden(&target, asked.at), bound.hiding(&target, asked.at).by),
        (bound.is_reserved(&target, asked.at), bound.hides_below(&target, asked.at)),
        (bound.rights(&target, asked.at).rights, bound.rights(&target, asked.at).by),
        (bound.may_hide_messages(), bound.may_hide_messages_in(&target, asked.at)),
        hiding_messages(bound, asked),
        bound.login(asked.at).is_denied(),
    )
}

/// The rules by which messages of the first mailbox are hidden.
fn hiding_messages(bound: &Bound, asked: &Asked) -> Option<Vec<std::sync::Arc<str>>> {
    let filter = bound.message_filter(&asked.target(0), asked.at)?;
    let enforced = filter.rules().iter().filter(|rule| rule.mode == Mode::Enforce);
    Some(enforced.map(|rule| std::sync::Arc::clone(&rule.id)).collect())
}

fn is_no_more(less: Narrowing, more: Narrowing) -> bool {
    let fields = |narrowing: Narrowing| {
        let Narrowing { examine, peek, drop_seen, drop_deleted, drop_other, expunge_nothing } = narrowing;
        [examine, peek, drop_seen, drop_deleted, drop_other, expunge_nothing]
    };
    fields(less).into_iter().zip(fields(more)).all(|(less, more)| less || !more)
}

/// What is asked is answered by `more` with no less taken than by `fewer`.
fn takes_no_less(fewer: &Bound, more: &Bound, asked: &Asked) -> Result<(), TestCaseError> {
    match (asked.decide(fewer), asked.decide(more)) {
        (_, Verdict::Refused(_)) => {}
        (Verdict::Refused(_), Verdict::Allowed(_)) => prop_assert!(false, "allowed by what takes more"),
        (Verdict::Allowed(before), Verdict::Allowed(after)) => {
            prop_assert!(is_no_more(after.narrowing(), before.narrowing()));
        }
    }
    let (target, at) = (asked.target(0), asked.at);
    prop_assert!(fewer.rights(&target, at).rights.contains_all(more.rights(&target, at).rights));
    prop_assert!(more.is_hidden(&target, at) || !fewer.is_hidden(&target, at));
    prop_assert!(more.is_reserved(&target, at) || !fewer.is_reserved(&target, at));
    prop_assert!(more.hides_below(&target, at) || !fewer.hides_below(&target, at));
    prop_assert!(more.may_hide_messages_in(&target, at) || !fewer.may_hide_messages_in(&target, at));
    let filtered = |bound: &Bound| bound.message_filter(&target, at).is_some();
    prop_assert!(filtered(more) || !filtered(fewer));
    prop_assert!(!filtered(more) || more.may_hide_messages_in(&target, at));
    prop_assert!(more.denies_capability(b"MOVE", at) || !fewer.denies_capability(b"MOVE", at));
    prop_assert!(more.login(at).is_denied() || !fewer.login(at).is_denied());
    prop_assert!(more.scope() == Scope::Filtered || fewer.scope() == Scope::Plain);
    Ok(())
}

proptest! {
    #[test]
    fn the_order_of_rules_does_not_matter(
        (sorted, shuffled) in some_rules(0.2).prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        asked in asked(),
    ) {
        let (sorted, shuffled) = (bind(&sorted, &ann()), bind(&shuffled, &ann()));
        prop_assert_eq!(said(&sorted, &asked), said(&shuffled, &asked));
        prop_assert_eq!(shadow(&asked.decide(&sorted)), shadow(&asked.decide(&shuffled)));
        let digest = |bound: &Bound| bound.message_filter(&asked.target(0), asked.at).map(|filter| filter.digest());
        prop_assert_eq!(digest(&sorted), digest(&shuffled));
        prop_assert_eq!(sorted.next_change(asked.at), shuffled.next_change(asked.at));
    }

    #[test]
    fn one_more_rule_never_allows_more(rules in some_rules(0.1), left_out in any::<Index>(), asked in asked()) {
        let mut fewer = rules.clone();
        fewer.remove(left_out.index(rules.len()));
        // Where "organise" may move messages to is said by other rules: they make a place safe.
        let organises = rules.iter().any(|rule| rule.contains("organise") || rule.contains("tidy"));
        prop_assume!(!(organises && asked.verb.base() == Verb::Move));
        let (fewer, more) = (bind(&fewer, &ann()), bind(&rules, &ann()));
        takes_no_less(&fewer, &more, &asked)?;
    }

    #[test]
    fn an_exception_never_takes_more(rules in some_rules(0.1), exception in exception(), asked in asked()) {
        let mut relaxed = rules.clone();
        relaxed.push(exception);
        let organises = rules.iter().any(|rule| rule.contains("organise") || rule.contains("tidy"));
        prop_assume!(!(organises && asked.verb.base() == Verb::Move));
        let (relaxed, strict) = (bind(&relaxed, &ann()), bind(&rules, &ann()));
        takes_no_less(&relaxed, &strict, &asked)?;
        prop_assert_eq!(relaxed.scope(), strict.scope());
    }

    #[test]
    fn nothing_changes_before_the_next_change(rules in some_rules(0.1), asked in asked(), part in 0.0..1.0f64) {
        let bound = bind(&rules, &ann());
        if let Some(next) = bound.next_change(asked.at) {
            prop_assert!(next > asked.at);
            let seconds = (next.as_second() - asked.at.as_second() - 1).max(0) as f64 * part;
            let before = Timestamp::from_second(asked.at.as_second() + seconds as i64).unwrap();
            let later = Asked { at: before, ..asked.clone() };
            prop_assert_eq!(said(&bound, &asked), said(&bound, &later));
        }
    }

    #[test]
    fn what_is_looked_up_misses_no_rule(rules in some_rules(0.2), asked in asked()) {
        let bound = bind(&rules, &ann());
        let each = bound.asking_each();
        prop_assert_eq!(said(&bound, &asked), said(&each, &asked));
        prop_assert_eq!(shadow(&asked.decide(&bound)), shadow(&asked.decide(&each)));
        for (at, below) in [(0, false), (0, true), (1, false), (1, true)] {
            let names = Names::new(&asked.target(at));
            let found = bound.about_any([(&names, below)].into_iter(), asked.at);
            for rule in bound.each(asked.at) {
                let about = rule.covers(&names) || rule.hides(&names);
                let about_below = below && (rule.may_cover_below(&names) || rule.may_hide_below(&names));
                let matters = rule.takes_of_commands() && (about || about_below);
                prop_assert!(!matters || found.iter().any(|one| one.id == rule.id), "{:?} {:?}", rule.id, names);
            }
        }
    }

    #[test]
    fn shadows_change_nothing(rules in some_rules(0.5), asked in asked()) {
        let enforced: Vec<String> = rules.iter().filter(|rule| !rule.contains("shadow")).cloned().collect();
        let (all, enforced) = (bind(&rules, &ann()), bind(&enforced, &ann()));
        prop_assert_eq!(said(&all, &asked), said(&enforced, &asked));
    }

    #[test]
    fn a_shadow_would_have_taken_what_it_says(enforced in rule(0.0), asked in asked()) {
        // Alone, a rule in shadow names itself where it would name itself if it were enforced.
        let shadow_of = format!("mode = \"shadow\"\n{enforced}");
        let (enforced, shadowed) = (asked.decide(&bind(&[enforced], &ann())), asked.decide(&bind(&[shadow_of], &ann())));
        prop_assert_eq!(by(&enforced).is_empty(), shadow(&shadowed).is_empty());
        prop_assert_eq!(outcome(&shadowed), "ok");
    }

    #[test]
    fn what_is_taken_is_somebodys(rules in some_rules(0.2), asked in asked()) {
        let verdict = asked.decide(&bind(&rules, &ann()));
        prop_assert_eq!(outcome(&verdict) == "ok", by(&verdict).is_empty());
    }

    #[test]
    fn an_explanation_says_what_is_decided(bodies in some_rules(0.2), asked in asked()) {
        let set = rules(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
        let (bound, subject, targets) = (set.bind(&ann()), ann(), asked.targets());
        let told = set.explain(&explain::Asked {
            subject: &subject, at: asked.at, mailbox: None, request: Some(asked.request(&targets)), counted: super::limit::Counted::default(),
        });
        let verdict = asked.decide(&bound);
        if !told.login.is_denied() {
            // Budgets are asked elsewhere.
            let untouched = matches!(told.outcome, explain::Outcome::Allowed | explain::Outcome::Limited);
            prop_assert_eq!(untouched, outcome(&verdict) == "ok");
            let says = |shares: &[explain::Share]| shares.iter().filter(|share| share.effect != super::verdict::Effect::Limit).map(|share| format!("{}:{}", share.rule, share.effect.key())).collect::<Vec<_>>().join(" ");
            prop_assert_eq!((says(&told.took), says(&told.shadow)), (by(&verdict), {
                let login = told.login.shadow().iter().map(|hit| format!("{}:{} ", hit.rule, hit.effect.key())).collect::<String>();
                (login + &shadow(&verdict)).trim().to_owned()
            }));
        }
        for share in told.took.iter().filter(|share| share.effect == super::verdict::Effect::Rights) {
            let hides = told.outcome == explain::Outcome::Hidden || told.refusal == Some(super::verdict::RefusalKind::Reserved);
            // A rule that takes `l` may keep what is below from being deleted or renamed, and not be about the name itself.
            let keeps_below = share.written.find('l').is_none();
            prop_assert!(hides || keeps_below || !share.rights.is_empty(), "{:?}", share);
        }
        for passed in &told.passed {
            prop_assert!(!passed.why.is_empty() && !told.by().contains(&passed.rule));
        }
        let everywhere = explain::Asked { subject: &subject, at: asked.at, mailbox: None, request: None, counted: super::limit::Counted::default() };
        for rule in set.each_rule() {
            let applies = bound.in_force(asked.at).any(|other| other.id == rule.id);
            prop_assert_eq!(explain::unmet(&set, rule, &subject, asked.at).is_empty(), applies, "{:?}", rule);
            let why = set.why_not(&rule.id, &everywhere).unwrap_or_default();
            prop_assert!(!why.is_empty());
        }
    }

    #[test]
    fn no_name_breaks_it(rules in some_rules(0.2), login in "\\PC{0,40}", name in "\\PC{0,200}", prefix in "\\PC{0,4}", asked in asked()) {
        let subject = Subject { user: login.as_str().into(), actor: login.as_str().into(), client_id: name.as_str().into(), ..ann() };
        let bound = bind(&rules, &subject);
        let name = MailboxName::new(&name);
        let target = Target { special_use: asked.special_use, prefix: Some(&prefix), ..Target::new(&name) };
        for role in [Role::Create, Role::RenameFrom, Role::RenameTo, Role::MoveFrom, Role::MoveTo, Role::Store] {
            let verdict = bound.decide(&Request::new(asked.verb, &[(role, target), (Role::RenameTo, asked.target(0))]), asked.at);
            prop_assert!(!outcome(&verdict).is_empty());
        }
        let _ = bound.rights(&target, asked.at);
        let _ = (bound.hides_below(&target, asked.at), bound.is_reserved(&target, asked.at));
    }
}
