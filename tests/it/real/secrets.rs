//! Canaries: passwords, SASL data, words of mail, what was appended and what was looked for, in all that is told of a session. The
//! log, its segments and the metrics are looked at in each test ([`super::proxy`]); here is what the API answers, and the tools.

use base64::Engine as _;

use super::client::Client;
use super::dovecot::{Dovecot, password};
use super::place::{output, succeed, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const ADMIN: &str = "admin-admin-admin-admin";

/// `canary`, and what base64 makes of it at each of the three offsets.
const SECRETS: [&str; 4] = ["canary", "Y2FuYXJ5", "NhbmFye", "jYW5hcn"];

#[track_caller]
fn tells_no_secret(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} says nothing");
    let found = SECRETS.iter().find(|secret| text.contains(*secret));
    assert!(found.is_none(), "a secret is in {what}: {text}");
}

/// Everything with a secret in it that a client says or hears.
fn say_all(proxy: &Proxy, other: &str) -> Client {
    let mut wrong = Client::tls(proxy.imaps(), &proxy.ca());
    wrong.run("LOGIN ann canary-wrong").no("");
    wrong.logout();
    let mut sasl = Client::tls(proxy.imaps(), &proxy.ca());
    let initial = base64::engine::general_purpose::STANDARD.encode(format!("\0{other}\0{}", password(other)));
    sasl.run(&format!("AUTHENTICATE PLAIN {initial}")).ok();
    sasl.logout();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    assert!(
        ann.run("UID FETCH 1:3 (ENVELOPE BODY.PEEK[])").ok().whole().contains("canary"),
        "there are some to be found"
    );
    for command in ["BODY canary-body", "HEADER X-Canary canary-x", "OR SUBJECT canary-a TEXT \"canary b\""] {
        ann.run(&format!("UID SEARCH RETURN (COUNT) {command}")).ok();
    }
    ann.run_parts(&[b"APPEND Archive {28+}", b"Subject: canary\r\n\r\ncanary \r\n"]).ok();
    ann.run("UID FETCH 1 (BODY[canary])").bad();
    ann.run("UID STORE 1 +FLAGS (\\Flagged)").no("NOPERM");
    ann
}

#[test]
fn no_answer_of_the_api_and_no_tool_tells_what_is_secret() {
    const RULES: &str = "[[rule]]\nid = \"no-flags\"\nmailbox = \"INBOX\"\nrights = \"lr\"\n";
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let settings = Settings::before(&dovecot).rules(RULES).in_admin("token_file = \"admin.token\"\n").signed();
    let mut proxy = settings.file("admin.token", ADMIN).start();
    let bearer = format!("Authorization: Bearer {ADMIN}");
    let curl = |path: &str| {
        let mut curl = tool("curl");
        curl.args(["--silent", "--no-buffer", "--header", &bearer]).arg(format!("http://{}{path}", proxy.admin()));
        curl
    };
    let mut stream = curl("/api/v1/audit/stream");
    let stream = std::thread::spawn(move || output(stream.args(["--max-time", "4"])));
    let ann = say_all(&proxy, "bob");
    let sid = proxy.record("ann is there", |record| record["type"] == "message.append" && record["stage"] == "done");
    let sid = sid["sid"].as_str().expect("a session").to_owned();
    let mut asked = 0;
    for row in include_str!("../../../docs/admin.md").lines().filter_map(|line| line.strip_prefix("| `GET /")) {
        let path = row.split(['`', '?']).next().expect("a path").replace("{sid}", &sid);
        if path == "api/v1/audit/stream" {
            continue;
        }
        let path = if path.ends_with("events") { format!("{path}?limit=1000") } else { path };
        let answer = succeed(curl(&format!("/{path}")).arg("--fail"));
        tells_no_secret(&path, &answer);
        asked += 1;
    }
    assert!(asked >= 10, "{asked} ways to ask");
    let question = r#"{"user":"ann","mailbox":"INBOX","command":"UID FETCH 1 BODY[]"}"#;
    let explained = succeed(curl("/api/v1/explain").args([
        "--fail",
        "--header",
        "Content-Type: application/json",
        "--data",
        question,
    ]));
    tells_no_secret("explain", &explained);
    let streamed = stream.join().expect("it ends").stdout;
    let streamed = String::from_utf8_lossy(&streamed);
    assert!(streamed.contains("message.append"), "{streamed}");
    tells_no_secret("the stream", &streamed);
    ann.logout();

    let records = proxy.stop();
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).count();
    let kinds = ["auth.failure", "message.read", "message.search", "message.append", "message.flag"];
    assert!(kinds.iter().all(|kind| of(kind) > 0), "{kinds:?}");
    let config = proxy.place().path("imapwarden.toml");
    let reports = [
        "query --format table",
        "query --format jsonl",
        "query --format csv",
        "query --format ocsf",
        "query --format ecs",
        "query --format cef",
        "query --format syslog",
        "report reads",
        "report sessions",
        "report searches",
        "report clients",
        "report refusals",
        "report rules",
        "report volume",
        "report timeline --user ann",
        "report message 1 --mailbox INBOX",
        "tail -n 100",
    ];
    for report in reports {
        let mut words = report.split(' ').collect::<Vec<_>>();
        words.push("--config");
        let done = output(tool(PROGRAM).arg("audit").args(&words).arg(&config));
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(matches!(done.status.code(), Some(0 | 1)), "{report}: {said}");
        tells_no_secret(report, &said);
    }
}
