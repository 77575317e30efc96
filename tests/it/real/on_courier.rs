//! Hiding and rights before Courier: `INBOX.` stands before every name, "." between levels, and bare names are answered in
//! ways of its own.

use super::client::{Answer, Client};
use super::courier::Courier;
use super::proxy::{Proxy, Settings};

const RULES: &str = r#"
[[rule]]
id = "no-finance"
when = { user = ["eve", "eva"] }
mailbox = ["Finance/**", "Entwürfe"]
except_mailbox = ["Finance/Public"]
hide = true

[[rule]]
id = "archive-read-only"
mailbox = ["Archive/**"]
rights = "read-only"
"#;

/// A mailbox that is hidden, and what a server may take for it.
const SPELLINGS: &[&str] = &[
    "INBOX.Finance.Q3",
    "\"INBOX.Finance.Q3\"",
    "{16+}\r\nINBOX.Finance.Q3",
    "inbox.Finance.Q3",
    "INBOX.finance.q3",
    "INBOX.Finance.Q3.",
    "INBOX..Finance.Q3",
    "INBOX/Finance/Q3",
    "Finance.Q3",
    "Finance/Q3",
    ".Finance.Q3",
    "INBOX.Finance",
    "INBOX.Finance.Q3.Deeper",
    "INBOX.Entw&APw-rfe",
    "INBOX.Entwu&Awg-rfe",
    "\"&AEkATgBCAE8AWA-.Finance.Q3\"",
    "shared.Finance.Q3",
    "#shared.eve.Finance",
];

const COMMANDS: &[&str] = &[
    "SELECT @",
    "EXAMINE @",
    "STATUS @ (MESSAGES UIDNEXT UNSEEN)",
    "CREATE @",
    "DELETE @",
    "RENAME @ INBOX.Elsewhere",
    "RENAME INBOX.Projects.Apollo @",
    "SUBSCRIBE @",
    "UNSUBSCRIBE @",
    "COPY 1 @",
    "UID COPY 1 @",
    "APPEND @ {5+}\r\nhello",
    "GETACL @",
    "MYRIGHTS @",
    "SETACL @ anyone lr",
    "GETQUOTAROOT @",
    "LIST \"\" @",
    "LSUB \"\" @",
];

#[test]
fn a_hidden_mailbox_is_answered_as_one_that_never_was_before_courier() {
    let (courier, mut proxy) = eve_and_eva();
    let before = hidden_state(&courier);
    let mut both = [proxy.login("eve"), proxy.login("eva")];
    for client in &mut both {
        client.run("SELECT INBOX").ok();
    }
    for command in COMMANDS {
        for name in SPELLINGS {
            let [eve, eva] = both.each_mut().map(|client| {
                if !client.run("CHECK").status.starts_with("OK") {
                    client.run("SELECT INBOX").ok();
                }
                client.run(&command.replace('@', name))
            });
            assert_eq!(told(&eve), told(&eva), "{command} {name}");
            assert!(!eve.whole().contains("Q3 ("), "{command} {name}: {eve:?}");
        }
    }
    both.into_iter().for_each(Client::logout);
    assert_eq!(hidden_state(&courier), before, "something happened to it");
    proxy.stop();
}

#[test]
fn a_hidden_mailbox_is_in_no_list_before_courier() {
    const LISTS: &[&str] = &[
        "LIST \"\" *",
        "LIST \"\" %",
        "LIST \"\" INBOX.*",
        "LIST \"\" INBOX.%",
        "LIST \"\" INBOX.Fin*",
        "LIST INBOX. %",
        "LIST INBOX.Finance. %",
        "LIST \"\" *Q3",
        "LIST \"\" *.*",
        "LIST \"\" \"\"",
        "LSUB \"\" *",
        "LSUB \"\" %",
        "LSUB INBOX. %",
        "NAMESPACE",
        "CAPABILITY",
    ];
    let (courier, mut proxy) = eve_and_eva();
    let [mut eve, mut eva] = [proxy.login("eve"), proxy.login("eva")];
    for list in LISTS {
        let (of_eve, of_eva) = (eve.run(list).ok(), eva.run(list).ok());
        assert_eq!(told(&of_eve), told(&of_eva), "{list}");
        let listed = of_eve.whole();
        assert!(!listed.contains("Q3") && !listed.contains("Entw"), "{list}: {listed}");
    }
    let all = eve.run("LIST \"\" *").ok().names();
    assert!(all.contains(&"INBOX.Finance.Public".to_owned()), "{all:?}");
    // What is not hidden is what Courier itself says.
    let straight = courier.login("eve").run("LIST \"\" *").ok().names();
    let visible = |name: &&String| !name.contains("Entw") && (!name.contains("Finance") || name.ends_with("Public"));
    let mut straight: Vec<String> = straight.iter().filter(visible).cloned().collect();
    straight.sort();
    let mut all = all;
    all.sort();
    assert_eq!(all, straight);
    eve.run("SELECT INBOX.Finance.Public").ok();
    eve.logout();
    eva.logout();
    proxy.stop();
}

