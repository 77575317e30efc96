//! Where in a message's octets is its header, its text, part 2.1? (RFC 2045, RFC 2046, RFC 5322)
//!
//! ```text
//!   octets  │ header ␍␊ │ --b ␍␊ │ header ␍␊ │ body │ ␍␊--b-- │
//!   Part    └ header    └ body   └ part 1's header, body
//! ```
//!
//! Parts are ranges into the octets as they were delivered: nothing is decoded, so every section of a message is a slice
//! of it. What is broken is read as leniently as mail programs read it; there is no message without a structure.

use std::ops::Range;

use memchr::memchr;

/// Deeper nesting than this is not looked into; real mail stays far below.
const MAX_DEPTH: usize = 32;
/// More parts than this in one multipart are taken as text behind the last one.
const MAX_PARTS: usize = 1000;

/// A message: its octets, and where its parts are.
#[derive(Debug)]
pub struct Mail {
    octets: Box<[u8]>,
    root: Part,
}

impl Mail {
    /// Reads the structure of a message.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self { octets: octets.into(), root: parse(octets, 0..octets.len(), "text", 0) }
    }

    /// The message as it was delivered.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The message as a part.
    #[must_use]
    pub fn root(&self) -> &Part {
        &self.root
    }

    /// The octets of a range.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.octets.get(range.clone()).unwrap_or_default()
    }

    /// The header of a part, the empty line behind it included.
    #[must_use]
    pub fn header(&self, part: &Part) -> &[u8] {
        self.slice(&part.header)
    }

    /// The body of a part, still in its transfer encoding.
    #[must_use]
    pub fn body(&self, part: &Part) -> &[u8] {
        self.slice(&part.body)
    }

    /// The part with this number (RFC 9051 §6.4.5.1); `[]` is the message itself.
    #[must_use]
    pub fn part(&self, number: &[u32]) -> Option<&Part> {
        let mut part = &self.root;
        // What the next number counts in: the parts of a multipart, or those of a message. Every message has a part 1:
        // that of a message that is no multipart is its body.
        let mut inside = Some(&self.root);
        let mut is_message = true;
        for index in number {
            let entity = inside?;
            let at = usize::try_from(*index).ok()?.checked_sub(1)?;
            part = match entity.children() {
                Some(children) => children.get(at)?,
                None if is_message && at == 0 => entity,
                None => return None,
            };
            is_message = part.message().is_some();
            inside = part.message().or_else(|| part.children().map(|_| part));
        }
        Some(part)
    }
}

/// A message or a part of one.
#[derive(Debug)]
pub struct Part {
    /// Its header, with the empty line that ends it.
    pub header: Range<usize>,
    /// What is behind that.
    pub body: Range<usize>,
    /// What kind of part it is.
    pub content: Content,
    /// `Content-Type`, or what stands for it where there is none.
    pub media: Media,
}

/// What a part consists of.
#[derive(Debug)]
pub enum Content {
    /// Nothing that has a structure.
    Leaf,
    /// The parts of a `multipart/*`, at least one.
    Multipart(Vec<Part>),
    /// The message in a `message/rfc822`.
    Message(Box<Part>),
}

impl Part {
    /// The parts of a multipart.
    #[must_use]
    pub fn children(&self) -> Option<&[Part]> {
        if let Content::Multipart(children) = &self.content { Some(children) } else { None }
    }

    /// The message in it, if it is a `message/rfc822`.
    #[must_use]
    pub fn message(&self) -> Option<&Part> {
        if let Content::Message(inner) = &self.content { Some(inner) } else { None }
    }
}

/// A `Content-Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `text`, `image`, …, in lower case.
    pub kind: String,
    /// `plain`, `png`, …, in lower case.
    pub subtype: String,
    /// Parameters in their order; names in lower case.
    pub params: Vec<(String, Vec<u8>)>,
}

impl Media {
    fn implied(default: &str) -> Self {
        match default {
            "message" => Self { kind: "message".into(), subtype: "rfc822".into(), params: Vec::new() },
            _ => Self {
                kind: "text".into(),
                subtype: "plain".into(),
                params: vec![("charset".into(), b"us-ascii".to_vec())],
            },
        }
    }

    /// Reads the value of a `Content-Type` field.
    fn read(value: &[u8], default: &str) -> Self {
        let (media, params) = with_params(value);
        let media = media.to_ascii_lowercase();
        match media.split_once('/') {
            Some((kind, subtype)) if !kind.is_empty() && !subtype.is_empty() => {
                Self { kind: kind.trim().to_owned(), subtype: subtype.trim().to_owned(), params }
            }
            _ => Self::implied(default),
        }
    }

    /// The value of a parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        self.params.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }
}

