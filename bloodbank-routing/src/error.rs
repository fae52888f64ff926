//! Errors of the grammar: the rule that a text breaks, and where.

use std::fmt;

/// The maximum length of a routing key in bytes: AMQP sends the length in one byte.
pub const MAX_LEN: usize = 255;

/// The grammar that a text was checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// A complete key, as in `routing_key!("orders.placed")`.
    Key,
    /// A key in which a segment may be a placeholder, as in `artifact.{action}`.
    Template,
    /// A binding pattern, as in `orders.*`.
    Pattern,
    /// The value of a placeholder.
    Segment,
    /// A key that some other program publishes.
    WireKey,
    /// A pattern for keys that some other program publishes.
    WirePattern,
}

impl Subject {
    /// The noun for such a text in a sentence: `routing key`, `pattern` or `segment value`.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Key | Self::Template | Self::WireKey => "routing key",
            Self::Pattern | Self::WirePattern => "pattern",
            Self::Segment => "segment value",
        }
    }
}

/// The rule that a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The empty text.
    Empty,
    /// A key without a dot.
    OneSegment,
    /// Two dots in a row, or a dot at either end.
    EmptySegment,
    /// More than [`MAX_LEN`] bytes.
    TooLong,
    /// An upper-case letter, `A` to `Z`.
    UpperCase,
    /// A space.
    Space,
    /// A `-`.
    Hyphen,
    /// A segment that begins with a digit.
    DigitFirst,
    /// A segment that begins with `_`.
    UnderscoreFirst,
    /// Another character that no segment may have.
    Character,
    /// A control character, such as a line break.
    Control,
    /// A dot in the value of a placeholder.
    Dot,
    /// The wildcard `*` or `#` in a key.
    Wildcard,
    /// The wildcard `*` or `#` beside other characters in a segment of a pattern.
    WildcardInsideSegment,
    /// A placeholder, `{…}`, where none may stand.
    Placeholder,
    /// A placeholder, `{…}`, beside other characters in a segment.
    PlaceholderInsideSegment,
    /// A `{` without `}`.
    UnclosedPlaceholder,
    /// A `}` without `{`.
    UnopenedPlaceholder,
    /// A placeholder without a name, `{}`.
    EmptyPlaceholder,
    /// A placeholder, `{…}`, around something that cannot be the name of a field.
    PlaceholderName,
}

/// A broken rule of the grammar, and its place inside the text.
///
/// The error does not hold the text, so that constants can make one. [`explain`](crate::explain())
/// turns error and text into a sentence; [`InvalidKey`](crate::InvalidKey) carries both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyError {
    subject: Subject,
    kind: KeyErrorKind,
    at: usize,
    len: usize,
}

impl KeyError {
    pub(crate) const fn new(subject: Subject, kind: KeyErrorKind, at: usize, len: usize) -> Self {
        Self { subject, kind, at, len }
    }

    /// The grammar that the text was checked against.
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// The rule that is broken.
    pub const fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// The start of the fault, in bytes from the start of the text.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The length of the fault in bytes; zero for an empty segment.
    #[expect(clippy::len_without_is_empty, reason = "the length of a fault, not of a collection")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The faulty part of `text`, which must be the text that was checked.
    pub fn fault<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.at..self.at + self.len).unwrap_or_default()
    }

    /// The segment of `text` that holds the fault.
    pub fn segment<'a>(&self, text: &'a str) -> &'a str {
        let (Some(before), Some(after)) = (text.get(..self.at), text.get(self.at..)) else {
            return text;
        };
        let start = before.rfind('.').map_or(0, |dot| dot + 1);
        let end = after.find('.').map_or(text.len(), |dot| self.at + dot);
        &text[start..end]
    }

    /// The rule and the remedy as a sentence without the text, with which a constant can panic.
    pub const fn message(&self) -> &'static str {
        match self.kind {
            KeyErrorKind::Empty => match self.subject {
                Subject::Pattern | Subject::WirePattern => "pattern is empty; write `#` for every event",
                Subject::Segment => "segment value is empty; put in a word such as `created`",
                Subject::WireKey => "routing key is empty; write at least one word",
                Subject::Key | Subject::Template => {
                    "routing key is empty; write at least two segments, such as `orders.created`"
                }
            },
            KeyErrorKind::OneSegment => {
                "routing key has one segment; a key needs at least two, such as `orders.created`"
            }
            KeyErrorKind::EmptySegment => {
                "there is nothing before or after a dot; put exactly one dot between two segments"
            }
            KeyErrorKind::TooLong => "text is longer than AMQP carries; use at most 255 bytes",
            KeyErrorKind::UpperCase => "a segment has an upper-case letter; write segments in snake_case",
            KeyErrorKind::Space => "a segment has a space; write `_` instead",
            KeyErrorKind::Hyphen => "a segment has a hyphen; write `_` instead",
            KeyErrorKind::DigitFirst => "a segment begins with a digit; begin with a letter",
            KeyErrorKind::UnderscoreFirst => "a segment begins with `_`; begin with a letter",
            KeyErrorKind::Character => {
                "a segment has a character that is not allowed; use `a` to `z`, `0` to `9` and `_`"
            }
            KeyErrorKind::Control => "there is a control character; use printable characters only",
            KeyErrorKind::Dot => "segment value has a dot; a placeholder takes exactly one word",
            KeyErrorKind::Wildcard => "`*` and `#` belong in the patterns of subscribers; write a whole word in a key",
            KeyErrorKind::WildcardInsideSegment => {
                "a wildcard stands for whole words; make `*` or `#` a segment of its own"
            }
            KeyErrorKind::Placeholder => match self.subject {
                Subject::Pattern => "a pattern has no placeholders; write `*` for one word",
                _ => "placeholders belong in the routing key of an event; write a word here",
            },
            KeyErrorKind::PlaceholderInsideSegment => "a placeholder must be a whole segment; put dots around it",
            KeyErrorKind::UnclosedPlaceholder => "a placeholder is not closed; add `}`",
            KeyErrorKind::UnopenedPlaceholder => "there is a `}` without `{`; remove it",
            KeyErrorKind::EmptyPlaceholder => "a placeholder is empty; write the name of a field between the braces",
            KeyErrorKind::PlaceholderName => {
                "a placeholder does not name a field; write only a field's name between the braces"
            }
        }
    }
}

// `message` cannot format a number.
const _: () = assert!(MAX_LEN == 255);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for KeyError {}
