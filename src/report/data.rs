//! What the `data` of a record says, whatever its type.
//!
//! Names mean the same in each type that has them, so one struct reads all. What this version does not know passes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::audit::Text;
use crate::imap::message::{ReadClass, Uid, UidSet};

/// `data`, borrowed from the line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Data<'l> {
    /// Number of the record that announced this one.
    pub intent: Option<u64>,
    /// Messages, as an IMAP set.
    pub uids: Option<&'l str>,
    /// Class that was asked for.
    pub want: Option<&'l str>,
    /// How many.
    pub n: Option<u64>,
    /// Octets.
    pub bytes: Option<u64>,
    /// Messages of the classes below `preview`.
    #[serde(borrow)]
    pub sets: Vec<Set<'l>>,
    /// Messages of the others.
    #[serde(borrow)]
    pub msgs: Vec<Message<'l>>,
    /// Names of search criteria.
    #[serde(borrow)]
    pub keys: Vec<Text<'l>>,
    /// Search terms.
    #[serde(borrow)]
    pub terms: Vec<Text<'l>>,
    /// Was content tested?
    pub content: bool,
    /// Messages found.
    pub hits: Option<u64>,
    /// Messages or names withheld.
    pub hidden: Option<u64>,
    /// Messages withheld, as an IMAP set.
    pub hidden_uids: Option<&'l str>,
    /// Messages in the mailbox.
    pub exists: Option<u64>,
    /// Opened for writing?
    pub rw: Option<bool>,
    /// What was done.
    #[serde(borrow)]
    pub op: Option<Text<'l>>,
    /// Flags.
    #[serde(borrow)]
    pub flags: Vec<Text<'l>>,
    /// Flags that rules took.
    #[serde(borrow)]
    pub dropped: Vec<Text<'l>>,
    /// Where messages went.
    #[serde(borrow)]
    pub dst: Option<Text<'l>>,
    /// UIDVALIDITY there.
    pub dst_uidv: Option<u32>,
    /// UIDs there.
    pub dst_uids: Option<&'l str>,
    /// Octets of a message.
    pub size: Option<u64>,
    /// UID of a message.
    pub uid: Option<u32>,
    /// UIDVALIDITY of its mailbox.
    pub uidv: Option<u32>,
    /// UID that REPLACE takes away.
    pub replaces: Option<u32>,
    /// Messages that it was put together from.
    #[serde(borrow)]
    pub sources: Vec<Source<'l>>,
    /// Header of a message.
    #[serde(borrow)]
    pub hdr: Option<Hdr<'l>>,
    /// How messages were expunged.
    #[serde(borrow)]
    pub how: Option<Text<'l>>,
    /// New name of a mailbox.
    #[serde(borrow)]
    pub to: Option<Text<'l>>,
    /// Who: an identifier, or the name of a token.
    #[serde(borrow)]
    pub who: Option<Text<'l>>,
    /// Rights named.
    #[serde(borrow)]
    pub rights: Option<Text<'l>>,
    /// Why.
    #[serde(borrow)]
    pub reason: Option<Text<'l>>,
    /// Who is kept out by a lock.
    #[serde(borrow, rename = "subject")]
    pub about: Option<Text<'l>>,
    /// When a lock ends.
    #[serde(borrow)]
    pub until: Option<Text<'l>>,
    /// By whom, or by what.
    #[serde(borrow)]
    pub by: Option<Text<'l>>,
    /// How long a session lasted.
    pub dur_ms: Option<u64>,
    /// Its commands.
    pub commands: Option<u64>,
    /// Octets from the client.
    #[serde(rename = "in")]
    pub octets_in: Option<u64>,
    /// Octets to the client.
    #[serde(rename = "out")]
    pub octets_out: Option<u64>,
    /// Messages by class.
    #[serde(borrow)]
    pub reads: BTreeMap<&'l str, u64>,
    /// Of a program.
    #[serde(borrow)]
    pub name: Option<Text<'l>>,
    /// Its version.
    #[serde(borrow)]
    pub version: Option<Text<'l>>,
    /// Its system.
    #[serde(borrow)]
    pub os: Option<Text<'l>>,
    /// Who makes it.
    #[serde(borrow)]
    pub vendor: Option<Text<'l>>,
    /// How somebody logs in.
    #[serde(borrow)]
    pub mech: Option<Text<'l>>,
    /// Groups that rules see.
    #[serde(borrow)]
    pub groups: Vec<Text<'l>>,
    /// Name of an upstream.
    #[serde(borrow)]
    pub upstream: Option<Text<'l>>,
    /// One of its servers.
    #[serde(borrow)]
    pub server: Option<Text<'l>>,
    /// `up` or `down`.
    #[serde(borrow)]
    pub state: Option<Text<'l>>,
    /// Port of the client.
    pub port: Option<u16>,
    /// TLS with the client.
    #[serde(borrow)]
    pub tls: Option<Tls<'l>>,
    /// Reference name of a LIST.
    #[serde(borrow, rename = "ref")]
    pub reference: Option<Text<'l>>,
    /// Its pattern.
    #[serde(borrow)]
    pub pattern: Option<Text<'l>>,
    /// Items of a STATUS.
    #[serde(borrow)]
    pub items: Vec<Text<'l>>,
    /// A rule.
    #[serde(borrow)]
    pub rule: Option<Text<'l>>,
    /// By which way the log was read.
    #[serde(borrow)]
    pub via: Option<Text<'l>>,
    /// With which tool.
    #[serde(borrow)]
    pub command: Option<Text<'l>>,
    /// What was asked for.
    #[serde(borrow)]
    pub filter: Option<Text<'l>>,
    /// What was shown.
    pub rows: Option<u64>,
    /// The case that it was for.
    #[serde(borrow)]
    pub case: Option<Text<'l>>,
    /// A limit that is no rule's.
    #[serde(borrow)]
    pub limit: Option<Text<'l>>,
    /// What it counts.
    #[serde(borrow)]
    pub kind: Option<Text<'l>>,
    /// Used so far.
    pub used: Option<u64>,
    /// Allowed.
    pub max: Option<u64>,
    /// What was done about it, or about a response.
    #[serde(borrow)]
    pub action: Option<Text<'l>>,
    /// Revision of the rules.
    #[serde(borrow)]
    pub rev: Option<Text<'l>>,
    /// How many rules.
    pub rules: Option<u64>,
    /// Problems of rules.
    #[serde(borrow)]
    pub problems: Vec<Text<'l>>,
    /// Whose fault.
    #[serde(borrow)]
    pub side: Option<Text<'l>>,
    /// Which response.
    #[serde(borrow)]
    pub response: Option<Text<'l>>,
    /// HTTP method, or a signal.
    #[serde(borrow)]
    pub method: Option<Text<'l>>,
    /// A route of the admin API.
    #[serde(borrow)]
    pub route: Option<Text<'l>>,
    /// On what.
    #[serde(borrow)]
    pub target: Option<Text<'l>>,
    /// First and last number of a gap.
    pub first: Option<u64>,
    /// The last.
    pub last: Option<u64>,
    /// Records of a segment.
    pub records: Option<u64>,
    /// Number of a segment.
    pub segment: Option<u64>,
    /// Sessions that are open.
    pub open: Option<u64>,
}

