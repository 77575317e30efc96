//! The day in a Date field.

use jiff::civil::Date;
use jiff::fmt::rfc2822::DateTimeParser;

const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// In its own zone. `None` where it is no `date-time` of RFC 5322 §3.3 and §4.3.
pub(super) fn read(value: &[u8]) -> Option<Date> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.replace(['\r', '\n'], "");
    Some(PARSER.parse_zoned_datetime(text.trim()).ok()?.date())
}
