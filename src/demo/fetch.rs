//! FETCH: one message after another, each as it is when its turn comes (RFC 3501 §6.4.5).
//!
//! ```text
//!   Fetching   3, 4, 7  (UID FLAGS BODY[])   ──fetch_next──▶   * 3 FETCH (UID 12 FLAGS (\Seen) BODY[] {310}␍␊…)
//! ```
//!
//! Between two messages the server may send what is there, so a mailbox of any size is never in memory twice.

use std::sync::Arc;

use jiff::ZonedDateTime;

use super::commands::{DONE, Outcome, Refused, Session, State};
use super::envelope;
use super::mime::Mail;
use super::section;
use super::store::{Mailbox, Message};
use super::structure;
use super::view::{Numbered, View, put, write_flags};
use crate::imap::message::Flag;
use crate::wire::command::{Fetch, FetchKind};

/// A FETCH that is being answered.
pub(super) struct Fetching<'c, 'f> {
    messages: std::vec::IntoIter<Numbered>,
    items: Vec<&'c FetchKind<'f>>,
    by_uid: bool,
    sets_seen: bool,
    /// Has a message gone that this client still counts?
    missed: bool,
}

impl Fetching<'_, '_> {
    /// How it ended. UIDs that are not there are no error; numbers that the client counts are (RFC 9051 §6.4.9, RFC 5530).
    pub fn outcome(&self) -> Outcome {
        if self.missed && !self.by_uid {
            return Err(Refused::no("[EXPUNGEISSUED] some of the messages are gone"));
        }
        DONE
    }
}

impl Session {
    pub fn fetch<'c, 'f>(&self, fetch: &'c Fetch<'f>, by_uid: bool) -> Result<Fetching<'c, 'f>, Refused> {
        let (_, view) = self.selected()?;
        if !fetch.modifiers.is_empty() {
            return Err(Refused::bad("no modifiers are supported here"));
        }
        let mut items = Vec::new();
        for item in &fetch.items {
            expand(&mut items, &item.kind)?;
        }
        let asks_uid = items.iter().any(|item| matches!(item, FetchKind::Uid));
        if by_uid && !asks_uid {
            items.insert(0, &FetchKind::Uid);
        }
        let sets_seen = fetch.sets_seen() && !view.read_only;
        let messages = view.resolve(&fetch.set.set, by_uid)?.into_iter();
        Ok(Fetching { messages, items, by_uid, sets_seen, missed: false })
    }

    /// Writes the response for one more message. `false` if there is none.
    pub fn fetch_next(&mut self, fetching: &mut Fetching<'_, '_>) -> bool {
        let Some(numbered) = fetching.messages.next() else { return false };
        let State::Selected(account, view) = &mut self.state else { return false };
        let seen = fetching.sets_seen
            && account.lock().by_id(view.mailbox).is_some_and(|mailbox| is_unseen(mailbox, numbered));
        let snapshot = if seen {
            account.change(|mailboxes| {
                let mailbox = mailboxes.by_id_mut(view.mailbox)?;
                set_seen(view, mailbox, numbered);
                Snapshot::take(view, mailbox, numbered)
            })
        } else {
            account.lock().by_id(view.mailbox).and_then(|mailbox| Snapshot::take(view, mailbox, numbered))
        };
        match snapshot {
            Some(snapshot) => snapshot.write(&mut self.out, &fetching.items, seen),
            None => fetching.missed = true,
        }
        true
    }
}

fn is_unseen(mailbox: &Mailbox, numbered: Numbered) -> bool {
    mailbox.message(numbered.uid).is_some_and(|message| !message.has(&Flag::Seen))
}

/// Sets `\Seen`. The response that follows tells the client, unless it missed an earlier change, too.
fn set_seen(view: &mut View, mailbox: &mut Mailbox, numbered: Numbered) {
    let Some(message) = mailbox.message(numbered.uid) else { return };
    let flags = message.flags.iter().cloned().chain([Flag::Seen]).collect();
    if let Some(stamp) = mailbox.set_flags(numbered.uid, flags) {
        view.flags_told(numbered.uid, stamp);
    }
}

/// Everything that can be asked of one message.
struct Snapshot {
    seq: usize,
    flags: Vec<u8>,
    uid: u32,
    date: ZonedDateTime,
    mail: Arc<Mail>,
}

impl Snapshot {
    fn take(view: &View, mailbox: &Mailbox, numbered: Numbered) -> Option<Self> {
        let message: &Message = mailbox.message(numbered.uid)?;
        let mut flags = Vec::new();
        write_flags(&mut flags, message, view.is_recent(numbered.uid));
        let (date, mail) = (message.date.clone(), Arc::clone(&message.mail));
        Some(Self { seq: numbered.seq, flags, uid: numbered.uid.get(), date, mail })
    }