/// TLS with the client.
#[derive(Debug, Deserialize)]
pub struct Tls<'l> {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'l str,
    /// Cipher suite.
    #[serde(borrow)]
    pub cipher: Text<'l>,
    /// Name that the client asked for.
    #[serde(borrow)]
    pub sni: Option<Text<'l>>,
    /// SHA-256 of its certificate.
    #[serde(borrow)]
    pub client_cert_sha256: Option<Text<'l>>,
}

/// Of `message.read`, what was delivered: what reports over many records need, and no more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReadData<'l> {
    /// Messages, as an IMAP set, where it is an intent or a refusal.
    pub uids: Option<&'l str>,
    /// Class that was asked for.
    pub want: Option<&'l str>,
    /// Messages of the classes below `preview`.
    #[serde(borrow)]
    pub sets: Vec<Set<'l>>,
    /// Messages of the others.
    #[serde(borrow)]
    pub msgs: Vec<Message<'l>>,
}

/// Messages of one class below `preview`.
#[derive(Debug, Clone, Deserialize)]
pub struct Set<'l> {
    /// The class.
    pub cls: &'l str,
    /// Which, as an IMAP set.
    pub uids: Option<&'l str>,
    /// How many.
    pub n: u64,
}

/// A message of which content was delivered.
#[derive(Debug, Clone, Deserialize)]
pub struct Message<'l> {
    /// Its UID, where the upstream told it.
    pub uid: Option<u32>,
    /// Class reached.
    pub cls: &'l str,
    /// Octets delivered.
    pub bytes: u64,
    /// Octets of the whole message, where seen.
    pub size: Option<u64>,
    /// Parts.
    #[serde(borrow, default)]
    pub parts: Vec<Text<'l>>,
    /// EMAILID.
    #[serde(borrow)]
    pub emailid: Option<Text<'l>>,
    /// Header.
    #[serde(borrow)]
    pub hdr: Option<Hdr<'l>>,
}

/// A message, or a part of one, that is in another.
#[derive(Debug, Clone, Deserialize)]
pub struct Source<'l> {
    /// Its mailbox.
    #[serde(borrow)]
    pub mailbox: Text<'l>,
    /// UIDVALIDITY there.
    pub uidv: Option<u32>,
    /// Its UID.
    pub uid: Option<u32>,
}

