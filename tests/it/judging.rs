//! A mailbox whose headers are judged for the first time, told as fast servers tell it, in pieces of any size: what is shown is what
//! does not say that it is secret, whatever was alike before it.

use proptest::prelude::*;

use crate::driver::{Driver, Setting, rules};

const RULE: &str = "[[rule]]\nid = \"a\"\nhide_messages = 'HEADER X-A secret'\n";

/// A message: how far its UID is behind the one before, its flags, and the field.
type Mail = (u32, &'static str, &'static str);

fn mail() -> impl Strategy<Value = Vec<Mail>> {
    let gap = prop_oneof![9 => Just(1_u32), 1 => 2_u32..90];
    let flags = prop::sample::select(vec!["", "\\Seen", "\\Seen", "\\Recent", "\\Seen $x"]);
    let field = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "X-A: secret\r\n",
        "X-A: not\r\n secret\r\n",
        "X-A: )\r\n * 3 FETCH (UID 3\r\n",
    ]);
    prop::collection::vec((gap, flags, field), 1..70)
}

/// Something odd that the server says of one message: each hides it, or says nothing of it.
fn oddity() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", "nothing", "another UID", "another number", "twice", "another case"])
}

struct Server {
    uids: Vec<u32>,
    mail: Vec<Mail>,
    odd: (usize, &'static str),
    piece: usize,
}

impl Server {
    fn new(mail: Vec<Mail>, odd: (usize, &'static str), piece: usize) -> Self {
        let uids = mail.iter().scan(7, |uid, (gap, ..)| {
            *uid += gap;
            Some(*uid)
        });
        Self { uids: uids.collect(), odd: (odd.0 % mail.len(), odd.1), mail, piece }
    }

    fn fetched(&self) -> String {
        let line = |number: usize, uid: u32, (_, flags, field): Mail| {
            let len = field.len() + 2;
            format!(
                "* {number} FETCH (UID {uid} FLAGS ({flags}) BODY[HEADER.FIELDS (X-A)] {{{len}}}\r\n{field}\r\n)\r\n"
            )
        };
        let told = |(at, (uid, mail)): (usize, (&u32, &Mail))| {
            let usual = line(at + 1, *uid, *mail);
            match self.odd {
                (odd, "nothing") if odd == at => String::new(),
                (odd, "another UID") if odd == at => line(at + 1, uid + 1_000, *mail),
                (odd, "another number") if odd == at => line(at + 2, *uid, *mail),
                (odd, "twice") if odd == at => usual.repeat(2),
                (odd, "another case") if odd == at => usual.replace(" FETCH (UID ", " Fetch (uid "),
                _ => usual,
            }
        };
        self.uids.iter().zip(&self.mail).enumerate().map(told).collect()
    }

    fn data(&self, tag: &str, command: &str) -> String {
        match command {
            _ if command.starts_with("LIST") => "* LIST () \"/\" INBOX\r\n".to_owned(),
            _ if command.starts_with("SELECT") => {
                format!("* {} EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n", self.mail.len())
            }
            "UID SEARCH RETURN (ALL) ALL" => {
                let uids: Vec<String> = self.uids.iter().map(ToString::to_string).collect();
                format!("* ESEARCH (TAG \"{tag}\") UID ALL {}\r\n", uids.join(","))
            }
            _ if command.starts_with("UID FETCH") => self.fetched(),
            // A client's search, of which the server says that all are found.
            _ if command.starts_with("UID SEARCH RETURN (ALL) UID ") => {
                format!("* ESEARCH (TAG \"{tag}\") UID ALL {}\r\n", command.split(' ').nth(5).unwrap_or_default())
            }
            _ => String::new(),
        }
    }

    fn answer(&self, driver: &mut Driver) {
        while !driver.upstream.is_empty() {
            let asked = String::from_utf8(std::mem::take(&mut driver.upstream)).expect("text");
            for line in asked.lines() {
                let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
                let said = format!("{}{tag} OK done\r\n", self.data(tag, command));
                said.as_bytes().chunks(self.piece).for_each(|piece| driver.upstream_says(piece));
            }
        }
    }

    /// The UIDs that a client is told which asks for all.
    fn shown(&self) -> Vec<u32> {
        let mut driver = Driver::new(Setting { rules: rules(RULE, None), ..Setting::default() });
        driver.log_in("ann@example.org", "IMAP4rev1 UIDPLUS UNSELECT ESEARCH IDLE");
        self.answer(&mut driver);
        let mut heard = |line: &str| {
            driver.client.clear();
            driver.client_says(line.as_bytes());
            self.answer(&mut driver);
            String::from_utf8(std::mem::take(&mut driver.client)).expect("text")
        };
        let opened = heard("a SELECT INBOX\r\n");
        let exists = opened.lines().find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok());
        let found = heard("b UID SEARCH UID 1:*\r\n");
        let numbers = found.lines().find_map(|line| line.strip_prefix("* SEARCH"));
        let uids: Vec<u32> =
            numbers.unwrap_or_default().split_whitespace().filter_map(|uid| uid.parse().ok()).collect();
        assert_eq!(exists, Some(uids.len()), "{opened}{found}");
        uids
    }
}

proptest! {
    #[test]
    fn what_is_alike_is_judged_alike(mail in mail(), odd in (0_usize..70, oddity()), piece in prop_oneof![1_usize..300, Just(1 << 20)]) {
        let server = Server::new(mail, odd, piece);
        let lies = |at: usize| server.odd.0 == at && matches!(server.odd.1, "nothing" | "another UID" | "another number");
        let visible = |(at, (_, _, field)): &(usize, &Mail)| !(field.contains("secret") || lies(*at));
        let want: Vec<u32> = server.mail.iter().enumerate().filter(visible).map(|(at, _)| server.uids[at]).collect();
        prop_assert_eq!(server.shown(), want);
    }
}
