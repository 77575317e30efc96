//! How much of each numbered part of a message was relayed, and whether that is all of the message.
//!
//! ```text
//!   BODY[1]  BODY[2]<0.1000>  BODY[2]<1000.1000>       all of it, if there is no third one
//!   BODY[1.1]  BODY[1.2]  BINARY[2]                    nor a third one in the first
//!   BODY[2]                                            whatever parts there are: not all
//! ```
//!
//! Which parts there are is asked for where these may be all ([`super::afterwards`]).

use crate::wire::structure::{PartNumber, Piece, Structure};

use super::coverage::{Reach, Runs, Slice};

/// Most parts of one message of which it is known what was relayed.
const MOST_PARTS: usize = 256;

/// What of a part a slice is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartOf {
    /// `BODY[n]`
    All,
    /// `BODY[n.TEXT]`: of a message in the message.
    Text,
    /// `BINARY[n]`: all of it, but other octets.
    Decoded,
}

#[derive(Debug)]
struct Part {
    number: PartNumber,
    of: PartOf,
    runs: Runs,
}

/// The numbered parts of a message.
#[derive(Debug, Default)]
pub(super) struct Parts {
    relayed: Vec<Part>,
    structure: Option<Structure>,
}

impl Parts {
    /// Is anything of any of them there?
    pub fn is_empty(&self) -> bool {
        self.relayed.is_empty()
    }

    /// Is there an octet of any?
    pub fn has_octets(&self) -> bool {
        self.relayed.iter().any(|part| part.runs.has_octets())
    }

    /// How many are there, in whole or in part?
    pub fn len(&self) -> usize {
        self.relayed.len()
    }

    /// A slice of one was relayed. `false`: there are too many to know it.
    pub fn add(&mut self, number: PartNumber, of: PartOf, slice: Slice) -> bool {
        let at = self.relayed.iter().position(|part| (part.number, part.of) == (number, of));
        let part = match at {
            Some(at) => self.relayed.get_mut(at),
            None if self.relayed.len() >= MOST_PARTS => None,
            None => Some(self.relayed.push_mut(Part { number, of, runs: Runs::default() })),
        };
        let Some(part) = part else { return false };
        part.runs.add(slice.from, slice.to, slice.last);
        true
    }

    /// Which parts there are was told.
    pub fn learn(&mut self, structure: Structure) {
        self.structure = Some(structure);
    }

    /// Is it known which there are?
    pub fn are_known(&self) -> bool {
        self.structure.is_some()
    }

    /// Are these all parts of the message?
    pub fn reach(&self) -> Reach {
        match &self.structure {
            _ if self.relayed.is_empty() => Reach::Part,
            Some(structure) if structure.is_covered(|piece| self.has(piece)) => Reach::Full,
            Some(_) => Reach::Part,
            None if self.may_be_all(PartNumber::NONE) => Reach::Unknown,
            None => Reach::Part,
        }
    }

    fn has(&self, piece: Piece) -> bool {
        self.relayed.iter().any(|part| match piece {
            // Octets are told of what stands in the message, not of what that is decoded.
            Piece::Part(number, octets) | Piece::Text(number, octets) => {
                let reaches = || part.runs.reach().is_some_and(|reach| reach >= octets);
                let is_it = part.number == number && (part.of == PartOf::Text) == matches!(piece, Piece::Text(..));
                is_it && (part.runs.is_whole() || reaches())
            }
            Piece::Below(number) => {
                part.number.number_below(&number).is_some() && part.runs.reach().is_some_and(|reach| reach > 0)
            }
        })
    }

    /// Is there a message of which these are all parts, or all in this one? One that lacks its first part is not.
    fn may_be_all(&self, number: PartNumber) -> bool {
        let begun = || self.relayed.iter().filter(|part| part.runs.reach().is_some());
        if begun().any(|part| part.number == number) {
            return true;
        }
        let last = begun().filter_map(|part| part.number.number_below(&number)).max();
        last.is_some_and(|last| (1..=last).all(|one| self.may_be_all(number.child(u64::from(one)))))
    }
}

#[cfg(test)]
mod tests {
    use crate::imap::message::{Uid, UidSet};

    use super::super::coverage::{Coverage, Section, reach_of};
    use super::*;

