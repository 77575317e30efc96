//! What do the rules say to a request?
//!
//! ```text
//!   for each mailbox            what its role needs     must: refused without      soft: done with less without
//!   for each rule in force      what it takes of that   ────────▶ Hidden  >  Reserved  >  NoPerm  >  narrowed  >  allowed
//! ```
//!
//! Every rule takes its share, and what is left decides (contract: the table "without …", RFC 4314 §4). Hidden comes
//! first: what is hidden must be answered as what is absent, whatever else is forbidden.

use jiff::Timestamp;
use smallvec::SmallVec;

use super::bound::Bound;
use super::mailboxes::Names;
use super::request::{FlagChange, Request, Role, SpecialUse};
use super::rule::{Moving, Rule};
use super::standing::Standing;
use super::verdict::{Effect, Hits, Narrowing, Permit, Refusal, RefusalKind, Verdict};
use crate::imap::rights::{Right, Rights};

/// With none of them left a mailbox can only be read.
const CHANGING: Rights = Rights::of(&[Right::Seen, Right::Write, Right::Insert, Right::DeleteMessages, Right::Expunge]);

/// What it takes for a message to be gone for good.
const DELETING: Rights = Rights::of(&[Right::DeleteMessages, Right::Expunge]);

/// What a mailbox must not leave where messages are moved to by "organise".
const DESTROYING: Rights = Rights::of(&[Right::DeleteMessages, Right::Expunge, Right::DeleteMailbox]);

pub(super) fn decide(bound: &Bound, request: &Request<'_>, at: Timestamp) -> Verdict {
    Judge::new(bound, request, at).verdict()
}

pub(super) fn allowed() -> Verdict {
    Verdict::Allowed(Permit::new(Narrowing::default(), Hits::NONE, Hits::NONE))
}

/// Of the rights that a request needs, those that this rule takes. For explanations.
pub(super) fn rights_taken(bound: &Bound, request: &Request<'_>, at: Timestamp, rule: &Rule) -> Rights {
    let Some(rule) = bound.each(at).find(|standing| standing.id == rule.id) else { return Rights::NONE };
    let judge = Judge::new(bound, request, at);
    let taken = rule.taken();
    let of_mailboxes = judge.mailboxes.iter().map(|mailbox| {
        let covered = rule.covers(&mailbox.names);
        let needed = if covered { mailbox.must | mailbox.soft_under(&rule) } else { Rights::NONE };
        let moves = covered && mailbox.role == Role::MoveFrom && !judge.may_move_under(rule);
        let above = mailbox.above.as_ref().is_some_and(|above| rule.covers(above));
        let further = [(moves, DELETING), (above, Right::Create.into())];
        let further = further.into_iter().filter(|(is, _)| *is).fold(Rights::NONE, |all, (_, rights)| all | rights);
        taken & (needed | further)
    });
    let of_mailboxes = of_mailboxes.fold(Rights::NONE, |all, rights| all | rights);
    if judge.is_renamed_alike(rule) { of_mailboxes } else { taken }
}

/// What is left of the rights on the mailbox into which messages are moved, where "organise" or "tidy" would allow it
/// but for that mailbox.
pub(super) fn kept_where_moved(bound: &Bound, request: &Request<'_>, at: Timestamp, rule: &Rule) -> Option<Rights> {
    let rule = bound.each(at).find(|standing| standing.id == rule.id)?;
    let judge = Judge::new(bound, request, at);
    let from = judge.mailboxes.iter().find(|mailbox| mailbox.role == Role::MoveFrom)?;
    let to = judge.mailboxes.iter().find(|mailbox| mailbox.role == Role::MoveTo)?;
    let barred = rule.may_move() != Moving::Never && rule.covers(&from.names) && !judge.may_move_under(rule);
    barred.then(|| judge.kept_with(rule, to))
}

/// A mailbox that the request is about.
struct Mailbox<'t> {
    role: Role,
    names: Names<'t>,
    /// The one above, where that matters: a new name needs `k` there, too.
    above: Option<Names<'t>>,
    /// Without them it is refused.
    must: Rights,
    /// Without them less is done.
    soft: Rights,
    /// What enforced rules leave of both.
    kept: Rights,
}

/// What one rule takes of a request.
#[derive(Default)]
struct Takes {
    hides: bool,
    reserves: bool,
    /// `x`, because a name below may be hidden.
    withholds: bool,
    denies: bool,
    /// A right that is needed.
    rights: bool,
    /// And it does not go without.
    refuses: bool,
}

