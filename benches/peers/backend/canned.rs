//! The answers: in Dovecot's words, made once.
//!
//! ```text
//!   list      each of its mailboxes     flags, envelopes, marks   a line for each message; any run of them is a slice
//!   search    one line of 64 KiB        big, small                messages of 25 MiB and of 8 KiB
//! ```

use std::fmt::Write;

/// How much mail there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Mailboxes that `LIST "" "*"` shows.
    pub mailboxes: usize,
    /// Messages in each of them.
    pub messages: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { mailboxes: 1_000, messages: 10_000 }
    }
}

/// Octets of the message with UID 1.
pub const BIG: usize = 25 << 20;
/// Octets of the line that answers SEARCH, at least.
pub const SEARCH_LINE: usize = 64_000;
/// How many of the last messages are unseen.
pub const UNSEEN: u32 = 20;
/// Of so many messages the header of one says that it is secret.
const SECRET_ONE_OF: u32 = 100;
/// Octets of every other message.
const SMALL: usize = 8 << 10;

/// What a session may say, apart from tagged responses.
pub struct Canned {
    /// Messages in every mailbox.
    pub messages: u32,
    /// To `LIST "" "*"`.
    pub list: Vec<u8>,
    /// To `LIST "" "%"`.
    pub list_top: Vec<u8>,
    /// To LSUB.
    pub lsub: Vec<u8>,
    /// To FETCH of flags.
    pub flags: Lines,
    /// To FETCH of envelopes.
    pub envelopes: Lines,
    /// To FETCH of the field X-Classification, without flags and with them.
    pub marks: [Lines; 2],
    /// To SEARCH of all.
    pub search: Vec<u8>,
    /// To SELECT and EXAMINE.
    pub select: Vec<u8>,
    /// The message with UID 1.
    pub big: Vec<u8>,
    /// Every other message.
    pub small: Vec<u8>,
}

impl Canned {
    /// All of it: some 35 MB, with 10,000 messages.
    pub fn new(size: Size) -> Self {
        let names = mailboxes(size.mailboxes);
        let top = names.iter().filter(|name| !name.contains('/'));
        Self {
            messages: size.messages,
            list: names.iter().flat_map(|name| list_line("LIST", name)).collect(),
            list_top: top.flat_map(|name| list_line("LIST", name)).collect(),
            lsub: names.iter().flat_map(|name| list_line("LSUB", name)).collect(),
            flags: Lines::new(size.messages, |number| flags(number, size.messages)),
            envelopes: Lines::new(size.messages, envelope),
            marks: [false, true]
                .map(|flagged| Lines::new(size.messages, |number| marked(number, flagged.then_some(size.messages)))),
            search: search(),
            select: select(size.messages),
            big: message(BIG),
            small: message(SMALL),
        }
    }
}

/// A line for each message, one after the other.
pub struct Lines {
    text: Vec<u8>,
    starts: Vec<usize>,
}

impl Lines {
    fn new(messages: u32, line: impl Fn(u32) -> String) -> Self {
        let (mut text, mut starts) = (Vec::new(), Vec::new());
        for number in 1..=messages {
            starts.push(text.len());
            text.extend(line(number).bytes());
        }
        starts.push(text.len());
        Self { text, starts }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.starts.len() - 1).expect("made for so many")
    }

    /// Those of messages `first` to `last`; nothing where there are none.
    pub fn of(&self, first: u32, last: u32) -> &[u8] {
        let (first, last) = (first.max(1), last.min(self.count()));
        if first > last {
            return &[];
        }
        let at = |number: u32| self.starts[number as usize];
        &self.text[at(first - 1)..at(last)]
    }
}

/// INBOX and what a busy account keeps beside it.
fn mailboxes(count: usize) -> Vec<String> {
    let mut names =
        ["INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive", "Projects", "Lists", "Customers", "Finance"]
            .map(str::to_owned)
            .to_vec();
    names.extend((2005..=2024).map(|year| format!("Archive/{year}")));
    names.extend((1..=12).map(|month| format!("Finance/2024-{month:02}")));
    for at in 0.. {
        if names.len() >= count {
            break;
        }
        names.push(match at % 4 {
            0 => format!("Projects/Apollo {at}"),
            1 => format!("Customers/M&APw-ller {at}/Orders"),
            2 => format!("Lists/dev-{at}"),
            _ => format!("Customers/ACME-{at}"),
        });
    }
    names
}

