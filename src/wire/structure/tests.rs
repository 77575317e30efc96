use super::*;

/// The parts that must be read for all of a message, as `has` is asked for them: `1:5 2:9`. A message in it, and what is opaque, is
/// asked for in several ways: `2t:9 2:20`, `2*`.
fn asked(text: &str) -> Option<String> {
    let mut all = Vec::new();
    Structure::read(text.as_bytes())?.is_covered(|piece| {
        all.push(match piece {
            Piece::Part(number, octets) => format!("{number:?}:{octets}"),
            Piece::Text(number, octets) => format!("{number:?}t:{octets}"),
            Piece::Below(number) => format!("{number:?}*"),
        });
        false
    });
    Some(all.join(" "))
}

#[test]
fn structures() {
    const TEXT: &str = r#"("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 5 1)"#;
    const IMAGE: &str = r#"("image" "png" ("name" "a) (b") "<p@x>" NIL "base64" 900)"#;
    let message = |body: &str| {
        let envelope = r#"(NIL "s" ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL NIL NIL)"#;
        format!(r#"("message" "rfc822" NIL NIL NIL "7bit" 70 {envelope} {body} 9)"#)
    };
    let rows = [
        ("one part", TEXT.to_owned(), Some("1:5 t:5")),
        ("an image", IMAGE.to_owned(), Some("1:900 t:900")),
        ("multipart", format!(r#"({TEXT}{IMAGE} "mixed")"#), Some("1:5 2:900 t:905")),
        (
            "multipart in it",
            format!(r#"(({TEXT}{TEXT} "alternative"){IMAGE} "mixed")"#),
            Some("1.1:5 1.2:5 1:10 2:900 t:910"),
        ),
        (
            "extensions",
            format!(r#"({TEXT}("text" "html" NIL NIL NIL "7bit" 7 1 "md5" ("inline" ("x" "y")) ("de" "en") "l" (1 (2))) "mixed" ("boundary" "b") NIL NIL NIL)"#),
            Some("1:5 2:7 t:12"),
        ),
        ("a message", message(TEXT), Some("1.1:5 1t:5 1:70 t:70")),
        (
            "a message in a multipart, a multipart in that",
            format!(r#"({TEXT}{} "mixed")"#, message(&format!(r#"({TEXT}{IMAGE} "mixed")"#))),
            Some("1:5 2.1:5 2.2:900 2t:905 2:70 t:75"),
        ),
        ("a message in a message", message(&message(TEXT)), Some("1.1.1:5 1.1t:5 1.1:70 1t:70 1:70 t:70")),
        ("a report", r#"(("message" "delivery-status" NIL NIL NIL "7BIT" 324) "report")"#.to_owned(), Some("1:324 t:324")),
        ("lower case", r#"("text" "plain" nil nil nil "7bit" 1 1)"#.to_owned(), Some("1:1 t:1")),
        ("a literal", "(\"image\" \"png\" (\"name\" {6}\r\na\")(b ) NIL {3}\r\n123 \"base64\" 9)".to_owned(), Some("1:9 t:9")),
        ("a literal of eight bits", "(\"image\" \"png\" (\"name\" ~{1}\r\n() NIL NIL \"base64\" 9)".to_owned(), Some("1:9 t:9")),
        ("quotes in a string", r#"("text" "plain" ("charset" "3D"x)"") NIL "a\"(" "7bit" 4 1)"#.to_owned(), Some("1:4 t:4")),
        ("octets beyond 32 bits", r#"("a" "b" NIL NIL NIL "7bit" 99999999999)"#.to_owned(), Some("1:4294967295 t:4294967295")),
        // As servers write them (quirks B01 to B24).
        ("B01", r#"(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 10 1)("ALTERNATIVE" ("BOUNDARY" "x") NIL NIL) "MIXED")"#.to_owned(), Some("1:10 t:10")),
        ("B02", r#"(NIL "alternative" ("boundary" "b") NIL NIL NIL)"#.to_owned(), Some("")),
        ("B03", r#"((NIL NIL NIL NIL NIL "7BIT" 563 NIL NIL NIL NIL)("message" "delivery-status" NIL NIL NIL "7BIT" 658 NIL NIL NIL NIL) "report")"#.to_owned(), Some("1:563 2:658 t:1221")),
        ("B04", r#"("message" "rfc822" NIL NIL NIL "7BIT" 787 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) () 0 NIL)"#.to_owned(), Some("1:787 1* * t:787")),
        ("B05", r#"("message" "rfc822" ("name" "x.eml") NIL NIL "" 1077 NIL ("attachment" ("filename" "x.eml")) NIL)"#.to_owned(), Some("1:1077 1* * t:1077")),
        ("B10", r#"("multipart" "digest" ("boundary" "b") NIL NIL "7BIT" 1 NIL NIL NIL NIL)"#.to_owned(), Some("1:1 1* * t:1")),
        ("B12", r#"("text" "plain" NIL NIL NIL 7bit 10 1)"#.to_owned(), Some("1:10 t:10")),
        ("B14", r#"(("AUDIO" NIL NIL NIL "base64" 356)( "X-ZIP" NIL NIL NIL "base64" 12) "MIXED")"#.to_owned(), Some("1:356 2:12 t:368")),
        ("B15", r#"(("MOUNDARY="_006_5DBB50_"" "OCTET-STREAM" ("name" "t") NIL NIL "q" 3 NIL ("attachment" ("filename" "t"))) "mixed")"#.to_owned(), Some("1:3 t:3")),
        ("NIL", "NIL".to_owned(), None),
        ("nothing", "()".to_owned(), None),
        ("no list", "\"text\"".to_owned(), None),
        ("open", r#"("text" "plain" NIL NIL NIL "7bit" 5 1"#.to_owned(), None),
        ("open inside", format!(r#"({TEXT}("image" "png" (("#), None),
        ("a string without an end", r#"("text" "pla"#.to_owned(), None),
        ("a literal that is not there", "(\"text\" {9}\r\nabc".to_owned(), None),
        ("a line end", "(\"text\" \"plain\"\r\n NIL NIL NIL \"7bit\" 5 1)".to_owned(), None),
        ("no multipart behind its parts", TEXT[..20].to_owned(), None),
    ];
    for (name, text, want) in rows {
        assert_eq!(asked(&text).as_deref(), want, "{name}: {text}");
    }
}

#[test]
fn what_is_beyond_the_bounds_is_left_out() {
    const TEXT: &str = r#"("text" "plain" NIL NIL NIL "7bit" 5 1)"#;
    let many = format!("({} \"mixed\")", TEXT.repeat(5_000));
    let told = asked(&many).unwrap();
    assert_eq!(told.split(' ').count(), MOST_NODES, "but for the list, and with the text");
    let messages =
        format!("({} \"digest\")", format!(r#"("message" "rfc822" NIL NIL NIL "7bit" 9 (NIL) {TEXT} 1)"#).repeat(500));
    assert!(Structure::read(messages.as_bytes()).unwrap().0.len() <= MOST_NODES);
    let deep = |levels: usize| format!("{}{TEXT}{}", "(".repeat(levels), " \"mixed\")".repeat(levels));
    assert_eq!(asked(&deep(2)).as_deref(), Some("1.1:5 1:5 t:5"));
    let told = asked(&deep(10_000)).unwrap();
    let deepest = ["1"; MOST_NUMBERS].join(".");
    assert!(told.starts_with(&format!("{deepest}:0 {deepest}* ")), "{told}");
    let forwarded = |times: usize| {
        (0..times)
            .fold(TEXT.to_owned(), |body, _| format!(r#"("message" "rfc822" NIL NIL NIL "7bit" 9 (NIL) {body} 1)"#))
    };
    assert!(asked(&forwarded(1_000)).unwrap().starts_with(&format!("{deepest}:9 {deepest}* ")));
}

#[test]
fn numbers_of_parts() {
    let rows: [(&str, Option<(&str, &str)>); 9] = [
        ("1", Some(("1", ""))),
        ("1.2.3", Some(("1.2.3", ""))),
        ("12.TEXT", Some(("12", "TEXT"))),
        ("2.1.MIME", Some(("2.1", "MIME"))),
        ("70000", Some(("65535", ""))),
        ("1.1.1.1.1.1.1.1.1.1.1.1.1.1.2.3.4", Some(("1.1.1.1.1.1.1.1.1.1.1.1.1.1.2", ""))),
        ("TEXT", None),
        ("", None),
        ("1x", None),
    ];
    for (section, want) in rows {
        let told = PartNumber::read(section.as_bytes());
        let told = told.map(|(number, rest)| (format!("{number:?}"), String::from_utf8_lossy(rest).into_owned()));
        assert_eq!(told.as_ref().map(|(number, rest)| (&**number, &**rest)), want, "{section}");
    }
}

#[test]
fn responses() {
    let rows = [
        (
            "all of it",
            " (UID 7 RFC822.SIZE 90 BODY (\"a\" \"b\" NIL NIL NIL \"7bit\" 5))\r\n",
            (Some(7), Some(90), true, true),
        ),
        (
            "a literal in it",
            " (RFC822.SIZE 90 BODYSTRUCTURE (\"a\" \"b\" (\"name\" {5}\r\n)\r\n\"() NIL NIL \"7bit\" 5) UID 7)\r\n",
            (Some(7), Some(90), true, true),
        ),
        ("NIL", " (UID 7 BODY NIL)\r\n", (Some(7), None, true, false)),
        ("news", " (UID 7 FLAGS (\\Seen))\r\n", (Some(7), None, false, false)),
        ("an envelope", " (UID 7 ENVELOPE (\"BODY (\" NIL))\r\n", (Some(7), None, false, false)),
        ("content", " (UID 7 BODY[1] \"BODY (\")\r\n", (Some(7), None, false, false)),
        ("the first line", " (UID 7 BODY (\"a\" {3}\r\n", (Some(7), None, true, false)),
    ];
    for (name, text, want) in rows {
        let told = structure_told(text.as_bytes());
        assert_eq!((told.uid, told.size, told.has_item, told.structure.is_some()), want, "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn never_fails(octets: Vec<u8>, text in "[()\"ab \\\\{}0-9~\r\n]{0,60}") {
        for text in [&octets[..], text.as_bytes(), &[b"((", text.as_bytes()].concat()] {
            if let Some(structure) = Structure::read(text) {
                structure.is_covered(|_| false);
            }
            let _ = (structure_told(text), PartNumber::read(text));
        }
    }

    /// Whatever a structure is like, who has all of its leaves has all of it, and who lacks one has not.
    #[test]
    fn leaves_are_all_of_it(text in structure(), lacks: proptest::sample::Index) {
        let read = Structure::read(text.as_bytes()).unwrap();
        let mut leaves = Vec::new();
        read.is_covered(|piece| {
            // What holds others is asked for behind them.
            if let Piece::Part(number, 5) = piece {
                leaves.push(number);
            }
            false
        });
        let has = |leaves: &[PartNumber], piece| matches!(piece, Piece::Part(number, 5) if leaves.contains(&number));
        proptest::prop_assert!(read.is_covered(|piece| has(&leaves, piece)), "{}", text);
        leaves.remove(lacks.index(leaves.len()));
        proptest::prop_assert!(!read.is_covered(|piece| has(&leaves, piece)), "{}", text);
    }
}

fn structure() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::strategy::{Just, Strategy};
    let leaf = Just(r#"("text" "plain" NIL NIL NIL "7bit" 5 1)"#.to_owned());
    leaf.prop_recursive(4, 20, 4, |inner| {
        proptest::prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({} \"mixed\")", parts.concat())),
            inner.prop_map(|body| format!(r#"("message" "rfc822" NIL NIL NIL "7bit" 999 (NIL) {body} 1)"#)),
        ]
    })
}
