//! Parameters that are cut into pieces and encoded (RFC 2231): `name*0*=utf-8''sec; name*1=ret`.

use super::word::in_charset;

/// More parameters nobody reads.
const MOST: usize = 200;

/// The values of all parameters, put together; one text for each of them that is written so.
pub(super) fn readings(value: &[u8]) -> Vec<String> {
    let mut found: Vec<(Vec<u8>, Vec<(u16, bool, Vec<u8>)>)> = Vec::new();
    for part in value.split(|octet| *octet == b';').skip(1).take(MOST) {
        let Some(equals) = memchr::memchr(b'=', part) else { continue };
        let (name, written) = part.split_at(equals);
        let text = written.get(1..).unwrap_or_default().trim_ascii();
        let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
        let Some((name, number, coded)) = piece(name.trim_ascii()) else { continue };
        match found.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, pieces)) => pieces.push((number, coded, text.to_vec())),
            None => found.push((name.to_vec(), vec![(number, coded, text.to_vec())])),
        }
    }
    found.into_iter().map(|(_, pieces)| joined(pieces)).collect()
}

/// `name*0*`: the name, the number of the piece, and whether it is encoded. `None` for a plain name.
fn piece(name: &[u8]) -> Option<(&[u8], u16, bool)> {
    let (star, coded) = match name.strip_suffix(b"*") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let Some(at) = memchr::memchr(b'*', star) else { return coded.then_some((star, 0, true)) };
    let number = std::str::from_utf8(star.get(at.saturating_add(1)..)?).ok()?.parse().ok()?;
    Some((star.get(..at)?, number, coded))
}

fn joined(mut pieces: Vec<(u16, bool, Vec<u8>)>) -> String {
    pieces.sort_by_key(|(number, ..)| *number);
    let mut charset = b"utf-8".to_vec();
    let mut octets = Vec::new();
    for (place, (_, coded, text)) in pieces.into_iter().enumerate() {
        let mut text = text.as_slice();
        if place == 0 && coded {
            // charset'language'text
            let mut parts = text.splitn(3, |octet| *octet == b'\'');
            if let (Some(said), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
                charset = said.to_vec();
                text = rest;
            }
        }
        if coded { octets.extend(percent_encoding::percent_decode(text)) } else { octets.extend_from_slice(text) }
    }
    in_charset(&charset, &octets).0
}
