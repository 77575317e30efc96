//! Sessions as text. A transcript has a head and a body:
//!
//! ```text
//! # Why this behaviour matters.
//! rules: hide = true, mailbox = ["Finance/**"]        a rule (id "r1", "r2" … by line), or several lines
//! exception: rule = "r1"; mailbox = "Finance/Q3"       an exception, likewise
//! groups: finance = ["ann@example.org"]                the groups file
//! upstream: IMAP4rev1 UIDPLUS MOVE                     what the upstream offers; the default has the usual
//! names-answered                                       `LIST "" *` and LSUB are answered with the lines `name:`
//! message: 11 FLAGS (\Seen) BODY[HEADER.FIELDS (x)] ""   a message of the selected mailbox, as a FETCH of the proxy's own has it
//! selected: INBOX                                      how far the session has come: `login: no`, logged in, or selected
//!
//! C->  a1 NOOP                the client says
//! ->U  t1 NOOP                the upstream hears; own tags count from t1 where the body begins
//! U->  t1 OK done             the upstream says
//! ->C  a1 OK done             the client hears
//! =>   "type":"message.read" "cls":"full"     a record was made that has all of these
//! ```
//!
//! Lines end in CRLF; `…` at the end of a line stands for nothing at all (no CRLF), `␍`, `␊`, `␀` for their octets, `⟦ff⟧` for any.
//! Silence is asserted: what stands not in the script must not be said. More steps: `wait 61s`, `audit fails`,
//! `audit works`, `records fail`, `records work`, `reload mailbox = ["x"]; hide = true` (the only rule from here on), `upstream closes`, `client closes`, `->X` (the session closed), `unreachable`.
//!
//! Each is played as it stands, with what follows each other in one segment, byte by byte, and cut at random.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imapwarden::imap::verb::Verb;
use imapwarden::policy::{GroupsFile, RuleFile};
use imapwarden::session::ListenerTls;

use crate::driver::{Driver, Setting, rules_and_groups};

const UPSTREAM: &str = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN SPECIAL-USE \
                        LIST-EXTENDED LIST-STATUS MOVE ESEARCH SEARCHRES CONDSTORE BINARY MULTIAPPEND";

/// How the bytes of a script are cut into segments.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// A line a segment.
    Lines,
    /// What follows each other on one side is one segment.
    Whole,
    /// An octet a segment.
    Bytes,
    /// Random lengths, from this seed.
    Random(u64),
}

#[derive(Debug, Clone)]
enum Step {
    Says(Side, Vec<u8>),
    Hears(Side, Vec<u8>),
    Record(Vec<String>),
    NoRecord(Vec<String>),
    Wait(Duration),
    Audit(bool),
    /// The same, and the session does not hear of it before.
    Records(bool),
    /// From here on this is the only rule, or none is.
    Reload(Vec<String>),
    Closes(Side),
    Closed,
    Unreachable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Upstream,
}

#[derive(Debug, Default)]
struct Script {
    rules: Vec<String>,
    exceptions: Vec<String>,
    groups: String,
    upstream: Option<String>,
    login: Option<String>,
    selected: Option<String>,
    tls: Option<String>,
    default_domain: Option<String>,
    names: Vec<String>,
    /// What NAMESPACE answers after login.
    namespace: Option<String>,
    messages: Vec<String>,
    starttls_upstream: bool,
    /// All names are answered from the head as often as they are asked for: no part of the script.
    names_answered: bool,
    /// Timing or a state of the segment matters: played by lines only.
    lines_only: bool,
    steps: Vec<(usize, Step)>,
}

