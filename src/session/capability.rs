//! What the client is told that can be done: the upstream's list, less what is not understood, what the scope cannot carry
//! and what rules take (design: CAPABILITY is composed).

use crate::imap::capability::{CapabilityClass, class};
use crate::imap::verb::Verb;
use crate::rewrite::status_data::filter_words;
use crate::wire::command::Command;
use crate::wire::command::append::MessageForm;
use crate::wire::response::{Code, code, number, tagged_status};

use super::Session;

impl Session {
    /// Is this capability of the upstream's offered to the client?
    fn offers(&self, token: &[u8], at: jiff::Timestamp) -> bool {
        let ruled = self.bound.restricts();
        let understood = match class(token) {
            Some(CapabilityClass::Local) => true,
            Some(class) => class.offered(self.filtered(), ruled),
            None => false,
        };
        let withheld = self.may_hide_messages() && super::messages::is_withheld(token);
        understood && !withheld && !self.bound.denies_capability(token, at)
    }

    /// The upstream's list as the client gets it.
    pub(super) fn offered_capabilities(&self, list: &[u8]) -> Vec<u8> {
        let at = self.wall;
        let mut out = Vec::with_capacity(list.len());
        filter_words(list, |token| self.offers(token, at), &mut out);
        if let Some(largest) = Self::largest_message(&self.bound.limiting(&[], at)) {
            lower_append_limit(&mut out, largest);
        }
        out
    }

    /// A line with a list in it that begins there.
    pub(super) fn filter_capability_line(&self, line: &[u8], begin: usize, list: &[u8]) -> Vec<u8> {
        let mut out = line.get(..begin).unwrap_or_default().to_vec();
        out.extend_from_slice(&self.offered_capabilities(list));
        out.extend_from_slice(line.get(begin.saturating_add(list.len())..).unwrap_or_default());
        out
    }

    /// The part of a tagged line behind its tag, with less in its CAPABILITY code, if it has one.
    pub(super) fn filter_capability_code(&self, rest: &[u8]) -> Vec<u8> {
        let text = tagged_status(rest).map(|(_, text)| text).unwrap_or_default();
        match code(text).filter(|code| code.is("CAPABILITY")) {
            Some(code) => self.filter_capability_line(rest, begin_of_args(rest, text, &code), code.args),
            None => rest.to_vec(),
        }
    }

    /// May the client use this command at all here? What is not offered is unknown, advertised by the upstream or not.
    pub(super) fn knows_command(&self, verb: Verb) -> bool {
        let upstream = self.leg.capabilities;
        // What does not go up as it came is not asked of an upstream that would not know it.
        let known_there = match verb.base() {
            Verb::Replace => upstream.replace || !upstream.known || !self.filtered(),
            _ => true,
        };
        known_there && super::asks::is_offered(verb, self.filtered(), self.bound.restricts())
    }

    /// May the client use the extensions that the arguments of this command use?
    pub(super) fn knows_extensions_of(&self, command: &Command<'_>) -> bool {
        super::extensions::are_offered(command, self.filtered(), self.bound.restricts()) && self.offers_here(command)
    }

    /// May a message come in this form? An upstream that does not know it would not know where the message ends.
    pub(super) fn takes_form(&self, form: MessageForm) -> bool {
        let upstream = self.leg.capabilities;
        let known_there = match form {
            MessageForm::Plain => true,
            MessageForm::Utf8 => upstream.utf8 || !upstream.known,
            MessageForm::Catenate => upstream.catenate || !upstream.known,
        };
        known_there && super::extensions::form_is_offered(form, self.filtered(), self.bound.restricts())
    }

    /// May the client switch this on?
    pub(super) fn may_enable(&self, token: &str) -> bool {
        const KNOWN: [&str; 5] = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2", "UIDONLY"];
        KNOWN.iter().any(|known| known.eq_ignore_ascii_case(token)) && self.offers(token.as_bytes(), self.wall)
    }
}

/// Where what stands in a response code begins in a line whose text the code begins.
pub(super) fn begin_of_args(line: &[u8], text: &[u8], code: &Code<'_>) -> usize {
    // Between name and brackets there may be a blank before it.
    let blank = code.len.saturating_sub(2).saturating_sub(code.name.len()).saturating_sub(code.args.len());
    let name = line.len().saturating_sub(text.len()).saturating_add(1);
    name.saturating_add(code.name.len()).saturating_add(blank)
}

/// `APPENDLIMIT=35651584` (RFC 7889) says no more than the rules let through.
fn lower_append_limit(list: &mut Vec<u8>, largest: u64) {
    const NAME: &[u8] = b"APPENDLIMIT=";
    let found = list.windows(NAME.len()).position(|word| word.eq_ignore_ascii_case(NAME));
    let Some(begin) = found.map(|at| at.saturating_add(NAME.len())) else { return };
    let digits = list.iter().skip(begin).take_while(|byte| byte.is_ascii_digit()).count();
    let end = begin.saturating_add(digits);
    let announced = list.get(begin..end).and_then(number);
    if announced.is_none_or(|announced| announced > largest) {
        list.splice(begin..end, largest.to_string().into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_list_of_a_code_begins() {
        for line in ["OK [CAPABILITY A B] in", "OK [capability  A] in", "OK [CAPABILITY] in", "OK [CAPABILITY ] A"] {
            let text = tagged_status(line.as_bytes()).unwrap().1;
            let code = code(text).unwrap();
            let behind = line.as_bytes().get(begin_of_args(line.as_bytes(), text, &code)..).unwrap();
            assert!(behind.strip_prefix(code.args).is_some_and(|rest| rest.starts_with(b"]")), "{line}");
        }
    }
}
