//! Which mailbox? A name as policy compares it: UTF-8, "/" between levels, INBOX in capitals.
//!
//! ```
//! use imapwarden::imap::mailbox::MailboxName;
//!
//! let name = MailboxName::new("inbox");
//! assert_eq!(name.as_str(), "INBOX");
//! assert_eq!(MailboxName::new("Archive/ ２０２４ /").fold_key(), MailboxName::new("archive/2024").fold_key());
//! ```
//!
//! It knows nothing of spellings on the wire: `wire::mailbox` turns them into names and back.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use unicode_normalization::UnicodeNormalization;

/// The canonical name of a mailbox. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName(Arc<str>);

impl MailboxName {
    /// `name` is UTF-8 with "/" between levels. The exact name `inbox`, in any case, becomes `INBOX` (RFC 9051 §5.1).
    #[must_use]
    pub fn new(name: &str) -> Self {
        if name.eq_ignore_ascii_case("INBOX") { Self::inbox() } else { Self(name.into()) }
    }

    /// `INBOX`
    #[must_use]
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, for those who keep it.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Is it INBOX itself?
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// Its levels, top first.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last level.
    #[must_use]
    pub fn last_level(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, last)| last)
    }

    /// The name above it.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(above, _)| Self::new(above))
    }

    /// Is it below `other`?
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The name as rules that take something away compare it: see [`fold`].
    #[must_use]
    pub fn fold_key(&self) -> String {
        fold(&self.0)
    }
}

/// Folds what servers and eyes take for the same: case, width and other compatibility forms (NFKC), characters that do
/// not show, blanks and dots around a level, empty levels and a delimiter at the end.
///
/// It folds rather too much than too little: what it is compared for takes something away.
#[must_use]
pub fn fold(name: &str) -> String {
    let mut key = FoldKey::new();
    fold_onto(&mut key, name);
    String::from_utf8_lossy(&key).into_owned()
}

/// A folded name that needs no memory of its own while it is short.
pub type FoldKey = SmallVec<[u8; 96]>;

/// Writes the folded name behind what is there.
pub fn fold_onto(key: &mut FoldKey, name: &str) {
    if name.is_ascii() {
        push_ascii_levels(key, name.as_bytes());
    } else {
        push_levels(key, folded(name));
    }
}

/// As [`push_levels`] does with the letters in lower case, level by level: most names are ASCII, and each command that names
/// a mailbox comes here.
fn push_ascii_levels(key: &mut FoldKey, name: &[u8]) {
    let start = key.len();
    for level in name.split(|octet| *octet == b'/') {
        let is_shown = |octet: &u8| !matches!(octet, b'.' | b' ' | b'\t'..=b'\r');
        let (Some(first), Some(last)) = (level.iter().position(is_shown), level.iter().rposition(is_shown)) else {
            continue;
        };
        if key.len() > start {
            key.push(b'/');
        }
        let from = key.len();
        key.extend_from_slice(level.get(first..=last).unwrap_or_default());
        key.get_mut(from..).unwrap_or_default().make_ascii_lowercase();
    }
}

/// Writes the levels that are not empty, without the dots and blanks around each.
fn push_levels(key: &mut FoldKey, chars: impl Iterator<Item = char>) {
    let start = key.len();
    // Up to where the key is certain to stay: dots and blanks behind it may be within a level, or at its end.
    let mut keep = start;
    let mut in_level = false;
    for c in chars {
        if c == '/' {
            key.truncate(keep);
            in_level = false;
            continue;
        }
        let trimmed = c == '.' || c.is_whitespace();
        if trimmed && !in_level {
            continue;
        }
        if !in_level && keep > start {
            key.push(b'/');
        }
        in_level = true;
        key.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        if !trimmed {
            keep = key.len();
        }
    }
    key.truncate(keep);
}

