//! One line of a log as those who read it see it.
//!
//! ```text
//!   {"v":1,"seq":4, … ,"type":"message.read", … ,"user":"ann", … ,"data":{"intent":3, … }}
//!    └──────────────────── Line, borrowed from the bytes ────────────────────┘ └─ data: read by who needs it
//! ```
//!
//! Fields that are not named here pass, so that a log may say more than this version knows.

mod quick;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use super::chain::{Hash, Position};
use super::record::SCHEMA;

/// A record that is read.
#[derive(Debug, PartialEq, serde::Deserialize)]
pub struct Line<'l> {
    pub(super) v: u64,
    /// Number of the record.
    pub seq: u64,
    pub(super) prev: &'l str,
    /// Id of the chain.
    #[serde(borrow)]
    pub log: Cow<'l, str>,
    /// Host name.
    #[serde(borrow)]
    pub node: Cow<'l, str>,
    /// Wall clock. Order is by `seq`, never by this.
    pub ts: &'l str,
    /// Dotted type.
    #[serde(rename = "type")]
    pub type_name: &'l str,
    /// Its code.
    pub code: &'l str,
    /// Session id.
    #[serde(borrow)]
    pub sid: Option<Text<'l>>,
    /// Ordinal of the command in its session.
    pub cmd: Option<u32>,
    /// The command.
    #[serde(borrow)]
    pub verb: Option<Text<'l>>,
    /// `intent`, `done` or `refused`.
    pub stage: Option<&'l str>,
    /// Whose mail.
    #[serde(borrow)]
    pub user: Option<Text<'l>>,
    /// Who proved an identity, where it is somebody else.
    #[serde(borrow)]
    pub actor: Option<Text<'l>>,
    /// The proxy's own credential that was used.
    #[serde(borrow)]
    pub credential: Option<Text<'l>>,
    /// The client's address.
    #[serde(borrow)]
    pub client_ip: Option<Text<'l>>,
    /// Name of the listener.
    #[serde(borrow)]
    pub listener: Option<Text<'l>>,
    /// Name of the upstream.
    #[serde(borrow)]
    pub upstream: Option<Text<'l>>,
    /// The mailbox.
    #[serde(borrow)]
    pub mailbox: Option<Mailbox<'l>>,
    /// What the rules said.
    #[serde(borrow)]
    pub policy: Option<Policy<'l>>,
    /// How it ended.
    #[serde(borrow)]
    pub result: Option<Outcome<'l>>,
    /// Command complete to tagged response, in microseconds.
    pub lat_us: Option<u64>,
    /// Is it continued in the next record of its command?
    #[serde(default)]
    pub more: bool,
    /// What the type says, as JSON.
    #[serde(borrow, default, deserialize_with = "as_written")]
    pub data: Option<&'l str>,
    /// Which of the fields are hashes, as JSON.
    #[serde(borrow, default, deserialize_with = "as_written")]
    pub(super) hashed: Option<&'l str>,
    #[serde(skip)]
    pub(super) facts: Facts<'l>,
}

/// The mailbox that a record is about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Mailbox<'l> {
    /// Canonical UTF-8 name.
    #[serde(borrow)]
    pub name: Cow<'l, str>,
    /// UIDVALIDITY, where known.
    pub uidv: Option<u32>,
}

/// What the rules said.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Policy<'l> {
    /// Revision of the rules.
    #[serde(borrow)]
    pub rev: Cow<'l, str>,
    /// `allowed`, `narrowed`, `hidden`, `refused` or `limited`.
    pub verdict: &'l str,
    /// Rules that took something.
    #[serde(borrow, default)]
    pub by: Vec<Text<'l>>,
    /// Rules in shadow that would have.
    #[serde(borrow, default)]
    pub shadow: Vec<Text<'l>>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Outcome<'l> {
    /// `OK`, `NO`, `BAD`, `BYE` or `CUT`.
    pub status: &'l str,
    /// Response code.
    #[serde(borrow)]
    pub code: Option<Text<'l>>,
}

/// A text, borrowed where it is written without escapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'l>(pub Cow<'l, str>);

impl Text<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'l, 'l> Deserialize<'de> for Text<'l> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Borrowing)
    }
}

fn as_written<'de: 'l, 'l, D: Deserializer<'de>>(from: D) -> Result<Option<&'l str>, D::Error> {
    <&RawValue>::deserialize(from).map(|data| Some(data.get()))
}

/// Of `data`, what bears on whether the log is whole.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Facts<'l> {
    pub intent: Option<u64>,
    #[serde(borrow)]
    pub reason: Option<Text<'l>>,
    pub segment: Option<u64>,
    pub records: Option<u64>,
    pub torn: Option<u64>,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub n: Option<u64>,
    #[serde(borrow)]
    pub hash: Option<Text<'l>>,
    #[serde(borrow)]
    pub by_type: Option<BTreeMap<Text<'l>, u64>>,
}

/// Of a done, this alone.
#[derive(serde::Deserialize)]
struct Announced {
    intent: Option<u64>,
}

