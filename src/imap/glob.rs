//! Does a name fit a pattern, and could a name below it?
//!
//! ```text
//!   Finance/**     Finance  Finance/Q3  Finance/Q3/May      and nothing else
//!   Finance/*      Finance/Q3                               * and ? stay within a level
//!   **/Secret      Secret  a/Secret  a/b/Secret             **/ is any levels, or none
//!   [Gmail]/Bin    itself: brackets are brackets
//! ```
//!
//! ```
//! use imapwarden::imap::glob::Glob;
//!
//! let glob = Glob::folded("Finance/**").unwrap();
//! assert!(glob.matches("finance/q3") && !glob.matches("finances"));
//! assert!(glob.reach("finance/").takes_all(&glob));
//! ```
//!
//! A pattern is an automaton with a state before each of its tokens; nothing is ever tried twice, so time is bounded by
//! the product of both lengths. Knows nothing of rules.

use smallvec::SmallVec;

use super::mailbox::{fold, fold_text};

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Char(char),
    /// `?`: one character, in a mailbox name not "/".
    One {
        in_level: bool,
    },
    /// `*` in a mailbox name.
    Level,
    /// `**`; `*` in other texts.
    Across,
    /// `/**` at the end: nothing, or "/" and anything.
    Below,
    /// `**/` where a level begins: what stands up to the "/" and it may be left out.
    Perhaps,
    /// The "/" of these.
    Slash,
}

/// A pattern, compiled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    /// What stands before the first wildcard.
    literal: Box<str>,
    /// What stands behind the last one: most names are told from a pattern by either.
    ending: Box<str>,
    /// The longest text without a wildcard behind the first one: a name that matches has it somewhere.
    within: Box<str>,
    /// The letters that a name has which matches.
    letters: Letters,
    /// The whole pattern.
    tokens: Box<[Token]>,
    /// At which token the first wildcard stands.
    wild: usize,
}

/// Which letters are in a text? Some stand for others, so that it takes but a word: what is missing here is missing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Letters(u64);

impl Letters {
    /// Those of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |letters, byte| letters | 1 << (byte % 64)))
    }

    /// Are there none that are not among the others?
    #[must_use]
    pub const fn are_among(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing that a name could have.
    #[error("it matches no name")]
    Empty,
    /// Dots and blanks around a level do not count; without them it would match far more than was meant.
    #[error("without the dots and blanks around its levels nothing but wildcards is left")]
    OnlyWildcards,
    /// No name has one.
    #[error("it has a control character")]
    ControlCharacter,
}

// Stand for wildcards while a pattern is folded like a name: control characters, which folding leaves alone.
const STAR: char = '\u{1}';
const STARS: char = '\u{2}';
const MARK: char = '\u{3}';

impl Glob {
    /// A pattern over names that are folded ([`super::mailbox::fold`]): for what takes something away.
    pub fn folded(pattern: &str) -> Result<Self, GlobError> {
        let marked = mark(pattern)?;
        let vanishes = |level: &str| {
            let left = fold(level);
            !level.chars().all(is_wildcard) && !left.is_empty() && left.chars().all(is_wildcard)
        };
        if marked.split('/').any(vanishes) {
            return Err(GlobError::OnlyWildcards);
        }
        let folded = fold(&marked);
        Self::of_mailbox(&folded)
    }

    /// A pattern over names as they are: for what spares. INBOX matches in any case, as its name does.
    pub fn exact(pattern: &str) -> Result<Self, GlobError> {
        let marked = mark(pattern.trim_end_matches('/'))?;
        let (top, rest) = marked.split_once('/').unwrap_or((&marked, ""));
        match (top.eq_ignore_ascii_case("INBOX"), rest) {
            (true, "") => Self::of_mailbox("INBOX"),
            (true, rest) if rest.starts_with(STARS) => Self::of_mailbox(&format!("INBOX/{rest}")),
            _ => Self::of_mailbox(&marked),
        }
    }

