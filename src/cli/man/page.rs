//! A commented TOML file, or a document in Markdown, as a manual page.
//!
//! ```text
//!   # tls = "implicit"    # TLS at once        .TP              | key | is |      .TP
//!                         # or later      ─▶   tls = "implicit" | `user` | who |  user
//!                                              TLS at once …                      who
//! ```
//!
//! Knows as much of both as the two files need that it is used for; what it does not know stays text.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// A page of section 5 about a file whose keys stand in tables, each with a comment behind it.
pub(super) fn reference(name: &str, about: &str, file: &str) -> String {
    let mut page = head(name, about);
    // What stands above a table is said of it.
    let mut above: Vec<&str> = Vec::new();
    for line in file.lines() {
        match entry(line) {
            Line::Paragraph(text) => above.push(text),
            Line::Blank if !above.is_empty() => above.push(""),
            Line::Table(title) => {
                page.control("SH", [title]);
                paragraphs(&mut page, &mut above);
            }
            Line::Key(key, comment) => {
                paragraphs(&mut page, &mut above);
                page.control("TP", []).text([bold(key)]).text([roman(comment)]);
            }
            Line::Example(command, comment) => {
                paragraphs(&mut page, &mut above);
                page.control("TP", []).text([bold(command)]).text([roman(comment)]);
            }
            Line::More(comment) => drop(page.text([roman(comment)])),
            Line::Blank => drop(page.control("PP", [])),
        }
    }
    page.render()
}

fn paragraphs(page: &mut Roff, lines: &mut Vec<&str>) {
    for line in lines.drain(..) {
        match line {
            "" => page.control("PP", []),
            text => page.text([roman(text)]),
        };
    }
}

/// A page of section 5 made of a document.
pub(super) fn document(name: &str, about: &str, text: &str) -> String {
    let mut page = head(name, about);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            page.control("SH", [&*plain(title)]);
        } else if let Some(title) = line.strip_prefix("### ") {
            page.control("SS", [&*plain(title)]);
        } else if line.starts_with("# ") {
            // The name of the page says it.
        } else if line.starts_with("```") {
            page.control("PP", []).control("EX", []);
            for line in lines.by_ref().take_while(|line| *line != "```") {
                page.text([roman(line)]);
            }
            page.control("EE", []).control("PP", []);
        } else if line.starts_with('|') {
            row(&mut page, line, lines.peek().is_some_and(|next| next.starts_with("| ---")));
        } else if line.is_empty() {
            page.control("PP", []);
        } else {
            page.text(inlines(line));
        }
    }
    page.render()
}

