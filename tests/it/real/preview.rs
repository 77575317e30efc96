//! `imapwarden preview` before a real server: what it shows is what a client gets, and what matches nothing is named.

use std::collections::BTreeSet;
use std::process::Output;

use super::dovecot::{Dovecot, Names, password};
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const RULES: &str = r#"
[[rule]]
id = "hide-finance"
mailbox = ["Finance/**", "Entwürfe"]
except_mailbox = ["Finance/Public"]
hide = true

[[rule]]
id = "archive-read-only"
mailbox = ["Archive/**", "\\Sent"]
rights = "read-only"

[[rule]]
id = "would-hide-projects"
mode = "shadow"
mailbox = ["Projects/**"]
hide = true

[[rule]]
id = "of-bob"
when = { user = "bob" }
mailbox = ["Nowhere"]
hide = true
"#;

const MISTAKES: &str = r#"
[[rule]]
id = "mistakes"
mailbox = ["Fiannce/**", "[Gmail]/Sent Mail", "Archive.2024", "Apollo", "**/Apolo", "Deleted Items", "\\Junk", "Zebra"]
except_mailbox = ["finance/public", "INBOX/Archive"]
rights = "lr"

[[exception]]
rule = "mistakes"
user = "ann"
mailbox = ["trash"]
until = 2999-01-01
reason = "a test"
"#;

#[test]
fn what_it_shows_is_what_a_client_gets() {
    for names in [Names::Slash, Names::InboxDot] {
        let dovecot = Dovecot::start_with(&["ann"], names, "");
        let mut proxy = Settings::before(&dovecot).rules(RULES).start();
        let shown = preview(&proxy, &["--json"]);
        assert_eq!(shown.status.code(), Some(0), "{}", String::from_utf8_lossy(&shown.stdout));
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("one object");
        let mut ann = proxy.login("ann");
        let mailboxes = shown["mailboxes"].as_array().expect("a list");
        let visible = mailboxes.iter().filter(|mailbox| mailbox["visible"] == true && mailbox["exists"] == true);
        let mut visible: Vec<String> =
            visible.map(|mailbox| mailbox["name"].as_str().expect("a name").to_owned()).collect();
        let mut listed: Vec<String> = ann.run("LIST \"\" *").ok().names();
        ann.logout();
        listed.iter_mut().for_each(|name| *name = name.replace('.', "/"));
        listed.sort();
        visible.sort();
        assert_eq!(visible, listed);
        assert_eq!(shown["unmatched"].as_array().map(Vec::len), Some(0), "{shown}");
        proxy.stop();
    }
}

