//! What is this response about? Enough of RFC 9051 §7 to route a line, to follow the state and to record what it delivered.
//!
//! ```text
//!   * 3 EXISTS            Number { 3, Exists }
//!   * LIST () "/" x       Data(List)
//!   * OK [UIDNEXT 7] x    Status(OK), code UIDNEXT
//!   t4 NO [LIMIT] x       Tagged
//!   + idling              Continuation
//! ```
//!
//! Lenient, because refusing what a server sends only breaks the mailbox: keywords in any case, several blanks, absent
//! texts, unknown words. What is unknown is said to be unknown, and its bytes are none of this module's business.

use memchr::memchr;

use crate::imap::status::Status;

/// The first words of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// `+`: a continuation request.
    Continuation,
    /// `* OK …` and its kin; `text` begins behind the status word and its blank.
    Status {
        /// The status word.
        status: Status,
        /// Response code and text, line end included.
        text: &'a [u8],
    },
    /// `* n WORD …`
    Number {
        /// The number; `u64::MAX` where it does not fit.
        number: u64,
        /// What is counted or named by it.
        what: Numbered,
        /// Offset in the line of what stands behind the word.
        rest: usize,
    },
    /// `* WORD …`
    Data {
        /// The word.
        keyword: Keyword,
        /// Offset in the line of what stands behind the word.
        rest: usize,
    },
    /// A first word that is neither `*` nor `+`: a tag, or junk (quirks S01, S06, S07).
    Tagged {
        /// The word.
        tag: &'a [u8],
        /// What stands behind it and its blank, line end included.
        rest: &'a [u8],
    },
}

/// Words behind a number (RFC 9051 §7.4.1, §7.5.1, §7.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    /// `EXISTS`
    Exists,
    /// `RECENT`
    Recent,
    /// `EXPUNGE`
    Expunge,
    /// `FETCH`
    Fetch,
    /// `UIDFETCH` (RFC 9586)
    UidFetch,
    /// Something else.
    Other,
}

