//! Who has read what the rules hide of this account, by an audit log.

use std::path::Path;

use super::{Mail, Preview};
use crate::app::holders::Holders;
use crate::audit::{Line, Seen, verify_and_see};
use crate::imap::mailbox::fold_text;
use crate::imap::message::Uid;
use crate::report::Coverage;
use crate::report::data::{ReadData, class_of};
use crate::report::filter::{Clients, Filter};

/// What a log says of it.
#[derive(Debug)]
pub struct Readers {
    /// Whoever holds some of it.
    pub holders: Holders,
    /// What the log covers.
    pub coverage: Coverage,
}

impl Readers {
    /// Goes through the log.
    #[must_use]
    pub fn of(preview: &Preview, audit: &Path) -> Self {
        let (mut clients, mut holders) = (Clients::default(), Holders::default());
        let user = fold_text(&preview.user);
        let mut see = |seen: Seen<'_>| {
            let line = seen.line;
            clients.learn(line);
            let is_theirs = line.user.as_ref().is_some_and(|user_then| fold_text(user_then.as_str()) == user);
            if line.type_name == "message.read" && line.stage == Some("done") && is_theirs {
                read(preview, line, clients.of(line).map(|client| &**client), &mut holders);
            }
            clients.forget(line);
        };
        let coverage = Coverage::of(&verify_and_see(audit, None, &mut see), &Filter::default());
        Self { holders, coverage }
    }
}

fn read(preview: &Preview, line: &Line<'_>, client: Option<&str>, holders: &mut Holders) {
    let (Some(data), Some(mailbox)) = (line.data::<ReadData<'_>>(), &line.mailbox) else { return };
    let folder = preview.folders.iter().find(|folder| folder.name.as_str() == &*mailbox.name);
    let Some(folder) = folder else { return };
    for message in &data.msgs {
        let class = class_of(message.cls);
        let uid = message.uid.and_then(Uid::new);
        // All of a hidden mailbox is; of another one what is hidden in it, if it is still the same mailbox.
        let of_mailbox = folder.by.iter().map(|hit| &hit.rule).filter(|_| !folder.visible);
        let hides =
            |mail: &&Mail| mail.uidvalidity.is_none() || mailbox.uidv.is_none() || mail.uidvalidity == mailbox.uidv;
        let mail = folder.mail.as_ref().filter(hides);
        let of_message = mail
            .into_iter()
            .flat_map(|mail| mail.by.iter().chain(&mail.shadow))
            .filter(|(_, uids)| uid.is_some_and(|uid| uids.contains(uid)));
        for rule in of_mailbox.chain(of_message.map(|(rule, _)| rule)) {
            holders.add(rule, line, client, message.uid.unwrap_or(0), class);
        }
    }
}
