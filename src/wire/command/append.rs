//! APPEND (RFC 9051 §6.3.12; several messages: RFC 3502; put together from others: RFC 4469; in UTF-8: RFC 9755 §4) and
//! REPLACE (RFC 8508). Their literals are mail: too large to be collected, and never read as commands.
//!
//! ```text
//!   a APPEND Sent (\Seen) {310}␍␊        prefix: where to, with which flags, how much
//!   …310 octets…                          streamed
//!    (\Draft) {20}␍␊                      continuation: one more
//!   …20 octets…
//!   ␍␊                                    continuation: the end
//! ```

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{map, opt, value, verify};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded, terminated};

use super::token::{
    Cursor, FlagList, MailboxArg, Parsed, SetArg, Span, Text, Word, announcement, any_literal, astring, bounded, close,
    cut, digits, end, expect, flag_list, keyword, literal, literal8, mailbox, open, sequence_set, sp, spanned,
};
use super::{Command, syntax_error};
use crate::imap::message::{Flag, SeqSet};
use crate::imap::verb::Verb;
use crate::wire::error::SyntaxError;
use crate::wire::frame::Announced;
use crate::wire::mailbox::Utf8Mode;
use crate::wire::search::date_text;

/// APPEND, with its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append<'f> {
    /// Where to.
    pub mailbox: MailboxArg<'f>,
    /// One or, with MULTIAPPEND, more.
    pub messages: Vec<Message<'f>>,
}

/// A message to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'f> {
    /// The flags that it shall have.
    pub flags: Option<FlagList>,
    /// Its internal date, as written.
    pub date: Option<Text<'f>>,
    /// Its octets.
    pub data: MessageData<'f>,
}

/// The octets of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageData<'f> {
    /// `{n}` or `~{n}`
    Literal(Text<'f>),
    /// `UTF8 (~{n})`
    Utf8(Text<'f>),
    /// `CATENATE (…)`
    Catenate(Vec<CatenatePart<'f>>),
}

/// A part of a message put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatenatePart<'f> {
    /// A part of another message: a read of it.
    Url(Text<'f>),
    /// Octets.
    Text(Text<'f>),
}

/// REPLACE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace<'f> {
    /// The one message that goes.
    pub set: SetArg,
    /// What comes, and where.
    pub append: Append<'f>,
}

/// What a command whose line announces a literal is waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandPrefix<'f> {
    /// The octets of a message, to be streamed.
    MessageLiteral(MessageLiteral<'f>),
    /// A string, to be collected.
    ArgumentLiteral(Announced),
}

/// APPEND or REPLACE up to the literal of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageLiteral<'f> {
    /// What came before.
    pub append: AppendPrefix<'f>,
    /// The literal.
    pub literal: Announced,
}

/// APPEND or REPLACE up to the literal of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendPrefix<'f> {
    /// The client's tag.
    pub tag: Word<'f>,
    /// APPEND, REPLACE or UID REPLACE.
    pub verb: Verb,
    /// Where its name stands.
    pub verb_span: Span,
    /// The message that REPLACE takes away.
    pub replaced: Option<SetArg>,
    /// Where to.
    pub mailbox: MailboxArg<'f>,
    /// The messages so far; the last is the one whose octets come. There are others before it only where those were put
    /// together from URLs alone.
    pub messages: Vec<MessageHead<'f>>,
}

/// What is said about a message before its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead<'f> {
    /// The flags that it shall have.
    pub flags: Option<FlagList>,
    /// Its internal date, as written.
    pub date: Option<Text<'f>>,
    /// How its octets are wrapped.
    pub form: MessageForm,
    /// The URLs so far of a message put together: a read of each.
    pub urls: Vec<Text<'f>>,
}

/// How the octets of a message are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageForm {
    /// `{n}`
    Plain,
    /// `UTF8 (~{n})`
    Utf8,
    /// `CATENATE (TEXT {n} …)`
    Catenate,
}