/// NFKC, without case and without characters that do not show; levels are left as they are.
#[must_use]
pub fn fold_text(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { folded(text).collect() }
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    // By way of upper case, as case folding asks: ß and ss, ς and σ, ſ and s meet; and of lower case before it, for ẞ has no
    // other upper case than itself.
    let shown = text.nfkc().filter(|c| !is_default_ignorable(*c));
    let folded = shown.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.nfkc().filter(|c| !is_default_ignorable(*c))
}

/// Default_Ignorable_Code_Point of Unicode (DerivedCoreProperties).
const fn is_default_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxName({:?})", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_alone_is_folded() {
        assert!(MailboxName::new("iNbOx").is_inbox());
        assert_eq!(MailboxName::new("inbox/x").as_str(), "inbox/x");
        assert_eq!(MailboxName::new("inbox/x").parent(), Some(MailboxName::inbox()));
    }

    #[test]
    fn levels() {
        let name = MailboxName::new("a/b/c");
        assert_eq!(name.levels().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((name.last_level(), name.parent()), ("c", Some(MailboxName::new("a/b"))));
        assert!(name.is_below(&MailboxName::new("a")) && !MailboxName::new("ab").is_below(&MailboxName::new("a")));
        assert!(!name.is_below(&name));
    }

    #[test]
    fn what_folds_together() {
        let rows = [
            ("case", "Archive/Old", "archive/old"),
            ("trailing delimiter", "Archive/", "archive"),
            ("empty levels", "/Archive//Old", "archive/old"),
            ("blanks and dots", " Archive. / .Old", "archive/old"),
            ("width", "Ａｒｃｈｉｖｅ", "archive"),
            ("ligature", "ﬁnance", "finance"),
            ("zero width", "Fin\u{200b}ance\u{feff}", "finance"),
            ("decomposed", "Cafe\u{301}", "caf\u{e9}"),
            ("sharp s", "Straße", "strasse"),
            ("final sigma", "ΣΑΣ", "σασ"),
            ("no-break space", "\u{a0}Archive", "archive"),
            ("inbox below", "inbox/x", "inbox/x"),
            ("nothing left", "/./", ""),
            ("sharp s", "Straße", "strasse"),
            ("capital sharp s", "STRA\u{1e9e}E", "strasse"),
        ];
        for (name, text, want) in rows {
            assert_eq!(fold(text), want, "{name}");
        }
    }

    #[test]
    fn every_character_is_folded_to_its_end() {
        let cases = |c: char| [c.to_string(), c.to_lowercase().collect(), c.to_uppercase().collect()];
        // But ideographs, Hangul and what nobody has assigned: none of them has cases.
        for c in ('\0'..'\u{20000}').filter(|c| !matches!(c, '\u{3400}'..='\u{d7ff}' | '\u{e000}'..='\u{f8ff}')) {
            let [own, lower, upper] = cases(c).map(|text| fold(&format!("x{text}x")));
            assert_eq!(fold(&own), own, "{c:?} ({:x})", u32::from(c));
            assert!(own == lower && own == upper, "{c:?} ({:x}): {own:?} {lower:?} {upper:?}", u32::from(c));
        }
    }

    proptest::proptest! {
        /// ASCII needs no look at its characters, and comes to the same.
        #[test]
        fn ascii_is_folded_as_all_else(name in "[a-cA-C/. \t\u{b}\u{1c}\r]{0,16}", before in "(/|x)?") {
            let (mut key, mut whole) = (FoldKey::from_slice(before.as_bytes()), FoldKey::from_slice(before.as_bytes()));
            push_ascii_levels(&mut key, name.as_bytes());
            push_levels(&mut whole, name.chars().map(|c| c.to_ascii_lowercase()));
            proptest::prop_assert_eq!(key, whole, "{:?}", name);
        }

        #[test]
        fn folding_twice_is_folding_once(name in "\\PC{0,24}") {
            let once = fold(&name);
            proptest::prop_assert_eq!(fold(&once), once);
        }
    }
}
