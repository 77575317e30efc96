//! What rights do not allow does not happen: random rights, random sessions, and mail before and after, as it lies on disk.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use super::generator::{Plan, session};
use super::ground::Ground;
use super::hunt::{hunt, one_seed};
use super::names::Pool;
use super::play::play;
use super::random::Random;
use super::script::{Step, pauses};
use super::told::{side_by_side, told};
use super::world::{fill, subscribe};
use crate::real::dovecot::Names;

/// Sets of rules; a session is under one of them.
const SETS: u64 = 96;

const MAILBOXES: &[(&str, usize)] = &[
    ("INBOX", 4),
    ("Archive", 4),
    ("Archive/2024", 3),
    ("Projects/Apollo", 2),
    ("Team", 3),
    ("Team/Open", 2),
    ("Sent", 2),
    ("Trash", 2),
    ("Junk", 1),
];

const ABSENT: &[&str] =
    &["Mine", "Mine/Deep", "Archive/New", "Team/New", "Other", "Projects", "Archive/2024/New", "A/B"];

/// Patterns of a rule, and what they spare.
const COVERED: &[(&[&str], &[&str])] = &[
    (&["Archive/**"], &[]),
    (&["Archive"], &[]),
    (&["INBOX"], &[]),
    (&["Team", "Sent"], &[]),
    (&["Team/*"], &[]),
    (&["**"], &["INBOX"]),
    (&["**"], &["Archive/**", "Trash"]),
    (&["Archive/**", "Mine/**", "Other"], &["Archive/2024"]),
    (&["\\Trash", "\\Junk"], &[]),
    (&["**"], &["\\Sent"]),
    (&[], &[]),
];

/// Commands that a rule may deny. SEARCH is none of them: the proxy searches itself, for its record.
const DENIED: &[&str] = &[
    "MOVE",
    "EXPUNGE",
    "STORE",
    "APPEND",
    "CREATE",
    "DELETE",
    "RENAME",
    "COPY",
    "STATUS",
    "SUBSCRIBE",
    "FETCH",
    "CLOSE",
];

const ALL: &str = "lrswipkxtea";

/// One rule: what it covers, what it leaves.
struct Rule {
    covers: &'static [&'static str],
    spares: &'static [&'static str],
    /// Letters, or the name of a preset.
    rights: String,
    /// Commands that it denies, everywhere.
    denied: Vec<&'static str>,
}

struct Rules(Vec<Rule>);

impl Rules {
    /// Number `set`, the same for ever.
    fn new(set: u64) -> Self {
        let mut r = Random::new(0x5157 + set);
        let count = 1 + usize::from(r.chance(35));
        Self((0..count).map(|_| Rule::random(&mut r)).collect())
    }

    fn text(&self, set: u64) -> String {
        let mut text = String::new();
        for (at, rule) in self.0.iter().enumerate() {
            write!(text, "[[rule]]\nid = \"r{set}-{at}\"\nwhen = {{ user = [\"r{set:02}-*\"] }}\n").expect("a string");
            if !rule.covers.is_empty() {
                writeln!(text, "mailbox = {:?}", rule.covers).expect("a string");
            }
            if !rule.spares.is_empty() {
                writeln!(text, "except_mailbox = {:?}", rule.spares).expect("a string");
            }
            writeln!(text, "rights = \"{}\"\n", rule.rights).expect("a string");
            if !rule.denied.is_empty() {
                let user = format!("[[rule]]\nid = \"r{set}-{at}-deny\"\nwhen = {{ user = [\"r{set:02}-*\"] }}\n");
                writeln!(text, "{user}deny_commands = {:?}\n", rule.denied).expect("a string");
            }
        }
        text
    }

    /// What is left of the rights on a mailbox.
    fn kept(&self, name: &str) -> String {
        let covering: Vec<_> = self.0.iter().filter(|rule| rule.covers(name)).map(Rule::letters).collect();
        ALL.chars().filter(|right| covering.iter().all(|letters| letters.contains(*right))).collect()
    }

    /// May messages be moved out of it although they may not be destroyed?
    fn organises(&self, name: &str) -> bool {
        self.0.iter().any(|rule| rule.covers(name) && matches!(&*rule.rights, "organise" | "tidy"))
    }
}

