//! The query of a path, decoded.

/// `a=b&c=%20d` as pairs; `None` where it is not UTF-8, or an escape is broken.
pub(super) fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| Some((text(key)?, text(value)?)))
        .collect()
}

fn text(escaped: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? * 16 + digit(rest.next()?)?,
            octet => octet,
        });
    }
    String::from_utf8(octets).ok()
}

/// At most 15, so that two of them are an octet.
fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What may stand in a path or a query as it is; anything else is escaped.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(octet)),
            octet => escaped.push_str(&format!("%{octet:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let rows = [
            ("", Some(vec![])),
            ("a=b&c", Some(vec![("a", "b"), ("c", "")])),
            ("user=%C3%A4nn%40x+y&&", Some(vec![("user", "änn@x y")])),
            ("a==b", Some(vec![("a", "=b")])),
            ("a=%", None),
            ("a=%4", None),
            ("a=%g0", None),
            ("a=%ff", None),
        ];
        for (query, want) in rows {
            let want = want.map(|pairs| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
            assert_eq!(pairs(query), want, "{query}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_again() {
        for text in ["", "a*b", "ä+&=%", "a/b c"] {
            assert_eq!(pairs(&format!("k={}", escaped(text))), Some(vec![("k".into(), text.into())]), "{text}");
        }
    }
}