    /// A pattern over texts without levels, folded ([`fold_text`]) and trimmed.
    pub fn text(pattern: &str) -> Result<Self, GlobError> {
        let folded = fold_text(&mark(pattern)?);
        let tokens: Vec<Token> = folded
            .trim()
            .chars()
            .map(|c| match c {
                STAR | STARS => Token::Across,
                MARK => Token::One { in_level: false },
                c => Token::Char(c),
            })
            .collect();
        Ok(Self::new(tokens))
    }

    fn of_mailbox(marked: &str) -> Result<Self, GlobError> {
        if marked.is_empty() {
            return Err(GlobError::Empty);
        }
        let mut levels: Vec<&str> = marked.split('/').collect();
        let all = STARS.to_string();
        levels.dedup_by(|level, before| level == before && *level == all);
        let last = levels.len().saturating_sub(1);
        let mut tokens = Vec::new();
        for (at, level) in levels.into_iter().enumerate() {
            match (level == all, at == last) {
                (true, false) => tokens.extend([Token::Perhaps, Token::Across, Token::Slash]),
                (true, true) if tokens.len() > 1 && tokens.last() == Some(&Token::Char('/')) => {
                    tokens.pop();
                    tokens.push(Token::Below);
                }
                (_, ends) => {
                    tokens.extend(level.chars().map(token));
                    tokens.extend((!ends).then_some(Token::Char('/')));
                }
            }
        }
        Ok(Self::new(tokens))
    }

    fn new(tokens: Vec<Token>) -> Self {
        let letter = |token: &Token| if let Token::Char(c) = token { Some(*c) } else { None };
        let literal: String = tokens.iter().map_while(letter).collect();
        let wild = literal.chars().count();
        let behind = tokens.get(wild..).unwrap_or_default();
        let ending: Vec<char> = behind.iter().rev().map_while(letter).collect();
        let runs = behind.split(|token| letter(token).is_none());
        let within: String = runs.max_by_key(|run| run.len()).into_iter().flatten().filter_map(letter).collect();
        let letters: String = tokens.iter().filter_map(letter).collect();
        Self {
            wild,
            literal: literal.into(),
            ending: ending.into_iter().rev().collect(),
            within: within.into(),
            letters: Letters::of(&letters),
            tokens: tokens.into(),
        }
    }

    /// The letters without which a name does not match.
    #[must_use]
    pub const fn letters(&self) -> Letters {
        self.letters
    }

    /// What stands before the first wildcard.
    #[must_use]
    pub fn literal(&self) -> &str {
        &self.literal
    }

