//! What one session knows of the mailbox it has selected: the numbers it uses, and what it must still be told.
//!
//! ```text
//!   store   11  12      14  15     12 got \Seen, 13 is gone, 15 is new
//!   view    11  12  13  14         ──▶  * 3 EXPUNGE   * 4 EXISTS   * 2 FETCH (FLAGS (\Seen))
//! ```
//!
//! Changes reach the client only through [`View::announce`], so it is in one place that no EXPUNGE comes while a client
//! counts by sequence numbers (RFC 9051 §7.5.1).

use std::collections::BTreeSet;
use std::io::Write as _;

use super::store::{Mailbox, MailboxId, Message};
use crate::imap::message::{Flag, SeqSet, Uid, UidSet};

pub(super) struct View {
    pub mailbox: MailboxId,
    pub read_only: bool,
    /// Ascending by UID; the place is the sequence number, less one.
    known: Vec<Known>,
    recent: BTreeSet<Uid>,
    /// Version of the mailbox that has been announced in full.
    version: Option<u64>,
    /// Keywords of which the client has been told that they can occur.
    keywords: BTreeSet<Flag>,
}

#[derive(Clone, Copy)]
struct Known {
    uid: Uid,
    /// The stamp of the flags that the client was told.
    stamp: u64,
}

/// A message by both of its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbered {
    pub seq: usize,
    pub uid: Uid,
}

/// A sequence number beyond EXISTS, or `$` with nothing saved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSuchMessage;

/// May the client be told of messages that are gone?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expunges {
    Told,
    Withheld,
}

impl View {
    /// Opens the mailbox; a session that may write takes the `\Recent` messages with it (RFC 3501 §2.3.2).
    pub fn open(mailbox: &mut Mailbox, read_only: bool) -> Self {
        let mut view = Self {
            mailbox: mailbox.id,
            read_only,
            known: mailbox.messages.iter().map(Known::of).collect(),
            recent: BTreeSet::new(),
            version: Some(mailbox.version),
            keywords: mailbox.keywords().into_iter().cloned().collect(),
        };
        view.take_recent(mailbox);
        view
    }

    fn take_recent(&mut self, mailbox: &mut Mailbox) {
        let from = mailbox.recent_from;
        let recent = mailbox.messages.iter().map(|message| message.uid).filter(|uid| uid.get() >= from);
        self.recent.extend(recent);
        if !self.read_only {
            mailbox.recent_from = mailbox.uid_next;
        }
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn recent(&self) -> usize {
        self.recent.len()
    }

    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(&uid)
    }

