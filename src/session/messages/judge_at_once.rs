//! Header fields of a whole mailbox that is judged for the first time: they come by the hundred thousand, and most of them are
//! alike.
//!
//! ```text
//!   * 118 FETCH (UID 3118 FLAGS (\Seen) BODY[HEADER.FIELDS (X-A)] {2}␍␊␍␊)␍␊     was read and judged
//!   * 119 FETCH (UID 3119                                                        comes next where all is as usual
//!                         FLAGS (\Seen) BODY[HEADER.FIELDS (X-A)] {2}␍␊␍␊)␍␊     has come before: it is judged alike
//! ```
//!
//! Whatever else a response holds, and whatever else a rule goes by, takes the way of [`super::look`].

use smallvec::SmallVec;

use crate::imap::message::Uid;
use crate::policy::Lasting;
use crate::wire::fetch_header::{FetchHeader, fetch_header};

use super::super::by_the_thousand::uid_of;
use super::super::upstream::LegPhase;
use super::facts::Seen;
use super::in_a_row::Counting;
use super::look::Look;
use super::{Session, View};

/// What rules said to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    lasting: Lasting,
    shown: bool,
    recent: bool,
}

/// Responses of late that can be met again are so many at most.
const OF_LATE: usize = 8;

/// What was judged of late.
#[derive(Default)]
struct Before<'b> {
    header: Option<(&'b [u8], Lasting, bool)>,
    /// What stood behind the UID, up to the end of the response.
    behind: SmallVec<[(&'b [u8], Said); OF_LATE]>,
    /// Which of them is forgotten next.
    oldest: usize,
}

impl<'b> Before<'b> {
    fn remember(&mut self, behind: &'b [u8], said: Said) {
        if self.behind.iter().any(|(known, _)| *known == behind) {
            return;
        }
        if self.behind.len() < OF_LATE {
            return self.behind.push((behind, said));
        }
        if let Some(known) = self.behind.get_mut(self.oldest) {
            *known = (behind, said);
        }
        self.oldest = self.oldest.saturating_add(1) % OF_LATE;
    }

    /// One of them that the text begins with.
    fn find(&self, text: &[u8]) -> Option<&(&'b [u8], Said)> {
        self.behind.iter().find(|(behind, _)| text.starts_with(behind))
    }
}

impl Session {
    /// Judges such responses for as long as there are any; says how many octets that was. Asked between responses only.
    pub(in crate::session) fn judge_at_once(&mut self, bytes: &[u8]) -> usize {
        let wall = self.wall;
        if self.leg.phase != LegPhase::Ready || self.opening_now().is_some() || self.looking() != Some(Look::Facts) {
            return 0;
        }
        let Some(view) = self.view.as_mut().filter(|view| view.goes_by_fields()) else { return 0 };
        let (mut at, mut before) = (0_usize, Before::default());
        while let Some(response) = fetch_header(bytes.get(at..).unwrap_or_default()) {
            let Some((uid, said)) = view.judge_fields(&response, &mut before, wall) else { break };
            view.take_alike(uid, uid, &said);
            let end = at.saturating_add(response.len);
            let text = bytes.get(at..end).unwrap_or_default();
            at = end;
            let mut comes =
                Counting::default().word("* ").number(response.seq).word(" FETCH (UID ").number(uid.get()).word(" ");
            if let Some(behind) = text.strip_prefix(comes.text()) {
                before.remember(behind, said);
                let rest = bytes.get(at..).unwrap_or_default();
                at = at.saturating_add(view.judge_in_a_row(&mut comes, response.seq, uid, rest, &before));
            }
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

    /// What rules say to it. `None`: it is about no message that was asked for, and nothing was done.
    fn judge_fields<'b>(
        &mut self,
        response: &FetchHeader<'b>,
        before: &mut Before<'b>,
        now: jiff::Timestamp,
    ) -> Option<(Uid, Said)> {
        let uid = uid_of(response.uid).filter(|uid| self.asking.unjudged.contains(*uid))?;
        self.messages.by_upstream(response.seq).filter(|message| message.uid == uid)?;
        let (lasting, shown) = match &before.header {
            Some((header, lasting, shown)) if *header == response.header => (lasting.clone(), *shown),
            _ => {
                let seen = Seen { header: Some(response.header.to_vec()), ..Seen::default() };
                self.judged(uid, &seen, now)
            }
        };
        before.header = Some((response.header, lasting.clone(), shown));
        Some((uid, Said { lasting, shown, recent: response.flags.is_some_and(is_recent) }))
    }

    /// Takes what follows the response of this number and UID for as long as it is what `comes` lets expect, about messages that
    /// were asked for, with something behind the UID that was judged before. Says how many octets that was.
    fn judge_in_a_row(&mut self, comes: &mut Counting, seq: u32, uid: Uid, bytes: &[u8], before: &Before<'_>) -> usize {
        let asked = self.asking.unjudged.run_of(uid).map_or(0, |(_, last)| last.get().saturating_sub(uid.get()));
        let most = self.messages.following(seq).min(asked);
        let (mut at, mut run) = (0_usize, None::<(Uid, Uid, &Said)>);
        for uid in (1..=most).map_while(|more| Uid::new(uid.get().checked_add(more)?)) {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(text) = comes.next().then(|| rest.strip_prefix(comes.text())).flatten() else { break };
            let Some((behind, said)) = before.find(text) else { break };
            at = at.saturating_add(comes.text().len()).saturating_add(behind.len());
            match &mut run {
                Some((_, last, known)) if std::ptr::eq(*known, said) || *known == said => *last = uid,
                _ => {
                    let ended = run.replace((uid, uid, said));
                    ended.into_iter().for_each(|(first, last, said)| self.take_alike(first, last, said));
                }
            }
        }
        run.into_iter().for_each(|(first, last, said)| self.take_alike(first, last, said));
        at
    }

    /// All from `first` to `last` were asked for, and this is what rules say to each.
    fn take_alike(&mut self, first: Uid, last: Uid, said: &Said) {
        self.asking.take_judged(first, last, &said.lasting, said.shown);
        if said.recent {
            self.recent.insert_run(first, last);
        }
    }
}

fn is_recent(flags: &[u8]) -> bool {
    flags.split(|octet| *octet == b' ').any(|flag| flag.eq_ignore_ascii_case(b"\\Recent"))
}
