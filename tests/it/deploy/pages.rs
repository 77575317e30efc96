//! Pages for operators: every command in them is run, or says why not.
//!
//! ```text
//!   ```console        $ command       run, before a proxy with a Dovecot behind it; ends well
//!                     shown           is in what it wrote; "…" stands for anything
//!   ```sh             # not run by the tests: why
//! ```
//!
//! Paths, ports and hosts of the pages are those of an installed package; here they are this test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::real::dovecot::Dovecot;
use crate::real::place::{output, tool};
use crate::real::proxy::{PROGRAM, Proxy, Settings};

const NOT_RUN: &str = "# not run by the tests: ";

/// What those may hold that are about something else: how the program is built, what it costs, its rules and its log.
const OTHERS: [&str; 6] = ["architecture.md", "performance.md", "rules.md", "audit.md", "admin.md", "metrics.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn markdown(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("pages").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages
}

/// Pages for operators, and what to do about alerts.
fn pages() -> Vec<PathBuf> {
    let is_other = |path: &PathBuf| OTHERS.iter().any(|name| path.ends_with(format!("docs/{name}")));
    let pages = markdown("docs").into_iter().filter(|path| !is_other(path));
    pages.chain(markdown("docs/runbooks")).collect()
}

/// Fenced blocks: their language, and their lines.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut lines = text.lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            all.push((
                language.to_owned(),
                lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect(),
            ));
        }
    }
    all
}

/// A command, and what is shown below it.
struct Step {
    command: String,
    shown: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (_, lines) in blocks(text).into_iter().filter(|(language, _)| language == "console") {
        for line in lines {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                (None, Some(step)) => step.shown.push(line),
                (None, None) => panic!("shown of no command: {line}"),
            }
        }
    }
    steps
}

/// Is a line that is shown in what a command wrote?
fn is_in(shown: &str, wrote: &str) -> bool {
    wrote.lines().any(|line| {
        let mut rest = line;
        shown.split('…').map(str::trim).all(|piece| match rest.split_once(piece) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

/// An installed imapwarden, as the pages have it: `ann@example.org` has done something and is still there.
struct House {
    dovecot: Dovecot,
    proxy: Proxy,
}

impl House {
    fn lay_out() -> Self {
        let dovecot = Dovecot::start(&["ann@example.org"]);
        let rules = "[[rule]]\nid = \"archive-is-read-only\"\nmailbox = [\"Archive\"]\nrights = \"read-only\"\n";
        let proxy = Settings::before(&dovecot)
            .rules(rules)
            .in_admin("token_file = \"admin.token\"")
            .file("admin.token", "a-token-of-this-test\n")
            .start();
        let place = proxy.place();
        for (name, of) in [("fullchain.pem", "chain.pem"), ("privkey.pem", "key.pem")] {
            fs::copy(place.path("tls").join(of), place.path("tls").join(name)).expect("a certificate");
        }
        fs::copy(dovecot.ca(), place.path("tls/upstream-ca.pem")).expect("an authority");
        std::os::unix::fs::symlink(PROGRAM, place.path("imapwarden")).expect("a link");
        Self { dovecot, proxy }
    }

    fn shell(&self, command: &str) -> Output {
        let place = self.proxy.place().path("");
        let here = place.to_str().expect("a path in UTF-8").trim_end_matches('/');
        let examples = root();
        let command = [
            ("/usr/share/doc/imapwarden/examples", examples.to_str().expect("a path in UTF-8")),
            ("/etc/imapwarden", here),
            ("/var/log/imapwarden", &format!("{here}/audit")),
            ("127.0.0.1:9143", &self.proxy.admin().to_string()),
            ("mail.example.org:993", &format!("localhost:{}", self.proxy.imaps().port())),
            ("imap.example.org:993", &format!("localhost:{}", self.dovecot.imaps().port())),
        ]
        .iter()
        .fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
        let path = format!("{here}:{}", std::env::var("PATH").unwrap_or_default());
        // A pipe is as good as its first command; grep may find nothing, which is an answer, too.
        let script = format!("set -o pipefail; {command}");
        output(tool("bash").args(["-c", &script]).current_dir(&place).env("PATH", path))
    }

    /// What is wrong with a step.
    fn problem(&self, step: &Step) -> Option<String> {
        let done = self.shell(&step.command);
        let wrote = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        let found_nothing = done.status.code() == Some(1) && step.command.contains("grep ") && done.stderr.is_empty();
        // 3: intact, and the log tells that something is missing: this process has not closed it yet.
        let is_open = done.status.code() == Some(3) && step.command.contains("imapwarden audit");
        if !(done.status.success() || found_nothing || is_open) {
            return Some(format!("{}: {}: {wrote}", step.command, done.status));
        }
        let missing = step.shown.iter().find(|line| !is_in(line, &wrote))?;
        Some(format!("{}: `{missing}` is not in: {wrote}", step.command))
    }
}

#[test]
fn each_command_is_run_or_says_why_not() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (language, lines) in blocks(&fs::read_to_string(&page).expect("a page")) {
            let fine = match &*language {
                "console" => lines.first().is_some_and(|line| line.starts_with("$ ")),
                "sh" => lines.first().is_some_and(|line| line.starts_with(NOT_RUN) && line.len() > NOT_RUN.len() + 10),
                "toml" | "text" | "yaml" => true,
                _ => false,
            };
            if !fine {
                wrong.push(format!("{}: {language}: {:?}", page.display(), lines.first()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_commands_of_the_pages_do_what_is_said_of_them() {
    let house = House::lay_out();
    let mut ann = house.proxy.login("ann@example.org");
    ann.run("SELECT INBOX").ok();
    ann.run("UID FETCH 2 (BODY.PEEK[])").ok();
    ann.run("SELECT Archive").ok();
    ann.run("STORE 1 +FLAGS (\\Seen)").no("[NOPERM]");
    let (mut wrong, mut run) = (Vec::new(), 0);
    for page in pages() {
        for step in steps(&fs::read_to_string(&page).expect("a page")) {
            let name = page.strip_prefix(root()).unwrap_or(&page).display().to_string();
            wrong.extend(house.problem(&step).map(|problem| format!("{name}: {problem}")));
            run += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run > 60, "{run}");
    // What is broken is found: a command that is not there, one that fails, and one that shows something else.
    for (command, shown) in
        [("imapwardne ready", ""), ("imapwarden check --config /etc/imapwarden/none.toml", ""), ("echo a", "b")]
    {
        let step = Step { command: command.to_owned(), shown: vec![shown.to_owned()] };
        assert!(house.problem(&step).is_some(), "{command}");
    }
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in
        markdown("docs").into_iter().chain(markdown("docs/runbooks")).filter(|page| !page.ends_with("architecture.md"))
    {
        let text = fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (target, heading) = link.split_once('#').unwrap_or((link, ""));
            if target.contains("://") {
                continue;
            }
            let there = if target.is_empty() { page.clone() } else { page.parent().expect("a folder").join(target) };
            if !there.exists() || !(heading.is_empty() || has_heading(&there, heading)) {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

/// Headings are named as forges name them: lower case, no punctuation, hyphens for blanks.
fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(page).expect("a page");
    text.lines().filter(|line| line.starts_with('#')).any(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept: String = words.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-').collect();
        kept.replace(' ', "-") == wanted
    })
}
