//! What rules that hide messages say to those that a record says were read.
//!
//! The log has UIDs, sizes and, at level `headers`, From, To, Date and Subject. What a rule goes by and the log does not have is
//! undecidable; a message that was only listed is known by its UID alone.

use jiff::Timestamp;

use crate::audit::Text;
use crate::imap::message::{ReadClass, Uid};
use crate::policy::{Facts, MessageFilter, Needs};
use crate::report::data::{Hdr, Message, ReadData, class_of, set_of};

/// What comes of the messages of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Some would surely be hidden, by these.
    pub hidden_by: Vec<String>,
    /// Some may be.
    pub unsure: bool,
}

impl Reads {
    /// `hold` is told of each message whose content was delivered and that would be hidden: by which rule.
    pub fn judge(
        &mut self,
        data: &ReadData<'_>,
        filter: &MessageFilter,
        at: Timestamp,
        mut hold: impl FnMut(&str, u32, ReadClass),
    ) {
        for message in &data.msgs {
            let Some(uid) = message.uid.and_then(Uid::new) else {
                self.unsure = true;
                continue;
            };
            let (header, known) = told(message);
            let facts = Facts { size: message.size, header: header.as_deref(), ..Facts::of(uid) };
            self.take(&facts, &known, filter, at, |rule| hold(rule, uid.get(), class_of(message.cls)));
        }
        for uid in data.sets.iter().filter_map(|set| set.uids).flat_map(|uids| set_of(uids).iter().collect::<Vec<_>>())
        {
            self.take(&Facts::of(uid), &Needs::default(), filter, at, |_| {});
        }
    }

    fn take(
        &mut self,
        facts: &Facts<'_>,
        known: &Needs,
        filter: &MessageFilter,
        at: Timestamp,
        mut hold: impl FnMut(&str),
    ) {
        let Some(judgement) = filter.judge_partly(facts, known, at) else {
            self.unsure = true;
            return;
        };
        for rule in judgement.by.iter().filter_map(|number| filter.rules().get(usize::from(*number))) {
            hold(&rule.id);
            if !self.hidden_by.iter().any(|known| **known == *rule.id) {
                self.hidden_by.push(rule.id.to_string());
            }
        }
    }
}

/// The header as the record has it, and what is known by it.
fn told(message: &Message<'_>) -> (Option<Vec<u8>>, Needs) {
    let mut known = Needs { size: message.size.is_some(), ..Needs::default() };
    let Some(hdr) = &message.hdr else { return (None, known) };
    let fields = fields(hdr);
    known.fields = fields.iter().map(|(name, _)| (*name).into()).collect();
    let lines = fields.iter().map(|(name, text)| format!("{name}: {text}\r\n"));
    (Some(lines.collect::<String>().into_bytes()), known)
}

/// A record has so many octets of a text, more or less: longer ones were cut.
const CUT: usize = 250;

/// In order, as `Needs` has them. What was hashed or cut says nothing.
fn fields<'h>(hdr: &'h Hdr<'_>) -> Vec<(&'static str, &'h str)> {
    let all = [
        ("date", &hdr.date),
        ("from", &hdr.from),
        ("message-id", &hdr.message_id),
        ("subject", &hdr.subject),
        ("to", &hdr.to),
    ];
    let told = all.into_iter().filter_map(|(name, text)| Some((name, text.as_ref().map(Text::as_str)?)));
    told.filter(|(_, text)| !is_hash(text) && text.len() < CUT && !text.contains(['\r', '\n'])).collect()
}

/// `h:<key>:<22 characters>`; whoever writes such a subject is not believed.
fn is_hash(text: &str) -> bool {
    text.strip_prefix("h:").and_then(|rest| rest.rsplit_once(':')).is_some_and(|(_, hash)| hash.len() == 22)
}