/// Reads one entity within `range`. `default` is the kind of an entity that does not say (RFC 2046 §5.1.5).
fn parse(octets: &[u8], range: Range<usize>, default: &str, depth: usize) -> Part {
    let entity = octets.get(range.clone()).unwrap_or_default();
    let header_end = range.start.saturating_add(header_len(entity));
    let (header, body) = (range.start..header_end, header_end..range.end);
    let header_octets = octets.get(header.clone()).unwrap_or_default();
    let media = match field(header_octets, "content-type") {
        Some(value) => Media::read(&value, default),
        None => Media::implied(default),
    };
    let content = match &*media.kind {
        _ if depth >= MAX_DEPTH => Content::Leaf,
        "multipart" => multipart(octets, &body, &media, depth),
        "message" if media.subtype == "rfc822" && is_identity(header_octets) => {
            Content::Message(Box::new(parse(octets, body.clone(), "text", depth.saturating_add(1))))
        }
        _ => Content::Leaf,
    };
    Part { header, body, content, media }
}

/// Is the body as it is, in no transfer encoding? RFC 2046 §5.2.1 allows no other for `message/rfc822`.
fn is_identity(header: &[u8]) -> bool {
    field(header, "content-transfer-encoding").is_none_or(|encoding| {
        let is = |name: &str| encoding.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        is("7bit") || is("8bit") || is("binary") || encoding.is_empty()
    })
}

fn multipart(octets: &[u8], body: &Range<usize>, media: &Media, depth: usize) -> Content {
    let default = if media.subtype == "digest" { "message" } else { "text" };
    let ranges = match media.param("boundary") {
        Some(boundary) if !boundary.is_empty() => between(octets, body, boundary),
        _ => Vec::new(),
    };
    let mut parts: Vec<Part> =
        ranges.into_iter().map(|range| parse(octets, range, default, depth.saturating_add(1))).collect();
    if parts.is_empty() {
        // The grammar of BODYSTRUCTURE has no multipart without parts: an empty text stands for them.
        parts.push(Part {
            header: body.end..body.end,
            body: body.end..body.end,
            content: Content::Leaf,
            media: Media::implied("text"),
        });
    }
    Content::Multipart(parts)
}

/// What lies between the delimiter lines of `boundary`; the line end before a delimiter belongs to it (RFC 2046 §5.1.1).
fn between(octets: &[u8], body: &Range<usize>, boundary: &[u8]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut open: Option<usize> = None;
    let mut before = body.start; // where the line end before this line begins
    let mut at = body.start;
    while at < body.end {
        let rest = octets.get(at..body.end).unwrap_or_default();
        let end = at.saturating_add(memchr(b'\n', rest).map_or(rest.len(), |lf| lf.saturating_add(1)));
        let line = octets.get(at..end).unwrap_or_default();
        if let Some(tail) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) {
            let closing = tail.starts_with(b"--");
            if closing || tail.trim_ascii().is_empty() {
                if let Some(start) = open {
                    parts.push(start..before.max(start));
                }
                open = (!closing && parts.len() < MAX_PARTS).then_some(end);
                if open.is_none() {
                    return parts;
                }
            }
        }
        before = end.saturating_sub(line_end_len(line));
        at = end;
    }
    if let Some(start) = open {
        parts.push(start..body.end.max(start)); // the last delimiter is missing: all that is left is the part
    }
    parts
}

fn line_end_len(line: &[u8]) -> usize {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// The length of the header of `entity`, its empty line included.
fn header_len(entity: &[u8]) -> usize {
    let mut at: usize = 0;
    while let Some(lf) = entity.get(at..).and_then(|rest| memchr(b'\n', rest)) {
        let end = at.saturating_add(lf).saturating_add(1);
        if matches!(entity.get(at..end), Some(b"\n" | b"\r\n")) {
            return end;
        }
        at = end;
    }
    entity.len()
}

/// A field of a header.
pub struct Field<'a> {
    /// Its name, without blanks.
    pub name: &'a [u8],
    /// What is behind the colon, folded as it was.
    pub value: &'a [u8],
    /// All its lines, line ends included.
    pub lines: &'a [u8],
}

/// The fields of a header, in order; the empty line is none.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let mut len = 0;
        loop {
            let line = rest.get(len..)?;
            let end = memchr(b'\n', line).map_or(line.len(), |lf| lf.saturating_add(1));
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            if line.is_empty() || (len > 0 && !folded) {
                break;
            }
            len = len.saturating_add(end);
        }
        let (lines, behind) = rest.split_at_checked(len)?;
        rest = behind;
        if matches!(lines, b"" | b"\r\n" | b"\n") {
            return None;
        }
        let (name, value) = match memchr(b':', lines) {
            Some(colon) => (lines.get(..colon)?.trim_ascii(), lines.get(colon.saturating_add(1)..)?),
            None => (&b""[..], lines),
        };
        Some(Field { name, value, lines })
    })
}

/// The first field of that name, unfolded.
#[must_use]
pub fn field(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let found = fields(header).find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))?;
    Some(unfold(found.value))
}

/// Undoes folding (RFC 5322 §2.2.3) and trims.
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    value.trim_ascii().iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | b'\0')).collect()
}

