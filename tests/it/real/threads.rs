//! THREAD where messages are hidden: `eve` has them, `eva` never had. Both hear of the same trees.

use super::client::{Client, text};
use super::courier::Courier;
use super::dovecot::Dovecot;
use super::proxy::Settings;

const RULES: &str = r#"
[[rule]]
id = "no-secrets"
mailbox = "Trash"
hide_messages = ['HEADER X-Classification secret']
"#;

/// A message: is it hidden, its ID, what it refers to, its subject.
type Row = (bool, String, String, String);

fn row(hidden: bool, id: &str, refs: &str, subject: &str) -> Row {
    (hidden, id.to_owned(), refs.to_owned(), subject.to_owned())
}

fn mail(at: usize, (hidden, id, refs, subject): &Row) -> Vec<u8> {
    let list = |ids: &str| ids.split_whitespace().map(|id| format!(" <{id}@x>")).collect::<String>();
    let class = if *hidden { "X-Classification: secret\r\n" } else { "" };
    // Dates that neither rise nor fall.
    let minute = at * 37 % 60;
    format!(
        "Message-ID:{}\r\nFrom: ann@example.org\r\nSubject: {subject}\r\nDate: Tue, 14 Nov 2023 22:{minute:02}:20 +0000\r\n\
         References:{}\r\n{class}\r\nx\r\n",
        list(id),
        list(refs)
    )
    .into_bytes()
}

/// A server, as far as it differs from others.
#[derive(Clone, Copy)]
struct Kind {
    mailbox: &'static str,
    algorithms: &'static [&'static str],
}

const DOVECOT: Kind = Kind { mailbox: "Trash", algorithms: &["REFERENCES", "REFS"] };
const COURIER: Kind = Kind { mailbox: "INBOX.Trash", algorithms: &["REFERENCES"] };

/// Empties the mailbox.
fn clear(client: &mut Client, kind: Kind) {
    client.run(&format!("SELECT {}", kind.mailbox)).ok();
    client.run("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    client.run("CLOSE").ok();
}

/// Puts them into an empty mailbox, one by one.
fn lay_out<'r>(client: &mut Client, kind: Kind, rows: impl Iterator<Item = (usize, &'r Row)>) {
    clear(client, kind);
    for (at, row) in rows {
        let mail = mail(at, row);
        let line = format!("APPEND {} {{{}}}", kind.mailbox, mail.len());
        client.run_parts(&[line.as_bytes(), &mail]).ok();
    }
}

/// The same at once, where the server takes several.
fn lay_out_at_once<'r>(client: &mut Client, rows: impl Iterator<Item = (usize, &'r Row)>) {
    clear(client, DOVECOT);
    let mut parts = vec![b"APPEND Trash".to_vec()];
    for (at, row) in rows {
        let mail = mail(at, row);
        let last = parts.last_mut().expect("a part");
        last.extend_from_slice(format!(" {{{}+}}", mail.len()).as_bytes());
        parts.push(mail);
    }
    client.run_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).ok();
}

/// The numbers of a line in the place of others.
fn renumbered(line: &str, by: impl Fn(usize) -> usize) -> String {
    let mut told = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| at + end);
        told.push_str(&rest[..at]);
        told.push_str(&by(rest[at..end].parse().expect("a number")).to_string());
        rest = &rest[end..];
    }
    told + rest
}

fn threads(client: &mut Client, command: &str) -> String {
    let answer = client.run(command).ok();
    answer.untagged.iter().map(|line| text(line)).filter(|line| line.starts_with("* THREAD")).collect()
}

/// What a client hears of the threads, by number and by UID, of all and of some.
fn heard(client: &mut Client, kind: Kind) -> Vec<String> {
    client.run(&format!("EXAMINE {}", kind.mailbox)).ok();
    let uids = client.run("UID SEARCH ALL").ok();
    let uids = text(uids.untagged.first().expect("SEARCH"));
    let uids: Vec<usize> = uids.split(' ').filter_map(|word| word.parse().ok()).collect();
    let number_of = |uid| uids.iter().position(|known| *known == uid).expect("a UID that is known") + 1;
    let mut told = vec![format!("{} messages", uids.len())];
    for algorithm in kind.algorithms {
        for keys in ["ALL", "NOT SUBJECT two", "2:*"] {
            if uids.len() < 2 && keys == "2:*" {
                continue;
            }
            let by_number = threads(client, &format!("THREAD {algorithm} UTF-8 {keys}"));
            let by_uid = threads(client, &format!("UID THREAD {algorithm} UTF-8 {keys}"));
            assert_eq!(renumbered(&by_uid, number_of), by_number, "{algorithm} {keys}");
            told.push(by_number);
        }
    }
    client.run("CLOSE").ok();
    told
}

