//! The ways in which a mailbox or a message that is hidden, or a right that is taken, could be reached all the same: one case each,
//! and the test that holds it. A transcript `surface/g-001.txt` is case 1; other cases need a real server, or stand elsewhere.

use std::collections::BTreeSet;
use std::path::Path;

/// Where a case is held.
#[derive(Debug, Clone, Copy)]
enum Held {
    /// In the transcript of its number.
    Own,
    /// In this transcript.
    In(&'static str),
    /// In this file, by this test.
    By(&'static str, &'static str),
}

use Held::{By, In, Own};

const HIDDEN: &str = "real/hidden.rs";
const SPELLED: Held = By(HIDDEN, "a_hidden_mailbox_is_answered_as_one_that_never_was_however_it_is_spelled");
const HEARD: Held = By("real/surface_messages.rs", "hidden_messages_are_neither_reached_nor_noticed");
const NEWLY: Held = By("messages.rs", "what_is_newly_hidden_leaves_and_what_is_newly_visible_waits_for_select");
const COURIER: Held = By("real/on_courier.rs", "a_hidden_mailbox_is_in_no_list_before_courier");
const DOWNLOAD: Held = By("real/limits.rs", "what_a_download_budget_keeps_back_stays_unread");
const LARGE: Held = By("real/limits.rs", "large_messages_are_neither_read_nor_put_anywhere");

/// Number, what is tried, and what holds it.
const CASES: &[(u16, &str, &[Held])] = &[
    (1, "a hidden name in a literal", &[Own, SPELLED]),
    (3, "modified UTF-7 that need not be", &[Own, SPELLED]),
    (5, "a delimiter at the end", &[Own, SPELLED]),
    (7, "a bare name, where the server knows names without their prefix", &[Own, COURIER]),
    (
        9,
        "a name that the server composes",
        &[By("pair/twins.rs", "twins_that_differ_only_in_what_is_hidden_hear_the_same_from_a_session")],
    ),
    (11, "LIST by * of a hidden level", &[Own]),
    (13, "LIST of a name whose only child is hidden", &[Own]),
    (15, "LSUB of a hidden subscription", &[Own]),
    (17, "CREATE of a hidden name", &[Own]),
    (19, "RENAME of what is above a hidden name", &[Own]),
    (21, "DELETE of what is above a hidden name", &[Own]),
    (23, "SUBSCRIBE to a hidden name", &[Own]),
    (25, "COPY to a hidden name, and TRYCREATE", &[Own]),
    (27, "a level that LIST has named", &[Own]),
    (29, "a namespace in which all is hidden", &[In("hide/namespace.txt"), COURIER]),
    (31, "a mailbox that shows all mail again", &[Own]),
    (33, "ESEARCH over many mailboxes", &[Own]),
    (35, "a URL in CATENATE", &[Own, In("hide/catenate.txt")]),
    (37, "what is open behind a SELECT that was refused", &[Own]),
    (39, "CLOSED before a SELECT that was refused", &[In("hide/closed.txt")]),
    (41, "NUL in a name", &[Own]),
    (43, "what SELECT counts", &[HEARD]),
    (45, "`*` where a hidden message came last", &[HEARD]),
    (47, "STORE of a range over hidden messages", &[HEARD, In("messages/move.txt")]),
    (49, "EXPUNGE beside a hidden message that is flagged so", &[HEARD, In("messages/remove.txt")]),
    (51, "a hidden message comes in IDLE", &[HEARD, In("messages/idle.txt")]),
    (53, "another session's EXPUNGE", &[HEARD]),
    (55, "another session flags a hidden message", &[HEARD]),
    (57, "a keyword that only a hidden message has", &[HEARD]),
    (59, "UIDNEXT while hidden mail comes", &[HEARD]),
    (61, "SEARCH that counts", &[HEARD]),
    (63, "numbers in a search program", &[HEARD]),
    (65, "`$`", &[HEARD, In("messages/search.txt")]),
    (67, "a search for a keyword of a hidden message", &[HEARD]),
    (69, "SORT", &[HEARD]),
    (71, "HIGHESTMODSEQ while a hidden message is flagged", &[HEARD]),
    (73, "QRESYNC that claims to know hidden messages", &[HEARD]),
    (75, "UNCHANGEDSINCE over hidden messages", &[HEARD]),
    // Servers that cut an answer short: what was not told must not look like what is hidden.
    (77, "an answer that is cut at so many messages", &[Own]),
    (79, "UID EXPUNGE of hidden messages", &[HEARD]),
    (81, "MOVE by number", &[HEARD]),
    (83, "numbers that only the server has", &[HEARD]),
    (85, "a message that is no longer hidden", &[In("messages/flags.txt"), NEWLY]),
    // 87 and 127 to 145 are about content that is rewritten, which is not there yet.
    (89, "DELETE of a mailbox that may hide messages", &[HEARD]),
    (91, "an arrival behind many hidden ones", &[HEARD]),
    (93, "\\Recent", &[HEARD]),
    (95, "an open range, and an arrival meanwhile", &[HEARD]),
    (
        97,
        "FETCH in a read-only mailbox",
        &[Own, By("real/rights.rs", "a_read_only_mailbox_opens_read_only_and_reads_leave_no_trace")],
    ),
    (99, "STORE of several flags, one of them forbidden", &[Own, In("rights/partial-store.txt")]),
    (101, "MOVE where nothing may be deleted", &[Own]),
    (103, "CLOSE where nothing may be expunged", &[Own, In("rights/close-without-unselect.txt")]),
    (105, "a script in the metadata", &[Own]),
    (107, "another identity in an open session", &[Own]),
    (
        109,
        "a token that is not the user's: the upstream refuses it",
        &[In("login/oauthbearer.txt"), By("real/logins.rs", "a_token_opens_the_mail_of_nobody_else")],
    ),
    (111, "an address that the client claims", &[Own]),
    (113, "UID before UID, and before what takes none", &[Own]),
    (115, "FETCH items that name mailboxes", &[Own]),
    (117, "a SELECT that does not parse", &[Own]),
    (119, "one budget, many forms and connections", &[DOWNLOAD, LARGE]),
    (121, "a large message behind small ones", &[In("limit/append-several.txt"), LARGE]),
    (123, "COMPRESS, and a stream that inflates", &[In("hide/compress.txt")]),
    (125, "a read that was cut", &[By("../../src/session/reads/tests.rs", "a_literal_that_was_cut_is_a_part")]),
    (147, "bytes behind COMPRESS", &[In("hide/compress.txt")]),
    (149, "a literal in a string that does not end", &[Own]),
    (151, "a line feed alone", &[Own, In("plain/bare-line-feed.txt")]),
    (153, "a command where SASL waits for data", &[In("login/sasl-is-no-command.txt")]),
    (155, "lines that look like responses", &[Own]),
    (157, "a message that trickles in", &[Own, In("append/slow.txt")]),
    (159, "an upstream that is logged in already", &[In("login/preauth.txt")]),
    (
        161,
        "an upstream that miscounts",
        &[
            In("messages/shrinks.txt"),
            In("messages/expunge-beyond.txt"),
            By("messages.rs", "an_upstream_that_lies_opens_nothing"),
        ],
    ),
    (163, "the upstream's words", &[Own]),
    (165, "the upstream's figures", &[Own]),
    (167, "grammar, then names, then rights", &[Own]),
    (169, "a search of text: hidden messages are not looked through", &[In("messages/search.txt")]),
];

#[test]
fn every_way_in_is_held_by_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut transcripts: BTreeSet<String> = std::fs::read_dir(root.join("transcripts/surface"))
        .expect("the transcripts")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let mut missing = Vec::new();
    for (number, what, held) in CASES {
        assert!(!held.is_empty(), "case {number}, {what}, is held by nothing");
        for held in *held {
            let there = match held {
                Own => transcripts.remove(&format!("g-{number:03}.txt")),
                In(transcript) => root.join("transcripts").join(transcript).exists(),
                By(file, test) => {
                    std::fs::read_to_string(root.join(file)).is_ok_and(|text| text.contains(&format!("fn {test}(")))
                }
            };
            if !there {
                missing.push(format!("case {number}, {what}: {held:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
    assert!(transcripts.is_empty(), "no case: {transcripts:?}");
}