impl Rule {
    fn random(r: &mut Random) -> Self {
        let (covers, spares) = COVERED[r.below(COVERED.len())];
        let mut rights: String = match r.below(10) {
            0 => "read-only".to_owned(),
            1 => "organise".to_owned(),
            2 => "tidy".to_owned(),
            3 => ALL.chars().filter(|_| r.chance(50)).collect(),
            // One or two are missing, `l` seldom: that hides.
            _ => {
                let missing =
                    [ALL.chars().nth(1 + r.below(10)), ALL.chars().nth(usize::from(!r.chance(3)) + r.below(10))];
                ALL.chars().filter(|right| !missing.contains(&Some(*right))).collect()
            }
        };
        // What is hidden is told by name.
        let by_use = covers.iter().chain(spares).any(|pattern| pattern.starts_with('\\'));
        if rights.is_empty() || (by_use && !letters(&rights).contains('l')) {
            rights.insert(0, 'l');
        }
        let denied = if r.chance(25) { r.some(DENIED, 2) } else { Vec::new() };
        Self { covers, spares, rights, denied }
    }

    fn letters(&self) -> &str {
        letters(&self.rights)
    }

    fn covers(&self, name: &str) -> bool {
        let any = |patterns: &[&str], fold: bool| patterns.iter().any(|pattern| matches(pattern, name, fold));
        (self.covers.is_empty() || any(self.covers, true)) && !any(self.spares, false)
    }
}

/// The letters of a preset, or those that stand there.
fn letters(rights: &str) -> &str {
    match rights {
        "read-only" => "lr",
        "organise" | "tidy" => "lrswi",
        letters => letters,
    }
}

/// What takes is compared without case, blanks around levels and empty levels; what spares exactly.
fn matches(pattern: &str, name: &str, fold: bool) -> bool {
    let levels = |text: &str| {
        let levels = text.split('/').map(|level| level.trim_matches([' ', '.'])).filter(|level| !level.is_empty());
        levels.collect::<Vec<_>>().join("/").to_ascii_lowercase()
    };
    let folded = |text: &str| if fold { levels(text) } else { text.to_owned() };
    if let Some(special_use) = pattern.strip_prefix('\\') {
        return name == special_use; // as Dovecot is told
    }
    let (pattern, name) = (folded(pattern), folded(name));
    match (pattern.strip_suffix("/**"), pattern.strip_suffix("/*")) {
        _ if pattern == "**" => true,
        (Some(above), _) => name == above || name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')),
        (None, Some(above)) => {
            name.strip_prefix(above).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.contains('/'))
        }
        (None, None) => name == pattern,
    }
}

/// A message as it lies in its Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    flags: BTreeSet<String>,
    content: Vec<u8>,
}

type Mailbox = BTreeMap<String, Message>;

/// Everything that a client can change: mailboxes, messages and flags, subscriptions.
struct Mail {
    mailboxes: BTreeMap<String, Mailbox>,
    subscribed: BTreeSet<String>,
}

impl Mail {
    fn read(maildir: &Path) -> Self {
        let mut mailboxes = BTreeMap::from([("INBOX".to_owned(), mailbox(maildir))]);
        for entry in fs::read_dir(maildir).expect("a Maildir") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name");
            if let Some(levels) = name.strip_prefix('.').filter(|_| entry.path().is_dir()) {
                mailboxes.insert(levels.replace('.', "/"), mailbox(&entry.path()));
            }
        }
        let subscribed = fs::read_to_string(maildir.join("subscriptions")).unwrap_or_default();
        let subscribed = subscribed.lines().skip(2).map(|line| line.replace('\t', "/")).collect();
        Self { mailboxes, subscribed }
    }

    fn has_content(&self, content: &[u8]) -> bool {
        self.mailboxes.values().flat_map(Mailbox::values).any(|message| message.content == content)
    }

    fn has_file(&self, file: &str) -> bool {
        self.mailboxes.values().any(|mailbox| mailbox.contains_key(file))
    }
}

