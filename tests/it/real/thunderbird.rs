//! Thunderbird itself, without a screen: its windows are drawn, and nobody looks at them.
//!
//! ```text
//!   test ── Marionette ──▶ thunderbird/mail.js in its main window ──▶ the interfaces that its own windows use
//!            length:[0,1,"WebDriver:ExecuteAsyncScript",{…}]                  │ TLS
//!                                                                        proxy or Dovecot
//! ```
//!
//! Marionette is the protocol by which Mozilla's own tests drive it, on a port of loopback. The profile is in a place of the
//! test's own, and so is all that Thunderbird takes for its user's home.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::front::Front;
use super::place::{PATIENCE, Place, Process, until};

const MAIL: &str = include_str!("thunderbird/mail.js");
/// Where it writes all that it says to the server, and hears.
const LOG: &str = "home/imap.moz_log";
const PREFERENCES: &str = include_str!("thunderbird/user.js");

/// Running until dropped.
pub struct Thunderbird {
    process: Process,
    stream: TcpStream,
    heard: Vec<u8>,
    number: u64,
    /// All that it says to the server, and hears.
    log: PathBuf,
}

impl Drop for Thunderbird {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- what Thunderbird and its server said\n{}", self.end_of_wire());
        }
    }
}

impl Thunderbird {
    /// Its first visit: an account is made. What it keeps is kept in `place`.
    pub fn start(place: &Place, front: &Front) -> Self {
        let mut thunderbird = Self::open(place);
        let ca = fs::read_to_string(&front.ca).expect("a certificate");
        let port = front.imaps.port();
        let account = json!({ "user": front.user, "password": front.password(), "port": port, "ca": ca });
        thunderbird.does("account", json!([account]));
        thunderbird
    }

    /// A later visit.
    pub fn start_again(place: &Place) -> Self {
        let mut thunderbird = Self::open(place);
        thunderbird.does("again", json!([]));
        thunderbird
    }

    fn open(place: &Place) -> Self {
        place.write("home/profile/user.js", PREFERENCES);
        // Once in a hundred starts it ends before it listens, and does not say why.
        let listening = (0..3).find_map(|_| launch(place));
        let said = || fs::read_to_string(place.path("home/said")).unwrap_or_default();
        let (process, stream) = listening
            .unwrap_or_else(|| panic!("Thunderbird does not start (installed? ./tests/run installs it): {}", said()));
        stream.set_read_timeout(Some(PATIENCE * 3)).expect("a time");
        let mut thunderbird = Self { process, stream, heard: Vec::new(), number: 0, log: place.path(LOG) };
        let greeting = thunderbird.message();
        assert_eq!(greeting["marionetteProtocol"], 3, "{greeting}");
        // Whatever it asks is a fault that the script knows of: it waits for an answer, and gets none.
        let capabilities = json!({ "alwaysMatch": { "unhandledPromptBehavior": "ignore" } });
        thunderbird.call("WebDriver:NewSession", json!({ "capabilities": capabilities }));
        thunderbird.call("Marionette:SetContext", json!({ "value": "chrome" }));
        let longest = u64::try_from(PATIENCE.as_millis() * 2).expect("a short time");
        thunderbird.call("WebDriver:SetTimeouts", json!({ "script": longest }));
        thunderbird.script(MAIL, json!([]));
        thunderbird
    }

    /// Does one of the things of `mail.js`; what came of it.
    #[track_caller]
    pub fn does(&mut self, what: &str, with: Value) -> Value {
        let with = with.as_array().expect("a list").clone();
        self.script(&format!("return window.mail.{what}(...given);"), Value::Array(with))
    }

    #[track_caller]
    fn script(&mut self, script: &str, given: Value) -> Value {
        let whole = format!(
            "const [given, done] = [[...arguments].slice(0, -1), [...arguments].at(-1)];\n\
             (async () => {{ {script} }})().then((value) => done({{ value }}), (error) => done({{ error: `${{error}}\\n${{error.stack}}` }}));"
        );
        let parameters = json!({ "script": whole, "args": given, "newSandbox": false, "sandbox": "system" });
        let answer = self.call("WebDriver:ExecuteAsyncScript", parameters);
        let done = &answer["value"];
        assert!(done["error"].is_null(), "{script} {given}\n{}", done["error"].as_str().unwrap_or_default());
        done["value"].clone()
    }

    /// [0, number, command, parameters] is answered by [1, number, error, result].
    #[track_caller]
    fn call(&mut self, command: &str, parameters: Value) -> Value {
        self.number += 1;
        let message = json!([0, self.number, command, parameters]).to_string();
        self.stream.write_all(format!("{}:{message}", message.len()).as_bytes()).expect("Thunderbird reads");
        loop {
            let mut answer = self.message();
            if answer[0] == 1 && answer[1] == self.number {
                assert!(answer[2].is_null(), "{command}: {:#}", answer[2]);
                return answer[3].take();
            }
        }
    }

    /// One message: `length:JSON`.
    #[track_caller]
    fn message(&mut self) -> Value {
        let mut part = [0; 1 << 16];
        loop {
            if let Some(colon) = self.heard.iter().position(|octet| *octet == b':') {
                let length: usize =
                    std::str::from_utf8(&self.heard[..colon]).expect("a number").parse().expect("a number");
                let end = colon + 1 + length;
                if self.heard.len() >= end {
                    let message = serde_json::from_slice(&self.heard[colon + 1..end]).expect("JSON");
                    self.heard.drain(..end);
                    return message;
                }
            }
            let read = self.stream.read(&mut part).expect("Thunderbird answers");
            assert!(read > 0, "Thunderbird is gone");
            self.heard.extend_from_slice(&part[..read]);
        }
    }

