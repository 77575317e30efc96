//! LIST in filtered scope is the proxy's own work: where nothing is hidden it must say what Dovecot says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::generator::put_list;
use super::ground::Ground;
use super::hunt::each;
use super::names::{Line, Pool};
use super::play::{Road, play};
use super::random::Random;
use super::roads::Socket;
use super::script::{LoginForm, Said, Step};
use super::world::{Folder, fill, subscribe};
use crate::real::dovecot::Names;

/// All levels are there: of one that is not, the proxy tells only where it must.
const MAILBOXES: &[Folder] = &[
    ("INBOX", 3),
    ("Archive", 2),
    ("Archive/2024", 1),
    ("Archive/2024/Q1", 1),
    ("Lists", 1),
    ("Lists/a b", 1),
    ("Sent", 1),
    ("Trash", 0),
    ("Z&APw-rich", 1),
    ("Z&APw-rich/Bank", 1),
];

const SUBSCRIBED: &[&str] = &["Archive/2024/Q1", "Lists", "Sent", "Gone", "Lists/Gone/Deep", "Z&APw-rich/Bank"];

/// A rule that could hide something: the session is filtered.
const RULES: &str = r#"
[[rule]]
id = "hide"
when = { user = ["list*"] }
mailbox = ["Nothing/**"]
hide = true
"#;

fn commands(seed: u64) -> Vec<Step> {
    let mut r = Random::new(seed);
    let visible: Vec<&str> = MAILBOXES.iter().map(|(name, _)| *name).collect();
    let pool = Pool::of(&visible, &["Archive/2024"], SUBSCRIBED);
    let login = Step::Login { who: 0, form: LoginForm::Atom, right: true };
    let say = |r: &mut Random, at: usize| {
        let mut line = Line::new(true);
        line.text(&format!("a{at} "));
        if r.chance(20) {
            line.text("LSUB ");
            pool.put_reference(r, &mut line);
            line.text(" ");
            pool.put_pattern(r, &mut line);
        } else {
            line.text("LIST");
            put_list(&pool, r, &mut line);
        }
        line.text("\r\n");
        Step::Say { who: 0, said: Said { parts: line.parts, tags: vec![format!("a{at}")], ..Said::default() } }
    };
    std::iter::once(login).chain((1..6).map(|at| say(&mut r, at))).collect()
}

/// What LIST and STATUS said, less what may be said or not: attributes of children and of special use.
fn said(heard: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(heard);
    let lines = text.lines().filter_map(|line| {
        if let Some(status) = line.strip_prefix("* STATUS ") {
            return Some(status.replace('"', ""));
        }
        let (word, line) = line.strip_prefix("* ")?.split_once(" (")?;
        let (attributes, rest) = line.split_once(") ")?;
        // For "there is none" there are two words (RFC 5258 §3).
        let attributes = attributes.replace("\\NonExistent", "\\Noselect");
        let kept = attributes.split(' ').filter(|attribute| matches!(*attribute, "\\Noselect" | "\\Subscribed"));
        let attributes: BTreeSet<&str> = kept.collect();
        Some(format!("{word} {attributes:?} {}", rest.replace('"', "")))
    });
    lines.collect()
}

/// Is it asked in a way of its own? Dovecot tells no delimiter where there are options, and of levels only where what is
/// below them does not match itself (against RFC 5258 §3, note 2).
fn alone(step: &Step) -> bool {
    let Step::Say { said, .. } = step else { return true };
    let text = String::from_utf8_lossy(&said.parts.concat()).to_ascii_uppercase();
    let empty = ["\"\")", "\"\"\r\n", "\"\" RETURN", "{0+}"].iter().any(|end| text.contains(end));
    let levels = text.contains("RECURSIVEMATCH") && (text.contains('*') || text.contains(" (") && text.contains("%/"));
    empty || levels || (text.contains("LSUB") && text.contains('*') && text.contains('%'))
}

fn status(heard: &[u8]) -> String {
    let text = String::from_utf8_lossy(heard);
    text.lines().last().unwrap_or_default().split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn list_says_what_dovecot_says_where_nothing_is_hidden() {
    let ground = Ground::direct(Names::Slash, RULES);
    let up = Rc::new(RefCell::new(Vec::new()));
    let lay_out = |maildir: &std::path::Path| {
        MAILBOXES.iter().for_each(|(name, count)| fill(maildir, name, *count));
        subscribe(maildir, SUBSCRIBED);
    };
    {
        // What an upstream offers is known from the first login on.
        let _home = ground.home("list-first", lay_out);
        play(&commands(0), "list-first", &mut || ground.open(&up), &mut |_| {});
    }
    each(400, |seed| {
        let user = format!("list-{seed:08}");
        let _home = ground.home(&user, lay_out);
        let steps = commands(seed);
        let up = Rc::new(RefCell::new(Vec::new()));
        let direct: &mut dyn FnMut() -> Box<dyn Road> = &mut || Box::new(Socket::open(ground.dovecot.imap()));
        let theirs = play(&steps, &user, direct, &mut |_| {});
        let ours = play(&steps, &user, &mut || ground.open(&up), &mut |_| {});
        let differ = steps.iter().zip(theirs.heard.iter().zip(&ours.heard)).skip(1).find(|(step, (theirs, ours))| {
            let (theirs_is, ours_is) = (status(theirs), status(ours));
            // What the proxy does not offer it refuses; where nothing matches nobody learns what Dovecot does not know.
            let both = theirs_is.ends_with("OK") && ours_is.ends_with("OK");
            let misled = ours_is.ends_with("OK") && !theirs_is.ends_with("OK") && !said(ours).is_empty();
            let misled = misled && !step.to_string().contains("RECURSIVEMATCH");
            !alone(step) && (misled || (both && said(theirs) != said(ours)))
        });
        let (step, (theirs, ours)) = differ?;
        let shown = |heard: &[u8]| String::from_utf8_lossy(heard).into_owned();
        Some(format!("{step}\nDovecot\n{}\nimapwarden\n{}", shown(theirs), shown(ours)))
    });
}
