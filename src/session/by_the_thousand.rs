//! Responses that come by the thousand and change nothing: the lines of a FETCH of flags or envelopes, and of a LIST.
//!
//! They reach the client in the segment in which they came, copied once with their neighbours. All that is said of them in
//! the record is counted here; whatever is not of this kind takes the way of [`super::response_path`].

use crate::imap::message::Uid;
use crate::wire::fetch_line::fetch_line;

use super::Session;
use super::effect::Effect;
use super::upstream::LegPhase;

impl Session {
    /// Does this whole line pass as it is, with nothing more to be done? Asked between responses only.
    pub(super) fn passes_at_once(&mut self, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(b"* ").filter(|_| self.leg.phase == LegPhase::Ready) else { return false };
        if self.guards() {
            return false;
        }
        match rest.first() {
            Some(b'1'..=b'9') => self.passes_fetch(rest),
            Some(b'L') => self.passes_list(rest),
            _ => false,
        }
    }

    fn passes_fetch(&mut self, rest: &[u8]) -> bool {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some((number, text)) = rest.split_at_checked(digits).filter(|_| digits < 10) else { return false };
        let Some(text) = text.strip_prefix(b" FETCH") else { return false };
        let seq = number.iter().fold(0u32, |seq, digit| seq.wrapping_mul(10).wrapping_add(u32::from(digit & 0x0f)));
        for entry in self.in_flight.iter_mut() {
            match &mut entry.effect {
                Effect::Fetching(reads) => return fetch_line(text).is_some_and(|line| reads.add_line(seq, &line)),
                Effect::Own(_) => return false,
                _ => {}
            }
        }
        false
    }

    fn passes_list(&mut self, rest: &[u8]) -> bool {
        let lists = rest.starts_with(b"LIST (") || rest.starts_with(b"LSUB (");
        let plain = lists && rest.ends_with(b"\r\n") && !rest.ends_with(b"}\r\n");
        if !plain || self.filtered() || !self.knows_delimiter() {
            return false;
        }
        for entry in self.in_flight.iter_mut() {
            match &mut entry.effect {
                Effect::Listing { n, .. } => {
                    *n = n.saturating_add(1);
                    return true;
                }
                Effect::Own(_) => return false,
                _ => {}
            }
        }
        false
    }
}

/// A UID as an upstream spells it: 0 and numbers beyond 32 bits are none (quirk U03).
pub(super) fn uid_of(number: u64) -> Option<Uid> {
    u32::try_from(number).ok().and_then(Uid::new)
}
