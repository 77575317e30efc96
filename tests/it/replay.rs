//! Plain scope is byte for byte: what real servers said reaches the client as it was said, however it is cut.
//!
//! The corpus and the table of quirks lie beside a developer's checkout and in CI. A clone that has them not says so; the
//! transcripts of this folder cover the same quirks one by one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imapwarden::imap::capability;

use crate::driver::{Driver, Setting};

/// Longer than any word of a corpus that could be taken for it.
const PREFIX: &str = "q7w8e9r0t1y2u";

const OFFERED: &str = "IMAP4rev1 LITERAL+ IDLE";

/// A session that has selected INBOX and waits for answers to a command for each of these tags.
fn waiting_for(tags: &[Vec<u8>], idle: bool) -> (Driver, Vec<Vec<u8>>) {
    let mut driver = Driver::new(Setting { tag_prefix: PREFIX, ..Setting::default() });
    driver.client.clear();
    driver.log_in("ann@example.org", OFFERED);
    driver.client_says(b"s SELECT INBOX\r\n");
    let tag = driver.own_tag();
    driver.upstream_says(format!("* 3 EXISTS\r\n{tag} OK [READ-WRITE] selected\r\n").as_bytes());
    let mut own = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        driver.upstream.clear();
        let command: &[u8] = if idle && at + 1 == tags.len() { b" IDLE\r\n" } else { b" NOOP\r\n" };
        driver.client_says(&[tag.as_slice(), command].concat());
        own.push(driver.own_tag().into_bytes());
    }
    driver.client.clear();
    (driver, own)
}

/// One line of a server's with the literals that hang on it, or a bare line.
struct Unit {
    line: Vec<u8>,
    literal: Vec<u8>,
    /// Does it go on a response that the line before began?
    goes_on: bool,
}

/// Cuts a server's bytes at line ends and literals: an implementation of its own, naive on purpose.
fn units(bytes: &[u8]) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut rest = bytes;
    let mut goes_on = false;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        let status = [&b"* OK"[..], b"* NO", b"* BAD", b"* BYE"].iter().any(|word| line.starts_with(word));
        let size = if status && !goes_on { None } else { literal_size(line) };
        let (literal, behind) = behind.split_at(size.unwrap_or(0).min(behind.len()));
        units.push(Unit { line: line.to_vec(), literal: literal.to_vec(), goes_on });
        goes_on = size.is_some();
        rest = behind;
    }
    units
}

fn literal_size(line: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']).strip_suffix('}')?;
    let (before, number) = text.rsplit_once('{')?;
    let mut open = false;
    let mut letters = before.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => open = !open,
            '\\' if open => {
                letters.next();
            }
            _ => {}
        }
    }
    if open || number.is_empty() {
        return None;
    }
    match number.strip_prefix('-') {
        Some(digits) => digits.chars().all(|c| c.is_ascii_digit()).then_some(0),
        None => number.chars().all(|c| c.is_ascii_digit()).then(|| number.parse().unwrap_or(usize::MAX)),
    }
}

/// The tag of a tagged response.
fn tag(line: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ');
    let tag = words.next()?;
    let status = words.next()?.trim_end();
    let known = ["OK", "NO", "BAD"].iter().any(|word| word.eq_ignore_ascii_case(status));
    let is_tag = tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
        && tag.chars().any(|c| c.is_ascii_digit() || c == '#');
    (known && is_tag && tag.len() <= 24).then(|| tag.as_bytes().to_vec())
}

/// What the client must get of a line: less in a list of capabilities.
fn without_unknown_capabilities(line: &[u8]) -> Vec<u8> {
    let upper = line.to_ascii_uppercase();
    let find = |text: &[u8]| upper.windows(text.len()).position(|window| window == text);
    let data = upper.starts_with(b"* CAPABILITY ").then_some(b"* CAPABILITY".len());
    let code = find(b"[CAPABILITY ").map(|at| at + b"[CAPABILITY".len());
    let Some(begin) = data.or(code.filter(|at| line[*at..].contains(&b']'))) else { return line.to_vec() };
    let end = if data.is_some() {
        line.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(line.len())
    } else {
        line.iter().position(|byte| *byte == b']').unwrap_or(line.len())
    };
    let (head, list, tail) = (&line[..begin], &line[begin..end], &line[end..]);
    let mut out = head.to_vec();
    for word in list.split_inclusive(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let name = word.strip_suffix(b" ").unwrap_or(word);
        if name.is_empty() || capability::class(name).is_some() {
            out.extend_from_slice(word);
        }
    }
    let trailing = list.ends_with(b" ");
    while !trailing && out.ends_with(b" ") {
        out.pop();
    }
    out.extend_from_slice(tail);
    out
}

