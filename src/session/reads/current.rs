//! The FETCH response under way: its items, one by one, and what they are of their message.

use crate::imap::message::Uid;
use crate::policy::AuditLevel;
use crate::wire::envelope::envelope_as_header;
use crate::wire::fetch::{FetchEvent, FetchScan, Item, ItemKind};
use crate::wire::structure::{PartNumber, Structure};

use super::super::coverage::{Section, Slice};
use super::super::event::ReadClass;
use super::super::headers::HeaderText;
use super::super::parts::PartOf;

/// The slices that were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'r> {
    pub(super) slices: &'r [(Section, u64, u64)],
    pub(super) others: &'r [(Section, u64, u64)],
}

impl Asked<'_> {
    /// Is this less than whoever asked for a slice that begins there asked for? Then it is the last one.
    fn is_shorter(self, section: Section, from: u64, octets: u64) -> bool {
        let mut asked = self.slices.iter().chain(self.others).filter(|(of, at, _)| (*of, *at) == (section, from));
        let mut all = asked.by_ref().map(|(_, _, most)| *most);
        all.next().is_some_and(|most| all.fold(most, u64::min) > octets)
    }
}

/// The response under way.
#[derive(Debug, Default)]
pub(in crate::session) struct Current {
    pub(super) scan: FetchScan,
    pub(super) open: bool,
    pub(super) seq: u64,
    pub(super) uid: Option<Uid>,
    pub(super) class: Option<ReadClass>,
    pub(super) only_flags: bool,
    pub(super) unknown: bool,
    pub(super) bytes: u64,
    pub(super) size: Option<u64>,
    pub(super) parts: Vec<Box<str>>,
    pub(super) literal: Option<Literal>,
    /// Its header, as far as it passes by; and is the literal under way of it?
    pub(super) header_text: Option<Box<HeaderText>>,
    pub(super) in_header: bool,
    pub(super) emailid: Option<Box<str>>,
    pub(super) slices: Vec<Slice>,
    pub(super) structure: Option<Structure>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Literal {
    pub(super) item: Item,
    pub(super) section: Option<Section>,
    pub(super) size: u64,
    pub(super) seen: u64,
}

impl Current {
    pub(super) fn on(&mut self, event: FetchEvent<'_>, asked: Asked<'_>) {
        match event {
            FetchEvent::Uid { uid, .. } => {
                self.uid = u32::try_from(uid).ok().and_then(Uid::new);
                self.reach(ReadClass::Listed);
            }
            FetchEvent::Size(size) => {
                self.size = Some(size);
                self.only_flags = false;
                self.reach(ReadClass::Listed);
            }
            FetchEvent::Inline { item, section, octets, nil, .. } => {
                self.only_flags &= item.kind == ItemKind::Flags;
                if nil && !matches!(item.kind, ItemKind::Structure | ItemKind::Unknown) {
                    return self.reach(ReadClass::Listed);
                }
                self.name_part(item, section);
                self.deliver(item, section_of(item, section), octets, true, asked);
            }
            FetchEvent::Literal { item, section, size, .. } => {
                self.only_flags = false;
                self.name_part(item, section);
                self.literal = Some(Literal { item, section: section_of(item, section), size, seen: 0 });
            }
            FetchEvent::Opaque => {
                self.only_flags = false;
                self.unknown = true;
                self.reach(ReadClass::Full);
            }
        }
    }

    pub(super) fn reach(&mut self, class: ReadClass) {
        self.class = Some(self.class.map_or(class, |reached| reached.max(class)));
    }

    fn name_part(&mut self, item: Item, section: &[u8]) {
        if matches!(item.kind, ItemKind::Part | ItemKind::Text) && self.parts.len() < 32 {
            let section = if section.is_empty() { &b"TEXT"[..] } else { section }; // RFC822.TEXT
            let section = String::from_utf8_lossy(section.get(..section.len().min(64)).unwrap_or_default());
            self.parts.push(section.into());
        }
    }

    /// Which parts the message has is told beside them.
    pub(super) fn take_structure(&mut self, text: &[u8], event: &FetchEvent<'_>) {
        if let FetchEvent::Inline { item, at, .. } = *event
            && item.kind == ItemKind::Structure
        {
            self.structure = self.structure.take().or_else(|| Structure::read_item(text.get(at..)?));
        }
    }

