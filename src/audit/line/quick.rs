//! A line as our own writer spells it, read without looking twice at anything.
//!
//! ```text
//!   {"v":1,"seq":4,"prev":"…","log":"…", … ,"sid":"…","cmd":5, … ,"data":{…}}
//!    └─ keys in the writer's order, texts without escapes ────────┘ └ looked at by serde
//! ```
//!
//! Whatever is written otherwise is not for here: `None`, and [`Line::parsed_as_any`] reads it. What is read here is read
//! the same there; a property says so.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{Facts, Line, Mailbox, Outcome, Policy, Text};

/// Reads it, if it is spelled so.
pub(super) fn line(text: &str) -> Option<Line<'_>> {
    // What JSON forbids in texts, no later step looks for.
    if text.bytes().any(|byte| byte < 0x20) {
        return None;
    }
    let mut rest = Rest(text);
    rest.take("{\"v\":")?;
    let mut line = Line {
        v: rest.number()?,
        seq: rest.field(",\"seq\":", Rest::number)?,
        prev: rest.field(",\"prev\":", Rest::text)?,
        log: Cow::Borrowed(rest.field(",\"log\":", Rest::text)?),
        node: Cow::Borrowed(rest.field(",\"node\":", Rest::text)?),
        ts: rest.field(",\"ts\":", Rest::text)?,
        type_name: rest.field(",\"type\":", Rest::text)?,
        code: rest.field(",\"code\":", Rest::text)?,
        sid: rest.maybe(",\"sid\":", Rest::cow)?,
        cmd: rest.maybe(",\"cmd\":", |rest| u32::try_from(rest.number()?).ok())?,
        verb: rest.maybe(",\"verb\":", Rest::cow)?,
        stage: rest.maybe(",\"stage\":", Rest::text)?,
        user: rest.maybe(",\"user\":", Rest::cow)?,
        actor: rest.maybe(",\"actor\":", Rest::cow)?,
        credential: rest.maybe(",\"credential\":", Rest::cow)?,
        client_ip: rest.maybe(",\"client_ip\":", Rest::cow)?,
        listener: rest.maybe(",\"listener\":", Rest::cow)?,
        upstream: rest.maybe(",\"upstream\":", Rest::cow)?,
        mailbox: rest.maybe(",\"mailbox\":", Rest::mailbox)?,
        policy: rest.maybe(",\"policy\":", Rest::policy)?,
        result: rest.maybe(",\"result\":", Rest::outcome)?,
        lat_us: rest.maybe(",\"lat_us\":", Rest::number)?,
        more: false,
        data: None,
        hashed: None,
        facts: Facts::default(),
    };
    let end = rest.0.strip_suffix('}')?;
    let end = match end.ends_with(']').then(|| end.rsplit_once(",\"hashed\":[")).flatten() {
        Some((end, pointers)) => {
            let list = rest.0.get(end.len().checked_add(",\"hashed\":".len())?..)?.strip_suffix('}')?;
            let mut items = Rest(list);
            items.list()?;
            if pointers.is_empty() || !items.0.is_empty() {
                return None;
            }
            line.hashed = Some(list);
            end
        }
        None => end,
    };
    let end = match end.strip_suffix(",\"more\":true") {
        Some(end) => {
            line.more = true;
            end
        }
        None => end,
    };
    if !end.is_empty() {
        let data = end.strip_prefix(",\"data\":")?;
        line.data = Some(data);
        line.facts = facts(&line, data)?;
    }
    Some(line)
}

/// What bears on the log; and is it JSON at all?
fn facts<'l>(line: &Line<'l>, data: &'l str) -> Option<Facts<'l>> {
    if !data.starts_with('{') || !data.ends_with('}') {
        return None;
    }
    let begin = data.strip_prefix("{\"intent\":").filter(|_| line.stage == Some("done"));
    let once = |rest: &&str| memchr::memchr(b'\\', rest.as_bytes()).is_none() && !rest.contains("\"intent\"");
    match begin.filter(once) {
        Some(rest) => {
            let intent = Rest(rest).number()?;
            serde_json::from_str::<IgnoredAny>(data).ok()?;
            Some(Facts { intent: Some(intent), ..Facts::default() })
        }
        None => Facts::of(line, data).ok(),
    }
}

/// What is left of the line.
struct Rest<'l>(&'l str);

impl<'l> Rest<'l> {
    fn take(&mut self, words: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(words)?;
        Some(())
    }

