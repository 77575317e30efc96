//! Commands that change messages: STORE, COPY, MOVE, EXPUNGE, APPEND.
//!
//! ```text
//!   MOVE 2:3 Archive   ──▶   * OK [COPYUID 7 12:13 40:41]   * 2 EXPUNGE   * 2 EXPUNGE      (RFC 6851 §3.3)
//! ```
//!
//! Each is done as a whole or not at all, under one lock; what becomes visible is announced by `view`.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::ZonedDateTime;

use super::commands::{DONE, Outcome, Refused, Session, State, mailbox_name};
use super::mime::Mail;
use super::store::{Delivery, Mailbox, Message};
use super::view::{NoSuchMessage, Numbered, View, put, write_flags};
use crate::imap::message::{Flag, Uid, UidSet};
use crate::wire::command::append::{Append, Message as NewMessage, MessageData};
use crate::wire::command::store::{Copy, Store, StoreAction};
use crate::wire::command::{FlagList, SetArg, StringForm};

impl From<NoSuchMessage> for Refused {
    fn from(_: NoSuchMessage) -> Self {
        Self::bad("there is no message of that number")
    }
}

impl Session {
    pub(super) fn store(&mut self, store: &Store, by_uid: bool) -> Outcome {
        if store.unchanged_since.is_some() {
            return Err(Refused::bad("no modifiers are supported here"));
        }
        self.writable()?;
        let State::Selected(account, view) = &mut self.state else { return DONE };
        let messages = view.resolve(&store.set.set, by_uid)?;
        let out = &mut self.out;
        let missed = account.change(|mailboxes| {
            let Some(mailbox) = mailboxes.by_id_mut(view.mailbox) else { return Ok::<bool, Refused>(true) };
            let given = flags_of(Some(&store.flags), mailbox)?;
            let mut missed = false;
            let mut changed = Vec::new();
            for numbered in messages {
                match store_one(view, mailbox, numbered, store, &given) {
                    Some(true) => changed.push(numbered),
                    Some(false) => {}
                    None => missed = true,
                }
            }
            view.announce_keywords(mailbox, out);
            for numbered in changed {
                answer_store(out, view, mailbox, numbered, by_uid);
            }
            Ok(missed)
        })?;
        if missed && !by_uid {
            return Err(Refused::no("[EXPUNGEISSUED] some of the messages are gone"));
        }
        DONE
    }

    /// COPY, and MOVE, which is not half done: all copies are there before anything goes.
    pub(super) fn copy(&mut self, copy: &Copy<'_>, by_uid: bool, and_remove: bool) -> Outcome {
        let target = mailbox_name(&copy.mailbox)?;
        let (account, view) = if and_remove { self.writable()? } else { self.selected()? };
        let messages = view.resolve(&copy.set.set, by_uid)?;
        let code = account.change(|mailboxes| {
            let source = mailboxes.by_id(view.mailbox).ok_or(Refused::no("the selected mailbox is gone"))?;
            let found: Vec<&Message> = messages.iter().filter_map(|numbered| source.message(numbered.uid)).collect();
            let from: UidSet = found.iter().map(|message| message.uid).collect();
            let deliveries: Vec<Delivery> = found.into_iter().map(delivery).collect();
            if !by_uid && deliveries.len() < messages.len() {
                return Err(Refused::no("[EXPUNGEISSUED] some of the messages are gone"));
            }
            let to = mailboxes.by_name_mut(&target).ok_or(Refused::no("[TRYCREATE] no such mailbox"))?;
            let validity = to.uid_validity;
            let to: UidSet = deliveries.into_iter().map(|delivery| to.push(delivery)).collect();
            if let Some(source) = mailboxes.by_id_mut(view.mailbox).filter(|_| and_remove) {
                source.expunge(|message| from.contains(message.uid));
            }
            Ok((!from.is_empty()).then(|| format!("[COPYUID {validity} {from} {to}]")))
        })?;
        match code {
            None => Ok("there is nothing of that number".into()),
            Some(code) if and_remove => {
                put(&mut self.out, format_args!("* OK {code} moved\r\n"));
                DONE
            }
            Some(code) => Ok(format!("{code} copied").into()),
        }
    }

    /// EXPUNGE, and UID EXPUNGE, which goes no further than its set (RFC 4315 §2.1).
    pub(super) fn expunge(&mut self, set: Option<&SetArg>) -> Outcome {
        let (account, view) = self.writable()?;
        let only: Option<BTreeSet<Uid>> = match set {
            Some(set) => Some(view.resolve(&set.set, true)?.into_iter().map(|numbered| numbered.uid).collect()),
            None => None,
        };
        account.change(|mailboxes| {
            if let Some(mailbox) = mailboxes.by_id_mut(view.mailbox) {
                mailbox.expunge(|message| {
                    message.has(&Flag::Deleted) && only.as_ref().is_none_or(|only| only.contains(&message.uid))
                });
            }
        });
        DONE
    }

