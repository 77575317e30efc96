//! A mailbox of 100,000 messages of which a thousand are hidden here and there: several sessions at once on an upstream that
//! tells what it was asked, mail that comes and goes, and a restart, after which nothing is judged again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

use imapwarden::session::verdicts::{Memory, Verdicts};
use imapwarden::store::Store;

use crate::driver::{Driver, Setting, rules};

const MESSAGES: u32 = 100_000;
const OFFERED: &str = "IMAP4rev1 UIDPLUS UNSELECT ESEARCH IDLE";
const RULE: &str = "[[rule]]\nid = \"a\"\nhide_messages = 'HEADER \"X-Classification\" \"secret\"'\n";

/// The mailbox as the server has it: by UID, is it secret, and is it flagged `\Deleted`?
type Mailbox = Rc<RefCell<BTreeMap<u32, (bool, bool)>>>;

/// Every 997th UID is none, one message in a hundred is secret.
fn mailbox() -> Mailbox {
    let uids = (1..).filter(|uid| uid % 997 != 0).take(MESSAGES as usize);
    Rc::new(RefCell::new(uids.map(|uid| (uid, (uid % 100 == 42, false))).collect()))
}

fn visible(mailbox: &Mailbox) -> Vec<u32> {
    mailbox.borrow().iter().filter(|(_, (secret, _))| !secret).map(|(uid, _)| *uid).collect()
}

/// A client, the session, and the server's side of it.
struct Reader {
    driver: Driver,
    mailbox: Mailbox,
    /// What the server has told this connection: UIDs by number.
    told: Vec<u32>,
    /// Messages whose header the server was asked for.
    judged: usize,
}

impl Reader {
    fn new(driver: Driver, mailbox: &Mailbox) -> Self {
        let mut reader = Self { driver, mailbox: Rc::clone(mailbox), told: Vec::new(), judged: 0 };
        reader.driver.client.clear();
        reader.driver.log_in("ann@example.org", OFFERED);
        reader.answer();
        reader
    }

    fn after_start(verdicts: Arc<dyn Verdicts>, mailbox: &Mailbox) -> Self {
        Self::new(Driver::new(Setting { rules: rules(RULE, None), verdicts, ..Setting::default() }), mailbox)
    }

    fn beside(&self, sid: &str) -> Self {
        Self::new(self.driver.another(sid, [203, 0, 113, 9]), &self.mailbox)
    }

    /// Says a command; the untagged answers, the tagged one being OK.
    fn say(&mut self, command: &str) -> Vec<String> {
        self.driver.client_says(format!("a {command}\r\n").as_bytes());
        self.answer();
        let heard = String::from_utf8(std::mem::take(&mut self.driver.client)).expect("text");
        let mut lines: Vec<String> = heard.lines().map(str::to_owned).collect();
        assert!(lines.pop().is_some_and(|last| last.starts_with("a OK")), "{command}: {:?}", heard.lines().last());
        lines
    }

    /// The server, for as long as it is asked something.
    fn answer(&mut self) {
        while !self.driver.upstream.is_empty() {
            let asked = String::from_utf8(std::mem::take(&mut self.driver.upstream)).expect("text");
            for line in asked.lines() {
                let (tag, command) = line.split_once(' ').expect("a command");
                let said = format!("{}{tag} OK done\r\n", self.data(tag, command));
                said.as_bytes().chunks(16 * 1024).for_each(|segment| self.driver.upstream_says(segment));
            }
        }
    }

