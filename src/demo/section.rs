//! Which octets of a message does `BODY[2.1.HEADER.FIELDS (Subject)]<0.100>` mean, and how is it named in the answer?

use std::borrow::Cow;

use super::mime::{Mail, Part, fields};
use super::view::put;
use crate::wire::command::fetch::{Section, SectionText};
use crate::wire::command::{Text, Utf8Mode};
use crate::wire::encode::astring;

/// The octets of a section; `None` where the message has no such part.
pub(super) fn octets<'m>(mail: &'m Mail, section: &Section<'_>) -> Option<Cow<'m, [u8]>> {
    let numbers: Vec<u32> = section.part.iter().map(|number| number.get()).collect();
    let part = mail.part(&numbers)?;
    // HEADER and TEXT are of a message: the whole one, or one that a part holds (RFC 9051 §6.4.5.1).
    let message = || if numbers.is_empty() { Some(part) } else { part.message() };
    Some(match &section.text {
        SectionText::Whole if numbers.is_empty() => Cow::Borrowed(mail.octets()),
        SectionText::Whole => Cow::Borrowed(mail.body(part)),
        SectionText::Mime => Cow::Borrowed(mail.header(part)),
        SectionText::Header => Cow::Borrowed(mail.header(message()?)),
        SectionText::Text => Cow::Borrowed(mail.body(message()?)),
        SectionText::HeaderFields(names) => Cow::Owned(some_fields(mail, message()?, names, true)),
        SectionText::HeaderFieldsNot(names) => Cow::Owned(some_fields(mail, message()?, names, false)),
    })
}

/// The fields that are named, or those that are not, and the empty line behind them.
fn some_fields(mail: &Mail, part: &Part, names: &[Text<'_>], named: bool) -> Vec<u8> {
    let is_named = |name: &[u8]| names.iter().any(|wanted| wanted.octets.eq_ignore_ascii_case(name));
    let wanted = fields(mail.header(part)).filter(|field| is_named(field.name) == named);
    let mut octets: Vec<u8> = wanted.flat_map(|field| field.lines.iter().copied()).collect();
    octets.extend_from_slice(b"\r\n");
    octets
}

/// The octets that a partial fetch asks for: from `first` on, at most so many. Past the end there are none.
pub(super) fn part_of(octets: &[u8], partial: Option<(u64, u64)>) -> &[u8] {
    let Some((first, count)) = partial else { return octets };
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(octets.len());
    let end = first.saturating_add(usize::try_from(count).unwrap_or(usize::MAX)).min(octets.len());
    octets.get(first..end).unwrap_or_default()
}

/// `BODY[1.2.HEADER.FIELDS (To "X Y")]<0>`: the answer to a partial fetch says where it begins, not how long it is.
pub(super) fn write_name(out: &mut Vec<u8>, section: &Section<'_>, partial: Option<(u64, u64)>) {
    out.extend_from_slice(b"BODY[");
    for (at, number) in section.part.iter().enumerate() {
        put(out, format_args!("{}{number}", if at == 0 { "" } else { "." }));
    }
    let (word, names) = match &section.text {
        SectionText::Whole => ("", None),
        SectionText::Header => ("HEADER", None),
        SectionText::Text => ("TEXT", None),
        SectionText::Mime => ("MIME", None),
        SectionText::HeaderFields(names) => ("HEADER.FIELDS", Some(names)),
        SectionText::HeaderFieldsNot(names) => ("HEADER.FIELDS.NOT", Some(names)),
    };
    let dot = if section.part.is_empty() || word.is_empty() { "" } else { "." };
    put(out, format_args!("{dot}{word}"));
    for (at, name) in names.into_iter().flatten().enumerate() {
        out.extend_from_slice(if at == 0 { b" (" } else { b" " });
        astring(out, &name.octets, Utf8Mode::Off, false);
    }
    out.extend_from_slice(if names.is_some() { b")]" } else { b"]" });
    if let Some((first, _)) = partial {
        put(out, format_args!("<{first}>"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::{Args, Command, FetchKind};

    const MAIL: &[u8] = b"From: ann@example.org\r\nSubject: outer\r\n folded\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\n\r\nwithin\r\n--b--\r\n";

    fn answer(item: &str) -> String {
        let frame = format!("a FETCH 1 {item}\r\n");
        let command = Command::parse(frame.as_bytes(), Utf8Mode::Off).unwrap();
        let Args::Fetch(fetch) = &command.args else { panic!("{item}") };
        let FetchKind::Section { section, partial } = &fetch.items[0].kind else { panic!("{item}") };
        let mail = Mail::new(MAIL);
        let mut out = Vec::new();
        write_name(&mut out, section, *partial);
        match octets(&mail, section) {
            Some(octets) => out.extend([b" ", part_of(&octets, *partial)].concat()),
            None => out.extend(b" NIL"),
        }
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn sections() {
        let rows = [
            ("BODY[1]", "BODY[1] first"),
            ("body.peek[1.mime]", "BODY[1.MIME] Content-Type: text/plain||"),
            ("BODY[2]", "BODY[2] Subject: inner||within"),
            ("BODY[2.HEADER]", "BODY[2.HEADER] Subject: inner||"),
            ("BODY[2.TEXT]", "BODY[2.TEXT] within"),
            ("BODY[2.1]", "BODY[2.1] within"),
            ("BODY[1.HEADER]", "BODY[1.HEADER] NIL"),
            ("BODY[1.TEXT]", "BODY[1.TEXT] NIL"),
            ("BODY[3]", "BODY[3] NIL"),
            ("BODY[HEADER.FIELDS (subject X)]", "BODY[HEADER.FIELDS (subject X)] Subject: outer| folded||"),
            ("BODY[HEADER.FIELDS (\"x y\")]", "BODY[HEADER.FIELDS (\"x y\")] |"),
            (
                "BODY[HEADER.FIELDS.NOT (from content-type)]",
                "BODY[HEADER.FIELDS.NOT (from content-type)] Subject: outer| folded||",
            ),
            ("BODY[1]<0.3>", "BODY[1]<0> fir"),
            ("BODY[1]<3.100>", "BODY[1]<3> st"),
            ("BODY[1]<9.1>", "BODY[1]<9> "),
        ];
        for (item, want) in rows {
            assert_eq!(answer(item), want, "{item}");
        }
        assert_eq!(answer("BODY[]"), format!("BODY[] {}", String::from_utf8_lossy(MAIL).replace("\r\n", "|")));
    }
}
