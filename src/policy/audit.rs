//! `audit`: how much is recorded of what happens to mailboxes and messages.

/// What rules ask to be recorded, from the least to the most. Of several the highest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum AuditLevel {
    /// Nothing of what is allowed. Logins, refusals and limits are recorded all the same.
    None,
    /// Who did what to which message, and its Message-ID where that passes by.
    #[default]
    Metadata,
    /// Who it is from and to, its date and subject, too; and what was searched for.
    Headers,
}

impl AuditLevel {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::None, Self::Metadata, Self::Headers];

    /// As rule files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Metadata => "metadata",
            Self::Headers => "headers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::mailbox::MailboxName;
    use crate::policy::sample::{FRIDAY, ann, at, rules};
    use crate::policy::{Role, Target};

    #[test]
    fn the_highest_level_that_is_asked_for_holds() {
        let levels = "audit = \"none\"\n when.user = \"ann@*\"";
        let finance = "audit = \"headers\"\n mailbox = \"Finance/**\"";
        let office = "audit = \"none\"\n mailbox = \"Office\"";
        let rows: &[(&str, &[&str], &[&str], AuditLevel)] = &[
            ("no rule", &[], &["INBOX"], AuditLevel::Metadata),
            ("about everything", &[levels], &["INBOX"], AuditLevel::None),
            ("about no mailbox", &[levels], &[], AuditLevel::None),
            ("about somebody else", &["audit = \"none\"\n when.user = \"bob@*\""], &["INBOX"], AuditLevel::Metadata),
            ("about another mailbox", &[finance], &["INBOX"], AuditLevel::Metadata),
            ("about a mailbox, none is named", &[finance], &[], AuditLevel::Metadata),
            ("of two the highest", &[levels, finance], &["Finance/Q3"], AuditLevel::Headers),
            ("whatever their order", &[finance, levels], &["Finance/Q3"], AuditLevel::Headers),
            ("to where it is recorded", &[office], &["Office", "INBOX"], AuditLevel::Metadata),
            (
                "at other hours",
                &["audit = \"none\"\n when.time = { days = \"Sat\" }"],
                &["INBOX"],
                AuditLevel::Metadata,
            ),
            ("another effect says nothing", &["rights = \"lr\""], &["INBOX"], AuditLevel::Metadata),
        ];
        for (name, bodies, mailboxes, expected) in rows {
            let bound = rules(bodies).bind(&ann());
            let names: Vec<_> = mailboxes.iter().map(|name| MailboxName::new(name)).collect();
            let targets: Vec<_> = names.iter().map(|name| (Role::Select, Target::new(name))).collect();
            assert_eq!(bound.audit_level(&targets, at(FRIDAY)), *expected, "{name}");
        }
    }
}