    fn data(&mut self, tag: &str, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        match *words.as_slice() {
            ["NAMESPACE"] => "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n".to_owned(),
            ["LIST" | "LSUB", ..] => "* LIST () \"/\" INBOX\r\n".to_owned(),
            ["SELECT", ..] => {
                self.told = self.mailbox.borrow().keys().copied().collect();
                format!("* {} EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n", self.told.len())
            }
            ["UID", "SEARCH", .., "ALL"] => {
                let mut all = String::new();
                runs(&self.told).for_each(|run| write!(all, ",{}:{}", run.start(), run.end()).expect("room"));
                format!("* ESEARCH (TAG \"{tag}\") UID ALL {}\r\n", all.trim_start_matches(','))
            }
            ["UID", "SEARCH", .., "DELETED"] => {
                let mailbox = self.mailbox.borrow();
                let found = self.told.iter().filter(|uid| mailbox.get(uid).is_some_and(|(_, deleted)| *deleted));
                let found: Vec<String> = found.map(u32::to_string).collect();
                format!("* ESEARCH (TAG \"{tag}\") UID ALL {}\r\n", found.join(","))
            }
            ["UID", "SEARCH", ..] => format!("* ESEARCH (TAG \"{tag}\") UID\r\n"),
            ["FETCH", set, ..] => self.fetched(&range(set).filter_map(|n| self.at(n)).collect::<Vec<_>>(), command),
            ["UID", "FETCH", set, ..] => self.fetched(&self.uids(set), command),
            ["UID", "STORE", set, ..] => {
                let set = self.uids(set);
                let mut mailbox = self.mailbox.borrow_mut();
                set.into_iter().for_each(|uid| mailbox.entry(uid).and_modify(|at| at.1 = true).or_default().1 = true);
                String::new()
            }
            ["UID", "EXPUNGE", set, ..] => {
                let mut said = String::new();
                for uid in self.uids(set) {
                    if self.mailbox.borrow().get(&uid).is_some_and(|(_, deleted)| *deleted) {
                        self.mailbox.borrow_mut().remove(&uid);
                        said.push_str(&self.expunged(uid));
                    }
                }
                said
            }
            ["NOOP"] => self.news(),
            _ => panic!("the server hears {command}"),
        }
    }

    fn at(&self, number: u32) -> Option<u32> {
        self.told.get(number as usize - 1).copied()
    }

    fn uids(&self, set: &str) -> Vec<u32> {
        let ranges = set.split(',').map(range);
        ranges
            .flat_map(|range| {
                self.told[position(&self.told, *range.start())..].iter().take_while(move |uid| *uid <= range.end())
            })
            .copied()
            .collect()
    }

    fn fetched(&mut self, uids: &[u32], command: &str) -> String {
        let mut said = String::new();
        let asks_header = command.contains("HEADER.FIELDS (x-classification)");
        for uid in uids {
            let number = position(&self.told, *uid) + 1;
            let (secret, deleted) = self.mailbox.borrow().get(uid).copied().unwrap_or_default();
            let flags = if deleted { "\\Deleted" } else { "" };
            write!(said, "* {number} FETCH (UID {uid} FLAGS ({flags})").expect("room");
            if asks_header {
                let header = if secret { "X-Classification: secret\r\n\r\n" } else { "\r\n" };
                write!(said, " BODY[HEADER.FIELDS (X-CLASSIFICATION)] {{{}}}\r\n{header}", header.len()).expect("room");
                self.judged += 1;
            }
            said.push_str(")\r\n");
        }
        said
    }

    fn expunged(&mut self, uid: u32) -> String {
        let at = position(&self.told, uid);
        self.told.remove(at);
        format!("* {} EXPUNGE\r\n", at + 1)
    }

    /// What others did meanwhile.
    fn news(&mut self) -> String {
        let gone: Vec<u32> = self.told.iter().copied().filter(|uid| !self.mailbox.borrow().contains_key(uid)).collect();
        let mut said: String = gone.into_iter().map(|uid| self.expunged(uid)).collect();
        let last = self.told.last().copied().unwrap_or(0);
        let come: Vec<u32> = self.mailbox.borrow().range(last + 1..).map(|(uid, _)| *uid).collect();
        if !come.is_empty() {
            self.told.extend(come);
            write!(said, "* {} EXISTS\r\n", self.told.len()).expect("room");
        }
        said
    }

    /// What it is told of all messages must be what is visible, under numbers without a gap.
    fn sees_what_there_is(&mut self) {
        let lines = self.say("UID FETCH 1:* (FLAGS)");
        let wanted = visible(&self.mailbox);
        assert_eq!(lines.len(), wanted.len());
        for ((number, uid), line) in (1..).zip(wanted).zip(lines) {
            assert!(line.starts_with(&format!("* {number} FETCH (UID {uid} FLAGS (")), "{number}, {uid}: {line}");
        }
    }
}

fn position(told: &[u32], uid: u32) -> usize {
    told.partition_point(|known| *known < uid)
}

fn range(text: &str) -> RangeInclusive<u32> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    first.parse().expect("a number")..=last.parse().expect("a number")
}

/// Runs of consecutive numbers.
fn runs(uids: &[u32]) -> impl Iterator<Item = RangeInclusive<u32>> {
    uids.chunk_by(|one, next| one + 1 == *next).map(|run| run[0]..=run[run.len() - 1])
}

fn number_of(lines: &[String], word: &str) -> Option<u32> {
    lines.iter().find_map(|line| line.strip_prefix("* ")?.strip_suffix(word)?.trim().parse().ok())
}