    /// Waits until it listens to a folder by IDLE.
    pub fn idles(&self, folder: &str) {
        let said = format!(":S-{folder}:SendData: ");
        until(&format!("IDLE in {folder}"), || {
            let wire = self.wire();
            let last = wire.lines().rev().find_map(|line| line.split_once(&said));
            last.is_some_and(|(_, command)| command.ends_with(" IDLE")).then_some(())
        });
    }

    /// Waits until nothing is under way: each connection listens, or has no folder open and its answer, and so it stays.
    pub fn rests(&self) {
        const STAYS: Duration = Duration::from_millis(600);
        let mut since = (0, Instant::now());
        until("every connection rests", || {
            let wire = self.wire();
            if since.0 != wire.len() {
                since = (wire.len(), Instant::now());
            }
            (connections(&wire).values().all(|last| last.rests()) && since.1.elapsed() >= STAYS).then_some(())
        });
    }

    /// All lines between it and the server.
    fn wire(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn end_of_wire(&self) -> String {
        let wire = self.wire();
        let spoken = wire.lines().filter(|line| line.contains("SendData: ") || line.contains("FromSocket: "));
        let lines: Vec<&str> = spoken.collect();
        lines[lines.len().saturating_sub(200)..].join("\n")
    }

    /// Ends it as its user does. Nothing was refused meanwhile, and its user was told and asked nothing.
    #[track_caller]
    pub fn ends(mut self) {
        let faults = self.does("faults", json!([]));
        assert_eq!(faults, json!([]), "what its user was told");
        self.call("Marionette:Quit", json!({ "flags": ["eAttemptQuit"] }));
        let status = self.process.wait();
        assert!(status.success(), "Thunderbird ended with {status}");
        let wire = self.wire();
        let heard = wire.lines().filter_map(|line| line.split_once("CreateNewLineFromSocket: ")).map(|(_, line)| line);
        let heard: Vec<&str> = heard.collect();
        let is_refusal = |line: &&&str| {
            let mut words = line.split(' ').skip(1);
            matches!(words.next(), Some("NO" | "BAD")) || line.starts_with("* BYE")
        };
        let refused: Vec<&&str> = heard.iter().filter(is_refusal).collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }
}

/// Starts it, and waits until Marionette listens, unless it ends.
fn launch(place: &Place) -> Option<(Process, TcpStream)> {
    let port = place.path("home/profile/MarionetteActivePort");
    for file in [&port, &place.path(LOG)] {
        let _ = fs::remove_file(file); // of an earlier visit
    }
    let home = place.path("home");
    let home = home.to_str().expect("a path in UTF-8");
    let path = std::env::var("PATH").expect("a path to programs");
    // Nothing of who runs the tests: neither settings, nor a screen, nor a bus.
    let environment = [
        format!("PATH={path}"),
        format!("HOME={home}"),
        format!("TMPDIR={home}"),
        format!("MOZ_LOG_FILE={home}/imap"),
        "MOZ_LOG=IMAP:5,sync".to_owned(),
        "MOZ_CRASHREPORTER_DISABLE=1".to_owned(),
        "DBUS_SESSION_BUS_ADDRESS=disabled:".to_owned(),
        "LC_ALL=C.UTF-8".to_owned(),
        "TZ=UTC".to_owned(),
    ];
    let profile = format!("{home}/profile");
    let mut arguments = vec!["-i"];
    arguments.extend(environment.iter().map(String::as_str));
    arguments.extend(["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]);
    arguments.extend(["--profile", &profile]);
    let mut process = Process::start("Thunderbird", Path::new("env"), &arguments, &place.path("home/said"));
    let stream = until("Thunderbird listens", || {
        if process.ended().is_some() {
            return Some(None);
        }
        let port = fs::read_to_string(&port).ok()?.trim().parse().ok()?;
        Some(Some(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?))
    })?;
    Some((process, stream))
}

/// The last that was said on a connection, and heard.
#[derive(Debug, Default)]
struct Last<'w> {
    state: &'w str,
    said: &'w str,
    heard: &'w str,
}

impl Last<'_> {
    fn rests(&self) -> bool {
        let (tag, command) = self.said.split_once(' ').unwrap_or((self.said, ""));
        let answered = self.heard.split(' ').next() == Some(tag);
        command == "IDLE" || command == "logout" || (self.state == "A" && answered)
    }
}

/// `[Parent 4711: IMAP]: I/IMAP 7fd20971a600:localhost:S-INBOX:SendData: 109 IDLE`
fn connections(wire: &str) -> BTreeMap<&str, Last<'_>> {
    let mut connections: BTreeMap<&str, Last<'_>> = BTreeMap::new();
    for line in wire.lines().filter_map(|line| Some(line.split_once("/IMAP ")?.1)) {
        let [says, hears] = [":SendData: ", ":CreateNewLineFromSocket: "].map(|way| line.split_once(way));
        let Some((at, what)) = says.or(hears) else { continue };
        let Some((id, state)) = at.split_once(":localhost:") else { continue };
        let last = connections.entry(id).or_default();
        last.state = state;
        *(if says.is_some() { &mut last.said } else { &mut last.heard }) = what;
    }
    connections
}