    /// The text that alone it matches.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        (self.wild == self.tokens.len()).then_some(&self.literal)
    }

    /// The name that it matches with all that is below: `X/**`.
    #[must_use]
    pub fn as_subtree(&self) -> Option<&str> {
        matches!(self.tokens.get(self.wild..), Some([Token::Below])).then_some(&self.literal)
    }

    /// The text that all it matches end in, where the pattern is but one `*` before it.
    #[must_use]
    pub fn as_ending(&self) -> Option<String> {
        let (Token::Across, ending) = self.tokens.split_first()? else { return None };
        ending.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect()
    }

    /// Does it match the whole name?
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&*self.literal) else { return false };
        match self.tokens.get(self.wild..).unwrap_or_default() {
            [] => rest.is_empty(),
            [Token::Across] => true,
            [Token::Level] => !rest.contains('/'),
            [Token::Below] => rest.is_empty() || rest.starts_with('/'),
            _ => {
                rest.ends_with(&*self.ending)
                    && memchr::memmem::find(rest.as_bytes(), self.within.as_bytes()).is_some()
                    && self.run(self.wild, rest).accepts(self)
            }
        }
    }

    /// Where it can be once `name` is read. While that is anywhere at all, there is a name which begins so and matches.
    #[must_use]
    pub fn reach(&self, name: &str) -> Reach {
        self.run(0, name)
    }

    /// The same behind the "/" below `name`.
    #[must_use]
    pub fn reach_below(&self, name: &str) -> Reach {
        self.read(0, name.chars().chain(['/']))
    }

    fn run(&self, from: usize, name: &str) -> Reach {
        self.read(from, name.chars())
    }

    fn read(&self, from: usize, name: impl Iterator<Item = char>) -> Reach {
        let mut reach = Reach::none(self);
        self.enter(&mut reach, from);
        let mut next = Reach::none(self);
        for c in name {
            next.clear();
            for state in reach.states() {
                self.step(state, c, &mut next);
            }
            std::mem::swap(&mut reach, &mut next);
            if reach.is_empty() {
                break;
            }
        }
        reach
    }

    /// A wildcard may stand for nothing: where it can begin, what follows it can, too.
    fn enter(&self, reach: &mut Reach, state: usize) {
        let mut state = state;
        reach.add(state);
        loop {
            match self.tokens.get(state) {
                Some(Token::Level | Token::Across | Token::Below) => state = state.saturating_add(1),
                Some(Token::Perhaps) => {
                    self.enter(reach, state.saturating_add(1));
                    state = state.saturating_add(3);
                }
                Some(Token::Char(_) | Token::One { .. } | Token::Slash) | None => return,
            }
            reach.add(state);
        }
    }

    fn step(&self, state: usize, c: char, next: &mut Reach) {
        match self.tokens.get(state) {
            Some(Token::Char(own)) if *own == c => self.enter(next, state.saturating_add(1)),
            Some(Token::One { in_level }) if !in_level || c != '/' => self.enter(next, state.saturating_add(1)),
            Some(Token::Level) if c != '/' => self.enter(next, state),
            Some(Token::Across) => self.enter(next, state),
            Some(Token::Below) if c == '/' => next.add(self.below()),
            Some(Token::Slash) if c == '/' => self.enter(next, state.saturating_add(1)),
            None if state == self.below() => next.add(state),
            Some(Token::Char(_) | Token::One { .. } | Token::Level | Token::Below | Token::Perhaps | Token::Slash)
            | None => {}
        }
    }

    /// The state inside of what `/**` at the end matches: behind the state that is the end.
    fn below(&self) -> usize {
        self.tokens.len().saturating_add(1)
    }
}

/// Where a pattern can be after a part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(SmallVec<[u64; 2]>);

impl Reach {
    fn none(glob: &Glob) -> Self {
        Self(SmallVec::from_elem(0, glob.below() / 64 + 1))
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }

    fn add(&mut self, state: usize) {
        if let Some(word) = self.0.get_mut(state / 64) {
            *word |= 1 << (state % 64);
        }
    }

    fn has(&self, state: usize) -> bool {
        self.0.get(state / 64).is_some_and(|word| word & (1 << (state % 64)) != 0)
    }

    fn states(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(at * 64 + bit as usize)
            })
        })
    }

    /// Can nothing that begins so match?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Does what was read match?
    #[must_use]
    pub fn accepts(&self, glob: &Glob) -> bool {
        self.has(glob.tokens.len()) || self.has(glob.below())
    }

    /// Does everything that begins so match?
    #[must_use]
    pub fn takes_all(&self, glob: &Glob) -> bool {
        let last = glob.tokens.len().saturating_sub(1);
        self.has(glob.below()) || (glob.tokens.last() == Some(&Token::Across) && self.has(last))
    }

    /// Is it, of the same pattern, nowhere where `other` is not? Then what matches from here matches from there.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own & !other == 0)
    }

    /// Wherever it is or `other`, of the same pattern, is.
    pub fn join(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }
}

