//! What the server holds: accounts, their mailboxes, and messages that never change but for their flags.
//!
//! ```text
//!   Store ─ Account (user, password) ─ Mailbox (UIDVALIDITY, UIDNEXT) ─ Message (UID, flags) ─ Mail (octets, structure)
//! ```
//!
//! Every change gives its mailbox a new version and wakes the account's sessions; what a session makes of it is in
//! `view`. Nothing here knows a byte of the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::ZonedDateTime;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::mime::Mail;
use crate::imap::mailbox::MailboxName;
use crate::imap::message::{Flag, Uid};

/// Accounts and all their mail. Cheap to clone; all clones are one store.
#[derive(Clone, Default)]
pub struct Store(Arc<Vec<Account>>);

impl Store {
    /// Users with their passwords; each has an empty INBOX. The first UIDVALIDITY is 1.
    #[must_use]
    pub fn empty_with(users: &[(&str, &str)]) -> Self {
        Self(Arc::new(users.iter().map(|(user, password)| Account::new(user, password, 1)).collect()))
    }

    /// One account; UIDVALIDITYs are counted from `first_validity`.
    pub(super) fn single(account: Account) -> Self {
        Self(Arc::new(vec![account]))
    }

    /// The account of this user.
    #[must_use]
    pub fn account(&self, user: &str) -> Option<Account> {
        self.0.iter().find(|account| &*account.0.user == user).cloned()
    }

    /// The account, if the password is right.
    pub(super) fn login(&self, user: &str, password: &[u8]) -> Option<Account> {
        let account = self.account(user)?;
        bool::from(account.0.password.as_bytes().ct_eq(password)).then_some(account)
    }
}

/// A message as it is kept: UID, flags and octets.
pub type Stored = (Uid, Vec<Flag>, Vec<u8>);

/// One user's mailboxes. Cheap to clone; all clones are one account.
#[derive(Clone)]
pub struct Account(Arc<Shared>);

struct Shared {
    user: Box<str>,
    password: Box<str>,
    mailboxes: Mutex<Mailboxes>,
    changes: watch::Sender<u64>,
}

impl Account {
    pub(super) fn new(user: &str, password: &str, first_validity: u32) -> Self {
        let mut mailboxes = Mailboxes { next_validity: first_validity.max(1), ..Mailboxes::default() };
        mailboxes.create(MailboxName::inbox(), None);
        Self(Arc::new(Shared {
            user: user.into(),
            password: password.into(),
            mailboxes: Mutex::new(mailboxes),
            changes: watch::Sender::new(0),
        }))
    }

    /// Creates an empty mailbox, and those above it; one that is there stays as it is.
    pub fn create(&self, name: &str) {
        self.change(|mailboxes| mailboxes.create_path(&MailboxName::new(name)));
    }

    /// Puts a message into a mailbox as if it had just been delivered. `None` if there is no such mailbox.
    pub fn deliver(&self, mailbox: &str, flags: &[Flag], message: &[u8]) -> Option<Uid> {
        let delivery = Delivery {
            flags: flags.iter().cloned().collect(),
            date: ZonedDateTime::now(),
            mail: Arc::new(Mail::new(message)),
        };
        self.change(|mailboxes| Some(mailboxes.by_name_mut(&MailboxName::new(mailbox))?.push(delivery)))
    }

    /// The messages of a mailbox, oldest first. `None` if there is no such mailbox.
    #[must_use]
    pub fn messages(&self, mailbox: &str) -> Option<Vec<Stored>> {
        let mailboxes = self.lock();
        let messages = &mailboxes.by_name(&MailboxName::new(mailbox))?.messages;
        let row =
            |message: &Message| (message.uid, message.flags.iter().cloned().collect(), message.mail.octets().to_vec());
        Some(messages.iter().map(row).collect())
    }