    const ONE: &str = r#"("text" "plain" NIL NIL NIL "7bit" 50 1)"#;
    const TWO: &str = r#"(("text" "plain" NIL NIL NIL "7bit" 50 1)("image" "png" NIL NIL NIL "base64" 80) "mixed")"#;
    /// 1.1, 1.2, 2
    const NESTED: &str = r#"((("text" "plain" NIL NIL NIL "7bit" 50 1)("text" "html" NIL NIL NIL "7bit" 60 1) "alternative")("image" "png" NIL NIL NIL "base64" 80) "mixed")"#;
    /// 1, and 2 with 2.1 and 2.2
    const FORWARDED: &str = r#"(("text" "plain" NIL NIL NIL "7bit" 50 1)("message" "rfc822" NIL NIL NIL "7bit" 200 (NIL) (("text" "plain" NIL NIL NIL "7bit" 50 1)("image" "png" NIL NIL NIL "base64" 80) "mixed") 9) "mixed")"#;
    /// One part, which is a message of one part.
    const ONLY_FORWARDED: &str =
        r#"("message" "rfc822" NIL NIL NIL "7bit" 90 (NIL) ("text" "plain" NIL NIL NIL "7bit" 50 1) 9)"#;
    /// 1, and 2 with nobody knows what.
    const DARK: &str =
        r#"(("text" "plain" NIL NIL NIL "7bit" 50 1)("message" "rfc822" NIL NIL NIL "7bit" 90) "mixed")"#;

    /// `1` whole, `1 0-10` a slice, `1 10-20.` the last one; `b1` decoded, `TEXT` the text of the message.
    fn slice(text: &str) -> Slice {
        let (section, octets) = text.split_once(' ').unwrap_or((text, "0-33."));
        let (from, to) = octets.trim_end_matches('.').split_once('-').unwrap();
        let number = |section: &str| PartNumber::read(section.as_bytes()).unwrap().0;
        let section = match (section.strip_prefix('b'), section.strip_suffix(".TEXT")) {
            _ if section == "TEXT" => Section::Text,
            (Some(decoded), _) => Section::Part(number(decoded), PartOf::Decoded),
            (None, Some(text)) => Section::Part(number(text), PartOf::Text),
            (None, None) => Section::Part(number(section), PartOf::All),
        };
        Slice { section, from: from.parse().unwrap(), to: to.parse().unwrap(), last: octets.ends_with('.') }
    }

    #[test]
    fn parts_that_are_all_of_a_message() {
        use Reach::{Full, Part};
        let rows: &[(&str, &str, &[&str], Reach)] = &[
            ("the only one", ONE, &["1"], Full),
            ("the only one, decoded", ONE, &["b1"], Full),
            ("the only one, in slices", ONE, &["1 0-10", "1 10-20."], Full),
            ("the last slice first", ONE, &["1 10-20.", "1 0-10"], Full),
            ("a hole", ONE, &["1 0-10", "1 11-20."], Part),
            ("a slice that is all of it", ONE, &["1 0-50"], Full),
            ("a slice that is not", ONE, &["1 0-49"], Part),
            ("a slice, and nothing behind the end", ONE, &["1 0-49", "1 99-99."], Part),
            ("nothing behind the end, and all of it", ONE, &["1 99-99.", "1 0-50"], Full),
            ("some of it, decoded", ONE, &["b1 0-49"], Part),
            ("slices of both, decoded and not", ONE, &["b1 0-20", "1 20-50."], Part),
            ("one of two", TWO, &["1"], Part),
            ("the other", TWO, &["2"], Part),
            ("both", TWO, &["1", "2"], Full),
            ("both, the other first", TWO, &["2", "1"], Full),
            ("both, one decoded", TWO, &["1", "b2"], Full),
            ("both, one in slices", TWO, &["1", "2 0-40", "2 40-80"], Full),
            ("one, and some of the other", TWO, &["1", "2 0-40"], Part),
            ("one that is not there", TWO, &["1", "3"], Part),
            ("one that is not there, in the first", TWO, &["1", "2.1"], Part),
            ("a multipart, and what stands beside it", NESTED, &["1", "2"], Full),
            ("a multipart in slices", NESTED, &["1 0-100", "1 100-300.", "2"], Full),
            ("what is in a multipart", NESTED, &["1.1", "1.2", "2"], Full),
            ("not all that is in it", NESTED, &["1.1", "2"], Part),
            ("all that is in it, and nothing else", NESTED, &["1.1", "1.2"], Part),
            ("a message in it", FORWARDED, &["1", "2"], Full),
            ("its text", FORWARDED, &["1", "2.TEXT"], Full),
            ("its parts", FORWARDED, &["1", "2.1", "2.2"], Full),
            ("some of its parts", FORWARDED, &["1", "2.1"], Part),
            ("some of its text", FORWARDED, &["1", "2.TEXT 0-100"], Part),
            ("some of it, all of its parts", FORWARDED, &["1", "2 0-100", "2.1", "2.2"], Full),
            ("nothing but a message", ONLY_FORWARDED, &["1"], Full),
            ("its text, and that is all", ONLY_FORWARDED, &["1.TEXT"], Full),
            ("its only part", ONLY_FORWARDED, &["1.1"], Full),
            ("some of its only part", ONLY_FORWARDED, &["1.1 0-20"], Part),
            ("a part of what nobody knows", DARK, &["1", "2.1"], Full),
            ("all of what nobody knows", DARK, &["1", "2"], Full),
            ("nothing of what nobody knows", DARK, &["1"], Part),
            ("the text of the message, and a part", TWO, &["TEXT", "1"], Full),
            ("some of the text, and a part", TWO, &["TEXT 0-20", "1"], Part),
            ("the text of the message", TWO, &["TEXT"], Part),
            ("the text of the message, and nothing of a part", TWO, &["TEXT", "7 0-0."], Part),
        ];
        let uid = Uid::MAX;
        for (name, structure, slices, want) in rows {
            let structure = Structure::read(structure.as_bytes()).unwrap();
            // Known before, and told behind the last slice.
            let mut coverage = Coverage::default();
            let mut reach = Part;
            for text in *slices {
                reach = coverage.add(uid, &[slice(text)], Some(1_000)).0;
                if reach == Reach::Unknown {
                    reach = coverage.learn_structure(uid, structure.clone(), None);
                }
            }
            assert_eq!(reach, *want, "{name}");
            let mut coverage = Coverage::default();
            let all: Vec<Slice> = slices.iter().map(|text| slice(text)).collect();
            let reach = match coverage.add(uid, &all, Some(1_000)).0 {
                Reach::Unknown => coverage.learn_structure(uid, structure, None),
                reach => reach,
            };
            assert_eq!(reach, *want, "{name}, at once");
        }
    }

