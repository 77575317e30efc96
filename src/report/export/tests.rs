//! Every type of record, exported, is what each format says it must be.

use std::collections::BTreeSet;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::*;
use crate::audit::tests::schema::lines;

/// Schemas of the formats, made from what their makers publish.
const OCSF: &str = include_str!("../../../tests/it/audit_tools/schemas/ocsf.schema.json");
const ECS: &str = include_str!("../../../tests/it/audit_tools/schemas/ecs.schema.json");

/// A schema, with its formats asserted.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn of(text: &str) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource("schema.json", serde_json::from_str(text).expect("JSON")).expect("a resource");
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| format!("{error:#}"))
    }
}

/// Lines of every type that can be written, and of those that later versions write.
fn records() -> Vec<Vec<u8>> {
    let mut records = lines(30);
    let later = [
        r#""type":"policy.alert","code":"PO300W","sid":"4c2q8m0v7x1t","user":"ann","client_ip":"2001:db8::7","policy":{"rev":"9b1d02c4","verdict":"hidden","by":["x","y"]}"#,
        r#""type":"mailbox.hidden","code":"MB112I","sid":"4c2q8m0v7x1t","user":"ann","client_ip":"203.0.113.7","mailbox":{"name":"a|b=c\\\nd\u001b"},"data":{"uids":"1:3","n":3}"#,
        r#""type":"session.kill","code":"SE102W","sid":"4c2q8m0v7x1t","client_ip":"203.0.113.7","data":{"by":"admin","why":"x"}"#,
        r#""type":"audit.checkpoint","code":"AL110I","data":{"size":7}"#,
        r#""type":"lock.change","code":"AD110W","data":{"op":"add","subject":"ann"}"#,
        r#""type":"something.new","code":"ZZ100E","data":{"deep":[{"a":1}]}"#,
    ];
    records.extend(later.map(|fields| {
        format!(
            r#"{{"v":1,"seq":7,"prev":"x","log":"01k9z3t0m4","node":"mx-a1","ts":"2027-01-13T02:13:32.053604Z",{fields}}}"#
        )
        .into_bytes()
    }));
    records
}

fn each(check: impl Fn(&Line<'_>, &[u8]) -> Result<(), String>) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    for bytes in records() {
        let line = Line::parse(&bytes).expect("a record");
        types.insert(line.type_name.to_owned());
        if let Err(wrong) = check(&line, &bytes) {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(1500)]).into_owned();
            panic!("{wrong}\n{shown}");
        }
    }
    let schema: Value = serde_json::from_str(include_str!("../../../schema/audit-v1.schema.json")).expect("JSON");
    let known = schema["$defs"]["type"]["enum"].as_array().expect("types").iter().filter_map(Value::as_str);
    let missing: Vec<_> = known.filter(|name| !types.contains(*name)).collect();
    assert!(missing.is_empty(), "no record of {missing:?}");
    types
}

#[test]
fn ocsf_events_are_of_the_schema() {
    let schema = Schema::of(OCSF);
    each(|line, _| {
        let event = ocsf::event(line);
        schema.check(&event).map_err(|error| format!("{error}\n{event}"))
    });
}

#[test]
fn ecs_documents_are_of_the_schema() {
    let schema = Schema::of(ECS);
    // As schemas/event.yml has it under expected_event_types.
    let expected = [
        ("authentication", &["start", "end", "info"][..]),
        ("session", &["start", "end", "info"]),
        ("email", &["info"]),
        ("configuration", &["access", "change", "creation", "deletion", "info"]),
        ("intrusion_detection", &["allowed", "denied", "info"]),
        ("network", &["access", "allowed", "connection", "denied", "end", "info", "protocol", "start"]),
    ];
    each(|line, _| {
        let document = ecs::event(line);
        schema.check(&document).map_err(|error| format!("{error}\n{document}"))?;
        let (category, kind) = (&document["event"]["category"][0], &document["event"]["type"][0]);
        let types = expected.iter().find(|(name, _)| category == name).map(|(_, types)| *types).unwrap_or_default();
        if types.iter().any(|name| kind == name) { Ok(()) } else { Err(format!("{category} with {kind}")) }
    });
}

