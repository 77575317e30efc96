//! Numbers that come by the ten thousand: eight digits at a time.
//!
//! ```text
//!   "4711 FLA"  ─▶  4711, " FLA…"
//! ```

/// `0x01` in each octet.
const EACH: u64 = u64::from_ne_bytes([1; 8]);

/// The number of at most 18 digits that the text begins with, and what stands behind it.
#[must_use]
#[inline]
pub fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    let mut rest = text;
    if let Some(octets) = text.first_chunk::<8>() {
        let octets = u64::from_le_bytes(*octets);
        let count = leading_digits(octets);
        if count == 0 {
            return None;
        }
        number = value(octets, count);
        rest = text.get(count..).unwrap_or_default();
        if count < 8 {
            return Some((number, rest));
        }
    }
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit & 0x0f));
        rest = behind;
    }
    (1..=18).contains(&text.len().saturating_sub(rest.len())).then_some((number, rest))
}

/// Writes the number, without what formatting does besides.
pub fn write_number(out: &mut Vec<u8>, number: u32) {
    let mut digits = [b'0'; 10];
    let (mut left, mut count) = (number, 0usize);
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789".get((left % 10) as usize).copied().unwrap_or(b'0');
        (left, count) = (left / 10, count.saturating_add(1));
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len().saturating_sub(count)..).unwrap_or_default());
}

/// How many digits does the text begin with, if there are 1 to 7 of them?
#[must_use]
#[inline]
pub fn short_number(text: &[u8]) -> Option<usize> {
    let count = leading_digits(u64::from_le_bytes(*text.first_chunk::<8>()?));
    (1..8).contains(&count).then_some(count)
}

/// Reads numbers that stand behind one blank each, for as long as each is followed by another blank or a CR: of 1 to 7 digits,
/// and not in the last eight octets. What is left comes back.
///
/// Where the next one begins is known from the width of the last ones, and only confirmed by what is read: so no number waits
/// for the one before it.
pub fn blank_and_number(text: &[u8], mut on_number: impl FnMut(u32)) -> &[u8] {
    let mut rest = text;
    while let [b' ', number @ ..] = rest
        && let Some(width) = short_number(number)
    {
        let before = rest.len();
        while let [b' ', number @ ..] = rest
            && let Some(octets) = number.first_chunk::<8>()
            && leading_digits(u64::from_le_bytes(*octets)) == width
            && let Some(behind @ [b' ' | b'\r', ..]) = number.get(width..)
        {
            // Seven digits fit.
            on_number(value(u64::from_le_bytes(*octets), width) as u32);
            rest = behind;
        }
        if rest.len() == before {
            break;
        }
    }
    rest
}

/// How many of these octets, from the first, are digits?
#[inline]
fn leading_digits(octets: u64) -> usize {
    let values = octets ^ EACH.wrapping_mul(0x30);
    // The high bit of each octet that is no digit: it was set, or adding 118 to more than 9 sets it. No octet carries before
    // the first such one.
    let others = (values.wrapping_add(EACH.wrapping_mul(0x76)) | values) & EACH.wrapping_mul(0x80);
    (others.trailing_zeros() / 8) as usize
}

/// The number that the first `count` of these digits spell, 1 to 8.
#[inline]
fn value(octets: u64, count: usize) -> u64 {
    let unused = 64u32.saturating_sub(u32::try_from(count).unwrap_or(8).saturating_mul(8));
    // In front of it stand octets of zero: tens and ones are joined, then hundreds, then tens of thousands.
    let digits = (octets & EACH.wrapping_mul(0x0f)).wrapping_shl(unused);
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// Where the first of these two octets stands; both are ASCII.
#[must_use]
#[inline]
pub fn find_either(one: u8, other: u8, text: &[u8]) -> Option<usize> {
    let mut rest = text;
    while let Some((octets, behind)) = rest.split_first_chunk::<8>() {
        let octets = u64::from_le_bytes(*octets);
        let found = zero_octets(octets ^ EACH.wrapping_mul(u64::from(one)))
            | zero_octets(octets ^ EACH.wrapping_mul(u64::from(other)));
        if found != 0 {
            return Some(text.len().saturating_sub(rest.len()).saturating_add((found.trailing_zeros() / 8) as usize));
        }
        rest = behind;
    }
    let at = rest.iter().position(|octet| *octet == one || *octet == other)?;
    Some(text.len().saturating_sub(rest.len()).saturating_add(at))
}

/// The high bit of each octet that is zero; right up to the first of them.
fn zero_octets(octets: u64) -> u64 {
    octets.wrapping_sub(EACH) & !octets & EACH.wrapping_mul(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let rows: &[(&str, Option<(u64, &str)>)] = &[
            ("", None),
            ("x1", None),
            ("x1234567", None),
            ("7", Some((7, ""))),
            ("07 x", Some((7, " x"))),
            ("4711 FLAGS", Some((4711, " FLAGS"))),
            ("12345678", Some((12_345_678, ""))),
            ("123456789 ", Some((123_456_789, " "))),
            ("4294967295)", Some((4_294_967_295, ")"))),
            ("999999999999999999", Some((999_999_999_999_999_999, ""))),
            ("1000000000000000000", None),
            ("1:5000000", Some((1, ":5000000"))),
            ("1/5", Some((1, "/5"))),
            ("12\u{ff}45678", Some((12, "\u{ff}45678"))),
        ];
        for (text, want) in rows {
            let told = digits(text.as_bytes());
            assert_eq!(told, want.map(|(number, rest)| (number, rest.as_bytes())), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_digit_at_a_time_comes_to_the_same(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..4), number in 0u64..1_000_000_000_000) {
            let octets = [number.to_string().as_bytes(), b" ", &text].concat();
            let length = number.to_string().len();
            proptest::prop_assert_eq!(digits(&octets), Some((number, &octets[length..])));
        }

        #[test]
        fn numbers_in_a_row(list in "( [0-9]{1,8}){0,9}( |x|\r\n|( [0-9]{1,2}){0,9}| \\(MODSEQ 12345678\\)\r\n)") {
            let mut numbers = Vec::new();
            let rest = blank_and_number(list.as_bytes(), |number| numbers.push(number));
            let read = &list[..list.len() - rest.len()];
            let words: Vec<u32> = read.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
            proptest::prop_assert_eq!(numbers, words, "{:?}", &list);
            proptest::prop_assert!(matches!(rest, [] | [b' ' | b'\r' | b'x', ..]) || read.is_empty());
        }

        #[test]
        fn writes_what_formatting_does(number in proptest::prelude::any::<u32>(), shift in 0u32..32) {
            let mut out = Vec::new();
            write_number(&mut out, number >> shift);
            proptest::prop_assert_eq!(out, (number >> shift).to_string().into_bytes());
        }

        #[test]
        fn finds_what_a_loop_finds(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let want = text.iter().position(|octet| b")\n".contains(octet));
            proptest::prop_assert_eq!(find_either(b')', b'\n', &text), want);
        }
    }
}
