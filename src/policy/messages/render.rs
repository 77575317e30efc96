//! A test as a SEARCH program: for the upstream, and to tell one from another.

use jiff::civil::Date;

use super::UpstreamSearch;
use super::program::{DateOf, FieldKey, FieldTest, Only, Test, When};

/// A program, and where what follows waits for `+`.
#[derive(Default)]
struct Writer {
    pieces: Vec<Box<[u8]>>,
    piece: Vec<u8>,
    is_utf8: bool,
}

/// The program that asks the upstream for it.
pub(super) fn search(test: &Test, today: Date, lasting: bool) -> UpstreamSearch {
    let mut out = Writer::default();
    out.test(test, today);
    out.pieces.push(out.piece.into());
    UpstreamSearch { pieces: out.pieces.into(), is_utf8: out.is_utf8, lasting }
}

/// The same in one piece.
pub(super) fn text(test: &Test, today: Date) -> Vec<u8> {
    search(test, today, true).pieces.concat()
}

impl Writer {
    fn test(&mut self, test: &Test, today: Date) {
        match test {
            Test::All(tests) if tests.is_empty() => self.word("ALL"),
            Test::All(tests) => {
                self.word("(");
                for (at, test) in tests.iter().enumerate() {
                    self.word(if at == 0 { "" } else { " " });
                    self.test(test, today);
                }
                self.word(")");
            }
            Test::Any(tests) => self.any(tests, today),
            Test::Not(test) => {
                self.word("NOT ");
                self.test(test, today);
            }
            Test::Flag(flag, is_set) => {
                let un = if *is_set { "" } else { "UN" };
                match flag.is_system() {
                    true => self.word(&format!("{un}{}", flag.name().to_ascii_uppercase())),
                    false => self.word(&format!("{un}KEYWORD {}", flag.name())),
                }
            }
            Test::Date(of, when, day) => {
                let sent = if *of == DateOf::Sent { "SENT" } else { "" };
                self.date(sent, *when, day.on(today));
            }
            Test::Larger(size) => self.word(&format!("LARGER {size}")),
            Test::Smaller(size) => self.word(&format!("SMALLER {size}")),
            Test::Older(seconds) => self.word(&format!("OLDER {seconds}")),
            Test::Younger(seconds) => self.word(&format!("YOUNGER {seconds}")),
            Test::Uid(set) => self.word(&format!("UID {set}")),
            Test::Field(field) => self.field(field),
            Test::Only(only) => self.only(only, today),
            // Never part of what is asked; what holds of no message hides none here, and is told apart.
            Test::Asked(at) | Test::Part(at) => self.word(&format!("NOT ALL {at}")),
        }
    }

    fn any(&mut self, tests: &[Test], today: Date) {
        match tests {
            [] => self.word("NOT ALL"),
            [last] => self.test(last, today),
            [first, rest @ ..] => {
                self.word("OR ");
                self.test(first, today);
                self.word(" ");
                self.any(rest, today);
            }
        }
    }

    fn field(&mut self, field: &FieldTest) {
        match field.key {
            FieldKey::Header => {
                self.word("HEADER ");
                self.string(&field.name);
            }
            FieldKey::Subject | FieldKey::Addresses => self.word(&field.name.to_ascii_uppercase()),
        }
        self.word(" ");
        self.string(field.needle.written());
    }

    fn only(&mut self, only: &Only, today: Date) {
        let (key, text) = match only {
            Only::Body(text) => ("BODY ", text),
            Only::Text(text) => ("TEXT ", text),
            Only::EmailId(id) => ("EMAILID ", id),
            Only::ThreadId(id) => ("THREADID ", id),
            Only::Saved(when, day) => return self.date("SAVED", *when, day.on(today)),
        };
        self.word(key);
        self.string(text);
    }

    fn date(&mut self, of: &str, when: When, day: Date) {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let when = match when {
            When::Before => "BEFORE",
            When::On => "ON",
            When::Since => "SINCE",
        };
        let month = usize::try_from(day.month()).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
        self.word(&format!("{of}{when} {}-{}-{:04}", day.day(), month.copied().unwrap_or("Jan"), day.year()));
    }

    fn word(&mut self, word: &str) {
        self.piece.extend_from_slice(word.as_bytes());
    }

    /// Quoted; as a literal where it is not ASCII (RFC 9051 §9: quoted text has 8 bits only once UTF-8 is enabled).
    fn string(&mut self, text: &str) {
        if text.is_ascii() {
            self.piece.push(b'"');
            for octet in text.bytes() {
                if matches!(octet, b'"' | b'\\') {
                    self.piece.push(b'\\');
                }
                self.piece.push(octet);
            }
            return self.piece.push(b'"');
        }
        self.is_utf8 = true;
        self.word(&format!("{{{}}}\r\n", text.len()));
        self.pieces.push(std::mem::take(&mut self.piece).into());
        self.word(text);
    }
}
