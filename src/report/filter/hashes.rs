//! What is asked for, in a log that holds hashes in place of it.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Filter, Pattern};
use crate::audit::{HashKey, HashedField};

/// Has it few enough addresses to look for each of them among hashes?
fn is_small(net: &IpNet) -> bool {
    net.max_prefix_len().saturating_sub(net.prefix_len()) <= 16
}

impl Filter {
    /// Looks for values also as a log has them that hashes them with this key.
    pub fn with_key(&mut self, key: &HashKey) {
        let patterns = [
            (HashedField::User, &mut self.user),
            (HashedField::User, &mut self.actor),
            (HashedField::Mailbox, &mut self.mailbox),
        ];
        for (field, patterns) in patterns {
            for pattern in patterns {
                pattern.hashed = pattern.literal.as_ref().map(|literal| key.hash(field, literal).into());
            }
        }
        let addresses =
            self.ip.iter().filter(|net| is_small(net)).filter_map(|net| net.subnets(net.max_prefix_len()).ok());
        let hash = |net: IpNet| key.hash(HashedField::ClientIp, &net.addr().to_string());
        self.hashed_ips = addresses.flatten().map(hash).collect();
        self.key = Some(key.id().into());
    }

    /// What is to be said of a filter over a log in which these are hashed; `None` where that does not touch it.
    #[must_use]
    pub fn on_hashes(&self, hashed: &BTreeSet<HashedField>) -> Option<String> {
        let vague = |patterns: &[Pattern]| patterns.iter().any(|pattern| !pattern.is_literal());
        let asked = [
            ("--user", HashedField::User, !self.user.is_empty(), vague(&self.user)),
            ("--actor", HashedField::User, !self.actor.is_empty(), vague(&self.actor)),
            ("--mailbox", HashedField::Mailbox, !self.mailbox.is_empty(), vague(&self.mailbox)),
            ("--ip", HashedField::ClientIp, !self.ip.is_empty(), self.ip.iter().any(|net| !is_small(net))),
        ];
        let touched: Vec<_> = asked.iter().filter(|(_, field, said, _)| *said && hashed.contains(field)).collect();
        let names = |which: &dyn Fn(bool) -> bool| {
            let names = touched.iter().filter(|(_, _, _, vague)| which(*vague)).map(|(name, ..)| *name);
            names.collect::<Vec<_>>().join(", ")
        };
        let (all, vague) = (names(&|_| true), names(&|vague| vague));
        match (&self.key, all.is_empty()) {
            (_, true) => None,
            (None, false) => {
                Some(format!("{all} may miss what is hashed here: name its key with --hash-key or --config"))
            }
            (Some(key), false) if vague.is_empty() => Some(format!("{all} also looked for as hashed with key {key}")),
            (Some(key), false) => Some(format!(
                "{all} also looked for as hashed with key {key}, but for patterns and large networks ({vague}): a hash is of one value"
            )),
        }
    }

    /// What is asked for, as `key=value` with blanks between; `?` for values of these, which a log of hashes must not hold.
    #[must_use]
    pub fn said(&self, secret: &BTreeSet<HashedField>) -> String {
        fn texts<'p>(key: &'static str, patterns: &'p [Pattern]) -> impl Iterator<Item = (&'static str, String)> + 'p {
            patterns.iter().map(move |pattern| (key, pattern.as_str().to_owned()))
        }
        let shown = |(key, value): (&str, String)| {
            let field = match key {
                "user" | "actor" => Some(HashedField::User),
                "mailbox" => Some(HashedField::Mailbox),
                "ip" => Some(HashedField::ClientIp),
                _ => None,
            };
            format!("{key}={}", if field.is_some_and(|field| secret.contains(&field)) { "?" } else { &value })
        };
        let said = texts("user", &self.user)
            .chain(texts("actor", &self.actor))
            .chain(texts("credential", &self.credential))
            .chain(texts("mailbox", &self.mailbox))
            .chain(self.uid.iter().map(|uid| ("uid", uid.to_string())))
            .chain(self.message_id.iter().map(|id| ("message_id", id.clone())))
            .chain(self.sid.iter().map(|sid| ("sid", sid.clone())))
            .chain(self.reference.iter().map(|reference| ("ref", reference.to_string())))
            .chain(self.ip.iter().map(|net| ("ip", net.to_string())))
            .chain(texts("client", &self.client))
            .chain(texts("type", &self.type_name))
            .chain(self.class.iter().map(|class| ("class", class.to_string())))
            .chain(texts("rule", &self.rule))
            .chain(self.verdict.iter().map(|verdict| ("verdict", verdict.clone())))
            .chain(self.since.iter().map(|since| ("since", since.clone())))
            .chain(self.until.iter().map(|until| ("until", until.clone())));
        said.map(shown).collect::<Vec<_>>().join(" ")
    }
}