fn mailbox(folder: &Path) -> Mailbox {
    let keywords = fs::read_to_string(folder.join("dovecot-keywords")).unwrap_or_default();
    let keyword = |letter: char| {
        let number = (letter as u32).checked_sub('a' as u32)?;
        let line = keywords.lines().find_map(|line| line.split_once(' ').filter(|(n, _)| n.parse() == Ok(number)))?;
        Some(line.1.to_owned())
    };
    let mut messages = Mailbox::new();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(folder.join(part)).into_iter().flatten() {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name");
            let (file, flags) = name.split_once(":2,").unwrap_or((&name, ""));
            let flags = flags.chars().map(|flag| keyword(flag).unwrap_or_else(|| flag.to_string())).collect();
            // What Dovecot adds to a name when it learns a size is not the message's identity.
            let file = file.split(',').next().unwrap_or(file).to_owned();
            messages.insert(file, Message { flags, content: fs::read(entry.path()).unwrap_or_default() });
        }
    }
    messages
}

/// The right that it takes to set or clear a flag.
fn right_of(flag: &str) -> char {
    match flag {
        "S" => 's',
        "T" => 't',
        _ => 'w',
    }
}

/// What happened that the rights do not allow.
fn violations(rules: &Rules, before: &Mail, after: &Mail, heard: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, was) in &before.mailboxes {
        let kept = rules.kept(name);
        let lacks = |rights: &str| rights.chars().any(|right| !kept.contains(right));
        match after.mailboxes.get(name) {
            None if lacks("x") => found.push(format!("{name} is gone without x")),
            None if lacks("te") && was.keys().any(|file| !after.has_file(file)) => {
                found.push(format!("mail of {name} is destroyed with it, without t and e"));
            }
            // With the same files it is the same mailbox, under another name.
            None if kept.len() < ALL.len() && !was.is_empty() => {
                let renamed = after.mailboxes.iter().filter(|(new, is)| {
                    // What a letter of another script stands for is not for this test to say.
                    let told = !before.mailboxes.contains_key(*new) && !new.contains('&');
                    told && was.keys().all(|file| is.contains_key(file))
                });
                for (new, _) in renamed {
                    let more: String = rules.kept(new).chars().filter(|right| !kept.contains(*right)).collect();
                    if !more.is_empty() {
                        found.push(format!("{name} is now {new}, where rights are more by {more}"));
                    }
                }
            }
            None => {}
            // It may be another one of that name.
            Some(_) if !lacks("xk") && lacks("te") && was.keys().any(|file| !after.has_file(file)) => {
                found.push(format!("mail of {name} is destroyed, without t and e"));
            }
            Some(_) if !lacks("xk") => {}
            Some(is) => changes(name, &kept, rules.organises(name), was, is, after, &mut found),
        }
        if lacks("r") {
            // Bodies tell whose they are.
            for leak in [format!("text-of-{name}."), format!("* STATUS {name} ("), format!("* STATUS \"{name}\" (")] {
                if heard.contains(&leak) {
                    found.push(format!("`{leak}` is told without r"));
                }
            }
        }
        let listed = |line: &str| {
            // A level above what is listed is no mailbox.
            line.starts_with("* L") && line.ends_with(&format!(" \"{name}\"")) && !line.contains("\\No")
        };
        if lacks("l") && heard.lines().any(listed) {
            found.push(format!("{name} is listed without l"));
        }
    }
    for name in before.subscribed.symmetric_difference(&after.subscribed) {
        if !rules.kept(name).contains('l') {
            found.push(format!("the subscription of {name} is changed without l"));
        }
    }
    for name in after.mailboxes.keys().filter(|name| !before.mailboxes.contains_key(*name)) {
        let above = name.rsplit_once('/').map(|(above, _)| above);
        // Below a mailbox that was renamed, names come with it.
        let moved =
            above.is_some_and(|above| after.mailboxes.contains_key(above) && !before.mailboxes.contains_key(above));
        let may = |name: &str| rules.kept(name).contains('k');
        if !moved && (!may(name) || above.is_some_and(|above| !may(above))) {
            found.push(format!("{name} is made without k"));
        }
    }
    found
}

fn changes(
    name: &str,
    kept: &str,
    organises: bool,
    was: &Mailbox,
    is: &Mailbox,
    after: &Mail,
    found: &mut Vec<String>,
) {
    let may = |right: char| kept.contains(right);
    for (file, message) in was {
        let Some(now) = is.get(file) else {
            let expunged = may('e') && (may('t') || message.flags.contains("T"));
            let moved = organises && after.has_content(&message.content);
            if !expunged && !moved {
                found.push(format!("{file} is gone from {name}, which leaves {kept}"));
            }
            continue;
        };
        for flag in now.flags.symmetric_difference(&message.flags) {
            if !may(right_of(flag)) {
                found.push(format!("{flag} of {file} is changed in {name}, which leaves {kept}"));
            }
        }
    }
    for file in is.keys().filter(|file| !was.contains_key(*file)) {
        if !may('i') {
            found.push(format!("{file} is new in {name}, which leaves {kept}"));
        }
    }
}

