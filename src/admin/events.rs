//! The newest records of the audit log, as far as somebody asks for them.
//!
//! Of what was written last, and no more: the log's own tools read all of it, and verify it.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::sessions::Unclear;
use crate::imap::glob::Glob;
use crate::imap::mailbox::fold_text;

/// Records in one answer, where nothing is said, and at most.
const LIMIT: usize = 50;
const MOST: usize = 500;

/// Which records.
#[derive(Debug)]
pub(super) struct Asked {
    limit: usize,
    kind: Option<Glob>,
    user: Option<Glob>,
    mailbox: Option<Glob>,
    sid: Option<String>,
    ip: Option<IpAddr>,
    rule: Option<String>,
    refused: bool,
}

impl Asked {
    pub(super) fn of(query: &[(String, String)]) -> Result<Self, Unclear> {
        let mut asked = Self {
            limit: LIMIT,
            kind: None,
            user: None,
            mailbox: None,
            sid: None,
            ip: None,
            rule: None,
            refused: false,
        };
        let glob = |value: &str| Glob::text(value).map(Some).map_err(|_| "this is no pattern: * and ? are special");
        for (key, value) in query {
            match key.as_str() {
                "limit" => asked.limit = value.parse::<usize>().map_err(|_| "limit is a number")?.clamp(1, MOST),
                "type" => asked.kind = glob(value)?,
                "user" => asked.user = glob(value)?,
                "mailbox" => asked.mailbox = glob(value)?,
                "sid" => asked.sid = Some(value.clone()),
                "ip" => asked.ip = Some(value.parse().map_err(|_| "ip is an address")?),
                "rule" => asked.rule = Some(value.clone()),
                "refused" => asked.refused = value == "true",
                _ => return Err("ask by type, user, mailbox, sid, ip, rule, refused and limit"),
            }
        }
        Ok(asked)
    }

    /// Those of these lines, which come newest first.
    pub(super) fn of_lines(&self, lines: &[Vec<u8>]) -> Value {
        let records = lines.iter().filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let found: Vec<Value> = records.filter(|record| self.takes(record)).take(self.limit).collect();
        json!({ "records": found, "read": lines.len() })
    }

    pub(super) fn takes(&self, record: &Value) -> bool {
        let glob = |glob: &Option<Glob>, text: &Value| {
            glob.as_ref().is_none_or(|glob| text.as_str().is_some_and(|text| glob.matches(&fold_text(text))))
        };
        let is = |wanted: &Option<String>, text: &Value| wanted.as_ref().is_none_or(|wanted| text == wanted.as_str());
        let ids = ["by", "shadow"].map(|key| record["policy"][key].as_array());
        let named = |rule: &String| ids.into_iter().flatten().flatten().any(|id| id == rule.as_str());
        glob(&self.kind, &record["type"])
            && (glob(&self.user, &record["user"]) || glob(&self.user, &record["actor"]))
            && glob(&self.mailbox, &record["mailbox"]["name"])
            && is(&self.sid, &record["sid"])
            && is(&self.ip.map(|ip| ip.to_string()), &record["client_ip"])
            && self.rule.as_ref().is_none_or(named)
            && (!self.refused || record["code"].as_str().is_some_and(|code| code.ends_with('W')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        r#"{"seq":4,"type":"mailbox.open","code":"MB100W","user":"ann","sid":"s1","policy":{"by":["no-finance"]}}"#,
        r#"{"seq":3,"type":"message.read","code":"MS101I","user":"bob","actor":"ann","mailbox":{"name":"Finance/Q3"}}"#,
        r#"not a record"#,
        r#"{"seq":1,"type":"session.open","code":"SE100I","client_ip":"192.0.2.1","sid":"s1"}"#,
    ];

    #[test]
    fn what_is_asked_for_is_found() {
        let rows: [(&[(&str, &str)], &[u64]); 10] = [
            (&[], &[4, 3, 1]),
            (&[("limit", "1")], &[4]),
            (&[("type", "m*")], &[4, 3]),
            (&[("user", "ann")], &[4, 3]),
            (&[("user", "bob")], &[3]),
            (&[("mailbox", "finance/*")], &[3]),
            (&[("sid", "s1")], &[4, 1]),
            (&[("ip", "192.0.2.1")], &[1]),
            (&[("rule", "no-finance")], &[4]),
            (&[("refused", "true")], &[4]),
        ];
        let lines = LINES.map(|line| line.as_bytes().to_vec());
        for (query, want) in rows {
            let query: Vec<_> = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let told = Asked::of(&query).unwrap().of_lines(&lines);
            let found: Vec<u64> =
                told["records"].as_array().unwrap().iter().map(|record| record["seq"].as_u64().unwrap()).collect();
            assert_eq!(found, want, "{query:?}");
        }
        assert!(Asked::of(&[("usr".into(), "x".into())]).is_err() && Asked::of(&[("ip".into(), "x".into())]).is_err());
    }
}
