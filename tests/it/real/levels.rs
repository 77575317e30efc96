//! `audit` in rules: how much is recorded of what is allowed.

use serde_json::{Value, json};

use super::client::Client;
use super::dovecot::Dovecot;
use super::proxy::Settings;

/// A message whose subject has this word in it. At the end of each test no `canary` may be in the log.
fn mail(word: &str) -> Vec<u8> {
    let text = "Message-ID: <known-id@example.org>\r\nFrom: Eve <eve@example.net>\r\n\
        To: ann@example.org, Bob <bob@example.org>\r\nDate: Tue, 12 Jan 2027 10:00:00 +0100\r\n\
        Subject: =?utf-8?q?WORD_Gr=C3=BC=C3=9Fe?=\r\n\r\nSubject: canary-body\r\n";
    text.replace("WORD", word).into_bytes()
}

fn append(client: &mut Client, word: &str) {
    let mail = mail(word);
    client.run_parts(&[format!("APPEND Archive {{{}+}}", mail.len()).as_bytes(), &mail]).ok();
}

fn records_at(rule: &str, word: &str, session: impl FnOnce(&mut Client)) -> Vec<Value> {
    let dovecot = Dovecot::start(&["ann"]);
    let mut proxy = Settings::before(&dovecot).rules(rule).start();
    let mut straight = dovecot.login("ann");
    append(&mut straight, word);
    straight.logout();
    let mut ann = proxy.login("ann");
    session(&mut ann);
    ann.logout();
    proxy.stop()
}

fn of<'r>(records: &'r [Value], kind: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

/// The `hdr` of each message whose content was read.
fn headers(records: &[Value]) -> Vec<Value> {
    let done = of(records, "message.read").into_iter().filter(|record| record["stage"] == "done");
    done.flat_map(|record| {
        record["data"]["msgs"].as_array().into_iter().flatten().map(|message| message["hdr"].clone())
    })
    .collect()
}

fn all() -> Value {
    json!({
        "message_id": "<known-id@example.org>", "from": "eve@example.net", "to": "ann@example.org,bob@example.org",
        "date": "Tue, 12 Jan 2027 10:00:00 +0100", "subject": "known Grüße"
    })
}

#[test]
fn headers_are_asked_for_where_messages_may_be_hidden_too() {
    let rules = "[[rule]]\nid = \"look\"\naudit = \"headers\"\n\
        [[rule]]\nid = \"hide\"\nmailbox = \"Archive\"\nhide_messages = ['UID 1']\n";
    let records = records_at(rules, "known", |ann| {
        ann.run("SELECT Archive").ok();
        let text = ann.run("UID FETCH 4 (BODY.PEEK[TEXT])").ok();
        assert_eq!(text.starting("* ").len(), 1, "what the proxy asks for is not the client's: {}", text.whole());
        ann.run("FETCH 3 (BODY.PEEK[1])").ok();
        ann.run("UID FETCH 1 (BODY.PEEK[1])").ok();
    });
    assert_eq!(headers(&records), [all(), all()]);
}

#[test]
fn headers_are_recorded_as_they_pass_by_and_remembered() {
    let rule = "[[rule]]\nid = \"look\"\naudit = \"headers\"\nmailbox = \"Archive\"";
    let records = records_at(rule, "known", |ann| {
        ann.run("SELECT Archive").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[TEXT])").ok();
        ann.run("UID FETCH 4 (FLAGS ENVELOPE)").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[TEXT])").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[])").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[HEADER.FIELDS (FROM)] BODY.PEEK[HEADER.FIELDS (TO)] BODY.PEEK[TEXT])").ok();
        ann.run("UID SEARCH OR SUBJECT some-term NOT FROM eve").ok();
        append(ann, "known");
        ann.run("NOOP").ok();
        ann.run("FETCH 5 (BODY.PEEK[1])").ok();
        ann.run("SELECT Finance").ok();
        ann.run("UID FETCH 1 (ENVELOPE)").ok();
        ann.run("UID FETCH 1 (BODY.PEEK[TEXT])").ok();
        ann.run("UID SEARCH SUBJECT canary-other").ok();
    });
    let found = headers(&records);
    assert_eq!(found[..5], [all(), all(), all(), all(), all()], "asked for, and then known");
    assert_eq!(found[5], Value::Null, "the rule is about another mailbox");
    let searches = of(&records, "message.search");
    assert_eq!(searches[0]["data"]["terms"], json!(["some-term", "eve"]), "{}", searches[0]);
    assert_eq!(searches[1]["data"]["terms"], Value::Null, "{}", searches[1]);
    let appended = of(&records, "message.append").into_iter().find(|record| record["stage"] == "done");
    assert_eq!(appended.expect("an append")["data"]["hdr"], all());
}

