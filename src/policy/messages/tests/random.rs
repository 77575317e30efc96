//! Whatever a sender writes: nothing breaks, what spares also matches, and what is plainly there is found.

use proptest::prelude::*;
use proptest::sample::select;

use super::{at, hides, mail, one};
use crate::imap::message::Flag;
use crate::policy::messages::{Facts, Lasting};
use crate::policy::sample::FRIDAY;

/// What headers are made of, and what breaks them.
const PIECES: [&[u8]; 44] = [
    b"Subject",
    b"From",
    b"To",
    b"Date",
    b": ",
    b":",
    b" : ",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\t",
    b" ",
    b"\t",
    b"\0",
    b"=?",
    b"?=",
    b"=?utf-8?q?",
    b"=?utf-8?b?",
    b"=?iso-2022-jp?b?",
    b"=?utf-7?q?",
    b"=?x?q?",
    b"=C3",
    b"=BC",
    b"c2VjcmV0",
    b"secret",
    b"\"",
    b"\\",
    b"(",
    b")",
    b"<",
    b">",
    b"@",
    b",",
    b";",
    b"[",
    b"ann@example.org",
    b"xn--bcher-kva",
    b"xn--",
    b"10 Jan 2027 00:00 +0000",
    b"\xff",
    "\u{200b}".as_bytes(),
    "ß".as_bytes(),
    b"*0*=''%73",
];

fn header() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![9 => select(PIECES.to_vec()).prop_map(<[u8]>::to_vec), 1 => any::<Vec<u8>>()];
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

const PROGRAMS: [&str; 9] = [
    "SUBJECT secret",
    "NOT SUBJECT secret",
    "FROM @example.org",
    "TO ann@example.org",
    "HEADER From \"\"",
    "SENTON 10-Jan-2027",
    "OR SUBJECT a SENTBEFORE 1-Jan-2000",
    "SEEN SUBJECT secret",
    "NOT (FLAGGED OR FROM a KEYWORD b)",
];

/// Ways in which the word `secret` can be written so that every mail program shows it.
fn written() -> impl Strategy<Value = String> {
    select(vec![
        "secret",
        "SeCrEt",
        "=?utf-8?q?secret?=",
        "=?UTF-8?B?c2VjcmV0?=",
        "=?iso-8859-1?Q?s=65cret?=",
        "=?utf-8?q?sec?= =?utf-8?q?ret?=",
        "=?utf-8?q?se?=\r\n =?us-ascii?b?Y3JldA==?=",
        "ｓｅｃｒｅｔ",
        "sec\u{200b}ret",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_header_breaks_it(header in header(), program in select(PROGRAMS.to_vec())) {
        let facts = Facts { header: Some(&header), ..mail() };
        let hidden = hides(&format!("hide_messages = '{program}'"), &facts);
        let spared = !hides(&format!("hide_messages = 'ALL'\nexcept_messages = '{program}'"), &facts);
        // What spares would hide, and what does not match is not spared.
        prop_assert!(hidden || !spared);
        let neither = !hides(&format!("hide_messages = 'NOT ({program})'"), &facts);
        prop_assert!(hidden || !neither, "neither it nor its opposite");
    }

    #[test]
    fn what_is_there_is_found(before in header(), word in written(), behind in header(), more in header()) {
        // In a field of its own, whatever other fields there are.
        let clean = |text: &[u8]| text.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect::<Vec<u8>>();
        let separate = |text: Vec<u8>| if text.is_empty() { text } else { [text, b"\r\n".to_vec()].concat() };
        let own = [b"Subject: ", word.as_bytes(), b"\r\n"].concat();
        let header = [separate(clean(&before)), own, more, b"\r\n".to_vec()].concat();
        let hidden = |header: &[u8]| hides("hide_messages = 'SUBJECT secret'", &Facts { header: Some(header), ..mail() });
        prop_assert!(hidden(&header));
        // Beside other words of the same field.
        let own = [b"Subject: ".as_slice(), &clean(&before), b" ", word.as_bytes(), b" ", &clean(&behind), b"\r\n"].concat();
        let plain = before.iter().chain(&behind).all(|octet| !b"=?".contains(octet));
        prop_assert!(!plain || hidden(&own));
    }

    #[test]
    fn what_is_remembered_says_the_same(
        header in header(), programs in prop::collection::vec(select(PROGRAMS.to_vec()), 1..4), seen in any::<bool>(),
    ) {
        let (first, rest) = programs.split_first().unwrap();
        let except = if rest.is_empty() { String::new() } else { format!("\nexcept_messages = {rest:?}") };
        let filter = one(&format!("hide_messages = '{first}'{except}"));
        let set = [Flag::Seen];
        let facts = Facts { header: Some(&header), flags: if seen { &set } else { &[] }, ..mail() };
        let lasting = Lasting::from_bytes(filter.judge_lasting(&facts).as_bytes());
        let again = Facts { flags: facts.flags, ..Facts::of(facts.uid) };
        let remembered = filter.judge_changing(&lasting, &again, at(FRIDAY));
        prop_assert_eq!(remembered, filter.judge(&facts, at(FRIDAY)));
    }
}