#[test]
fn every_transcript_holds() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the transcripts are gone");
    let mut failures = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a transcript");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let script = read(&name, &text);
        let cuts = if script.lines_only {
            vec![Cut::Lines]
        } else {
            vec![Cut::Lines, Cut::Whole, Cut::Bytes, Cut::Random(1), Cut::Random(2), Cut::Random(3)]
        };
        for cut in cuts {
            let played = std::panic::catch_unwind(|| play(&script, cut));
            let problem = match played {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => problem,
                Err(panic) => panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default(),
            };
            write!(failures, "\n{name}, {cut:?}: {problem}").expect("to a string");
            break;
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Commands that no transcript plays. This list may only shrink.
const UNPLAYED: &[Verb] = &[];

#[test]
fn every_command_has_a_transcript() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts"), &mut files);
    let mut played = std::collections::BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a transcript");
        for line in text.lines().filter_map(|line| line.strip_prefix("C->")) {
            let words: Vec<&str> = line.split_whitespace().skip(1).take(2).collect();
            let names = [words.join(" "), words.first().map(|word| (*word).to_owned()).unwrap_or_default()];
            played.extend(names.iter().find_map(|name| Verb::from_name(name)));
        }
    }
    let missing: Vec<_> = Verb::ALL.iter().filter(|verb| !played.contains(verb) && !UNPLAYED.contains(verb)).collect();
    assert!(missing.is_empty(), "no transcript plays {missing:?}");
    assert!(UNPLAYED.iter().all(|verb| !played.contains(verb)), "the list may shrink");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of transcripts") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "txt") {
            files.push(path);
        }
    }
}

fn read(name: &str, text: &str) -> Script {
    let mut script = Script::default();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start();
        let step = match word {
            "" | "#" => continue,
            "rules:" => {
                script.rules.push(rest.to_owned());
                continue;
            }
            "exception:" => {
                script.exceptions.push(rest.to_owned());
                continue;
            }
            "groups:" => {
                writeln!(script.groups, "{rest}").expect("to a string");
                continue;
            }
            "upstream:" => {
                script.upstream = Some(rest.to_owned());
                continue;
            }
            "login:" => {
                script.login = Some(rest.to_owned());
                continue;
            }
            "selected:" => {
                script.selected = Some(rest.to_owned());
                continue;
            }
            "tls:" => {
                script.tls = Some(rest.to_owned());
                continue;
            }
            "domain:" => {
                script.default_domain = Some(rest.to_owned());
                continue;
            }
            "name:" => {
                script.names.push(rest.to_owned());
                continue;
            }
            "namespace:" => {
                script.namespace = Some(rest.to_owned());
                continue;
            }
            "message:" => {
                script.messages.push(rest.to_owned());
                continue;
            }
            "names-answered" => {
                script.names_answered = true;
                continue;
            }
            "upstream-starttls" => {
                script.starttls_upstream = true;
                continue;
            }
            "by-lines-only" => {
                script.lines_only = true;
                continue;
            }
            "C->" => Step::Says(Side::Client, octets(rest)),
            "U->" => Step::Says(Side::Upstream, octets(rest)),
            "->U" => Step::Hears(Side::Upstream, octets(rest)),
            "->C" => Step::Hears(Side::Client, octets(rest)),
            "=>" => Step::Record(rest.split_whitespace().map(str::to_owned).collect()),
            "=!" => Step::NoRecord(rest.split_whitespace().map(str::to_owned).collect()),
            "->X" => Step::Closed,
            "unreachable" => Step::Unreachable,
            "wait" => Step::Wait(Duration::from_secs(rest.trim_end_matches('s').parse().expect("seconds"))),
            "audit" => Step::Audit(rest == "works"),
            "records" => Step::Records(rest == "work"),
            "reload" => Step::Reload((!rest.is_empty()).then(|| rest.to_owned()).into_iter().collect()),
            "client" => Step::Closes(Side::Client),
            "upstream" => Step::Closes(Side::Upstream),
            other => panic!("{name}:{number}: `{other}` begins no step"),
        };
        script.steps.push((number, step));
    }
    script
}

/// The octets of a line of the script.
fn octets(text: &str) -> Vec<u8> {
    let (text, end) = match text.strip_suffix('…') {
        Some(text) => (text, ""),
        None => (text, "\r\n"),
    };
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let mut next = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '␍' => out.push(b'\r'),
            '␊' => out.push(b'\n'),
            '␀' => out.push(0),
            '⟦' => {
                let (hex, behind) = next.split_once('⟧').expect("⟧");
                out.push(u8::from_str_radix(hex, 16).expect("hex"));
                next = behind;
            }
            letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = next;
    }
    out.extend_from_slice(end.as_bytes());
    out
}

/// Keys are parted by "; ", so that a line can hold a whole rule.
fn rules_of(lines: &[String]) -> String {
    let mut text = String::new();
    for (at, rule) in lines.iter().enumerate() {
        writeln!(text, "[[rule]]\nid = \"r{}\"\n{}", at + 1, rule.replace("; ", "\n")).expect("to a string");
    }
    text
}