    /// `* 12 FETCH (FLAGS (\Seen) …)`. Flags that this FETCH has changed are told, asked or not.
    fn write(&self, out: &mut Vec<u8>, items: &[&FetchKind<'_>], changed: bool) {
        put(out, format_args!("* {} FETCH ", self.seq));
        let mut before = b'(';
        let told = items.iter().any(|item| matches!(item, FetchKind::Flags));
        let flags = (changed && !told).then_some(&FetchKind::Flags);
        for item in items.iter().copied().chain(flags) {
            out.push(before);
            before = b' ';
            self.write_item(out, item);
        }
        out.extend_from_slice(b")\r\n");
    }

    fn write_item(&self, out: &mut Vec<u8>, item: &FetchKind<'_>) {
        let (mail, root) = (&*self.mail, self.mail.root());
        match item {
            FetchKind::Uid => put(out, format_args!("UID {}", self.uid)),
            FetchKind::Flags => out.extend_from_slice(&self.flags),
            FetchKind::InternalDate => put(out, format_args!("INTERNALDATE \"{}\"", date_time(&self.date))),
            FetchKind::Size => put(out, format_args!("RFC822.SIZE {}", mail.octets().len())),
            FetchKind::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                envelope::write(out, mail.header(root));
            }
            FetchKind::Body => {
                out.extend_from_slice(b"BODY ");
                structure::write(out, mail, root, false);
            }
            FetchKind::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                structure::write(out, mail, root, true);
            }
            FetchKind::Rfc822 => named_literal(out, "RFC822", mail.octets()),
            FetchKind::Rfc822Header => named_literal(out, "RFC822.HEADER", mail.header(root)),
            FetchKind::Rfc822Text => named_literal(out, "RFC822.TEXT", mail.body(root)),
            FetchKind::Section { section, partial } => {
                section::write_name(out, section, *partial);
                match section::octets(mail, section) {
                    Some(octets) => named_literal(out, "", section::part_of(&octets, *partial)),
                    None => out.extend_from_slice(b" NIL"),
                }
            }
            // Macros are expanded, and the rest was refused.
            FetchKind::All
            | FetchKind::Fast
            | FetchKind::Full
            | FetchKind::ModSeq
            | FetchKind::EmailId
            | FetchKind::ThreadId
            | FetchKind::SaveDate
            | FetchKind::Preview { .. }
            | FetchKind::Binary { .. }
            | FetchKind::BinarySize { .. }
            | FetchKind::Vendor(_) => {}
        }
    }
}

/// The items that one item stands for, none twice.
fn expand<'c, 'f>(items: &mut Vec<&'c FetchKind<'f>>, item: &'c FetchKind<'f>) -> Result<(), Refused> {
    const FULL: [&FetchKind<'_>; 5] =
        [&FetchKind::Flags, &FetchKind::InternalDate, &FetchKind::Size, &FetchKind::Envelope, &FetchKind::Body];
    let means: &[&'c FetchKind<'f>] = match item {
        FetchKind::Fast => &[FULL[0], FULL[1], FULL[2]],
        FetchKind::All => &[FULL[0], FULL[1], FULL[2], FULL[3]],
        FetchKind::Full => &FULL,
        FetchKind::Uid
        | FetchKind::Flags
        | FetchKind::InternalDate
        | FetchKind::Size
        | FetchKind::Envelope
        | FetchKind::Body
        | FetchKind::BodyStructure
        | FetchKind::Rfc822
        | FetchKind::Rfc822Header
        | FetchKind::Rfc822Text
        | FetchKind::Section { .. } => &[item],
        FetchKind::ModSeq
        | FetchKind::EmailId
        | FetchKind::ThreadId
        | FetchKind::SaveDate
        | FetchKind::Preview { .. }
        | FetchKind::Binary { .. }
        | FetchKind::BinarySize { .. }
        | FetchKind::Vendor(_) => return Err(Refused::bad("that FETCH item is not supported")),
    };
    for item in means {
        if !items.contains(item) {
            items.push(item);
        }
    }
    Ok(())
}

fn named_literal(out: &mut Vec<u8>, name: &str, octets: &[u8]) {
    put(out, format_args!("{name} "));
    structure::literal(out, octets);
}

/// ` 1-Feb-2024 09:30:00 +0100`: the day has two places (RFC 9051 §9 `date-day-fixed`).
pub(super) fn date_time(date: &ZonedDateTime) -> String {
    date.strftime("%e-%b-%Y %H:%M:%S %z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates() {
        let rows = [
            ("2024-02-01T09:30:00+01:00[+01:00]", " 1-Feb-2024 09:30:00 +0100"),
            ("2023-12-31T23:59:59-03:30[-03:30]", "31-Dec-2023 23:59:59 -0330"),
            ("2023-12-31T00:00:00Z[UTC]", "31-Dec-2023 00:00:00 +0000"),
        ];
        for (date, want) in rows {
            assert_eq!(date_time(&date.parse().unwrap()), want);
        }
    }
}
