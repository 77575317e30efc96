//! `hide_messages`, `except_messages`, `judge`: SEARCH programs → tests.
//!
//! ```text
//!   BEFORE {today-30d}  ──even──▶  BEFORE 1-Jan-0001  ──wire::search──▶ keys with places ──▶ Test
//!                                         └ and what stands at that place is today less 30 days
//! ```

use crate::imap::message::{Flag, SeqSet};
use crate::mail::Needle;
use crate::policy::messages::{DateOf, Day, FieldKey, FieldTest, MessageRule, Only, Test, When, Written};
use crate::wire::search::{self, Date, Key, KeyKind};

use jiff::civil;

use super::document::{Document, Span, Text, Value};

use super::doubtful;
use super::even::Even;

/// What the three keys say.
#[derive(Default)]
pub(super) struct Programs {
    /// Each with its place.
    hide: Vec<(Test, Span)>,
    except: Vec<(Test, Span)>,
    written: Written,
    pub(super) hide_at: Option<Span>,
    pub(super) except_at: Option<Span>,
    pub(super) judge_at: Option<Span>,
    upstream: bool,
}

/// Says whether the key could be read.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    key: Span,
    value: &Value<'_>,
    programs: &mut Programs,
) -> bool {
    match name {
        "hide_messages" => {
            programs.hide_at = Some(key);
            read_programs(document, name, value, &mut programs.hide, &mut programs.written.hide)
        }
        "except_messages" => {
            programs.except_at = Some(key);
            read_programs(document, name, value, &mut programs.except, &mut programs.written.except)
        }
        _ => {
            programs.judge_at = Some(key);
            document.string(name, value).is_some_and(|text| read_judge(document, &text, &mut programs.upstream))
        }
    }
}

impl Programs {
    /// Which of them go together. Says whether they do.
    pub(super) fn check(&self, document: &mut Document<'_>) -> bool {
        let lonely = [("except_messages", &self.except_at), ("judge", &self.judge_at)];
        if self.hide_at.is_none() {
            for (name, at) in lonely.into_iter().filter_map(|(name, at)| Some((name, at.clone()?))) {
                let problem =
                    document.error(at, format!("`{name}` without `hide_messages`")).label("nothing is hidden");
                document.push(problem.help("hide_messages = \"ALL\" hides all but what except_messages names"));
            }
            return self.except_at.is_none() && self.judge_at.is_none();
        }
        self.hide.iter().for_each(|(test, span)| doubtful::about_hiding(document, span, test, self.upstream));
        self.except.iter().for_each(|(test, span)| doubtful::about_sparing(document, span, test, self.upstream));
        true
    }

    /// Does it hide every message there is?
    pub(super) fn hide_all(&self) -> Option<&Span> {
        let is_all = |test: &Test| matches!(test, Test::All(tests) if tests.is_empty());
        self.hide.iter().find(|(test, _)| is_all(test) && self.except_at.is_none()).map(|(_, span)| span)
    }

    pub(super) fn into_rule(self) -> Option<MessageRule> {
        let tests = |tests: Vec<(Test, Span)>| tests.into_iter().map(|(test, _)| test).collect();
        let (hide, except) = (tests(self.hide), tests(self.except));
        self.hide_at.map(|_| MessageRule::new(hide, except, self.upstream, self.written))
    }
}

fn read_judge(document: &mut Document<'_>, text: &Text<'_>, upstream: &mut bool) -> bool {
    *upstream = text.text == "upstream";
    if !*upstream {
        let problem = document.error(text.span.clone(), format!("unknown value `{}` of `judge`", text.text));
        document.push(problem.help("the only value is \"upstream\"; without the key the proxy judges"));
    }
    *upstream
}

fn read_programs(
    document: &mut Document<'_>,
    key: &str,
    value: &Value<'_>,
    tests: &mut Vec<(Test, Span)>,
    written: &mut Box<[Box<str>]>,
) -> bool {
    let Some(texts) = document.strings(key, value) else { return false };
    *written = texts.iter().map(|text| text.text.into()).collect();
    let mut fine = true;
    for text in &texts {
        match (Reader { document, text, fine: true }).program() {
            Some(test) => tests.push((test, text.span.clone())),
            None => fine = false,
        }
    }
    fine
}

/// One program while it is read.
struct Reader<'r, 'd> {
    document: &'r mut Document<'d>,
    text: &'r Text<'r>,
    fine: bool,
}

