//! Which items of which message does this FETCH response carry, and how many octets of each?
//!
//! ```text
//!   * 12 FETCH (UID 34 FLAGS (\Seen) BODY[1]<0> {5}␍␊hello RFC822.SIZE 900)␍␊
//!               └uid     └ value      └ item, section, origin, octets   └ number
//! ```
//!
//! A response is told fragment by fragment: the text up to a literal, then the text behind it; literals pass by and are
//! only counted. Nothing is allocated. What cannot be understood makes the rest of the response *opaque*, which a record
//! must take for the worst (audit.md §3: never report too little).

use memchr::memchr2;

use super::response::number;

/// What an item of a FETCH response is (RFC 9051 §7.5.2 and the extensions that are let through).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// `UID`
    Uid,
    /// `FLAGS`, and `MODSEQ`, which comes with their changes
    Flags,
    /// `RFC822.SIZE`
    Size,
    /// `INTERNALDATE`, `EMAILID`, `THREADID`, `SAVEDATE`, `BINARY.SIZE[…]`: numbers and dates about a message.
    Listed,
    /// `ENVELOPE`, `BODY`, `BODYSTRUCTURE`
    Structure,
    /// `BODY[HEADER…]`, `BODY[n.MIME]`, `RFC822.HEADER`
    Header,
    /// `PREVIEW`
    Preview,
    /// `BODY[TEXT]`, `RFC822.TEXT`: all of the message but its header.
    Text,
    /// `BODY[n]`, `BODY[n.TEXT]`, `BINARY[n]`
    Part,
    /// `BODY[]`, `RFC822`, `BINARY[]`
    Whole,
    /// Not in this table.
    Unknown,
}

/// An item whose value is passing by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// `<origin>` of a partial.
    pub origin: Option<u64>,
    /// `BINARY[…]`: not the octets that stand in the message.
    pub decoded: bool,
}

/// What a fragment told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// `UID n`
    Uid {
        /// The number.
        uid: u64,
        /// Where in the fragment the word begins.
        at: usize,
        /// Octets of the word and the number.
        len: usize,
    },
    /// `RFC822.SIZE n`
    Size(u64),
    /// An item came with a value that stood in the text (a number, a list, a quoted string or NIL).
    Inline {
        /// Which.
        item: Item,
        /// Where in the fragment its name begins.
        at: usize,
        /// Its section, as written, for items that have one.
        section: &'a [u8],
        /// Octets of a quoted string; 0 for all else.
        octets: u64,
        /// Was the value NIL, or absent?
        nil: bool,
    },
    /// An item's value is the literal that follows.
    Literal {
        /// Which.
        item: Item,
        /// Where in the fragment its name begins.
        at: usize,
        /// Its section, as written, for items that have one.
        section: &'a [u8],
        /// Announced octets.
        size: u64,
    },
    /// The rest of the response cannot be read.
    Opaque,
}

/// Where in a FETCH response the scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Before the list's parenthesis.
    #[default]
    Begin,
    /// An item name, or the end.
    Name,
    /// In a list value, this many parentheses deep, that went on over a literal.
    List(Item, u32),
    /// Behind the closing parenthesis, or lost.
    End,
}

/// The scan of one FETCH response.
#[derive(Debug, Default, Clone)]
pub struct FetchScan {
    at: At,
}

impl FetchScan {
    /// Reads the next fragment: the first from behind the word `FETCH`, the others from behind a literal, each up to its
    /// line end. `literal` is the literal that this line end announces. Stops early where `event` has nothing to gain.
    pub fn fragment<'a>(&mut self, text: &'a [u8], literal: Option<u64>, mut event: impl FnMut(FetchEvent<'a>)) {
        let mut at = 0;
        while self.at != At::End {
            at = skip_blanks(text, at);
            let Some(&byte) = text.get(at) else { return };
            match self.at {
                At::Begin if byte == b'(' => {
                    self.at = At::Name;
                    at = at.saturating_add(1);
                }
                At::Begin => return self.opaque(event),
                At::List(item, depth) => match list_end(text, at, depth) {
                    ListEnd::At(end) => {
                        at = end;
                        self.at = At::Name;
                    }
                    ListEnd::Open(depth) if literal.is_some() => {
                        self.at = At::List(item, depth);
                        return;
                    }
                    ListEnd::Open(_) => return self.opaque(event),
                },
                // Domino puts an item into parentheses of its own (quirk E10): look inside.
                At::Name if byte == b'(' => at = at.saturating_add(1),
                At::Name if byte == b')' => {
                    at = at.saturating_add(1);
                    if matches!(text.get(at), None | Some(b'\r' | b'\n')) {
                        self.at = At::End;
                    }
                }
                At::Name if matches!(byte, b'\r' | b'\n') => {
                    // An empty line in an open list belongs to the response (quirk L03): only a line that announces
                    // a literal goes on, and its brace has been taken with its item.
                    self.at = At::End;
                }
                At::Name => match self.item(text, at, literal, &mut event) {
                    Some(end) => at = end,
                    None => return,
                },
                At::End => return,
            }
        }
    }

