//! SEARCH: keys compiled once, then asked of every message (RFC 3501 §6.4.4, RFC 4731, RFC 5032).
//!
//! ```text
//!   OR FROM eve LARGER 20000 UNSEEN   ──▶   [Or(Field(from, "eve"), Larger(20000)), Not(Flag(\Seen))]
//! ```
//!
//! Text is compared decoded and without case. What is not advertised is BAD, never ignored.

use std::collections::BTreeSet;

use jiff::{Timestamp, ZonedDateTime};

use super::commands::{DONE, Outcome, Refused, Session};
use super::mime::field;
use super::store::Message;
use super::text::{body_text, contains, fold, header_values, sent_date};
use super::view::{Numbered, View, put};
use crate::imap::message::{Flag, Uid, UidSet};
use crate::wire::command::Text;
use crate::wire::search::{Date, DateOf, Key, KeyKind, Program, Returns, Search, SearchReturn, When};

/// A key, ready to be asked.
enum Test {
    All,
    Flag(Flag),
    Recent,
    /// A header field of that name with that text in it.
    Field(String, String),
    Body(String),
    Text(String),
    Date(DateOf, When, Date),
    Larger(u64),
    Smaller(u64),
    Older(u32),
    Younger(u32),
    Uids(BTreeSet<Uid>),
    Not(Box<Test>),
    Or(Box<Test>, Box<Test>),
    And(Vec<Test>),
}

struct Candidate<'m> {
    message: &'m Message,
    recent: bool,
    now: Timestamp,
}

impl Session {
    pub(super) fn search(&mut self, search: &Search<'_>, by_uid: bool, tag: &str) -> Outcome {
        charset_is_known(&search.program)?;
        let (account, view) = self.selected()?;
        let tests = compile_all(&search.program.keys, view)?;
        let found: Vec<Numbered> = {
            let mailboxes = account.lock();
            let Some(mailbox) = mailboxes.by_id(view.mailbox) else { return DONE };
            let now = Timestamp::now();
            let holds = |numbered: &Numbered| {
                mailbox.message(numbered.uid).is_some_and(|message| {
                    let candidate = Candidate { message, recent: view.is_recent(numbered.uid), now };
                    tests.iter().all(|test| test.holds(&candidate))
                })
            };
            view.all().filter(holds).collect()
        };
        let numbers = found
            .iter()
            .filter_map(|found| if by_uid { Some(found.uid) } else { Uid::new(u32::try_from(found.seq).ok()?) });
        match &search.returns {
            None => self.untagged(&numbers.fold("SEARCH".to_owned(), |line, number| format!("{line} {number}"))),
            Some(returns) => {
                let line = extended(&numbers.collect(), returns, by_uid, tag)?;
                self.out.extend_from_slice(&line);
                DONE
            }
        }
    }
}

/// `* ESEARCH (TAG "a1") UID MIN 2 ALL 2:4,7`. Without results there is nothing to say but COUNT (RFC 4731 §3.1).
fn extended(found: &UidSet, returns: &Returns, by_uid: bool, tag: &str) -> Result<Vec<u8>, Refused> {
    let mut line = b"* ESEARCH (TAG ".to_vec();
    super::structure::string(&mut line, tag.as_bytes());
    line.extend_from_slice(if by_uid { b") UID" } else { b")" });
    let all = [SearchReturn::All];
    let options = if returns.options.is_empty() { &all[..] } else { &returns.options };
    for option in options {
        match option {
            SearchReturn::Min => {
                found.first().into_iter().for_each(|number| put(&mut line, format_args!(" MIN {number}")))
            }
            SearchReturn::Max => {
                found.last().into_iter().for_each(|number| put(&mut line, format_args!(" MAX {number}")))
            }
            SearchReturn::All if found.is_empty() => {}
            SearchReturn::All => put(&mut line, format_args!(" ALL {found}")),
            SearchReturn::Count => put(&mut line, format_args!(" COUNT {}", found.len())),
            SearchReturn::Save
            | SearchReturn::Partial(_)
            | SearchReturn::Context
            | SearchReturn::Update
            | SearchReturn::Relevancy => return Err(Refused::bad("that RETURN option is not supported")),
        }
    }
    line.extend_from_slice(b"\r\n");
    Ok(line)
}