    pub fn all(&self) -> impl Iterator<Item = Numbered> + '_ {
        self.known.iter().zip(1..).map(|(known, seq)| Numbered { seq, uid: known.uid })
    }

    /// The set in UIDs that this client knows of. UIDs that are not there are passed over (RFC 9051 §6.4.9); sequence
    /// numbers that are not there are the client's mistake.
    pub fn resolve(&self, set: &SeqSet, by_uid: bool) -> Result<Vec<Numbered>, NoSuchMessage> {
        let largest = if by_uid {
            self.known.last().map_or(0, |known| known.uid.get())
        } else {
            u32::try_from(self.len()).unwrap_or(u32::MAX)
        };
        let numbers = set.resolve(largest).ok_or(NoSuchMessage)?;
        if !by_uid && numbers.last().is_some_and(|last| last.get() > largest) {
            return Err(NoSuchMessage);
        }
        Ok(self.all().filter(|message| Self::is_in(*message, &numbers, by_uid)).collect())
    }

    fn is_in(message: Numbered, numbers: &UidSet, by_uid: bool) -> bool {
        let seq = u32::try_from(message.seq).ok().and_then(Uid::new);
        let number = if by_uid { Some(message.uid) } else { seq };
        number.is_some_and(|number| numbers.contains(number))
    }

    /// Does the client know the flags as they are?
    pub fn knows_flags(&self, message: &Message) -> bool {
        let at = self.known.binary_search_by_key(&message.uid, |known| known.uid);
        at.is_ok_and(|at| self.known.get(at).is_some_and(|known| known.stamp == message.stamp))
    }

    /// The client has just been told the flags of this message, or said itself that it knows them.
    pub fn flags_told(&mut self, uid: Uid, stamp: u64) {
        if let Ok(at) = self.known.binary_search_by_key(&uid, |known| known.uid)
            && let Some(known) = self.known.get_mut(at)
        {
            known.stamp = stamp;
        }
    }

    /// Tells all that changed, or all but EXPUNGEs; those are kept for the next time.
    pub fn announce(&mut self, mailbox: &mut Mailbox, expunges: Expunges, with_uid: bool, out: &mut Vec<u8>) {
        if self.version == Some(mailbox.version) {
            return;
        }
        let told = expunges == Expunges::Told;
        if told {
            self.announce_gone(mailbox, out);
        }
        self.announce_new(mailbox, out);
        self.announce_keywords(mailbox, out);
        self.announce_flags(mailbox, with_uid, out);
        self.version = told.then_some(mailbox.version);
    }

    fn announce_gone(&mut self, mailbox: &Mailbox, out: &mut Vec<u8>) {
        let mut seq: usize = 1; // grows only past messages that stay: each EXPUNGE closes the numbers
        let recent = &mut self.recent;
        self.known.retain(|known| {
            let stays = mailbox.message(known.uid).is_some();
            if stays {
                seq = seq.saturating_add(1);
            } else {
                recent.remove(&known.uid);
                put(out, format_args!("* {seq} EXPUNGE\r\n"));
            }
            stays
        });
    }

    fn announce_new(&mut self, mailbox: &mut Mailbox, out: &mut Vec<u8>) {
        let last = self.known.last().map(|known| known.uid);
        let before = self.known.len();
        self.known.extend(mailbox.messages.iter().filter(|message| Some(message.uid) > last).map(Known::of));
        if self.known.len() == before {
            return;
        }
        put(out, format_args!("* {} EXISTS\r\n", self.known.len()));
        self.take_recent(mailbox);
        put(out, format_args!("* {} RECENT\r\n", self.recent.len()));
    }

    /// A keyword is named in FLAGS before a message has it.
    pub fn announce_keywords(&mut self, mailbox: &Mailbox, out: &mut Vec<u8>) {
        let keywords = mailbox.keywords();
        if keywords.iter().any(|keyword| !self.keywords.contains(*keyword)) {
            write_all_flags(out, mailbox, self.read_only);
            self.keywords.extend(keywords.into_iter().cloned());
        }
    }

    fn announce_flags(&mut self, mailbox: &Mailbox, with_uid: bool, out: &mut Vec<u8>) {
        let recent = &self.recent;
        for (known, seq) in self.known.iter_mut().zip(1_usize..) {
            let Some(message) = mailbox.message(known.uid).filter(|message| message.stamp != known.stamp) else {
                continue;
            };
            known.stamp = message.stamp;
            put(out, format_args!("* {seq} FETCH ("));
            if with_uid {
                put(out, format_args!("UID {} ", known.uid));
            }
            write_flags(out, message, recent.contains(&known.uid));
            put(out, format_args!(")\r\n"));
        }
    }
}

impl Known {
    fn of(message: &Message) -> Self {
        Self { uid: message.uid, stamp: message.stamp }
    }
}

/// `FLAGS (\Seen $Forwarded)`
pub(super) fn write_flags(out: &mut Vec<u8>, message: &Message, recent: bool) {
    let recent = recent.then_some(&Flag::Recent);
    let flags: Vec<String> = message.flags.iter().chain(recent).map(ToString::to_string).collect();
    put(out, format_args!("FLAGS ({})", flags.join(" ")));
}

/// `* FLAGS (…)`, and which of them a client may set: all, and new keywords; none where nothing may be written.
pub(super) fn write_all_flags(out: &mut Vec<u8>, mailbox: &Mailbox, read_only: bool) {
    const SYSTEM: [Flag; 5] = [Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft];
    let flags: Vec<String> = SYSTEM.iter().chain(mailbox.keywords()).map(ToString::to_string).collect();
    let flags = flags.join(" ");
    let permanent = if read_only { String::new() } else { format!("{flags} \\*") };
    put(out, format_args!("* FLAGS ({flags})\r\n* OK [PERMANENTFLAGS ({permanent})] flags that can be set\r\n"));
}

