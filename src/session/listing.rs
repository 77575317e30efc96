//! LIST and what comes with it: answered from the view in filtered scope, and told with less where rules take rights.
//!
//! ```text
//!   a LIST "" % RETURN (STATUS (MESSAGES)) ─▶ * LIST … of what is visible, from the table
//!                                          ─▶ t7 STATUS "Archive" (MESSAGES) … of each that may be read ─▶ * STATUS …
//! ```
//!
//! No pattern of the client's goes up where rules hide.

use std::collections::VecDeque;

use std::time::Instant;

use crate::imap::mailbox::MailboxName;
use crate::imap::status::Status;
use crate::imap::verb::Verb;
use crate::policy::{Request, Role, Verdict};
use crate::rewrite::mailbox_data;
use crate::view::mailboxes::Query;
use crate::wire::command::folder::{StatusItem, StatusKind};
use crate::wire::command::{Args, Command};
use crate::wire::list::{List, ReturnKind, SelectKind};
use crate::wire::response;

use super::Session;
use super::effect::{Effect, Held, Own};
use super::event::{FaultReason, Note};
use super::in_flight::Entry;
use super::names::Resolved;
use super::refusal::Answer;
use super::told_status::OfCommand;

/// Commands for STATUS that are under way at once.
const AT_ONCE: usize = 8;

/// STATUS of mailboxes that a LIST named (RFC 5819): of one, and of those that wait behind it.
#[derive(Debug)]
pub(super) struct Statuses {
    pub(super) name: MailboxName,
    waiting: VecDeque<(MailboxName, Vec<u8>)>,
    pub(super) of: OfCommand,
}

/// The same of mailboxes in which messages may be hidden: they are counted here, one after the other.
#[derive(Default)]
struct Guarded {
    mailboxes: VecDeque<Resolved>,
    items: Vec<StatusKind>,
}

impl Session {
    /// LIST, LSUB, XLIST and NAMESPACE of a filtered session are answered from the view. Says whether it was one.
    pub(super) fn answer_from_view(&mut self, command: &Command<'_>, held: &mut Held, now: Instant) -> bool {
        let (mut out, mut guarded) = (Vec::new(), Guarded::default());
        match &command.args {
            Args::List(list) if !is_understood(list) => {
                self.bad_command(command.frame(), &Answer::Syntax, FaultReason::CommandSyntax, now);
                return true;
            }
            Args::List(list) => guarded = self.list_from_view(command.verb, list, held, &mut out, now),
            Args::None if command.verb == Verb::Namespace => self.write_namespaces(&mut out),
            _ => return false,
        }
        Answer::Completed(command.verb).write(&held.tag, &mut out);
        self.record_local_done(held, now);
        self.begin_listed_status(out, (held.cmd, held.verb), guarded.mailboxes, guarded.items, now);
        true
    }

