//! Which capabilities may a client see, and under which rules?
//!
//! What is not in the table is never offered: the proxy composes CAPABILITY from what the upstream has, what stands here
//! and what policy leaves (RFC 9051 §6.1.1 lets a server offer what it likes).

/// When a capability of the upstream's may be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CapabilityClass {
    /// The proxy does it itself, whatever the upstream says; it is offered where the proxy's state says so.
    Local,
    /// Safe in plain and filtered scope.
    Always,
    /// In plain scope, also where rules take rights, deny commands or set limits.
    Plain,
    /// In plain scope only where no rule with rights, `deny_commands` or `limit` can apply: it names mailboxes, grants
    /// or reads in ways that are judged nowhere else.
    PlainUnruled,
}

impl CapabilityClass {
    /// Is it offered, given whether the session is filtered and whether rules with `rights`, `deny_commands` or `limit`
    /// can apply?
    #[must_use]
    pub const fn offered(self, filtered: bool, ruled: bool) -> bool {
        match self {
            Self::Local | Self::Always => true,
            Self::Plain => !filtered,
            Self::PlainUnruled => !filtered && !ruled,
        }
    }
}

use CapabilityClass::{Always, Local, Plain, PlainUnruled};

/// A name that ends in `=` stands for it with any value.
const TABLE: &[(&str, CapabilityClass)] = &[
    // Of the connection to the client, hence the proxy's own.
    ("IMAP4REV1", Local),
    ("LITERAL+", Local),
    ("LITERAL-", Local),
    ("SASL-IR", Local),
    ("ID", Local),
    ("ENABLE", Always),
    // Names and messages pass as they are, or are filtered by what filters LIST, STATUS and FETCH.
    ("UNSELECT", Always),
    ("CHILDREN", Always),
    ("NAMESPACE", Always),
    ("SPECIAL-USE", Always),
    ("CREATE-SPECIAL-USE", Plain),
    ("LIST-EXTENDED", Always),
    ("LIST-STATUS", Always),
    ("STATUS=SIZE", Always),
    ("IDLE", Always),
    ("UIDPLUS", Always),
    ("MOVE", Always),
    ("REPLACE", Always),
    ("MULTIAPPEND", Always),
    ("APPENDLIMIT", Always),
    ("APPENDLIMIT=", Always),
    ("BINARY", Always),
    ("PREVIEW", Always),
    ("SAVEDATE", Always),
    // Searching. No message is hidden yet, so numbers, counts and scores are the upstream's.
    ("ESEARCH", Always),
    ("SEARCHRES", Always),
    ("WITHIN", Always),
    ("PARTIAL", Always),
    ("SORT", Always),
    ("SORT=DISPLAY", Always),
    ("ESORT", Always),
    ("THREAD=ORDEREDSUBJECT", Always),
    ("THREAD=REFERENCES", Always),
    ("THREAD=REFS", Always),
    ("I18NLEVEL=1", Always),
    ("XLIST", Plain),
    ("SEARCH=FUZZY", Plain),
    ("CONDSTORE", Always),
    // They change the form of names or numbers for the whole session; the filter does not follow yet.
    ("QRESYNC", Plain),
    ("UIDONLY", Plain),
    ("UIDBATCHES", Plain),
    ("UTF8=ACCEPT", Plain),
    ("IMAP4REV2", Plain),
    ("OBJECTID", Plain),
    ("LIST-MYRIGHTS", Plain),
    // They reach mailboxes by another way than the commands that rules speak of.
    ("ACL", PlainUnruled),
    ("RIGHTS=", PlainUnruled),
    ("QUOTA", PlainUnruled),
    ("QUOTA=", PlainUnruled),
    ("QUOTASET", PlainUnruled),
    ("METADATA", PlainUnruled),
    ("METADATA-SERVER", PlainUnruled),
    ("LIST-METADATA", PlainUnruled),
    ("NOTIFY", PlainUnruled),
    ("CATENATE", PlainUnruled),
    ("MULTISEARCH", PlainUnruled),
    ("CONTEXT=SEARCH", PlainUnruled),
    ("CONTEXT=SORT", PlainUnruled),
];

