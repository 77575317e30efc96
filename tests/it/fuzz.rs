//! What the fuzz targets check, over random bytes that look like IMAP, and over every crash that was found.

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use proptest::prelude::*;

/// Input that once broke something.
const CRASHES: &[(&str, fn(&[u8]), &[u8])] = &[];

#[test]
fn crashes_stay_mended() {
    for (name, body, data) in CRASHES {
        eprintln!("{name}");
        body(data);
    }
}

/// Bytes made of what means something in IMAP.
fn imap() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"a1 "[..],
        b"\r\n",
        b"\n",
        b"{5}\r\n",
        b"{3+}\r\n",
        b"~{4}\r\n",
        b"\"",
        b"\\",
        b"(",
        b")",
        b" ",
        b"* ",
        b"+ ",
        b"hello",
        b"UID FETCH 1:* ",
        b"BODY[]",
        b"BODY.PEEK[1]<0.5>",
        b"FLAGS ",
        b"STORE 1 +FLAGS ",
        b"\\Seen",
        b"LOGIN ",
        b"NOOP",
        b"SELECT INBOX",
        b"APPEND x ",
        b"IDLE\r\n",
        b"DONE\r\n",
        b"LIST \"\" ",
        b"SEARCH ",
        b"OR ",
        b"NOT ",
        b"1 FETCH (UID 7 ",
        b"OK [CAPABILITY IMAP4rev1]",
        b"q7w8e9r0t1y2u2 OK\r\n",
        b"q7w8e9r0t1y2u3 NO\r\n",
        b"EXISTS",
        b"3 EXPUNGE\r\n",
        b"\0",
        b"\xff",
        b"{99999999999999999999}\r\n",
        b"NIL",
        b"&AOk-",
        b"a2 LOGOUT\r\n",
        b"AUTHENTICATE PLAIN\r\n",
        b"[[rule]]\n",
        b"id = \"x\"\n",
        b"hide = true\n",
        b"mailbox = [\"a/**\"]\n",
        b"rights = \"lr\"\n",
        b"hide_messages = 'SUBJECT a BEFORE {today-1d}'\n",
        b"Subject: ",
        b"From: ",
        b"=?utf-8?q?",
        b"?=",
        b"<ann@example.org>",
        b"\xbf",
        b"\x88",
        b"\xc0",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn frames(data in imap()) { bodies::frame(&data); }

    #[test]
    fn commands(data in imap()) { bodies::command(&data); }

    #[test]
    fn responses(data in imap()) { bodies::response(&data); }

    #[test]
    fn rules(data in imap()) { bodies::rules(&data); }

    #[test]
    fn headers(data in imap()) { bodies::header(&data); }

    #[test]
    fn sessions(data in imap()) { bodies::session(&data); }
}
