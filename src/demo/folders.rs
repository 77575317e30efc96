//! Commands about mailboxes as wholes: SELECT, CREATE, DELETE, RENAME, SUBSCRIBE, STATUS.

use super::commands::{DONE, Outcome, Refused, Session, State, mailbox_name};
use super::incoming::MAX_MESSAGE;
use super::store::{Mailbox, Mailboxes};
use super::view::{View, put, write_all_flags};
use crate::imap::mailbox::MailboxName;
use crate::imap::message::Flag;
use crate::wire::command::folder::{Create, Open, Rename, StatusArgs, StatusItem, StatusKind};
use crate::wire::command::{MailboxArg, Utf8Mode};
use crate::wire::encode::astring;
use crate::wire::mailbox::encode;

/// Names deeper or longer than this are not taken.
const MAX_LEVELS: usize = 20;
const MAX_NAME: usize = 1000;

const NONEXISTENT: Refused = Refused::no("[NONEXISTENT] no such mailbox");
const ALREADY_EXISTS: Refused = Refused::no("[ALREADYEXISTS] there is a mailbox of that name");

impl Session {
    /// SELECT and EXAMINE. If they fail, nothing is selected (RFC 9051 §6.3.2).
    pub(super) fn open(&mut self, open: &Open<'_>, read_only: bool) -> Outcome {
        if !open.params.is_empty() {
            return Err(Refused::bad("no parameters are supported here"));
        }
        self.unselect();
        let name = mailbox_name(&open.mailbox)?;
        let account = self.account()?.clone();
        let view = {
            let mut mailboxes = account.lock();
            let mailbox = mailboxes.by_name_mut(&name).ok_or(NONEXISTENT)?;
            let view = View::open(mailbox, read_only);
            describe(&mut self.out, mailbox, &view);
            view
        };
        self.state = State::Selected(account, view);
        Ok(if read_only { "[READ-ONLY] EXAMINE completed" } else { "[READ-WRITE] SELECT completed" }.into())
    }

    /// CLOSE expunges without a word; after EXAMINE it does not (RFC 9051 §6.4.1).
    pub(super) fn close(&mut self) -> Outcome {
        if let Ok((account, view)) = self.writable() {
            account.change(|mailboxes| {
                if let Some(mailbox) = mailboxes.by_id_mut(view.mailbox) {
                    mailbox.expunge(|message| message.has(&Flag::Deleted));
                }
            });
        }
        self.unselect();
        DONE
    }

    pub(super) fn create(&mut self, create: &Create<'_>) -> Outcome {
        if !create.special_use.is_empty() {
            return Err(Refused::bad("no parameters are supported here"));
        }
        let name = new_name(&mailbox_name(&create.mailbox)?)?;
        self.account()?.change(|mailboxes| match mailboxes.by_name(&name) {
            Some(_) => Err(ALREADY_EXISTS),
            None => {
                mailboxes.create_path(&name);
                DONE
            }
        })
    }

    /// DELETE. What is below stays, and the name with it, as a level that cannot be selected (RFC 3501 §6.3.4).
    pub(super) fn delete(&mut self, mailbox: &MailboxArg<'_>) -> Outcome {
        let name = mailbox_name(mailbox)?;
        if name.is_inbox() {
            return Err(Refused::no("[CANNOT] INBOX stays"));
        }
        let gone = self.account()?.change(|mailboxes| match mailboxes.delete(&name) {
            Some(gone) => Ok(gone.id),
            None if mailboxes.has_children(&name) => Err(Refused::no("[HASCHILDREN] there are mailboxes below it")),
            None => Err(NONEXISTENT),
        })?;
        // A session that deletes the mailbox it is in has left it; others are told.
        if self.selected().is_ok_and(|(_, view)| view.mailbox == gone) {
            self.unselect();
        }
        DONE
    }

    pub(super) fn rename(&mut self, rename: &Rename<'_>) -> Outcome {
        let from = mailbox_name(&rename.from)?;
        let to = new_name(&mailbox_name(&rename.to)?)?;
        self.account()?.change(|mailboxes| {
            if mailboxes.by_name(&from).is_none() && !mailboxes.has_children(&from) {
                return Err(NONEXISTENT);
            }
            if to.is_below(&from) && !from.is_inbox() {
                return Err(Refused::no("[CANNOT] a mailbox cannot move below itself"));
            }
            if collides(mailboxes, &from, &to) {
                return Err(ALREADY_EXISTS);
            }
            mailboxes.rename(&from, &to);
            DONE
        })
    }

    pub(super) fn subscribe(&mut self, mailbox: &MailboxArg<'_>, on: bool) -> Outcome {
        let name = mailbox_name(mailbox)?;
        self.account()?.change(|mailboxes| {
            if !on {
                mailboxes.subscribed.remove(&name);
            } else if mailboxes.by_name(&name).is_some() {
                mailboxes.subscribed.insert(name);
            } else {
                return Err(NONEXISTENT);
            }
            DONE
        })
    }