    /// Writes the lines, and sends for what else is asked of the mailboxes in them: then they stand before the answer. What the
    /// upstream cannot be asked, since messages may be hidden there, comes back.
    fn list_from_view(
        &mut self,
        verb: Verb,
        list: &List<'_>,
        held: &mut Held,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Guarded {
        let word = match verb {
            Verb::Lsub => "LSUB",
            Verb::Xlist => "XLIST",
            _ => "LIST",
        };
        if list.asks_for_delimiter() && verb != Verb::Lsub {
            self.write_root(word, out);
            return Guarded::default();
        }
        let joined =
            |pattern: &crate::wire::command::MailboxArg<'_>| self.joined(list.reference.octets(), pattern.octets());
        let patterns: Vec<String> = list.patterns.iter().map(joined).collect();
        let selects = |kind| list.select.iter().flatten().any(|option| option.kind == kind);
        let returns = |kind| list.returns.iter().flatten().any(|option| option.kind == kind);
        let query = Query {
            patterns: &patterns,
            subscribed: selects(SelectKind::Subscribed) || verb == Verb::Lsub,
            special_use: selects(SelectKind::SpecialUse),
            recursive: selects(SelectKind::RecursiveMatch),
            say_subscribed: selects(SelectKind::Subscribed) || returns(ReturnKind::Subscribed),
            extended: list.select.is_some() || list.returns.is_some(),
            lsub: verb == Verb::Lsub,
        };
        let (lines, withheld) = self.listed(&query);
        for line in &lines {
            mailbox_data::write_list(out, word, line, self.utf8_mode());
        }
        let count = lines.len() as u64;
        let items = list.returns.iter().flatten().find_map(|option| match &option.kind {
            ReturnKind::Status(items) => Some(items.as_slice()),
            _ => None,
        });
        let mailboxes = lines.iter().filter_map(|line| line.mailbox).filter(|_| items.is_some());
        let mailboxes: Vec<Resolved> = mailboxes.map(|row| self.resolved_row(row)).collect();
        if let Effect::Listing { n, hidden, .. } = &mut held.effect {
            (*n, *hidden) = (count, withheld);
        }
        if withheld > 0 {
            self.note(Note::Hidden { messages: 0, mailboxes: withheld });
        }
        let mailboxes: Vec<Resolved> = mailboxes.into_iter().filter(|mailbox| self.may_ask_status(mailbox)).collect();
        let Some(items) = items.filter(|_| !mailboxes.is_empty()) else { return Guarded::default() };
        let (guarded, plain): (Vec<_>, Vec<_>) =
            mailboxes.into_iter().partition(|mailbox| self.guards_mailbox(mailbox));
        self.out.client().extend_from_slice(&std::mem::take(out));
        self.send_statuses(plain, items, (held.cmd, held.verb), now);
        Guarded { mailboxes: guarded.into(), items: items.iter().map(|item| item.kind).collect() }
    }

    /// Reference and pattern as one (RFC 3501 §6.3.8); octets that are no name match nothing.
    pub(super) fn joined(&self, reference: &[u8], pattern: &[u8]) -> String {
        let text = |octets: &[u8]| crate::wire::mailbox::decode_text(octets, self.utf8_mode()).ok();
        match (text(reference), text(pattern)) {
            (Some(reference), Some(pattern)) => reference + &pattern,
            _ => "\0".to_owned(),
        }
    }

    fn send_statuses(&mut self, mailboxes: Vec<Resolved>, items: &[StatusItem], of: OfCommand, now: Instant) {
        let items: Vec<&str> = items.iter().map(|item| word_of(item.kind)).collect();
        let items = items.join(" ");
        let mut chains: [VecDeque<(MailboxName, Vec<u8>)>; AT_ONCE] = Default::default();
        let lines = mailboxes.into_iter().filter_map(|mailbox| {
            let octets = mailbox.octets.as_deref()?;
            let mut line = b"STATUS ".to_vec();
            // What cannot be quoted is a name that no client could use either.
            crate::wire::encode::can_quote(octets, self.utf8_mode()).then_some(())?;
            crate::wire::encode::string(&mut line, octets, self.utf8_mode(), false);
            line.extend_from_slice(format!(" ({items})").as_bytes());
            Some((mailbox.name, line))
        });
        for (at, line) in lines.enumerate() {
            if let Some(chain) = chains.get_mut(at % AT_ONCE) {
                chain.push_back(line);
            }
        }
        for waiting in chains {
            self.next_status(waiting, of, now);
        }
    }

    /// Sends the first of these. Its answer sends the next.
    fn next_status(&mut self, mut waiting: VecDeque<(MailboxName, Vec<u8>)>, of: OfCommand, now: Instant) {
        let Some((name, line)) = waiting.pop_front() else { return };
        let serial = self.send_own(&line);
        let statuses = Box::new(Statuses { name, waiting, of });
        self.in_flight.push_front(Entry::own(serial, Own::Status(statuses), now));
    }

    /// One of [`Statuses`] is answered. A mailbox of which the upstream says nothing is left out (RFC 5819 §2); what it does
    /// not understand it would not have understood with LIST either.
    pub(super) fn status_answered(&mut self, statuses: Statuses, status: Option<Status>, now: Instant) {
        if status != Some(Status::Bad) {
            return self.next_status(statuses.waiting, statuses.of, now);
        }
        for entry in self.in_flight.iter_mut() {
            if let Effect::Local(line) = &mut entry.effect {
                let tag = line.split(|octet| *octet == b' ').next().unwrap_or_default().to_vec();
                line.clear();
                Answer::Syntax.write(&tag, line);
            }
        }
    }

    /// Is STATUS under way?
    pub(super) fn asks_status(&self) -> bool {
        let asks = |effect: &Effect| matches!(effect, Effect::Status { .. } | Effect::Own(Own::Status(_)));
        self.in_flight.iter().any(|entry| asks(&entry.effect))
    }

    /// Is it under way of this mailbox?
    pub(super) fn asks_status_of(&self, name: &MailboxName) -> bool {
        self.in_flight.iter().any(|entry| match &entry.effect {
            Effect::Status { mailbox, .. } => *mailbox.name == *name.as_str(),
            Effect::Own(Own::Status(statuses)) => statuses.name == *name,
            _ => false,
        })
    }

    fn may_ask_status(&self, mailbox: &Resolved) -> bool {
        let targets = [(Role::Status, self.target(mailbox))];
        matches!(self.bound.decide(&Request::new(Verb::Status, &targets), self.wall), Verdict::Allowed(_))
    }

    /// STATUS that comes with LIST (RFC 5819) tells only of mailboxes of which STATUS may be asked. What was asked by its name
    /// has been judged.
    pub(super) fn narrow_status(&mut self, response: &[u8], rest: usize) {
        let name = response::token(response, rest).and_then(|(name, _)| name.string());
        let mailbox = name.and_then(|octets| self.resolve_listed(&octets));
        let may = |mailbox: Resolved| self.asks_status_of(&mailbox.name) || self.may_ask_status(&mailbox);
        if !self.bound.restricts() || mailbox.is_some_and(may) {
            self.record_told_status(response, rest);
            self.out.client().extend_from_slice(response);
        }
    }

    /// MYRIGHTS, asked for or with LIST (RFC 8440), tells what rules have left of the rights.
    pub(super) fn narrow_myrights(&mut self, response: &[u8], rest: usize, now: Instant) {
        let asked = self.in_flight.iter().find_map(|entry| match &entry.effect {
            Effect::Acl { target: Some(target), .. } if entry.verb == Verb::MyRights => Some(target.clone()),
            _ => None,
        });
        let named = || response::token(response, rest).and_then(|(name, _)| self.resolve_listed(&name.string()?));
        let kept = asked.or_else(named).map(|target| self.bound.rights(&self.target(&target), self.wall).rights);
        match kept.and_then(|kept| mailbox_data::narrow_myrights(response, rest, kept)) {
            Some(line) => self.out.client().extend_from_slice(&line),
            None => self.filter_failed(now),
        }
    }
}

/// RECURSIVEMATCH has to have something that it is about (RFC 5258 §3), and what needs commands that are not offered is none.
fn is_understood(list: &List<'_>) -> bool {
    let selects = |kind| list.select.iter().flatten().any(|option| option.kind == kind);
    let recursive = selects(SelectKind::RecursiveMatch);
    let known = |kind: &ReturnKind<'_>| match kind {
        ReturnKind::Subscribed | ReturnKind::Children | ReturnKind::SpecialUse | ReturnKind::Status(_) => true,
        ReturnKind::MyRights | ReturnKind::Metadata(_) => false,
    };
    (!recursive || selects(SelectKind::Subscribed) || selects(SelectKind::SpecialUse))
        && list.returns.iter().flatten().all(|option| known(&option.kind))
}

fn word_of(kind: StatusKind) -> &'static str {
    StatusKind::ALL.iter().find(|(known, _)| *known == kind).map_or("MESSAGES", |(_, word)| word)
}
