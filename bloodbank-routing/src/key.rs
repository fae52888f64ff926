//! The grammar of keys, templates, patterns and the values of placeholders.

use crate::error::{KeyError, KeyErrorKind as Kind, MAX_LEN, Subject};

/// Checks a complete key: two or more segments `[a-z][a-z0-9_]*` joined by dots, at most
/// [`MAX_LEN`] bytes.
///
/// # Errors
/// The first broken rule and its place.
///
/// ```
/// use bloodbank_routing::{KeyErrorKind, check_key};
/// assert!(check_key("fireflies.transcript.ready").is_ok());
/// assert_eq!(check_key("orders.*").unwrap_err().kind(), KeyErrorKind::Wildcard);
/// ```
pub const fn check_key(text: &str) -> Result<(), KeyError> {
    check(text, Subject::Key)
}

/// Checks the key an event is declared with: as [`check_key`], but a segment may be a whole
/// placeholder, `{field}`.
///
/// # Errors
/// The first broken rule and its place.
///
/// ```
/// use bloodbank_routing::check_template;
/// assert!(check_template("artifact.{action}").is_ok());
/// assert!(check_template("artifact.{r#type}").is_ok());
/// assert!(check_template("artifact.is_{action}").is_err());
/// ```
pub const fn check_template(text: &str) -> Result<(), KeyError> {
    check(text, Subject::Template)
}

/// Checks a binding pattern: one or more segments, each a word, `*` or `#`.
///
/// # Errors
/// The first broken rule and its place.
///
/// ```
/// use bloodbank_routing::check_pattern;
/// assert!(check_pattern("#").is_ok());
/// assert!(check_pattern("orders.*.placed").is_ok());
/// assert!(check_pattern("orders.pla*").is_err());
/// ```
pub const fn check_pattern(text: &str) -> Result<(), KeyError> {
    check(text, Subject::Pattern)
}

/// Checks the value of a placeholder at run time: one segment.
///
/// The value may begin with a digit, unlike a segment in source code, because the field may be an
/// integer.
///
/// # Errors
/// The first broken rule and its place.
///
/// ```
/// use bloodbank_routing::check_segment;
/// assert!(check_segment("created").is_ok());
/// assert!(check_segment("42").is_ok());
/// assert!(check_segment("re.created").is_err());
/// ```
pub const fn check_segment(text: &str) -> Result<(), KeyError> {
    check(text, Subject::Segment)
}

/// Checks a key that some other program chose, such as `fireflies.transcriptReady`: non-empty words
/// without control characters and without `*` and `#`, at most [`MAX_LEN`] bytes.
///
/// # Errors
/// The first broken rule and its place.
///
/// ```
/// use bloodbank_routing::check_wire_key;
/// assert!(check_wire_key("fireflies.transcriptReady").is_ok());
/// assert!(check_wire_key("fireflies..ready").is_err());
/// ```
pub const fn check_wire_key(text: &str) -> Result<(), KeyError> {
    check(text, Subject::WireKey)
}

/// Checks a pattern for keys that some other program chose: as [`check_wire_key`], but a word may be
/// `*` or `#`.
///
/// # Errors
/// The first broken rule and its place.
pub const fn check_wire_pattern(text: &str) -> Result<(), KeyError> {
    check(text, Subject::WirePattern)
}

/// Whether a failure event may have this key: whether it ends in `.failed` or `.error`.
///
/// ```
/// assert!(bloodbank_routing::is_failure_key("orders.order.failed"));
/// assert!(!bloodbank_routing::is_failure_key("orders.not_failed"));
/// ```
pub const fn is_failure_key(text: &str) -> bool {
    ends_with(text.as_bytes(), b".failed") || ends_with(text.as_bytes(), b".error")
}

/// The text up to the first dot: the domain of an event whose declaration names no other.
///
/// ```
/// assert_eq!(bloodbank_routing::first_segment("orders.order.placed"), "orders");
/// ```
pub const fn first_segment(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b'.' {
        end += 1;
    }
    text.split_at(end).0
}

const fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len() >= end.len() && crate::words::same(text.split_at(text.len() - end.len()).1, end)
}

pub(crate) const fn check(text: &str, subject: Subject) -> Result<(), KeyError> {
    let bytes = text.as_bytes();
    let len = bytes.len();
    if len == 0 {
        return Err(KeyError::new(subject, Kind::Empty, 0, 0));
    }
    if len > MAX_LEN {
        return Err(KeyError::new(subject, Kind::TooLong, 0, len));
    }
    let wants_two = matches!(subject, Subject::Key | Subject::Template);
    let mut at = 0;
    loop {
        let end = match segment(bytes, at, subject) {
            Ok(end) => end,
            // `OrderPlaced` lacks the dot first of all; its letters follow from that.
            Err(error) if wants_two && reads_as_one_word(bytes, &error) => {
                return Err(KeyError::new(subject, Kind::OneSegment, 0, len));
            }
            Err(error) => return Err(error),
        };
        if end == len {
            break;
        }
        at = end + 1;
    }
    if wants_two && at == 0 {
        return Err(KeyError::new(subject, Kind::OneSegment, 0, len));
    }
    Ok(())
}

