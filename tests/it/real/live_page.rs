//! The live page in a real browser: every state that it has, from the keyboard too, and nothing that its policy forbids.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::client::Client;
use super::disk;
use super::dovecot::Dovecot;
use super::place::{Place, output, tool};
use super::proxy::{PROGRAM, Proxy, Settings};

const ADMIN: &str = "admin-admin-admin-admin";
const WALL: &str = "wall-wall-wall-wall-wall";
const TOKENS: &str = "token_file = \"admin.token\"\n\
    [[admin.tokens]]\nname = \"wall\"\nrole = \"viewer\"\ntoken_file = \"wall.token\"\n";
const RULES: &str = "[[rule]]\nid = \"no-flags\"\nmailbox = [\"INBOX\"]\nrights = \"lr\"\n";

/// Chromium, and the program that drives it.
struct Browser {
    driver: Child,
    steps: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _profile: Place,
}

impl Browser {
    fn before(proxy: &Proxy) -> Self {
        let profile = Place::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/real/page.py");
        let mut driver = tool("python3")
            .arg(script)
            .arg("chromium")
            .arg(profile.path("profile"))
            .arg(proxy.admin().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python");
        let steps = driver.stdin.take();
        let answers = BufReader::new(driver.stdout.take().expect("it is piped"));
        Self { driver, steps, answers, _profile: profile }
    }

    fn step(&mut self, step: Value) -> Value {
        let steps = self.steps.as_mut().expect("open until the end");
        writeln!(steps, "{step}").and_then(|()| steps.flush()).expect("the driver reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("text");
        assert!(!answer.is_empty(), "{step} failed: what is wrong stands above");
        serde_json::from_str(&answer).expect("JSON")
    }

    fn open(&mut self) {
        self.step(json!({ "open": "/" }));
    }

    fn until(&mut self, expression: &str) -> Value {
        self.step(json!({ "until": expression }))
    }

    fn is(&mut self, expression: &str) -> Value {
        self.step(json!({ "is": expression }))
    }

    fn write(&mut self, text: &str) {
        self.step(json!({ "type": text }));
    }

    fn key(&mut self, key: &str) {
        self.step(json!({ "key": key }));
    }

    fn state(&mut self, state: &str) {
        self.until(&format!("document.body.dataset.state === '{state}'"));
    }

    /// As seen: what is hidden is not in it.
    fn sees(&mut self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text)));
    }

    fn sees_not(&mut self, text: &str) {
        self.until(&format!("!document.body.innerText.includes({})", json!(text)));
    }

    /// The button of this name, by Enter.
    fn press(&mut self, label: &str) {
        let named = format!(
            "[...document.querySelectorAll('button')].find((one) => one.checkVisibility() && \
             (one.ariaLabel ?? one.textContent) === {})",
            json!(label)
        );
        self.until(&format!("{named} !== undefined"));
        self.is(&format!("{named}.focus()"));
        self.key("Enter");
    }

    fn token(&mut self, token: &str) {
        self.state("token");
        self.write(token);
        self.key("Enter");
    }

    /// A dialog that repeats how many, wants a reason, and takes one.
    fn sure(&mut self, what: &str, why: &str) {
        self.until("document.getElementById('sure').open");
        assert_eq!(self.is("document.getElementById('sure-what').textContent"), what);
        self.key("Enter");
        assert_eq!(self.is("document.getElementById('sure').open"), true, "not without a reason");
        self.write(why);
        self.key("Enter");
        self.until("!document.getElementById('sure').open");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.steps.take()); // that ends the driver, and it the browser
        let _ = self.driver.wait();
    }
}

fn proxy() -> (Dovecot, Proxy) {
    let dovecot = Dovecot::start(&["ann", "bob"]);
    let settings = Settings::before(&dovecot).rules(RULES).in_admin(TOKENS).in_limits("drain_delay = \"8s\"\n");
    (dovecot, settings.file("admin.token", ADMIN).file("wall.token", WALL).start())
}

fn ask(proxy: &Proxy, words: &[&str]) {
    let (command, more) = words.split_first().expect("a subcommand");
    output(tool(PROGRAM).args([command, "--config"]).arg(proxy.place().path("imapwarden.toml")).args(more));
}

fn idle(client: &mut Client) {
    client.send("IDLE");
    assert!(client.response().is_some_and(|line| line.starts_with(b"+")));
}

fn has_heard_bye(client: &mut Client) {
    assert_eq!(client.rest().last().map(String::as_str), Some("* BYE session ended by an administrator"));
}

#[test]
fn a_log_that_fails_is_told_at_the_top_until_it_works_again() {
    let dovecot = Dovecot::start(&["ann"]);
    let settings = Settings::before(&dovecot).in_admin(TOKENS).on_tmpfs(disk::MEBIBYTES);
    let proxy = settings.file("admin.token", ADMIN).file("wall.token", WALL).start();
    let mut page = Browser::before(&proxy);
    page.open();
    page.token(ADMIN);
    page.state("live");
    page.sees_not("AUDIT FAILING");
    let ballast = disk::fill(&proxy);
    page.sees("AUDIT FAILING");
    page.sees("Logins and reads are refused");
    std::fs::remove_file(ballast).expect("it is there");
    page.sees_not("AUDIT FAILING");
}

