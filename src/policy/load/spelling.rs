//! What is written as it would be somewhere else: in a shell, a regular expression, a mail program, another server.

use ipnet::IpNet;

use super::document::{Document, Span, Text};
use crate::diagnostic::Problem;
use crate::policy::pattern::TextPattern;
use crate::policy::request::SpecialUse;

/// A pattern over mailbox names that can be read. `spares`: it is compared exactly.
pub(super) fn mailbox(document: &mut Document<'_>, text: &Text<'_>, spares: bool) {
    let written = text.text;
    if let Some(at) = written.find('\\') {
        let help = "levels are parted by \"/\" here, whatever the server uses";
        warn(document, text, at..at + 1, "a backslash in a mailbox name", "stands for itself", help);
    }
    if written.len() > 1 && written.ends_with('/') {
        let help = format!("to cover what is below, too, write \"{}/**\"", written.trim_end_matches('/'));
        let end = written.len();
        warn(document, text, end - 1..end, "a mailbox pattern ends in \"/\"", "does not count", &help);
    }
    if let Some(part) = modified_utf7(written) {
        let help = "names are UTF-8 here: write the letters themselves";
        warn(document, text, part, "a mailbox pattern in modified UTF-7", "stands for itself", help);
    }
    if let Some(regex) = written.strip_prefix("re:") {
        let help =
            format!("write a glob: * and ? stay within a level, ** crosses levels; such as \"{}\"", globbed(regex));
        return warn(document, text, 0..3, "mailbox patterns are no regular expressions", "stands for itself", &help);
    }
    if let Some(rest) = inbox_dot(written) {
        let help =
            format!("levels are parted by \"/\" here: \"INBOX/{rest}\", or \"{rest}\" where INBOX is only a prefix");
        warn(document, text, 5..6, "a \".\" behind INBOX", "stands for itself", &help);
    }
    if !known_name(document, text, spares) {
        wildcards(document, text);
    }
    levels(document, text, spares);
    all_texts(document, text);
}

/// INBOX and `[Gmail]` have names of their own. Says whether the name is nearly one of them, which is told.
fn known_name(document: &mut Document<'_>, text: &Text<'_>, spares: bool) -> bool {
    let (top, rest) = text.text.split_once('/').unwrap_or((text.text, ""));
    let place = 0..top.len();
    if is_nearly_inbox(top) {
        let help = "write \"INBOX\"; its case does not matter";
        warn(document, text, place, &format!("`{top}` is nearly INBOX"), "another mailbox", help);
        return true;
    }
    let letters: String = top.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let gmail = [("gmail", "[Gmail]"), ("googlemail", "[Google Mail]")];
    let Some((_, name)) = gmail.iter().find(|(begins, _)| letters.starts_with(begins)) else { return false };
    let written_so = match spares {
        true => top == *name,
        false => top.eq_ignore_ascii_case(name),
    };
    let bracketed = top.contains(['[', ']', '(', '{']);
    let of_gmail = !SpecialUse::usual(&format!("[Gmail]/{rest}")).is_empty() && !rest.is_empty();
    let plainly = of_gmail && (letters == "gmail" || letters == "googlemail");
    if written_so || !(bracketed || plainly) {
        return false;
    }
    let help = match (spares, top.eq_ignore_ascii_case(name)) {
        (true, true) => format!("what spares is compared letter by letter: write \"{name}\""),
        _ => format!("what Gmail makes itself is below \"{name}/\", brackets included"),
    };
    warn(document, text, place, "not as Gmail writes it", "another mailbox", &help);
    true
}

fn is_nearly_inbox(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let digits = upper.contains(|c: char| c.is_ascii_digit() || "*?".contains(c));
    let near = strsim::damerau_levenshtein(&upper, "INBOX") == 1;
    near && !digits && upper.starts_with("IN") && upper != "INBO" && upper != "INBX"
        || ["INBO", "INBX", "IBNOX", "NIBOX", "IMBOX"].contains(&&*upper)
}

/// Levels that are empty, or have blanks around them.
fn levels(document: &mut Document<'_>, text: &Text<'_>, spares: bool) {
    let label = if spares { "never matches" } else { "does not count" };
    let mut at = 0;
    let whole = text.text.trim_end_matches('/');
    for level in whole.split('/') {
        let end = at + level.len();
        if level.is_empty() && !whole.is_empty() {
            let message =
                if at == 0 { "a mailbox pattern begins with \"/\"" } else { "an empty level in a mailbox pattern" };
            let help = "names begin with a level: leave the \"/\" out";
            return warn(document, text, at..at + 1, message, label, help);
        }
        if level.trim() != level && !level.trim().is_empty() {
            let help = format!("write \"{}\"", level.trim());
            return warn(document, text, at..end, "blanks around a level", label, &help);
        }
        at = end + 1;
    }
}