fn charset_is_known(program: &Program<'_>) -> Result<(), Refused> {
    match &program.charset {
        Some(charset) if !charset.is("UTF-8") && !charset.is("US-ASCII") => {
            Err(Refused::no("[BADCHARSET (US-ASCII UTF-8)] that charset is not known"))
        }
        _ => Ok(()),
    }
}

fn compile_all(keys: &[Key<'_>], view: &View) -> Result<Vec<Test>, Refused> {
    keys.iter().map(|key| compile(key, view)).collect()
}

fn compile(key: &Key<'_>, view: &View) -> Result<Test, Refused> {
    let uids = |set, by_uid| -> Result<Test, Refused> {
        Ok(Test::Uids(view.resolve(set, by_uid)?.into_iter().map(|numbered| numbered.uid).collect()))
    };
    Ok(match &key.kind {
        KeyKind::All => Test::All,
        KeyKind::New => Test::And(vec![Test::Recent, not(Test::Flag(Flag::Seen))]),
        KeyKind::Flag(flag, set) => {
            let test = if *flag == Flag::Recent { Test::Recent } else { Test::Flag(flag.clone()) };
            if *set { test } else { not(test) }
        }
        KeyKind::Field(field, text) => Test::Field(field.header_name().to_owned(), needle(text)?),
        KeyKind::Header(name, text) => Test::Field(needle(name)?, needle(text)?),
        KeyKind::Body(text) => Test::Body(needle(text)?),
        KeyKind::Text(text) => Test::Text(needle(text)?),
        KeyKind::Date(DateOf::Saved, ..) => return Err(unsupported()),
        KeyKind::Date(of, when, date) => Test::Date(*of, *when, *date),
        KeyKind::Larger(size) => Test::Larger(*size),
        KeyKind::Smaller(size) => Test::Smaller(*size),
        KeyKind::Older(seconds) => Test::Older(seconds.get()),
        KeyKind::Younger(seconds) => Test::Younger(seconds.get()),
        KeyKind::Set(set) => uids(&set.set, false)?,
        KeyKind::Uid(set) => uids(&set.set, true)?,
        KeyKind::Not(key) => not(compile(key, view)?),
        KeyKind::Or(left, right) => Test::Or(Box::new(compile(left, view)?), Box::new(compile(right, view)?)),
        KeyKind::And(keys) => Test::And(compile_all(keys, view)?),
        KeyKind::ModSeq(_)
        | KeyKind::SaveDateSupported
        | KeyKind::EmailId(_)
        | KeyKind::ThreadId(_)
        | KeyKind::Fuzzy(_)
        | KeyKind::Vendor(..) => return Err(unsupported()),
    })
}

fn not(test: Test) -> Test {
    Test::Not(Box::new(test))
}

fn unsupported() -> Refused {
    Refused::bad("that search key is not supported")
}

fn needle(text: &Text<'_>) -> Result<String, Refused> {
    text.as_str().map(fold).ok_or(Refused::bad("a string to search for is not UTF-8"))
}

impl Test {
    fn holds(&self, candidate: &Candidate<'_>) -> bool {
        let Candidate { message, recent, now } = candidate;
        let (mail, root) = (&*message.mail, message.mail.root());
        let size = u64::try_from(mail.octets().len()).unwrap_or(u64::MAX);
        let age = now.as_second().saturating_sub(message.date.timestamp().as_second());
        match self {
            Self::All => true,
            Self::Flag(flag) => has_flag(message, flag),
            Self::Recent => *recent,
            Self::Field(name, text) => header_values(mail.header(root), name).any(|value| contains(&value, text)),
            Self::Body(text) => body_text(mail).any(|part| contains(&part, text)),
            Self::Text(text) => {
                contains(&super::text::header_text(mail.header(root)), text)
                    || body_text(mail).any(|part| contains(&part, text))
            }
            Self::Date(DateOf::Sent, when, date) => {
                let sent = field(mail.header(root), "date").and_then(|value| sent_date(&value));
                sent.is_some_and(|sent| is_when(sent, *when, *date))
            }
            Self::Date(DateOf::Internal | DateOf::Saved, when, date) => is_when(day_of(&message.date), *when, *date),
            Self::Larger(than) => size > *than,
            Self::Smaller(than) => size < *than,
            Self::Older(seconds) => age >= i64::from(*seconds),
            Self::Younger(seconds) => age <= i64::from(*seconds),
            Self::Uids(uids) => uids.contains(&message.uid),
            Self::Not(test) => !test.holds(candidate),
            Self::Or(left, right) => left.holds(candidate) || right.holds(candidate),
            Self::And(tests) => tests.iter().all(|test| test.holds(candidate)),
        }
    }
}

fn has_flag(message: &Message, flag: &Flag) -> bool {
    message.has(flag)
        || message.flags.iter().any(|has| !has.is_system() && has.name().eq_ignore_ascii_case(flag.name()))
}

/// The day, in the zone that the date is given in: time and zone are disregarded (RFC 9051 §6.4.4).
fn day_of(date: &ZonedDateTime) -> Date {
    let number = |number: i16| u16::try_from(number).unwrap_or(0);
    let small = |number: i8| u8::try_from(number).unwrap_or(0);
    Date { year: number(date.year()), month: small(date.month()), day: small(date.day()) }
}

fn is_when(date: Date, when: When, than: Date) -> bool {
    match when {
        When::Before => date < than,
        When::On => date == than,
        When::Since => date >= than,
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::{Delivery, Store};
    use super::super::view::View;
    use super::*;
    use crate::imap::mailbox::MailboxName;
    use crate::wire::search::parse_keys;
    use std::sync::Arc;

    const MAILS: [(&str, &[Flag], &str); 4] = [
        (
            "2024-02-01T23:30:00-05:00[-05:00]",
            &[Flag::Seen],
            "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nSubject: Budget\r\n 2024\r\n\
             Date: Thu, 1 Feb 2024 23:30:00 -0500\r\n\r\nplain words\r\n",
        ),
        (
            "2024-02-03T00:00:00Z[UTC]",
            &[Flag::Flagged, Flag::Deleted],
            "From: eve@example.org\r\nCc: ann@example.org\r\nDate: Fri, 2 Feb 2024 00:00:00 +0000\r\n\
             Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             caf=E9 soft=\r\nbreak\r\n",
        ),
        (
            "2025-01-01T00:00:00Z[UTC]",
            &[],
            "From: ann@example.org\r\nX-Empty:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==\r\n\
             --b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0\r\n--b--\r\n",
        ),
        (
            "2025-01-02T00:00:00Z[UTC]",
            &[Flag::Answered],
            "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n",
        ),
    ];

    fn found(keys: &str) -> Result<Vec<u32>, Refused> {
        let account = Store::empty_with(&[("ann", "pw")]).account("ann").unwrap();
        account.change(|mailboxes| {
            let inbox = mailboxes.by_name_mut(&MailboxName::inbox()).unwrap();
            for (date, flags, octets) in MAILS {
                let mail = Arc::new(super::super::mime::Mail::new(octets.as_bytes()));
                let keyword = Flag::Keyword("$Work".into());
                let flags = flags.iter().cloned().chain((octets.len() % 2 == 0).then_some(keyword)).collect();
                inbox.push(Delivery { flags, date: date.parse().unwrap(), mail });
            }
            let view = View::open(inbox, false);
            let tests = compile_all(&parse_keys(keys).unwrap(), &view)?;
            let holds = |message: &&Message| {
                let candidate = Candidate {
                    message,
                    recent: view.is_recent(message.uid),
                    now: "2025-01-03T00:00:00Z".parse().unwrap(),
                };
                tests.iter().all(|test| test.holds(&candidate))
            };
            Ok(inbox.messages.iter().filter(holds).map(|message| message.uid.get()).collect())
        })
    }

    #[test]
    fn keys() {
        let rows: [(&str, &[u32]); 36] = [
            ("ALL", &[1, 2, 3, 4]),
            ("SEEN", &[1]),
            ("UNSEEN DELETED", &[2]),
            ("OR ANSWERED FLAGGED", &[2, 4]),
            ("NOT (UNANSWERED UNFLAGGED)", &[2, 4]),
            ("NEW", &[2, 3, 4]),
            ("OLD", &[]),
            ("RECENT", &[1, 2, 3, 4]),
            ("OR KEYWORD $work UNKEYWORD $WORK", &[1, 2, 3, 4]),
            ("FROM \"jürgen\"", &[1]),
            ("FROM EXAMPLE.org", &[1, 2, 3]),
            ("CC ann", &[2]),
            ("TO ann", &[]),
            ("SUBJECT \"budget 2024\"", &[1]),
            ("HEADER X-Empty \"\"", &[3]),
            ("HEADER X-Other \"\"", &[]),
            ("BODY \"café\"", &[2]),
            ("BODY softbreak", &[2]),
            ("BODY \"GRÜẞE\"", &[3]),
            ("BODY secret", &[]),
            ("BODY inner", &[4]),
            ("BODY outer", &[]),
            ("TEXT outer", &[4]),
            ("TEXT \"jürgen\"", &[1]),
            ("ON 1-Feb-2024", &[1]),
            ("SENTON 1-Feb-2024", &[1]),
            ("SENTSINCE 2-Feb-2024", &[2]),
            ("BEFORE 3-Feb-2024", &[1]),
            ("SINCE 3-Feb-2024 BEFORE 1-Jan-2025", &[2]),
            ("SINCE 31-Dec-2024", &[3, 4]),
            ("LARGER 180", &[2, 3]),
            ("SMALLER 100", &[4]),
            ("YOUNGER 86400", &[4]),
            ("OLDER 172800", &[1, 2, 3]),
            ("2:3", &[2, 3]),
            ("UID 3:9 NOT 4", &[3]),
        ];
        for (keys, want) in rows {
            assert_eq!(found(keys).as_deref(), Ok(want), "{keys}");
        }
    }

    #[test]
    fn what_is_not_supported_is_bad() {
        for keys in ["MODSEQ 1", "SAVEDSINCE 1-Jan-2024", "NOT (FUZZY TEXT x)", "7", "X-GM-RAW x"] {
            assert!(matches!(found(keys), Err(Refused::Bad(_))), "{keys}");
        }
    }

    #[test]
    fn extended_results() {
        let set = |numbers: &[u32]| numbers.iter().copied().filter_map(Uid::new).collect::<UidSet>();
        let rows: [(&[SearchReturn], &[u32], &str); 5] = [
            (&[], &[2, 3, 4, 9], " ALL 2:4,9"),
            (&[SearchReturn::Min, SearchReturn::Max], &[2, 3, 9], " MIN 2 MAX 9"),
            (&[SearchReturn::Count, SearchReturn::All], &[2, 3], " COUNT 2 ALL 2:3"),
            (&[SearchReturn::All, SearchReturn::Min, SearchReturn::Max], &[], ""),
            (&[SearchReturn::Count], &[], " COUNT 0"),
        ];
        for (options, numbers, want) in rows {
            let returns = Returns { span: 0..0, options: options.to_vec() };
            let line = extended(&set(numbers), &returns, true, "a1").unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!("* ESEARCH (TAG \"a1\") UID{want}\r\n"));
        }
    }
}
