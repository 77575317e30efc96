//! Programs that keep a copy of an account: of what is visible, and what becomes of the copy when a rule begins in mid-life.
//!
//! ```text
//!   no rule     INBOX of 6 and 3 secrets ─▶ copy of 9
//!   the rule    INBOX of 6               ─▶ copy: the secrets have gone, as if somebody had deleted them; or are kept, if so set
//!   no rule     INBOX of 6 and 3 secrets ─▶ copy: they come back, or they do not. Upstream they are what they were, throughout
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::client::Client;
use super::dovecot::Dovecot;
use super::front::Front;
use super::hidden_messages::{RULES, SECRET, secrets, with_secrets};
use super::mbsync::{self, Tree, first, tree};
use super::offlineimap;
use super::place::{Place, Signal};
use super::proxy::{Proxy, Settings};

/// What keeps a copy, and what it is told of how changes travel.
#[derive(Debug, Clone, Copy)]
pub enum Mirror {
    Mbsync(&'static str),
    /// Lines for the far side.
    Offlineimap(&'static str),
}

pub const MBSYNC: Mirror = Mirror::Mbsync("Expunge Both\nSync All");
pub const OFFLINEIMAP: Mirror = Mirror::Offlineimap("");

impl Mirror {
    fn configure(self, place: &Place, front: &Front) -> PathBuf {
        match self {
            Self::Mbsync(how) => mbsync::configure_with(place, front, how),
            Self::Offlineimap(more) => offlineimap::configure(place, front, more),
        }
    }

    fn sync(self, config: &Path) {
        match self {
            Self::Mbsync(_) => mbsync::sync(config),
            Self::Offlineimap(_) => offlineimap::sync(config),
        }
    }

    /// Keeps a copy while mail is changed on both sides, and by others; what the copy held in between and at last.
    pub fn keep(self, front: &Front, mut others: impl FnMut(usize)) -> Vec<Tree> {
        let place = Place::new();
        let config = self.configure(&place, front);
        let mut trees = Vec::new();
        let mut look = || {
            self.sync(&config);
            let once = tree(&place.path("local"));
            self.sync(&config);
            assert_eq!(tree(&place.path("local")), once, "a second run");
            trees.push(once);
        };
        look();
        let unread = first(&place.path("local/INBOX/new"));
        let name = unread.file_name().and_then(|name| name.to_str()).expect("a name");
        let read = name.trim_end_matches(":2,").to_owned() + ":2,S";
        fs::rename(&unread, place.path("local/INBOX/cur").join(read)).expect("a flag");
        place.write("local/Archive/new/1700009999.M1.here", super::mail::message("pushed", 1).replace("\r\n", "\n"));
        others(1);
        let mut there = front.login();
        there.run("SELECT INBOX").ok();
        there.run("STORE 6 +FLAGS (\\Flagged)").ok();
        there.run("STORE 3 +FLAGS (\\Deleted)").ok();
        there.run("EXPUNGE").ok();
        there.run_parts(&[b"APPEND INBOX {7+}", b"\r\nthere"]).ok();
        look();
        others(2);
        there.run("MOVE 1 Trash").ok();
        there.run("STORE 2 -FLAGS (\\Seen)").ok();
        there.run("SELECT Trash").ok();
        there.run("STORE 1:* +FLAGS (\\Deleted)").ok();
        there.run("CLOSE").ok();
        there.logout();
        look();
        trees
    }
}

/// What somebody else does at the server itself: to what is visible, and where there are secrets, to those. Of the secrets it
/// leaves what was.
pub fn others(dovecot: &Dovecot, user: &str, round: usize) {
    let mut other = Client::tls(dovecot.imaps(), &dovecot.ca()).login(user);
    other.run("SELECT INBOX").ok();
    let mut append = |text: &str| {
        other.run_parts(&[format!("APPEND INBOX (\\Flagged) {{{}+}}", text.len()).as_bytes(), text.as_bytes()]).ok();
    };
    append(&format!("Subject: from others {round}\r\n\r\nx\r\n"));
    if user == "eve" && round == 1 {
        append(SECRET);
    }
    other.run("UID STORE 2 -FLAGS (\\Seen)").ok();
    other.run(if round == 1 { "UID MOVE 4 Archive" } else { "UID COPY 5 Archive" }).ok();
    if user == "eve" && round == 2 {
        // The one that came last time: flagged, it goes.
        other.run("UID STORE 10:* -FLAGS (\\Deleted)").ok();
        let found = other.run("UID SEARCH FLAGGED SUBJECT merger").ok().lines();
        let uid = found[0].rsplit(' ').next().expect("a UID").to_owned();
        other.run(&format!("UID STORE {uid} +FLAGS (\\Deleted)")).ok();
        other.run(&format!("UID EXPUNGE {uid}")).ok();
    }
    other.logout();
}

/// Which of the copies of secrets are there, and are not marked as deleted.
fn copies(tree: &Tree) -> usize {
    let all = tree.values().flatten();
    all.filter(|(flags, text)| text.contains("Subject: merger") && !flags.contains('T')).count()
}

/// Everything but the secrets.
fn rest(tree: &Tree) -> Tree {
    let mut rest = tree.clone();
    rest.values_mut().for_each(|messages| messages.retain(|(_, text)| !text.contains("Subject: merger")));
    rest
}

/// The copy of a secret that is not marked as deleted, if one is there.
fn copy_of_secret(folder: &Path) -> Option<PathBuf> {
    let entries = ["cur", "new"].into_iter().filter_map(|part| fs::read_dir(folder.join(part)).ok()).flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut left = paths.filter(|path| !mbsync::flags(path).contains('T'));
    left.find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("Subject: merger")))
}