fn head(name: &str, about: &str) -> Roff {
    let mut page = Roff::new();
    let source = concat!("imapwarden ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, "5", "", source, ""]);
    page.control("SH", ["NAME"]).text([roman(format!("{name} - {about}"))]);
    page.control("SH", ["DESCRIPTION"]);
    page
}

enum Line<'f> {
    Table(&'f str),
    Key(&'f str, &'f str),
    More(&'f str),
    Paragraph(&'f str),
    Example(&'f str, &'f str),
    Blank,
}

/// One line of the file. What is commented out is told from what is said: it has the form of a key, or of a table.
fn entry(line: &str) -> Line<'_> {
    let uncommented = line.strip_prefix("# ").unwrap_or(line);
    if line.trim().is_empty() || line == "#" {
        return Line::Blank;
    }
    if uncommented.starts_with('[') {
        return Line::Table(uncommented);
    }
    if let Some(comment) = line.strip_prefix("  ").and_then(|rest| rest.trim_start().strip_prefix("# ")) {
        return Line::More(comment);
    }
    if uncommented.split_once(" = ").is_some_and(|(key, _)| is_key(key)) {
        let (key, comment) = uncommented.split_once(" # ").unwrap_or((uncommented, ""));
        return Line::Key(key.trim_end(), comment);
    }
    match line.strip_prefix("#   ") {
        Some(command) => {
            let (command, comment) = command.split_once("   ").unwrap_or((command, ""));
            Line::Example(command, comment.trim_start())
        }
        None => Line::Paragraph(uncommented),
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A row of a table: the first cell, and what stands behind it. The line below a heading draws nothing.
fn row(page: &mut Roff, line: &str, is_heading: bool) {
    if line.starts_with("| ---") {
        return;
    }
    let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
    let first = cells.next().unwrap_or_default();
    let rest = cells.collect::<Vec<_>>().join("; ");
    page.control("TP", []);
    if is_heading {
        page.text([italic(plain(first))]).text([italic(plain(&rest))]);
    } else {
        page.text(inlines(first)).text(inlines(&rest));
    }
}

/// Text without what marks it.
fn plain(text: &str) -> String {
    without_links(text).replace(['`'], "").replace("**", "")
}

/// Bold for code and what is stressed, the rest as it is.
fn inlines(line: &str) -> Vec<Inline> {
    let text = without_links(line).replace("**", "");
    let pieces = text.split('`').enumerate().filter(|(_, piece)| !piece.is_empty());
    pieces.map(|(at, piece)| if at % 2 == 1 { bold(piece) } else { roman(piece) }).collect()
}

/// `[text](place)` as its text: a manual page has no places.
fn without_links(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once('[') {
        let target = link.split_once("](").and_then(|(text, target)| Some((text, target.split_once(')')?.1)));
        match target.filter(|(text, _)| !text.contains('[')) {
            Some((text, after)) => {
                out = out + before + text;
                rest = after;
            }
            None => {
                out = out + before + "[";
                rest = link;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_of_a_reference() {
        let file = "# What it is.\n#\n#   imapwarden check   says it\n\n# Where.\n[[listener]]\nbind = \"x\"   # address;\n              # required\n\
                    # tls = \"off\"\n# [[listener.certificates]]\n";
        let page = reference("x.toml", "a file", file);
        let (_, body) = page.split_once(".SH DESCRIPTION\n").expect("a description");
        let wanted = "What it is.\n.PP\n.TP\n\\fBimapwarden check\\fR\nsays it\n.PP\n.SH [[listener]]\nWhere.\n.TP\n\\fBbind = \"x\"\\fR\n\
                      address;\nrequired\n.TP\n\\fBtls = \"off\"\\fR\n\n.SH [[listener.certificates]]\n";
        assert_eq!(body, wanted);
    }

    #[test]
    fn each_kind_of_line_of_a_document() {
        let text = "# Rules\n\nSee [`a`](b) and **c** [d].\n\n## Who: `when`\n\n| key | is |\n| --- | --- |\n| `user` | x \\| y |\n\n\
                    ```toml\n.a = 'b'\n```\n";
        let page = document("x", "y", text);
        let (_, body) = page.split_once(".SH DESCRIPTION\n").expect("a description");
        let wanted = ".PP\nSee \\fBa\\fR and c [d].\n.PP\n.SH \"Who: when\"\n.PP\n.TP\n\\fIkey\\fR\n\\fIis\\fR\n.TP\n\\fBuser\\fR\n\
                      x \\\\| y\n.PP\n.PP\n.EX\n\\&.a = \\*(Aqb\\*(Aq\n.EE\n.PP\n";
        assert_eq!(body, wanted);
    }

    #[test]
    fn every_key_of_the_reference_is_an_entry() {
        let page = reference("imapwarden.toml", "", super::super::CONFIGURATION);
        let wanted = super::super::CONFIGURATION.lines().filter(|line| matches!(entry(line), Line::Key(..))).count();
        assert!(wanted > 30, "{wanted}");
        let examples = super::super::CONFIGURATION.lines().filter(|line| matches!(entry(line), Line::Example(..)));
        assert_eq!(page.matches("\n.TP\n").count(), wanted + examples.count());
        let said = page.replace("\\-", "-");
        for key in ["bind", "certificate", "servers", "rules", "on_failure", "drain_window", "format"] {
            assert!(said.contains(&format!("\n\\fB{key} = ")), "{key}");
        }
    }
}