/// What stands behind the octets of a message, up to the next line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendContinuation<'f> {
    /// More URLs of the message under way.
    pub urls: Vec<Text<'f>>,
    /// Messages that begin here.
    pub messages: Vec<MessageHead<'f>>,
    /// What comes now.
    pub then: AppendNext,
}

/// What comes behind a piece of APPEND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendNext {
    /// Octets of the last of the messages that begin here, or, where none does, of the one under way.
    Message(MessageForm, Announced),
    /// A string, to be collected behind these bytes before they are read again.
    Argument(Announced),
    /// Nothing: the command is complete.
    End,
}

/// ```abnf
/// append          = "APPEND" SP mailbox 1*append-message
/// append-message  = [SP flag-list] [SP date-time] SP append-data
/// ```
pub(crate) fn append(i: Cursor<'_>) -> Parsed<'_, Append<'_>> {
    let messages = bounded(nom::multi::many1(message));
    map((mailbox, messages), |(mailbox, messages)| Append { mailbox, messages }).parse(i)
}

/// `replace = "REPLACE" SP seq-number SP mailbox append-message`
pub(crate) fn replace(i: Cursor<'_>) -> Parsed<'_, Replace<'_>> {
    map((one_message, sp, mailbox, message), |(set, (), mailbox, message)| Replace {
        set,
        append: Append { mailbox, messages: vec![message] },
    })
    .parse(i)
}