    /// The names of all mailboxes.
    #[must_use]
    pub fn mailbox_names(&self) -> Vec<MailboxName> {
        self.lock().iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Mailboxes> {
        self.0.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, then wakes the sessions of this account.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Mailboxes) -> T) -> T {
        let result = change(&mut self.lock());
        self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

/// A mailbox keeps its identity when it is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MailboxId(u64);

#[derive(Default)]
pub(super) struct Mailboxes {
    by_name: BTreeMap<MailboxName, Mailbox>,
    /// Subscriptions outlive their mailboxes (RFC 9051 §6.3.8).
    pub subscribed: BTreeSet<MailboxName>,
    next_id: u64,
    next_validity: u32,
}

impl Mailboxes {
    pub fn iter(&self) -> impl Iterator<Item = (&MailboxName, &Mailbox)> {
        self.by_name.iter()
    }

    pub fn by_name(&self, name: &MailboxName) -> Option<&Mailbox> {
        self.by_name.get(name)
    }

    pub fn by_name_mut(&mut self, name: &MailboxName) -> Option<&mut Mailbox> {
        self.by_name.get_mut(name)
    }

    pub fn by_id(&self, id: MailboxId) -> Option<&Mailbox> {
        self.by_name.values().find(|mailbox| mailbox.id == id)
    }

    pub fn by_id_mut(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.by_name.values_mut().find(|mailbox| mailbox.id == id)
    }

    pub fn has_children(&self, name: &MailboxName) -> bool {
        self.by_name.keys().any(|other| other.is_below(name))
    }

    /// Creates the mailbox and, as RFC 9051 §6.3.4 asks, the levels above it.
    pub fn create_path(&mut self, name: &MailboxName) {
        let mut missing = vec![name.clone()];
        while let Some(above) = missing.last().and_then(MailboxName::parent) {
            missing.push(above);
        }
        for name in missing.into_iter().rev() {
            if !self.by_name.contains_key(&name) {
                self.create(name, None);
            }
        }
    }

    pub fn create(&mut self, name: MailboxName, special_use: Option<&'static str>) {
        let mailbox = Mailbox {
            id: MailboxId(self.next_id),
            uid_validity: self.next_validity,
            uid_next: 1,
            recent_from: 1,
            version: 0,
            special_use,
            messages: Vec::new(),
        };
        self.next_id = self.next_id.wrapping_add(1);
        self.next_validity = self.next_validity.checked_add(1).unwrap_or(1);
        self.by_name.insert(name, mailbox);
    }

    pub fn delete(&mut self, name: &MailboxName) -> Option<Mailbox> {
        self.by_name.remove(name)
    }

    /// Moves a mailbox and all below it. INBOX stays, and its messages move (RFC 9051 §6.3.6).
    pub fn rename(&mut self, from: &MailboxName, to: &MailboxName) {
        if let Some(above) = to.parent() {
            self.create_path(&above);
        }
        if from.is_inbox() {
            self.create(to.clone(), None);
            let messages = self.by_name_mut(from).map(|inbox| {
                inbox.version = inbox.version.wrapping_add(1);
                std::mem::take(&mut inbox.messages)
            });
            if let Some(target) = self.by_name_mut(to) {
                for message in messages.unwrap_or_default() {
                    target.push(message.into());
                }
            }
            return;
        }
        let moved: Vec<MailboxName> =
            self.by_name.keys().filter(|name| *name == from || name.is_below(from)).cloned().collect();
        for name in moved {
            let below = name.as_str().strip_prefix(from.as_str()).unwrap_or_default();
            let target = MailboxName::new(&format!("{to}{below}"));
            if let Some(mailbox) = self.by_name.remove(&name) {
                self.by_name.insert(target, mailbox);
            }
        }
    }
}

pub(super) struct Mailbox {
    pub id: MailboxId,
    pub uid_validity: u32,
    pub uid_next: u32,
    /// Messages from this UID on are `\Recent` for the next session that selects the mailbox.
    pub recent_from: u32,
    /// Grows with every change.
    pub version: u64,
    pub special_use: Option<&'static str>,
    /// Ascending by UID.
    pub messages: Vec<Message>,
}

impl Mailbox {
    pub fn push(&mut self, delivery: Delivery) -> Uid {
        let uid = Uid::new(self.uid_next).unwrap_or(Uid::MAX);
        self.uid_next = self.uid_next.saturating_add(1);
        self.version = self.version.wrapping_add(1);
        let Delivery { flags, date, mail } = delivery;
        self.messages.push(Message { uid, flags, date, mail, stamp: self.version });
        uid
    }

    pub fn message(&self, uid: Uid) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(at)
    }

    /// Gives the message these flags; its new stamp, if that changed anything.
    pub fn set_flags(&mut self, uid: Uid, flags: BTreeSet<Flag>) -> Option<u64> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        let message = self.messages.get_mut(at).filter(|message| message.flags != flags)?;
        self.version = self.version.wrapping_add(1);
        message.flags = flags;
        message.stamp = self.version;
        Some(message.stamp)
    }

