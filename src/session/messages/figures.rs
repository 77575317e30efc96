//! The figures of STATUS: counted in a view, and said.

use crate::wire::command::folder::StatusKind;

use super::status::Visit;
use super::{Session, View};

/// What is counted.
#[derive(Debug)]
pub(super) struct Figures {
    pub messages: u64,
    pub uid_next: u32,
    pub uidvalidity: Option<u32>,
    pub unseen: Option<u64>,
    pub deleted: Option<u64>,
    pub recent: Option<u64>,
}

impl Session {
    /// What there is in the view that is looked at.
    pub(super) fn figures(&self, visit: &Visit) -> Option<Figures> {
        let view = self.view.as_ref()?;
        let here = visit.is_here();
        let shown = if here { view.messages.shown() } else { view.messages.visible() };
        let asks = |item| visit.items.contains(&item);
        Some(Figures {
            messages: shown.len(),
            uid_next: view.uid_next(),
            uidvalidity: match here {
                true => self.state.selected().and_then(|open| open.mailbox.uidv),
                false => view.asking.uidvalidity,
            },
            unseen: asks(StatusKind::Unseen).then(|| View::count(&view.asking.unseen, &shown)),
            deleted: asks(StatusKind::Deleted).then(|| View::count(&view.asking.deleted, &shown)),
            recent: asks(StatusKind::Recent).then(|| View::count(&view.recent, &shown)),
        })
    }

    /// `* STATUS x (MESSAGES 3)`. `None`: something that was asked for is not known.
    pub(super) fn status_line(&self, visit: &Visit, figures: &Figures) -> Option<Vec<u8>> {
        let mut out = b"* STATUS ".to_vec();
        let octets = visit.target.octets.as_deref().unwrap_or(visit.target.name.as_str().as_bytes());
        crate::wire::encode::astring(&mut out, octets, self.utf8_mode(), false);
        out.extend_from_slice(b" (");
        let mut first = true;
        for item in &visit.items {
            let number = match item {
                StatusKind::Messages => figures.messages,
                StatusKind::Recent => figures.recent?,
                StatusKind::UidNext => u64::from(figures.uid_next),
                StatusKind::UidValidity => u64::from(figures.uidvalidity?),
                StatusKind::Unseen => figures.unseen?,
                StatusKind::Deleted => figures.deleted?,
                StatusKind::Size
                | StatusKind::HighestModSeq
                | StatusKind::AppendLimit
                | StatusKind::MailboxId
                | StatusKind::DeletedStorage => continue,
            };
            let word = StatusKind::ALL.iter().find(|(kind, _)| kind == item).map_or("", |(_, word)| word);
            out.extend_from_slice(format!("{}{word} {number}", if first { "" } else { " " }).as_bytes());
            first = false;
        }
        out.extend_from_slice(b")\r\n");
        Some(out)
    }
}