impl<'l> Facts<'l> {
    /// What the `data` of a line says of it.
    fn of(line: &Line<'l>, data: &'l str) -> serde_json::Result<Self> {
        if line.type_name.starts_with("audit.") {
            serde_json::from_str(data)
        } else if line.stage == Some("done") {
            serde_json::from_str(data).map(|Announced { intent }| Self { intent, ..Self::default() })
        } else {
            serde_json::from_str::<de::IgnoredAny>(data).map(|_| Self::default())
        }
    }
}

/// Two letters, three digits, and how bad it is.
fn is_code(code: &str) -> bool {
    matches!(code.as_bytes(), [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'I' | b'W' | b'E'])
}

/// Why a line is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotARecord {
    /// It says that it is of another version of the schema.
    Version(u64),
    /// It says nothing that could be understood.
    Unreadable,
}

/// As much of a line as any version will have.
#[derive(serde::Deserialize)]
struct AnyVersion {
    v: u64,
}

impl<'l> Line<'l> {
    /// Reads a line, given without its `\n`.
    ///
    /// # Errors
    /// Where it is no record of this version.
    pub fn parse(bytes: &'l [u8]) -> Result<Self, NotARecord> {
        match Self::parsed(bytes) {
            Ok(line) if line.v == SCHEMA && is_code(line.code) => Ok(line),
            _ => Err(match serde_json::from_slice(bytes) {
                Ok(AnyVersion { v }) if v > SCHEMA => NotARecord::Version(v),
                _ => NotARecord::Unreadable,
            }),
        }
    }

    fn parsed(bytes: &'l [u8]) -> serde_json::Result<Self> {
        // Looked at once, as a whole: no string of it needs to be again.
        let text = std::str::from_utf8(bytes).map_err(de::Error::custom)?;
        match quick::line(text) {
            Some(line) => Ok(line),
            None => Self::parsed_as_any(text),
        }
    }

    /// In whatever order its fields stand.
    pub(super) fn parsed_as_any(text: &'l str) -> serde_json::Result<Self> {
        let mut line = serde_json::from_str::<Self>(text)?;
        if let Some(data) = line.data {
            line.facts = Facts::of(&line, data)?;
        }
        Ok(line)
    }

    /// Reads what the type says; `None` where it says nothing, or something else.
    #[must_use]
    pub fn data<T: Deserialize<'l>>(&self) -> Option<T> {
        serde_json::from_str(self.data?).ok()
    }

    /// JSON pointers of the fields that are hashes; none for most logs.
    #[must_use]
    pub fn hashed(&self) -> Vec<Text<'l>> {
        self.hashed.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
    }

    /// Number of the record that announced this one.
    #[must_use]
    pub fn intent(&self) -> Option<u64> {
        self.facts.intent
    }

    /// Does it open a log that was left without a close, or begin one: what was under way before it never ends?
    #[must_use]
    pub fn is_new_start(&self) -> bool {
        self.type_name == "audit.open" && self.facts.reason.as_ref().is_none_or(|reason| reason.0 != "rotate")
    }

    /// The hash that it names.
    pub(super) fn prev(&self) -> Option<Hash> {
        self.prev.parse().ok()
    }

    /// Is this what comes next? A jump in numbers has to be named by the record behind it.
    pub(super) fn follows(&self, position: Position) -> bool {
        self.prev() == Some(position.prev) && (self.seq == position.next_seq || self.names_gap(position.next_seq))
    }

    /// Does it say that the numbers from `first` up to its own were lost?
    pub(super) fn names_gap(&self, first: u64) -> bool {
        self.type_name == "audit.gap"
            && self.seq > first
            && self.facts.first == Some(first)
            && self.facts.last == self.seq.checked_sub(1)
            && self.facts.n == self.seq.checked_sub(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record() {
        for (name, line, expected) in [
            ("newer", r#"{"v":2,"number":1}"#, NotARecord::Version(2)),
            ("older", r#"{"v":0}"#, NotARecord::Unreadable),
            ("other JSON", r#"{"a":1}"#, NotARecord::Unreadable),
            ("no JSON", "\u{1}\u{2}", NotARecord::Unreadable),
            ("behind the end", r#"{"v":2} x"#, NotARecord::Unreadable),
        ] {
            assert_eq!(Line::parse(line.as_bytes()).err(), Some(expected), "{name}");
        }
    }

    #[test]
    fn texts_are_borrowed_unless_they_have_escapes() {
        let line = br#"{"v":1,"seq":4,"prev":"x","log":"l","node":"n","ts":"t","type":"message.read","code":"MS101I","later":[{"a":null}],"stage":"done","user":"ann","mailbox":{"name":"a\"b","uidv":7,"id":"x"},"policy":{"rev":"9b1d02c4","verdict":"narrowed","by":["x"]},"data":{"intent":3,"n":1,"bytes":2}}"#;
        let line = Line::parse(line).expect("a record");
        assert!(matches!(&line.user, Some(Text(Cow::Borrowed("ann")))));
        assert_eq!(line.mailbox.as_ref().map(|mailbox| (&*mailbox.name, mailbox.uidv)), Some(("a\"b", Some(7))));
        assert_eq!((line.intent(), line.sid.is_none(), line.more), (Some(3), true, false));
        assert_eq!(line.policy.as_ref().map(|policy| policy.by.len()), Some(1));
    }
}
