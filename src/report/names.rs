//! Names that many records share, kept once: a number stands for each.

use std::collections::HashMap;
use std::sync::Arc;

/// Texts and their numbers, in the order in which they came.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    /// The number that was asked for last: records of one session stand together.
    last: u32,
}

impl Names {
    /// The number of a text.
    pub fn number(&mut self, text: &str) -> u32 {
        if !self.texts.is_empty() && self.text(self.last) == text {
            return self.last;
        }
        if let Some(number) = self.numbers.get(text) {
            self.last = *number;
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The text of a number.
    #[must_use]
    pub fn text(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|at| self.texts.get(at)).map_or("", |text| text)
    }
}

/// Mailboxes by name and UIDVALIDITY: a UID means nothing without either.
#[derive(Debug, Default)]
pub struct Mailboxes {
    numbers: HashMap<(u32, Option<u32>), u32>,
    boxes: Vec<(u32, Option<u32>)>,
    names: Names,
}

impl Mailboxes {
    /// The number of a mailbox.
    pub fn number(&mut self, name: &str, uidv: Option<u32>) -> u32 {
        let key = (self.names.number(name), uidv);
        let next = u32::try_from(self.boxes.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.boxes.push(key);
        }
        number
    }

    /// Name and UIDVALIDITY of a number.
    #[must_use]
    pub fn of(&self, number: u32) -> (&str, Option<u32>) {
        let known = usize::try_from(number).ok().and_then(|at| self.boxes.get(at));
        known.map_or(("", None), |(name, uidv)| (self.names.text(*name), *uidv))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_a_name() {
        let mut boxes = Mailboxes::default();
        let numbers = [("INBOX", Some(7)), ("Archive", None), ("INBOX", Some(8)), ("INBOX", Some(7))]
            .map(|(name, uidv)| boxes.number(name, uidv));
        assert_eq!(numbers, [0, 1, 2, 0]);
        assert_eq!(boxes.of(2), ("INBOX", Some(8)));
    }
}
