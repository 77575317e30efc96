//! MESSAGE HEADERS → READINGS: what may a field be taken to say?
//!
//! ```text
//!   Subject: =?utf-8?q?Gr=C3=BC?= =?utf-8?b?w59l?=      grüße            one reading, sure
//!   Subject: =?x-none?q?Gr=FC=DFe?=                     grüße, gr��e …   several, and none is sure
//!   From: "ann@example.org" <eve@example.net>           the address is eve's, whatever the name says
//! ```
//!
//! Whoever sends a message writes its header as it suits them, and each reader decodes it in its own way. So a text is
//! looked for in every way in which a field may be read, and it is told whether they agree.
//!
//! Knows nothing of rules, mailboxes or IMAP, and never fails: what cannot be read is [`Found::Perhaps`].
//!
//! ```
//! use imapwarden::mail::{Found, Header, Needle};
//!
//! let header = Header::read(b"Subject: =?utf-8?q?s=65cret?=\r\n plans\r\n").unwrap();
//! let subject = header.fields("subject").next().unwrap();
//! assert_eq!(subject.text_has(&Needle::new("SECRET plans")), Found::Surely);
//! ```

mod address;
mod date;
mod fold;
mod header;
mod parameter;
mod punycode;
#[cfg(test)]
mod tests;
mod told;
mod word;

pub use fold::Needle;
pub use header::{Field, Header};
pub use told::{Told, header_end, message_id, told};

/// Is a text in a field?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// By no reading.
    Not,
    /// By some, or the field cannot be read.
    Perhaps,
    /// By every reading.
    Surely,
}
