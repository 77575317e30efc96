//! Reads of single responses.

use super::*;

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn one(reads: &mut Reads, coverage: &mut Coverage, text: &str, literals: &[u64], rest: &str) {
    reads.begin(1, false, text.as_bytes(), literals.first().copied());
    for &size in literals {
        reads.literal(size);
        reads.literal_end();
    }
    if !literals.is_empty() {
        reads.fragment(rest.as_bytes(), None);
    }
    reads.end(coverage);
}

#[test]
fn classes() {
    let rows: &[(&str, &str, &[u64], &str, &str)] = &[
        ("flags", " (UID 7 FLAGS ())\r\n", &[], "", "listed 1"),
        ("envelope", " (UID 7 ENVELOPE (NIL) FLAGS ())\r\n", &[], "", "envelope 1"),
        ("header", " (UID 7 BODY[HEADER] {9}\r\n", &[9], ")\r\n", "envelope 1"),
        ("part", " (UID 7 BODY[1] {9}\r\n", &[9], ")\r\n", "part 7 9"),
        ("full", " (UID 7 BODY[] {9}\r\n", &[9], ")\r\n", "full 7 9"),
        ("quoted", " (UID 7 BODY[] \"abc\")\r\n", &[], "", "full 7 3"),
        ("nil", " (UID 7 BODY[1] NIL)\r\n", &[], "", "listed 1"),
        ("unknown", " (UID 7 XBODY \"abc\")\r\n", &[], "", "full 7 3"),
        ("by number", " (BODY[TEXT] \"abc\")\r\n", &[], "", "part 5 3"),
    ];
    for (name, text, literals, rest, want) in rows {
        let mut reads = Reads { wants_flags: true, ..Reads::default() };
        reads.uids.insert(1, uid(5));
        one(&mut reads, &mut Coverage::default(), text, literals, rest);
        let (sets, messages) = reads.into_records().remove(0);
        let mut got: Vec<String> = sets.iter().map(|set| format!("{} {}", set.class, set.n)).collect();
        got.extend(
            messages.iter().map(|read| format!("{} {} {}", read.class, read.uid.map_or(0, Uid::get), read.bytes)),
        );
        assert_eq!(got.join(", "), *want, "{name}");
    }
}

#[test]
fn slices_add_up() {
    let mut coverage = Coverage::default();
    let mut class = |origin: u64, octets: u64| {
        let slices = vec![(Section::Whole, origin, 10)];
        let mut reads = Reads { slices, ..Reads::default() };
        one(&mut reads, &mut coverage, &format!(" (UID 7 BODY[]<{origin}> {{{octets}}}\r\n"), &[octets], ")\r\n");
        reads.into_records().remove(0).1.remove(0).class
    };
    assert_eq!(class(10, 10), ReadClass::Part);
    assert_eq!(class(20, 3), ReadClass::Part);
    assert_eq!(class(0, 10), ReadClass::Full);
}

#[test]
fn what_may_be_all_of_a_message_waits_until_that_is_known() {
    let (mut reads, mut coverage) = (Reads::default(), Coverage::default());
    let last = 2 * MAX_MESSAGES as u32 + 1;
    for number in 1..=last {
        // Of every other one it is known that there is more.
        let part = 1 + number % 2;
        one(&mut reads, &mut coverage, &format!(" (UID {number} BODY[{part}] {{3}}\r\n"), &[3], ")\r\n");
        let full = reads.take_full_record();
        assert_eq!(full.is_some(), number == last - 2, "{number}");
        assert!(full.is_none_or(|messages| messages.iter().all(|read| read.class == ReadClass::Part)));
    }
    assert_eq!(reads.unknown.len(), MAX_MESSAGES as u64);
    let structure = |parts: usize| {
        let parts = r#"("text" "plain" NIL NIL NIL "7bit" 3 1)"#.repeat(parts);
        Structure::read(format!("({parts} \"mixed\")").as_bytes()).unwrap()
    };
    reads.learn_structure(uid(2), structure(1), Some(90), &mut coverage);
    reads.learn_structure(uid(4), structure(2), Some(90), &mut coverage);
    reads.learn_structure(uid(5), structure(1), Some(90), &mut coverage);
    reads.give_up(&mut coverage);
    let messages: Vec<_> = reads.into_records().into_iter().flat_map(|(_, messages)| messages).collect();
    let told = |number| messages.iter().find(|read| read.uid == Some(uid(number))).map(|read| (read.class, read.size));
    let rows = [
        ("all of it", 2, Some((ReadClass::Full, Some(90)))),
        ("not all of it", 4, Some((ReadClass::Part, Some(90)))),
        ("nobody asked", 5, None),
        ("nobody knows", 6, Some((ReadClass::Full, None))),
    ];
    for (name, number, want) in rows {
        assert_eq!(told(number), want, "{name}");
    }
}

#[test]
fn parts_of_a_message_whose_uid_nobody_told() {
    for (item, want) in [("BODY[1]", ReadClass::Full), ("BODY[2]", ReadClass::Part), ("BODY[1]<7>", ReadClass::Part)] {
        let mut reads = Reads::default();
        one(&mut reads, &mut Coverage::default(), &format!(" ({item} {{3}}\r\n"), &[3], ")\r\n");
        let (_, messages) = reads.into_records().remove(0);
        assert_eq!(messages.first().map(|read| read.class), Some(want), "{item}");
    }
}

#[test]
fn news_of_flags_is_no_read() {
    let mut reads = Reads::default();
    one(&mut reads, &mut Coverage::default(), " (FLAGS (\\Seen))\r\n", &[], "");
    assert!(reads.is_empty());
}

#[test]
fn a_literal_that_was_cut_is_a_part() {
    for item in ["BODY[]", "BODY[1]", "BODY[1]<0>", "BINARY[1.1]", "BODY[TEXT]"] {
        let (mut reads, mut coverage) = (Reads::default(), Coverage::default());
        reads.begin(1, false, format!(" (UID 7 {item} {{9}}\r\n").as_bytes(), Some(9));
        reads.literal(4);
        reads.end(&mut coverage);
        reads.give_up(&mut coverage);
        let (_, messages) = reads.into_records().remove(0);
        let read = messages.first().map(|read| (read.bytes, read.class));
        assert_eq!(read, Some((4, ReadClass::Part)), "{item}");
    }
}