#[test]
fn the_schemas_refuse_what_is_not_theirs() {
    let bytes = records().swap_remove(0);
    let line = Line::parse(&bytes).expect("a record");
    for (schema, event) in [(OCSF, ocsf::event(&line)), (ECS, ecs::event(&line))] {
        let schema = Schema::of(schema);
        assert_eq!(schema.check(&event), Ok(()));
        let mut more = event.clone();
        more["imap"] = 1.into();
        assert!(schema.check(&more).is_err());
        let mut less = event;
        for required in ["time", "@timestamp"] {
            less.as_object_mut().expect("an object").remove(required);
        }
        assert!(schema.check(&less).is_err());
    }
}

#[test]
fn cef_events_are_of_the_grammar() {
    each(|line, _| {
        let event = cef::event(line);
        let fields = cef_fields(&event).map_err(|wrong| format!("{wrong}: {event}"))?;
        let value = |key: &str| fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let mailbox = line.mailbox.as_ref().map(|mailbox| mailbox.name.replace("\r\n", "\n").replace('\r', "\n"));
        let tame = mailbox.as_deref().is_none_or(|name| name.chars().all(|c| c == '\n' || !c.is_control()));
        match (value("externalId"), value("cs2")) {
            (Some(id), _) if id != format!("{}:{}", line.log, line.seq) => Err(format!("another id: {event}")),
            (None, _) => Err(format!("no id: {event}")),
            (_, name) if tame && name != mailbox.as_deref() && !has_marks(mailbox.as_deref()) => {
                Err(format!("{name:?} is not {mailbox:?}"))
            }
            _ => Ok(()),
        }
    });
}

/// Text with marks that turn it around is written with escapes of our own.
fn has_marks(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.chars().any(|c| !crate::report::table::is_tame(c) && c != '\n'))
}

/// Reads `CEF:0|…|…|…|…|…|…|key=value key=value …`.
fn cef_fields(event: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut rest = event.strip_prefix("CEF:0|").ok_or("no begin")?;
    let mut head = Vec::new();
    while head.len() < 6 {
        let mut at = None;
        let mut escaped = false;
        for (index, c) in rest.char_indices() {
            match c {
                _ if escaped && !matches!(c, '\\' | '|') => return Err("an escape that is none in the head"),
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '|' => {
                    at = Some(index);
                    break;
                }
                '\r' | '\n' => return Err("a line end in the head"),
                _ => {}
            }
        }
        let at = at.ok_or("fields are missing")?;
        head.push(&rest[..at]);
        rest = &rest[at + 1..];
    }
    if head.iter().any(|field| field.is_empty()) || head[5].parse::<u8>().map_or(true, |severity| severity > 10) {
        return Err("a field of the head is wrong");
    }
    let mut fields: Vec<(String, String)> = Vec::new();
    // A key stands before each `=` that is not escaped; the value before it ends at the last space.
    let mut value = String::new();
    let mut escaped = false;
    for c in rest.chars() {
        match c {
            '\\' | '=' if escaped => value.push(c),
            'n' | 'r' if escaped => value.push('\n'),
            _ if escaped => return Err("an escape that is none"),
            '\\' => {
                escaped = true;
                continue;
            }
            '=' => {
                let (before, key) = value.rsplit_once(' ').map_or(("", value.as_str()), |(before, key)| (before, key));
                if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
                    return Err("a key that is none");
                }
                let key = key.to_owned();
                if let Some(last) = fields.last_mut() {
                    last.1 = before.to_owned();
                }
                fields.push((key, String::new()));
                value.clear();
                continue;
            }
            c if c.is_control() => return Err("a control character"),
            c => value.push(c),
        }
        escaped = false;
    }
    fields.last_mut().ok_or("no extension")?.1 = value;
    Ok(fields)
}

