//! `xn--` labels of domains and the letters that they stand for (RFC 3492).

use super::fold::fold;

/// The text with every label that begins with `xn--` as the letters it stands for, folded; `None` where there is none.
pub(super) fn spelled_out(folded: &str) -> Option<String> {
    if !folded.contains("xn--") {
        return None;
    }
    let is_label = |c: char| c.is_alphanumeric() || c == '-';
    let mut out = String::with_capacity(folded.len());
    let mut rest = folded;
    while let Some(first) = rest.chars().next() {
        let end =
            rest.find(|c| !is_label(c)).unwrap_or(rest.len()).max(if is_label(first) { 1 } else { first.len_utf8() });
        let (label, behind) = rest.split_at(end);
        match label.strip_prefix("xn--").and_then(decode) {
            Some(letters) => out.push_str(&fold(&letters)),
            None => out.push_str(label),
        }
        rest = behind;
    }
    Some(out)
}

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;

/// RFC 3492 §6.2. No label is longer than 63 octets (RFC 1035 §2.3.4).
fn decode(label: &str) -> Option<String> {
    if label.len() > 63 {
        return None;
    }
    let (basic, extended) = label.rsplit_once('-').unwrap_or(("", label));
    let mut out: Vec<char> = basic.chars().collect();
    let (mut n, mut i, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = extended.bytes();
    while digits.len() > 0 {
        let before = i;
        let (mut weight, mut k) = (1_u32, BASE);
        loop {
            let digit = digit(digits.next()?)?;
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < t {
                break;
            }
            weight = weight.checked_mul(BASE.checked_sub(t)?)?;
            k = k.checked_add(BASE)?;
        }
        let length = u32::try_from(out.len()).ok()?.checked_add(1)?;
        bias = adapt(i.checked_sub(before)?, length, before == 0);
        n = n.checked_add(i / length)?;
        i %= length;
        out.insert(usize::try_from(i).ok()?, char::from_u32(n)?);
        i = i.checked_add(1)?;
    }
    Some(out.into_iter().collect())
}

fn digit(octet: u8) -> Option<u32> {
    match octet {
        b'a'..=b'z' => Some(u32::from(octet.saturating_sub(b'a'))),
        b'0'..=b'9' => Some(u32::from(octet.saturating_sub(b'0')).saturating_add(26)),
        _ => None,
    }
}

fn adapt(delta: u32, length: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta = delta.saturating_add(delta / length.max(1));
    let mut k = 0_u32;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k = k.saturating_add(BASE);
    }
    k.saturating_add((BASE - T_MIN + 1).saturating_mul(delta) / delta.saturating_add(SKEW))
}
