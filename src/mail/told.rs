//! What a message's header tells people: who, to whom, when, about what, and which message it is.

use mail_parser::{Address, HeaderName, MessageParser};

/// As one reader takes it: for records, where it is known that senders write what they like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Message-ID, in its brackets.
    pub message_id: Option<String>,
    /// Addresses of From, with commas between them.
    pub from: Option<String>,
    /// Addresses of To, likewise.
    pub to: Option<String>,
    /// Date, as written.
    pub date: Option<String>,
    /// Subject, decoded.
    pub subject: Option<String>,
}

/// Reads the fields of a header; what stands behind its empty line is not looked at.
#[must_use]
pub fn told(header: &[u8]) -> Told {
    let header = without_body(header);
    let reader = MessageParser::new()
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_text(HeaderName::Subject)
        .default_header_ignore();
    let message = reader.parse_headers(header);
    let message = message.as_ref();
    Told {
        message_id: message_id(header),
        from: message.and_then(|message| addresses(message.from()?)),
        to: message.and_then(|message| addresses(message.to()?)),
        date: value(header, b"date"),
        subject: message.and_then(|message| message.subject()).map(str::to_owned).filter(|text| !text.is_empty()),
    }
}

/// The Message-ID alone: much is read of which nothing else is asked.
#[must_use]
pub fn message_id(header: &[u8]) -> Option<String> {
    value(without_body(header), b"message-id")
}

fn without_body(octets: &[u8]) -> &[u8] {
    header_end(octets).and_then(|end| octets.get(..end)).unwrap_or(octets)
}

/// Where the fields end and the empty line begins.
#[must_use]
pub fn header_end(octets: &[u8]) -> Option<usize> {
    let mut ends = memchr::memchr_iter(b'\n', octets).map(|end| end.saturating_add(1));
    ends.find(|end| matches!(octets.get(*end..), Some([b'\n', ..] | [b'\r', b'\n', ..])))
}

fn addresses(field: &Address<'_>) -> Option<String> {
    let all: Vec<&str> = field.iter().filter_map(|address| address.address()).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// The first field of that name, unfolded, as text. One that was cut before its line end says nothing.
fn value(header: &[u8], name: &[u8]) -> Option<String> {
    let mut rest = header;
    loop {
        let is_named = rest.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        let colon = rest.get(name.len()..).map(<[u8]>::trim_ascii_start).and_then(|rest| rest.strip_prefix(b":"));
        if let (true, Some(value)) = (is_named, colon) {
            let text = String::from_utf8_lossy(value.get(..end_of_value(value)?).unwrap_or_default());
            let text = text.trim_ascii();
            let text = match text.bytes().any(|octet| octet.is_ascii_whitespace()) {
                true => text.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
                false => text.to_owned(),
            };
            return (!text.is_empty()).then_some(text);
        }
        rest = rest.get(memchr::memchr(b'\n', rest)?.saturating_add(1)..)?;
    }
}

/// Where the line and those that continue it end.
fn end_of_value(octets: &[u8]) -> Option<usize> {
    let mut ends = memchr::memchr_iter(b'\n', octets);
    ends.find(|end| !matches!(octets.get(end.saturating_add(1)), Some(b' ' | b'\t')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(header: &str) -> String {
        let Told { message_id, from, to, date, subject } = told(header.as_bytes());
        [message_id, from, to, date, subject].map(|field| field.unwrap_or_else(|| "-".to_owned())).join(" | ")
    }

    #[test]
    fn where_fields_end() {
        for (octets, end) in [
            ("", None),
            ("A: b\r\n", None),
            ("A: b\r\n\r", None),
            ("A: b\r\n\r\nc", Some(6)),
            ("A: b\n\nc\r\n\r\n", Some(5)),
            ("A: b\n\r\nc", Some(5)),
            ("A: b\r\n c\rd\r\n\r\n\r\n", Some(12)),
        ] {
            assert_eq!(header_end(octets.as_bytes()), end, "{octets:?}");
        }
    }

    #[test]
    fn fields() {
        let rows = [
            ("nothing", "", "- | - | - | - | -"),
            ("no header", "\r\nSubject: body\r\n", "- | - | - | - | -"),
            (
                "all",
                "Message-Id: <a@b>\r\nFrom: Ann <ann@example.org>\r\nTo: bob@example.org,\r\n \"C\" <c@d>\r\n\
                 Date: Tue,\r\n 12 Jan 2027 10:00:00 +0100\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nSubject: body\r\n",
                "<a@b> | ann@example.org | bob@example.org,c@d | Tue, 12 Jan 2027 10:00:00 +0100 | Grüße",
            ),
            ("bare line feeds", "subject: a\nmessage-id : <x@y>\n\nTo: body@x\n", "<x@y> | - | - | - | a"),
            ("folded", "Message-ID:\r\n <a@b>\r\nX: y\r\n", "<a@b> | - | - | - | -"),
            ("group", "To: undisclosed-recipients:;\r\n", "- | - | - | - | -"),
            ("cut in an ID", "From: a@b\r\nMessage-ID: <1@x", "- | a@b | - | - | -"),
            ("cut in a field", "From: ann@example.org\r\nSubj", "- | ann@example.org | - | - | -"),
        ];
        for (name, header, expected) in rows {
            assert_eq!(spelled(header), expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_fails(octets: Vec<u8>) {
            let _ = told(&octets);
            let _ = told(&[b"Subject: ", octets.as_slice()].concat());
        }
    }
}