impl Reader<'_, '_> {
    fn program(mut self) -> Option<Test> {
        let even = match Even::of(self.text.text) {
            Ok(even) => even,
            Err((at, help)) => {
                self.error(at, "not a search program", "a date cannot be made of it", help);
                return None;
            }
        };
        let keys = match search::parse_keys(&even.text) {
            Ok(keys) => keys,
            Err(error) => {
                self.syntax_error(&even, error.at, error.expected);
                return None;
            }
        };
        let tests: Vec<Test> = keys.iter().filter_map(|key| self.key(&even, key)).collect();
        for place in even.unused(&keys) {
            self.error(
                place,
                "`{today}` is not a date here",
                "stands for itself",
                "dates follow BEFORE, ON, SINCE and their like",
            );
        }
        self.fine.then(|| Test::every(tests))
    }

    fn error(&mut self, part: Span, message: &str, label: &str, help: &str) {
        self.fine = false;
        let problem = self.document.error(self.document.part(self.text, part), message).label(label);
        self.document.push(problem.help(help));
    }

    fn syntax_error(&mut self, even: &Even, at: usize, expected: &str) {
        let rest = even.text.get(at..).unwrap_or_default();
        let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let span = even.place(at..at.saturating_add(word.len().max(1)));
        // Only dates have parts without a name.
        let (expected, is_date) = match expected {
            "something else" => ("a date", true),
            expected => (expected, expected.starts_with("a date")),
        };
        let message = match word.is_empty() {
            true if rest.is_empty() => "the search program ends too early".to_owned(),
            true => "not a search program".to_owned(),
            false if expected == "a search key" => format!("unknown search key `{word}`"),
            false => format!("`{word}` is out of place"),
        };
        let near = crate::diagnostic::suggest(&word.to_ascii_uppercase(), KEYS);
        let help = match near.filter(|_| expected == "a search key") {
            Some(near) => format!("did you mean `{near}`?"),
            None if is_date => {
                "days are written 1-Feb-2027, {today} or {today-30d}; the last two without quotes".to_owned()
            }
            None if even.text.contains('{') => "a string with `{` in it is written in quotes".to_owned(),
            None => "the language is that of SEARCH (RFC 9051 §6.4.4): HEADER \"X-Class\" \"secret\"".to_owned(),
        };
        self.error(span, &message, &format!("expected {expected}"), &help);
    }

    fn key(&mut self, even: &Even, key: &Key<'_>) -> Option<Test> {
        let mut nonsense = |why: &str, label: &str, help: &str| {
            self.error(even.place(key.span.clone()), why, label, help);
            None
        };
        Some(match &key.kind {
            KeyKind::All => Test::every(Vec::new()),
            KeyKind::New | KeyKind::Flag(Flag::Recent, _) => {
                return nonsense("\\Recent in a rule", "another for each session", "use YOUNGER, or UNSEEN");
            }
            KeyKind::Flag(flag, is_set) => Test::Flag(flag.clone(), *is_set),
            KeyKind::Field(field, text) => return self.field(even, key, field.header_name(), text.as_str()),
            KeyKind::Header(name, text) => return self.header(even, key, name.as_str(), text.as_str()),
            KeyKind::Body(text) => Test::Only(Only::Body(self.string(even, key, text.as_str())?)),
            KeyKind::Text(text) => Test::Only(Only::Text(self.string(even, key, text.as_str())?)),
            KeyKind::EmailId(id) => Test::Only(Only::EmailId(self.string(even, key, id.as_str())?)),
            KeyKind::ThreadId(id) => Test::Only(Only::ThreadId(self.string(even, key, id.as_str())?)),
            KeyKind::Date(of, when, date) => return self.date(even, key, *of, *when, *date),
            KeyKind::Larger(size) => Test::Larger(*size),
            KeyKind::Smaller(0) => {
                return nonsense("`SMALLER 0` never matches", "no message is smaller than that", "leave it out");
            }
            KeyKind::Smaller(size) => Test::Smaller(*size),
            KeyKind::Older(seconds) => Test::Older(*seconds),
            KeyKind::Younger(seconds) => Test::Younger(*seconds),
            KeyKind::Set(_) => {
                let help = "name messages by UID, or by what they are";
                return nonsense("message numbers in a rule", "another message each time", help);
            }
            KeyKind::Uid(set) if set.set == SeqSet::Saved || set.set.has_star() => {
                return nonsense(
                    "a set of UIDs without an end",
                    "another message each time",
                    "write numbers: UID 1:4711",
                );
            }
            KeyKind::Uid(set) => Test::Uid(set.set.resolve(0)?),
            KeyKind::ModSeq(_) => {
                let help = "rules see flags themselves: KEYWORD, FLAGGED, SEEN";
                return nonsense("MODSEQ in a rule", "moves with each change", help);
            }
            KeyKind::SaveDateSupported => {
                return nonsense("SAVEDATESUPPORTED in a rule", "is not about messages", "leave it out");
            }
            KeyKind::Fuzzy(_) => {
                return nonsense("FUZZY in a rule", "finds others each time", "write the key without it");
            }
            KeyKind::Vendor(name, _) => {
                let help = "the keys of RFC 9051 §6.4.4 hold on every server";
                return nonsense(&format!("{name} in a rule"), "one vendor's own, which cannot be followed", help);
            }
            KeyKind::Not(inner) => Test::Not(Box::new(self.key(even, inner)?)),
            KeyKind::Or(left, right) => {
                let (left, right) = (self.key(even, left), self.key(even, right));
                Test::any(vec![left?, right?])
            }
            KeyKind::And(keys) => {
                let tests: Vec<Option<Test>> = keys.iter().map(|key| self.key(even, key)).collect();
                Test::every(tests.into_iter().collect::<Option<_>>()?)
            }
        })
    }

