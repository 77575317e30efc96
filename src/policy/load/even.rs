//! A program as people write it, evened out for the grammar: one blank for many, a day for `{today-30d}`; and where each
//! octet of it stood.

use std::iter::Peekable;
use std::str::CharIndices;

use super::document::Span;
use crate::wire::search::{Key, KeyKind};

/// The day that the grammar reads for `{today…}`. What it stands for is told by its place.
const STAND_IN: &str = "1-Jan-0001";

/// A program that the grammar can read.
pub(super) struct Even {
    pub(super) text: String,
    /// Where in the rule each octet of the text stands, and where the rule's text ends.
    origin: Vec<usize>,
    days: Vec<Today>,
}

/// `{today-30d}`
struct Today {
    /// Where the day ends that stands for it.
    end: usize,
    /// Where it stands in the rule.
    written: Span,
    days: i32,
}

/// What is wrong with it: where, and what would mend it.
pub(super) type Uneven = (Span, &'static str);

impl Even {
    pub(super) fn of(written: &str) -> Result<Self, Uneven> {
        let mut even = Self { text: String::with_capacity(written.len()), origin: Vec::new(), days: Vec::new() };
        let mut chars = written.trim().char_indices().peekable();
        let begin = written.len().saturating_sub(written.trim_start().len());
        let mut quoted = false;
        while let Some((at, c)) = chars.next() {
            let place = begin.saturating_add(at);
            match c {
                '\\' if quoted => {
                    even.push(c, place);
                    if let Some((_, escaped)) = chars.next() {
                        even.push(escaped, place.saturating_add(1));
                    }
                }
                '"' => {
                    quoted = !quoted;
                    even.push(c, place);
                }
                _ if !quoted && c.is_whitespace() => even.blank(place, chars.peek().map(|(_, next)| *next)),
                '{' if !quoted => even.today(place, &mut chars, written)?,
                _ => even.push(c, place),
            }
        }
        even.origin.push(written.trim_end().len());
        Ok(even)
    }

    fn push(&mut self, c: char, place: usize) {
        self.text.push(c);
        self.origin.extend((0..c.len_utf8()).map(|octet| place.saturating_add(octet)));
    }

    /// One blank for many; none within parentheses.
    fn blank(&mut self, place: usize, next: Option<char>) {
        let is_needless =
            self.text.ends_with([' ', '(']) || matches!(next, Some(')')) || next.is_some_and(char::is_whitespace);
        if !is_needless {
            self.push(' ', place);
        }
    }

    fn today(&mut self, place: usize, chars: &mut Peekable<CharIndices<'_>>, written: &str) -> Result<(), Uneven> {
        let rest = written.get(place..).unwrap_or_default();
        let length = rest.find('}').map_or(rest.len(), |end| end.saturating_add(1));
        let span = place..place.saturating_add(length);
        let inner = rest.get(1..length.saturating_sub(1)).unwrap_or_default().trim();
        let Some(days) = inner.strip_prefix("today").and_then(count) else {
            return Err((span, "write {today} or {today-30d}; a string with `{` in it stands in quotes"));
        };
        for _ in rest.get(1..length).unwrap_or_default().chars() {
            chars.next();
        }
        STAND_IN.chars().for_each(|c| self.push(c, place));
        self.days.push(Today { end: self.text.len(), written: span, days });
        Ok(())
    }

    /// Where in the rule that part stands.
    pub(super) fn place(&self, part: Span) -> Span {
        let at = |octet: usize| self.origin.get(octet).or(self.origin.last()).copied().unwrap_or(0);
        if let Some(today) = self.days.iter().find(|today| today.end == part.end) {
            return at(part.start)..today.written.end;
        }
        let last = part.end.checked_sub(1).map_or(0, |last| at(last).saturating_add(1));
        at(part.start)..last.max(at(part.start))
    }

    /// How many days from today the date is that ends there, if it is written so.
    pub(super) fn today_at(&self, end: usize) -> Option<i32> {
        self.days.iter().find(|today| today.end == end).map(|today| today.days)
    }

    /// Where `{today…}` stands for no date.
    pub(super) fn unused(&self, keys: &[Key<'_>]) -> Vec<Span> {
        let mut used = Vec::new();
        for key in keys {
            key.walk(&mut |key| {
                if matches!(key.kind, KeyKind::Date(..)) {
                    used.push(key.span.end);
                }
            });
        }
        self.days.iter().filter(|today| !used.contains(&today.end)).map(|today| today.written.clone()).collect()
    }
}

/// ``, `-30d`, `+1d`
fn count(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    let number = text.strip_suffix('d')?.replace(' ', "");
    let (sign, digits) = number.split_at_checked(1)?;
    let days: i32 =
        digits.parse().ok().filter(|days| (0..=36_525).contains(days) && digits.bytes().all(|c| c.is_ascii_digit()))?;
    match sign {
        "-" => days.checked_neg(),
        "+" => Some(days),
        _ => None,
    }
}