#[test]
fn rights_are_those_of_the_server_less_what_rules_take() {
    let acl =
        "mail_plugins = acl\nprotocol imap {\n  mail_plugins = $mail_plugins imap_acl\n}\nplugin {\n  acl = vfile\n}\n";
    let dovecot = Dovecot::start_with(&["ann"], Names::Slash, acl);
    let file = dovecot.maildir("ann").join(".Projects").join("dovecot-acl");
    std::fs::write(&file, "owner lrwstie\n").expect("an access list");
    let rules =
        "[[rule]]\nid = \"archive-read-only\"\nmailbox = [\"Archive/**\", \"\\\\Sent\"]\nrights = \"read-only\"\n";
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let shown = preview(&proxy, &["--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("one object");
    let mut ann = proxy.login("ann");
    let sorted = |letters: &str| letters.chars().collect::<BTreeSet<char>>();
    for mailbox in shown["mailboxes"].as_array().expect("a list") {
        let name = mailbox["name"].as_str().expect("a name").replace("ü", "&APw-");
        let answer = ann.run(&format!("MYRIGHTS \"{name}\"")).ok().lines();
        let letters = answer[0].rsplit(' ').next().expect("rights").to_owned();
        assert_eq!(sorted(&letters), sorted(mailbox["rights"].as_str().expect("rights")), "{answer:?}");
        if name == "Projects" {
            assert_eq!(sorted(&letters), sorted("lrwstie"), "the server's own");
        }
    }
    ann.logout();
    proxy.stop();
}

#[test]
fn the_tree_says_what_is_left_and_who_took_it() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let shown = preview(&proxy, &[]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let (head, tree) = text.split_once('\n').expect("lines");
    assert!(head.starts_with("ann at main") && head.contains("rules "), "{head}");
    let expected = "\
INBOX         lrswipkxtea
Archive       lr           archive-read-only
  2024        lr           archive-read-only
~~Entwürfe~~  hidden       hide-finance
~~Finance~~   hidden       hide-finance
  Public      lrswipktea   hide-finance
  ~~Q3~~      hidden       hide-finance
Projects      lrswipkxtea  (would-hide-projects would)
  Apollo      lrswipkxtea  (would-hide-projects would)
Sent          lr           archive-read-only
Trash         lrswipkxtea
11 mailboxes, 3 hidden, 4 with less; 0 of 6 patterns match nothing
";
    assert_eq!(tree, expected);
    proxy.stop();
}

#[test]
fn a_pattern_that_matches_nothing_is_named_with_what_was_meant() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(MISTAKES).start();
    let shown = preview(&proxy, &["--json"]);
    assert_eq!(shown.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("one object");
    let said = |problem: &serde_json::Value| {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{} {} ({})", problem["line"], problem["column"], text("message"), text("help"))
    };
    let said: Vec<String> = shown["unmatched"].as_array().expect("a list").iter().map(said).collect();
    let rows = [
        ("a typo", "4:12 `Fiannce/**`", "did you mean `Finance/**`?"),
        ("Gmail's name for it", "4:26 `[Gmail]/Sent Mail`", "did you mean `Sent`?"),
        ("another delimiter", "4:47 `Archive.2024`", "did you mean `Archive/2024`?"),
        ("a level is missing", "4:63 `Apollo`", "did you mean `Projects/Apollo`?"),
        ("a typo behind a wildcard", "4:73 `**/Apolo`", "did you mean `**/Apollo`?"),
        ("another name for the same use", "4:85 `Deleted Items`", "did you mean `Trash`?"),
        ("a use that nothing has", "4:102 `\\Junk`", "Sent is \\Sent, Trash is \\Trash"),
        ("nothing like it", "4:112 `Zebra`", "there is INBOX, Archive"),
        ("another case, where it spares", "5:19 `finance/public`", "the server calls it `Finance/Public`"),
        ("a prefix that there is not", "5:37 `INBOX/Archive`", "did you mean `Archive`?"),
        ("another case, in an exception", "11:12 `trash`", "the server calls it `Trash`"),
    ];
    for (name, place, help) in rows {
        let found = said.iter().find(|said| said.starts_with(place));
        assert!(found.is_some_and(|said| said.contains(help)), "{name}: {said:#?}");
    }
    assert_eq!(said.len(), rows.len(), "{said:#?}");
    proxy.stop();
}

#[test]
fn what_lies_below_a_mailbox_that_is_named_is_told() {
    let rules = r#"
[[rule]]
id = "hides-too-little"
mailbox = ["Finance", "Arch*", "Projects/**", "INBOX"]
except_mailbox = "Finance/Public"
rights = "lr"
"#;
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let shown = preview(&proxy, &[]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.status.code(), Some(0), "every pattern matches something: {text}");
    for wanted in [
        "warning: `Finance` does not cover what is below: Finance/Q3\n",
        "help: \"Finance/**\" covers it, too",
        "warning: `Arch*` does not cover what is below: Archive/2024\n",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert_eq!(text.matches("warning: ").count(), 2, "{text}");
    proxy.stop();
}

#[test]
fn a_prefix_is_left_out_or_written_with_a_slash() {
    let rules = r#"
[[rule]]
id = "prefixed"
mailbox = ["Finance/**", "INBOX/Archive", "INBOX.Projects", "Inbox/Sent/*", "Entw&APw-rfe", "INBOX/INBOX/Trash"]
except_mailbox = ["Finance/Public", "INBOX/Finance/Q3", "finance/q3", "Archives"]
rights = "lr"
"#;
    let dovecot = Dovecot::start_with(&["ann"], Names::InboxDot, "");
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    let shown = preview(&proxy, &["--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("one object");
    let said = |problem: &serde_json::Value| {
        format!(
            "{} ({})",
            problem["message"].as_str().unwrap_or_default(),
            problem["help"].as_str().unwrap_or_default()
        )
    };
    let said: Vec<String> = shown["unmatched"].as_array().expect("a list").iter().map(said).collect();
    let rows = [
        ("the server's delimiter", "`INBOX.Projects`", "did you mean `Projects`?"),
        ("nothing below it", "`Inbox/Sent/*`", "there is `INBOX/Sent`, but nothing of that pattern below it"),
        ("modified UTF-7", "`Entw&APw-rfe`", "did you mean `Entwürfe`?"),
        ("the prefix twice", "`INBOX/INBOX/Trash`", "did you mean `INBOX/Trash`?"),
        ("another case", "`finance/q3`", "the server calls it `Finance/Q3`"),
        ("a name that is nearly it", "`Archives`", "did you mean `Archive`?"),
    ];
    for (name, pattern, help) in rows {
        assert!(said.iter().any(|said| said.starts_with(pattern) && said.contains(help)), "{name}: {said:#?}");
    }
    assert_eq!(said.len(), rows.len(), "{said:#?}");
    proxy.stop();
}

#[test]
fn a_rule_that_nearly_names_the_user_is_told() {
    let rules = "[[rule]]\nid = \"of-hanna\"\nwhen = { user = \"hanan\" }\nmailbox = [\"Finance/**\"]\nhide = true\n";
    let dovecot = Dovecot::start(&["hanna"]);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    proxy.place().write("password", format!("{}\n", password("hanna")));
    let [config, file] = ["imapwarden.toml", "password"].map(|name| proxy.place().path(name));
    let mut command = tool(PROGRAM);
    command.args(["preview", "--user", "hanna", "--config"]).arg(config).arg("--password-file").arg(file);
    let said = String::from_utf8_lossy(&output(&mut command).stdout).into_owned();
    assert!(
        said.contains("mend: hanna is nearly hanan, which of-hanna is about: is one of them misspelled?"),
        "{said}"
    );
    proxy.stop();
}

#[test]
fn somebody_else_may_look_on_the_users_behalf() {
    let master = "auth_master_user_separator = *\npassdb {\n  driver = static\n  master = yes\n  args = user=backup password=canary-backup\n}\n";
    let rules = "[[rule]]\nid = \"backup-reads\"\nwhen = { actor = \"backup\" }\nrights = \"read-only\"\n";
    let dovecot = Dovecot::start_with(&["ann"], Names::Slash, master);
    let mut proxy = Settings::before(&dovecot).rules(rules).start();
    proxy.place().write("password", "canary-backup\n");
    let shown = with_password(&proxy, "password", &["--actor", "backup", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{shown:?}"));
    let mailboxes = told["mailboxes"].as_array().expect("a list");
    assert!(mailboxes.len() > 8 && mailboxes.iter().all(|mailbox| mailbox["rights"] == "lr"), "{told}");
    proxy.stop();
}

#[test]
fn it_says_what_keeps_it_from_looking() {
    let mut dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    proxy.place().write("wrong", "not-the-password\n");
    let wrong = with_password(&proxy, "wrong", &[]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(said.contains("the server says: NO") && said.contains("imapwarden.toml:"), "{said}");
    assert!(!said.contains("not-the-password"), "{said}");
    let none = with_password(&proxy, "none", &[]);
    assert_eq!(none.status.code(), Some(2), "{}", String::from_utf8_lossy(&none.stderr));
    dovecot.stop();
    let away = preview(&proxy, &[]);
    assert!(String::from_utf8_lossy(&away.stderr).contains("it cannot be reached"));
    assert_eq!(away.status.code(), Some(1));
    proxy.stop();
}

#[test]
fn it_goes_up_by_starttls_too() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).upstream_starttls(&dovecot).rules(RULES).start();
    let shown = preview(&proxy, &[]);
    assert_eq!(shown.status.code(), Some(0), "{}", String::from_utf8_lossy(&shown.stderr));
    proxy.stop();
}

fn preview(proxy: &Proxy, more: &[&str]) -> Output {
    proxy.place().write("password", format!("{}\n", password("ann")));
    with_password(proxy, "password", more)
}

fn with_password(proxy: &Proxy, file: &str, more: &[&str]) -> Output {
    let [config, file] = ["imapwarden.toml", file].map(|name| proxy.place().path(name));
    let mut command = tool(PROGRAM);
    command.args(["preview", "--user", "ann", "--config"]).arg(config).arg("--password-file").arg(file).args(more);
    output(&mut command)
}
