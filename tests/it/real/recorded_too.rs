//! What is recorded beside commands: alerts, ends of rules, mail that is hidden as it comes, reads of the log.

use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::client::Client;
use super::dovecot::{Dovecot, Names, password};
use super::place::{output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

fn of<'r>(records: &'r [Value], kind: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

#[test]
fn whoever_runs_into_a_rule_that_alerts_is_told_of_once() {
    const RULES: &str = "[[rule]]\nid = \"no-copies\"\nmailbox = [\"Sent\", \"Trash\"]\nrights = \"lr\"\nalert = true\n\
        [[rule]]\nid = \"finance\"\nmailbox = \"Finance/**\"\nhide = true\nalert = true\n\
        [[rule]]\nid = \"secrets\"\nmailbox = \"Archive\"\nhide_messages = ['SUBJECT \"Lunch\"', 'LARGER 10']\nalert = true\n\
        [[rule]]\nid = \"quiet\"\ndeny_commands = [\"NAMESPACE\"]\n\
        [[rule]]\nid = \"silent\"\naudit = \"none\"\n\
        [[rule]]\nid = \"no-eve\"\ndeny_login = \"No\"\nwhen.user = \"eve\"\nalert = true\n";
    let dovecot = Dovecot::start(&["ann", "eve"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    assert!(proxy.page("/metrics").contains("imapwarden_policy_alerts_total{rule=\"finance\"} 0"), "they count from 0");
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    for command in ["UID COPY 1 Sent", "UID MOVE 2 Sent", "UID COPY 1 Trash"] {
        ann.run(command).no("NOPERM");
    }
    ann.run("SELECT Finance/Q3").no("");
    ann.run("STATUS Finance/Q4 (MESSAGES)").no("");
    ann.run("NAMESPACE").no("NOPERM");
    ann.run("SELECT Archive").ok();
    ann.run("SELECT Archive").ok();
    ann.logout();
    let mut eve = Client::tls(proxy.imaps(), &proxy.ca());
    eve.run(&format!("LOGIN eve {}", password("eve"))).no("No");
    eve.logout();
    proxy.login("ann").run("SELECT Finance").no("");
    proxy.metric_reaches("imapwarden_policy_alerts_total", &[("rule", "finance")], 3.0);
    assert_eq!(proxy.metric("imapwarden_policy_alerts_total", &[("rule", "no-copies")]), 2.0);
    let records = proxy.stop();
    let told: Vec<String> = of(&records, "policy.alert")
        .iter()
        .map(|alert| {
            let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let rules =
                alert["data"]["rules"].as_array().expect("rules").iter().map(word).collect::<Vec<_>>().join(" ");
            let (verdict, mailbox) = (&alert["policy"]["verdict"], &alert["mailbox"]["name"]);
            let (verdict, mailbox, to) = (word(verdict), word(mailbox), word(&alert["data"]["to"]));
            format!("{} {rules} {} {verdict} {mailbox} {to}", word(&alert["user"]), word(&alert["verb"]))
        })
        .collect();
    let expected = [
        "ann no-copies UID COPY refused INBOX Sent",
        "ann no-copies UID COPY refused INBOX Trash",
        "ann finance SELECT hidden Finance/Q3 -",
        "ann finance STATUS hidden Finance/Q4 -",
        "ann secrets SELECT narrowed Archive -",
        "eve no-eve LOGIN refused - -",
        "ann finance SELECT hidden Finance -",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_end_of_a_rule_and_of_an_exception_is_recorded() {
    let soon = SystemTime::now() + Duration::from_secs(2);
    let soon = jiff_of(soon);
    let rules = format!(
        "[[rule]]\nid = \"for-now\"\ndeny_commands = [\"NAMESPACE\"]\nuntil = {soon}\n\
         [[rule]]\nid = \"for-long\"\nhide = true\nmailbox = \"Finance/**\"\nuntil = 2999-01-01\n\
         [[exception]]\nrule = \"for-long\"\nuser = [\"ann\"]\nuntil = {soon}\nreason = \"IR-204\"\n"
    );
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(&rules).start();
    // That of the rules being loaded, and two ends.
    proxy.metric_reaches("imapwarden_audit_records_total", &[("area", "PO")], 3.0);
    let ended: Vec<Value> = of(&proxy.stop(), "policy.expire").iter().map(|record| record["data"].clone()).collect();
    let expected =
        [json!({"rule": "for-now", "until": soon}), json!({"rule": "for-long", "until": soon, "reason": "IR-204"})];
    assert_eq!(ended, expected);
}

#[test]
fn what_ended_while_nobody_ran_is_recorded_with_the_next_start_and_once() {
    let at = |seconds: u64| jiff_of(SystemTime::now() + Duration::from_secs(seconds));
    let rules = |soon: &str| {
        let rule = |id: &str, until: &str| {
            format!("[[rule]]\nid = \"{id}\"\ndeny_commands = [\"NAMESPACE\"]\nuntil = {until}\n")
        };
        rule("long-gone", "2020-01-01") + &rule("for-now", soon)
    };
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(&rules(&at(3600))).start();
    // Nobody ran for a while, and the rule ended before that was over.
    let records = proxy.stop();
    assert!(of(&records, "policy.expire").is_empty());
    let last = records.last().expect("records")["ts"].as_str().expect("a time");
    // With whole seconds it has ended behind that only in the next one.
    let last = format!("{}Z", last.get(..19).expect("seconds"));
    let mut soon = at(0);
    while soon <= last {
        std::thread::sleep(Duration::from_millis(20));
        soon = at(0);
    }
    proxy.place().write("rules/rules-1.toml", rules(&soon));
    for _ in 0..2 {
        proxy.run_again();
        proxy.metric_reaches("imapwarden_audit_records_total", &[("area", "PO")], 1.0);
        proxy.login("ann").logout();
        proxy.record("a look at the clock", |record| record["type"] == "policy.expire");
        proxy.stop();
    }
    let ended: Vec<Value> = of(&proxy.records(), "policy.expire").iter().map(|record| record["data"].clone()).collect();
    assert_eq!(ended, [json!({"rule": "for-now", "until": soon})]);
}

/// As RFC 3339 writes it, without fractions.
fn jiff_of(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).expect("it is later").as_secs();
    jiff::Timestamp::from_second(i64::try_from(seconds).expect("a time")).expect("a time").to_string()
}

#[test]
fn mail_that_rules_hide_is_recorded_as_it_comes_and_changes() {
    const RULES: &str = "[[rule]]\nid = \"secrets\"\nmailbox = \"Archive\"\n\
        hide_messages = ['HEADER X-Classification secret', 'FLAGGED']\n";
    const SECRET: &[u8] = b"X-Classification: secret\r\n\r\nx\r\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT Archive").ok();
    let mut straight = dovecot.login("ann");
    let append = |straight: &mut Client, mail: &[u8]| {
        straight.run_parts(&[format!("APPEND Archive {{{}+}}", mail.len()).as_bytes(), mail]).ok();
    };
    append(&mut straight, SECRET);
    append(&mut straight, b"Subject: known\r\n\r\nx\r\n");
    append(&mut straight, SECRET);
    assert_eq!(ann.run("NOOP").ok().starting("* 3 EXISTS").len(), 1, "one message more");
    straight.run("SELECT Archive").ok();
    straight.run("UID STORE 2 +FLAGS (\\Flagged)").ok();
    straight.logout();
    assert_eq!(ann.run("NOOP").ok().starting("* 2 EXPUNGE").len(), 1);
    ann.logout();
    let records = proxy.stop();
    let hidden: Vec<Value> = of(&records, "mailbox.hidden")
        .iter()
        .map(|record| {
            assert_eq!((&record["mailbox"]["name"], &record["user"]), (&json!("Archive"), &json!("ann")), "{record}");
            assert_eq!(record["policy"]["by"], json!(["secrets"]), "{record}");
            record["data"].clone()
        })
        .collect();
    let expected = [json!({"uids": "4,6", "n": 2}), json!({"uids": "2", "n": 1})];
    assert_eq!(hidden, expected);
}

#[test]
fn what_is_done_to_hidden_messages_is_recorded_as_done_to_none() {
    const RULES: &str = "[[rule]]\nid = \"second\"\nmailbox = \"INBOX\"\n\
        hide_messages = ['HEADER Message-ID \"INBOX-1@\"']\n";
    // Of UID 2 the client knows nothing, and 99 is none.
    const ROWS: [(&str, &str, &str); 9] = [
        ("UID COPY 2 Archive", "message.copy done narrowed", ""),
        ("UID COPY 99 Archive", "message.copy done -", ""),
        ("UID MOVE 2 Archive", "message.copy done narrowed", ""),
        ("UID STORE 2 +FLAGS (\\Flagged)", "message.flag done narrowed", ""),
        ("UID STORE 99 +FLAGS (\\Flagged)", "message.flag done -", ""),
        ("UID EXPUNGE 2", "message.expunge done narrowed", ""),
        ("UID FETCH 2 (BODY.PEEK[])", "message.read done narrowed", "-"),
        ("UID STORE 1:2 +FLAGS (\\Flagged)", "message.flag intent narrowed", "1"),
        ("UID FETCH 1:4 (BODY.PEEK[TEXT])", "message.read intent narrowed", "1,3:4"),
    ];
    let dovecot = Dovecot::start(&["ann"]);
    let mut straight = dovecot.login("ann");
    straight.run("SELECT INBOX").ok();
    straight.run("UID STORE 2 +FLAGS (\\Deleted)").ok();
    let mut proxy = Settings::before(&dovecot).rules(RULES).start();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    for (command, ..) in ROWS {
        ann.run(command).ok();
    }
    ann.run("UID FETCH 2 (FLAGS)").ok();
    ann.logout();
    let there = straight.run("UID FETCH 2 (UID FLAGS)").ok().starting("* 2 FETCH (UID 2");
    assert!(there.len() == 1 && !there[0].contains("\\Flagged"), "{there:?}");
    straight.logout();
    let records = proxy.stop();
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    // The first of each command: the intent, where something goes up.
    let mut told: Vec<(u64, String, String)> = Vec::new();
    for record in records.iter().filter(|record| word(&record["type"]).starts_with("message.")) {
        let cmd = record["cmd"].as_u64().expect("a command");
        if told.last().is_none_or(|(last, ..)| *last != cmd) {
            assert_eq!(record["mailbox"]["name"], "INBOX", "{record}");
            assert!(
                record["policy"]["verdict"] != "narrowed" || record["policy"]["by"] == json!(["second"]),
                "{record}"
            );
            let what = [&record["type"], &record["stage"], &record["policy"]["verdict"]].map(word).join(" ");
            told.push((cmd, what, word(&record["data"]["uids"])));
        }
    }
    let told: Vec<_> = told.iter().map(|(_, what, uids)| (what.as_str(), uids.as_str())).collect();
    assert_eq!(told, ROWS.map(|(_, what, uids)| (what, uids)));
}

fn tool_at(proxy: &Proxy, words: &[&str]) -> Output {
    output(tool(PROGRAM).arg("audit").args(words).arg("--config").arg(proxy.place().path("imapwarden.toml")))
}

#[test]
fn whoever_reads_the_log_stands_in_it() {
    let dovecot = Dovecot::start(&["ann"]);
    let settings = Settings::before(&dovecot).rules("").in_admin("token_file = \"admin.token\"\n");
    let mut proxy = settings.file("admin.token", "admin-admin-admin-admin").start();
    proxy.login("ann").logout();
    proxy.record("the end of the session", |record| record["type"] == "session.close");
    // By the tools, through the proxy that runs, and from the API itself.
    let query = ["query", "--user", "ann", "--type", "auth.*", "--case", "IR-204", "--json"];
    assert_eq!(tool_at(&proxy, &query).stdout.split(|octet| *octet == b'\n').count(), 2);
    assert_eq!(tool_at(&proxy, &["report", "sessions", "--ip", "127.0.0.0/8"]).status.code(), Some(0));
    assert_eq!(tool_at(&proxy, &["tail", "-n", "3"]).status.code(), Some(0));
    let bearer = "Authorization: Bearer admin-admin-admin-admin";
    let events = format!("http://{}/api/v1/audit/events?type=auth.*&limit=9", proxy.admin());
    super::place::succeed(tool("curl").args(["--silent", "--fail", "--header", bearer]).arg(events));
    let access = proxy.place().path("audit/access.jsonl");
    assert!(!access.exists(), "the log has it");
    let records = proxy.stop();
    let told: Vec<Value> = of(&records, "audit.access").iter().map(|record| record["data"].clone()).collect();
    let [query_told, report, tail, events] = told.as_slice() else { panic!("{told:#?}") };
    let who = query_told["who"].as_str().expect("who").to_owned();
    assert!(who.ends_with(" as admin"), "{who}");
    assert_eq!(
        *query_told,
        json!({"who": who, "via": "cli", "command": "query", "filter": "user=ann type=auth.*", "rows": 1, "case": "IR-204"})
    );
    assert_eq!((&report["command"], &report["rows"]), (&json!("report sessions"), &json!(1)), "{report}");
    assert_eq!(report["filter"], "ip=127.0.0.0/8");
    assert_eq!((&tail["command"], &tail["rows"], &tail["filter"]), (&json!("tail"), &json!(3), &json!("")));
    assert_eq!(
        *events,
        json!({"who": "admin", "via": "api", "command": "/api/v1/audit/events", "filter": "type=auth.* limit=9", "rows": 1})
    );

    // Nobody runs: beside the log, in a chain of its own, and the log itself stays as it is.
    let before = proxy.records();
    for _ in 0..2 {
        assert_eq!(tool_at(&proxy, &query).status.code(), Some(0));
    }
    assert_eq!(proxy.records(), before);
    let text = std::fs::read_to_string(&access).expect("reads of the log");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&last["seq"], &last["type"], &last["data"]["case"]),
        (&json!(1), &json!("audit.access"), &json!("IR-204"))
    );
    let verified = proxy.verify();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("access    ok      2 reads in access.jsonl\n"), "{said}");
    std::fs::write(&access, text.replacen("\"rows\":1", "\"rows\":0", 1)).expect("it is ours");
    let verified = proxy.verify();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(1), "{said}");
    assert!(said.contains("access.jsonl:2: does not follow the line before it"), "{said}");
}