/// The class of a capability as the upstream spells it, in any case; `None`: never offered. `AUTH=…`, STARTTLS and
/// LOGINDISABLED say how to log in at the proxy, and COMPRESS=DEFLATE would hide the bytes from it: the upstream's are
/// never passed on. URLAUTH makes tokens that work past the proxy; X… is anybody's guess.
#[must_use]
pub fn class(token: &[u8]) -> Option<CapabilityClass> {
    let mut next = *BY_LETTER.first.get(usize::from(token.first()? & 0x1f))?;
    loop {
        let (name, class) = TABLE.get(usize::from(next))?;
        if matches_name(token, name) {
            return Some(*class);
        }
        next = *BY_LETTER.next.get(usize::from(next))?;
    }
}

/// The rows by their first letter: the first one of each, and behind each the next one; what is no row ends it. A list of an
/// upstream has forty words or more, and each session reads some.
struct ByLetter {
    first: [u8; 32],
    next: [u8; TABLE.len()],
}

static BY_LETTER: ByLetter = {
    let mut by = ByLetter { first: [u8::MAX; 32], next: [u8::MAX; TABLE.len()] };
    let mut at = TABLE.len();
    while at > 0 {
        at -= 1;
        let letter = (TABLE[at].0.as_bytes()[0] & 0x1f) as usize;
        by.next[at] = by.first[letter];
        by.first[letter] = at as u8;
    }
    by
};

fn matches_name(token: &[u8], name: &str) -> bool {
    if !name.ends_with('=') {
        return token.eq_ignore_ascii_case(name.as_bytes());
    }
    token.split_at_checked(name.len()).is_some_and(|(head, _)| head.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let rows: &[(&[u8], Option<CapabilityClass>)] = &[
            (b"IMAP4rev1", Some(Local)),
            (b"imap4REV2", Some(Plain)),
            (b"move", Some(Always)),
            (b"APPENDLIMIT=35651584", Some(Always)),
            (b"RIGHTS=kxte", Some(PlainUnruled)),
            (b"QUOTA=RES-STORAGE", Some(PlainUnruled)),
            (b"THREAD=REFERENCES", Some(Always)),
            (b"THREAD=X", None),
            (b"URLAUTH", None),
            (b"URLAUTH=BINARY", None),
            (b"COMPRESS=DEFLATE", None),
            (b"STARTTLS", None),
            (b"AUTH=PLAIN", None),
            (b"LANGUAGE", None),
            (b"CONVERT", None),
            (b"IMAPSIEVE=sieve.example.org", None),
            (b"LOGIN-REFERRALS", None),
            (b"UNAUTHENTICATE", None),
            (b"XLIST", Some(Plain)),
            (b"X-GM-EXT-1", None),
            (b"", None),
            (b"\xff", None),
        ];
        for (token, want) in rows {
            assert_eq!(class(token), *want, "{}", token.escape_ascii());
        }
    }

    #[test]
    fn each_row_is_found() {
        assert!(TABLE.len() < usize::from(u8::MAX));
        for (name, want) in TABLE {
            for token in [(*name).to_owned(), name.to_lowercase()] {
                let token = token + if name.ends_with('=') { "7" } else { "" };
                assert_eq!(class(token.as_bytes()), Some(*want), "{token}");
            }
        }
    }

    #[test]
    fn filtered_scope_offers_less() {
        let offered = |filtered, ruled| TABLE.iter().filter(|(_, class)| class.offered(filtered, ruled)).count();
        assert_eq!(offered(false, false), TABLE.len());
        assert!(offered(false, true) < offered(false, false));
        assert!(offered(true, false) < offered(false, true));
    }

    #[test]
    fn no_name_stands_twice() {
        for (at, (name, _)) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().skip(at + 1).all(|(other, _)| other != name), "{name}");
        }
    }
}
