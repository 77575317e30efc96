//! RFC 4180: a row a record, for spreadsheets.

use super::facts::{counts, rules};
use crate::audit::{Line, Text};
use crate::report::data::Data;
use crate::report::describe;

/// The names of the columns.
pub const HEADS: &str = "ts,seq,type,code,session,command,verb,stage,user,actor,credential,client_ip,mailbox,uidvalidity,\
                         verdict,rules,status,messages,octets,what\r\n";

/// A row; the caller ends the line, so that only `\r` is missing.
#[must_use]
pub fn row(line: &Line<'_>) -> String {
    let data = line.data::<Data<'_>>().unwrap_or_default();
    let text = |text: &Option<Text<'_>>| text.as_ref().map_or(String::new(), |text| text.as_str().to_owned());
    let number = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
    let (messages, octets) = counts(&data);
    let mailbox = line.mailbox.as_ref();
    let fields = [
        line.ts.to_owned(),
        line.seq.to_string(),
        line.type_name.to_owned(),
        line.code.to_owned(),
        text(&line.sid),
        number(line.cmd.map(u64::from)),
        text(&line.verb),
        line.stage.unwrap_or_default().to_owned(),
        text(&line.user),
        text(&line.actor),
        text(&line.credential),
        text(&line.client_ip),
        mailbox.map_or(String::new(), |mailbox| mailbox.name.clone().into_owned()),
        number(mailbox.and_then(|mailbox| mailbox.uidv).map(u64::from)),
        line.policy.as_ref().map_or(String::new(), |policy| policy.verdict.to_owned()),
        rules(line).join(" "),
        line.result.as_ref().map_or(String::new(), |result| result.status.to_owned()),
        number(messages),
        number(octets),
        describe(line),
    ];
    fields.map(|field| quoted(&field)).join(",") + "\r"
}

/// What begins like a formula would be one to a spreadsheet: peers choose names of mailboxes.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    match field.contains([',', '"', '\r', '\n']) || !guard.is_empty() {
        true => format!("\"{guard}{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}
