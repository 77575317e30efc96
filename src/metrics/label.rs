//! Closed lists of words that may stand in labels.

use crate::imap::message::ReadClass;
use crate::imap::verb::{CommandKind, Verb};
use crate::session::event::{
    CloseReason, FaultReason, FilteredResponse, GapReason, LimitAction, LoginResult, Mechanism, NoteStatus,
    RefusedReason, RuleEffect, RuleMode, SessionPhase, Side, UpstreamError, VerdictKind,
};

/// Values of a label. Each has a place in an array of series, so that counting needs no look-up.
pub(super) trait Label: Copy + PartialEq + 'static {
    /// Every value; the place of each is [`Label::index`].
    fn all() -> impl Iterator<Item = Self>;
    /// Its place, below the number of values.
    fn index(self) -> usize;
    /// The word in the label.
    fn word(self) -> &'static str;
    /// The value of that word.
    fn from_word(word: &str) -> Option<Self> {
        Self::all().find(|value| value.word() == word)
    }
}

macro_rules! labels {
    ($($name:ident)*) => {$(
        impl Label for $name {
            fn all() -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied()
            }
            fn index(self) -> usize {
                self as usize
            }
            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    )*};
}

labels! {
    CloseReason CommandKind FaultReason FilteredResponse GapReason LimitAction LoginResult Mechanism NoteStatus ReadClass
    RefusedReason RuleEffect RuleMode SessionPhase Side UpstreamError VerdictKind
    Area Direction Outcome
}

/// A command of the table, or `OTHER`.
impl Label for Option<Verb> {
    fn all() -> impl Iterator<Item = Self> {
        Verb::ALL.iter().copied().map(Some).chain([None])
    }
    fn index(self) -> usize {
        self.map_or(Verb::ALL.len(), |verb| verb as usize)
    }
    fn word(self) -> &'static str {
        self.map_or("OTHER", Verb::name)
    }
}

/// What a handshake agreed on, or `none`.
impl Label for Option<TlsVersion> {
    fn all() -> impl Iterator<Item = Self> {
        TlsVersion::ALL.iter().copied().map(Some).chain([None])
    }
    fn index(self) -> usize {
        self.map_or(TlsVersion::ALL.len(), |version| version as usize)
    }
    fn word(self) -> &'static str {
        self.map_or("none", TlsVersion::as_str)
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $visibility:vis $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

words! {
    /// A version of TLS that is spoken.
    pub TlsVersion {
        /// RFC 5246
        Tls12 = "TLSv1.2",
        /// RFC 8446
        Tls13 = "TLSv1.3",
    }
}

words! {
    /// From a peer, or to it.
    pub(super) Direction {
        In = "in",
        Out = "out",
    }
}

words! {
    /// Did it work?
    pub(super) Outcome {
        Ok = "ok",
        Failed = "failed",
    }
}

words! {
    /// What a record is about: the first two letters of its code (audit.md §2).
    pub(super) Area {
        Proxy = "SY",
        Session = "SE",
        Auth = "AU",
        Mailbox = "MB",
        Message = "MS",
        Command = "CM",
        Limit = "LI",
        Policy = "PO",
        Protocol = "PR",
        Admin = "AD",
        Log = "AL",
    }
}

impl From<bool> for Outcome {
    fn from(ok: bool) -> Self {
        if ok { Self::Ok } else { Self::Failed }
    }
}

/// What `policy_rules` counts: rules by mode, and those that share the label `_other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RulesCounted {
    In(RuleMode),
    Folded,
}

impl Label for RulesCounted {
    fn all() -> impl Iterator<Item = Self> {
        RuleMode::ALL.iter().copied().map(Self::In).chain([Self::Folded])
    }
    fn index(self) -> usize {
        match self {
            Self::In(mode) => mode as usize,
            Self::Folded => RuleMode::ALL.len(),
        }
    }
    fn word(self) -> &'static str {
        match self {
            Self::In(mode) => mode.as_str(),
            Self::Folded => "folded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_places<L: Label + std::fmt::Debug>() {
        for (at, value) in L::all().enumerate() {
            assert_eq!(value.index(), at, "{value:?}");
        }
    }

    #[test]
    fn every_value_has_its_place() {
        has_places::<CloseReason>();
        has_places::<CommandKind>();
        has_places::<FaultReason>();
        has_places::<FilteredResponse>();
        has_places::<GapReason>();
        has_places::<LimitAction>();
        has_places::<LoginResult>();
        has_places::<Mechanism>();
        has_places::<NoteStatus>();
        has_places::<ReadClass>();
        has_places::<RefusedReason>();
        has_places::<RuleEffect>();
        has_places::<RuleMode>();
        has_places::<SessionPhase>();
        has_places::<Side>();
        has_places::<UpstreamError>();
        has_places::<VerdictKind>();
        has_places::<Area>();
        has_places::<Direction>();
        has_places::<Outcome>();
        has_places::<RulesCounted>();
        has_places::<Option<TlsVersion>>();
        has_places::<Option<Verb>>();
    }

    fn ends_no_other<L: Label>() {
        for value in L::all() {
            let mut others = L::all().filter(|other| *other != value);
            assert!(!others.any(|other| other.word().ends_with(value.word())), "{} ends another", value.word());
        }
    }

    /// The crate tells series apart by their values run together, so `a`, `bc` would meet `ab`, `c`. They cannot where no
    /// value of a label that stands behind another ends another value.
    #[test]
    fn values_that_stand_behind_others_end_no_other() {
        ends_no_other::<CloseReason>();
        ends_no_other::<FaultReason>();
        ends_no_other::<LimitAction>();
        ends_no_other::<LoginResult>();
        ends_no_other::<Mechanism>();
        ends_no_other::<NoteStatus>();
        ends_no_other::<RefusedReason>();
        ends_no_other::<RuleEffect>();
        ends_no_other::<RuleMode>();
        ends_no_other::<SessionPhase>();
        ends_no_other::<UpstreamError>();
        ends_no_other::<Direction>();
        ends_no_other::<Outcome>();
        ends_no_other::<Option<TlsVersion>>();
    }

    #[test]
    fn every_code_of_an_event_has_its_area() {
        let source = concat!(
            include_str!("../session/event/facts.rs"),
            include_str!("../session/event/kind.rs"),
            include_str!("../session/event/note.rs"),
            include_str!("../session/event/words.rs"),
        );
        let codes: Vec<&str> = source
            .split('"')
            .filter(|word| word.len() == 6 && word.ends_with(['I', 'W', 'E']) && word.get(2..5).is_some_and(is_number))
            .collect();
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            assert!(Area::from_word(&code[..2]).is_some(), "{code}");
        }
    }

    fn is_number(text: &str) -> bool {
        text.bytes().all(|byte| byte.is_ascii_digit())
    }
}