    /// Is the list closed (or given up)? False while the response goes on behind a literal.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.at == At::End
    }

    fn opaque<'a>(&mut self, mut event: impl FnMut(FetchEvent<'a>)) {
        self.at = At::End;
        event(FetchEvent::Opaque);
    }

    /// One item from `at`: its end, or `None` where the fragment has no more to tell.
    fn item<'a>(
        &mut self,
        text: &'a [u8],
        at: usize,
        literal: Option<u64>,
        event: &mut impl FnMut(FetchEvent<'a>),
    ) -> Option<usize> {
        let Some(name) = name(text, at) else {
            self.opaque(event);
            return None;
        };
        let value = skip_blanks(text, name.end);
        let item = name.item;
        let section = name.section;
        let inline = |octets, nil| FetchEvent::Inline { item, at, section, octets, nil };
        match text.get(value) {
            Some(b'(') => match list_end(text, value.saturating_add(1), 1) {
                ListEnd::At(end) => {
                    event(inline(0, false));
                    Some(end)
                }
                ListEnd::Open(depth) if literal.is_some() => {
                    event(inline(0, false));
                    self.at = At::List(item, depth);
                    None
                }
                ListEnd::Open(_) => {
                    event(inline(0, false));
                    self.opaque(event);
                    None
                }
            },
            Some(b'"') => {
                let Some(end) = quoted_end(text, value.saturating_add(1)) else {
                    event(inline(0, false));
                    self.opaque(event);
                    return None;
                };
                let octets = end.saturating_sub(value).saturating_sub(2);
                event(inline(u64::try_from(octets).unwrap_or(u64::MAX), false));
                Some(end)
            }
            Some(b'{' | b'~') if literal.is_some() && last_token(text, value) => {
                event(FetchEvent::Literal { item, at, section, size: literal.unwrap_or_default() });
                None
            }
            Some(b')' | b'\r' | b'\n') | None => {
                event(inline(0, true)); // quirk L13: a name without a value
                Some(value)
            }
            Some(_) => {
                let end = atom_end(text, value);
                let atom = text.get(value..end).unwrap_or_default();
                match (item.kind, number(atom)) {
                    (ItemKind::Uid, Some(uid)) => event(FetchEvent::Uid { uid, at, len: end.saturating_sub(at) }),
                    (ItemKind::Size, Some(size)) => event(FetchEvent::Size(size)),
                    _ => event(inline(0, atom.eq_ignore_ascii_case(b"NIL"))),
                }
                Some(end)
            }
        }
    }
}

struct Name<'a> {
    item: Item,
    section: &'a [u8],
    end: usize,
}

/// An item name with its section and origin: `BODY[HEADER.FIELDS (To)]<0>`.
fn name(text: &[u8], at: usize) -> Option<Name<'_>> {
    let word_end = text
        .get(at..)?
        .iter()
        .position(|byte| matches!(byte, b' ' | b'(' | b')' | b'[' | b'\r' | b'\n'))?
        .saturating_add(at);
    let word = text.get(at..word_end)?;
    if text.get(word_end) != Some(&b'[') {
        return Some(Name {
            item: Item { kind: plain(word), origin: None, decoded: false },
            section: &[],
            end: word_end,
        });
    }
    let begin = word_end.saturating_add(1);
    let close = memchr::memchr(b']', text.get(begin..)?)?.saturating_add(begin);
    let section = text.get(begin..close)?;
    let mut end = close.saturating_add(1);
    let mut origin = None;
    if text.get(end) == Some(&b'<') {
        let close = memchr::memchr(b'>', text.get(end..)?)?.saturating_add(end);
        origin = number(text.get(end.saturating_add(1)..close)?);
        end = close.saturating_add(1);
    }
    Some(Name {
        item: Item { kind: sectioned(word, section), origin, decoded: word.eq_ignore_ascii_case(b"BINARY") },
        section,
        end,
    })
}

