//! Which message does a URL name (RFC 5092; relative ones: RFC 4467 §3)?
//!
//! ```text
//!   imap://ann@mail.example.org/Sent%20items;UIDVALIDITY=7/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
//!   /Sent%20items/;UID=20                     on the same server
//!   ;UID=20/;SECTION=TEXT                     in the open mailbox
//! ```
//!
//! Read for records, which have to say rather too much than nothing: lenient, and no ground for decisions.

use super::response::number;

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageUrl {
    /// The mailbox, in UTF-8 with the server's delimiter; `None`: the open one.
    pub mailbox: Option<String>,
    /// UIDVALIDITY, where it stands there.
    pub uidvalidity: Option<u32>,
    /// The message.
    pub uid: u32,
    /// Its part, where it is not all of it.
    pub section: Option<String>,
}

/// The message that a URL names; `None` where it names none, or cannot be read.
#[must_use]
pub fn message_url(url: &[u8]) -> Option<MessageUrl> {
    let path = path_of(url);
    let at = find(path, b";UID=")?;
    let (mailbox, rest) = path.split_at_checked(at)?;
    let rest = rest.get(5..)?;
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let uid = read_number(rest.get(..digits)?)?;
    let mailbox = mailbox.strip_suffix(b"/").unwrap_or(mailbox);
    let validity = find(mailbox, b";UIDVALIDITY=");
    let (mailbox, validity) = match validity.and_then(|at| mailbox.split_at_checked(at)) {
        Some((name, validity)) => (name, validity.get(13..).and_then(read_number)),
        None => (mailbox, None),
    };
    let section = find(rest, b";SECTION=").and_then(|at| rest.get(at.saturating_add(9)..)).map(|section| {
        let end = find(section, b"/;").or_else(|| memchr::memchr(b';', section)).unwrap_or(section.len());
        decoded(section.get(..end).unwrap_or_default())
    });
    Some(MessageUrl {
        mailbox: (!mailbox.is_empty()).then(|| decoded(mailbox)),
        uidvalidity: validity,
        uid,
        section: section.filter(|section| !section.is_empty()),
    })
}

fn read_number(digits: &[u8]) -> Option<u32> {
    number(digits).and_then(|number| u32::try_from(number).ok())
}

/// Without scheme, server, and the slash behind them.
fn path_of(url: &[u8]) -> &[u8] {
    let scheme = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"imap:"));
    let url = if scheme { url.get(5..).unwrap_or_default() } else { url };
    let path = match url.strip_prefix(b"//") {
        Some(server) => server.get(memchr::memchr(b'/', server).unwrap_or(server.len())..).unwrap_or_default(),
        None => url,
    };
    path.strip_prefix(b"/").unwrap_or(path)
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

/// Without `%20` and the like.
fn decoded(text: &[u8]) -> String {
    percent_encoding::percent_decode(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_urls_name() {
        let row = |mailbox: Option<&str>, uidvalidity, uid, section: Option<&str>| {
            let (mailbox, section) = (mailbox.map(str::to_owned), section.map(str::to_owned));
            Some(MessageUrl { mailbox, uidvalidity, uid, section })
        };
        let rows = [
            ("/INBOX/;UID=20", row(Some("INBOX"), None, 20, None)),
            ("/INBOX;UIDVALIDITY=7/;UID=20/;SECTION=1.2", row(Some("INBOX"), Some(7), 20, Some("1.2"))),
            ("/a%20b%2fc/;uid=20/;section=HEADER/;partial=0.9", row(Some("a b/c"), None, 20, Some("HEADER"))),
            ("imap://ann@x.org:143/Finance/Q3;UIDVALIDITY=1/;UID=5", row(Some("Finance/Q3"), Some(1), 5, None)),
            ("IMAP://x/A/;UID=5/;SECTION=TEXT;URLAUTH=anonymous", row(Some("A"), None, 5, Some("TEXT"))),
            ("//x/A/;UID=5", row(Some("A"), None, 5, None)),
            (";UID=5/;SECTION=1", row(None, None, 5, Some("1"))),
            ("/;UID=5", row(None, None, 5, None)),
            ("/Entw%C3%BCrfe/;UID=1", row(Some("Entwürfe"), None, 1, None)),
            ("/A%/;UID=4294967295/;SECTION=", row(Some("A%"), None, u32::MAX, None)),
            ("/A/;UID=4294967296", None),
            ("/A/;UID=", None),
            ("/A", None),
            ("imap://x", None),
            ("", None),
        ];
        for (url, want) in rows {
            assert_eq!(message_url(url.as_bytes()), want, "{url}");
        }
    }
}