/// Wildcards of shells and of IMAP.
fn wildcards(document: &mut Document<'_>, text: &Text<'_>) {
    let mut at = 0;
    for level in text.text.split('/') {
        let end = at + level.len();
        if level == "%" {
            let help = "* stays within a level, ** crosses levels";
            return warn(document, text, at..end, "`%` is a wildcard of IMAP's LIST", "stands for itself", help);
        }
        if let Some(part) = bracketed(level) {
            let help = "brackets are brackets here, as in \"[Gmail]\"; write one pattern for each, or use ?";
            let place = at + part.start..at + part.end;
            return warn(
                document,
                text,
                place,
                "brackets do not stand for one of several letters",
                "stand for themselves",
                help,
            );
        }
        at = end + 1;
    }
    if let Some(part) = percent_coded(text.text) {
        let help = "names are UTF-8 here: write the letters themselves";
        warn(document, text, part, "a percent-encoded name", "stands for itself", help);
    }
}

/// What no pattern of any kind should have.
fn all_texts(document: &mut Document<'_>, text: &Text<'_>) {
    let written = text.text;
    let part = |from: &str| written.find(from).map(|at| at..at + from.len());
    let braces = written
        .find('{')
        .zip(written.find('}'))
        .filter(|(open, close)| open < close && written.get(*open..*close).is_some_and(|inside| inside.contains(',')));
    if let Some((open, close)) = braces {
        let help = "write one pattern for each: [\"…\", \"…\"]";
        return warn(
            document,
            text,
            open..close + 1,
            "braces do not stand for one of several",
            "stand for themselves",
            help,
        );
    }
    let alternatives = part("|").filter(|_| written.contains('('));
    let begins = (written.starts_with('^') && written.len() > 1).then_some(0..1);
    let ends = (written.ends_with('$') && begins.is_some()).then_some(written.len() - 1..written.len());
    if let Some(part) = part(".*").or_else(|| part(".+")).or(alternatives).or(begins).or(ends) {
        let help = "* stands for any text within a level, ? for one letter";
        return warn(document, text, part, "this is written like a regular expression", "stands for itself", help);
    }
    if let Some((at, hidden)) = written.char_indices().find(|(_, c)| is_invisible(*c)) {
        let message = format!("a character that does not show: U+{:04X}", u32::from(hidden));
        let help = "it may have come by copying: type the name anew";
        return warn(document, text, at..at + hidden.len_utf8(), &message, "here", help);
    }
    let quotes = [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“'), ('‘', '’'), ('<', '>')];
    if quotes.iter().any(|(open, close)| written.len() > 2 && written.starts_with(*open) && written.ends_with(*close)) {
        let help = "leave them out: the quotes of TOML are enough";
        warn(document, text, 0..written.len(), "quotes inside of the quotes", "stand for themselves", help);
    }
}

/// A pattern over login names.
pub(super) fn login(document: &mut Document<'_>, key: &str, text: &Text<'_>, pattern: &TextPattern) {
    let written = text.text.trim();
    let whole = 0..text.text.len();
    if let Some(regex) = text.text.strip_prefix("re:") {
        return regular(document, text, regex);
    }
    if written.is_empty() {
        let help = "leave it out, or name somebody";
        return warn(document, text, whole, &format!("`{key}` without a name"), "matches nobody", help);
    }
    if let Some(at) = text.text.find([',', ';']) {
        let help = "several are written as a list: [\"ann@example.org\", \"bob@example.org\"]";
        return warn(document, text, at..at + 1, "no login has a comma or semicolon", "stands for itself", help);
    }
    if written.starts_with('@') {
        let help = format!("all logins of a domain are \"*{written}\"");
        return warn(document, text, whole, "no login begins with \"@\"", "never matches", &help);
    }
    if let Some(domain) = written.strip_prefix('*').filter(|rest| rest.contains('.') && !rest.contains(['@', '*', '?']))
    {
        let domain = domain.trim_start_matches('.');
        let help = format!("all logins of a domain are \"*@{domain}\", with those of its subdomains \"*@*.{domain}\"");
        let message = format!("covers other domains that end so: `ann@not{domain}`");
        return warn(document, text, whole, &message, "without \"@\"", &help);
    }
    if let Some(part) = bracketed(written) {
        let help = "write one pattern for each, or use ?";
        return warn(
            document,
            text,
            part,
            "brackets do not stand for one of several letters",
            "stand for themselves",
            help,
        );
    }
    debug_assert_eq!(pattern.written(), text.text);
    all_texts(document, text);
}

/// It is held against the whole text.
fn regular(document: &mut Document<'_>, text: &Text<'_>, regex: &str) {
    let meta = |c: char| r".*+?()[]{}|\^$".contains(c);
    let body = 3..text.text.len();
    if !regex.is_empty() && !regex.contains(meta) {
        let help = format!("a regular expression is held against the whole text: \"re:.*{regex}.*\" finds it anywhere");
        warn(document, text, body, &format!("matches `{regex}` alone"), "nothing in it is special", &help);
    } else if regex.trim_start_matches(['^', '\\']).starts_with('@') {
        let help = format!("it is held against the whole text: \"re:.*{regex}\"");
        warn(document, text, body, "no login begins with \"@\"", "never matches", &help);
    }
}

/// A pattern over what clients say of themselves.
pub(super) fn client_id(document: &mut Document<'_>, text: &Text<'_>, pattern: &TextPattern) {
    let written = text.text.trim();
    if let Some(regex) = text.text.strip_prefix("re:") {
        return regular(document, text, regex);
    }
    if pattern.as_literal().is_some_and(|literal| !literal.is_empty() && !literal.contains('/')) {
        let help = format!("write \"{written}/*\"");
        let message = format!("no client is called `{written}`");
        warn(document, text, 0..text.text.len(), &message, "they are compared as name/version", &help);
    }
}

/// A network from which nobody comes by way of the Internet.
pub(super) fn is_private(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => {
            let at = net.addr();
            net.prefix_len() < 32 && (at.is_private() || at.is_loopback() || at.is_link_local())
        }
        IpNet::V6(net) => {
            let first = net.addr().segments()[0];
            net.prefix_len() < 128 && ((first & 0xfe00) == 0xfc00 || (first & 0xffc0) == 0xfe80)
        }
    }
}

