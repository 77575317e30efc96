//! The sample mail: the same for each user, so that two users can be compared.
//!
//! Each text that nobody but a reader of mail may see has the word `canary` in it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::dovecot::Names;

/// A mailbox: its levels, and how many messages are in it.
type Mailbox = (&'static [&'static str], usize);

/// Every mailbox but INBOX. Names are as they stand on disk, in modified UTF-7.
const MAILBOXES: &[Mailbox] = &[
    (&["Archive"], 3),
    (&["Archive", "2024"], 2),
    (&["Entw&APw-rfe"], 1),
    (&["Finance"], 2),
    (&["Finance", "Public"], 1),
    (&["Finance", "Q3"], 2),
    (&["Projects"], 0),
    (&["Projects", "Apollo"], 2),
    (&["Sent"], 1),
    (&["Trash"], 0),
];

/// UIDVALIDITY of every mailbox that is laid out.
pub const UIDVALIDITY: u32 = 1_700_000_001;

/// Messages in INBOX.
pub const IN_INBOX: usize = 6;

/// Lays out the home of a user.
pub fn lay_out(home: &Path, names: Names) {
    let maildir = home.join("Maildir");
    fill(&maildir, "INBOX", IN_INBOX);
    let mut subscriptions = String::new();
    for (levels, count) in MAILBOXES {
        fill(&maildir.join(format!(".{}", levels.join("."))), levels.last().unwrap_or(&""), *count);
        subscriptions.push_str(&levels.join("\t"));
        subscriptions.push('\n');
    }
    let _ = names; // on disk both are the same
    fs::write(maildir.join("subscriptions"), format!("V\t2\n\n{subscriptions}")).expect("a file");
}

fn fill(maildir: &Path, name: &str, count: usize) {
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).expect("a folder");
    }
    if name != "INBOX" {
        fs::write(maildir.join("maildirfolder"), "").expect("a file");
    }
    // UIDs in order from 1, and one UIDVALIDITY, whoever opens the mailbox first.
    let mut uids = format!("3 V{UIDVALIDITY} N{}\n", count + 1);
    for at in 0..count {
        let flags = ["", "S", "FS", "RS", "", "S"].get(at).unwrap_or(&"");
        let received = 1_700_000_000 + 3_600 * at as u64;
        let file = format!("{received}.M{at}.sample:2,{flags}");
        writeln!(uids, "{} :{file}", at + 1).expect("a string");
        let path = maildir.join("cur").join(file);
        fs::write(&path, message(name, at)).expect("a message");
        let file = fs::File::options().write(true).open(&path).expect("the message");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(received)).expect("a time");
    }
    fs::write(maildir.join("dovecot-uidlist"), uids).expect("a file");
}

/// One message, ended by CRLF throughout.
pub fn message(mailbox: &str, at: usize) -> String {
    let head = format!(
        "From: =?utf-8?Q?J=C3=BCrgen?= <juergen@example.org>\r\n\
         To: ann@example.org\r\n\
         Subject: {mailbox} {at} canary-subject\r\n\
         Date: Tue, 14 Nov 2023 22:{at:02}:20 +0000\r\n\
         Message-ID: <{mailbox}-{at}@example.org>\r\n\
         MIME-Version: 1.0\r\n"
    );
    let body = match at % 4 {
        0 => "Content-Type: text/plain; charset=us-ascii\r\n\r\ncanary-body, in a few words.\r\n".to_owned(),
        1 => "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
              Grüße, canary-body.\r\n\r\n.\r\nA line with only a dot stood above.\r\n"
            .to_owned(),
        2 => attachment(),
        _ => format!("\r\n{}", "canary-body, a line of a longer text that fills a few reads.\r\n".repeat(2_000)),
    };
    head + &body
}

fn attachment() -> String {
    "Content-Type: multipart/mixed; boundary=\"=_edge\"\r\n\r\n\
     A preamble.\r\n\
     --=_edge\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n\
     --inner\r\nContent-Type: text/plain\r\n\r\ncanary-body as text\r\n\
     --inner\r\nContent-Type: text/html\r\n\r\n<p>canary-body as HTML</p>\r\n--inner--\r\n\
     --=_edge\r\nContent-Type: application/pdf; name=\"bill {4}.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\
     Content-Disposition: attachment; filename=\"bill {4}.pdf\"\r\n\r\n\
     JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURl\r\n\
     --=_edge--\r\n"
        .to_owned()
}
