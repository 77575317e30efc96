//! `audit query`, `tail` and `report` from outside, on a log that was prepared: every word that they print.
//!
//! ```text
//!   audit_tools/*.console    $ imapwarden audit report reads --dir audit --user m.berg@example.org
//!                            covers   mx-a1, log 01k9z3t0m4, …
//!                            exit 3
//! ```
//!
//! `BLESS=1` writes what was printed into the files; the difference is then for people to judge.

mod mangled;
mod story;

use imapwarden::imap::message::ReadClass;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The folder in which `audit` is the log, and `tomorrow` other rules.
fn told() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    story::tell(&folder.path().join("audit"));
    for name in ["tomorrow/imapwarden.toml", "tomorrow/rules/finance.toml"] {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("room");
        fs::copy(here().join(name), to).expect("it is in the repository");
    }
    folder
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/audit_tools")
}

#[test]
fn consoles_show_what_is_printed() {
    let folder = told();
    let mut wrong = Vec::new();
    for file in consoles() {
        let mut expected = fs::read_to_string(&file).expect("it can be read");
        let commands = expected.lines().filter_map(|line| line.strip_prefix("$ "));
        let printed: String =
            commands.map(|command| format!("$ {command}\n{}", console(folder.path(), command))).collect();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &printed).expect("the file is ours");
            expected.clone_from(&printed);
        }
        if printed != expected {
            wrong.push(format!("{}: expected\n{expected}\nprinted\n{printed}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_document_shows_what_is_printed() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.md");
    let text = fs::read_to_string(&document).expect("it can be read");
    let folder = told();
    let (mut shown, mut commands) = (String::new(), 0);
    let mut parts = text.split("```console\n");
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (block, rest) = part.split_once("```\n").expect("a block ends");
        shown.push_str("```console\n");
        for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            // Narrow enough for a page.
            let output = shell(folder.path(), &format!("export COLUMNS=120; {command}"));
            let said = without_age(&String::from_utf8_lossy(&output.stdout));
            shown.push_str(&format!("$ {command}\n{said}"));
            assert!(output.status.code().is_some_and(|code| code == 0 || code == 3), "{command}: {output:?}");
            commands += 1;
        }
        shown.push_str(&format!("```\n{rest}"));
    }
    if std::env::var_os("BLESS").is_some() {
        return fs::write(&document, shown).expect("the file is ours");
    }
    assert_eq!(shown, text);
    assert!(commands >= 8, "{commands} commands");
}

fn consoles() -> Vec<PathBuf> {
    let entries = fs::read_dir(here()).expect("the folder is in the repository");
    let files = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "console")).collect();
    files.sort();
    assert!(files.len() >= 4, "they are found: {files:?}");
    files
}

fn console(folder: &Path, command: &str) -> String {
    let output = shell(folder, command);
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{}{err}exit {}\n", without_age(&out), output.status.code().expect("it ends by itself"))
}

/// How long ago `head` was noted is another time in each run.
fn without_age(text: &str) -> String {
    let Some((before, after)) = text.split_once(" as noted ") else { return text.to_owned() };
    let (_, after) = after.split_once(" ago").expect("so long ago");
    format!("{before} as noted 0.1 s ago{after}")
}

/// A command as documents have it, with this program.
fn shell(folder: &Path, command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_imapwarden")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(folder).env("PATH", path).env_remove("COLUMNS");
    shell.output().expect("a shell")
}