fn rule_text(script: &Script) -> String {
    let mut text = rules_of(&script.rules);
    for exception in &script.exceptions {
        writeln!(text, "[[exception]]\n{}", exception.replace("; ", "\n")).expect("to a string");
    }
    text
}

fn begin(script: &Script) -> (Driver, Names) {
    let text = rule_text(script);
    let domain = script.default_domain.as_deref();
    let groups = RuleFile { path: Path::new("groups.toml").into(), text: script.groups.clone() };
    let setting = Setting {
        tls: match script.tls.as_deref() {
            Some("implicit") => ListenerTls::Implicit,
            Some("starttls") => ListenerTls::Starttls,
            _ => ListenerTls::Off,
        },
        allow_plaintext_login: script.tls.is_none(),
        rules: if script.rules.is_empty() {
            std::sync::Arc::new(imapwarden::policy::RuleSet::empty())
        } else {
            rules_and_groups(&text, GroupsFile::Read(groups), domain)
        },
        default_domain: domain.map(Into::into),
        starttls_upstream: script.starttls_upstream,
        ..Setting::default()
    };
    let mut driver = Driver::new(setting);
    if script.login.as_deref() == Some("no") {
        return (driver, Names::default());
    }
    let user = script.login.as_deref().unwrap_or("ann@example.org");
    driver.client.clear();
    driver.log_in(user, script.upstream.as_deref().unwrap_or(UPSTREAM));
    let asked = std::mem::take(&mut driver.upstream);
    let client_asks = |step: &Step| matches!(step, Step::Says(_, bytes) if bytes.ends_with(b"NAMESPACE\r\n"));
    let mut names = Names {
        due: asked.is_empty() && !script.rules.is_empty() && !script.steps.iter().any(|(_, step)| client_asks(step)),
        used: 0,
    };
    answer_names(&mut driver, script, &asked);
    if let Some(mailbox) = &script.selected {
        let count = script.messages.len().to_string();
        let usual = if script.messages.is_empty() { "3" } else { count.as_str() };
        let (mailbox, exists) = mailbox.split_once(' ').unwrap_or((mailbox, usual));
        driver.client_says(format!("s SELECT {mailbox}\r\n").as_bytes());
        answer_names_asked(&mut driver, script, &mut names);
        let tag = driver.own_tag();
        let answer = format!(
            "* {exists} EXISTS\r\n* FLAGS (\\Seen \\Deleted)\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 99] ok\r\n\
             {tag} OK [READ-WRITE] selected\r\n"
        );
        driver.upstream_says(answer.as_bytes());
        answer_looks(&mut driver, script);
    }
    names.used = last_serial(&mut driver);
    driver.client.clear();
    driver.records.clear();
    (driver, names)
}

/// What the proxy asks for names, beside the script.
#[derive(Default)]
struct Names {
    /// It will ask for namespaces before the first command that needs names.
    due: bool,
    /// Tags that it has used.
    used: u32,
}

/// The names that the proxy asks for after login or before it needs them, where rules name mailboxes.
fn answer_names(driver: &mut Driver, script: &Script, asked: &[u8]) {
    for line in String::from_utf8_lossy(asked).lines() {
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        let mut answer = String::new();
        if command.starts_with("NAMESPACE") {
            let namespaces = script.namespace.as_deref().unwrap_or("((\"\" \"/\")) NIL NIL");
            write!(answer, "* NAMESPACE {namespaces}\r\n").expect("to a string");
        } else if command == "LIST \"\" \"\"" {
            answer.push_str("* LIST (\\Noselect) \"/\" \"\"\r\n");
        } else if command.starts_with("LIST") {
            let uses = ["\\Trash", "\\Junk", "\\Sent", "\\All", "\\Flagged", "\\Drafts", "\\Archive", "\\Important"];
            let all = !command.contains("SPECIAL-USE");
            for name in script.names.iter().filter(|name| all || uses.iter().any(|used| name.contains(used))) {
                write!(answer, "* LIST {name}\r\n").expect("to a string");
            }
        } else if command.starts_with("LSUB") {
            for name in script.names.iter().filter(|name| name.contains("\\Subscribed")) {
                write!(answer, "* LSUB {name}\r\n").expect("to a string");
            }
        }
        write!(answer, "{tag} OK done\r\n").expect("to a string");
        driver.upstream_says(answer.as_bytes());
    }
}

