//! Every command in README.md is run, and does what stands beside it; every rule in the documents loads.
//!
//! ```text
//!   README.md ─▶ `$ …` in console blocks ─▶ STEPS: what comes out, ports moved to free ones
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::real::place::{Place, Process, Signal, free_address, output, tool, until};
use crate::real::proxy::{PROGRAM, get};

const README: &str = include_str!("../../README.md");

/// How far the demo's ports are moved: all three must be free.
const DEMO_PORTS: [u16; 3] = [1143, 1993, 9143];

/// Starts the demo; lists it; opens what it hides; looks for a message that it hides; changes what it keeps.
const DEMO: [&str; 5] = [
    "cargo run --release -- demo",
    "curl -sk imaps://127.0.0.1:1993 -u demo:demo",
    "curl -sk 'imaps://127.0.0.1:1993/Finance' -u demo:demo -X NOOP",
    "curl -sk 'imaps://127.0.0.1:1993/INBOX?SUBJECT%20takeover' -u demo:demo",
    r"curl -sk 'imaps://127.0.0.1:1993/Archive/2024' -u demo:demo -X 'STORE 1 +FLAGS (\Deleted)'",
];

/// Checks a configuration; runs it; verifies its log.
const OPERATOR: [&str; 3] = [
    "./target/release/imapwarden check --config config/imapwarden.toml",
    "./target/release/imapwarden run --config config/imapwarden.toml",
    "imapwarden audit verify audit",
];

/// What has been done where a test runs.
const RUN_BY_THE_TESTS: [&str; 2] = ["cargo build --release", "./tests/run"];

#[test]
fn the_readme_has_these_commands_and_no_others() {
    let known: BTreeSet<_> = DEMO.iter().chain(&OPERATOR).chain(&RUN_BY_THE_TESTS).map(|c| (*c).to_owned()).collect();
    assert_eq!(commands(README), known, "who adds a command adds its test");
}

#[test]
fn the_commands_of_the_demo_show_what_the_readme_says() {
    let [_, list, hidden, message, change] = DEMO;
    let demo = Demo::start();
    let listed = demo.shell(list);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && text.contains("INBOX") && text.contains("Archive/2024"), "{listed:?}");
    assert!(!text.contains("Finance"), "{text}");
    assert!(!demo.shell(hidden).status.success());
    assert!(demo.shell(&hidden.replace("Finance", "INBOX")).status.success());
    let found = |command: &str| String::from_utf8_lossy(&demo.shell(command).stdout).trim_end().to_owned();
    assert_eq!(found(message), "* SEARCH");
    assert!(found(&message.replace("takeover", "build")).len() > "* SEARCH".len());
    assert!(!demo.shell(change).status.success());
    let said = demo.shell(&format!("{change} --verbose"));
    assert!(String::from_utf8_lossy(&said.stderr).contains("NO [NOPERM] not permitted (ref "), "{said:?}");
    demo.stop();
}

#[test]
fn every_step_of_the_demo_can_be_copied() {
    let demo = Demo::start();
    let said = until("all of it is printed", || {
        fs::read_to_string(demo.place.path("demo.log")).ok().filter(|said| said.contains("Ctrl-C ends"))
    });
    let steps = steps(&said);
    assert!(steps.len() > 12, "{said}");
    let mut seen = String::new();
    for step in &steps {
        let (command, input) = without_a_person(step);
        let done = demo.shell_with(&command, input);
        let heard = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{command}: {}\n{heard}", done.status);
        seen.push_str(&heard);
    }
    for wanted in [
        "~~Finance~~",                           // what the rules hide
        "NO [NONEXISTENT]",                      // Finance by name
        "confidential-mail-is-not-there  1 of ", // what the rules hide of INBOX
        "* SEARCH\r\n",                          // what nobody finds
        "NO [NOPERM] not permitted (ref ",       // the archive is not changed
        "+ idling",                              // new mail is pushed
        "imapwarden_commands_total",             // metrics
        "\"type\":\"message.read\"",             // the audit log
    ] {
        assert!(seen.contains(wanted), "{wanted} is nowhere in\n{seen}");
    }
    let mbsync = steps.iter().find(|step| step.contains("mbsync -c")).expect("a step with mbsync");
    let (_, again) = mbsync.rsplit_once('\n').expect("its last line");
    let before = demo.files();
    assert!(demo.shell(again).status.success());
    assert_eq!(demo.files(), before, "the second run of mbsync");
    assert!(before.len() > 50, "{before:?}");
    assert!(!before.iter().any(|file| file.contains("Finance")), "{before:?}");
    demo.stop();
}

