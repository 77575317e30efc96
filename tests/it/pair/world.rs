//! Accounts that differ only in what rules hide, and what rules hide it.
//!
//! ```text
//!   twin A   INBOX  Archive  Team            HR/Jobs        ─┐ what both have: `common`
//!   twin B   INBOX  Archive  Team  Team/Cell HR/Jobs  HR    ─┘ and, hidden by `rules`: `hidden`
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::ground::Straight;
use super::script::Meanwhile;
use crate::real::dovecot::Names;

/// A mailbox, "/" between levels, and how many messages are in it.
pub type Folder = (&'static str, usize);

/// What both twins have, what one has besides, and the rules that hide it.
pub struct World {
    /// In the name of each of its users: rules go by it.
    pub tag: &'static str,
    /// Rules, with `@` for the users.
    pub rules: &'static str,
    pub names: Names,
    pub common: &'static [Folder],
    pub hidden: &'static [Folder],
    /// Messages that only one has, in mailboxes that both have: their UIDs there. The other twin has gaps.
    pub secrets: &'static [(&'static str, &'static [usize])],
    /// Subscriptions, also of mailboxes that are not there.
    pub subscribed: &'static [&'static str],
    pub subscribed_hidden: &'static [&'static str],
    /// What the rules cover: names, `X/**` for X and all below, `X/*` for all below X, and `!` before what is spared.
    pub covered: &'static [&'static str],
    /// Names that neither has, and that may be made.
    pub absent: &'static [&'static str],
}

