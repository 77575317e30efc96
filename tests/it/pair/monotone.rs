//! One more rule never shows or allows more: a command of two accounts with the same mail, one of which is under one more rule.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;

use super::generator::{Plan, session};
use super::ground::Ground;
use super::hunt::each;
use super::names::Pool;
use super::play::play;
use super::random::Random;
use super::script::{LoginForm, Said, Step};
use super::told::{side_by_side, told};
use super::world::{Folder, fill, subscribe};
use crate::real::dovecot::Names;

/// A user is under the first of a pair, or under both.
const BODIES: &[&str] = &[
    "mailbox = [\"Archive/**\"]\nhide = true",
    "mailbox = [\"Team\", \"INBOX\"]\nhide = true",
    "mailbox = [\"**\"]\nexcept_mailbox = [\"INBOX\", \"Team/**\"]\nhide = true",
    "mailbox = [\"Archive/2024\", \"Mine/**\"]\nrights = \"read-only\"",
    "mailbox = [\"**\"]\nexcept_mailbox = [\"\\\\Sent\"]\nrights = \"organise\"",
    "rights = \"lrswip\"",
    "mailbox = [\"\\\\Trash\"]\nrights = \"lrs\"",
    "deny_commands = [\"CREATE\", \"MOVE\", \"STATUS\"]",
    "mailbox = [\"Team/*\"]\ndeny_commands = [\"APPEND\", \"COPY\", \"FETCH\"]",
    "limit = { message_size = \"300 B\", messages = \"2/day\" }",
];

const MAILBOXES: &[Folder] =
    &[("INBOX", 4), ("Archive", 3), ("Archive/2024", 2), ("Team", 2), ("Team/Open", 2), ("Sent", 2), ("Trash", 1)];

const ABSENT: &[&str] = &["Mine", "Mine/Deep", "Archive/New", "Team/New", "Other", "A/B"];

fn rules() -> String {
    let mut text = String::new();
    for (a, first) in BODIES.iter().enumerate() {
        for (b, second) in BODIES.iter().enumerate() {
            let mut rule = |id: char, user: &str, body: &str| {
                writeln!(text, "[[rule]]\nid = \"m{a}-{b}-{id}\"\nwhen = {{ user = [\"{user}\"] }}\n{body}\n")
                    .expect("a string");
            };
            rule('a', &format!("m{a}{b}?-*"), first);
            rule('b', &format!("m{a}{b}b-*"), second);
        }
    }
    text
}

/// One command, most often with a mailbox open.
fn steps(seed: u64) -> Vec<Step> {
    let visible: Vec<&str> = MAILBOXES.iter().map(|(name, _)| *name).collect();
    let pool = Pool::of(&visible, &["Archive", "Archive/2024", "Team", "INBOX"], ABSENT);
    let plan = Plan { meanwhile: false, others: false, two: false, naming: true, busy: false };
    let single = |step: &Step| matches!(step, Step::Say { said, .. } if said.tags.len() == 1 && said.begins.len() == 1);
    let commands = (0..).map(|more| session(seed + more * 1_000_000, &pool, plan));
    let command = commands.flatten().find(single).expect("a session has a command");
    let mut r = Random::new(seed);
    let open = format!("s SELECT {}\r\n", visible[r.below(visible.len())]);
    let select = Said { parts: vec![open.into_bytes()], tags: vec!["s".to_owned()], ..Said::default() };
    let login = Step::Login { who: 0, form: LoginForm::Atom, right: true };
    vec![login, Step::Say { who: 0, said: select }, command]
}

/// Names in LIST and LSUB.
fn names(heard: &str) -> BTreeSet<String> {
    let listed = heard.lines().filter(|line| line.starts_with("* L"));
    let named = listed.filter_map(|line| Some(line.split_once("\"/\" ")?.1.replace('"', "")));
    named.filter(|name| !name.is_empty()).collect()
}

/// Messages of which something came, other than news of flags.
fn messages(heard: &str) -> BTreeSet<String> {
    let told = |line: &&str| line.contains(" FETCH (") && !line.contains(" FETCH (FLAGS (");
    heard.lines().filter(told).map(|line| line.split(' ').take(2).collect()).collect()
}

#[test]
fn one_more_rule_never_shows_or_allows_more() {
    let ground = Ground::direct(Names::Slash, &rules());
    let many = BODIES.len() as u64;
    each(600, |seed| {
        let steps = steps(seed);
        let heard = ['a', 'b'].map(|which| {
            let user = format!("m{}{}{which}-{:08}", seed % many, seed / many % many, ground.number());
            let _home = ground.home(&user, |maildir| {
                MAILBOXES.iter().for_each(|(name, count)| fill(maildir, name, *count));
                subscribe(maildir, &["Archive", "Team/Open", "Gone"]);
            });
            let up = Rc::new(RefCell::new(Vec::new()));
            told(&play(&steps, &user, &mut || ground.open(&up), &mut |_| {}))
        });
        let [fewer, more] = heard.each_ref().map(|heard| heard.get(2).cloned().unwrap_or_default());
        let tag = steps[2].tags().next().unwrap_or_default().to_owned();
        let ok = |heard: &str| heard.lines().any(|line| line.starts_with(&format!("{tag} OK")));
        // Where nothing matches nobody learns that Dovecot does not know what was asked for, and where nothing is done that
        // it would not have done it.
        let command = steps[2].to_string().to_ascii_uppercase();
        let listed = command.contains("STATUS (") || command.contains("UNSUBSCRIBE");
        let allows = ok(&more) && !ok(&fewer) && !listed;
        let shows = !names(&more).is_subset(&names(&fewer)) || !messages(&more).is_subset(&messages(&fewer));
        (allows || shows).then(|| {
            let [a, b] =
                [seed % many, seed / many % many].map(|at| BODIES[usize::try_from(at).expect("a small number")]);
            format!("{a}\nallows less (A) than with (B)\n{b}\n{}", side_by_side(&steps, &heard[0], &heard[1]))
        })
    });
}