#[test]
fn a_configuration_like_the_reference_is_checked_run_and_its_log_verified() {
    let [check, run, verify] = OPERATOR;
    let house = House::lay_out();
    let checked = house.shell(check);
    assert!(checked.status.success(), "{checked:?}");
    let arguments: Vec<&str> = run.split(' ').skip(1).collect();
    let mut process = house.run(&arguments);
    process.signal(Signal::TERM);
    process.signal(Signal::TERM); // no need to wait for balancers
    process.wait();
    let verified = house.shell(&verify.replace("verify audit", "verify config/audit"));
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn every_rule_in_the_documents_loads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rules = 0;
    let documents = fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    for document in documents.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(&document).expect("a document");
        for block in blocks(&text, "toml").filter(|block| block.contains("[[rule]]")) {
            let house = House::lay_out();
            fs::write(house.place.path("config/rules/document.toml"), &block).expect("a rule file");
            let checked = house.shell("imapwarden check --config config/imapwarden.toml");
            assert!(checked.status.success(), "{}: {block}\n{checked:?}", document.display());
            rules += block.matches("[[rule]]").count();
        }
    }
    assert!(rules >= 3, "{rules} rules in the documents");
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for document in
        ["README.md", "docs/architecture.md", "docs/rules.md", "docs/mirrors.md", "docs/audit.md", "docs/admin.md"]
            .map(|name| root.join(name))
    {
        let text = fs::read_to_string(&document).unwrap_or_else(|e| panic!("{}: {e}", document.display()));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains("://") || target.contains("::");
            // The architecture is the front page of `cargo doc`, too: modules are links there.
            let module = target.strip_suffix("/index.html").is_some_and(|name| root.join("src").join(name).is_dir());
            if !elsewhere && !module && !document.parent().expect("a folder").join(target).exists() {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

/// What the demo printed to be copied: what stands behind the title of each step.
fn steps(said: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let is_title = |line: &str| line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
    for line in said.lines().take_while(|line| !line.starts_with("Ctrl-C")) {
        match steps.last_mut() {
            _ if is_title(line) => steps.push(String::new()),
            Some(step) => *step += &format!("{line}\n"),
            None => {}
        }
    }
    steps.into_iter().map(|step| step.trim().to_owned()).collect()
}

/// The same step where nobody sits before the terminal: less patience, and what would be typed.
fn without_a_person(step: &str) -> (String, &'static str) {
    match step {
        _ if step.contains("sleep 600") => (step.replace("sleep 600", r"sleep 1; printf 'DONE\r\nd LOGOUT\r\n'"), ""),
        _ if step.starts_with("neomutt") => (format!("TERM=xterm script -qec {} /dev/null", in_quotes(step)), ""),
        _ if step.starts_with("openssl") => (step.to_owned(), "a LOGIN demo demo\nb LIST \"\" *\nc LOGOUT\n"),
        _ => (step.to_owned(), ""),
    }
}

/// A word for the shell; neomutt is told to leave.
fn in_quotes(step: &str) -> String {
    format!("'{}'", format!("{step} -e 'set quit=yes' -e 'push <quit>'").replace('\'', "'\\''"))
}

/// Commands of a document, without what is said of them.
fn commands(document: &str) -> BTreeSet<String> {
    let lines = blocks(document, "console").flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    let commands = lines.filter_map(|line| {
        let command = line.strip_prefix("$ ")?;
        Some(command.split("   #").next().unwrap_or(command).trim().to_owned())
    });
    commands.collect()
}

/// Fenced blocks of a language.
fn blocks<'d>(document: &'d str, language: &'d str) -> impl Iterator<Item = String> + 'd {
    let mut lines = document.lines();
    std::iter::from_fn(move || {
        lines.by_ref().find(|line| line.strip_prefix("```") == Some(language))?;
        Some(lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect())
    })
}

/// `imapwarden demo`, on ports of its own.
struct Demo {
    place: Place,
    process: Process,
    offset: u16,
}

impl Demo {
    fn start() -> Self {
        let place = Place::new();
        let offset = until("three ports", || {
            let offset = free_address().port() - DEMO_PORTS[0];
            let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
            DEMO_PORTS.iter().all(free).then_some(offset)
        });
        // It leaves its audit log to be looked at: in our folder, which does not stay.
        let (folder, moved) = (format!("TMPDIR={}", place.path("").display()), offset.to_string());
        let arguments = [&folder, PROGRAM, "demo", "--port-offset", &moved];
        let process = Process::start("the demo", Path::new("env"), &arguments, &place.path("demo.log"));
        let admin = SocketAddr::from(([127, 0, 0, 1], DEMO_PORTS[2] + offset));
        until("the demo is ready", || get(admin, "/readyz").filter(|(status, _)| *status == 200));
        Self { place, process, offset }
    }

    /// A command of the document, with this demo's ports.
    fn shell(&self, command: &str) -> Output {
        let here = DEMO_PORTS.iter().fold(command.to_owned(), |command, port| {
            command.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{}", port + self.offset))
        });
        self.shell_with(&here, "")
    }

    /// A command as it is, and what is typed.
    fn shell_with(&self, command: &str, input: &str) -> Output {
        let input = fs::File::open(self.place.write("input", input)).expect("the input");
        output(tool("sh").arg("-c").arg(command).current_dir(self.place.path("")).stdin(Stdio::from(input)))
    }

    /// What mbsync has brought, each as path and size.
    fn files(&self) -> BTreeSet<String> {
        let listed = self.shell_with(
            "find demo-mail -type f -path '*/cur/*' -printf '%p %s\\n' -o -type f -path '*/new/*' -printf '%p %s\\n'",
            "",
        );
        String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
    }

    fn stop(mut self) {
        self.process.signal(Signal::INT);
        let status = self.process.wait();
        let said = fs::read_to_string(self.place.path("demo.log")).unwrap_or_default();
        assert!(status.success(), "{status}: {said}");
    }
}

/// What an operator has: the repository's configuration, certificates, rules, and the program where documents have it.
struct House {
    place: Place,
    admin: SocketAddr,
}

impl House {
    fn lay_out() -> Self {
        let place = Place::new();
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let admin = free_address();
        let reference = fs::read_to_string(root.join("config/imapwarden.toml")).expect("the reference");
        let here = reference
            .replace("\"0.0.0.0:993\"", &format!("\"{}\"", free_address()))
            .replace("# bind = \"127.0.0.1:9143\"", &format!("bind = \"{admin}\""));
        assert_ne!(here, reference);
        place.write("config/imapwarden.toml", here);
        for (name, from) in [("fullchain.pem", "chain.pem"), ("privkey.pem", "key.pem")] {
            place.write(&format!("config/tls/{name}"), fs::read(place.path("tls").join(from)).expect("a file"));
        }
        place.write("config/rules/none.toml", "");
        fs::create_dir_all(place.path("target/release")).expect("a folder");
        for name in ["target/release/imapwarden", "imapwarden"] {
            std::os::unix::fs::symlink(PROGRAM, place.path(name)).expect("a link");
        }
        Self { place, admin }
    }

    fn shell(&self, command: &str) -> Output {
        let path = format!("{}:{}", self.place.path("").display(), std::env::var("PATH").unwrap_or_default());
        output(tool("sh").arg("-c").arg(command).current_dir(self.place.path("")).env("PATH", path))
    }

    /// Runs the proxy until it is ready.
    fn run(&self, arguments: &[&str]) -> Process {
        let config = self.place.path(arguments.last().expect("a file"));
        let arguments = [&arguments[..arguments.len() - 1], &[config.to_str().expect("a path in UTF-8")]].concat();
        let process = Process::start("imapwarden", Path::new(PROGRAM), &arguments, &self.place.path("run.log"));
        until("it is ready", || get(self.admin, "/readyz").filter(|(status, _)| *status == 200));
        process
    }
}