    #[test]
    fn it_is_not_asked_where_it_cannot_be_all() {
        let rows: &[(&str, &[&str], Reach)] = &[
            ("the first", &["1"], Reach::Unknown),
            ("the first of the first", &["1.1"], Reach::Unknown),
            ("a slice of the first", &["1 0-10"], Reach::Unknown),
            ("a slice that is not the first", &["1 5-10."], Reach::Part),
            ("the second", &["2"], Reach::Part),
            ("the second of the first", &["1.2"], Reach::Part),
            ("the first of the second", &["2.1"], Reach::Part),
            ("two", &["2", "1"], Reach::Unknown),
            ("two with a hole", &["1", "3"], Reach::Part),
            ("one, and not the first of another", &["1", "2.2"], Reach::Part),
            ("one, and all of another", &["1", "2.1", "2.2"], Reach::Unknown),
            ("nothing behind the end", &["1 10-10."], Reach::Part),
        ];
        for (name, slices, want) in rows {
            let all: Vec<Slice> = slices.iter().map(|text| slice(text)).collect();
            assert_eq!(reach_of(&all, None), *want, "{name}");
        }
    }

    #[test]
    fn what_is_too_much_to_be_known_is_told_to_be_all_of_it() {
        let uid = |number: u32| Uid::new(number).unwrap();
        let structure = || Structure::read(TWO.as_bytes()).unwrap();
        // More parts than are told apart.
        let mut coverage = Coverage::default();
        for number in 2..=MOST_PARTS + 1 {
            assert_eq!(coverage.add(uid(1), &[slice(&number.to_string())], None).0, Reach::Part, "{number}");
        }
        assert_eq!(coverage.add(uid(1), &[slice("1000")], None).0, Reach::Full);
        assert_eq!(coverage.add(uid(1), &[slice("2")], None).0, Reach::Part, "it begins anew");

        // More messages than are remembered, all read by one command: none is forgotten while it waits.
        let mut coverage = Coverage::default();
        for number in 1..=4_096 {
            assert_eq!(coverage.add(uid(number), &[slice("1")], None).0, Reach::Unknown, "{number}");
        }
        assert_eq!(coverage.add(uid(5_000), &[slice("1")], None).0, Reach::Full, "more than are asked for");
        for number in 1..=2_000 {
            assert_eq!(coverage.learn_structure(uid(number), structure(), None), Reach::Part, "{number}");
        }
        assert!(coverage.knows_structures(&UidSet::run(uid(1), uid(500))));
        assert_eq!(coverage.give_up(uid(2_001)), Reach::Full);
        assert_eq!(coverage.add(uid(2_001), &[slice("2")], None).0, Reach::Part, "it begins anew");
        // It is over: what is more than is remembered goes.
        coverage.settle();
        coverage.add(uid(6_000), &[slice("2")], None);
        assert!(!coverage.knows_structures(&UidSet::run(uid(1), uid(1))));
        assert_eq!(coverage.add(uid(1), &[slice("1")], None).0, Reach::Full, "it is read on");
        assert_eq!(coverage.learn_structure(uid(2), structure(), None), Reach::Full, "it may have been all");

        // More parts of all messages than are remembered.
        let mut coverage = Coverage::default();
        for number in 1..=100 {
            for part in 2..=101 {
                coverage.add(uid(number), &[slice(&part.to_string())], None);
            }
        }
        assert_eq!(coverage.add(uid(1), &[slice("3")], None).0, Reach::Full);
        assert_eq!(coverage.add(uid(100), &[slice("3")], None).0, Reach::Part);
    }
}