    /// What an item tells of the header, or begins to.
    pub(super) fn collect(&mut self, text: &[u8], event: &FetchEvent<'_>, level: AuditLevel) {
        match *event {
            FetchEvent::Literal { item, section, .. } if holds_header(item, section) => {
                self.header_text.get_or_insert_default().begin();
                self.in_header = true;
            }
            FetchEvent::Inline { item, at, .. } if item.kind == ItemKind::Structure => {
                if let Some(header) = text.get(at..).and_then(envelope_as_header) {
                    let all = self.header_text.get_or_insert_default();
                    all.begin();
                    all.push(&header, level);
                }
            }
            FetchEvent::Inline { item, at, .. } if item.kind == ItemKind::Listed => {
                let value = text.get(at..).and_then(|item| item.strip_prefix(b"EMAILID ("));
                let id = value.and_then(|value| value.get(..memchr::memchr(b')', value)?.min(255)));
                self.emailid = id.map(|id| String::from_utf8_lossy(id).into()).or(self.emailid.take());
            }
            FetchEvent::Literal { .. }
            | FetchEvent::Inline { .. }
            | FetchEvent::Uid { .. }
            | FetchEvent::Size(_)
            | FetchEvent::Opaque => {}
        }
    }

    pub(super) fn finish_literal(&mut self, asked: Asked<'_>) {
        self.in_header = false;
        if let Some(literal) = self.literal.take() {
            self.deliver(literal.item, literal.section, literal.seen, literal.seen == literal.size, asked);
        }
    }

    /// `octets` of an item's value were relayed; `whole`: all that the upstream announced.
    fn deliver(&mut self, item: Item, section: Option<Section>, octets: u64, whole: bool, asked: Asked<'_>) {
        // A part that was cut is not all of it, whatever else there is: nobody need ask.
        if let Some(section) = section.filter(|section| whole || !matches!(section, Section::Part(..))) {
            let from = item.origin.unwrap_or(0);
            let last = whole && (item.origin.is_none() || asked.is_shorter(section, from, octets));
            self.slices.push(Slice { section, from, to: from.saturating_add(octets), last });
        }
        let content = |this: &mut Self| this.bytes = this.bytes.saturating_add(octets);
        match item.kind {
            ItemKind::Uid | ItemKind::Flags | ItemKind::Size | ItemKind::Listed => self.reach(ReadClass::Listed),
            ItemKind::Structure => self.reach(ReadClass::Envelope),
            ItemKind::Header => self.reach(ReadClass::Envelope),
            ItemKind::Preview => {
                content(self);
                self.reach(ReadClass::Preview);
            }
            ItemKind::Text | ItemKind::Part => {
                content(self);
                self.reach(ReadClass::Part);
            }
            ItemKind::Whole => {
                content(self);
                self.reach(if item.origin.is_none() && whole { ReadClass::Full } else { ReadClass::Part });
            }
            ItemKind::Unknown => {
                content(self);
                self.unknown = true;
                self.reach(ReadClass::Full);
            }
        }
    }
}

/// The class that an item's value is of.
pub(super) fn class_of(item: Item) -> ReadClass {
    match item.kind {
        ItemKind::Uid | ItemKind::Flags | ItemKind::Size | ItemKind::Listed => ReadClass::Listed,
        ItemKind::Structure | ItemKind::Header => ReadClass::Envelope,
        ItemKind::Preview => ReadClass::Preview,
        ItemKind::Text | ItemKind::Part => ReadClass::Part,
        ItemKind::Whole if item.origin.is_some() => ReadClass::Part,
        ItemKind::Whole | ItemKind::Unknown => ReadClass::Full,
    }
}

/// What of the message that item is a slice of, where slices add up.
fn section_of(item: Item, section: &[u8]) -> Option<Section> {
    match item.kind {
        ItemKind::Whole if item.decoded => Some(Section::Decoded),
        ItemKind::Whole => Some(Section::Whole),
        ItemKind::Text => Some(Section::Text),
        // Of single fields nobody knows what is missing; all but some are taken for all.
        ItemKind::Header => {
            let begins = |name: &[u8]| section.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name));
            if section.is_empty() || section.eq_ignore_ascii_case(b"HEADER") {
                Some(Section::Header)
            } else {
                begins(b"HEADER.FIELDS.NOT").then_some(Section::Fields)
            }
        }
        ItemKind::Part => {
            let (number, tail) = PartNumber::read(section)?;
            let of = match (item.decoded, tail.is_empty()) {
                (true, _) => PartOf::Decoded,
                (false, true) => PartOf::All,
                (false, false) => PartOf::Text,
            };
            Some(Section::Part(number, of))
        }
        ItemKind::Uid
        | ItemKind::Flags
        | ItemKind::Size
        | ItemKind::Listed
        | ItemKind::Structure
        | ItemKind::Preview
        | ItemKind::Unknown => None,
    }
}

/// Does the value of that item begin with fields of the message's own header?
fn holds_header(item: Item, section: &[u8]) -> bool {
    match item.kind {
        ItemKind::Whole => item.origin.is_none_or(|origin| origin == 0),
        ItemKind::Header => {
            item.origin.is_none_or(|origin| origin == 0) && !section.first().is_some_and(u8::is_ascii_digit)
        }
        ItemKind::Uid
        | ItemKind::Flags
        | ItemKind::Size
        | ItemKind::Listed
        | ItemKind::Structure
        | ItemKind::Preview
        | ItemKind::Text
        | ItemKind::Part
        | ItemKind::Unknown => false,
    }
}