#[test]
fn what_is_done_with_rights_on_mailboxes_is_recorded() {
    const ACL: &str = "mail_plugins = acl\nprotocol imap {\n  mail_plugins = $mail_plugins imap_acl\n}\n\
        plugin {\n  acl = vfile\n}\n";
    let dovecot = Dovecot::start_with(&["ann", "eve"], Names::Slash, ACL);
    let mut proxy = Settings::before(&dovecot).start();
    let mut ann = proxy.login("ann");
    for command in ["SETACL Archive eve lr", "GETACL Archive", "LISTRIGHTS Archive eve", "DELETEACL Archive eve"] {
        ann.run(command).ok();
    }
    ann.run("MYRIGHTS Archive").ok();
    ann.logout();
    let told: Vec<Value> = of(&proxy.stop(), "mailbox.acl")
        .iter()
        .map(|record| json!([record["stage"], record["mailbox"]["name"], record["data"]]))
        .collect();
    let expected = [
        json!(["done", "Archive", {"op": "set", "who": "eve", "rights": "lr"}]),
        json!(["done", "Archive", {"op": "get"}]),
        json!(["done", "Archive", {"op": "list_rights", "who": "eve"}]),
        json!(["done", "Archive", {"op": "delete", "who": "eve"}]),
        json!(["done", "Archive", {"op": "my_rights"}]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_segment_is_sealed_when_somebody_asks_for_it() {
    let dovecot = Dovecot::start(&["ann"]);
    let settings = Settings::before(&dovecot).in_admin("token_file = \"admin.token\"\n").signed();
    let mut proxy = settings.file("admin.token", "admin-admin-admin-admin").start();
    let mut ann = proxy.login("ann");
    let rotated = tool_at(&proxy, &["rotate"]);
    let said = String::from_utf8_lossy(&rotated.stdout).into_owned();
    assert_eq!(said, "segment 1 is sealed, records go to segment 2\n", "{rotated:?}");
    let sealed = std::fs::read_to_string(proxy.place().path("audit/00000001.jsonl")).expect("it is there");
    assert!(sealed.lines().last().is_some_and(|line| line.contains("\"audit.close\"")), "{sealed}");
    ann.run("SELECT INBOX").ok();
    ann.run("UID FETCH 1 (BODY.PEEK[])").ok();
    ann.logout();
    let told = tool_at(&proxy, &["rotate", "--json"]);
    assert_eq!(String::from_utf8_lossy(&told.stdout), "{\"open\":3,\"sealed\":2}\n", "{told:?}");
    let asked =
        of(&proxy.stop(), "admin.action").iter().filter(|call| call["data"]["route"] == "/api/v1/audit/rotate").count();
    assert_eq!(asked, 2);
    // Its end is sealed already, and nobody is there to begin another.
    assert_eq!(tool_at(&proxy, &["rotate"]).status.code(), Some(1));
    assert!(proxy.verify().status.success(), "all of it is signed");
}

#[test]
fn what_a_message_is_put_together_from_is_recorded_and_followed() {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).start();
    let mut ann = proxy.login("ann");
    // Dovecot knows the UIDVALIDITY of what was open once.
    ann.run("EXAMINE Finance/Q3").ok();
    ann.run("SELECT INBOX").ok();
    // All of it from elsewhere, with no octet of the client's; then with its own before, between and behind.
    ann.run("APPEND Archive (\\Seen) CATENATE (URL \"/Finance/Q3;UIDVALIDITY=1700000001/;UID=2\")").ok();
    ann.run_parts(&[
        b"APPEND Archive CATENATE (URL \"/INBOX/;UID=3/;SECTION=HEADER\" TEXT {5+}",
        b"x\r\n\r\n URL \"/INBOX/;UID=3/;SECTION=1.1\" TEXT {3+}",
        b"y\r\n URL \"/INBOX/;UID=1/;SECTION=TEXT\")",
    ])
    .ok();
    ann.run("APPEND Archive CATENATE (URL \"/Finance/Q3/;UID=99\")").no("BADURL");
    ann.run("SELECT Archive").ok();
    ann.run("UID FETCH 4 (BODY.PEEK[])").ok();
    ann.logout();
    let records = proxy.stop();
    let appended = of(&records, "message.append");
    let told: Vec<Value> = appended
        .iter()
        .map(|record| {
            json!([record["stage"], record["mailbox"]["name"], record["data"]["uid"], record["data"]["sources"]])
        })
        .collect();
    let finance = json!([{"mailbox": "Finance/Q3", "uidv": 1_700_000_001, "uid": 2}]);
    let of_inbox = |uid: u32, section: &str| json!({"mailbox": "INBOX", "uid": uid, "section": section});
    let expected = [
        json!(["intent", "Archive", null, finance]),
        json!(["done", "Archive", 4, finance]),
        json!(["intent", "Archive", null, [of_inbox(3, "HEADER")]]),
        json!(["done", "Archive", 5, [of_inbox(3, "HEADER"), of_inbox(3, "1.1"), of_inbox(1, "TEXT")]]),
        json!(["intent", "Archive", null, [{"mailbox": "Finance/Q3", "uid": 99}]]),
        json!(["done", "Archive", null, [{"mailbox": "Finance/Q3", "uid": 99}]]),
    ];
    assert_eq!(told, expected);
    assert_eq!(appended[0]["data"]["flags"], json!(["\\Seen"]));
    // Who touched the message in Finance? Whoever read what was made of it, too.
    let trace = |words: &[&str]| String::from_utf8_lossy(&tool_at(&proxy, words).stdout).into_owned();
    let report = trace(&["report", "message", "2", "--mailbox", "Finance/Q3"]);
    assert!(report.contains("append") && report.contains("read full"), "{report}");
    let found = trace(&["query", "--mailbox", "Finance/**", "--type", "message.append", "--json"]);
    assert_eq!(found.lines().count(), 4, "{found}");
}

#[test]
fn rules_that_end_a_session_are_named() {
    const NO_TOOLS: &str = "[[rule]]\nid = \"no-tools\"\ndeny_login = \"No\"\nwhen.client_id = \"tool/*\"\n";
    const HIDES: &str = "[[rule]]\nid = \"hides\"\nmailbox = \"Archive\"\nhide = true\n";
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(NO_TOOLS).start();
    let mut tool = proxy.login("ann");
    tool.run("SELECT INBOX").ok();
    tool.say("x ID (\"name\" \"tool\" \"version\" \"1\")\r\n");
    assert!(tool.rest().iter().any(|line| line.starts_with("* BYE")), "its login would be denied now");
    let mut ann = proxy.login("ann");
    ann.run("SELECT Archive").ok();
    proxy.place().write("rules/rules-1.toml", [NO_TOOLS, HIDES].concat());
    proxy.process().signal(super::place::Signal::HUP);
    assert!(ann.rest().iter().any(|line| line.starts_with("* BYE")), "what is open is hidden now");
    let records = proxy.stop();
    let told: Vec<Value> = of(&records, "session.kill").iter().map(|record| record["data"].clone()).collect();
    assert_eq!(told[0], json!({"by": "rule", "why": "no-tools"}));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(["rule", "reload"].iter().any(|by| told[1]["by"] == *by), "{told:?}");
    let closes = of(&records, "session.close").iter().filter(|close| close["data"]["reason"] == "policy").count();
    assert_eq!(closes, 2);
}
