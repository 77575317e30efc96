//! What may be done to a mailbox? The rights of RFC 4314 §2.1 as a set.
//!
//! ```
//! use imapwarden::imap::rights::{Right, Rights};
//!
//! let read_only: Rights = "lr".parse().unwrap();
//! assert!(read_only.contains(Right::Read) && !read_only.contains(Right::Insert));
//! assert_eq!(Rights::preset("read-only"), Some(read_only));
//! ```

use std::fmt;
use std::ops::{BitAnd, BitOr, Sub};
use std::str::FromStr;

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Right {
    /// `l`: the mailbox is visible.
    Lookup = 1 << 0,
    /// `r`: SELECT, and read.
    Read = 1 << 1,
    /// `s`: keep `\Seen`.
    Seen = 1 << 2,
    /// `w`: other flags.
    Write = 1 << 3,
    /// `i`: APPEND and COPY into it.
    Insert = 1 << 4,
    /// `p`: send mail to its submission address.
    Post = 1 << 5,
    /// `k`: CREATE below it.
    Create = 1 << 6,
    /// `x`: DELETE it.
    DeleteMailbox = 1 << 7,
    /// `t`: `\Deleted`.
    DeleteMessages = 1 << 8,
    /// `e`: EXPUNGE.
    Expunge = 1 << 9,
    /// `a`: change its access list.
    Administer = 1 << 10,
}

impl Right {
    /// All rights, in the order of RFC 4314 as the contract writes them: `lrswipkxtea`.
    pub const ALL: [Self; 11] = [
        Self::Lookup,
        Self::Read,
        Self::Seen,
        Self::Write,
        Self::Insert,
        Self::Post,
        Self::Create,
        Self::DeleteMailbox,
        Self::DeleteMessages,
        Self::Expunge,
        Self::Administer,
    ];

    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Lookup => 'l',
            Self::Read => 'r',
            Self::Seen => 's',
            Self::Write => 'w',
            Self::Insert => 'i',
            Self::Post => 'p',
            Self::Create => 'k',
            Self::DeleteMailbox => 'x',
            Self::DeleteMessages => 't',
            Self::Expunge => 'e',
            Self::Administer => 'a',
        }
    }

    /// The right of that letter.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.letter() == letter)
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u16);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// Every right of RFC 4314.
    pub const ALL: Self = Self(0x7ff);

    /// The set of those given.
    #[must_use]
    pub const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut rest = rights;
        while let Some((right, others)) = rest.split_first() {
            bits |= *right as u16;
            rest = others;
        }
        Self(bits)
    }

    /// The rights that a preset of the rule file keeps: `read-only`, `organise` (or `organize`), `tidy`.
    /// What the last two say about MOVE is no right, and left to policy.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        use Right::{Insert, Lookup, Read, Seen, Write};
        match name {
            "read-only" => Some(Self::of(&[Lookup, Read])),
            "organise" | "organize" | "tidy" => Some(Self::of(&[Lookup, Read, Seen, Write, Insert])),
            _ => None,
        }
    }

    /// Reads letters as a server writes them: letters that are no right of RFC 4314 are skipped, and the obsolete `c`
    /// and `d` of RFC 2086 stand for `kx` and `te` (RFC 4314 §2.1.1).
    #[must_use]
    pub fn from_wire(letters: &[u8]) -> Self {
        letters.iter().fold(Self::NONE, |set, letter| {
            set | match letter {
                b'c' => Self::of(&[Right::Create, Right::DeleteMailbox]),
                b'd' => Self::of(&[Right::DeleteMessages, Right::Expunge]),
                _ => Right::from_letter(char::from(*letter)).map_or(Self::NONE, Self::from),
            }
        })
    }

    /// Is the right among them?
    #[must_use]
    pub const fn contains(self, right: Right) -> bool {
        self.0 & right as u16 != 0
    }

    /// Are all of `other` among them?
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Is there one that is in both?
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Is there none?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.contains(*right))
    }
}

impl From<Right> for Rights {
    fn from(right: Right) -> Self {
        Self(right as u16)
    }
}

impl BitAnd for Rights {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Rights {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, |set, right| set | right.into())
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|right| fmt::Write::write_char(f, right.letter()))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

/// A letter that is no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown right `{letter}`")]
pub struct UnknownRight {
    /// The letter.
    pub letter: char,
    /// At which byte of the text it stands.
    pub at: usize,
}

impl FromStr for Rights {
    type Err = UnknownRight;

    /// Reads letters strictly: `"lrs"`. Presets are [`Rights::preset`].
    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        text.char_indices().map(|(at, letter)| Right::from_letter(letter).ok_or(UnknownRight { letter, at })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_order() {
        assert_eq!(Rights::ALL.to_string(), "lrswipkxtea");
        assert_eq!("eal".parse::<Rights>().unwrap().to_string(), "lea");
        assert_eq!("lrz".parse::<Rights>(), Err(UnknownRight { letter: 'z', at: 2 }));
        assert_eq!(Rights::from_wire(b"lrcd0Q").to_string(), "lrkxte");
        assert_eq!(Right::ALL.into_iter().collect::<Rights>(), Rights::ALL);
    }

    #[test]
    fn set_algebra() {
        let (lrs, rw): (Rights, Rights) = ("lrs".parse().unwrap(), "rw".parse().unwrap());
        assert_eq!((lrs & rw).to_string(), "r");
        assert_eq!((lrs | rw).to_string(), "lrsw");
        assert_eq!((lrs - rw).to_string(), "ls");
        assert!(Rights::ALL.contains_all(lrs) && !lrs.contains_all(rw) && lrs.intersects(rw));
    }

    #[test]
    fn presets() {
        let rows = [
            ("read-only", Some("lr")),
            ("organise", Some("lrswi")),
            ("organize", Some("lrswi")),
            ("tidy", Some("lrswi")),
        ];
        for (name, want) in rows {
            assert_eq!(Rights::preset(name).map(|rights| rights.to_string()).as_deref(), want, "{name}");
        }
        assert_eq!(Rights::preset("lr"), None);
    }
}