    pub(super) fn append(&mut self, append: &Append<'_>) -> Outcome {
        let name = mailbox_name(&append.mailbox)?;
        self.account()?.change(|mailboxes| {
            let mailbox = mailboxes.by_name_mut(&name).ok_or(Refused::no("[TRYCREATE] no such mailbox"))?;
            let new = append.messages.iter().map(|message| new_message(message, mailbox));
            let new = new.collect::<Result<Vec<Delivery>, Refused>>()?;
            let uids: UidSet = new.into_iter().map(|delivery| mailbox.push(delivery)).collect();
            Ok(format!("[APPENDUID {} {uids}] appended", mailbox.uid_validity).into())
        })
    }
}

/// Changes the flags of one message. Must the client be told them? `None` if the message is gone.
fn store_one(
    view: &mut View,
    mailbox: &mut Mailbox,
    numbered: Numbered,
    store: &Store,
    given: &BTreeSet<Flag>,
) -> Option<bool> {
    let message = mailbox.message(numbered.uid)?;
    let flags = match store.action {
        StoreAction::Replace => given.clone(),
        StoreAction::Add => message.flags.union(given).cloned().collect(),
        StoreAction::Remove => message.flags.difference(given).cloned().collect(),
    };
    // A silent STORE still tells what others have changed meanwhile (RFC 3501 §6.4.6).
    let silent = store.silent && view.knows_flags(message);
    if let Some(stamp) = mailbox.set_flags(numbered.uid, flags)
        && silent
    {
        view.flags_told(numbered.uid, stamp);
    }
    Some(!silent)
}

fn answer_store(out: &mut Vec<u8>, view: &mut View, mailbox: &Mailbox, numbered: Numbered, by_uid: bool) {
    let Some(message) = mailbox.message(numbered.uid) else { return };
    put(out, format_args!("* {} FETCH (", numbered.seq));
    if by_uid {
        put(out, format_args!("UID {} ", numbered.uid));
    }
    write_flags(out, message, view.is_recent(numbered.uid));
    out.extend_from_slice(b")\r\n");
    view.flags_told(numbered.uid, message.stamp);
}

/// The flags of a command. Case does not make another keyword: one that is in use keeps its spelling.
fn flags_of(list: Option<&FlagList>, mailbox: &Mailbox) -> Result<BTreeSet<Flag>, Refused> {
    let in_use = mailbox.keywords();
    let known =
        |name: &str| in_use.iter().find(|flag| flag.name().eq_ignore_ascii_case(name)).map(|flag| (*flag).clone());
    let flags = list.into_iter().flat_map(|list| &list.flags).map(|arg| match &arg.flag {
        Flag::Keyword(name) => Ok(known(name).unwrap_or_else(|| arg.flag.clone())),
        Flag::Any | Flag::Recent | Flag::Extension(_) => Err(Refused::bad("there is no such system flag")),
        Flag::Seen | Flag::Answered | Flag::Flagged | Flag::Deleted | Flag::Draft => Ok(arg.flag.clone()),
    });
    flags.collect()
}

fn delivery(message: &Message) -> Delivery {
    Delivery { flags: message.flags.clone(), date: message.date.clone(), mail: Arc::clone(&message.mail) }
}

fn new_message(message: &NewMessage<'_>, mailbox: &Mailbox) -> Result<Delivery, Refused> {
    let octets = match &message.data {
        MessageData::Literal(text) if matches!(text.form, StringForm::Literal { binary: false, .. }) => &text.octets,
        MessageData::Literal(_) | MessageData::Utf8(_) | MessageData::Catenate(_) => {
            return Err(Refused::bad("only plain messages can be appended"));
        }
    };
    if memchr::memchr(0, octets).is_some() {
        return Err(Refused::no("a message holds no NUL")); // RFC 9051 §9 CHAR8
    }
    let date = match &message.date {
        Some(text) => {
            let text = text.as_str().unwrap_or_default().trim_start();
            let date = ZonedDateTime::strptime("%d-%b-%Y %H:%M:%S %z", text);
            date.map_err(|_| Refused::bad("there is no such date"))?
        }
        None => ZonedDateTime::now(),
    };
    Ok(Delivery { flags: flags_of(message.flags.as_ref(), mailbox)?, date, mail: Arc::new(Mail::new(octets)) })
}
