//! Text patterns of conditions: `*@example.org`, `re:(ann|bob)@.*`. Case never matters.

use regex::{Regex, RegexBuilder};

use crate::imap::glob::Glob;

/// A pattern over texts that are folded and trimmed.
#[derive(Debug, Clone)]
pub(super) struct TextPattern {
    /// As the rule file has it, for explanations.
    written: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// `*` and `?` are special, nothing else is.
    Glob(Glob),
    /// `re:`, anchored on both sides.
    Regex(Regex),
}

impl TextPattern {
    /// Says in a few words what is wrong with a pattern that cannot be read.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let kind = match text.strip_prefix("re:") {
            None => Glob::text(text).map(Kind::Glob).map_err(|error| error.to_string())?,
            Some(regex) => {
                // Alone first: `a)(b` must not become two groups by being anchored.
                build(regex)?;
                build(&format!("^(?:{regex})$")).map(Kind::Regex)?
            }
        };
        Ok(Self { written: text.into(), kind })
    }

    pub(super) fn written(&self) -> &str {
        &self.written
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Glob(glob) => glob.matches(text),
            Kind::Regex(regex) => regex.is_match(text),
        }
    }

    /// The text that alone it matches.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match &self.kind {
            Kind::Glob(glob) => glob.as_literal(),
            Kind::Regex(_) => None,
        }
    }

    /// The domain, where it is about all users of one: `*@example.org`.
    pub(super) fn as_domain(&self) -> Option<String> {
        let Kind::Glob(glob) = &self.kind else { return None };
        let ending = glob.as_ending()?;
        ending.rsplit_once('@').map(|(_, domain)| domain.to_owned())
    }
}

fn build(regex: &str) -> Result<Regex, String> {
    RegexBuilder::new(regex).case_insensitive(true).dot_matches_new_line(true).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let rows = [
            ("a name", "Ann@Example.org", "ann@example.org", true),
            ("a domain", "*@example.org", "ann@example.org", true),
            ("not another", "*@example.org", "ann@example.org.evil", false),
            ("a regular expression", "re:(ann|bob)@.*", "bob@x", true),
            ("in any case", "re:BOB@X", "bob@x", true),
            ("anchored before", "re:nn", "ann", false),
            ("anchored behind", "re:ann|bob", "ann@x", false),
            ("not open to a line end", "re:ann", "ann\n", false),
        ];
        for (name, pattern, text, want) in rows {
            assert_eq!(TextPattern::new(pattern).unwrap().matches(text), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        assert_eq!(TextPattern::new("re:(a").unwrap_err(), "unclosed group");
        assert_eq!(TextPattern::new("re:a)(b").unwrap_err(), "unopened group");
    }

    #[test]
    fn what_can_be_looked_up() {
        let pattern = |text| TextPattern::new(text).unwrap();
        assert_eq!(pattern("Ann").as_literal(), Some("ann"));
        assert_eq!((pattern("a*").as_literal(), pattern("a*").as_domain()), (None, None));
        assert_eq!(pattern("*@X.org").as_domain().as_deref(), Some("x.org"));
        assert_eq!(pattern("*x.org").as_domain(), None);
    }
}