/// What ties, or might, through what is hidden.
fn rows() -> Vec<(&'static str, Vec<Row>)> {
    let seen = |id: &str, refs: &str, subject: &str| row(false, id, refs, subject);
    let hidden = |id: &str, refs: &str, subject: &str| row(true, id, refs, subject);
    vec![
        ("a hidden parent", vec![hidden("a", "", "one"), seen("b", "a", "two"), seen("c", "a", "three")]),
        ("only a hidden one ties", vec![seen("a", "", "one"), hidden("x", "a b", "x"), seen("b", "", "two")]),
        (
            "a hidden one says who is whose parent",
            vec![
                seen("a", "", "one"),
                seen("b", "", "two"),
                hidden("x", "b a", "x"),
                seen("c", "x", "three"),
                seen("d", "a", "four"),
            ],
        ),
        (
            "one in between",
            vec![seen("a", "", "one"), hidden("x", "a", "x"), seen("b", "x", "two"), seen("c", "a x", "c")],
        ),
        (
            "the same ID twice, first hidden",
            vec![hidden("a", "b", "one"), seen("a", "", "two"), seen("b", "", "three")],
        ),
        (
            "the same ID twice, then hidden",
            vec![seen("b", "", "one"), seen("a", "b", "two"), hidden("a", "c", "x"), seen("c", "", "x")],
        ),
        (
            "a subject that a hidden one began",
            vec![hidden("a", "", "one"), seen("b", "", "Re: one"), seen("c", "", "one")],
        ),
        (
            "a subject that only a hidden one shares",
            vec![seen("a", "", "one"), hidden("b", "c", "one"), seen("c", "", "two")],
        ),
        ("all but one hidden", vec![hidden("a", "", "one"), seen("b", "a", "Re: one"), hidden("c", "a b", "Re: one")]),
        ("all hidden", vec![hidden("a", "", "one"), hidden("b", "a", "Re: one")]),
        (
            "a ring",
            vec![seen("a", "b", "one"), hidden("x", "a", "x"), seen("b", "x", "two"), seen("c", "b a", "three")],
        ),
    ]
}

/// Mailboxes that look random, and are the same each time.
fn random(seed: u64) -> Vec<Row> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = move |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % end
    };
    let count = 3 + below(20);
    (0..count)
        .map(|at| {
            let id = if below(5) == 0 { below(6) } else { at };
            let refs: Vec<String> = (0..below(4)).map(|_| format!("m{}", below(8))).collect();
            let subject = ["one", "two", "Re: one", "Fwd: two", "three", ""][usize::try_from(below(6)).expect("small")];
            (below(3) == 0, format!("m{id}"), refs.join(" "), subject.to_owned())
        })
        .collect()
}

/// Twins, straight at their server and through the proxy.
struct Twins {
    straight: [Client; 2],
    through: [Client; 2],
}

impl Twins {
    fn hear_the_same(mut self, kind: Kind) {
        let named = rows().into_iter().map(|(name, rows)| (name.to_owned(), rows));
        for (name, rows) in named.chain((1..=40).map(|seed| (format!("random {seed}"), random(seed)))) {
            let [eve, eva] = &mut self.straight;
            lay_out(eve, kind, rows.iter().enumerate());
            lay_out(eva, kind, rows.iter().enumerate().filter(|(_, row)| !row.0));
            // The server may remember threads of all that there is.
            let all = heard(eve, kind);
            let [hidden, never] = self.through.each_mut().map(|client| heard(client, kind));
            assert_eq!(hidden, never, "{name}: {rows:?}, of all {all:?}");
            // And they are what the server itself says to who never had more. Courier nests one list alone where a parent is not
            // there, which the grammar does not have.
            let straight = heard(eva, kind);
            let trimmed = straight.iter().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
            assert!(never == trimmed || trimmed.concat().contains(" (("), "{name}: {never:?}, straight {trimmed:?}");
        }
        self.straight.into_iter().chain(self.through).for_each(Client::logout);
    }
}

#[test]
fn threads_are_those_of_a_mailbox_that_never_had_what_is_hidden() {
    let dovecot = Dovecot::start(&["eve", "eva"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let users = ["eve", "eva"];
    Twins { straight: users.map(|user| dovecot.login(user)), through: users.map(|user| proxy.login(user)) }
        .hear_the_same(DOVECOT);
    let records = proxy.stop();
    let hits: Vec<u64> = records
        .iter()
        .filter(|record| record["verb"] == "THREAD" && record["user"] == "eve")
        .map(|record| record["data"]["hits"].as_u64().expect("a number"))
        .collect();
    assert!(hits.len() > 100 && hits[0] == 2, "{hits:?}");
}

#[test]
fn threads_are_those_of_who_never_had_it_before_courier() {
    let courier = Courier::start(&["eve", "eva"]);
    let mut proxy = Settings::before_clear(courier.imap()).rules(RULES).start();
    let users = ["eve", "eva"];
    Twins { straight: users.map(|user| courier.login(user)), through: users.map(|user| proxy.login(user)) }
        .hear_the_same(COURIER);
    proxy.stop();
}

/// So many that what is visible fits into no line: it is saved at the server first.
#[test]
fn threads_of_more_than_a_line_takes() {
    let dovecot = Dovecot::start(&["eve", "eva"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let rows: Vec<Row> = (0..4_000_usize)
        .map(|at| {
            // Every other one is hidden, and refers to what stands on either side of it.
            let refs = if at % 2 == 1 { format!("m{} m{}", at - 1, at + 1) } else { format!("m{}", at / 3 * 2) };
            row(at % 2 == 1, &format!("m{at}"), &refs, &format!("s{at}"))
        })
        .collect();
    lay_out_at_once(&mut dovecot.login("eve"), rows.iter().enumerate());
    lay_out_at_once(&mut dovecot.login("eva"), rows.iter().enumerate().filter(|(_, row)| !row.0));
    let [mut eve, mut eva] = ["eve", "eva"].map(|user| proxy.login(user));
    let (hidden, never) = (heard(&mut eve, DOVECOT), heard(&mut eva, DOVECOT));
    assert_eq!(hidden[0], "2000 messages");
    assert!(hidden == never, "{:.300}\n{:.300}", hidden[1], never[1]);
    assert!(never[1].contains("(1 ") && never[1].len() > 8_000, "{:.300}", never[1]);
    [eve, eva].into_iter().for_each(Client::logout);
    proxy.stop();
}