    fn string(&mut self, even: &Even, key: &Key<'_>, text: Option<&str>) -> Option<Box<str>> {
        match text {
            Some("") => {
                self.error(
                    even.place(key.span.clone()),
                    "an empty text",
                    "is in every message",
                    "say what is looked for",
                );
                None
            }
            Some(text) => Some(text.into()),
            None => {
                self.error(even.place(key.span.clone()), "not UTF-8", "a text is expected", "write it in UTF-8");
                None
            }
        }
    }

    fn field(&mut self, even: &Even, key: &Key<'_>, name: &str, text: Option<&str>) -> Option<Test> {
        let text = self.string(even, key, text)?;
        let subject = name.eq_ignore_ascii_case("subject");
        let key = if subject { FieldKey::Subject } else { FieldKey::Addresses };
        Some(Test::Field(Box::new(FieldTest {
            name: name.to_ascii_lowercase().into(),
            key,
            needle: Needle::new(&text),
        })))
    }

    /// Here an empty text is one: the field is there.
    fn header(&mut self, even: &Even, key: &Key<'_>, name: Option<&str>, text: Option<&str>) -> Option<Test> {
        // RFC 5322 §2.2: printable, and no colon.
        let is_name =
            |name: &&str| !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':');
        let Some(name) = name.filter(is_name) else {
            let help = "the name without its colon: HEADER \"X-Class\" \"secret\"";
            self.error(even.place(key.span.clone()), "not the name of a field", "no message has it", help);
            return None;
        };
        let Some(text) = text else {
            self.error(even.place(key.span.clone()), "not UTF-8", "a text is expected", "write it in UTF-8");
            return None;
        };
        let test =
            FieldTest { name: name.to_ascii_lowercase().into(), key: FieldKey::Header, needle: Needle::new(text) };
        Some(Test::Field(Box::new(test)))
    }

    fn date(&mut self, even: &Even, key: &Key<'_>, of: search::DateOf, when: search::When, date: Date) -> Option<Test> {
        let day = match even.today_at(key.span.end) {
            Some(days) => Day::Today(days),
            None => Day::Fixed(self.calendar_day(even, key, date)?),
        };
        let when = match when {
            search::When::Before => When::Before,
            search::When::On => When::On,
            search::When::Since => When::Since,
        };
        Some(match of {
            search::DateOf::Internal => Test::Date(DateOf::Internal, when, day),
            search::DateOf::Sent => Test::Date(DateOf::Sent, when, day),
            search::DateOf::Saved => Test::Only(Only::Saved(when, day)),
        })
    }

    fn calendar_day(&mut self, even: &Even, key: &Key<'_>, date: Date) -> Option<civil::Date> {
        let numbers = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
        let day = match numbers {
            (Ok(year), Ok(month), Ok(day)) => civil::Date::new(year, month, day).ok(),
            _ => None,
        };
        if day.is_none() {
            self.error(
                even.place(key.span.clone()),
                "no calendar has this day",
                "never",
                "days are written 1-Feb-2024",
            );
        }
        day
    }
}

/// For suggestions.
const KEYS: [&str; 39] = [
    "ALL",
    "ANSWERED",
    "BCC",
    "BEFORE",
    "BODY",
    "CC",
    "DELETED",
    "DRAFT",
    "EMAILID",
    "FLAGGED",
    "FROM",
    "HEADER",
    "KEYWORD",
    "LARGER",
    "NOT",
    "OLDER",
    "ON",
    "OR",
    "SAVEDBEFORE",
    "SAVEDON",
    "SAVEDSINCE",
    "SEEN",
    "SENTBEFORE",
    "SENTON",
    "SENTSINCE",
    "SINCE",
    "SMALLER",
    "SUBJECT",
    "TEXT",
    "THREADID",
    "TO",
    "UID",
    "UNANSWERED",
    "UNDELETED",
    "UNDRAFT",
    "UNFLAGGED",
    "UNKEYWORD",
    "UNSEEN",
    "YOUNGER",
];