const fn reads_as_one_word(bytes: &[u8], error: &KeyError) -> bool {
    let spelled = match error.kind() {
        Kind::UpperCase | Kind::Space | Kind::Hyphen => true,
        Kind::Character => matches!(bytes[error.at()], b'/' | b':'),
        _ => false,
    };
    let mut i = 0;
    while i < bytes.len() {
        if matches!(bytes[i], b'.' | b'*' | b'#' | b'{' | b'}') {
            return false;
        }
        i += 1;
    }
    spelled
}

/// Checks the segment that begins at `start` and returns its end.
const fn segment(bytes: &[u8], start: usize, subject: Subject) -> Result<usize, KeyError> {
    if at_end(bytes, start) {
        let kind = match subject {
            Subject::Segment => Kind::Dot,
            _ => Kind::EmptySegment,
        };
        let len = if matches!(kind, Kind::Dot) { 1 } else { 0 };
        return Err(KeyError::new(subject, kind, start, len));
    }
    if matches!(subject, Subject::Template) && bytes[start] == b'{' {
        return placeholder(bytes, start);
    }
    if matches!(subject, Subject::Pattern | Subject::WirePattern)
        && matches!(bytes[start], b'*' | b'#')
        && at_end(bytes, start + 1)
    {
        return Ok(start + 1);
    }
    let mut at = start;
    while !at_end(bytes, at) {
        if let Some(kind) = fault(bytes, at, at == start, subject) {
            let len = match kind {
                Kind::Placeholder | Kind::PlaceholderInsideSegment => braces(bytes, at),
                _ => char_len(bytes[at]),
            };
            return Err(KeyError::new(subject, kind, at, len));
        }
        at += 1;
    }
    if matches!(subject, Subject::Segment) && at < bytes.len() {
        return Err(KeyError::new(subject, Kind::Dot, at, 1));
    }
    Ok(at)
}

const fn at_end(bytes: &[u8], at: usize) -> bool {
    at >= bytes.len() || bytes[at] == b'.'
}

/// The rule that the byte at `at` breaks, if any.
const fn fault(bytes: &[u8], at: usize, first: bool, subject: Subject) -> Option<Kind> {
    let byte = bytes[at];
    // C1 controls are two bytes in UTF-8: 0xC2 and 0x80 to 0x9F.
    let control =
        byte.is_ascii_control() || byte == 0xC2 && at + 1 < bytes.len() && matches!(bytes[at + 1], 0x80..=0x9F);
    if control {
        return Some(Kind::Control);
    }
    if matches!(byte, b'*' | b'#') {
        return Some(match subject {
            Subject::Pattern | Subject::WirePattern => Kind::WildcardInsideSegment,
            _ => Kind::Wildcard,
        });
    }
    if matches!(subject, Subject::WireKey | Subject::WirePattern) {
        return None;
    }
    match byte {
        b'a'..=b'z' => None,
        b'0'..=b'9' if first && !matches!(subject, Subject::Segment) => Some(Kind::DigitFirst),
        b'0'..=b'9' => None,
        b'_' if first => Some(Kind::UnderscoreFirst),
        b'_' => None,
        b'A'..=b'Z' => Some(Kind::UpperCase),
        b' ' => Some(Kind::Space),
        b'-' => Some(Kind::Hyphen),
        b'{' => match subject {
            Subject::Template => Some(Kind::PlaceholderInsideSegment),
            Subject::Segment => Some(Kind::Character),
            _ => Some(Kind::Placeholder),
        },
        b'}' if matches!(subject, Subject::Template) => Some(Kind::UnopenedPlaceholder),
        _ => Some(Kind::Character),
    }
}

/// Checks the placeholder `{name}` at `start` and returns its end.
const fn placeholder(bytes: &[u8], start: usize) -> Result<usize, KeyError> {
    let template = Subject::Template;
    let len = braces(bytes, start);
    if bytes[start + len - 1] != b'}' {
        let kind = Kind::UnclosedPlaceholder;
        return Err(KeyError::new(template, kind, start, len));
    }
    if len == 2 {
        return Err(KeyError::new(template, Kind::EmptyPlaceholder, start, len));
    }
    let name = bytes.split_at(start + len - 1).0.split_at(start + 1).1;
    if !is_field_name(name) {
        return Err(KeyError::new(template, Kind::PlaceholderName, start, len));
    }
    if !at_end(bytes, start + len) {
        let kind = Kind::PlaceholderInsideSegment;
        return Err(KeyError::new(template, kind, start, len));
    }
    Ok(start + len)
}

/// The length of the `{…}` at `start`, or of the rest of the segment if there is no `}`.
const fn braces(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'{' {
        if bytes[at] == b'}' {
            return at + 1 - start;
        }
        at += 1;
    }
    let mut at = start + 1;
    while !at_end(bytes, at) && bytes[at] != b'{' {
        at += 1;
    }
    at - start
}

const fn is_field_name(name: &[u8]) -> bool {
    let name = match name {
        [b'r', b'#', rest @ ..] => rest,
        _ => name,
    };
    if name.is_empty() || name[0].is_ascii_digit() {
        return false;
    }
    let mut i = 0;
    while i < name.len() {
        if !name[i].is_ascii_alphanumeric() && name[i] != b'_' {
            return false;
        }
        i += 1;
    }
    true
}

const fn char_len(first: u8) -> usize {
    match first {
        0xF0..=0xFF => 4,
        0xE0..=0xEF => 3,
        0xC0..=0xDF => 2,
        _ => 1,
    }
}