#[test]
fn a_compressed_log_is_told_in_the_same_words() {
    let (plain, packed) = (told(), told());
    let audit = packed.path().join("audit");
    for number in [1, 2] {
        let segment = audit.join(format!("0000000{number}.jsonl"));
        let octets = zstd::encode_all(&*fs::read(&segment).expect("it is there"), 3).expect("memory");
        fs::write(segment.with_extension("jsonl.zst"), octets).expect("room");
        fs::remove_file(segment).expect("it is there");
    }
    for file in consoles() {
        let text = fs::read_to_string(&file).expect("it can be read");
        for command in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
            assert_eq!(console(packed.path(), command), console(plain.path(), command), "{command}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_log_is_said_before_anything_that_it_says() {
    const REPORTS: [&str; 6] = ["reads", "sessions", "exfil", "clients", "denies", "timeline --sid 4c2q8m0v7x1t"];
    let segment = |folder: &TempDir, number: u32| folder.path().join(format!("audit/{number:08}.jsonl"));
    let replaced = |folder: &TempDir, number: u32, from: &str, to: &str| {
        let path = segment(folder, number);
        let text = fs::read_to_string(&path).expect("UTF-8");
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replacen(from, to, 1)).expect("room");
    };
    let rows: [(&str, &dyn Fn(&TempDir), i32, &str); 6] = [
        (
            "a line edited",
            &|folder| replaced(folder, 1, "\"bytes\":81900", "\"bytes\":81901"),
            1,
            "NOT WHAT WAS WRITTEN in 1 place;",
        ),
        (
            "a segment gone",
            &|folder| fs::remove_file(segment(folder, 1)).expect("it is there"),
            1,
            "segment 1 is missing",
        ),
        (
            "cut at the end",
            &|folder| {
                let text = fs::read_to_string(segment(folder, 2)).expect("UTF-8");
                let lines: Vec<&str> = text.split_inclusive('\n').collect();
                fs::write(segment(folder, 2), lines[..lines.len() - 3].concat()).expect("room");
            },
            1,
            "are cut off: `head` names the last",
        ),
        (
            "rubbish in between",
            &|folder| replaced(folder, 1, "\n{\"v\":1,\"seq\":9,", "\n\u{0}\u{1}\n{\"v\":1,\"seq\":9,"),
            1,
            "a line before record 9 is no record (00000001.jsonl:10)",
        ),
        (
            "another file",
            &|folder| {
                fs::remove_file(segment(folder, 2)).expect("it is there");
                fs::remove_file(folder.path().join("audit/head")).expect("it is there");
                fs::write(segment(folder, 1), "Jan 12 02:13:32 mx-a1 imapd: LOGIN\n").expect("room");
            },
            2,
            "00000001.jsonl:1: not a record of an audit log",
        ),
        (
            "a newer version",
            &|folder| {
                fs::remove_file(segment(folder, 2)).expect("it is there");
                fs::remove_file(folder.path().join("audit/head")).expect("it is there");
                let text = fs::read_to_string(segment(folder, 1)).expect("UTF-8");
                let first = text.lines().next().expect("a line").replace("{\"v\":1,", "{\"v\":2,");
                fs::write(segment(folder, 1), first + "\n").expect("room");
            },
            2,
            "00000001.jsonl:1: a record of version 2, this imapwarden reads version 1",
        ),
    ];
    for (name, harm, status, wanted) in rows {
        let folder = told();
        harm(&folder);
        for report in REPORTS {
            let output = shell(folder.path(), &format!("imapwarden audit report {report} --dir audit"));
            let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            assert_eq!(output.status.code(), Some(status), "{name}, {report}: {out}{err}");
            let said = if status == 2 { &err } else { &out };
            assert!(said.starts_with("covers ") && said.contains(wanted), "{name}, {report}: {out}{err}");
            assert_eq!(out.contains("\ntotal "), status != 2, "{name}, {report}: {out}{err}");
        }
        let query = shell(folder.path(), "imapwarden audit query --dir audit --json");
        assert_eq!(query.status.code(), Some(status), "{name}: {query:?}");
        let quick = shell(folder.path(), "imapwarden audit query --dir audit --unverified --type none");
        let out = String::from_utf8_lossy(&quick.stdout).into_owned();
        assert!(quick.status.code() == Some(0) && out.contains("NOT VERIFIED, as asked"), "{name}: {quick:?}");
        let err = String::from_utf8_lossy(&quick.stderr).into_owned();
        let said = ["rubbish in between", "another file", "a newer version"].contains(&name);
        assert_eq!(err.contains("not read 00000001.jsonl:"), said, "{name}: {err}");
    }
}

#[test]
fn a_gap_that_the_log_names_is_told_with_what_was_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    story::with_a_gap(&folder.path().join("audit"));
    let output = shell(folder.path(), "imapwarden audit report reads --dir audit");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("intact, gaps 1, intents without done 0"), "{out}");
    assert!(out.contains("lost     3-31 (29 message.read) disk_full 2027-01-09T22:14:"), "{out}");
}

