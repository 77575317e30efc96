//! What an event says of a log, of TLS, and of messages that were read.

use std::sync::Arc;

use super::ReadClass;
use crate::imap::message::{Uid, UidSet};

/// A log beside another, and its newest record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLog {
    /// Its id.
    pub log: Arc<str>,
    /// Number of the record.
    pub seq: u64,
    /// Hash of the record.
    pub hash: Arc<str>,
}

/// TLS with the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Cipher suite, as its IANA name.
    pub cipher: Box<str>,
    /// Server name that the client asked for.
    pub sni: Option<Box<str>>,
    /// SHA-256 of the client's certificate, in hex.
    pub client_cert_sha256: Option<Box<str>>,
}

/// Messages by class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCounts([u64; ReadClass::ALL.len()]);

impl ReadCounts {
    /// `n` more messages of this class.
    pub fn add(&mut self, class: ReadClass, n: u64) {
        let count = &mut self.0[class as usize];
        *count = count.saturating_add(n);
    }

    /// Messages of this class.
    #[must_use]
    pub fn of(&self, class: ReadClass) -> u64 {
        self.0[class as usize]
    }
}

/// Messages of one class below `preview`.
#[derive(Debug, Clone)]
pub struct ReadSet {
    /// `listed`, `searched` or `envelope`.
    pub class: ReadClass,
    /// Which; absent where the upstream never told a UID.
    pub uids: Option<UidSet>,
    /// How many.
    pub n: u64,
    /// Octets of strings of class preview and above: 0 for these.
    pub bytes: u64,
}

/// A message of which content was delivered.
#[derive(Debug, Clone)]
pub struct ReadMessage {
    /// Its UID; absent where the upstream never told it.
    pub uid: Option<Uid>,
    /// Class reached.
    pub class: ReadClass,
    /// Octets delivered.
    pub bytes: u64,
    /// RFC822.SIZE, where it was seen.
    pub size: Option<u64>,
    /// Part numbers and section texts (`1.1`, `TEXT`), where not the whole message.
    pub parts: Vec<Box<str>>,
    /// EMAILID, where it passed by.
    pub emailid: Option<Box<str>>,
    /// What its header says, as far as it passed by.
    pub hdr: Option<Box<HeaderFacts>>,
}

/// A message, or a part of one, of which another was put together (RFC 4469).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendSource {
    /// Its mailbox; or the URL as it stands, where that names no message that could be read.
    pub mailbox: Box<str>,
    /// UIDVALIDITY, where the URL says it.
    pub uidv: Option<u32>,
    /// Its UID.
    pub uid: Option<Uid>,
    /// The part, where it is not all of it.
    pub section: Option<Box<str>>,
}

/// What a message's header says. At level `metadata` only the Message-ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// Message-ID.
    pub message_id: Option<Box<str>>,
    /// From.
    pub from: Option<Box<str>>,
    /// To.
    pub to: Option<Box<str>>,
    /// Date, as written in the header.
    pub date: Option<Box<str>>,
    /// Subject, decoded.
    pub subject: Option<Box<str>>,
}
