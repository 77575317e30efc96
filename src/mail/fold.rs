//! Text without what one cannot see: case, width, ligatures, invisible characters, how much blank there is.

use memchr::memmem::Finder;
use unicode_normalization::UnicodeNormalization;

use super::punycode;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Needle {
    written: Box<str>,
    folded: Finder<'static>,
    /// With the letters that `xn--` labels stand for, where there are some.
    spelled_out: Option<Finder<'static>>,
    /// Where it is an address, or one side of it.
    address: Option<Sides>,
}

/// Both sides of `@`, folded and spelled out; either may be empty.
#[derive(Debug, Clone)]
struct Sides {
    local: Box<str>,
    domain: Box<str>,
}

impl Needle {
    /// To look for that text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let plain = punycode::spelled_out(&folded);
        let sides = plain.as_deref().unwrap_or(&folded).rsplit_once('@');
        Self {
            written: text.into(),
            address: sides.map(|(local, domain)| Sides { local: local.trim().into(), domain: domain.trim().into() }),
            spelled_out: plain.as_ref().map(|text| Finder::new(text).into_owned()),
            folded: Finder::new(&folded).into_owned(),
        }
    }

    /// As it was written.
    #[must_use]
    pub const fn written(&self) -> &str {
        &self.written
    }

    /// Is it in the folded text?
    pub(super) fn is_in(&self, folded: &str) -> bool {
        let within = |finder: &Finder<'_>| finder.find(folded.as_bytes()).is_some();
        within(&self.folded) || self.spelled_out.as_ref().is_some_and(within)
    }

    /// Is it that address, which is folded and spelled out, or one whole side of it? A text without `@` may be any part.
    pub(super) fn is_address(&self, address: &str) -> bool {
        let Some(Sides { local, domain }) = &self.address else { return self.is_in(address) };
        let Some((own_local, own_domain)) = address.rsplit_once('@') else { return false };
        (local.is_empty() || **local == *own_local) && (domain.is_empty() || **domain == *own_domain)
    }
}

/// For comparison, as RFC 5051 has it and a little further: decomposed, without case, invisible characters and the
/// difference between one blank and many.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        text.chars().for_each(|c| push(&mut out, c.to_ascii_lowercase()));
        return out;
    }
    let seen = text.nfkd().filter(|c| !is_invisible(*c));
    let caseless: String = seen.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    caseless.nfkd().filter(|c| !is_invisible(*c)).for_each(|c| push(&mut out, c));
    out
}

fn push(out: &mut String, c: char) {
    if c.is_whitespace() {
        if !out.ends_with(' ') {
            out.push(' ');
        }
    } else if !c.is_control() {
        out.push(c);
    }
}

/// Characters that show nothing (Unicode: `Default_Ignorable_Code_Point`).
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