fn warn(document: &mut Document<'_>, text: &Text<'_>, part: Span, message: &str, label: &str, help: &str) {
    let whole = part == (0..text.text.len());
    let span = if whole { text.span.clone() } else { document.part(text, part) };
    let problem: Problem = document.warning(span, message);
    document.push(problem.label(label).help(help));
}

/// `Fin.*` → `Fin*`
fn globbed(regex: &str) -> String {
    regex.trim_start_matches('^').trim_end_matches('$').replace(".*", "*").replace(".+", "*").replace('\\', "")
}

/// What stands behind `INBOX.`
fn inbox_dot(text: &str) -> Option<&str> {
    let (inbox, rest) = text.split_at_checked(6)?;
    (inbox.eq_ignore_ascii_case("INBOX.") && !rest.is_empty()).then_some(rest)
}

/// `[0-9]`, `20[12]?`, but not a level that is called so: `[Gmail]`.
fn bracketed(level: &str) -> Option<Span> {
    let open = level.find('[')?;
    // A bracket that is not closed is a slip, whatever was meant.
    let Some(close) = level.get(open..)?.find(']').map(|at| open + at) else { return Some(open..open + 1) };
    let inside = level.get(open + 1..close)?;
    let letters = inside.chars().count();
    let range = letters == 3 && inside.chars().nth(1) == Some('-');
    let negated = inside.starts_with(['!', '^']);
    let whole = open == 0 && close + 1 == level.len();
    let set = letters > 0 && inside.chars().all(char::is_alphanumeric) && letters <= 4;
    (range || negated || (!whole && (set || inside.contains('-')))).then_some(open..close + 1)
}

/// `%20`
fn percent_coded(text: &str) -> Option<Span> {
    let coded = |at: &usize| {
        let digits = text.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))
    };
    text.match_indices('%').map(|(at, _)| at).find(coded).map(|at| at..at + 3)
}

/// The first `&…-` that could stand for other characters (RFC 3501 §5.1.3).
fn modified_utf7(text: &str) -> Option<Span> {
    text.match_indices('&').find_map(|(at, _)| {
        let rest = text.get(at.saturating_add(1)..)?;
        let (coded, _) = rest.split_once('-')?;
        let base64 = coded.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b','));
        // Of four base64 characters no fewer than three come from one character of two octets.
        (base64 && coded.len() >= 3).then(|| at..at.saturating_add(coded.len()).saturating_add(2))
    })
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets() {
        let rows = [
            ("[Gmail]", None),
            ("[Google Mail]", None),
            ("[0-9]", Some(0..5)),
            ("20[12]?", Some(2..6)),
            ("[!a]", Some(0..4)),
            ("Projekt [intern]", None),
            ("x[a-z]*", Some(1..6)),
            ("a]b[", Some(3..4)),
            ("[]", None),
        ];
        for (level, want) in rows {
            assert_eq!(bracketed(level), want, "{level}");
        }
    }

    #[test]
    fn nearly_inbox() {
        for (name, want) in [
            ("INBOX", false),
            ("inbox", false),
            ("Inbxo", true),
            ("In box", true),
            ("Inbos", true),
            ("Imbox", true),
            ("Inbox2", false),
            ("Inboxes", false),
            ("Unbox", false),
            ("In*", false),
        ] {
            assert_eq!(is_nearly_inbox(name), want, "{name}");
        }
    }

    #[test]
    fn networks() {
        for (net, want) in [
            ("10.0.0.0/8", true),
            ("192.168.1.0/24", true),
            ("172.20.0.0/16", true),
            ("127.0.0.0/8", true),
            ("fd00::/8", true),
            ("192.168.1.7/32", false),
            ("203.0.113.0/24", false),
            ("2001:db8::/32", false),
            ("0.0.0.0/0", false),
        ] {
            assert_eq!(is_private(&net.parse().unwrap()), want, "{net}");
        }
    }
}
