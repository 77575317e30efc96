//! RFC 5424: the line of the log as the message of facility 13 (log audit).

use super::{Severity, VERSION};
use crate::audit::Line;

/// Facility "log audit".
const FACILITY: u32 = 13;
/// Characters of HOSTNAME.
const HOSTNAME: usize = 255;

/// `SYSLOG-MSG = HEADER SP STRUCTURED-DATA [SP MSG]`, without a line end.
///
/// MSG is MSG-ANY: a byte order mark would make it no JSON.
#[must_use]
pub fn message(line: &Line<'_>, bytes: &[u8]) -> String {
    let severity = match Severity::of(line) {
        Severity::Information => 6,
        Severity::Warning => 4,
        Severity::Fault => 3,
    };
    let priority = FACILITY * 8 + severity;
    let host = printusascii(&line.node, HOSTNAME);
    let text = String::from_utf8_lossy(bytes);
    format!(
        "<{priority}>1 {} {host} imapwarden - {} [origin software=\"imapwarden\" swVersion=\"{VERSION}\"] {text}",
        printusascii(line.ts, 32),
        printusascii(line.code, 32)
    )
}

/// `1*max PRINTUSASCII`, or NILVALUE.
fn printusascii(text: &str, max: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(max).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}