/// A set of one number.
fn one_message(i: Cursor<'_>) -> Parsed<'_, SetArg> {
    let one = |set: &SetArg| match &set.set {
        SeqSet::Ranges(ranges) => matches!(ranges.as_slice(), [(first, last)] if first == last),
        SeqSet::Saved => false,
    };
    expect("one message number", verify(sequence_set, one)).parse(i)
}

fn message(i: Cursor<'_>) -> Parsed<'_, Message<'_>> {
    let (i, (flags, date)) = about_message(i)?;
    map(preceded(sp, data), |data| Message { flags: flags.clone(), date: date.clone(), data }).parse(i)
}

/// `[SP flag-list] [SP date-time]`. `\Recent` is none that a client may name (RFC 3501 §9 `flag-extension`).
fn about_message(i: Cursor<'_>) -> Parsed<'_, (Option<FlagList>, Option<Text<'_>>)> {
    let (rest, (flags, date)) = (opt(preceded(sp, flag_list)), opt(preceded(sp, date_time))).parse(i)?;
    match &flags {
        Some(list) if list.flags.iter().any(|arg| arg.flag == Flag::Recent) => i.failure("flags that a client may set"),
        _ => Ok((rest, (flags, date))),
    }
}

/// ```abnf
/// append-data     = literal / literal8 / "UTF8" SP "(" literal8 ")" / "CATENATE" SP "(" cat-part *(SP cat-part) ")"
/// cat-part        = "TEXT" SP literal / "URL" SP url
/// ```
fn data(i: Cursor<'_>) -> Parsed<'_, MessageData<'_>> {
    let text = preceded((keyword("TEXT"), sp), map(any_literal, CatenatePart::Text));
    let url = preceded((keyword("URL"), sp), map(astring, CatenatePart::Url));
    let parts = delimited(open, bounded(separated_list1(sp, alt((text, url)))), close);
    expect(
        "the literal of a message",
        alt((
            map(any_literal, MessageData::Literal),
            map(preceded((keyword("UTF8"), sp), cut(delimited(open, literal8, close))), MessageData::Utf8),
            map(preceded((keyword("CATENATE"), sp), cut(parts)), MessageData::Catenate),
        )),
    )
    .parse(i)
}

/// ```abnf
/// date-time       = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
/// date-day-fixed  = (SP DIGIT) / 2DIGIT
/// time            = 2DIGIT ":" 2DIGIT ":" 2DIGIT
/// zone            = ("+" / "-") 4DIGIT
/// ```
/// A day of one digit without the space is taken, too: clients send it.
pub(crate) fn date_time(i: Cursor<'_>) -> Parsed<'_, Text<'_>> {
    let two = |largest: u16| verify(digits(2, 2), move |number| *number <= largest);
    let sign = alt((tag("+"), tag("-")));
    let time = (two(23), tag(":"), two(59), tag(":"), two(60));
    let inside = (opt(tag(" ")), date_text, tag(" "), time, tag(" "), sign, two(23), two(59));
    let quoted = value((), (tag("\""), inside, tag("\"")));
    let (rest, (span, ())) = expect("a date and time", spanned(quoted)).parse(i)?;
    let inside = i.rest().get(1..span.len().saturating_sub(1)).unwrap_or_default();
    let octets = std::borrow::Cow::Borrowed(inside);
    Ok((rest, Text { span, octets, form: super::StringForm::Quoted }))
}

/// How far a command came whose last line announces a literal.
pub(super) fn prefix(frame: &[u8], mode: Utf8Mode) -> Result<CommandPrefix<'_>, SyntaxError> {
    let error = |error| syntax_error(error, frame);
    let start = Cursor::new(frame, mode);
    let (i, (tag, verb, verb_span)) = super::head(start).map_err(error)?;
    match verb {
        Verb::Append | Verb::Replace | Verb::UidReplace => {}
        _ => {
            return match Command::parse(frame, mode) {
                Err(error) => argument(frame, error).map(CommandPrefix::ArgumentLiteral),
                Ok(_) => Err(SyntaxError::new(frame.len(), "a literal")),
            };
        }
    }
    let mut target = (opt(preceded(sp, terminated(one_message, sp))), opt(sp), mailbox);
    let target = if verb == Verb::Append {
        map(preceded(sp, mailbox), |mailbox| (None, mailbox)).parse(i)
    } else {
        verify(|i| target.parse(i), |(set, _, _)| set.is_some())
            .parse(i)
            .map(|(i, (set, _, mailbox))| (i, (set, mailbox)))
    };
    let outcome = target.and_then(|(i, (replaced, mailbox))| {
        let (_, heads) = message_heads(i, verb == Verb::Append)?;
        Ok((replaced, mailbox, heads))
    });
    match outcome.map_err(error) {
        Ok((replaced, mailbox, Heads { messages, literal: Some(literal) })) => {
            let append = AppendPrefix { tag, verb, verb_span, replaced, mailbox, messages };
            Ok(CommandPrefix::MessageLiteral(MessageLiteral { append, literal }))
        }
        Ok(_) => Err(SyntaxError::new(frame.len(), "a literal")),
        Err(error) => argument(frame, error).map(CommandPrefix::ArgumentLiteral),
    }
}

/// Is the frame right as far as it goes, and does it end in the announcement of a literal?
fn argument(frame: &[u8], error: SyntaxError) -> Result<Announced, SyntaxError> {
    let announced = super::token::trailing_announcement(frame);
    announced.filter(|_| error.at >= frame.len()).ok_or(error)
}

/// Reads what stands behind the octets of a message: `bytes` goes from the first octet behind them up to and including a line
/// end (and on, over literals that were asked for with [`AppendNext::Argument`]). `form` is that of the message just sent;
/// `several` is false for REPLACE, which takes one message. Spans are of `bytes`.
///
/// # Errors
/// If the command does not go on so.
pub fn parse_append_continuation(
    bytes: &[u8],
    form: MessageForm,
    several: bool,
    mode: Utf8Mode,
) -> Result<AppendContinuation<'_>, SyntaxError> {
    match continuation(Cursor::new(bytes, mode), form, several) {
        Ok((_, continuation)) => Ok(continuation),
        Err(error) => {
            let literal = argument(bytes, syntax_error(error, bytes))?;
            Ok(AppendContinuation { urls: Vec::new(), messages: Vec::new(), then: AppendNext::Argument(literal) })
        }
    }
}