#[test]
fn syslog_messages_are_of_the_grammar_and_carry_the_line() {
    each(|line, bytes| {
        let message = syslog::message(line, bytes);
        match rfc5424(&message) {
            Some(msg) if msg.as_bytes() == bytes => Ok(()),
            Some(_) => Err(format!("another line: {message}")),
            None => Err(format!("not of the grammar: {message}")),
        }
    });
    let odd = r#"{"v":1,"seq":7,"prev":"x","log":"l","node":"mx ä1","ts":"2027-01-13T02:13:32.053604Z","type":"x","code":"SY100E"}"#;
    let line = Line::parse(odd.as_bytes()).expect("a record");
    let message = syslog::message(&line, odd.as_bytes());
    assert!(message.starts_with("<107>1 2027-01-13T02:13:32.053604Z mx1 imapwarden - SY100E [origin "), "{message}");
    assert_eq!(rfc5424(&message), Some(odd));
}

/// RFC 5424 §6: the MSG of a SYSLOG-MSG.
fn rfc5424(message: &str) -> Option<&str> {
    let rest = message.strip_prefix('<')?;
    let (priority, rest) = rest.split_once('>')?;
    let priority_fits =
        priority.parse::<u8>().is_ok_and(|value| value <= 191) && (priority == "0" || !priority.starts_with('0'));
    let mut words = rest.splitn(7, ' ');
    let mut word = || words.next();
    let (version, time, host, app, process, id, rest) = (word()?, word()?, word()?, word()?, word()?, word()?, word()?);
    let printable =
        |text: &str, max: usize| (1..=max).contains(&text.len()) && text.bytes().all(|byte| (33..=126).contains(&byte));
    // TIME-SECFRAC has at most six digits, and "T" and "Z" are upper case.
    let time_fits = time == "-"
        || time.parse::<jiff::Timestamp>().is_ok()
            && time.split_once('.').is_none_or(|(_, fraction)| fraction.trim_end_matches('Z').len() <= 6);
    let fits = priority_fits
        && version == "1"
        && time_fits
        && printable(host, 255)
        && printable(app, 48)
        && printable(process, 128)
        && printable(id, 32);
    // One SD-ELEMENT with PARAM-NAME="PARAM-VALUE"; none of ours needs an escape.
    let (element, msg) = rest.strip_prefix('[')?.split_once("] ")?;
    let mut params = element.split(' ');
    let name = |text: &str| printable(text, 32) && !text.contains(['=', ']', '"']);
    let named = params.next().is_some_and(name);
    let params = params.all(|param| {
        let Some((key, value)) = param.split_once('=') else { return false };
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        name(key) && value.is_some_and(|value| !value.contains(['"', '\\', ']']))
    });
    (fits && named && params).then_some(msg)
}

#[test]
fn csv_rows_have_a_field_a_column() {
    let columns = csv_fields(csv::HEADS).len();
    each(|line, _| {
        let row = csv::row(line) + "\n";
        let fields = csv_fields(&row);
        let mailbox = line.mailbox.as_ref().map_or("", |mailbox| &mailbox.name);
        let is_formula = |field: &String| field.starts_with(['=', '+', '-', '@', '\t', '\r']);
        match fields.get(12) {
            _ if fields.len() != columns => Err(format!("{} fields: {row}", fields.len())),
            _ if fields.iter().any(is_formula) => Err(format!("a formula: {row}")),
            Some(field) if field.trim_start_matches('\'') == mailbox.trim_start_matches('\'') => Ok(()),
            _ => Err(format!("another mailbox: {row}")),
        }
    });
}

/// One record of RFC 4180.
fn csv_fields(row: &str) -> Vec<String> {
    let row = row.strip_suffix("\r\n").expect("CRLF ends a record");
    let (mut fields, mut field, mut in_quotes) = (Vec::new(), String::new(), false);
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    assert!(!in_quotes, "{row}");
    fields.push(field);
    fields
}
