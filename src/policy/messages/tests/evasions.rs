//! What senders do so that a rule does not see what a reader sees.
//!
//! `Hit` by every reading: it hides and it spares. `Doubt`: by some reading, or nobody knows: it hides and does not spare.
//! `Miss` by every reading: it neither hides nor spares.

use super::{hides, mail};
use crate::policy::messages::Facts;

use Want::{Doubt, Hit, Miss};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Hit,
    Doubt,
    Miss,
}

/// Name, header, program, what is to come of it.
type Row = (&'static str, &'static [u8], &'static str, Want);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, header, program, want) in rows {
        let facts = Facts { header: Some(header), ..mail() };
        let hidden = hides(&format!("hide_messages = '{program}'"), &facts);
        let spared = !hides(&format!("hide_messages = 'ALL'\nexcept_messages = '{program}'"), &facts);
        let found = match (hidden, spared) {
            (true, true) => Hit,
            (true, false) => Doubt,
            (false, false) => Miss,
            (false, true) => panic!("{name}: spared by what does not match"),
        };
        if found != *want {
            wrong.push(format!("{name}: {found:?}, not {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn encoded_words() {
    check(&[
        ("plain", b"Subject: my secret\r\n\r\n", "SUBJECT secret", Hit),
        ("quoted-printable", b"Subject: =?utf-8?q?s=65cr=65t?=\r\n", "SUBJECT secret", Hit),
        ("base64", b"Subject: =?utf-8?b?c2VjcmV0?=\r\n", "SUBJECT secret", Hit),
        ("cut into two words", b"Subject: =?utf-8?q?sec?= =?utf-8?q?ret?=\r\n", "SUBJECT secret", Hit),
        ("cut and folded", b"Subject: =?utf-8?q?sec?=\r\n\t=?utf-8?b?cmV0?=\r\n", "SUBJECT secret", Hit),
        (
            "cut within a character",
            b"Subject: =?utf-8?q?gr=C3?= =?utf-8?q?=BC=C3=9Fe?=\r\n",
            "SUBJECT \"grüße\"",
            Doubt,
        ),
        ("two charsets", b"Subject: =?utf-8?q?sec?= =?iso-8859-1?q?ret?=\r\n", "SUBJECT secret", Hit),
        (
            "a blank between words that is encoded",
            b"Subject: =?utf-8?q?top_?= =?utf-8?q?secret?=\r\n",
            "SUBJECT \"top secret\"",
            Hit,
        ),
        ("a language", b"Subject: =?utf-8*en?q?secret?=\r\n", "SUBJECT secret", Hit),
        ("upper case", b"SUBJECT: =?UTF-8?Q?SECRET?=\r\n", "SUBJECT secret", Hit),
        ("in the middle of a word", b"Subject: x=?utf-8?q?secret?=y\r\n", "SUBJECT xsecrety", Doubt),
        ("in quotes", b"Subject: \"=?utf-8?q?secret?=\"\r\n", "SUBJECT secret", Doubt),
        ("no end", b"Subject: =?utf-8?q?s=65cret\r\n", "SUBJECT secret", Doubt),
        ("blanks in it", b"Subject: =?utf-8?q?se cr et?=\r\n", "SUBJECT secret", Doubt),
        ("folded in the middle of a word", b"Subject: =?utf-8?q?sec\r\n ret?=\r\n", "SUBJECT secret", Doubt),
        ("junk in base64", b"Subject: =?utf-8?b?c2Vj!cmV0?=\r\n", "SUBJECT secret", Doubt),
        ("base64 without padding", b"Subject: =?utf-8?b?c2VjcmV0cw?=\r\n", "SUBJECT secrets", Hit),
        ("padding within base64", b"Subject: =?utf-8?b?c2Vj=cmV0?=\r\n", "SUBJECT secret", Doubt),
        ("no blank between words", b"Subject: =?utf-8?q?sec?==?utf-8?q?ret?=\r\n", "SUBJECT secret", Doubt),
        ("a quoted charset", b"Subject: =?\"utf-8\"?q?plans?=\r\n", "SUBJECT secret", Doubt),
        ("base64 cut short", b"Subject: =?utf-8?b?c2VjcmV0c?=\r\n", "SUBJECT secret", Doubt),
        ("encoded twice", b"Subject: =?utf-8?b?PT91dGYtOD9xP3M9NjVjcmV0Pz0=?=\r\n", "SUBJECT secret", Doubt),
        ("a broken escape", b"Subject: =?utf-8?q?s=6Zcret?=\r\n", "SUBJECT plans", Doubt),
        ("no such charset", b"Subject: =?x-none?q?plans?=\r\n", "SUBJECT secret", Doubt),
        ("no charset", b"Subject: =??q?s=65cret?=\r\n", "SUBJECT secret", Doubt),
        ("no such encoding", b"Subject: =?utf-8?x?s=65cret?=\r\n", "SUBJECT secret", Miss),
        ("UTF-7", b"Subject: =?utf-7?q?+AHMAZQBjAHIAZQB0-?=\r\n", "SUBJECT secret", Doubt),
        ("UTF-16", b"Subject: =?utf-16be?b?AHMAZQBjAHIAZQB0?=\r\n", "SUBJECT secret", Hit),
        ("ISO-2022-JP", b"Subject: =?iso-2022-jp?b?GyRCI3MjZSNjI3IjZSN0GyhC?=\r\n", "SUBJECT secret", Hit),
        ("GBK, wide letters", b"Subject: =?gbk?q?=A3=F3=A3=E5=A3=E3=A3=F2=A3=E5=A3=F4?=\r\n", "SUBJECT secret", Hit),
        ("not what its charset allows", b"Subject: =?utf-8?q?=FF=FEplans?=\r\n", "SUBJECT secret", Doubt),
        ("a surrogate in UTF-8", b"Subject: =?utf-8?q?=ED=A0=80plans?=\r\n", "SUBJECT secret", Doubt),
        ("overlong UTF-8", b"Subject: =?utf-8?q?=C1=B3ecret?=\r\n", "SUBJECT secret", Doubt),
        ("the search is for the code", b"Subject: =?utf-8?q?secret?=\r\n", "SUBJECT \"=?utf-8\"", Doubt),
    ]);
}

#[test]
fn octets_and_lines() {
    check(&[
        ("UTF-8 as it is", "Subject: Grüße\r\n".as_bytes(), "SUBJECT \"GRÜSSE\"", Hit),
        ("Latin-1 as it is", b"Subject: Gr\xfc\xdfe\r\n", "SUBJECT \"grüße\"", Doubt),
        ("8 bits of no known charset", b"Subject: \xa3\xf3\xa3\xe5\r\n", "SUBJECT secret", Doubt),
        ("NUL within", b"Subject: sec\0ret\r\n", "SUBJECT secret", Doubt),
        ("a control character within", b"Subject: sec\x01ret\r\n", "SUBJECT secret", Hit),
        ("a CR within", b"Subject: top\rsecret\r\n", "SUBJECT secret", Doubt),
        ("a field behind a CR", b"X: a\rSubject: secret\r\n", "SUBJECT secret", Doubt),
        ("many of those", b"X: a\rSubject: b\rSubject: secret\rY: c\r\n", "SUBJECT secret", Doubt),
        ("a blank before the name", b" Subject: secret\r\n", "SUBJECT secret", Doubt),
        ("lines that end in LF", b"Subject: a\n secret\n\n", "SUBJECT secret", Hit),
        ("blanks before the colon", b"Subject : secret\r\n", "SUBJECT secret", Hit),
        ("no blank behind it", b"Subject:secret\r\n", "SUBJECT secret", Hit),
        ("folded at once", b"Subject:\r\n secret\r\n", "SUBJECT secret", Hit),
        ("many blanks", b"Subject: top  \t  secret\r\n", "SUBJECT \"top secret\"", Hit),
        ("a line of blanks", b"Subject: top\r\n \r\n secret\r\n", "SUBJECT secret", Doubt),
        ("NUL in the name", b"Sub\0ject: secret\r\n", "SUBJECT secret", Doubt),
        ("a name in any case", b"sUbJeCt: secret\r\n", "SUBJECT secret", Hit),
        ("twice, in the second", b"Subject: a\r\nSubject: secret\r\n", "SUBJECT secret", Doubt),
        ("twice, in the first", b"Subject: secret\r\nSubject: a\r\n", "SUBJECT secret", Doubt),
        ("twice, in both", b"Subject: secret\r\nSubject: secret, too\r\n", "SUBJECT secret", Hit),
        ("behind an empty line", b"Subject: a\r\n\r\nSubject: secret\r\n", "SUBJECT secret", Doubt),
        ("no such field", b"To: a@b\r\n", "SUBJECT secret", Miss),
        ("another field", b"X-Subject: secret\r\n", "SUBJECT secret", Miss),
    ]);
    let long = [b"Subject: ".as_slice(), &b"x".repeat(70_000), b"\r\n"].concat();
    assert!(hides("hide_messages = 'SUBJECT secret'", &Facts { header: Some(&long), ..mail() }), "too long");
}

#[test]
fn letters() {
    check(&[
        ("wide", "Subject: ｓｅｃｒｅｔ\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("mathematical", "Subject: 𝐬𝐞𝐜𝐫𝐞𝐭\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("in circles", "Subject: ⓢⓔⓒⓡⓔⓣ\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("a ligature", "Subject: ﬁnance\r\n".as_bytes(), "SUBJECT finance", Hit),
        ("a long s", "Subject: ſecret\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("a blank without width", "Subject: sec\u{200b}ret\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("a soft hyphen, encoded", b"Subject: =?utf-8?q?sec=C2=ADret?=\r\n", "SUBJECT secret", Hit),
        ("a mark of order at the beginning", "Subject: \u{feff}secret\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("marks of direction", "Subject: \u{202d}sec\u{2066}ret\u{202c}\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("tags", "Subject: sec\u{e0041}ret\r\n".as_bytes(), "SUBJECT secret", Hit),
        ("composed and decomposed", "Subject: Gru\u{308}n\r\n".as_bytes(), "SUBJECT \"grün\"", Hit),
        ("a blank that does not break", "Subject: top\u{a0}secret\r\n".as_bytes(), "SUBJECT \"top secret\"", Hit),
        ("Greek sigma at the end", "Subject: ΟΔΟΣ\r\n".as_bytes(), "SUBJECT \"οδος\"", Hit),
        ("Turkish", "Subject: İstanbul\r\n".as_bytes(), "SUBJECT istanbul", Miss),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("an address", b"From: Eve <eve@evil.example>\r\n", "FROM eve@evil.example", Hit),
        ("alone", b"From: eve@evil.example\r\n", "FROM @evil.example", Hit),
        ("in another case", b"From: EVE@Evil.Example\r\n", "FROM eve@evil.example", Hit),
        ("its name", b"From: Eve Mallory <x@y.example>\r\n", "FROM \"eve mallory\"", Doubt),
        ("its name, quoted", b"From: \"Mallory, Eve\" <x@y.example>\r\n", "FROM \"mallory, eve\"", Doubt),
        ("its name, encoded", b"From: =?utf-8?q?Eve_Mall=6Fry?= <x@y.example>\r\n", "FROM \"eve mallory\"", Doubt),
        ("an address as a name", b"From: \"ann@example.org\" <eve@evil.example>\r\n", "FROM @example.org", Doubt),
        (
            "an encoded address as a name",
            b"From: =?utf-8?q?ann=40example.org?= <eve@evil.example>\r\n",
            "FROM @example.org",
            Doubt,
        ),
        (
            "a comma in the encoded name",
            b"From: =?utf-8?q?M=C3=BCller=2C_Ann?= <ann@example.org>\r\n",
            "FROM @example.org",
            Hit,
        ),
        ("another full stop", "From: eve@evil\u{3002}example\r\n".as_bytes(), "FROM @evil.example", Doubt),
        (
            "another one in the encoded name",
            b"From: =?utf-8?q?=3Ceve=40evil.example=3E?= <ann@example.org>\r\n",
            "FROM @example.org",
            Doubt,
        ),
        ("an address as a comment", b"From: eve@evil.example (ann@example.org)\r\n", "FROM @example.org", Doubt),
        ("a comment within", b"From: eve@evil(x).example\r\n", "FROM @evil.example", Doubt),
        ("blanks within", b"From: eve @ evil . example\r\n", "FROM eve@evil.example", Doubt),
        ("a quoted local part", b"From: \"eve\"@evil.example\r\n", "FROM eve@evil.example", Hit),
        ("quotes within the local part", b"From: e\"v\"e@evil.example\r\n", "FROM eve@evil.example", Doubt),
        ("an address as a local part", b"From: \"x@example.org\"@evil.example\r\n", "FROM @example.org", Doubt),
        ("a domain that goes on", b"From: x@example.org.evil.example\r\n", "FROM @example.org", Doubt),
        ("a local part that begins before", b"From: joann@example.org\r\n", "FROM ann@example.org", Doubt),
        ("any part of it", b"From: x@mail.example.org\r\n", "FROM example.org", Hit),
        ("a route", b"From: <@relay.example:eve@evil.example>\r\n", "FROM eve@evil.example", Doubt),
        ("a group", b"From: all: eve@evil.example, x@y.example;\r\n", "FROM eve@evil.example", Doubt),
        ("two of them", b"From: ann@example.org, eve@evil.example\r\n", "FROM ann@example.org", Doubt),
        ("two fields", b"From: ann@example.org\r\nFrom: eve@evil.example\r\n", "FROM ann@example.org", Doubt),
        ("one of those it is to", b"To: ann@example.org, Bob <bob@example.org>\r\n", "TO bob@example.org", Hit),
        ("xn--, looked for by its letters", b"From: a@xn--bcher-kva.example\r\n", "FROM \"@bücher.example\"", Hit),
        ("letters, looked for by xn--", "From: a@bücher.example\r\n".as_bytes(), "FROM @xn--bcher-kva.example", Hit),
        ("xn-- that is none", b"From: a@xn--\x21\x21.example\r\n", "FROM @evil.example", Miss),
        ("no end of the quotes", b"From: \"eve@evil.example <ann@example.org>\r\n", "FROM @example.org", Doubt),
        ("two in brackets", b"From: <ann@example.org> <eve@evil.example>\r\n", "FROM @evil.example", Doubt),
        (
            "a name with an address, not quoted",
            b"From: ann@example.org <eve@evil.example>\r\n",
            "FROM @evil.example",
            Doubt,
        ),
        (
            "a charset that nobody knows, in a name",
            b"From: =?x-none?q?E?= <ann@example.org>\r\n",
            "FROM @evil.example",
            Doubt,
        ),
        ("nobody", b"From:\r\n", "FROM @evil.example", Miss),
        ("empty brackets", b"From: <>\r\n", "FROM @evil.example", Miss),
        ("Sender is not From", b"Sender: eve@evil.example\r\n", "FROM @evil.example", Miss),
        ("HEADER looks at all of it", b"From: Eve Mallory <x@y.example>\r\n", "HEADER From \"eve mallory\"", Hit),
    ]);
}

#[test]
fn fields_of_any_name() {
    check(&[
        ("a value", b"X-Classification: Secret\r\n", "HEADER X-Classification secret", Hit),
        ("in another case", b"x-classification: SECRET\r\n", "HEADER \"X-CLASSIFICATION\" secret", Hit),
        ("there, whatever it says", b"X-Mark:\r\n", "HEADER x-mark \"\"", Hit),
        ("not there", b"X-Marks: a\r\n", "HEADER x-mark \"\"", Miss),
        (
            "cut into pieces (RFC 2231)",
            b"Content-Type: a/b; name*0*=utf-8''sec; name*1*=%72et.pdf\r\n",
            "HEADER content-type secret.pdf",
            Doubt,
        ),
        (
            "out of order",
            b"Content-Type: a/b; name*1=\"ret.pdf\"; name*0=sec\r\n",
            "HEADER content-type secret.pdf",
            Doubt,
        ),
        (
            "a plain parameter",
            b"Content-Type: application/pdf; name=\"secret.pdf\"\r\n",
            "HEADER content-type secret.pdf",
            Hit,
        ),
        (
            "an encoded word as a parameter",
            b"Content-Disposition: attachment; filename=\"=?utf-8?b?c2VjcmV0?=\"\r\n",
            "HEADER content-disposition secret",
            Doubt,
        ),
    ]);
}

#[test]
fn dates() {
    check(&[
        ("a date", b"Date: Sun, 10 Jan 2027 23:29:00 -0500\r\n", "SENTON 10-Jan-2027", Hit),
        ("in its own zone", b"Date: Sun, 10 Jan 2027 23:29:00 -0500\r\n", "SENTON 11-Jan-2027", Miss),
        ("the wrong day of the week", b"Date: Mon, 10 Jan 2027 23:29:00 -0500\r\n", "SENTON 10-Jan-2027", Hit),
        ("an old zone", b"Date: 10 Jan 27 23:29 EST\r\n", "SENTON 10-Jan-2027", Hit),
        ("a comment", b"Date: Sun, 10 Jan 2027 23:29:00 +0000 (UTC)\r\n", "SENTON 10-Jan-2027", Hit),
        ("no date", b"Date: yesterday\r\n", "SENTON 10-Jan-2027", Doubt),
        ("no such day", b"Date: Sun, 31 Feb 2027 23:29:00 -0500\r\n", "SENTON 10-Jan-2027", Doubt),
        ("no zone", b"Date: Sun, 10 Jan 2027 23:29:00\r\n", "SENTSINCE 1-Jan-2000", Doubt),
        ("no field", b"Subject: a\r\n", "SENTSINCE 1-Jan-2000", Doubt),
        (
            "two that agree",
            b"Date: 10 Jan 2027 00:00:00 +0000\r\nDate: 11 Jan 2027 00:00:00 +0000\r\n",
            "SENTBEFORE 12-Jan-2027",
            Hit,
        ),
        (
            "two that do not",
            b"Date: 10 Jan 2027 00:00:00 +0000\r\nDate: 12 Jan 2027 00:00:00 +0000\r\n",
            "SENTBEFORE 12-Jan-2027",
            Doubt,
        ),
        ("a NUL in it", b"Date: 10 Jan 2027 00:00:00 +0000\0\r\n", "SENTON 10-Jan-2027", Doubt),
    ]);
}

/// 64 KiB of the worst: it is read in one pass, as often as there are ways to read it. Quadratic, this would take minutes.
#[test]
fn what_is_made_to_cost_time() {
    let pieces: [&[u8]; 9] = [
        b"=?a?q?",
        b" =?utf-8?q?=3D?= ",
        b"x\rSubject: =?utf-8?q?a?=",
        b"; a*0*=b",
        b"(",
        b"xn--a.xn--",
        b" . ",
        b"\"\\",
        "\u{fdfa}".as_bytes(),
    ];
    for piece in pieces {
        let mut header = Vec::new();
        for field in ["Subject: ", "From: ", "Content-Type: "] {
            header.extend_from_slice(&[field.as_bytes(), &piece.repeat(21_000 / piece.len()), b"\r\n"].concat());
        }
        let facts = Facts { header: Some(&header), ..mail() };
        let program = "OR OR SUBJECT secret FROM @x HEADER Content-Type secret";
        let spared = !hides(&format!("hide_messages = 'ALL'\nexcept_messages = '{program}'"), &facts);
        assert!(!spared, "{}", String::from_utf8_lossy(piece));
    }
}
