//! NOTIFY (RFC 5465), and the mailboxes that it and ESEARCH (RFC 7377) can name without naming them one by one.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};

use super::fetch::{FetchItem, fetch_att};
use super::token::{Cursor, MailboxArg, Parsed, bounded, close, cut, expect, keyword, list1, mailbox, open, sp};

/// NOTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify<'f> {
    /// `NONE`
    Nothing,
    /// `SET`
    Set {
        /// Are STATUS responses wanted at once?
        status: bool,
        /// Which events of which mailboxes.
        groups: Vec<EventGroup<'f>>,
    },
}

/// Events of some mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup<'f> {
    /// Of which.
    pub mailboxes: MailboxFilter<'f>,
    /// Which; none for `NONE`.
    pub events: Vec<Event<'f>>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'f> {
    /// `MessageNew`, with what is to be sent of a new message in the selected mailbox.
    MessageNew(Vec<FetchItem<'f>>),
    /// Any other event of RFC 5465 §5, by its name.
    Other(&'static str),
}

/// Mailboxes, in words that stand for many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxFilter<'f> {
    /// `selected`
    Selected,
    /// `selected-delayed`
    SelectedDelayed,
    /// `inboxes`
    Inboxes,
    /// `personal`
    Personal,
    /// `subscribed`
    Subscribed,
    /// `subtree`: those named and all below them
    Subtree(Vec<MailboxArg<'f>>),
    /// `subtree-one`: those named and the level below them (RFC 7377 §2.2)
    SubtreeOne(Vec<MailboxArg<'f>>),
    /// `mailboxes`
    Mailboxes(Vec<MailboxArg<'f>>),
}

impl<'f> MailboxFilter<'f> {
    /// Those named.
    #[must_use]
    pub fn named(&self) -> &[MailboxArg<'f>] {
        match self {
            Self::Selected | Self::SelectedDelayed | Self::Inboxes | Self::Personal | Self::Subscribed => &[],
            Self::Subtree(list) | Self::SubtreeOne(list) | Self::Mailboxes(list) => list,
        }
    }

    /// Does it reach mailboxes that it does not name?
    #[must_use]
    pub const fn reaches_unnamed(&self) -> bool {
        !matches!(self, Self::Selected | Self::SelectedDelayed | Self::Mailboxes(_))
    }
}

/// ```abnf
/// notify          = "NOTIFY" SP (notify-set / notify-none)
/// notify-set      = "SET" [SP "STATUS"] SP event-groups
/// notify-none     = "NONE"
/// event-groups    = event-group *(SP event-group)
/// ```
pub(crate) fn notify(i: Cursor<'_>) -> Parsed<'_, Notify<'_>> {
    let status = map(opt(preceded(sp, keyword("STATUS"))), |status| status.is_some());
    let groups = preceded(sp, bounded(separated_list1(sp, event_group)));
    let set = map((status, groups), |(status, groups)| Notify::Set { status, groups });
    let none = value(Notify::Nothing, keyword("NONE"));
    expect("SET or NONE", alt((preceded(keyword("SET"), cut(set)), none))).parse(i)
}

/// `event-group = "(" filter-mailboxes SP events ")"`
fn event_group(i: Cursor<'_>) -> Parsed<'_, EventGroup<'_>> {
    let events = alt((list1(event), value(Vec::new(), keyword("NONE"))));
    map(delimited(open, (filter_mailboxes, sp, events), close), |(mailboxes, (), events)| EventGroup {
        mailboxes,
        events,
    })
    .parse(i)
}

/// ```abnf
/// filter-mailboxes = "selected" / "selected-delayed" / "inboxes" / "personal" / "subscribed" /
///                    "subtree" SP one-or-more-mailbox / "subtree-one" SP one-or-more-mailbox /
///                    "mailboxes" SP one-or-more-mailbox
/// one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"
/// ```
pub(crate) fn filter_mailboxes(i: Cursor<'_>) -> Parsed<'_, MailboxFilter<'_>> {
    let some = || cut(preceded(sp, alt((list1(mailbox), map(mailbox, |mailbox| vec![mailbox])))));
    let filter = alt((
        value(MailboxFilter::SelectedDelayed, keyword("selected-delayed")),
        value(MailboxFilter::Selected, keyword("selected")),
        value(MailboxFilter::Inboxes, keyword("inboxes")),
        value(MailboxFilter::Personal, keyword("personal")),
        value(MailboxFilter::Subscribed, keyword("subscribed")),
        map(preceded(keyword("subtree-one"), some()), MailboxFilter::SubtreeOne),
        map(preceded(keyword("subtree"), some()), MailboxFilter::Subtree),
        map(preceded(keyword("mailboxes"), some()), MailboxFilter::Mailboxes),
    ));
    expect("mailboxes", filter).parse(i)
}

/// ```abnf
/// event           = message-event / mailbox-event / user-event
/// message-event   = ("MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"]) / "MessageExpunge" / "FlagChange" /
///                   "AnnotationChange"
/// mailbox-event   = "MailboxName" / "SubscriptionChange" / "MailboxMetadataChange"
/// user-event      = "ServerMetadataChange"
/// ```
fn event(i: Cursor<'_>) -> Parsed<'_, Event<'_>> {
    let items = map(opt(preceded(sp, list1(fetch_att))), Option::unwrap_or_default);
    let other = |name| value(Event::Other(name), keyword(name));
    expect(
        "an event",
        alt((
            map(preceded(keyword("MessageNew"), items), Event::MessageNew),
            other("MessageExpunge"),
            other("FlagChange"),
            other("AnnotationChange"),
            other("MailboxName"),
            other("SubscriptionChange"),
            other("MailboxMetadataChange"),
            other("ServerMetadataChange"),
        )),
    )
    .parse(i)
}