/// A value and its parameters: `attachment; filename="a b.pdf"` (RFC 2045 §5.1). Comments are dropped.
#[must_use]
pub fn with_params(value: &[u8]) -> (String, Vec<(String, Vec<u8>)>) {
    let mut pieces = split_semicolons(value).into_iter();
    let head = String::from_utf8_lossy(pieces.next().unwrap_or_default().trim_ascii()).into_owned();
    let params = pieces.filter_map(|piece| {
        let equals = memchr(b'=', &piece)?;
        let name = String::from_utf8_lossy(piece.get(..equals)?.trim_ascii()).to_ascii_lowercase();
        let text = piece.get(equals.saturating_add(1)..)?.trim_ascii();
        (!name.is_empty()).then(|| (name, unquote(text)))
    });
    (head, params.collect())
}

fn split_semicolons(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let (mut quoted, mut comment) = (false, 0usize);
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        let piece = match pieces.last_mut() {
            Some(piece) => piece,
            None => return pieces,
        };
        match byte {
            b'\\' if quoted => piece.extend([Some(byte), bytes.next()].into_iter().flatten()),
            b'"' if comment == 0 => {
                quoted = !quoted;
                piece.push(byte);
            }
            b'(' if !quoted => comment = comment.saturating_add(1),
            b')' if !quoted && comment > 0 => comment = comment.saturating_sub(1),
            _ if comment > 0 => {}
            b';' if !quoted => pieces.push(Vec::new()),
            _ => piece.push(byte),
        }
    }
    pieces
}

fn unquote(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text.strip_prefix(b"\"") else { return text.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &[u8] = b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\npreamble\r\n\
        --b 1\r\n\r\nfirst\r\n\r\n--b 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\
        Content-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nContent-Type: text/plain\r\n\r\nx\r\n\
        --b2\r\nContent-Type: text/html\r\n\r\n<p>x\r\n--b2--\r\n\r\n--b 1\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: plain\r\n\r\nsaid\r\n--b 1--\r\nepilogue\r\n";

    #[test]
    fn part_numbers() {
        let mail = Mail::new(NESTED);
        let rows: &[(&[u32], Option<&str>)] = &[
            (&[1], Some("first\r\n")),
            (&[2, 1], Some("x")),
            (&[2, 2], Some("<p>x")),
            (&[3], Some("Subject: plain\r\n\r\nsaid")),
            (&[3, 1], Some("said")),
            (&[3, 2], None),
            (&[1, 1], None),
            (&[2, 1, 1], None),
            (&[0], None),
            (&[4], None),
        ];
        for (number, want) in rows {
            let got = mail.part(number).map(|part| String::from_utf8_lossy(mail.body(part)).into_owned());
            assert_eq!(got.as_deref(), *want, "{number:?}");
        }
    }

    #[test]
    fn part_one_of_a_plain_message_is_its_body() {
        let mail = Mail::new(b"Subject: x\r\n\r\nhello\r\n");
        assert_eq!(mail.part(&[1]).map(|part| mail.body(part)), Some(&b"hello\r\n"[..]));
        assert!(mail.part(&[2]).is_none() && mail.part(&[1, 1]).is_none());
    }

    #[test]
    fn broken_messages_have_a_structure() {
        let rows: &[(&str, &[u8], usize)] = &[
            ("no boundary", b"Content-Type: multipart/mixed\r\n\r\nx", 1),
            ("boundary that never comes", b"Content-Type: multipart/mixed; boundary=q\r\n\r\nx", 1),
            (
                "no closing delimiter",
                b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\na\r\n--q\r\n\r\nb",
                2,
            ),
            ("bare LF", b"Content-Type: multipart/mixed; boundary=q\n\n--q\n\na\n--q\n\nb\n--q--\n", 2),
        ];
        for (name, octets, want) in rows {
            let mail = Mail::new(octets);
            assert_eq!(mail.root().children().map(<[Part]>::len), Some(*want), "{name}");
        }
        assert_eq!(Mail::new(b"").root().body, 0..0);
    }

    #[test]
    fn parameters() {
        let (head, params) = with_params(b"Text/Plain (really); charset=utf-8; name=\"a;\\\"b\\\".txt\"; flag");
        assert_eq!(head, "Text/Plain");
        let params: Vec<_> = params.iter().map(|(name, value)| (&**name, value.escape_ascii().to_string())).collect();
        assert_eq!(params, [("charset", "utf-8".to_owned()), ("name", "a;\\\"b\\\".txt".to_owned())]);
    }

    #[test]
    fn folded_fields() {
        let header = b"A: 1\r\nSubject: one\r\n two\r\n\tthree\r\nbroken\r\nB:\r\n\r\n";
        let names: Vec<_> = fields(header).map(|field| field.name.escape_ascii().to_string()).collect();
        assert_eq!(names, ["A", "Subject", "", "B"]);
        assert_eq!(field(header, "subject").as_deref(), Some(&b"one two\tthree"[..]));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(octets in "(--b|\r\n|\n|Content-Type: |multipart/mixed; boundary=b|message/rfc822|[a\"\\\\(;:]){0,40}") {
            let mail = Mail::new(octets.as_bytes());
            for number in [&[][..], &[1], &[1, 1], &[2], &[1, 1, 1]] {
                if let Some(part) = mail.part(number) {
                    proptest::prop_assert!(part.body.end <= octets.len());
                }
            }
        }
    }
}