    /// Takes out the messages of which `gone` holds.
    pub fn expunge(&mut self, gone: impl Fn(&Message) -> bool) {
        let before = self.messages.len();
        self.messages.retain(|message| !gone(message));
        if self.messages.len() != before {
            self.version = self.version.wrapping_add(1);
        }
    }

    /// Every flag in use here, for FLAGS and PERMANENTFLAGS.
    pub fn keywords(&self) -> BTreeSet<&Flag> {
        let flags = self.messages.iter().flat_map(|message| &message.flags);
        flags.filter(|flag| !flag.is_system()).collect()
    }

    pub fn count(&self, holds: impl Fn(&Message) -> bool) -> usize {
        self.messages.iter().filter(|message| holds(message)).count()
    }
}

pub(super) struct Message {
    pub uid: Uid,
    pub flags: BTreeSet<Flag>,
    /// INTERNALDATE
    pub date: ZonedDateTime,
    pub mail: Arc<Mail>,
    /// The mailbox's version when the flags last changed.
    pub stamp: u64,
}

impl Message {
    pub fn has(&self, flag: &Flag) -> bool {
        self.flags.contains(flag)
    }
}

/// A message on its way into a mailbox.
#[derive(Clone)]
pub(super) struct Delivery {
    pub flags: BTreeSet<Flag>,
    pub date: ZonedDateTime,
    pub mail: Arc<Mail>,
}

impl From<Message> for Delivery {
    fn from(message: Message) -> Self {
        Self { flags: message.flags, date: message.date, mail: message.mail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Store::empty_with(&[("ann", "pw")]).account("ann").unwrap()
    }

    fn names(account: &Account) -> Vec<String> {
        account.mailbox_names().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn passwords_are_compared_whole() {
        let store = Store::empty_with(&[("ann", "pw")]);
        let rows = [("ann", "pw", true), ("ann", "p", false), ("ann", "pw ", false), ("bob", "pw", false)];
        for (user, password, want) in rows {
            assert_eq!(store.login(user, password.as_bytes()).is_some(), want, "{user} {password}");
        }
    }

    #[test]
    fn creating_makes_the_levels_above() {
        let account = account();
        account.create("a/b/c");
        assert_eq!(names(&account), ["INBOX", "a", "a/b", "a/b/c"]);
    }

    #[test]
    fn renaming_moves_what_is_below() {
        let account = account();
        account.create("a/b");
        account.create("ab");
        account.change(|all| all.rename(&MailboxName::new("a"), &MailboxName::new("x/y")));
        assert_eq!(names(&account), ["INBOX", "ab", "x", "x/y", "x/y/b"]);
    }

    #[test]
    fn renaming_inbox_moves_its_messages() {
        let account = account();
        account.deliver("INBOX", &[Flag::Seen], b"Subject: a\r\n\r\n");
        account.change(|all| all.rename(&MailboxName::inbox(), &MailboxName::new("old")));
        assert_eq!(account.messages("INBOX").unwrap().len(), 0);
        assert_eq!(account.messages("old").unwrap()[0].1, [Flag::Seen]);
    }

    #[test]
    fn uids_are_never_used_again() {
        let account = account();
        let first = account.deliver("INBOX", &[Flag::Deleted], b"\r\n").unwrap();
        account.change(|all| all.by_name_mut(&MailboxName::inbox()).unwrap().expunge(|_| true));
        let second = account.deliver("inbox", &[], b"\r\n").unwrap();
        assert!(first < second);
    }
}
