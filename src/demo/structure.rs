//! BODY and BODYSTRUCTURE: the parts of a message as IMAP lists them (RFC 9051 §7.5.2).

use super::envelope;
use super::mime::{Content, Mail, Part, field, with_params};

/// Writes the structure of a part; `extended` is BODYSTRUCTURE, else BODY.
pub fn write(out: &mut Vec<u8>, mail: &Mail, part: &Part, extended: bool) {
    out.push(b'(');
    match &part.content {
        Content::Multipart(children) => {
            for child in children {
                write(out, mail, child, extended);
            }
            out.push(b' ');
            string(out, part.media.subtype.as_bytes());
            if extended {
                out.push(b' ');
                params(out, &part.media.params);
                disposition_and_rest(out, mail.header(part));
            }
        }
        Content::Leaf | Content::Message(_) => single(out, mail, part, extended),
    }
    out.push(b')');
}

/// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
fn single(out: &mut Vec<u8>, mail: &Mail, part: &Part, extended: bool) {
    let header = mail.header(part);
    let body = mail.body(part);
    string(out, part.media.kind.as_bytes());
    out.push(b' ');
    string(out, part.media.subtype.as_bytes());
    out.push(b' ');
    params(out, &part.media.params);
    for name in ["content-id", "content-description"] {
        out.push(b' ');
        nstring(out, field(header, name).as_deref());
    }
    out.push(b' ');
    let encoding = field(header, "content-transfer-encoding").filter(|value| !value.is_empty());
    string(out, encoding.as_deref().unwrap_or(b"7bit"));
    out.extend_from_slice(format!(" {}", body.len()).as_bytes());
    let lines = memchr::memchr_iter(b'\n', body).count();
    if let Content::Message(inner) = &part.content {
        out.push(b' ');
        envelope::write(out, mail.header(inner));
        out.push(b' ');
        write(out, mail, inner, extended);
    }
    if part.media.kind == "text" || part.message().is_some() {
        out.extend_from_slice(format!(" {lines}").as_bytes());
    }
    if extended {
        out.push(b' ');
        nstring(out, field(header, "content-md5").as_deref());
        disposition_and_rest(out, header);
    }
}

/// [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
fn disposition_and_rest(out: &mut Vec<u8>, header: &[u8]) {
    out.push(b' ');
    match field(header, "content-disposition").filter(|value| !value.is_empty()) {
        Some(value) => {
            let (kind, list) = with_params(&value);
            out.push(b'(');
            string(out, kind.as_bytes());
            out.push(b' ');
            params(out, &list);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    languages(out, field(header, "content-language").as_deref().unwrap_or_default());
    out.push(b' ');
    nstring(out, field(header, "content-location").as_deref());
}

/// body-fld-lang = nstring / "(" string *(SP string) ")"
fn languages(out: &mut Vec<u8>, value: &[u8]) {
    let tags: Vec<&[u8]> =
        value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty()).collect();
    if tags.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    for (at, tag) in tags.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        string(out, tag);
    }
    out.push(b')');
}

/// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
fn params(out: &mut Vec<u8>, list: &[(String, Vec<u8>)]) {
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    for (at, (name, value)) in list.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value);
    }
    out.push(b')');
}

/// nstring = string / nil
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A quoted string where that can hold the text, else a literal (RFC 3501 §4.3: quoted strings are 7 bit).
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    if text.iter().any(|byte| !matches!(byte, 0x20..=0x7e | b'\t')) {
        return literal(out, text);
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// literal = "{" number64 "}" CRLF *CHAR8
pub fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(octets: &str, extended: bool) -> String {
        let mail = Mail::new(octets.as_bytes());
        let mut out = Vec::new();
        write(&mut out, &mail, mail.root(), extended);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn structures() {
        let rows = [
            (
                "no header says what it is",
                "Subject: x\r\n\r\nhello\r\n",
                r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1 NIL NIL NIL NIL)"#,
            ),
            (
                "attachment",
                "Content-Type: application/pdf; name=\"a b.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"a b.pdf\"\r\nContent-Language: de, en\r\n\r\nAAAA\r\n",
                concat!(
                    r#"("application" "pdf" ("name" "a b.pdf") NIL NIL "base64" 6 NIL "#,
                    r#"("attachment" ("filename" "a b.pdf")) ("de" "en") NIL)"#
                ),
            ),
            (
                "multipart",
                "Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n\r\na\r\n--q\r\n\
                 Content-Type: text/html; charset=utf-8\r\n\r\n<p>\r\n\r\n--q--\r\n",
                concat!(
                    r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL)"#,
                    r#"("text" "html" ("charset" "utf-8") NIL NIL "7bit" 5 1 NIL NIL NIL NIL) "alternative" "#,
                    r#"("boundary" "q") NIL NIL NIL)"#
                ),
            ),
            (
                "message in a message",
                "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n",
                concat!(
                    r#"("message" "rfc822" NIL NIL NIL "7bit" 18 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) "#,
                    r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)"#
                ),
            ),
        ];
        for (name, octets, want) in rows {
            assert_eq!(shown(octets, true), want, "{name}");
        }
        assert_eq!(shown("\r\nx", false), r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0)"#);
    }

    #[test]
    fn strings() {
        let rows: [(&[u8], &[u8]); 3] =
            [(b"a \"b\" \\", b"\"a \\\"b\\\" \\\\\""), (b"", b"\"\""), ("é".as_bytes(), b"{2}\r\n\xc3\xa9")];
        for (text, want) in rows {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(out, want);
        }
    }
}