/// Other rules, from now on.
pub fn begin(proxy: &mut Proxy, rules: &str, reloads: f64) {
    proxy.place().write("rules/rules-1.toml", rules);
    proxy.process().signal(Signal::HUP);
    proxy.metric_reaches("imapwarden_policy_reloads_total", &[("result", "ok")], reloads);
}

/// Hides nothing.
pub const NO_RULE: &str = "[[rule]]\nid = \"nothing-yet\"\nmailbox = [\"Never/**\"]\nrights = \"lr\"\n";

/// docs/mirrors.md has these rows.
#[test]
fn a_rule_that_begins_looks_like_deletion_and_what_it_hides_survives() {
    // What the copy holds of the three secrets that are not marked as deleted: before, under the rule, and when it has ended.
    let rows = [
        ("mbsync that expunges what has gone", MBSYNC, [3, 0, 0]),
        ("mbsync that marks what has gone", Mirror::Mbsync("Expunge None\nSync All"), [3, 0, 0]),
        ("mbsync that keeps what has gone", Mirror::Mbsync("Expunge None\nSync New Flags"), [3, 2, 2]),
        ("offlineimap", OFFLINEIMAP, [3, 0, 3]),
        ("offlineimap that keeps what has gone", Mirror::Offlineimap("sync_deletes = no"), [3, 2, 3]),
    ];
    for (name, mirror, expected) in rows {
        let dovecot = Dovecot::start(&["eve"]);
        with_secrets(&dovecot, "eve");
        let mut proxy = Settings::before(&dovecot).rules(NO_RULE).start();
        let place = Place::new();
        let config = mirror.configure(&place, &proxy.front("eve"));
        let mut held = Vec::new();
        let mut look = || {
            mirror.sync(&config);
            let tree = tree(&place.path("local"));
            held.push(copies(&tree));
            rest(&tree)
        };
        let all = look();
        // Before there was a rule, a mirror that expunges has expunged what was marked.
        let before = secrets(&dovecot);
        begin(&mut proxy, RULES, 1.0);
        // Whoever has the copy removes one; there is nothing to remove upstream.
        let one = copy_of_secret(&place.path("local/INBOX")).expect("a copy");
        fs::remove_file(one).expect("a copy");
        let visible = look();
        assert_eq!(visible, all, "{name}: what is visible");
        assert_eq!(secrets(&dovecot), before, "{name}: something happened to what is hidden");
        begin(&mut proxy, NO_RULE, 2.0);
        let ended = look();
        assert_eq!(ended, all, "{name}: when the rule has ended");
        assert_eq!(held, expected, "{name}");
        assert_eq!(secrets(&dovecot), before, "{name}: something happened to what was hidden");
        proxy.stop();
    }
}