fn plain(word: &[u8]) -> ItemKind {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match word.first().map(u8::to_ascii_uppercase) {
        Some(b'U') if is("UID") => ItemKind::Uid,
        Some(b'F') if is("FLAGS") => ItemKind::Flags,
        Some(b'M') if is("MODSEQ") => ItemKind::Flags,
        Some(b'I') if is("INTERNALDATE") => ItemKind::Listed,
        Some(b'E') if is("ENVELOPE") => ItemKind::Structure,
        Some(b'E') if is("EMAILID") => ItemKind::Listed,
        Some(b'T') if is("THREADID") => ItemKind::Listed,
        Some(b'S') if is("SAVEDATE") => ItemKind::Listed,
        Some(b'B') if is("BODYSTRUCTURE") || is("BODY") => ItemKind::Structure,
        Some(b'P') if is("PREVIEW") => ItemKind::Preview,
        Some(b'R') if is("RFC822.SIZE") => ItemKind::Size,
        Some(b'R') if is("RFC822.HEADER") => ItemKind::Header,
        Some(b'R') if is("RFC822.TEXT") => ItemKind::Text,
        Some(b'R') if is("RFC822") => ItemKind::Whole,
        // Gmail's numbers and labels: what FETCH asks for as such.
        Some(b'X') if is("X-GM-MSGID") || is("X-GM-THRID") || is("X-GM-LABELS") => ItemKind::Listed,
        _ => ItemKind::Unknown,
    }
}

fn sectioned(word: &[u8], section: &[u8]) -> ItemKind {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("BINARY.SIZE") {
        return ItemKind::Listed;
    }
    if !(is("BODY") || is("BINARY")) {
        return ItemKind::Unknown;
    }
    section_kind(section)
}

/// What a section of `BODY[…]` or `BINARY[…]` shows (RFC 9051 §6.4.5.1).
#[must_use]
pub fn section_kind(section: &[u8]) -> ItemKind {
    let starts = |bytes: &[u8], word: &str| {
        bytes.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    };
    if section.is_empty() {
        return ItemKind::Whole;
    }
    let parts = section.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let tail = section.get(parts..).unwrap_or_default();
    match tail {
        [] => ItemKind::Part,
        _ if starts(tail, "HEADER") || starts(tail, "MIME") => ItemKind::Header,
        _ if starts(tail, "TEXT") && parts == 0 => ItemKind::Text,
        _ if starts(tail, "TEXT") => ItemKind::Part,
        _ => ItemKind::Unknown,
    }
}

enum ListEnd {
    /// Behind the closing parenthesis.
    At(usize),
    /// The text ended this deep in the list.
    Open(u32),
}

fn list_end(text: &[u8], from: usize, depth: u32) -> ListEnd {
    let mut depth = depth;
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        at = at.saturating_add(1);
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return ListEnd::At(at);
                }
            }
            b'"' => match quoted_end(text, at) {
                Some(end) => at = end,
                None => return ListEnd::Open(depth),
            },
            _ => {}
        }
    }
    ListEnd::Open(depth)
}

/// Where the quoted string that began before `from` ends, its quote included. A quote counts as closing only before a
/// blank, a parenthesis, a bracket or the line end: servers leave quotes inside unescaped (quirk E03).
pub(super) fn quoted_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = memchr2(b'"', b'\\', text.get(at..)?)?.saturating_add(at);
        if text.get(at) == Some(&b'\\') {
            at = at.saturating_add(2);
            continue;
        }
        at = at.saturating_add(1);
        if matches!(text.get(at), None | Some(b' ' | b'(' | b')' | b']' | b'\r' | b'\n')) {
            return Some(at);
        }
    }
}