/// What the proxy asks of a mailbox where messages may be hidden.
fn answer_looks(driver: &mut Driver, script: &Script) {
    while !driver.upstream.is_empty() {
        let asked = String::from_utf8_lossy(&std::mem::take(&mut driver.upstream)).into_owned();
        for line in asked.lines() {
            let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
            let uids: Vec<&str> = script.messages.iter().filter_map(|row| row.split(' ').next()).collect();
            let mut answer = String::new();
            if command.contains("FETCH") {
                for (at, row) in script.messages.iter().enumerate() {
                    let row = row.replace("␍", "\r").replace("␊", "\n");
                    write!(answer, "* {} FETCH (UID {row})\r\n", at + 1).expect("to a string");
                }
            } else if command == "UID SEARCH RETURN (ALL) ALL" {
                write!(answer, "* ESEARCH (TAG \"{tag}\") UID ALL {}\r\n", uids.join(",")).expect("to a string");
            }
            write!(answer, "{tag} OK done\r\n").expect("to a string");
            driver.upstream_says(answer.as_bytes());
        }
    }
}

/// The number of the last own tag, found by asking for one more.
fn last_serial(driver: &mut Driver) -> u32 {
    driver.upstream.clear();
    driver.client_says(b"n NOOP\r\n");
    let tag = driver.own_tag();
    driver.upstream_says(format!("{tag} OK done\r\n").as_bytes());
    tag.trim_start_matches('t').parse().unwrap_or_else(|_| panic!("no own tag in {tag:?}"))
}

/// Own tags of the script as the session counts them.
fn renumber(bytes: &[u8], used: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut begins = true;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.iter().take_while(|digit| digit.is_ascii_digit()).count();
        if begins && byte == b't' && digits > 0 {
            let number: u32 = String::from_utf8_lossy(&behind[..digits]).parse().expect("a number");
            out.extend_from_slice(format!("t{}", number + used).as_bytes());
            rest = &behind[digits..];
            begins = false;
            continue;
        }
        begins = matches!(byte, b'\n' | b'"');
        out.push(byte);
        rest = behind;
    }
    out
}

/// Names that the proxy asks for one by one, where rules take rights on mailboxes, are answered from the head: its questions
/// are counted, and are no part of the script.
fn answer_names_asked(driver: &mut Driver, script: &Script, names: &mut Names) {
    while script.names_answered && answer_all_names(driver, script, &mut names.used) {}
    loop {
        let lines: Vec<&[u8]> = driver.upstream.split_inclusive(|byte| *byte == b'\n').collect();
        let first = lines.iter().position(|line| line.ends_with(b" NAMESPACE\r\n"));
        if let Some(first) = first.filter(|_| names.due) {
            names.due = false;
            names.used += u32::try_from(lines.len() - first).expect("few");
            let asked = lines[first..].concat();
            driver.upstream.truncate(driver.upstream.len() - asked.len());
            answer_names(driver, script, &asked);
            continue;
        }
        let text = String::from_utf8_lossy(&driver.upstream).into_owned();
        let last = text.lines().last().unwrap_or_default();
        let Some((tag, name)) =
            last.split_once(" LIST \"\" ").filter(|(_, name)| name.starts_with('"') && *name != "\"*\"")
        else {
            return;
        };
        let kept = driver.upstream.len() - last.len() - 2;
        driver.upstream.truncate(kept);
        let name = name.trim_matches('"');
        let mut answer = String::new();
        for row in
            script.names.iter().filter(|row| row.rsplit(' ').next().is_some_and(|own| own.trim_matches('"') == name))
        {
            write!(answer, "* LIST {row}\r\n").expect("to a string");
        }
        write!(answer, "{tag} OK done\r\n").expect("to a string");
        names.used += 1;
        driver.upstream_says(answer.as_bytes());
    }
}

/// Answers one question for all names, if there is one.
fn answer_all_names(driver: &mut Driver, script: &Script, used: &mut u32) -> bool {
    let text = String::from_utf8_lossy(&driver.upstream).into_owned();
    let asks = |line: &&str| line.ends_with(" LIST \"\" \"*\"") || line.ends_with(" LSUB \"\" \"*\"");
    let Some(line) = text.lines().find(asks) else { return false };
    let (tag, command) = line.split_once(' ').expect("a command");
    driver.upstream = text.replacen(&format!("{line}\r\n"), "", 1).into_bytes();
    let (word, subscribed) = if command.starts_with("LSUB") { ("LSUB", true) } else { ("LIST", false) };
    let rows = script.names.iter().filter(|row| !subscribed || row.contains("\\Subscribed"));
    let rows: String = rows.map(|row| format!("* {word} {row}\r\n")).collect();
    *used += 1;
    driver.upstream_says(format!("{rows}{tag} OK done\r\n").as_bytes());
    true
}