#[test]
fn who_looks_on_sees_it_and_can_act() {
    let (_dovecot, mut proxy) = proxy();
    let mut page = Browser::before(&proxy);
    page.open();
    page.token("guess-guess-guess-guess");
    page.until("document.getElementById('token-why').textContent === 'this token is not known'");
    page.token(ADMIN);
    page.state("live");
    page.sees("No session yet");
    page.sees("ready");

    // What is done is seen: who, with which program, what is open, and what was refused.
    let mut ann = proxy.login("ann");
    ann.run("ID (\"name\" \"<b id=evil>Mutt</b>\")").ok();
    ann.run("SELECT INBOX").ok();
    ann.run("STORE 1 +FLAGS (\\Flagged)").no("[NOPERM]");
    idle(&mut ann);
    page.until("document.querySelector('#sessions td[data-of=state]')?.textContent === 'idle'");
    page.sees("<b id=evil>Mutt</b>");
    assert_eq!(page.is("document.getElementById('evil')"), Value::Null, "what a client says is no markup");
    let shown = page.is("plain('a\\u202eb\\n' + 'x'.repeat(90))");
    assert!(
        shown.as_str().is_some_and(|text| text.starts_with("a⟨U+202E⟩b⟨U+000A⟩x") && text.ends_with('…')),
        "{shown}"
    );
    page.until("/ann STORE INBOX no-flags/.test(document.getElementById('refused').textContent)");
    page.until("Number(document.querySelector('#rules td[data-of=hits]').textContent) > 0");
    page.until("document.getElementById('upstreams').textContent.includes('up')");

    // One session is ended, by keys alone.
    page.press("end the session of ann");
    page.sure("End 1 session", "phone was stolen");
    has_heard_bye(&mut ann);
    page.sees("No session yet");

    // Somebody is locked out, and let in again.
    let mut bob = proxy.login("bob");
    page.press("lock out bob");
    page.sure("Lock out", "left");
    has_heard_bye(&mut bob);
    page.sees("Locked out");
    page.press("let in bob");
    page.sure("Let in again", "came back");
    page.sees_not("Locked out");

    // Those of a filter, which the dialog counts first.
    let mut clients = [proxy.login("ann"), proxy.login("ann"), proxy.login("bob")];
    page.is("document.getElementById('filter').focus()");
    page.write("user:an*");
    page.key("Enter");
    page.sees("2 of 3 sessions, 2 shown");
    page.press("end these …");
    page.until("document.getElementById('sure-what').textContent === 'End 2 sessions'");
    page.key("Escape");
    page.until("!document.getElementById('sure').open");
    clients[0].run("NOOP").ok();
    page.press("end these …");
    page.sure("End 2 sessions", "maintenance");
    clients[..2].iter_mut().for_each(has_heard_bye);
    clients[2].run("NOOP").ok();
    page.sees("0 of 1 sessions, 0 shown");

    assert_eq!(page.step(json!({ "faults": true })), json!([]));
    drop(page);
    let records = proxy.stop();
    let kills: Vec<&Value> =
        records.iter().filter(|record| record["type"] == "session.kill").map(|record| &record["data"]["why"]).collect();
    assert_eq!(kills, ["phone was stolen", "left", "maintenance", "maintenance"]);
}

#[test]
fn every_state_is_said_in_words_on_any_screen() {
    let (_dovecot, mut proxy) = proxy();
    let mut ann = proxy.login("ann");
    ann.run("SELECT INBOX").ok();
    let mut page = Browser::before(&proxy);
    page.open();
    page.token(ADMIN);
    page.sees("INBOX");
    let paper = "getComputedStyle(document.body).backgroundColor";
    page.step(json!({ "scheme": "light" }));
    let light = page.is(paper);
    page.step(json!({ "scheme": "dark" }));
    assert_ne!(page.is(paper), light);
    page.step(json!({ "width": 360, "height": 740 }));
    assert_eq!(page.is("document.documentElement.scrollWidth"), 360);
    page.step(json!({ "width": 1280, "height": 900 }));

    ask(&proxy, &["drain"]);
    page.sees("Draining: 1 sessions left.");
    page.sees("not ready: draining");
    ask(&proxy, &["drain", "--cancel"]);
    page.sees_not("Draining");
    proxy.place().write("rules/rules-1.toml", "[[rule]]\nid = \"typo\"\nrihgts = \"lr\"\n");
    ask(&proxy, &["reload"]);
    page.sees("The last reload failed");

    // Who may see counts only sees no names, and is told so.
    page.open();
    page.token(WALL);
    page.sees("You see counts");
    page.until("/^u-[0-9a-f]{4}$/.test(document.querySelector('#sessions td').textContent)");
    let text = page.is("document.body.innerText");
    assert!(text.as_str().is_some_and(|text| !text.contains("ann") && !text.contains("127.0.0.1")), "{text}");
    assert_eq!(page.is("document.querySelectorAll('#sessions button').length"), 0);

    // And when nobody answers any more it says so, and since when.
    assert_eq!(page.step(json!({ "faults": true })), json!([]));
    page.step(json!({ "offline": true }));
    page.state("gone");
    page.sees("no answer for");
    page.step(json!({ "offline": false }));
    page.state("live");
    drop(page);
    ann.logout();
    proxy.stop();
}
