//! Values of people: as they are, or, where the log hashes them, as what stands for them; and which of them do.

use std::fmt::{Display, Write as _};

use super::{MAX_MAILBOX, MAX_WORD};
use crate::audit::hashing::{HashedField, Hashing};
use crate::audit::json::{self, Object};

/// What is hashed, and where in the line at hand that was done.
#[derive(Debug)]
pub(super) struct Hashes<'h> {
    with: Option<&'h Hashing>,
    /// JSON pointers, as items of a list.
    pointers: String,
}

impl<'h> Hashes<'h> {
    pub fn new(with: Option<&'h Hashing>) -> Self {
        Self { with, pointers: String::new() }
    }

    /// Octets that `hashed` takes in the line.
    pub fn len(&self) -> usize {
        self.pointers.len()
    }

    /// The last field of the record: which of the others are hashes.
    pub fn write(&self, record: &mut Object<'_>) {
        if !self.pointers.is_empty() {
            let out = record.key("hashed");
            out.push(b'[');
            out.extend_from_slice(self.pointers.as_bytes());
            out.push(b']');
        }
    }

    /// What stands for a value that is to be hashed. Its pointer is `place` and the rest behind it, which have nothing in them
    /// that JSON or a pointer would escape.
    fn of(&mut self, field: HashedField, value: &str, place: &str, rest: impl Display) -> Option<String> {
        let key = &self.with.filter(|with| with.covers(field))?.key;
        let hash = match field {
            HashedField::Address => key.hash_each(field, value),
            // A pattern of nothing but wildcards tells nothing, and what it asks for should be told.
            HashedField::Mailbox if value.bytes().all(|byte| matches!(byte, b'*' | b'%')) => return None,
            HashedField::User
            | HashedField::Mailbox
            | HashedField::ClientIp
            | HashedField::Subject
            | HashedField::Search => key.hash(field, value),
        };
        self.point(place, rest);
        Some(hash)
    }

    fn point(&mut self, place: &str, rest: impl Display) {
        let comma = if self.pointers.is_empty() { "" } else { "," };
        let _ = write!(self.pointers, "{comma}\"{place}/{rest}\"");
    }

    /// A text of at most `max` octets; `place` is the pointer of the object that it stands in.
    pub fn text(
        &mut self,
        object: &mut Object<'_>,
        (place, key): (&str, &str),
        field: HashedField,
        value: &str,
        max: usize,
    ) {
        match self.of(field, value, place, key) {
            // Of many only whole ones: a hash that was cut is found by nobody.
            Some(hash) => object.word(key, whole(&hash, max)),
            None => object.text(key, value, max),
        }
    }

    /// The same, left out where there is none.
    pub fn maybe_text(
        &mut self,
        object: &mut Object<'_>,
        at: (&str, &str),
        field: HashedField,
        value: Option<&str>,
        max: usize,
    ) {
        if let Some(value) = value {
            self.text(object, at, field, value, max);
        }
    }

    /// The name of a mailbox, or a pattern of names.
    pub fn mailbox(&mut self, object: &mut Object<'_>, at: (&str, &str), name: &str) {
        self.text(object, at, HashedField::Mailbox, name, MAX_MAILBOX);
    }

    /// The client's address.
    pub fn address(&mut self, object: &mut Object<'_>, at: (&str, &str), ip: std::net::IpAddr) {
        match self.with.is_some_and(|with| with.covers(HashedField::ClientIp)) {
            true => self.text(object, at, HashedField::ClientIp, &ip.to_string(), MAX_WORD),
            false => match ip {
                std::net::IpAddr::V4(ip) => object.dotted(at.1, ip.octets()),
                std::net::IpAddr::V6(_) => object.quoted(at.1, ip),
            },
        }
    }

    /// `user=ann`, `user=ann* ip=203.0.113.7`: whom a lock, or a request, is about.
    pub fn subject(&mut self, object: &mut Object<'_>, at: (&str, &str), subject: &str) {
        let pairs = pairs(subject);
        let covered = |(field, _, _): &(Option<HashedField>, &str, String)| {
            field.is_some_and(|field| self.with.is_some_and(|with| with.covers(field)))
        };
        if !pairs.iter().any(covered) {
            return object.text(at.1, subject, MAX_WORD);
        }
        let key = self.with.map(|with| &with.key);
        let said: Vec<String> = pairs
            .iter()
            .map(|pair| match (pair, key) {
                ((Some(field), name, value), Some(key)) if covered(pair) => {
                    format!("{name}={}", key.hash(*field, value))
                }
                ((_, "", value), _) => value.clone(),
                ((_, name, value), _) => format!("{name}={value}"),
            })
            .collect();
        self.point(at.0, at.1);
        object.text(at.1, &said.join(" "), 4 * MAX_WORD);
    }

    /// An item of a list; `place` is the list's pointer.
    pub fn item(&mut self, out: &mut Vec<u8>, field: HashedField, place: &str, index: usize, item: &str, max: usize) {
        match self.of(field, item, place, index) {
            Some(hash) => json::text(out, &hash),
            None => json::text(out, json::cut(item, max)),
        }
    }
}

fn whole(hashes: &str, max: usize) -> &str {
    match hashes.get(..max) {
        Some(cut) if hashes.len() > max => cut.rsplit_once(',').map_or(hashes, |(whole, _)| whole),
        _ => hashes,
    }
}

/// `key=value` and the next, where blanks may be part of a value; what has no key comes without.
fn pairs(subject: &str) -> Vec<(Option<HashedField>, &str, String)> {
    let mut pairs: Vec<(Option<HashedField>, &str, String)> = Vec::new();
    for word in subject.split(' ') {
        let named =
            word.split_once('=').filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        match (named, pairs.last_mut()) {
            (Some((name, value)), _) => pairs.push((field_of(name), name, value.to_owned())),
            (None, Some((_, _, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => pairs.push((None, "", word.to_owned())),
        }
    }
    pairs
}

fn field_of(key: &str) -> Option<HashedField> {
    Some(match key {
        "user" | "actor" => HashedField::User,
        "mailbox" => HashedField::Mailbox,
        "ip" | "client_ip" => HashedField::ClientIp,
        _ => return None,
    })
}