fn list_line(response: &str, name: &str) -> Vec<u8> {
    let attributes = match name {
        "Drafts" => r"\HasNoChildren \Drafts",
        "Sent" => r"\HasNoChildren \Sent",
        "Trash" => r"\HasNoChildren \Trash",
        "Junk" => r"\HasNoChildren \Junk",
        "Archive" | "Projects" | "Lists" | "Customers" | "Finance" => r"\HasChildren",
        _ => r"\HasNoChildren",
    };
    // As Dovecot has it: an atom where the name can be one.
    let name = if name.contains(' ') { format!("\"{name}\"") } else { name.to_owned() };
    format!("* {response} ({attributes}) \"/\" {name}\r\n").into_bytes()
}

fn select(messages: u32) -> Vec<u8> {
    format!(
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded NonJunk)\r\n\
         * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded NonJunk \\*)] Flags permitted.\r\n\
         * {messages} EXISTS\r\n\
         * 0 RECENT\r\n\
         * OK [UNSEEN {unseen}] First unseen.\r\n\
         * OK [UIDVALIDITY 1437056785] UIDs valid\r\n\
         * OK [UIDNEXT {next}] Predicted next UID\r\n\
         * OK [HIGHESTMODSEQ 21937] Highest\r\n",
        unseen = messages.saturating_sub(UNSEEN) + 1,
        next = messages + 1
    )
    .into_bytes()
}

fn flags(number: u32, messages: u32) -> String {
    let flags = match number % 16 {
        0 => r"\Answered \Seen",
        3 => r"\Flagged \Seen",
        7 => r"\Seen NonJunk",
        _ if number > messages.saturating_sub(UNSEEN) => "",
        _ => r"\Seen",
    };
    format!("* {number} FETCH (UID {number} FLAGS ({flags}))\r\n")
}

fn marked(number: u32, with_flags_of: Option<u32>) -> String {
    let field = if is_secret(number) { "X-Classification: secret\r\n\r\n" } else { "\r\n" };
    let field = format!("BODY[HEADER.FIELDS (X-CLASSIFICATION)] {}", literal(field));
    match with_flags_of {
        Some(messages) => flags(number, messages).replace("))\r\n", &format!(") {field})\r\n")),
        None => format!("* {number} FETCH (UID {number} {field})\r\n"),
    }
}

/// Does the header of that message say so?
pub const fn is_secret(number: u32) -> bool {
    number % SECRET_ONE_OF == SECRET_ONE_OF / 2
}

fn envelope(number: u32) -> String {
    let subject = match number % 50 {
        17 => literal("Re: \"Angebot\" M\u{fc}ller \u{2014} 4"),
        n if n % 3 == 0 => format!("\"Re: [dev] patch {number}: do not copy what need not be\""),
        n if n % 7 == 0 => format!("\"=?UTF-8?Q?Bestellbest=C3=A4tigung_Nr=2E_{number}?=\""),
        _ => format!("\"Minutes of the meeting on Tuesday, and what follows ({number})\""),
    };
    let from = format!("((\"Ann Author {}\" NIL \"ann.{}\" \"example.org\"))", number % 40, number % 40);
    let to = "((\"Development\" NIL \"dev\" \"lists.example.org\")(NIL NIL \"bob\" \"example.net\"))";
    let reply =
        if number.is_multiple_of(3) { format!("\"<{}.4711@mail.example.org>\"", number - 1) } else { "NIL".into() };
    format!(
        "* {number} FETCH (UID {number} ENVELOPE (\"Tue, {day} Mar 2024 09:{minute:02}:12 +0100\" {subject} {from} {from} {from} \
         {to} NIL NIL {reply} \"<{number}.4711@mail.example.org>\"))\r\n",
        day = number % 28 + 1,
        minute = number % 60
    )
}

/// How quotes and eight-bit text travel.
fn literal(text: &str) -> String {
    format!("{{{}}}\r\n{text}", text.len())
}

fn search() -> Vec<u8> {
    let mut line = String::from("* SEARCH");
    let mut uid = 10_000;
    while line.len() < SEARCH_LINE {
        write!(line, " {uid}").expect("a string takes all");
        uid += 3;
    }
    line.push_str("\r\n");
    line.into_bytes()
}

/// A message of so many octets: a short header, and base64 as an attachment has it.
fn message(size: usize) -> Vec<u8> {
    let mut text = b"Return-Path: <ann@example.org>\r\nDate: Tue, 12 Mar 2024 09:41:12 +0100\r\nFrom: Ann Author <ann@example.org>\r\n\
        To: dev@lists.example.org\r\nSubject: Minutes\r\nMessage-ID: <4711@mail.example.org>\r\nMIME-Version: 1.0\r\n\
        Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    let mut state = 0x2545_f491_u32;
    while text.len() < size {
        for _ in 0..76 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            text.push(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state % 64) as usize]);
        }
        text.extend(b"\r\n");
    }
    text.truncate(size);
    text
}