#[test]
fn a_clock_that_goes_back_is_noted_and_changes_no_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit");
    let mut story = story::Story::begin(&audit, "2027-01-11T08:00:00Z");
    story.open(imapwarden::session::event::OpenReason::First);
    let mut first = story::session(&mut story, "7h3n0r8m4k2p", "ann", "203.0.113.7", None);
    first.logs_in(&mut story);
    story.at("2027-01-11T07:00:00Z");
    let mut second = story::session(&mut story, "4c2q8m0v7x1t", "ann", "203.0.113.7", None);
    second.logs_in(&mut story);
    [first, second].into_iter().for_each(|session| session.ends(&mut story, 7));
    story.close();
    let said = |command: &str| {
        let output = shell(folder.path(), command);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let verified = said("imapwarden audit verify audit");
    assert!(
        verified.contains("  clock     6       back in time, first at record 5: order is by number\n"),
        "{verified}"
    );
    let sessions = said("imapwarden audit report sessions --dir audit");
    assert!(sessions.contains("clock    went back, times 6: order is by number, never by time\n"), "{sessions}");
    assert!(sessions.find("7h3n0r8m4k2p") < sessions.find("4c2q8m0v7x1t"), "{sessions}");
}

#[test]
fn an_owner_is_told_what_others_did_and_nothing_of_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit");
    let mut story = story::Story::begin(&audit, "2027-01-11T08:00:00Z");
    story.open(imapwarden::session::event::OpenReason::First);
    for (sid, user, actor) in [
        ("7h3n0r8m4k2p", "ann", None),
        ("4c2q8m0v7x1t", "ann", Some("support")),
        ("5k8t2w6q9d3f", "bob", Some("support")),
    ] {
        let mut session = story::session(&mut story, sid, user, "203.0.113.7", None);
        if let Some(actor) = actor {
            session = session.by(actor);
        }
        session.logs_in(&mut story);
        session.opens(&mut story, "Finance/Q4", 310, &[7], "hide-board-mail");
        session.reads(&mut story, (12..17).map(|uid| story::message(uid, ReadClass::Full, 50_000, 50_000)).collect());
        session.is_refused_a_copy(&mut story, "12:16", "Archive/Private", "no-export-finance");
        session.ends(&mut story, 7);
    }
    story.close();
    let output = shell(folder.path(), "imapwarden audit report owner --dir audit --user ann");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("time ")).skip(1).collect();
    let [opened, read, total] = rows.as_slice() else { panic!("{said}") };
    assert!(opened.contains("  support  203.0.113.7  Finance/Q4  opened, 310 messages"), "{said}");
    assert!(read.contains("  support  203.0.113.7  Finance/Q4  read 5 full"), "{said}");
    assert_eq!(*total, "total    records 2");
    assert!(!said.contains("no-export") && !said.contains("hide-board") && !said.contains("bob"), "{said}");
    let nobody = shell(folder.path(), "imapwarden audit report owner --dir audit");
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
}

