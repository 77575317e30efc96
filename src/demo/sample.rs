//! The mail that the demo shows: one account with a believable mailbox, as if it had been in use for years.
//!
//! ```text
//!   sample/inbox.txt    >>> 14d 18:05 +0100 \Seen      how old, and its flags
//!                       Date: {{date}}
//!                       …
//!                       {{pdf 18}}                     an attachment of 18 KB
//! ```
//!
//! Dates are counted back from the start, so that there is always mail of today; the archives have theirs written out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, ToSpan as _, ZonedDateTime};

use super::attachment;
use super::mime::Mail;
use super::store::{Account, Delivery, Store};
use crate::imap::mailbox::MailboxName;
use crate::imap::message::Flag;

/// A mailbox, its special use, and its messages, oldest first.
const MAILBOXES: [(&str, Option<&str>, &str); 12] = [
    ("INBOX", None, include_str!("sample/inbox.txt")),
    ("Sent", Some("\\Sent"), include_str!("sample/sent.txt")),
    ("Drafts", Some("\\Drafts"), include_str!("sample/drafts.txt")),
    ("Trash", Some("\\Trash"), include_str!("sample/trash.txt")),
    ("Junk", Some("\\Junk"), include_str!("sample/junk.txt")),
    ("Archive", Some("\\Archive"), include_str!("sample/archive.txt")),
    ("Archive/2024", None, include_str!("sample/archive-2024.txt")),
    ("Archive/2025", None, include_str!("sample/archive-2025.txt")),
    ("Projects", None, ""),
    ("Projects/Apollo", None, include_str!("sample/apollo.txt")),
    ("Finance", None, include_str!("sample/finance.txt")),
    ("Finance/Board", None, include_str!("sample/board.txt")),
];

/// The login name of the sample account, and its password.
pub const LOGIN: (&str, &str) = ("demo", "demo");

/// The sample account: login `demo`, password `demo`. Each start gives a mailbox of its own, which clients see by its
/// UIDVALIDITY.
#[must_use]
pub fn sample_store() -> Store {
    sample_at(&ZonedDateTime::now())
}

fn sample_at(now: &ZonedDateTime) -> Store {
    let account = Account::new(LOGIN.0, LOGIN.1, u32::try_from(now.timestamp().as_second()).unwrap_or(1));
    account.change(|mailboxes| {
        for (name, special_use, messages) in MAILBOXES {
            let name = MailboxName::new(name);
            if !name.is_inbox() {
                mailboxes.create(name.clone(), special_use);
            }
            mailboxes.subscribed.insert(name.clone());
            let mailbox = mailboxes.by_name_mut(&name).expect("it has just been created");
            for message in messages.split(">>> ").filter(|message| !message.is_empty()) {
                mailbox.push(delivery(message, now));
            }
            // What has been read is not recent; what has not is, for the first client that looks.
            let unseen = mailbox.messages.iter().find(|message| !message.has(&Flag::Seen));
            mailbox.recent_from = unseen.map_or(mailbox.uid_next, |message| message.uid.get());
        }
    });
    Store::single(account)
}

/// `14d 18:05 +0100 \Seen`, and the message behind that line.
fn delivery(entry: &str, now: &ZonedDateTime) -> Delivery {
    let (head, message) = entry.split_once('\n').expect("a message begins with its date");
    let (when, flags) = head.split_at(head.find('\\').unwrap_or(head.len()));
    let date = date(when, now).expect("the dates of the samples are dates");
    let flags: BTreeSet<Flag> = flags.split_whitespace().filter_map(Flag::parse).collect();
    let shown = date.strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
    let octets = expand(&message.replace("{{date}}", &shown)).replace('\n', "\r\n");
    Delivery { flags, date, mail: Arc::new(Mail::new(octets.as_bytes())) }
}

/// `25m +0100`: so many minutes ago; `14d 18:05 +0100`: so many days ago at that time; or `2024-03-05 14:05 +0100`.
fn date(text: &str, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    let mut words = text.split_whitespace().collect::<Vec<_>>();
    let zone = TimeZone::fixed(offset(words.pop()?)?);
    let local = |date: DateTime| date.to_zoned_datetime(zone.clone()).ok();
    match words.as_slice() {
        [ago] => {
            let minutes: i64 = ago.strip_suffix('m')?.parse().ok()?;
            Some(now.checked_sub(Span::new().minutes(minutes)).ok()?.with_time_zone(zone))
        }
        [day, time] => match day.strip_suffix('d') {
            Some(days) => {
                let day = now.with_time_zone(zone.clone()).date().checked_sub(days.parse::<i64>().ok()?.days()).ok()?;
                local(day.to_datetime(time.parse().ok()?))
            }
            None => local(format!("{day}T{time}").parse().ok()?),
        },
        _ => None,
    }
}

/// `+0100`
fn offset(text: &str) -> Option<Offset> {
    let number: i32 = text.parse().ok()?;
    Offset::from_seconds((number / 100).checked_mul(3600)?.checked_add((number % 100).checked_mul(60)?)?).ok()
}

