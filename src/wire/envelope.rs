//! What an ENVELOPE says of a message (RFC 9051 §7.5.2), as far as records tell it.
//!
//! ```text
//!   ("date" "subject" ((from)) ((sender)) ((reply-to)) ((to)) ((cc)) ((bcc)) "in-reply-to" "message-id")
//! ```
//!
//! Told as header lines, so that what follows reads all headers alike. An envelope with a literal in it is not read: what
//! stands behind is not in the same line.

/// `ENVELOPE (…)` as lines of a header: `Date`, `Subject`, `From`, `To`, `Message-ID`. `None`: it cannot be read.
#[must_use]
pub fn envelope_as_header(item: &[u8]) -> Option<Vec<u8>> {
    let name = item.get(..8).filter(|name| name.eq_ignore_ascii_case(b"ENVELOPE"));
    let mut rest = item.get(name?.len()..)?.trim_ascii_start().strip_prefix(b"(")?;
    let mut header = Vec::with_capacity(256);
    for name in ["Date", "Subject"] {
        line(&mut header, name, nstring(&mut rest)?.as_deref());
    }
    for name in ["From", "", "", "To", "", ""] {
        let addresses = addresses(&mut rest)?;
        line(&mut header, name, addresses.as_deref().filter(|_| !name.is_empty()));
    }
    nstring(&mut rest)?; // In-Reply-To
    line(&mut header, "Message-ID", nstring(&mut rest)?.as_deref());
    Some(header)
}

/// Line ends in a value would be lines of their own.
fn line(header: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    header.extend_from_slice(name.as_bytes());
    header.extend_from_slice(b": ");
    header.extend(value.iter().map(|octet| if matches!(octet, b'\r' | b'\n') { b' ' } else { *octet }));
    header.extend_from_slice(b"\r\n");
}

/// `env-from = "(" 1*address ")" / nil`, as `a@b, c@d`
fn addresses(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    *rest = rest.trim_ascii_start();
    if nil(rest) {
        return Some(None);
    }
    *rest = rest.strip_prefix(b"(")?;
    let mut all = Vec::new();
    loop {
        *rest = rest.trim_ascii_start();
        if let Some(behind) = rest.strip_prefix(b")") {
            *rest = behind;
            return Some(Some(all));
        }
        *rest = rest.strip_prefix(b"(")?;
        let [_name, _route, mailbox, host] = [nstring(rest)?, nstring(rest)?, nstring(rest)?, nstring(rest)?];
        *rest = rest.trim_ascii_start().strip_prefix(b")")?;
        // Without a host it is the begin or the end of a group.
        if let (Some(mailbox), Some(host)) = (mailbox, host) {
            let between: &[u8] = if all.is_empty() { b"<" } else { b", <" };
            all.extend([between, &mailbox, b"@", &host, b">"].concat());
        }
    }
}

fn nil(rest: &mut &[u8]) -> bool {
    let is_nil = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"NIL"));
    if is_nil {
        *rest = rest.get(3..).unwrap_or_default();
    }
    is_nil
}

/// `nstring`, but no literal.
fn nstring(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    *rest = rest.trim_ascii_start();
    if nil(rest) {
        return Some(None);
    }
    let mut octets = rest.strip_prefix(b"\"")?.iter();
    let mut text = Vec::new();
    loop {
        match octets.next()? {
            b'"' => break,
            b'\\' => text.push(*octets.next()?),
            octet => text.push(*octet),
        }
    }
    *rest = octets.as_slice();
    Some(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes() {
        let rows: &[(&str, &str, Option<&str>)] = &[
            (
                "all",
                r#"ENVELOPE ("Tue, 12 Jan" "a \"b\"" (("Ann" NIL "ann" "x.org")) NIL NIL ((NIL NIL "bob" "x.org")(NIL NIL "c" "y")) NIL NIL NIL "<1@x>")"#,
                Some(
                    "Date: Tue, 12 Jan\r\nSubject: a \"b\"\r\nFrom: <ann@x.org>\r\nTo: <bob@x.org>, <c@y>\r\nMessage-ID: <1@x>\r\n",
                ),
            ),
            ("nothing", "envelope (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", Some("")),
            (
                "group",
                r#"ENVELOPE (NIL NIL NIL NIL NIL ((NIL NIL "team" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"#,
                Some("To: <a@b>\r\n"),
            ),
            ("literal", "ENVELOPE (NIL {3}\r\n", None),
            (
                "no line of its own",
                "ENVELOPE (\"a\rX: y\" NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
                Some("Date: a X: y\r\n"),
            ),
            ("short", "ENVELOPE (NIL NIL)", None),
            ("another", "BODY (NIL)", None),
        ];
        for (name, item, expected) in rows {
            let header = envelope_as_header(item.as_bytes());
            assert_eq!(header.as_deref().map(|header| std::str::from_utf8(header).unwrap()), *expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_fails(octets: Vec<u8>) {
            let _ = envelope_as_header(&octets);
            let _ = envelope_as_header(&[b"ENVELOPE (", octets.as_slice()].concat());
        }
    }
}