/// Flags of messages that were appended: those that no mailbox allows cannot have come with a copy.
fn appended_flags(rules: &Rules, after: &Mail, found: &mut Vec<String>) {
    let anywhere: String = after.mailboxes.keys().map(|name| rules.kept(name)).collect();
    for (name, mailbox) in &after.mailboxes {
        for message in mailbox.values().filter(|message| message.content.starts_with(b"Subject: appended")) {
            for flag in message.flags.iter().filter(|flag| !anywhere.contains(right_of(flag))) {
                found.push(format!("{flag} came with an APPEND to {name}"));
            }
        }
    }
}

/// Commands that went up although they are denied. Own tags are a `t` and a number.
fn denied_commands(rules: &Rules, up: &[u8], found: &mut Vec<String>) {
    for line in String::from_utf8_lossy(up).lines() {
        let mut words = line.split(' ');
        let tag = words.next().and_then(|tag| tag.strip_prefix('t')).is_some_and(|n| n.parse::<u32>().is_ok());
        let verb = words.next().map(str::to_ascii_uppercase).unwrap_or_default();
        let verb = if verb == "UID" { words.next().map(str::to_ascii_uppercase).unwrap_or_default() } else { verb };
        // The proxy asks for UIDs itself, for its record.
        let own = verb == "FETCH" && line.ends_with(" (UID)");
        if tag && !own && rules.0.iter().any(|rule| rule.denied.contains(&&*verb)) {
            found.push(format!("`{line}` went up"));
        }
    }
}

/// What the tagged answers say, in the order of their tags; Dovecot answers some commands later than others that came
/// behind them, says how long it took, and tells of changes when it comes to it.
fn answers(steps: &[Step], heard: &[String]) -> Vec<String> {
    let tags: BTreeSet<&str> = steps.iter().flat_map(Step::tags).collect();
    let tagged = |line: &&str| line.split(' ').next().is_some_and(|word| tags.contains(word));
    // How far the mailbox has come is news, too.
    let timeless = |line: &str| {
        let line = line.split(" (0.").next().unwrap_or(line);
        match (line.split_once("[HIGHESTMODSEQ "), line.split_once("] ")) {
            (Some((before, _)), Some((_, behind))) => format!("{before}{behind}"),
            _ => line.to_owned(),
        }
    };
    let heard = heard.concat();
    let mut answers: Vec<String> = heard.lines().filter(tagged).map(timeless).collect();
    answers.sort();
    answers
}

/// Mailboxes, and what is in them but for the names of files, which the server draws.
fn contents(mail: &Mail) -> BTreeMap<String, Vec<String>> {
    let shown = |message: &Message| format!("{:?} {}", message.flags, message.content.escape_ascii());
    let sorted = |mailbox: &Mailbox| {
        let mut all: Vec<String> = mailbox.values().map(shown).collect();
        all.sort();
        all
    };
    mail.mailboxes.iter().map(|(name, mailbox)| (name.clone(), sorted(mailbox))).collect()
}

/// What a session came to.
struct Outcome {
    /// What it did that it may not do.
    found: Vec<String>,
    heard: Vec<String>,
    after: Mail,
}

struct Trial {
    ground: Ground,
    rules: Vec<Rules>,
}

impl Trial {
    fn new(ground: fn(Names, &str) -> Ground) -> Self {
        let rules: Vec<Rules> = (0..SETS).map(Rules::new).collect();
        let text: String = rules.iter().zip(0..).map(|(rules, set)| rules.text(set)).collect();
        Self { ground: ground(Names::Slash, &text), rules }
    }

    fn rules(&self, seed: u64) -> &Rules {
        &self.rules[usize::try_from(seed % SETS).expect("a small number")]
    }