/// Writes to a buffer, which cannot fail.
pub(super) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes all bytes");
}

#[cfg(test)]
mod tests {
    use super::super::store::{Account, Store};
    use super::*;
    use crate::imap::mailbox::MailboxName;

    fn account(messages: usize) -> Account {
        let account = Store::empty_with(&[("ann", "pw")]).account("ann").unwrap();
        for _ in 0..messages {
            account.deliver("INBOX", &[], b"\r\n");
        }
        account
    }

    fn inbox<T>(account: &Account, act: impl FnOnce(&mut Mailbox) -> T) -> T {
        account.change(|all| act(all.by_name_mut(&MailboxName::inbox()).unwrap()))
    }

    fn told(view: &mut View, account: &Account, expunges: Expunges) -> String {
        let mut out = Vec::new();
        inbox(account, |inbox| view.announce(inbox, expunges, false, &mut out));
        String::from_utf8(out).unwrap().replace("\r\n", "; ")
    }

    fn seq_of(view: &View, number: u32) -> Option<usize> {
        view.all().find(|message| message.uid == uid(number)).map(|message| message.seq)
    }

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    #[test]
    fn expunges_wait_and_numbers_hold_meanwhile() {
        let account = account(4);
        let mut view = inbox(&account, |inbox| View::open(inbox, false));
        inbox(&account, |inbox| inbox.expunge(|message| matches!(message.uid.get(), 2 | 3)));
        account.deliver("INBOX", &[], b"\r\n");
        assert_eq!(told(&mut view, &account, Expunges::Withheld), "* 5 EXISTS; * 5 RECENT; ");
        assert_eq!((view.len(), seq_of(&view, 5)), (5, Some(5)));
        assert_eq!(told(&mut view, &account, Expunges::Told), "* 2 EXPUNGE; * 2 EXPUNGE; ");
        assert_eq!((view.len(), seq_of(&view, 5)), (3, Some(3)));
        assert_eq!(told(&mut view, &account, Expunges::Told), "");
    }

    #[test]
    fn flags_are_told_once() {
        let account = account(2);
        let mut view = inbox(&account, |inbox| View::open(inbox, true));
        inbox(&account, |inbox| inbox.set_flags(uid(2), [Flag::Seen].into()));
        assert_eq!(told(&mut view, &account, Expunges::Withheld), "* 2 FETCH (FLAGS (\\Seen \\Recent)); ");
        assert_eq!(told(&mut view, &account, Expunges::Told), "");
    }

    #[test]
    fn recent_belongs_to_the_first_that_may_write() {
        let account = account(2);
        let recent = |read_only| inbox(&account, |inbox| View::open(inbox, read_only)).recent();
        assert_eq!([recent(true), recent(false), recent(false)], [2, 2, 0]);
    }

    #[test]
    fn sets() {
        let account = account(4);
        inbox(&account, |inbox| inbox.expunge(|message| message.uid == uid(1)));
        let view = inbox(&account, |inbox| View::open(inbox, true));
        let ranges = |first, last| {
            let number = |number: u32| crate::imap::message::SeqNumber::Number(number.try_into().unwrap());
            SeqSet::Ranges(vec![(number(first), number(last))])
        };
        let rows = [
            ("by number", ranges(1, 2), false, Ok(vec![2, 3])),
            ("beyond the last", ranges(2, 4), false, Err(NoSuchMessage)),
            ("by UID", ranges(1, 3), true, Ok(vec![2, 3])),
            ("UIDs that are not there", ranges(9, 12), true, Ok(vec![])),
        ];
        for (name, set, by_uid, want) in rows {
            let got = view.resolve(&set, by_uid).map(|found| found.iter().map(|m| m.uid.get()).collect::<Vec<_>>());
            assert_eq!(got, want, "{name}");
        }
    }
}