struct Judge<'j> {
    request: &'j Request<'j>,
    mailboxes: SmallVec<[Mailbox<'j>; 2]>,
    /// The rules that may be about them.
    rules: SmallVec<[Standing<'j>; 8]>,
}

impl<'j> Judge<'j> {
    fn new(bound: &'j Bound, request: &'j Request<'j>, at: Timestamp) -> Self {
        // Rules about the whole session do not ask which mailbox it is; `needs` asks whether INBOX is renamed.
        let ask = |role| bound.names_mailboxes() || role == Role::RenameFrom;
        let mailboxes = request.targets.iter().map(|(role, target)| {
            let names = if ask(*role) { Names::new(target) } else { Names::unread(target) };
            Mailbox::new(*role, names, request)
        });
        let mut mailboxes: SmallVec<[Mailbox<'j>; 2]> = mailboxes.collect();
        let rules =
            bound.about_any(mailboxes.iter().map(|mailbox| (&mailbox.names, mailbox.moves_what_is_below())), at);
        for rule in rules.iter().filter(|rule| rule.in_force && rule.is_enforced()) {
            for mailbox in &mut mailboxes {
                if rule.taken().intersects(mailbox.kept) && rule.covers(&mailbox.names) {
                    mailbox.kept = mailbox.kept & rule.kept();
                }
            }
        }
        Self { request, mailboxes, rules }
    }

    fn verdict(&self) -> Verdict {
        let (mut hidden, mut reserved, mut taken, mut shadow) = (Hits::NONE, Hits::NONE, Hits::NONE, Hits::NONE);
        let mut refused = self.has_no_flag_left();
        for &rule in &self.rules {
            let takes = self.takes(rule);
            if rule.is_enforced() {
                takes.hides.then(|| hidden.add_hiding(&rule));
                takes.reserves.then(|| reserved.add_hiding(&rule));
                takes.withholds.then(|| taken.add_hiding(&rule));
                takes.add_others(&rule, &mut taken);
                refused |= takes.withholds || takes.denies || takes.refuses;
            } else {
                (takes.hides || takes.reserves || takes.withholds).then(|| shadow.add_hiding(&rule));
                takes.add_others(&rule, &mut shadow);
            }
        }
        let refusal = |kind, by, shadow| Verdict::Refused(Refusal { kind, by, shadow });
        if !hidden.is_empty() {
            return refusal(RefusalKind::Hidden, hidden, shadow);
        }
        if !reserved.is_empty() {
            return refusal(RefusalKind::Reserved, reserved, shadow);
        }
        if refused {
            return refusal(RefusalKind::NoPerm, taken, shadow);
        }
        Verdict::Allowed(Permit::new(self.narrowing(), taken, shadow))
    }

    fn takes(&self, rule: Standing<'_>) -> Takes {
        let mut takes = Takes::default();
        for mailbox in &self.mailboxes {
            self.takes_of(rule, mailbox, &mut takes);
        }
        if rule.in_force && rule.deny.has(self.request.verb) {
            let of_session = rule.mailboxes.is_none() && self.mailboxes.is_empty();
            takes.denies = of_session || self.mailboxes.iter().any(|at| rule.covers(&at.names));
        }
        if rule.in_force && !self.is_renamed_alike(rule) {
            takes.denies |= !rule.deny.is_empty();
            takes.rights |= !rule.taken().is_empty();
            takes.refuses |= takes.rights;
        }
        takes
    }

    fn takes_of(&self, rule: Standing<'_>, mailbox: &Mailbox<'_>, takes: &mut Takes) {
        if rule.hiding().is_some() {
            if mailbox.is_new() {
                // Whether or not it is hidden at this hour: what is made now must not be found hidden then.
                takes.reserves |= rule.hides(&mailbox.names)
                    || mailbox.above.as_ref().is_some_and(|above| rule.hides(above))
                    || (mailbox.role == Role::RenameTo && rule.may_hide_below(&mailbox.names));
            } else {
                takes.hides |= rule.in_force && rule.hides(&mailbox.names);
                takes.withholds |= mailbox.loses_what_is_below()
                    && (rule.may_hide_below(&mailbox.names) || rule.may_hide_messages_from(&mailbox.names));
            }
        }
        if !rule.in_force {
            return;
        }
        let (taken, soft) = (rule.taken(), mailbox.soft_under(&rule));
        if taken.intersects(mailbox.must | soft) && rule.covers(&mailbox.names) {
            takes.rights = true;
            takes.refuses |= taken.intersects(mailbox.must);
        }
        if taken.contains(Right::Create) && mailbox.above.as_ref().is_some_and(|above| rule.covers(above)) {
            (takes.rights, takes.refuses) = (true, true);
        }
        if mailbox.role == Role::MoveFrom
            && taken.intersects(DELETING)
            && rule.covers(&mailbox.names)
            && !self.may_move_under(rule)
        {
            (takes.rights, takes.refuses) = (true, true);
        }
    }

    /// "organise" and "tidy": may messages be moved out although they may not be deleted? Only to where they are safe
    /// whenever this rule is in force.
    fn may_move_under(&self, rule: Standing<'_>) -> bool {
        let Some(to) = self.mailboxes.iter().find(|mailbox| mailbox.role == Role::MoveTo) else { return false };
        let emptied = to.names.special_use().intersects(SpecialUse::TRASH | SpecialUse::JUNK);
        match rule.may_move() {
            Moving::Never => return false,
            // Servers empty these.
            Moving::Organise if emptied => return false,
            Moving::Organise | Moving::Tidy => {}
        }
        let left = self.kept_with(rule, to);
        left.contains(Right::Insert) && !left.intersects(DESTROYING)
    }

    /// What is left of the rights on a mailbox whenever this rule is in force.
    fn kept_with(&self, rule: Standing<'_>, mailbox: &Mailbox<'_>) -> Rights {
        let lasting = |other: &Standing<'_>| {
            (other.is_enforced() || other.id == rule.id)
                && [0, rule.conditions].contains(&other.conditions)
                && other.outlasts(&rule, &mailbox.names)
        };
        let in_force = self.rules.iter().filter(|other| other.in_force);
        let covering = in_force.filter(|other| lasting(other) && other.covers(&mailbox.names));
        covering.fold(Rights::ALL, |left, other| left & other.kept())
    }

    /// Is the rule about everything that RENAME moves in the same way where it is moved to?
    fn is_renamed_alike(&self, rule: Standing<'_>) -> bool {
        let of = |role| self.mailboxes.iter().find(|mailbox| mailbox.role == role);
        let (Some(from), Some(to)) = (of(Role::RenameFrom), of(Role::RenameTo)) else { return true };
        rule.covers_alike(&from.names, &to.names)
    }

    /// STORE is refused when none of its flags may be set (RFC 4314 §4).
    fn has_no_flag_left(&self) -> bool {
        let flags = self.request.flags;
        self.mailboxes.iter().filter(|mailbox| mailbox.role == Role::Store).any(|mailbox| {
            let drops = mailbox.narrowing();
            let left = (flags.seen && !drops.drop_seen)
                || (flags.deleted && !drops.drop_deleted)
                || (flags.other && !drops.drop_other);
            drops.drops_flags() && !left
        })
    }

    fn narrowing(&self) -> Narrowing {
        self.mailboxes.iter().map(Mailbox::narrowing).fold(Narrowing::default(), |all, one| Narrowing {
            examine: all.examine | one.examine,
            peek: all.peek | one.peek,
            drop_seen: all.drop_seen | one.drop_seen,
            drop_deleted: all.drop_deleted | one.drop_deleted,
            drop_other: all.drop_other | one.drop_other,
            expunge_nothing: all.expunge_nothing | one.expunge_nothing,
        })
    }
}

impl<'t> Mailbox<'t> {
    fn new(role: Role, names: Names<'t>, request: &Request<'_>) -> Self {
        let (must, soft) = needs(role, &names, request);
        let above = if matches!(role, Role::Create | Role::RenameTo) { names.above() } else { None };
        Self { role, names, above, must, soft, kept: must | soft }
    }

    /// A name that is not there yet.
    fn is_new(&self) -> bool {
        matches!(self.role, Role::Create | Role::RenameTo)
    }

    /// Do rules about names below it matter, too?
    fn moves_what_is_below(&self) -> bool {
        self.loses_what_is_below() || self.role == Role::RenameTo
    }

    fn loses_what_is_below(&self) -> bool {
        matches!(self.role, Role::Delete | Role::RenameFrom)
    }

    fn lacks(&self, rights: Rights) -> bool {
        (self.soft - self.kept).intersects(rights)
    }

    /// The rights without which less is done, as far as this rule is concerned: to open a mailbox for reading only it
    /// takes that none of them is left.
    fn soft_under(&self, rule: &Rule) -> Rights {
        let some_left = self.role == Role::Select && (self.kept & rule.kept()).intersects(CHANGING);
        if some_left { Rights::NONE } else { self.soft }
    }

    fn narrowing(&self) -> Narrowing {
        let none = Narrowing::default();
        match self.role {
            Role::Select => Narrowing { examine: !self.kept.intersects(CHANGING), ..none },
            Role::Fetch => Narrowing { peek: self.lacks(Right::Seen.into()), ..none },
            Role::Close => Narrowing { expunge_nothing: self.lacks(Right::Expunge.into()), ..none },
            Role::Store | Role::AppendTo => Narrowing {
                drop_seen: self.lacks(Right::Seen.into()),
                drop_deleted: self.lacks(DELETING),
                drop_other: self.lacks(Right::Write.into()),
                ..none
            },
            Role::Examine
            | Role::Status
            | Role::Create
            | Role::Delete
            | Role::RenameFrom
            | Role::RenameTo
            | Role::Named
            | Role::Search
            | Role::Expunge
            | Role::CopyFrom
            | Role::CopyTo
            | Role::MoveFrom
            | Role::MoveTo
            | Role::ReplaceFrom
            | Role::Acl
            | Role::SetMetadata => none,
        }
    }
}

/// The rights that a role needs: without the first it is refused, without the second less is done.
fn needs(role: Role, names: &Names<'_>, request: &Request<'_>) -> (Rights, Rights) {
    let must = |right: Right| (Rights::from(right), Rights::NONE);
    match role {
        Role::Select => (Right::Read.into(), CHANGING),
        Role::Fetch if request.flags.seen => (Right::Read.into(), Right::Seen.into()),
        // MOVE asks for more, see `may_move_under`.
        Role::Examine | Role::Status | Role::Search | Role::Fetch | Role::CopyFrom | Role::MoveFrom => {
            must(Right::Read)
        }
        Role::Create | Role::RenameTo => must(Right::Create),
        Role::Delete => (DESTROYING, Rights::NONE),
        // RENAME of INBOX moves its messages away (RFC 9051 §6.3.6).
        Role::RenameFrom if names.is_inbox() => (DESTROYING, Rights::NONE),
        Role::RenameFrom => must(Right::DeleteMailbox),
        Role::Named => (Rights::NONE, Rights::NONE),
        Role::Store => (Rights::NONE, flag_rights(request)),
        Role::Expunge => must(Right::Expunge),
        Role::Close => (Rights::NONE, Right::Expunge.into()),
        Role::CopyTo | Role::MoveTo => must(Right::Insert),
        Role::AppendTo => (Right::Insert.into(), flag_rights(request)),
        Role::ReplaceFrom => (DELETING, Rights::NONE),
        Role::Acl => must(Right::Administer),
        Role::SetMetadata => must(Right::Write),
    }
}

/// `s` for `\Seen`, `t` for `\Deleted`, `w` for all others (RFC 4314 §4). `FLAGS` takes off what it does not name: it is
/// about all of them.
fn flag_rights(request: &Request<'_>) -> Rights {
    let flags = request.flags;
    let all = flags.change == FlagChange::Replace;
    let expunges = request.deleted_expunges && flags.deleted && flags.change != FlagChange::Remove;
    let of = |wanted: bool, right: Right| if wanted { Rights::from(right) } else { Rights::NONE };
    of(all || flags.seen, Right::Seen)
        | of(all || flags.deleted, Right::DeleteMessages)
        | of(all || flags.other, Right::Write)
        | of(expunges, Right::Expunge)
}

impl Takes {
    fn add_others(&self, rule: &Rule, hits: &mut Hits) {
        self.denies.then(|| hits.add(&rule.id, Effect::DenyCommands));
        self.rights.then(|| hits.add(&rule.id, Effect::Rights));
    }
}

impl Hits {
    fn add_hiding(&mut self, rule: &Rule) {
        rule.hiding().into_iter().for_each(|effect| self.add(&rule.id, effect));
    }
}

#[cfg(test)]
mod tests;