    fn plan(&self, seed: u64) -> Vec<Step> {
        let rules = self.rules(seed);
        let all: Vec<&str> = MAILBOXES.iter().map(|(name, _)| *name).collect();
        let mut ruled: Vec<&str> = all.iter().copied().filter(|name| rules.kept(name).len() < ALL.len()).collect();
        ruled.extend(ABSENT.iter().copied().filter(|name| rules.kept(name).len() < ALL.len()));
        if ruled.is_empty() {
            ruled.push("Archive");
        }
        let visible: Vec<&str> = all.iter().chain(ruled.iter().filter(|name| all.contains(name))).copied().collect();
        let plan = Plan { meanwhile: false, others: false, two: true, naming: true, busy: false };
        session(seed, &Pool::of(&visible, &ruled, ABSENT), plan)
    }

    fn play(&self, seed: u64, steps: &[Step]) -> Outcome {
        let rules = self.rules(seed);
        let user = format!("r{:02}-{:08}", seed % SETS, self.ground.number());
        let home = self.ground.home(&user, |maildir| {
            MAILBOXES.iter().for_each(|(name, count)| fill(maildir, name, *count));
            subscribe(maildir, &["Archive", "Sent", "Gone"]);
        });
        let before = Mail::read(&home.maildir);
        let up = Rc::new(RefCell::new(Vec::new()));
        let transcript = play(steps, &user, &mut || self.ground.open(&up), &mut |_| {});
        let after = Mail::read(&home.maildir);
        let heard = String::from_utf8_lossy(&transcript.heard.concat()).into_owned();
        let mut found = violations(rules, &before, &after, &heard);
        appended_flags(rules, &after, &mut found);
        denied_commands(rules, &up.borrow(), &mut found);
        if transcript.silent {
            found.push("an answer never came".to_owned());
        }
        Outcome { found, heard: told(&transcript), after }
    }

    fn wrong(&self, seed: u64, steps: &[Step]) -> Option<String> {
        let Outcome { found, heard, .. } = self.play(seed, steps);
        let what = || {
            let shown = side_by_side(steps, &heard, &heard);
            format!("{}\n{}\n{shown}", found.join("\n"), self.rules(seed).text(seed % SETS))
        };
        (!found.is_empty()).then(what)
    }

    /// Where rights are taken commands stay pipelined: they must be answered as if they were not.
    fn told_from_one_by_one(&self, seed: u64, steps: &[Step]) -> Option<String> {
        let alone: Vec<Step> = steps.iter().flat_map(Step::one_by_one).collect();
        let (at_once, in_turn) = (self.play(seed, steps), self.play(seed, &alone));
        // Dovecot ends a session whose open mailbox is deleted, as soon as it sees that.
        if [&at_once, &in_turn]
            .iter()
            .any(|outcome| outcome.heard.concat().contains("* BYE Selected mailbox was deleted"))
        {
            return None;
        }
        let same = answers(steps, &at_once.heard) == answers(&alone, &in_turn.heard)
            && contents(&at_once.after) == contents(&in_turn.after);
        (!same).then(|| {
            let rules = self.rules(seed).text(seed % SETS);
            let shown = side_by_side(steps, &at_once.heard, &at_once.heard);
            format!(
                "pipelining is told from waiting\n{rules}\nat once\n{shown}\none by one\n{}",
                in_turn.heard.concat()
            )
        })
    }

    fn hunt(&self, count: u64) {
        let Some(seed) = one_seed() else {
            return hunt(count, |seed| self.plan(seed), |seed, steps| self.wrong(seed, steps));
        };
        let steps = self.plan(seed);
        let Outcome { found, heard, .. } = self.play(seed, &steps);
        eprintln!("{}\n{}", self.rules(seed).text(seed % SETS), side_by_side(&steps, &heard, &heard));
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn nothing_changes_that_rights_do_not_allow_in_a_session() {
    Trial::new(Ground::direct).hunt(2_000);
}

#[test]
fn nothing_changes_that_rights_do_not_allow_in_the_program() {
    Trial::new(Ground::program).hunt(500);
}

#[test]
fn commands_at_once_are_answered_as_one_by_one_under_rights() {
    let trial = Trial::new(Ground::direct);
    // Whether what stands behind a COPY or MOVE to the same mailbox reaches the new messages is the server's to say
    // (RFC 9051 §5.5).
    let alone = |step: Step| if step.copies() { step.one_by_one() } else { vec![step] };
    let plan = |seed| {
        let steps = trial.plan(seed).into_iter().filter(|step| step.who() == 0);
        pauses(steps.flat_map(alone).collect())
    };
    hunt(1_000, plan, |seed, steps| trial.told_from_one_by_one(seed, steps));
}