#[test]
fn several_logs_are_verified_together_and_the_worst_counts() {
    let folder = told();
    shell(folder.path(), "cp -r audit good; cp -r audit bad; sed -i 's/m.berg/n.berg/' bad/00000001.jsonl");
    let said = |command: &str, status: i32| {
        let output = shell(folder.path(), command);
        assert_eq!(output.status.code(), Some(status), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = said("imapwarden audit verify audit bad good", 1);
    let heads: Vec<&str> = text.lines().filter(|line| ["audit", "bad", "good"].contains(line)).collect();
    assert_eq!((heads, text.matches("result: ").count()), (vec!["audit", "bad", "good"], 3), "{text}");
    assert_eq!(said("imapwarden audit verify good audit nowhere", 2).matches("result: ").count(), 3);
    let json = said("imapwarden audit verify good bad --json", 1);
    let exits: Vec<_> = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an object"))
        .map(|object| (object["directory"].as_str().expect("where").to_owned(), object["exit"].as_u64()))
        .collect();
    assert_eq!(exits, [("good".to_owned(), Some(3)), ("bad".to_owned(), Some(1))]);
    said("imapwarden audit verify good bad --expect 1:kVUaLU3GKiLkDvAVEzlyP5phw7aFT-Yd3fF9lCUm7Cg", 2);
}

#[test]
fn every_example_of_the_help_can_be_copied() {
    let folder = told();
    for name in ["imapwarden.toml", "tomorrow.toml"] {
        fs::copy(here().join("tomorrow/imapwarden.toml"), folder.path().join(name)).expect("room");
    }
    fs::create_dir(folder.path().join("rules")).expect("room");
    fs::copy(here().join("tomorrow/rules/finance.toml"), folder.path().join("rules/finance.toml")).expect("room");
    for copy in ["mx-a2", "state"] {
        fs::create_dir(folder.path().join(copy)).expect("room");
    }
    shell(
        folder.path(),
        "cp -r audit mx-a2/audit; head -c 32 /dev/urandom | basenc --base64url | tr -d = >state/audit-hash.key",
    );
    let reports =
        "reads sessions timeline owner message exfil volume clients refusals denies rules searches".split(' ');
    let reports = reports.map(|report| format!("audit report {report}"));
    fs::create_dir(folder.path().join("notes")).expect("room");
    // The key that the first makes is asked for by the second.
    let tools =
        ["audit init", "audit verify", "audit query", "audit tail", "audit hash", "simulate"].map(str::to_owned);
    for tool in tools.into_iter().chain(reports) {
        let help = shell(folder.path(), &format!("imapwarden {tool} --help"));
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{tool}: {help}"));
        assert!(examples.lines().count() > 0, "{tool}");
        for example in examples.lines() {
            assert!(example.starts_with("  imapwarden "), "{tool}: {example}");
            // What follows never ends.
            let done = shell(folder.path(), &example.replace(" -f", ""));
            assert!(done.status.code().is_some_and(|code| code != 2), "{example}: {done:?}");
        }
    }
}

/// Follows the log of a process that writes to it.
#[test]
fn tail_follows_a_log_that_is_written_over_its_segments() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit");
    let mut story = story::Story::begin(&audit, "2027-01-11T08:00:00Z");
    story.open(imapwarden::session::event::OpenReason::First);
    story.leave();
    let mut tail = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    tail.args(["audit", "tail", "--json", "-f", "-n", "1", "--type", "auth.*", "--type", "policy.load", "--dir"])
        .arg(&audit);
    let mut tail = tail.stdout(std::process::Stdio::piped()).spawn().expect("the program is built");
    let mut lines = BufReader::new(tail.stdout.take().expect("a pipe")).lines();
    let mut next = || -> serde_json::Value {
        serde_json::from_str(&lines.next().expect("a line").expect("UTF-8")).expect("a record as it stands")
    };
    assert_eq!(next()["type"], "policy.load", "the last that was there");
    for (reason, sid) in [(0, "7h3n0r8m4k2p"), (1, "4c2q8m0v7x1t")] {
        if reason > 0 {
            story.open(imapwarden::session::event::OpenReason::Start);
        } else {
            story.take_up();
        }
        let mut session = story::session(&mut story, sid, "ann", "203.0.113.7", None);
        session.fails(&mut story);
        session.logs_in(&mut story);
        session.ends(&mut story, 7);
        story.leave();
        if reason > 0 {
            assert_eq!(next()["type"], "policy.load", "of the segment that begins");
        }
        assert_eq!((&next()["type"], sid), (&"auth.failure".into(), sid));
        let login = next();
        assert_eq!((&login["type"], &login["sid"]), (&"auth.success".into(), &sid.into()));
    }
    tail.kill().expect("it follows");
    tail.wait().expect("it is ours");
}

/// After an upgrade there are two: that of the directory, and one in it.
#[test]
fn simulate_and_tail_read_all_logs_of_a_directory() {
    let folder = told();
    let run = |command: &str| {
        let output = shell(folder.path(), command);
        assert!(output.status.code().is_some_and(|code| code != 2), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let simulate = "imapwarden simulate --config tomorrow/imapwarden.toml --audit audit --case IR-204 --json";
    let object = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("an object");
    let one = object(&run(simulate));
    run("mkdir audit/0123456789; cp audit/0* audit/head audit/0123456789/");
    let two = object(&run(simulate));
    assert_eq!(one["beside"], serde_json::Value::Null);
    assert_eq!(two["beside"].as_array().map(Vec::len), Some(1), "{two}");
    assert_eq!((&two["beside"][0], &two["covers"]), (&one["covers"], &one["covers"]));
    for what in ["same", "refuse", "hide", "allow", "undecidable"] {
        let count =
            |told: &serde_json::Value| told["counts"][what].as_u64().unwrap_or_else(|| panic!("{what}: {told}"));
        assert_eq!(count(&two), 2 * count(&one), "{what}");
    }
    let tail = run("imapwarden audit tail --dir audit -n 4 --json");
    let seqs: Vec<u64> = tail.lines().map(|line| object(line)["seq"].as_u64().expect("a number")).collect();
    assert_eq!(seqs, [54, 54, 55, 55], "by time");
    // Each reading stands in one place, and says what it was for.
    let access = fs::read_to_string(folder.path().join("audit/access.jsonl")).expect("readings");
    let told: Vec<_> = access.lines().map(object).map(|record| record["data"].clone()).collect();
    let words: Vec<_> = told.iter().map(|data| (data["command"].as_str(), data["case"].as_str())).collect();
    let simulated = (Some("simulate"), Some("IR-204"));
    assert_eq!(words, [simulated, simulated, (Some("tail"), None)]);
    assert!(!folder.path().join("audit/0123456789/access.jsonl").exists());
}

#[test]
fn who_is_killed_while_reading_has_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit");
    let mut story = story::Story::begin(&audit, "2027-01-11T08:00:00Z");
    story.open(imapwarden::session::event::OpenReason::First);
    for _ in 0..1500 {
        let mut session = story::session(&mut story, "7h3n0r8m4k2p", "ann", "203.0.113.7", None);
        session.fails(&mut story);
        session.ends(&mut story, 7);
    }
    story.leave();
    let told = || -> Vec<serde_json::Value> {
        let access = fs::read_to_string(audit.join("access.jsonl")).unwrap_or_default();
        access.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    };
    let mut query = Command::new(env!("CARGO_BIN_EXE_imapwarden"));
    query.args(["audit", "query", "--json", "--user", "*", "--dir"]).arg(&audit);
    query.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut query = query.spawn().expect("the program is built");
    // More than is held, and than a pipe takes: it waits for whoever reads.
    let mut out = BufReader::new(query.stdout.take().expect("a pipe"));
    out.read_line(&mut String::new()).expect("a record");
    query.kill().expect("it is ours");
    query.wait().expect("it is ours");
    let [begun] = told().try_into().expect("one reading");
    let begun: serde_json::Value = begun;
    assert_eq!((&begun["data"]["command"], &begun["data"]["filter"]), (&"query".into(), &"user=*".into()), "{begun}");
    assert_eq!(begun["data"].get("rows"), None, "nobody knew yet how many: {begun}");
    // To its end: how many they were is told then.
    let whole = shell(folder.path(), "imapwarden audit query --dir audit --json --user '*'");
    let lines = whole.stdout.iter().filter(|octet| **octet == b'\n').count();
    let rows: Vec<_> = told().iter().map(|record| record["data"]["rows"].as_u64()).collect();
    assert_eq!(rows, [None, None, u64::try_from(lines).ok()]);
    // What fits is counted before any of it is shown.
    shell(folder.path(), "imapwarden audit query --dir audit --type audit.open --json");
    assert_eq!(told().last().map(|record| record["data"]["rows"].clone()), Some(1.into()));
}