/// What a message's header says, as far as the level of recording has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Hdr<'l> {
    /// Message-ID.
    #[serde(borrow)]
    pub message_id: Option<Text<'l>>,
    /// From.
    #[serde(borrow)]
    pub from: Option<Text<'l>>,
    /// To.
    #[serde(borrow)]
    pub to: Option<Text<'l>>,
    /// Date.
    #[serde(borrow)]
    pub date: Option<Text<'l>>,
    /// Subject.
    #[serde(borrow)]
    pub subject: Option<Text<'l>>,
}

/// A class by its word. What a later version calls otherwise counts as the whole message: never too little.
#[must_use]
pub fn class_of(word: &str) -> ReadClass {
    ReadClass::ALL.into_iter().find(|class| class.as_str() == word).unwrap_or(ReadClass::Full)
}

/// First and last of each run of an IMAP set, in the order written. What is no set is nothing.
pub fn runs_of(set: &str) -> impl Iterator<Item = (Uid, Uid)> + '_ {
    set.split(',').filter_map(|run| {
        let (first, last) = run.split_once(':').unwrap_or((run, run));
        Some((Uid::new(first.parse().ok()?)?, Uid::new(last.parse().ok()?)?))
    })
}

/// The members of an IMAP set.
#[must_use]
pub fn set_of(set: &str) -> UidSet {
    let mut uids = UidSet::new();
    runs_of(set).for_each(|(first, last)| uids.insert_run(first, last));
    uids
}

/// Is the UID in the set?
#[must_use]
pub fn has(set: Option<&str>, uid: u32) -> bool {
    set.is_some_and(|set| runs_of(set).any(|(first, last)| first.get() <= uid && uid <= last.get()))
}

impl Data<'_> {
    /// Is it about this message, by any of its UIDs in the record's own mailbox?
    #[must_use]
    pub fn names_uid(&self, uid: u32) -> bool {
        has(self.uids, uid)
            || self.uid == Some(uid)
            || self.replaces == Some(uid)
            || has(self.hidden_uids, uid)
            || self.sets.iter().any(|set| has(set.uids, uid))
            || self.msgs.iter().any(|message| message.uid == Some(uid))
    }

    /// Is it about the message with this Message-ID, as far as it was recorded?
    #[must_use]
    pub fn names_message_id(&self, id: &str) -> bool {
        let says = |hdr: &Hdr<'_>| hdr.message_id.as_ref().is_some_and(|said| same_id(said.as_str(), id));
        self.hdr.as_ref().is_some_and(says) || self.msgs.iter().any(|message| message.hdr.as_ref().is_some_and(says))
    }

    /// The highest class of content that it says was reached, or asked for where nothing was delivered.
    #[must_use]
    pub fn class(&self) -> Option<ReadClass> {
        let reached = self.sets.iter().map(|set| set.cls).chain(self.msgs.iter().map(|message| message.cls));
        let searched = (self.content && self.hits.unwrap_or(0) > 0).then_some(ReadClass::Searched);
        reached.chain(self.want).map(class_of).max().or(searched)
    }
}

/// Without the angle brackets around a Message-ID, which may be left out.
fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// Do both name the same message?
#[must_use]
pub fn same_id(said: &str, id: &str) -> bool {
    bare(said) == bare(id)
}

/// Could the JSON of a record name this Message-ID? A look that costs little, where most do not.
#[must_use]
pub fn may_name(json: &str, id: &str) -> bool {
    let id = bare(id);
    // Whatever is written with an escape is not looked for.
    let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    !is_plain || memchr::memmem::find(json.as_bytes(), id.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_by_uid_and_by_message_id() {
        let read = r#"{"intent":3,"n":4,"bytes":9,"sets":[{"cls":"envelope","uids":"7:9,12","n":4,"bytes":0}],
            "msgs":[{"uid":40,"cls":"part","bytes":9,"size":90,"cov":0.10,"parts":["1.1"],"later":true,
            "hdr":{"message_id":"<a@b>","subject":"x"}}]}"#;
        let data: Data<'_> = serde_json::from_str(read).expect("data");
        for (uid, there) in [(6, false), (7, true), (9, true), (10, false), (12, true), (40, true)] {
            assert_eq!(data.names_uid(uid), there, "{uid}");
        }
        for (id, there) in [("<a@b>", true), ("a@b", true), ("<a@c>", false)] {
            assert_eq!(data.names_message_id(id), there, "{id}");
        }
        for (id, may) in [("<a@b>", true), ("a@b", true), ("a@c", false), ("\"ä", true)] {
            assert_eq!(may_name(read, id), may, "{id}");
        }
        assert_eq!(data.class(), Some(ReadClass::Part));
        assert_eq!(set_of("1,5:7,x,0,9").to_string(), "1,5:7,9");
        assert_eq!(class_of("something newer"), ReadClass::Full);
    }
}