/// Puts attachments where `{{kind size}}` stands alone on a line.
fn expand(message: &str) -> String {
    let line = |line: &str| match line.strip_prefix("{{").and_then(|line| line.trim_end().strip_suffix("}}")) {
        Some(wish) => attachment::make(wish),
        None => line.to_owned(),
    };
    message.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::mime::{Part, field};
    use super::super::text::sent_date;
    use super::*;

    fn noon() -> ZonedDateTime {
        "2026-03-01T12:00:00Z[UTC]".parse().unwrap()
    }

    fn all() -> Vec<(String, Vec<u8>)> {
        let account = sample_at(&noon()).account("demo").unwrap();
        let messages = |name: &MailboxName| account.messages(name.as_str()).unwrap();
        let mailboxes = account.mailbox_names();
        let rows = mailboxes.iter().flat_map(|name| messages(name).into_iter().map(|row| (name.to_string(), row.2)));
        rows.collect()
    }

    #[test]
    fn dates() {
        let rows = [
            ("25m +0100", "2026-03-01T12:35:00+01:00"),
            ("14d 18:05 -0330", "2026-02-15T18:05:00-03:30"),
            ("2024-03-05 14:05 +0000", "2024-03-05T14:05:00+00:00"),
        ];
        for (text, want) in rows {
            let got = date(text, &noon()).unwrap();
            assert_eq!(got.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(), want, "{text}");
        }
        assert_eq!(date("yesterday", &noon()), None);
    }

    /// Samples are read by strict clients: whole headers, lines that end in CRLF and are not too long, parts that are
    /// what they say.
    #[test]
    fn messages_are_well_formed() {
        let all = all();
        assert_eq!(all.len(), 71);
        for (mailbox, octets) in &all {
            let mail = Mail::new(octets);
            let header = mail.header(mail.root());
            let subject = String::from_utf8(field(header, "subject").expect("a subject")).unwrap();
            let name = format!("{mailbox}: {subject}");
            assert!(header.is_ascii() && header.ends_with(b"\r\n\r\n"), "{name}");
            for wanted in ["from", "date", "message-id"] {
                assert!(field(header, wanted).is_some(), "{name}: {wanted}");
            }
            assert!(sent_date(&field(header, "date").unwrap()).is_some(), "{name}");
            assert!(!String::from_utf8_lossy(octets).contains("{{"), "{name}");
            for line in octets.split_inclusive(|octet| *octet == b'\n') {
                assert!(line.ends_with(b"\r\n") && line.len() <= 1000, "{name}: {}", line.escape_ascii());
            }
            parts_are_what_they_say(&mail, mail.root(), &name);
        }
    }

    fn parts_are_what_they_say(mail: &Mail, part: &Part, name: &str) {
        let encoding = field(mail.header(part), "content-transfer-encoding").unwrap_or(b"7bit".to_vec());
        let body = mail.body(part);
        match &*encoding {
            b"7bit" | b"quoted-printable" => assert!(body.is_ascii() || part.children().is_some(), "{name}"),
            b"base64" => {
                use base64::Engine as _;
                let digits: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
                assert!(base64::engine::general_purpose::STANDARD.decode(digits).is_ok(), "{name}");
            }
            other => assert_eq!(other, b"8bit", "{name}"),
        }
        if part.media.kind == "multipart" {
            assert!(part.children().is_some_and(|parts| parts.len() > 1), "{name}: a multipart of one");
        }
        part.children().unwrap_or_default().iter().for_each(|part| parts_are_what_they_say(mail, part, name));
    }

    #[test]
    fn names_are_invented() {
        for (mailbox, octets) in all() {
            let text = String::from_utf8_lossy(&octets).to_lowercase();
            for host in text
                .split('@')
                .skip(1)
                .map(|rest| rest.split(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-')))
            {
                let host = host.clone().next().unwrap_or_default().trim_end_matches('.');
                assert!(
                    host.is_empty() || host.ends_with("example.org") || host.ends_with(".example"),
                    "{mailbox}: {host}"
                );
            }
        }
    }

    #[test]
    fn sizes_and_ages_vary() {
        let sizes: Vec<usize> = all().iter().map(|(_, octets)| octets.len()).collect();
        assert!(sizes.iter().min() < Some(&400) && sizes.iter().max() > Some(&290_000), "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() < 3_000_000);
        let account = sample_at(&noon()).account("demo").unwrap();
        let dates: Vec<_> = {
            let mailboxes = account.lock();
            let inbox = mailboxes.by_name(&MailboxName::inbox()).unwrap();
            assert!(inbox.count(|message| !message.has(&Flag::Seen)) >= 5);
            inbox.messages.iter().map(|message| message.date.timestamp()).collect()
        };
        assert!(dates.is_sorted() && dates.last().unwrap() < &noon().timestamp());
    }
}