    pub(super) fn status(&mut self, status: &StatusArgs<'_>) -> Outcome {
        let name = mailbox_name(&status.mailbox)?;
        let line = status_line(&self.account()?.lock(), &name, &status.items)?;
        self.out.extend_from_slice(&line);
        DONE
    }
}

/// `* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)`
pub(super) fn status_line(mailboxes: &Mailboxes, name: &MailboxName, items: &[StatusItem]) -> Result<Vec<u8>, Refused> {
    let mailbox = mailboxes.by_name(name).ok_or(NONEXISTENT)?;
    let mut line = b"* STATUS ".to_vec();
    write_name(&mut line, name);
    for (at, item) in items.iter().enumerate() {
        let (word, value) = status_item(mailbox, item.kind).ok_or(Refused::bad("that STATUS item is not supported"))?;
        put(&mut line, format_args!("{}{word} {value}", if at == 0 { " (" } else { " " }));
    }
    line.extend_from_slice(b")\r\n");
    Ok(line)
}

fn status_item(mailbox: &Mailbox, kind: StatusKind) -> Option<(&'static str, u64)> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Some(match kind {
        StatusKind::Messages => ("MESSAGES", count(mailbox.messages.len())),
        StatusKind::Recent => ("RECENT", count(mailbox.count(|message| message.uid.get() >= mailbox.recent_from))),
        StatusKind::UidNext => ("UIDNEXT", u64::from(mailbox.uid_next)),
        StatusKind::UidValidity => ("UIDVALIDITY", u64::from(mailbox.uid_validity)),
        StatusKind::Unseen => ("UNSEEN", count(mailbox.count(|message| !message.has(&Flag::Seen)))),
        StatusKind::Size => {
            ("SIZE", mailbox.messages.iter().map(|message| count(message.mail.octets().len())).sum::<u64>())
        }
        StatusKind::AppendLimit => ("APPENDLIMIT", MAX_MESSAGE),
        StatusKind::Deleted | StatusKind::HighestModSeq | StatusKind::MailboxId | StatusKind::DeletedStorage => {
            return None;
        }
    })
}

/// The name of a mailbox as an `astring`.
pub(super) fn write_name(out: &mut Vec<u8>, name: &MailboxName) {
    astring(out, &encode(name, Utf8Mode::Off, Some('/')), Utf8Mode::Off, false);
}

/// The untagged responses to SELECT (RFC 3501 §6.3.1).
fn describe(out: &mut Vec<u8>, mailbox: &Mailbox, view: &View) {
    put(out, format_args!("* {} EXISTS\r\n* {} RECENT\r\n", view.len(), view.recent()));
    write_all_flags(out, mailbox, view.read_only);
    let unseen = mailbox.messages.iter().zip(1..).find(|(message, _)| !message.has(&Flag::Seen));
    if let Some((_, seq)) = unseen {
        let seq: usize = seq;
        put(out, format_args!("* OK [UNSEEN {seq}] the first that is unseen\r\n"));
    }
    put(out, format_args!("* OK [UIDVALIDITY {}] UIDs are valid\r\n", mailbox.uid_validity));
    put(out, format_args!("* OK [UIDNEXT {}] the next UID\r\n", mailbox.uid_next));
}

/// The name of a mailbox that shall be: a delimiter at the end only says that others will be below it (RFC 9051 §6.3.4).
fn new_name(name: &MailboxName) -> Result<MailboxName, Refused> {
    let text = name.as_str().strip_suffix('/').unwrap_or(name.as_str());
    let levels = text.split('/');
    if levels.clone().any(str::is_empty) || text.contains(['%', '*']) {
        return Err(Refused::no("[CANNOT] no mailbox can have that name"));
    }
    if text.len() > MAX_NAME || levels.count() > MAX_LEVELS {
        return Err(Refused::no("[CANNOT] the name is too long"));
    }
    Ok(MailboxName::new(text))
}

/// Would anything that moves land on a mailbox that is there?
fn collides(mailboxes: &Mailboxes, from: &MailboxName, to: &MailboxName) -> bool {
    let target = |name: &MailboxName| {
        let below = name.as_str().strip_prefix(from.as_str())?;
        (name == from || (name.is_below(from) && !from.is_inbox())).then(|| MailboxName::new(&format!("{to}{below}")))
    };
    mailboxes.by_name(to).is_some()
        || mailboxes.iter().filter_map(|(name, _)| target(name)).any(|name| mailboxes.by_name(&name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_new_mailboxes() {
        let long = "x".repeat(MAX_NAME + 1);
        let deep = "x/".repeat(MAX_LEVELS + 1);
        let rows = [
            ("plain", "Work", Some("Work")),
            ("delimiter at the end", "Work/", Some("Work")),
            ("empty", "", None),
            ("delimiter alone", "/", None),
            ("empty level", "Work//Old", None),
            ("delimiter before", "/Work", None),
            ("wild", "Work*", None),
            ("long", &long, None),
            ("deep", &deep, None),
        ];
        for (what, name, want) in rows {
            let got = new_name(&MailboxName::new(name)).ok();
            assert_eq!(got.as_ref().map(MailboxName::as_str), want, "{what}");
        }
    }
}