#[test]
fn rights_hold_before_courier() {
    let (courier, mut proxy) = eve_and_eva();
    let mut eve = proxy.login("eve");
    let opened = eve.run("SELECT INBOX.Archive").ok();
    assert!(opened.status.contains("[READ-ONLY]"), "{opened:?}");
    for fetch in ["FETCH 1 BODY[]", "UID FETCH 1 (FLAGS BODY[TEXT])", "FETCH 1 RFC822", "FETCH 1 RFC822.TEXT"] {
        eve.run(fetch).ok();
    }
    for command in ["STORE 1 +FLAGS (\\Seen)", "STORE 1 FLAGS (\\Flagged)", "EXPUNGE", "UID EXPUNGE 1"] {
        eve.run(command).no("[NOPERM]");
    }
    eve.run("COPY 1 INBOX").ok();
    eve.run("CLOSE").ok();
    eve.run("SELECT INBOX").ok();
    for command in [
        "COPY 1 INBOX.Archive",
        "COPY 1 INBOX.Archive.2024",
        "CREATE INBOX.Archive.2025",
        "DELETE INBOX.Archive.2024",
        "RENAME INBOX.Archive.2024 INBOX.Old",
        "RENAME INBOX.Archive INBOX.Old",
        "RENAME INBOX.Projects.Apollo INBOX.Archive.Apollo",
        "APPEND INBOX.Archive {5+}\r\nhello",
    ] {
        eve.run(command).no("[NOPERM]");
    }
    // The root of the prefix is above all of it, and nobody's.
    for command in ["RENAME INBOX.Finance INBOX.Old", "DELETE INBOX.Finance"] {
        assert!(eve.run(command).status.starts_with("NO"), "{command}");
    }
    eve.run("CREATE INBOX.Mine").ok();
    eve.run("RENAME INBOX.Mine INBOX.Yours").ok();
    eve.run("DELETE INBOX.Yours").ok();
    eve.logout();
    let mut straight = courier.login("eve");
    straight.run("EXAMINE INBOX.Archive").ok();
    let mut flags = straight.run("FETCH 1:* (FLAGS)").ok().lines();
    flags.retain(|line| line.contains("FETCH"));
    let seen = |line: &String| line.contains("\\Seen");
    assert_eq!(flags.iter().map(seen).collect::<Vec<_>>(), [false, true, true], "{flags:?}");
    straight.logout();
    proxy.stop();
}

/// One user who has what the rule hides, one who does not.
fn eve_and_eva() -> (Courier, Proxy) {
    let courier = Courier::start(&["eve", "eva"]);
    courier.take_mailboxes("eva", &["Finance", "Finance.Q3", "Entwürfe"]);
    let proxy = Settings::before_clear(courier.imap()).rules(RULES).start();
    (courier, proxy)
}

/// All that was told, without references, and without what the machine's clock says.
fn told(answer: &Answer) -> String {
    let whole = answer.whole();
    whole.split(" (ref ").next().unwrap_or_default().to_owned()
}

/// What the hidden mailboxes are like, seen past the proxy.
fn hidden_state(courier: &Courier) -> Vec<String> {
    let mut straight = courier.login("eve");
    let mut seen = Vec::new();
    for name in ["INBOX.Finance", "INBOX.Finance.Q3", "INBOX.Entw&APw-rfe"] {
        seen.extend(straight.run(&format!("STATUS {name} (MESSAGES UIDNEXT UNSEEN)")).ok().lines());
        seen.extend(straight.run(&format!("GETACL {name}")).ok().lines());
    }
    for list in ["LSUB \"\" *", "LIST \"\" *"] {
        let mut names = straight.run(list).ok().names();
        names.retain(|name| name.contains("Finance") || name.contains("Entw"));
        names.sort();
        seen.extend(names);
    }
    straight.logout();
    seen
}
