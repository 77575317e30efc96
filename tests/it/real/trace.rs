//! What a program asked of the kernel, in order, as strace saw it.
//!
//! ```text
//!   7012 sendto(9<TCP:[127.0.0.1:143->127.0.0.1:5501]>, "* 1 FETCH (UID 4 BODY[] {21}\r\n…", 80, MSG_NOSIGNAL, NULL, 0) = 80
//!   7013 fdatasync(7</tmp/iw-x/audit/00000001.jsonl> <unfinished ...>
//!   7012 <... fdatasync resumed>)  = 0
//! ```
//!
//! A call begins where its line does, and has ended where its result stands: what began behind that came after it.

use std::collections::HashMap;

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// What the descriptor is, as strace says it: a path, or `TCP:[…]`.
    pub on: String,
    /// The octets that it wrote.
    pub octets: Vec<u8>,
    /// The lines of the trace in which it began and ended.
    pub began: usize,
    pub ended: usize,
}

/// All calls that did not fail, by where they began.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((pid, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(begin) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, (at, begin.to_owned()));
        } else if text.starts_with("<... ") {
            if let (Some((began, begin)), Some((_, end))) = (begun.remove(pid), text.split_once(" resumed>")) {
                calls.extend(call(&(begin + end), began, at));
            }
        } else {
            calls.extend(call(text, at, at));
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

fn call(text: &str, began: usize, ended: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result: usize = result.split(' ').next()?.parse().ok()?; // what failed has a number below 0
    let on = arguments.split_once('<').and_then(|(_, on)| on.split_once('>'));
    // `TCP:[a->b]` has one within.
    let on = on.map(|(on, rest)| match (on.ends_with('-'), rest.split_once('>')) {
        (true, Some((peer, _))) => format!("{on}>{peer}"),
        _ => on.to_owned(),
    });
    let mut octets = strings(arguments);
    octets.truncate(result);
    Some(Call { name: name.to_owned(), on: on.unwrap_or_default(), octets, began, ended })
}

/// What stands between quotes, one behind the other.
fn strings(text: &str) -> Vec<u8> {
    let (mut octets, mut bytes) = (Vec::new(), text.bytes().peekable());
    let mut inside = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            _ if !inside => {}
            b'\\' => match bytes.next() {
                Some(b'n') => octets.push(b'\n'),
                Some(b'r') => octets.push(b'\r'),
                Some(b't') => octets.push(b'\t'),
                Some(b'v') => octets.push(0x0b),
                Some(b'f') => octets.push(0x0c),
                Some(digit @ b'0'..=b'7') => {
                    let mut value = u32::from(digit - b'0');
                    for _ in 0..2 {
                        let Some(digit) = bytes.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                        value = value * 8 + u32::from(digit - b'0');
                    }
                    octets.push(u8::try_from(value).expect("an octet"));
                }
                other => octets.extend(other),
            },
            byte => octets.push(byte),
        }
    }
    octets
}

#[test]
fn a_trace_is_read() {
    const TRACE: &str = r#"70 write(3<TCP:[127.0.0.1:1->127.0.0.1:2]>, "a\r\n\1b", 5) = 5
70 fdatasync(7</x/1.jsonl> <unfinished ...>
71 writev(3<TCP:[a->b]>, [{iov_base="x\"", iov_len=2}, {iov_base="yz", iov_len=2}], 2) = 3
72 sendto(3<TCP:[a->b]>, "lost", 4, MSG_NOSIGNAL, NULL, 0) = -1 EAGAIN (Resource temporarily unavailable)
70 <... fdatasync resumed>)          = 0
70 +++ exited with 0 +++
"#;
    let call = |name: &str, on: &str, octets: &[u8], began, ended| Call {
        name: name.to_owned(),
        on: on.to_owned(),
        octets: octets.to_vec(),
        began,
        ended,
    };
    let expected = [
        call("write", "TCP:[127.0.0.1:1->127.0.0.1:2]", b"a\r\n\x01b", 0, 0),
        call("fdatasync", "/x/1.jsonl", b"", 1, 4),
        call("writev", "TCP:[a->b]", b"x\"y", 2, 2),
    ];
    assert_eq!(calls(TRACE), expected);
}