/// Feeds a server's bytes in segments of these lengths and compares what the client gets.
fn replay(name: &str, bytes: &[u8], seeds: &[u64]) -> Result<(), String> {
    let units = units(bytes);
    let mut tags: Vec<Vec<u8>> = Vec::new();
    for unit in units.iter().filter(|unit| !unit.goes_on) {
        if let Some(tag) = tag(&unit.line).filter(|tag| !tags.contains(tag)) {
            tags.push(tag);
        }
    }
    tags.truncate(60);
    let idle = units.iter().any(|unit| !unit.goes_on && unit.line.starts_with(b"+"));
    if idle && tags.is_empty() {
        tags.push(b"idle".to_vec());
    }
    for &seed in seeds {
        let (mut driver, own) = waiting_for(&tags, idle);
        let (mut fed, mut want) = (Vec::new(), Vec::new());
        let mut answered = BTreeSet::new();
        for unit in &units {
            let tagged = if unit.goes_on { None } else { tag(&unit.line) };
            let at = tagged.and_then(|tag| tags.iter().position(|known| *known == tag));
            match at.filter(|at| answered.insert(*at)) {
                Some(at) => {
                    fed.extend_from_slice(&own[at]);
                    fed.extend_from_slice(&unit.line[tags[at].len()..]);
                }
                None => fed.extend_from_slice(&unit.line),
            }
            fed.extend_from_slice(&unit.literal);
            want.extend_from_slice(&if unit.goes_on {
                unit.line.clone()
            } else {
                without_unknown_capabilities(&unit.line)
            });
            want.extend_from_slice(&unit.literal);
        }
        let mut random = seed;
        let mut rest = fed.as_slice();
        while !rest.is_empty() {
            let length = match seed {
                0 => rest.len(),
                1 => 1,
                _ => {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    usize::try_from(random >> 55).unwrap_or(1) + 1
                }
            };
            let (segment, behind) = rest.split_at(length.min(rest.len()));
            driver.upstream_says(segment);
            rest = behind;
        }
        let got = &driver.client;
        let same = if driver.closed { want.starts_with(got) } else { *got == want || is_unfinished(&want, got) };
        if !same {
            let at = got.iter().zip(&want).position(|(a, b)| a != b).unwrap_or(got.len().min(want.len()));
            let near = |bytes: &[u8]| {
                let from = at.saturating_sub(60);
                bytes.get(from..(at + 60).min(bytes.len())).unwrap_or_default().escape_ascii().to_string()
            };
            return Err(format!(
                "{name} (seed {seed}): at {at} of {}\n  want {}\n  got  {}\n",
                want.len(),
                near(&want),
                near(got)
            ));
        }
        if driver.closed {
            return Err(format!("{name} (seed {seed}): the session closed; last record {:?}", driver.records.last()));
        }
    }
    Ok(())
}

/// A line without its end is held: how it ends is not known.
fn is_unfinished(want: &[u8], got: &[u8]) -> bool {
    want.strip_prefix(got).is_some_and(|held| !held.contains(&b'\n') && !want.ends_with(b"\n"))
}

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {path:?} is not here; it lies beside developers' checkouts and in CI only");
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Is it a file of what a server sent, as it was on the wire?
fn is_server_side(path: &str) -> bool {
    let scripts = ["imaptest", "james-mpt", "fake-mail-server", "curl/", "curl-fuzzer", "imap-codec", "command-"];
    path.contains("transcripts") && !scripts.iter().any(|name| path.contains(name)) && !path.ends_with(".client")
}

#[test]
fn transcripts_of_real_servers_pass_unchanged() {
    let Some(corpus) = shared("corpus/transcripts") else { return };
    let mut found = Vec::new();
    files(&corpus, &mut found);
    let mut failures = Vec::new();
    let mut played = 0;
    for path in &found {
        let name = path.strip_prefix(corpus.parent().expect("a parent")).unwrap_or(path).display().to_string();
        if !is_server_side(&name) {
            continue;
        }
        let bytes = std::fs::read(path).expect("a file");
        played += 1;
        let seeds: &[u64] = if bytes.len() > 200_000 { &[0, 7] } else { &[0, 1, 7, 8] };
        failures.extend(replay(&name, &bytes, seeds).err());
    }
    assert!(played > 300, "only {played} files");
    assert!(failures.is_empty(), "{} of {played}:\n{}", failures.len(), failures[..failures.len().min(12)].join("\n"));
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'x') => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).expect("hex"));
            }
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    out
}