fn atom_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let len = rest.iter().position(|byte| matches!(byte, b' ' | b')' | b'\r' | b'\n')).unwrap_or(rest.len());
    from.saturating_add(len)
}

fn last_token(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default().trim_ascii_end();
    !rest.contains(&b' ')
}

fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while text.get(at) == Some(&b' ') {
        at = at.saturating_add(1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fragments: &[(&str, Option<u64>)]) -> String {
        let mut scan = FetchScan::default();
        let mut out = Vec::new();
        for (text, literal) in fragments {
            scan.fragment(text.as_bytes(), *literal, |event| {
                out.push(match event {
                    FetchEvent::Uid { uid, .. } => format!("uid {uid}"),
                    FetchEvent::Size(size) => format!("size {size}"),
                    FetchEvent::Opaque => "opaque".to_owned(),
                    FetchEvent::Inline { item, octets, nil, .. } => {
                        format!(
                            "{:?}{}{}",
                            item.kind,
                            if nil { " nil" } else { "" },
                            if octets > 0 { format!(" {octets}") } else { String::new() }
                        )
                    }
                    FetchEvent::Literal { item, size, section, .. } => format!(
                        "{:?}[{}]{} {{{size}}}",
                        item.kind,
                        section.escape_ascii(),
                        item.origin.map(|origin| format!("<{origin}>")).unwrap_or_default()
                    ),
                });
            });
        }
        if !scan.ended() {
            out.push("open".to_owned());
        }
        out.join(", ")
    }

    #[test]
    fn responses() {
        let one = |text: &str| told(&[(text, None)]);
        assert_eq!(one(" (UID 34 FLAGS (\\Seen))\r\n"), "uid 34, Flags");
        assert_eq!(one(" (flags () uid 4 rfc822.size 12)\r\n"), "Flags, uid 4, size 12");
        assert_eq!(one(" (BODY[TEXT] \"hello\" UID 1)\r\n"), "Text 5, uid 1");
        assert_eq!(one(" (BODY[HEADER.FIELDS (From To)] \"x\")\r\n"), "Header 1");
        assert_eq!(one(" (BODY[1.TEXT]<0> NIL)\r\n"), "Part nil");
        assert_eq!(one(" (UID 7 MODSEQ (-1))\r\n"), "uid 7, Flags");
        assert_eq!(one(" ()\r\n"), "");
        assert_eq!(one(" (XAOL 1 FLAGS ())\r\n"), "Unknown, Flags");
        assert_eq!(
            one(" (UID 14935 (ENVELOPE (NIL NIL)) BODYSTRUCTURE (\"TEXT\"))\r\n"),
            "uid 14935, Structure, Structure"
        );
        assert_eq!(
            one(" (ENVELOPE (\"d\" \"a)\" (\"<1.\"cv@n\"@v>\")) UID 3)\r\n"),
            "Structure, uid 3",
            "parentheses and quotes inside a string"
        );
        assert_eq!(one(" (ENVELOPE (\"d\" \"s\" ((\"n\" \"qq.com\\\")) NIL))\r\n"), "Structure, opaque");
        assert_eq!(one(" FLAGS\r\n"), "opaque");
    }

    #[test]
    fn literals() {
        assert_eq!(
            told(&[(" (UID 5 BODY[1]<393216> {3}\r\n", Some(3)), (" FLAGS (\\Seen))\r\n", None)]),
            "uid 5, Part[1]<393216> {3}, Flags"
        );
        assert_eq!(
            told(&[(" (BODYSTRUCTURE (\"image\" (\"name\" {8}\r\n", Some(8)), (") NIL) UID 9)\r\n", None)]),
            "Structure, uid 9"
        );
        assert_eq!(told(&[(" (BODY[] ~{3}\r\n", Some(3)), (")\r\n", None)]), "Whole[] {3}");
        assert_eq!(told(&[(" (BODY[] {3}\r\n", Some(3))]), "Whole[] {3}, open");
        assert_eq!(
            told(&[(" (UID 1 BODY[2.MIME] {4}\r\n", Some(4)), (" BODY[2] )\r\n", None)]),
            "uid 1, Header[2.MIME] {4}, Part nil"
        );
    }
}
