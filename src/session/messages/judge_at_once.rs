//! Header fields of a whole mailbox that is judged for the first time: they come by the hundred thousand, and most of them are
//! alike.
//!
//! Whatever else a response holds, and whatever else a rule goes by, takes the way of [`super::look`].

use crate::policy::Lasting;
use crate::wire::fetch_header::{FetchHeader, fetch_header};

use super::super::by_the_thousand::uid_of;
use super::super::upstream::LegPhase;
use super::facts::Seen;
use super::look::Look;
use super::{Session, View};

/// What rules said to the message before.
struct Before<'b> {
    header: &'b [u8],
    lasting: Lasting,
    shown: bool,
}

impl Session {
    /// Judges such responses for as long as there are any; says how many octets that was. Asked between responses only.
    pub(in crate::session) fn judge_at_once(&mut self, bytes: &[u8]) -> usize {
        let wall = self.wall;
        if self.leg.phase != LegPhase::Ready || self.opening_now().is_some() || self.looking() != Some(Look::Facts) {
            return 0;
        }
        let Some(view) = self.view.as_mut().filter(|view| view.goes_by_fields()) else { return 0 };
        let (mut at, mut before) = (0_usize, None);
        while let Some(response) = fetch_header(bytes.get(at..).unwrap_or_default()) {
            if view.judge_fields(&response, &mut before, wall).is_none() {
                break;
            }
            at = at.saturating_add(response.len);
        }
        at
    }
}

impl View {
    /// Is there nothing to be done with what comes but to judge it by its fields?
    fn goes_by_fields(&self) -> bool {
        self.asking.there.is_none()
            && self.news.is_empty()
            && self.filter.as_ref().is_some_and(|filter| filter.goes_by_fields())
    }

    /// `None`: it is about no message that was asked for, and nothing was done.
    fn judge_fields<'b>(
        &mut self,
        response: &FetchHeader<'b>,
        before: &mut Option<Before<'b>>,
        now: jiff::Timestamp,
    ) -> Option<()> {
        let uid = uid_of(response.uid).filter(|uid| self.asking.unjudged.contains(*uid))?;
        self.messages.by_upstream(response.seq).filter(|message| message.uid == uid)?;
        let known = match before {
            Some(known) if known.header == response.header => known,
            _ => {
                let seen = Seen { header: Some(response.header.to_vec()), ..Seen::default() };
                let (lasting, shown) = self.judged(uid, &seen, now);
                before.insert(Before { header: response.header, lasting, shown })
            }
        };
        self.asking.take_judged(uid, &known.lasting, known.shown);
        if response.flags.is_some_and(is_recent) {
            self.recent.insert(uid);
        }
        Some(())
    }
}

fn is_recent(flags: &[u8]) -> bool {
    flags.split(|octet| *octet == b' ').any(|flag| flag.eq_ignore_ascii_case(b"\\Recent"))
}