fn mark(pattern: &str) -> Result<String, GlobError> {
    if pattern.contains(char::is_control) {
        return Err(GlobError::ControlCharacter);
    }
    Ok(pattern
        .replace("**", STARS.encode_utf8(&mut [0; 4]))
        .replace('*', STAR.encode_utf8(&mut [0; 4]))
        .replace('?', MARK.encode_utf8(&mut [0; 4])))
}

fn token(c: char) -> Token {
    match c {
        STAR => Token::Level,
        STARS => Token::Across,
        MARK => Token::One { in_level: true },
        c => Token::Char(c),
    }
}

const fn is_wildcard(c: char) -> bool {
    matches!(c, STAR | STARS | MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailbox_patterns() {
        let rows = [
            ("a name", "Finance", "finance", true),
            ("not what is below it", "Finance", "finance/q3", false),
            ("itself and all below", "Finance/**", "finance", true),
            ("below", "Finance/**", "finance/q3/may", true),
            ("not a longer name", "Finance/**", "finances", false),
            ("one level", "Finance/*", "finance/q3", true),
            ("not two", "Finance/*", "finance/q3/may", false),
            ("not none", "Finance/*", "finance", false),
            ("one character", "Q?", "q3", true),
            ("never a delimiter", "a?b", "a/b", false),
            ("across levels", "**/Secret", "a/b/secret", true),
            ("or at the top", "**/Secret", "secret", true),
            ("whole levels", "**/Secret", "topsecret", false),
            ("any levels between, or none", "a/**/z", "a/z", true),
            ("whole levels between", "a/**/z", "ab/z", false),
            ("within a level it is but a star", "a**/z", "z", false),
            ("anywhere, and all below", "**/Secret/**", "secret/x", true),
            ("anywhere, and all below it there", "**/Secret/**", "a/secret/x/y", true),
            ("twice is once", "**/**/Secret", "secret", true),
            ("everything", "**", "a/b", true),
            ("the top level", "*", "a", true),
            ("the top level alone", "*", "a/b", false),
            ("brackets are brackets", "[Gmail]/Bin", "[gmail]/bin", true),
            ("brackets are no set", "[Gmail]", "g", false),
            ("a part of a name", "*2020*", "archive2020b", true),
            ("two stars in one level", "a*b*c", "axxbyyc", true),
            ("a star and a delimiter", "a*/c", "ab/c", true),
            ("in the middle", "a/**/z", "a/b/c/z", true),
            ("below a wildcard", "Team-*/**", "team-x/a/b", true),
            ("below a wildcard, itself", "Team-*/**", "team-x", true),
            ("below a wildcard, another", "Team-*/**", "teams/a", false),
            ("case and width", "ＡＢＣ/*", "abc/x", true),
            ("a trailing delimiter", "Finance/", "finance", true),
            ("a dot behind a star", "Archive.*", "archive.x", true),
        ];
        for (name, pattern, mailbox, want) in rows {
            let glob = Glob::folded(pattern).unwrap();
            assert_eq!(glob.matches(mailbox), want, "{name}");
            assert_eq!(glob.reach(mailbox).accepts(&glob), want, "{name}, read step by step");
        }
    }

    #[test]
    fn exact_patterns() {
        let rows = [
            ("as it is", "Finance/Public", "Finance/Public", true),
            ("not in another case", "Finance/Public", "finance/public", false),
            ("INBOX in any case", "inbox", "INBOX", true),
            ("and what is below it", "Inbox/**", "INBOX/x", true),
            ("no other name", "inboxes", "INBOXES", false),
            ("a trailing delimiter", "Public/", "Public", true),
        ];
        for (name, pattern, mailbox, want) in rows {
            assert_eq!(Glob::exact(pattern).unwrap().matches(mailbox), want, "{name}");
        }
    }

    #[test]
    fn texts() {
        let rows = [
            ("a domain", "*@Example.org", "ann@example.org", true),
            ("across slashes", "a*c", "a/b/c", true),
            ("one of any", "a?c", "a/c", true),
            ("blanks around it", " Ann ", "ann", true),
            ("nothing", "", "", true),
            ("not more", "ann", "anna", false),
        ];
        for (name, pattern, text, want) in rows {
            assert_eq!(Glob::text(pattern).unwrap().matches(text), want, "{name}");
        }
        assert_eq!(Glob::text("*@Example.org").unwrap().as_ending().as_deref(), Some("@example.org"));
        assert_eq!(Glob::text("a*@Example.org").unwrap().as_ending(), None);
        let subtree = |pattern| Glob::exact(pattern).unwrap().as_subtree().map(str::to_owned);
        assert_eq!((subtree("A/B/**").as_deref(), subtree("A/*"), subtree("A*/**")), (Some("A/B"), None, None));
    }

    #[test]
    fn what_is_no_pattern() {
        let rows = [
            ("", GlobError::Empty),
            ("/./", GlobError::Empty),
            (".*", GlobError::OnlyWildcards),
            ("a/ **", GlobError::OnlyWildcards),
            ("a\u{1}", GlobError::ControlCharacter),
        ];
        for (pattern, want) in rows {
            assert_eq!(Glob::folded(pattern), Err(want), "{pattern}");
        }
    }

    #[test]
    fn names_below() {
        let rows = [
            ("the pattern goes on", "a/b/c", "a/b/", true, false),
            ("it ends here", "a/b", "a/b/", false, false),
            ("all below", "a/**", "a/b/", true, true),
            ("all there is", "**", "x/", true, true),
            ("one level more", "a/*", "a/", true, false),
            ("one level less", "a/*", "a/b/", false, false),
            ("some below", "**/z", "a/", true, false),
        ];
        for (name, pattern, start, some, all) in rows {
            let glob = Glob::folded(pattern).unwrap();
            let reach = glob.reach(start);
            assert_eq!((!reach.is_empty(), reach.takes_all(&glob)), (some, all), "{name}");
        }
    }

    #[test]
    fn letters() {
        let glob = Glob::folded("Fin*/Q?/**").unwrap();
        for (name, has_them) in [("finance/q3", true), ("q/nif", true), ("archive/2024", false), ("", false)] {
            assert_eq!(glob.letters().are_among(Letters::of(name)), has_them, "{name}");
        }
        assert!(Glob::folded("**").unwrap().letters().are_among(Letters::of("")));
    }

    proptest::proptest! {
        #[test]
        fn a_name_that_matches_has_the_letters(pattern in "[abé/*?]{1,8}", name in "[abé/]{0,8}") {
            if let Ok(glob) = Glob::exact(&pattern) {
                proptest::prop_assert!(!glob.matches(&name) || glob.letters().are_among(Letters::of(&name)));
            }
        }

        #[test]
        fn agrees_with_a_regular_expression(pattern in "[ab/*?]{1,8}", name in "[ab/]{0,8}") {
            if let Ok(glob) = Glob::exact(&pattern) {
                let text = pattern.trim_end_matches('/').replace("**", "<");
                let mut levels: Vec<&str> = text.split('/').collect();
                levels.dedup_by(|level, before| level == before && *level == "<");
                let last = levels.len() - 1;
                let mut regex = String::new();
                for (at, level) in levels.into_iter().enumerate() {
                    match (level == "<", at == last) {
                        (true, false) => regex.push_str("(.*/)?"),
                        (true, true) if at > 0 && regex.ends_with('/') && regex.len() > 1 => {
                            regex.pop();
                            regex.push_str("(/.*)?");
                        }
                        (_, ends) => {
                            regex.push_str(&level.replace('*', "[^/]*").replace('?', "[^/]").replace('<', ".*"));
                            regex.push_str(if ends { "" } else { "/" });
                        }
                    }
                }
                let regex = regex::Regex::new(&format!("^{regex}$")).unwrap();
                proptest::prop_assert_eq!(glob.matches(&name), regex.is_match(&name));
            }
        }
    }
}