fn quirks(direction: &str) -> Option<Vec<(String, String, Vec<u8>)>> {
    let text = std::fs::read_to_string(shared("quirks.tsv")?).expect("a table");
    let rows = text.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() > 4 && row[1] == direction);
    Some(rows.map(|row| (row[0].to_owned(), row[3].to_owned(), unescape(row[4]))).collect())
}

#[test]
fn quirks_of_servers_pass_unchanged() {
    let Some(rows) = quirks("server") else { return };
    assert!(rows.len() > 100, "{} rows", rows.len());
    // L08, a literal whose length does not fit 64 bits: nothing behind it can be framed, and the session ends.
    let rows: Vec<_> = rows.into_iter().filter(|(id, ..)| id != "L08").collect();
    let failures: Vec<String> =
        rows.iter().filter_map(|(id, _, bytes)| replay(id, bytes, &[0, 1, 7, 8]).err()).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

/// Whatever a client sends: no panic, nothing goes up that is not a whole command, and what is refused is answered.
#[test]
fn quirks_of_clients_are_taken_or_refused() {
    let Some(rows) = quirks("client") else { return };
    for (id, _, bytes) in &rows {
        for cut in [bytes.len(), 1, 3] {
            let (mut driver, _) = waiting_for(&[], false);
            driver.upstream.clear();
            for segment in bytes.chunks(cut) {
                driver.client_says(segment);
            }
            driver.wait(std::time::Duration::from_secs(3600));
            assert!(driver.closed, "{id}: a client that falls silent is sent away");
        }
    }
}

/// Every file of either kind, as either side, and cut off anywhere: no panic, no hang.
#[test]
fn nothing_in_the_corpus_breaks_a_session() {
    let Some(corpus) = shared("corpus") else { return };
    let mut found = Vec::new();
    files(&corpus, &mut found);
    for path in &found {
        let bytes = std::fs::read(path).expect("a file");
        let bytes = bytes.get(..bytes.len().min(100_000)).unwrap_or_default();
        let (mut driver, _) = waiting_for(&[b"a1".to_vec(), b"a2".to_vec()], true);
        driver.upstream_says(bytes);
        driver.client_says(bytes);
        driver.upstream_says(bytes);
        let mut before_login = Driver::new(Setting::default());
        before_login.client_says(bytes);
        if bytes.len() < 2_000 {
            for end in (0..bytes.len()).step_by(7) {
                let (mut driver, _) = waiting_for(&[b"a1".to_vec()], false);
                driver.upstream_says(&bytes[..end]);
                driver.client_says(&bytes[..end]);
            }
        }
    }
}

/// Messages of all kinds, served and stored: as FETCH literals they reach the client, as APPEND literals the upstream, octet
/// for octet.
#[test]
fn messages_pass_unchanged_in_both_directions() {
    let Some(corpus) = shared("corpus/messages") else { return };
    let mut found = Vec::new();
    files(&corpus, &mut found);
    assert!(found.len() > 1000, "{} messages", found.len());
    for path in &found {
        let bytes = std::fs::read(path).expect("a file");
        let (mut driver, own) = waiting_for(&[b"f1".to_vec()], false);
        let head = format!("* 1 FETCH (UID 9 BODY[] {{{}}}\r\n", bytes.len());
        let response = [head.as_bytes(), &bytes, b" FLAGS (\\Seen))\r\n"].concat();
        for segment in response.chunks(1000) {
            driver.upstream_says(segment);
        }
        driver.upstream_says(&[own[0].as_slice(), b" OK done\r\n"].concat());
        assert!(driver.client == [response.as_slice(), b"f1 OK done\r\n"].concat(), "{path:?}");
        driver.upstream.clear();
        driver.client_says(format!("p1 APPEND Drafts (\\Draft) {{{}+}}\r\n", bytes.len()).as_bytes());
        driver.upstream_says(b"+ go ahead\r\n");
        for segment in bytes.chunks(777) {
            driver.client_says(segment);
        }
        driver.client_says(b"\r\n");
        let at = driver.upstream.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
        let sent = &driver.upstream[at..];
        let head = format!("APPEND Drafts (\\Draft) {{{}}}\r\n", bytes.len());
        let want = [head.as_bytes(), &bytes, b"\r\n"].concat();
        assert!(sent == want, "{path:?}: {}", sent[..sent.len().min(80)].escape_ascii());
    }
}