fn continuation(i: Cursor<'_>, form: MessageForm, several: bool) -> Parsed<'_, AppendContinuation<'_>> {
    let mut urls = Vec::new();
    let i = match form {
        MessageForm::Plain => i,
        MessageForm::Utf8 => close(i)?.0,
        MessageForm::Catenate => {
            let (i, literal) = catenate_rest(i, &mut urls)?;
            if let Some(literal) = literal {
                return Ok((
                    i,
                    AppendContinuation { urls, messages: Vec::new(), then: AppendNext::Message(form, literal) },
                ));
            }
            i
        }
    };
    if let Ok((i, ())) = end(i) {
        return Ok((i, AppendContinuation { urls, messages: Vec::new(), then: AppendNext::End }));
    }
    if !several {
        return i.failure("the end of the command");
    }
    let (i, Heads { messages, literal }) = message_heads(i, true)?;
    let form = messages.last().map_or(form, |head| head.form);
    let then = literal.map_or(AppendNext::End, |literal| AppendNext::Message(form, literal));
    Ok((i, AppendContinuation { urls, messages, then }))
}

/// Messages up to the one whose literal comes; none comes where all are put together from URLs and the command ends.
struct Heads<'f> {
    messages: Vec<MessageHead<'f>>,
    literal: Option<Announced>,
}

fn message_heads(mut i: Cursor<'_>, several: bool) -> Parsed<'_, Heads<'_>> {
    let mut messages = Vec::new();
    loop {
        let (rest, (flags, date)) = about_message(i)?;
        let (rest, ()) = sp(rest)?;
        let mut head = MessageHead { flags, date, form: MessageForm::Plain, urls: Vec::new() };
        let (rest, literal) = if let Ok((rest, _)) = (keyword("CATENATE"), sp, open).parse(rest) {
            head.form = MessageForm::Catenate;
            catenate_part(rest, &mut head.urls)?
        } else if let Ok((rest, _)) = (keyword("UTF8"), sp, open).parse(rest) {
            head.form = MessageForm::Utf8;
            let announced = expect("a literal8", verify(announcement, |literal: &Announced| literal.binary));
            map(at_end(announced), Some).parse(rest)?
        } else {
            map(at_end(expect("the literal of a message", announcement)), Some).parse(rest)?
        };
        messages.push(head);
        if literal.is_some() {
            return Ok((rest, Heads { messages, literal }));
        }
        match end(rest) {
            Ok((rest, ())) => return Ok((rest, Heads { messages, literal: None })),
            Err(error) if !several || messages.len() >= super::token::MAX_ELEMENTS => return Err(error),
            Err(_) => i = rest,
        }
    }
}

/// An announcement that is the last of the bytes: octets of mail are never among them.
fn at_end<'f>(
    mut parser: impl Parser<Cursor<'f>, Output = Announced, Error = SyntaxError>,
) -> impl FnMut(Cursor<'f>) -> Parsed<'f, Announced> {
    move |i| {
        let (rest, literal) = parser.parse(i)?;
        if rest.rest().is_empty() { Ok((rest, literal)) } else { rest.failure("nothing behind the announcement") }
    }
}

/// `*(SP cat-part) ")"`, up to a text whose octets come.
fn catenate_rest<'f>(i: Cursor<'f>, urls: &mut Vec<Text<'f>>) -> Parsed<'f, Option<Announced>> {
    match close(i) {
        Ok((rest, ())) => Ok((rest, None)),
        Err(_) => catenate_part(sp(i)?.0, urls),
    }
}

/// `cat-part *(SP cat-part) ")"`, up to a text whose octets come.
fn catenate_part<'f>(mut i: Cursor<'f>, urls: &mut Vec<Text<'f>>) -> Parsed<'f, Option<Announced>> {
    loop {
        if let Ok((text, _)) = (keyword("TEXT"), sp).parse(i) {
            return map(at_end(announcement), Some).parse(text);
        }
        let (rest, url) = preceded((expect("TEXT or URL", keyword("URL")), sp), alt((literal, astring))).parse(i)?;
        urls.push(url);
        if urls.len() > super::token::MAX_ELEMENTS {
            return i.failure("fewer parts");
        }
        if let Ok((rest, ())) = close(rest) {
            return Ok((rest, None));
        }
        i = sp(rest)?.0;
    }
}