const FINANCE: &str = r#"
[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["Finance/**", "Secret", "HR", "Team/Cell", "Junk", "Geheimß", "Zürich/Bank"]
hide = true
"#;

const FINANCE_COMMON: &[Folder] = &[
    ("INBOX", 4),
    ("Archive", 3),
    ("Archive/2024", 2),
    ("Projects/Apollo", 2),
    ("Team", 1),
    ("Team/Open", 1),
    ("HR/Jobs", 1),
    ("Entw&APw-rfe", 1),
    ("Z&APw-rich", 1),
    ("Sent", 1),
    ("Trash", 0),
];

const FINANCE_HIDDEN: &[Folder] = &[
    ("Finance", 2),
    ("Finance/Q3", 2),
    ("Finance/Public/Deep", 1),
    ("Secret", 1),
    ("HR", 1),
    ("Team/Cell", 2),
    ("Junk", 1),
    ("Geheim&AN8-", 1),
    ("Z&APw-rich/Bank", 1),
];

const FINANCE_COVERED: &[&str] = &["Finance/**", "Secret", "HR", "Team/Cell", "Junk", "Geheim&AN8-", "Z&APw-rich/Bank"];

const ABSENT: &[&str] = &["Mine", "Mine/Deep", "Archive/New", "Team/New", "HR/New", "Other", "Projects", "A/B/C"];

const MIXED_COMMON: &[Folder] =
    &[("INBOX", 5), ("Archive", 3), ("Archive/2024", 2), ("Sent", 2), ("Team", 1), ("Trash", 0)];

const MIXED: &[(&str, &[usize])] =
    &[("INBOX", &[1, 3, 4, 8]), ("Archive", &[2]), ("Archive/2024", &[3, 4]), ("Team", &[1])];

/// The worlds of the pair test.
pub const WORLDS: &[World] = &[
    World {
        tag: "p0",
        rules: FINANCE,
        names: Names::Slash,
        common: FINANCE_COMMON,
        hidden: FINANCE_HIDDEN,
        secrets: &[],
        subscribed: &["Archive", "Team", "Sent", "Gone", "HR/Jobs"],
        subscribed_hidden: &["Finance", "Finance/Q3", "Finance/Gone", "HR", "Secret", "Team/Cell"],
        covered: FINANCE_COVERED,
        absent: ABSENT,
    },
    World {
        tag: "p1",
        rules: r#"
[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["Finance/**"]
except_mailbox = ["Finance/Public/**"]
hide = true

[[rule]]
id = "@-private"
when = { user = ["?@-*"] }
mailbox = ["Private", "**/Private"]
hide = true

[[rule]]
id = "@-archive"
when = { user = ["?@-*"] }
mailbox = ["Archive/**", "Finance/**"]
rights = "read-only"

[[rule]]
id = "@-team"
when = { user = ["?@-*"] }
mailbox = ["Team"]
rights = "lrs"

[[rule]]
id = "@-move"
when = { user = ["?@-*"] }
mailbox = ["Sent"]
deny_commands = ["MOVE", "STATUS", "SUBSCRIBE"]
"#,
        names: Names::Slash,
        common: &[
            ("INBOX", 4),
            ("Archive", 2),
            ("Archive/2024", 2),
            ("Finance/Public", 2),
            ("Finance/Public/Notes", 1),
            ("Team", 1),
            ("Team/Open", 1),
            ("Sent", 2),
            ("Trash", 1),
        ],
        hidden: &[
            ("Finance", 2),
            ("Finance/Q3", 1),
            ("Archive/Private", 1),
            ("Team/Deep/Private", 1),
            ("Private", 2),
            ("Sent/Private", 1),
        ],
        secrets: &[],
        subscribed: &["Finance/Public", "Archive", "Archive/2024", "Gone/Deep"],
        subscribed_hidden: &["Finance", "Private", "Team/Deep/Private", "Gone/Private"],
        covered: &[
            "Finance/**",
            "!Finance/Public/**",
            "Archive/Private",
            "Team/Deep/Private",
            "Private",
            "Sent/Private",
        ],
        absent: &["Mine", "Mine/Deep", "Archive/New", "Team/Deep", "Other", "Finance/Public/New", "A/B"],
    },
    World {
        tag: "p2",
        rules: r#"
[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["INBOX", "Notes/**"]
hide = true
"#,
        names: Names::Slash,
        common: &[("Archive", 2), ("Archive/INBOX", 1), ("Sent", 1), ("Drafts", 1), ("inbox/Sub", 1)],
        hidden: &[("INBOX", 3), ("Notes", 1), ("Notes/2024", 1)],
        secrets: &[],
        subscribed: &["Archive", "Drafts"],
        subscribed_hidden: &["INBOX", "Notes"],
        covered: &["INBOX", "Notes/**"],
        absent: &["Mine", "Mine/Deep", "INBOX/New", "Other"],
    },
    World {
        tag: "p3",
        rules: r#"
[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["**"]
except_mailbox = ["INBOX", "Open/**", "Sent"]
hide = true
"#,
        names: Names::Slash,
        common: &[("INBOX", 3), ("Open", 2), ("Open/Deep/Down", 1), ("Sent", 1)],
        hidden: &[("Archive", 1), ("Archive/2024", 1), ("Secret", 1), ("Sent/Old", 1), ("Junk", 1), ("Trash", 2)],
        secrets: &[],
        subscribed: &["INBOX", "Open", "Open/Deep/Down", "Open/Gone"],
        subscribed_hidden: &["Archive", "Sent/Old", "Gone"],
        covered: &["**", "!INBOX", "!Open/**", "!Sent"],
        absent: &["Open/New", "Open/New/Deep", "Mine", "Other"],
    },
    // What may not be looked up is hidden, too; patterns and names in every script.
    World {
        tag: "p5",
        rules: r#"
[[rule]]
id = "@-lookup"
when = { user = ["?@-*"] }
mailbox = ["Finance/*", "Vertraulich*", "секрет/**"]
rights = "rswipkxtea"

[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["Team/?ell"]
hide = true

[[rule]]
id = "@-keep"
when = { user = ["?@-*"] }
rights = "lrswi"
"#,
        names: Names::Slash,
        common: &[
            ("INBOX", 3),
            ("Finance", 2),
            ("Team", 1),
            ("Team/Open", 1),
            ("Archive", 2),
            ("Sent", 1),
            ("Trash", 1),
        ],
        hidden: &[
            ("Finance/Q3", 2),
            ("Vertraulich", 1),
            ("Vertraulich&APw-", 1),
            ("&BEEENQQ6BEAENQRC-", 1),
            ("&BEEENQQ6BEAENQRC-/x", 1),
            ("Team/Cell", 1),
        ],
        secrets: &[],
        subscribed: &["Finance", "Team", "INBOX"],
        subscribed_hidden: &["Finance/Q3", "Vertraulich", "&BEEENQQ6BEAENQRC-"],
        covered: &["Finance/*", "Vertraulich", "Vertraulich&APw-", "&BEEENQQ6BEAENQRC-/**", "Team/Cell"],
        absent: &["Mine", "Mine/Deep", "Finance/New", "Team/bell", "Other"],
    },
    // Nothing that is hidden lies above or below what is not: it must be answered as names that never were.
    World {
        tag: "p6",
        rules: r#"
[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["Finance/**", "Quiet/**", "Junk/**"]
hide = true
"#,
        names: Names::Slash,
        common: &[("INBOX", 3), ("Archive", 2), ("Archive/2024", 1), ("Team/Open", 1), ("Sent", 1), ("Trash", 1)],
        hidden: &[("Finance", 2), ("Finance/Q3", 2), ("Quiet", 1), ("Junk", 1)],
        secrets: &[],
        subscribed: &["Archive", "Team/Open", "Gone"],
        subscribed_hidden: &["Finance", "Finance/Q3", "Quiet", "Finance/Gone"],
        covered: &["Finance/**", "Quiet/**", "Junk/**"],
        absent: &["Mine", "Mine/Deep", "Archive/New", "Other"],
    },
    // Messages that are hidden in mailboxes that are not.
    World {
        tag: "m0",
        rules: r#"
[[rule]]
id = "@-secret"
when = { user = ["?@-*"] }
hide_messages = ['HEADER X-Secret yes']
"#,
        names: Names::Slash,
        common: MIXED_COMMON,
        hidden: &[],
        secrets: MIXED,
        subscribed: &["Archive", "Sent"],
        subscribed_hidden: &[],
        covered: &[],
        absent: ABSENT,
    },
    World {
        tag: "m1",
        rules: r#"
[[rule]]
id = "@-secret"
when = { user = ["?@-*"] }
mailbox = ["INBOX", "Archive/**"]
hide_messages = ['FROM "secret.example"']

[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["Finance/**"]
hide = true

[[rule]]
id = "@-sent"
when = { user = ["?@-*"] }
mailbox = ["Sent"]
rights = "read-only"
"#,
        names: Names::Slash,
        common: MIXED_COMMON,
        hidden: &[("Finance", 2), ("Finance/Q3", 1)],
        secrets: &[("INBOX", &[2, 3, 6]), ("Archive", &[1, 5])],
        subscribed: &["Archive", "Sent"],
        subscribed_hidden: &["Finance", "Finance/Gone"],
        covered: &["Finance/**"],
        absent: ABSENT,
    },
    World {
        tag: "m2",
        rules: r#"
[[rule]]
id = "@-flags"
when = { user = ["?@-*"] }
hide_messages = ['OR KEYWORD $Hidden (SUBJECT secret NOT ANSWERED)', 'DRAFT']
"#,
        names: Names::Slash,
        common: MIXED_COMMON,
        hidden: &[],
        secrets: MIXED,
        subscribed: &["Archive", "Sent"],
        subscribed_hidden: &[],
        covered: &[],
        absent: ABSENT,
    },
    World {
        tag: "m3",
        rules: r#"
[[rule]]
id = "@-body"
when = { user = ["?@-*"] }
mailbox = ["**"]
hide_messages = ['BODY "hush"']
"#,
        names: Names::Slash,
        common: MIXED_COMMON,
        hidden: &[],
        secrets: MIXED,
        subscribed: &["Archive", "Sent"],
        subscribed_hidden: &[],
        covered: &[],
        absent: ABSENT,
    },
    // An allow-list, names with a prefix, and mailboxes that are hidden, too.
    World {
        tag: "m4",
        rules: r#"
[[rule]]
id = "@-allowed"
when = { user = ["?@-*"] }
hide_messages = "ALL"
except_messages = ['FROM "@example.org"', 'SUBJECT appended']

[[rule]]
id = "@-hide"
when = { user = ["?@-*"] }
mailbox = ["Finance/**", "Team/Cell"]
hide = true
"#,
        names: Names::InboxDot,
        common: MIXED_COMMON,
        hidden: &[("Finance", 1), ("Finance/Q3", 2), ("Team/Cell", 1)],
        secrets: MIXED,
        subscribed: &["Archive", "Sent"],
        subscribed_hidden: &["Finance", "Team/Cell"],
        covered: &["Finance/**", "Team/Cell"],
        absent: ABSENT,
    },
    // The upstream judges.
    World {
        tag: "m5",
        rules: r#"
[[rule]]
id = "@-large"
when = { user = ["?@-*"] }
hide_messages = ['LARGER 900']
judge = "upstream"

[[rule]]
id = "@-archive"
when = { user = ["?@-*"] }
mailbox = ["Archive/**"]
rights = "organise"
"#,
        names: Names::Slash,
        common: MIXED_COMMON,
        hidden: &[],
        secrets: MIXED,
        subscribed: &["Archive", "Sent"],
        subscribed_hidden: &[],
        covered: &[],
        absent: ABSENT,
    },
    World {
        tag: "p4",
        rules: FINANCE,
        names: Names::InboxDot,
        common: FINANCE_COMMON,
        hidden: FINANCE_HIDDEN,
        secrets: &[],
        subscribed: &["Archive", "Team", "Sent", "Gone", "HR/Jobs"],
        subscribed_hidden: &["Finance", "Finance/Q3", "Finance/Gone", "HR", "Secret", "Team/Cell"],
        covered: FINANCE_COVERED,
        absent: ABSENT,
    },
];

/// The mail of an account, for as long as it is needed.
pub struct Home {
    pub maildir: PathBuf,
}

impl Home {
    pub fn folder(&self) -> &Path {
        self.maildir.parent().expect("a home")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// Which twin?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// Has nothing that is hidden.
    A,
    /// Has it.
    B,
}

impl World {
    /// The rules with the users they are about.
    pub fn rules(&self) -> String {
        self.rules.replace('@', self.tag)
    }

    /// Names of the twins are of one length: what is sent must be, too.
    pub fn user(&self, twin: Twin, at: u64) -> String {
        let twin = if twin == Twin::A { 'a' } else { 'b' };
        format!("{twin}{}-{at:08}", self.tag)
    }

    pub fn delimiter(&self) -> char {
        if self.names == Names::Slash { '/' } else { '.' }
    }

    /// The name as the server has it.
    pub fn on_wire(&self, name: &str) -> String {
        match self.names {
            Names::InboxDot if !name.eq_ignore_ascii_case("INBOX") => format!("INBOX.{}", name.replace('/', ".")),
            _ => name.to_owned(),
        }
    }

    fn covers(&self, name: &str) -> bool {
        let matches = |pattern: &str| match pattern.strip_suffix("/**") {
            _ if pattern == "**" => true,
            Some(above) => name == above || name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')),
            None => match pattern.strip_suffix("/*") {
                Some(above) => name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')),
                None => name == pattern,
            },
        };
        let spared = self.covered.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(matches);
        !spared && self.covered.iter().any(|pattern| matches(pattern))
    }

    /// Lays out the Maildir of a twin.
    pub fn lay_out(&self, maildir: &Path, twin: Twin) {
        let mut subscriptions = self.subscribed.to_vec();
        fill(maildir, "INBOX", 0);
        for (name, count) in self.common {
            match self.secrets.iter().find(|(at, _)| at == name) {
                Some((_, secrets)) => fill_mixed(maildir, name, *count, secrets, twin),
                None => fill(maildir, name, *count),
            }
        }
        if twin == Twin::B {
            for (name, count) in self.hidden {
                fill(maildir, name, *count);
            }
            subscriptions.extend(self.subscribed_hidden);
        }
        subscribe(maildir, &subscriptions);
    }

    /// All that is hidden, as it lies on disk: names and contents of files.
    pub fn hidden_state(&self, maildir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut state = BTreeMap::new();
        if self.covers("INBOX") {
            for folder in ["cur", "new"] {
                collect(&maildir.join(folder), &mut state);
            }
        }
        for entry in fs::read_dir(maildir).expect("a Maildir") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name");
            let Some(levels) = name.strip_prefix('.') else { continue };
            if self.covers(&levels.replace('.', "/")) {
                collect(&entry.path(), &mut state);
            }
        }
        if !self.secrets.is_empty() {
            collect_secrets(maildir, &mut state);
        }
        let subscriptions = fs::read_to_string(maildir.join("subscriptions")).unwrap_or_default();
        let hidden = subscriptions.lines().filter(|line| self.covers(&line.replace('\t', "/")));
        state.insert("subscriptions".into(), hidden.collect::<Vec<_>>().join("\n").into_bytes());
        state
    }

    /// Changes something that is hidden. A message that arrives takes a UID in both twins. `other` is at the
    /// server itself.
    pub fn meanwhile(&self, maildir: &Path, twin: Twin, what: Meanwhile, nth: usize, other: &Straight) {
        if what == Meanwhile::Marked {
            let (name, _) = self.common[nth % self.common.len()];
            return other.mark(&self.on_wire(name), nth);
        }
        if matches!(what, Meanwhile::Arrived | Meanwhile::Flagged | Meanwhile::Vanished) {
            let (name, _) = self.common[nth % self.common.len()];
            return change_visible(&folder(maildir, name), what, nth);
        }
        if let Some((name, _)) = self.secrets.get(nth % self.secrets.len().max(1))
            && (self.hidden.is_empty() || !matches!(what, Meanwhile::Created))
        {
            return change_secret(&folder(maildir, name), twin, what, nth, || other.examine(&self.on_wire(name)));
        }
        if twin == Twin::A {
            return;
        }
        let (name, _) = self.hidden[nth % self.hidden.len()];
        match what {
            Meanwhile::Delivered => deliver(&folder(maildir, name), nth),
            Meanwhile::Created => {
                let name = format!("{}/Later{nth}", self.deep());
                fill(maildir, &name, 1);
                give_home(&folder(maildir, &name));
            }
            Meanwhile::Removed if name != "INBOX" => {
                let _ = fs::remove_dir_all(folder(maildir, name));
            }
            Meanwhile::Removed | Meanwhile::Arrived | Meanwhile::Flagged | Meanwhile::Vanished | Meanwhile::Marked => {}
            Meanwhile::Subscribed => {
                let path = maildir.join("subscriptions");
                let text = fs::read_to_string(&path).unwrap_or_default();
                let new = maildir.join("subscriptions.new");
                write(&new, format!("{text}{}\tLater{nth}\n", self.deep().replace('/', "\t")).as_bytes());
                give(&new);
                fs::rename(new, path).expect("a file");
            }
        }
    }

    /// A name below which all is hidden.
    fn deep(&self) -> &'static str {
        self.covered.iter().find_map(|pattern| pattern.strip_suffix("/**")).unwrap_or("Secret")
    }
}

/// UIDVALIDITY of every mailbox that is laid out.
pub const UIDVALIDITY: u32 = 1_700_000_001;

fn folder(maildir: &Path, name: &str) -> PathBuf {
    if name == "INBOX" { maildir.to_owned() } else { maildir.join(format!(".{}", name.replace('/', "."))) }
}

/// A mailbox with so many messages.
pub fn fill(maildir: &Path, name: &str, count: usize) {
    let folder = folder(maildir, name);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    if name != "INBOX" {
        write(&folder.join("maildirfolder"), b"");
    }
    let mut uids = format!("3 V{UIDVALIDITY} N{}\n", count + 1);
    for at in 0..count {
        let flags = ["", "S", "FS", "RST", "T"].get(at).unwrap_or(&"");
        let file = format!("{}.M{at}.sample:2,{flags}", 1_700_000_000 + 3_600 * at);
        writeln!(uids, "{} :{file}", at + 1).expect("a string");
        write(&folder.join("cur").join(file), message(name, at).as_bytes());
    }
    write(&folder.join("dovecot-uidlist"), uids.as_bytes());
}

/// A mailbox in which every other message, more or less, is secret; one twin has none of those, and gaps instead.
fn fill_mixed(maildir: &Path, name: &str, count: usize, secrets: &[usize], twin: Twin) {
    fill(maildir, name, 0);
    let folder = folder(maildir, name);
    let all = count + secrets.len();
    let mut uids = format!("3 V{UIDVALIDITY} N{}\n", all + 1);
    let mut at = 0;
    for uid in 1..=all {
        let secret = secrets.contains(&uid);
        if secret && twin == Twin::A {
            continue;
        }
        let flags = match secret {
            true => ["T", "", "STa", "F", "a", "S"].get(uid % 6).unwrap_or(&""),
            false => ["", "S", "FS", "RST", "T"].get(at).unwrap_or(&""),
        };
        let kind = if secret { "H" } else { "M" };
        let file = format!("{}.{kind}{uid}.sample:2,{flags}", 1_700_000_000 + 3_600 * uid);
        writeln!(uids, "{uid} :{file}").expect("a string");
        let text = if secret { secret_message(name, uid) } else { message(name, at) };
        write(&folder.join("cur").join(file), text.as_bytes());
        at += usize::from(!secret);
    }
    write(&folder.join("dovecot-uidlist"), uids.as_bytes());
    if twin == Twin::B {
        write(&folder.join("dovecot-keywords"), b"0 $Hidden\n");
    }
}

fn secret_message(mailbox: &str, uid: usize) -> String {
    let fill = "hush ".repeat(uid * 200);
    format!(
        "From: Eve <eve@secret.example>\r\nTo: bob@example.org\r\nSubject: secret {mailbox} {uid}\r\n\
         Date: Tue, 14 Nov 2023 23:00:20 +0000\r\nMessage-ID: <secret-{uid}@example.org>\r\n\
         References: <{mailbox}-1@example.org> <{mailbox}-0@example.org>\r\nX-Secret: yes\r\n\r\nhush-{uid} {fill}\r\n"
    )
}

fn change_secret(folder: &Path, twin: Twin, what: Meanwhile, nth: usize, examine: impl FnOnce()) {
    if what == Meanwhile::Delivered {
        let file = folder.join("new").join(format!("1700100000.H9{nth}.sample"));
        if folder.join("new").exists() {
            write(&file, secret_message("Later", 7 + nth).as_bytes());
            give(&file);
            // The server gives it a UID, and leaves it `\Recent`. In the other twin it has gone again: there is a gap.
            examine();
            if twin == Twin::A {
                let _ = fs::remove_file(&file);
            }
        }
        return;
    }
    if twin == Twin::A {
        return;
    }
    change_one(folder, ".H", what == Meanwhile::Removed, nth);
}

/// Somebody else's doing, in both twins alike.
fn change_visible(folder: &Path, what: Meanwhile, nth: usize) {
    if what != Meanwhile::Arrived {
        return change_one(folder, ".M", what == Meanwhile::Vanished, nth);
    }
    if folder.join("new").exists() {
        let file = folder.join("new").join(format!("1700200000.M9{nth}.sample"));
        write(&file, message("Meanwhile", nth).as_bytes());
        give(&file);
    }
}

/// One of the messages that are called so is removed, or its `\\Flagged` set or cleared.
fn change_one(folder: &Path, kind: &str, removes: bool, nth: usize) {
    let entries = fs::read_dir(folder.join("cur")).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    // Of the name alone: the folder it all lies in may be called so, too.
    let is_it = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(kind));
    let mut paths: Vec<PathBuf> = paths.filter(is_it).collect();
    paths.sort();
    let Some(path) = paths.get(nth % paths.len().max(1)) else { return };
    if removes {
        let _ = fs::remove_file(path);
        return;
    }
    let name = path.to_string_lossy().into_owned();
    let (base, flags) = name.rsplit_once(":2,").unwrap_or((&name, ""));
    let flags = if flags.contains('F') { flags.replace('F', "") } else { format!("F{flags}") };
    let _ = fs::rename(path, format!("{base}:2,{flags}"));
}

/// Every secret message, wherever it lies: where, its flags, and what is in it.
fn collect_secrets(maildir: &Path, state: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let mut files = BTreeMap::new();
    collect(maildir, &mut files);
    for (path, content) in files {
        if memchr::memmem::find(&content, b"X-Secret: yes").is_none() {
            continue;
        }
        // The server takes what is new to what is not, and appends sizes to names; that is no change.
        let text = path.to_string_lossy().replace("/new/", "/cur/");
        let (base, flags) = text.rsplit_once(":2,").unwrap_or((&text, ""));
        let base = base.split_once(",S=").map_or(base, |(base, _)| base);
        state.insert(PathBuf::from(base), [flags.as_bytes(), b" ", content.as_slice()].concat());
    }
}

/// Subscriptions, and where the server has got to in drawing UIDVALIDITY.
pub fn subscribe(maildir: &Path, names: &[&str]) {
    let mut text = String::from("V\t2\n\n");
    for name in names {
        writeln!(text, "{}", name.replace('/', "\t")).expect("a string");
    }
    write(&maildir.join("subscriptions"), text.as_bytes());
    write(&maildir.join("dovecot-uidvalidity"), b"6553f101");
    write(&maildir.join("dovecot-uidvalidity.6553f101"), b"");
}

fn deliver(folder: &Path, nth: usize) {
    let new = folder.join("new");
    if new.exists() {
        let file = new.join(format!("1700100000.N{nth}.sample"));
        write(&file, message("Later", nth).as_bytes());
        give(&file);
    }
}

fn message(mailbox: &str, at: usize) -> String {
    let head = format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: {mailbox} {at}\r\n\
         Date: Tue, 14 Nov 2023 22:{at:02}:20 +0000\r\nMessage-ID: <{mailbox}-{at}@example.org>\r\nMIME-Version: 1.0\r\n"
    );
    let body = match at % 3 {
        0 => format!("Content-Type: text/plain\r\n\r\ntext-of-{mailbox}.\r\nIn a few words\r\n"),
        1 => format!(
            "References: <secret-{}@example.org>\r\n\
             Content-Type: multipart/mixed; boundary=edge\r\n\r\n--edge\r\n\r\ntext-of-{mailbox}.\r\n\
             --edge\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--edge--\r\n",
            at + 1
        ),
        _ => format!("In-Reply-To: <{mailbox}-0@example.org>\r\n\r\ntext-of-{mailbox}.\r\n{}", "text\r\n".repeat(40)),
    };
    head + &body
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn collect(path: &Path, state: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, state);
        } else if !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"dovecot")) {
            // The server's own notes change when it looks; mail and its flags do not.
            state.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
}

/// Gives a file to whom the mail above it belongs.
fn give(path: &Path) {
    let above = path.parent().and_then(|above| fs::metadata(above).ok()).expect("a folder");
    let (uid, gid) = (above.uid(), above.gid());
    if uid != rustix::process::getuid().as_raw() {
        match chown(path, Some(uid), Some(gid)) {
            // The server makes and removes files of its own meanwhile.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            given => given.expect("to give it away"),
        }
    }
}

/// Gives a folder, a home or a mailbox, to whom the one above it belongs.
pub fn give_home(home: &Path) {
    give(home);
    give_all(home);
}

/// Gives all below a folder to whom the folder itself belongs.
fn give_all(folder: &Path) {
    if fs::metadata(folder).expect("a folder").uid() == rustix::process::getuid().as_raw() {
        return;
    }
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        give(&path);
        if path.is_dir() {
            give_all(&path);
        }
    }
}