fn play(script: &Script, cut: Cut) -> Result<(), String> {
    let (mut driver, mut names) = begin(script);
    let mut seed = match cut {
        Cut::Random(seed) => seed,
        _ => 0,
    };
    let mut steps = script.steps.iter().peekable();
    while let Some((line, step)) = steps.next() {
        match step {
            Step::Says(side, bytes) => {
                silent(&driver, *line)?;
                let mut lines = vec![bytes.clone()];
                while let Some((_, Step::Says(_, more))) =
                    steps.next_if(|(_, next)| matches!(next, Step::Says(other, _) if other == side))
                {
                    lines.push(more.clone());
                }
                if !matches!(cut, Cut::Lines) {
                    lines = vec![lines.concat()];
                }
                for bytes in lines {
                    says(&mut driver, *side, &bytes, names.used, cut, &mut seed);
                    answer_names_asked(&mut driver, script, &mut names);
                }
            }
            Step::Hears(side, bytes) => {
                let want = if *side == Side::Upstream { renumber(bytes, names.used) } else { bytes.clone() };
                let heard = if *side == Side::Upstream { &mut driver.upstream } else { &mut driver.client };
                if !heard.starts_with(&want) {
                    let got = heard.escape_ascii().to_string();
                    return Err(format!(
                        "line {line}: {side:?} should hear\n   {}\n  heard\n   {got}",
                        want.escape_ascii()
                    ));
                }
                heard.drain(..want.len());
            }
            Step::Record(parts) => {
                if !driver.records.iter().any(|record| parts.iter().all(|part| record.contains(part.as_str()))) {
                    return Err(format!(
                        "line {line}: no record has all of {parts:?} in\n{}",
                        driver.records.join("\n")
                    ));
                }
            }
            Step::NoRecord(parts) => {
                if driver.records.iter().any(|record| parts.iter().all(|part| record.contains(part.as_str()))) {
                    return Err(format!("line {line}: a record has {parts:?} in\n{}", driver.records.join("\n")));
                }
            }
            Step::Wait(time) => driver.wait(*time),
            Step::Audit(works) => {
                driver.recording = *works;
                driver.session.handle_audit_failing(!works, driver.now);
                driver.perform();
            }
            Step::Records(work) => driver.recording = *work,
            Step::Reload(rules) => driver.reload(crate::driver::rules(&rules_of(rules), None)),
            Step::Closes(side) => {
                match side {
                    Side::Client => driver.session.handle_client_closed(driver.now),
                    Side::Upstream => driver.session.handle_upstream_closed(driver.now),
                }
                driver.perform();
            }
            Step::Closed if !driver.closed => return Err(format!("line {line}: the session should have closed")),
            Step::Closed => {}
            Step::Unreachable => driver.reachable = false,
        }
    }
    silent(&driver, script.steps.last().map_or(0, |step| step.0))
}

fn silent(driver: &Driver, line: usize) -> Result<(), String> {
    for (who, heard) in [("client", &driver.client), ("upstream", &driver.upstream)] {
        if !heard.is_empty() {
            return Err(format!("line {line}: before it the {who} heard\n   {}", heard.escape_ascii()));
        }
    }
    Ok(())
}

fn says(driver: &mut Driver, side: Side, bytes: &[u8], used: u32, cut: Cut, seed: &mut u64) {
    let bytes = if side == Side::Upstream { renumber(bytes, used) } else { bytes.to_vec() };
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let length = match cut {
            Cut::Lines | Cut::Whole => rest.len(),
            Cut::Bytes => 1,
            Cut::Random(_) => {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(*seed >> 60).expect("4 bits") + 1
            }
        };
        let (segment, behind) = rest.split_at(length.min(rest.len()));
        match side {
            Side::Client => driver.client_says(segment),
            Side::Upstream => driver.upstream_says(segment),
        }
        rest = behind;
    }
}