#[test]
fn headers_are_asked_for_where_messages_are_hidden_and_of_those_never() {
    let rules = "[[rule]]\nid = \"look\"\naudit = \"headers\"\n\
        [[rule]]\nid = \"no-secrets\"\nmailbox = \"Archive\"\nhide_messages = ['SUBJECT canary', 'SUBJECT merger']";
    let records = records_at(rules, "canary", |ann| {
        append(ann, "known");
        append(ann, "merger");
        append(ann, "known");
        ann.run("SELECT Archive").ok();
        ann.run("UID FETCH 4:* (BODY.PEEK[TEXT])").ok();
        ann.run("FETCH 1:* (BODY.PEEK[1])").ok();
        ann.run("UID FETCH 4,6 (BODY.PEEK[1])").ok();
        append(ann, "known");
        ann.run("NOOP").ok();
        ann.run("FETCH * (BODY.PEEK[1])").ok();
    });
    let reads = of(&records, "message.read");
    let told = |stage: &str, name: &str| {
        let at_stage = reads.iter().filter(|record| record["stage"] == stage);
        at_stage.map(|record| record["data"][name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(told("intent", "uids"), [json!("5,7"), json!("5,7"), json!("8")]);
    let uids = told("done", "msgs").into_iter().map(|msgs| {
        msgs.as_array().into_iter().flatten().map(|message| message["uid"].as_u64().unwrap_or(0)).collect::<Vec<_>>()
    });
    assert_eq!(uids.collect::<Vec<_>>(), [vec![5, 7], vec![5, 7], vec![], vec![8]]);
    assert_eq!(headers(&records), [all(), all(), all(), all(), all()], "asked for, and then known");
}

#[test]
fn at_metadata_a_message_is_named_by_its_id_and_nothing_else() {
    let records = records_at("", "canary", |ann| {
        ann.run("SELECT Archive").ok();
        ann.run("UID FETCH 4 (ENVELOPE)").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[])").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[]<0.20>)").ok();
        ann.run("UID FETCH 4 (ENVELOPE BODY.PEEK[1])").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[1])").ok();
        ann.run("UID SEARCH SUBJECT canary").ok();
        append(ann, "canary");
    });
    let id = json!({"message_id": "<known-id@example.org>"});
    assert_eq!(headers(&records), [id.clone(), Value::Null, id.clone(), Value::Null], "an ID that was cut is none");
    assert_eq!(of(&records, "message.append").last().expect("an append")["data"]["hdr"], id);
    let text = serde_json::to_string(&records).expect("JSON");
    assert!(!text.contains("canary") && !text.contains("eve@"), "{text}");
}

#[test]
fn of_a_robot_only_logins_and_refusals_are_recorded() {
    let rules = "[[rule]]\nid = \"robot\"\naudit = \"none\"\nwhen.user = \"ann*\"\n\
        [[rule]]\nid = \"kept\"\nrights = \"lrswi\"\nmailbox = \"Archive\"\n\
        [[rule]]\nid = \"some\"\naudit = \"metadata\"\nmailbox = \"Finance\"";
    let records = records_at(rules, "canary", |ann| {
        ann.run("LIST \"\" *").ok();
        ann.run("STATUS Sent (MESSAGES)").ok();
        ann.run("SELECT Archive").ok();
        ann.run("UID FETCH 1:* (FLAGS ENVELOPE)").ok();
        ann.run("UID FETCH 4 (BODY.PEEK[])").ok();
        ann.run("UID STORE 1 +FLAGS (\\Flagged)").ok();
        ann.run("UID SEARCH BODY canary").ok();
        ann.run("EXPUNGE").no("NOPERM");
        ann.run("UID COPY 1 Finance").ok();
        ann.run("UID COPY 1 Sent").ok();
    });
    let told: Vec<String> = records
        .iter()
        .filter(|record| record["sid"].is_string())
        .map(|record| format!("{} {}", record["type"].as_str().unwrap_or(""), record["stage"].as_str().unwrap_or("-")))
        .collect();
    let expected = [
        "session.open -",
        "auth.success -",
        "message.expunge refused",
        "message.copy intent",
        "message.copy done",
        "session.close -",
    ];
    assert_eq!(told, expected);
    let close = of(&records, "session.close");
    assert_eq!(close[0]["data"]["reads"]["full"], 1, "what was read is counted: {}", close[0]);
}