macro_rules! keywords {
    ($($name:ident = $word:literal),* $(,)?) => {
        /// Words that begin untagged data without a number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Keyword {
            $(#[doc = $word] $name,)*
            /// A word that is not in this table.
            Other,
        }

        impl Keyword {
            fn of(word: &[u8]) -> Self {
                match word {
                    $(word if word.eq_ignore_ascii_case($word.as_bytes()) => Self::$name,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

keywords! {
    List = "LIST", Status = "STATUS", Search = "SEARCH", Esearch = "ESEARCH", Flags = "FLAGS", Lsub = "LSUB",
    Capability = "CAPABILITY", Sort = "SORT", Thread = "THREAD", Namespace = "NAMESPACE", Vanished = "VANISHED",
    Enabled = "ENABLED", Id = "ID", Acl = "ACL", Listrights = "LISTRIGHTS", Myrights = "MYRIGHTS", Quota = "QUOTA",
    Quotaroot = "QUOTAROOT", Metadata = "METADATA", Xlist = "XLIST",
}

/// Reads the first words of `line`.
#[must_use]
pub fn head(line: &[u8]) -> Head<'_> {
    let skipped = line.iter().take_while(|&&byte| byte == 0).count(); // quirk L11
    let bytes = line.get(skipped..).unwrap_or_default();
    match bytes {
        [b'*', b' ', ..] => untagged(line, skipped.saturating_add(2)),
        [b'+', b' ' | b'\r' | b'\n', ..] => Head::Continuation,
        _ => {
            let (tag, rest) = word(bytes);
            Head::Tagged { tag, rest: rest.strip_prefix(b" ").unwrap_or(rest) }
        }
    }
}

fn untagged(line: &[u8], at: usize) -> Head<'_> {
    let mut at = skip_blanks(line, at);
    let bytes = line.get(at..).unwrap_or_default();
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        let (name, rest) = word(bytes);
        if let Some(status) = Status::from_word(name) {
            return Head::Status { status, text: rest.strip_prefix(b" ").unwrap_or(rest) };
        }
        return Head::Data { keyword: Keyword::of(name), rest: at.saturating_add(name.len()) };
    }
    let mut number = 0u64;
    for &digit in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')));
        at = at.saturating_add(1);
    }
    at = skip_blanks(line, at);
    let (name, _) = word(line.get(at..).unwrap_or_default());
    let what = match name {
        _ if name.eq_ignore_ascii_case(b"FETCH") => Numbered::Fetch,
        _ if name.eq_ignore_ascii_case(b"EXISTS") => Numbered::Exists,
        _ if name.eq_ignore_ascii_case(b"EXPUNGE") => Numbered::Expunge,
        _ if name.eq_ignore_ascii_case(b"RECENT") => Numbered::Recent,
        _ if name.eq_ignore_ascii_case(b"UIDFETCH") => Numbered::UidFetch,
        _ => Numbered::Other,
    };
    Head::Number { number, what, rest: at.saturating_add(name.len()) }
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while line.get(at) == Some(&b' ') {
        at = at.saturating_add(1);
    }
    at
}

/// The bytes up to a blank, a parenthesis, a bracket or the line end; and what is left.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'(' | b'\r' | b'\n')).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

/// Status word, and what stands behind it, of the part of a tagged line that follows the tag.
#[must_use]
pub fn tagged_status(rest: &[u8]) -> Option<(Status, &[u8])> {
    let (name, rest) = word(rest);
    Some((Status::from_word(name)?, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// A response code (RFC 9051 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code<'a> {
    /// The first word in the brackets.
    pub name: &'a [u8],
    /// What follows it, without the closing bracket.
    pub args: &'a [u8],
    /// Octets of the whole code in the text, brackets included.
    pub len: usize,
}

impl Code<'_> {
    /// Is this its name (in any case)?
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The response code at the very beginning of `text`, if there is one; brackets further on are text (quirks S05, S14).
#[must_use]
pub fn code(text: &[u8]) -> Option<Code<'_>> {
    let inside = text.strip_prefix(b"[")?;
    let (name, rest) = {
        let end = inside.iter().position(|byte| matches!(byte, b' ' | b']' | b'\r' | b'\n'))?;
        inside.split_at_checked(end)?
    };
    // A keyword may hold "]" (quirk U22): a list of flags ends in ")]".
    let close = if name.eq_ignore_ascii_case(b"PERMANENTFLAGS") {
        memchr::memmem::find(rest, b")]").map(|at| at.saturating_add(1)).or_else(|| memchr(b']', rest))?
    } else {
        memchr(b']', rest)?
    };
    let args = rest.get(..close)?;
    let args = args.strip_prefix(b" ").unwrap_or(args);
    Some(Code { name, args, len: name.len().saturating_add(close).saturating_add(2) })
}

/// The whole number at the beginning of `bytes`, blanks before it skipped.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.trim_ascii_start();
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    std::str::from_utf8(bytes.get(..end)?).ok()?.parse().ok()
}

/// The next token of a line from `at`: an atom, a quoted string with its quotes, a literal with its announcement, or one
/// parenthesis; and where it ends. Blanks before it are skipped. `None` at the line's end or where it does not end.
#[must_use]
pub fn token(response: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    let start = skip_blanks(response, at);
    let bytes = response.get(start..)?;
    match bytes.first()? {
        b'\r' | b'\n' => None,
        b'(' => Some((Token::Open, start.saturating_add(1))),
        b')' => Some((Token::Close, start.saturating_add(1))),
        b'"' => {
            let mut end = 1;
            loop {
                end = memchr::memchr2(b'"', b'\\', bytes.get(end..)?)?.saturating_add(end);
                match bytes.get(end)? {
                    b'\\' => end = end.saturating_add(2),
                    _ => break,
                }
            }
            Some((Token::Quoted(bytes.get(1..end)?), start.saturating_add(end).saturating_add(1)))
        }
        b'{' => {
            let line_end = memchr(b'\n', bytes)?.saturating_add(1);
            let size = usize::try_from(number(bytes.get(1..)?)?).ok()?;
            let end = line_end.checked_add(size)?;
            Some((Token::Literal(bytes.get(line_end..end)?), start.checked_add(end)?))
        }
        _ => {
            let end =
                bytes.iter().position(|byte| matches!(byte, b' ' | b'(' | b')' | b'\r' | b'\n')).unwrap_or(bytes.len());
            Some((Token::Atom(bytes.get(..end)?), start.saturating_add(end)))
        }
    }
}

/// A token of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// `(`
    Open,
    /// `)`
    Close,
    /// Bytes between blanks.
    Atom(&'a [u8]),
    /// What stands between the quotes, escapes included.
    Quoted(&'a [u8]),
    /// The octets of a literal.
    Literal(&'a [u8]),
}

impl Token<'_> {
    /// The string that this token stands for, quoting resolved. `None` for parentheses.
    #[must_use]
    pub fn string(&self) -> Option<Vec<u8>> {
        match self {
            Self::Open | Self::Close => None,
            Self::Atom(bytes) | Self::Literal(bytes) => Some(bytes.to_vec()),
            Self::Quoted(bytes) => {
                let mut out = Vec::with_capacity(bytes.len());
                let mut bytes = bytes.iter();
                while let Some(&byte) = bytes.next() {
                    match byte {
                        b'\\' => out.extend(bytes.next()),
                        byte => out.push(byte),
                    }
                }
                Some(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let rows: &[(&[u8], Head<'_>)] = &[
            (b"* 3 EXISTS\r\n", Head::Number { number: 3, what: Numbered::Exists, rest: 10 }),
            (b"*  1688 EXISTS\r\n", Head::Number { number: 1688, what: Numbered::Exists, rest: 14 }),
            (b"* 3 Recent\r\n", Head::Number { number: 3, what: Numbered::Recent, rest: 10 }),
            (b"* 1 fetch (flags ())\r\n", Head::Number { number: 1, what: Numbered::Fetch, rest: 9 }),
            (b"* List (\\x) \"/\" a\r\n", Head::Data { keyword: Keyword::List, rest: 6 }),
            (b"* NOOP\r\n", Head::Data { keyword: Keyword::Other, rest: 6 }),
            (b"+\r\n", Head::Continuation),
            (b"+ OK\r\n", Head::Continuation),
            (b"* BYE\r\n", Head::Status { status: Status::Bye, text: b"\r\n" }),
            (b"\0\0* OK ready\r\n", Head::Status { status: Status::Ok, text: b"ready\r\n" }),
            (b"[COPYUID 55 31 6]\r\n", Head::Tagged { tag: b"[COPYUID", rest: b"55 31 6]\r\n" }),
            (b"A1 OK\r\n", Head::Tagged { tag: b"A1", rest: b"OK\r\n" }),
            (b"\r\n", Head::Tagged { tag: b"", rest: b"\r\n" }),
        ];
        for (line, want) in rows {
            assert_eq!(head(line), *want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn codes() {
        let rows: &[(&[u8], Option<(&str, &str)>)] = &[
            (b"[UIDNEXT 7] x\r\n", Some(("UIDNEXT", "7"))),
            (b"[READ-ONLY] x\r\n", Some(("READ-ONLY", ""))),
            (b"[HIGHESTMODSEQ 12345]\r\n", Some(("HIGHESTMODSEQ", "12345"))),
            (b"[COPYUID 701  ]\r\n", Some(("COPYUID", "701  "))),
            (b"[PERMANENTFLAGS (\\Seen OIB-[x]/y \\*)] ok\r\n", Some(("PERMANENTFLAGS", "(\\Seen OIB-[x]/y \\*)"))),
            (b"ready. [TQBX]\r\n", None),
            (b"[no end\r\n", None),
        ];
        for (text, want) in rows {
            let got = code(text);
            let got = got.map(|code| (code.name.escape_ascii().to_string(), code.args.escape_ascii().to_string()));
            let want = want.map(|(name, args)| (name.to_owned(), args.replace('\\', "\\\\")));
            assert_eq!(got, want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn tokens() {
        let line = b"* LIST (\\HasNoChildren) \"\\\\\" {3}\r\na b\r\n";
        let mut at = 6;
        let mut seen = Vec::new();
        while let Some((token, end)) = token(line, at) {
            seen.push(token.string().map(|string| string.escape_ascii().to_string()));
            at = end;
        }
        let want = [None, Some("\\\\HasNoChildren"), None, Some("\\\\"), Some("a b")];
        assert_eq!(seen, want.map(|word| word.map(str::to_owned)));
    }
}