#[test]
fn sessions_on_one_large_mailbox() {
    let mailbox = mailbox();
    let shown = visible(&mailbox).len() as u32;
    let mut ann = Reader::after_start(Setting::default().verdicts, &mailbox);
    assert_eq!(number_of(&ann.say("SELECT INBOX"), " EXISTS"), Some(shown));
    assert_eq!(ann.judged, MESSAGES as usize);
    let mut others = [ann.beside("4c2q8m0v7x1u"), ann.beside("4c2q8m0v7x1v")];
    for other in &mut others {
        assert_eq!(number_of(&other.say("SELECT INBOX"), " EXISTS"), Some(shown));
        assert_eq!(other.judged, 0, "it has been judged for another session");
        other.sees_what_there_is();
    }
    // Somebody else flags what is hidden, too: it is not this client's to expunge.
    mailbox.borrow_mut().values_mut().filter(|(secret, _)| *secret).for_each(|(_, deleted)| *deleted = true);
    ann.say("STORE 40000:40009,5,98000 +FLAGS.SILENT (\\Deleted)");
    let gone: Vec<String> = ann.say("EXPUNGE");
    assert_eq!(gone.len(), 12, "{gone:?}");
    for uid in (1..=3).map(|more| 100_941 + more) {
        mailbox.borrow_mut().insert(uid, (uid % 100 == 42, false));
    }
    for reader in others.iter_mut().chain([&mut ann]) {
        let lines = reader.say("NOOP");
        assert_eq!(number_of(&lines, " EXISTS"), Some(shown - 12 + 2), "two of three");
        assert_eq!(number_of(&lines, " EXPUNGE").is_some(), lines.len() > 2, "{lines:?}");
        assert!(reader.judged == 3 || reader.judged == MESSAGES as usize + 3, "{}", reader.judged);
        reader.sees_what_there_is();
        let last = reader.say("FETCH * (UID)");
        assert_eq!(last, [format!("* {} FETCH (UID 100944 FLAGS ())", shown - 10)]);
    }
    assert_eq!(mailbox.borrow().values().filter(|(secret, _)| *secret).count(), 1001, "none of them is gone");
}

#[test]
fn nothing_is_judged_twice_after_a_restart() {
    let (directory, mailbox) = (tempfile::tempdir().unwrap(), mailbox());
    for start in 1..=3 {
        let memory = Arc::new(Memory::default());
        let store = Store::open(directory.path(), &memory).unwrap();
        let mut reader = Reader::after_start(memory, &mailbox);
        let lines = reader.say("SELECT INBOX");
        assert_eq!(number_of(&lines, " EXISTS"), Some(visible(&mailbox).len() as u32));
        let wanted = match start {
            1 => MESSAGES as usize,
            2 => 0,
            _ => 2, // those that came while it was stopped
        };
        assert_eq!(reader.judged, wanted, "start {start}");
        drop((reader, store));
        if start == 2 {
            mailbox.borrow_mut().extend([(100_942, (true, false)), (100_943, (false, false))]);
        }
    }
}

#[test]
fn what_a_search_tells_passes_whole_however_long_it_is() {
    // Every other one of them: more than the proxy holds of a line.
    let uids: Vec<String> = (500_000..800_000).step_by(2).map(|uid: u32| uid.to_string()).collect();
    let uids = uids.join(",");
    for (returns, told) in [("ALL", format!("ALL {uids}")), ("ALL COUNT", format!("COUNT 150000 ALL {uids}"))] {
        let mut driver = Driver::new(Setting::default());
        driver.client.clear();
        driver.log_in("ann@example.org", OFFERED);
        driver.client_says(b"s SELECT INBOX\r\n");
        let tag = driver.own_tag();
        driver.upstream_says(format!("* 800000 EXISTS\r\n{tag} OK done\r\n").as_bytes());
        driver.client.clear();
        driver.client_says(format!("a UID SEARCH RETURN ({returns}) BODY x\r\n").as_bytes());
        let tag = driver.own_tag();
        let said = format!("* ESEARCH (TAG \"{tag}\") UID {told}\r\n{tag} OK done\r\n");
        said.as_bytes().chunks(16 * 1024).for_each(|segment| driver.upstream_says(segment));
        let heard = String::from_utf8(std::mem::take(&mut driver.client)).expect("text");
        let expected = format!("* ESEARCH (TAG \"a\") UID {told}\r\na OK done\r\n");
        assert!(heard == expected, "{returns}: {} octets of {}", heard.len(), expected.len());
    }
}