    fn field<T>(&mut self, key: &str, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.take(key)?;
        value(self)
    }

    /// A field that may be missing.
    fn maybe<T>(&mut self, key: &str, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.0.strip_prefix(key) {
            Some(rest) => {
                self.0 = rest;
                value(self).map(Some)
            }
            None => Some(None),
        }
    }

    /// Digits, as JSON has them.
    fn number(&mut self) -> Option<u64> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at(end);
        let leading = digits.len() > 1 && digits.starts_with('0');
        // What would make it a fraction is for others to read.
        let whole = !rest.starts_with(['.', 'e', 'E']);
        self.0 = rest;
        if leading || !whole { None } else { digits.parse().ok() }
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'l str> {
        let inside = self.0.strip_prefix('"')?;
        let end = memchr::memchr2(b'"', b'\\', inside.as_bytes())?;
        let (text, rest) = inside.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    fn cow(&mut self) -> Option<Text<'l>> {
        self.text().map(|text| Text(Cow::Borrowed(text)))
    }

    fn mailbox(&mut self) -> Option<Mailbox<'l>> {
        let name = Cow::Borrowed(self.field("{\"name\":", Self::text)?);
        let uidv = self.maybe(",\"uidv\":", |rest| u32::try_from(rest.number()?).ok())?;
        self.maybe(",\"id\":", Self::text)?;
        self.take("}")?;
        Some(Mailbox { name, uidv })
    }

    fn policy(&mut self) -> Option<Policy<'l>> {
        let rev = Cow::Borrowed(self.field("{\"rev\":", Self::text)?);
        let verdict = self.field(",\"verdict\":", Self::text)?;
        let by = self.maybe(",\"by\":", Self::list)?.unwrap_or_default();
        let shadow = self.maybe(",\"shadow\":", Self::list)?.unwrap_or_default();
        self.take("}")?;
        Some(Policy { rev, verdict, by, shadow })
    }

    fn outcome(&mut self) -> Option<Outcome<'l>> {
        let status = self.field("{\"status\":", Self::text)?;
        let code = self.maybe(",\"code\":", Self::cow)?;
        self.take("}")?;
        Some(Outcome { status, code })
    }

    fn list(&mut self) -> Option<Vec<Text<'l>>> {
        self.take("[")?;
        let mut items = Vec::new();
        while self.take("]").is_none() {
            if !items.is_empty() {
                self.take(",")?;
            }
            items.push(self.cow()?);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn most_lines_of_our_writer_are_read_here_and_all_like_any_other() {
        let lines = crate::audit::tests::schema::lines(60);
        let mut here = 0;
        for bytes in &lines {
            let text = std::str::from_utf8(bytes).expect("UTF-8");
            let any = Line::parsed_as_any(text).expect("a record");
            if let Some(quick) = line(text) {
                assert_eq!(quick, any, "{text}");
                here += 1;
            }
        }
        // Contents are made hostile on purpose: escapes are for others.
        assert!(here * 4 > lines.len(), "{here} of {}", lines.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_here_is_read_the_same_there(
            which in any::<prop::sample::Index>(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4), 0..4),
        ) {
            const ODD: [&str; 16] = [
                "\"", "\\", "{", "}", ",", ":", "0", "-", ".", "e", "null", "\u{1}", "\"intent\":7,", ",\"data\":{}", "[", " ",
            ];
            static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| crate::audit::tests::schema::lines(2));
            let short: Vec<_> = LINES.iter().filter(|line| line.len() < 1500).collect();
            let mut text = String::from_utf8(short[which.index(short.len())].clone()).expect("UTF-8");
            for (at, odd, kind) in edits {
                let at = text.floor_char_boundary(at.index(text.len()));
                let end = text.ceil_char_boundary(at + 1).min(text.len());
                match kind {
                    0 => text.insert_str(at, ODD[odd.index(ODD.len())]),
                    1 => text.replace_range(at..end, ODD[odd.index(ODD.len())]),
                    2 => text.replace_range(at..end, ""),
                    _ => {
                        let again = text[at..].to_owned();
                        text.push_str(&again);
                    }
                }
            }
            if let Some(quick) = line(&text) {
                let any = Line::parsed_as_any(&text);
                prop_assert!(any.is_ok(), "{}: {:?}", text, any.err());
                prop_assert_eq!(quick, any.expect("it is"));
            }
        }
    }
}
