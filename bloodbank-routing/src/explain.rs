//! Error messages for users: from an error and its text to a sentence.

use crate::error::{KeyError, KeyErrorKind as Kind, MAX_LEN, Subject};
use crate::key::check_template;
use crate::snake_case::{as_subject, in_two_segments};

/// Explains why a text was refused, in one sentence: the kind of text, the fault, its place, and the
/// remedy. `error` must come from checking `text`.
///
/// ```
/// use bloodbank_routing::{check_key, explain};
/// let text = "orders.order-placed";
/// let error = check_key(text).unwrap_err();
/// assert_eq!(
///     explain(text, &error),
///     "routing key `orders.order-placed` has a hyphen in segment `order-placed`; write `orders.order_placed`"
/// );
/// ```
pub fn explain(text: &str, error: &KeyError) -> String {
    if error.kind() == Kind::Empty {
        return error.message().to_owned();
    }
    let problem = problem(text, error);
    let remedy = match error.suggestion(text) {
        Some(better) if error.kind() == Kind::OneSegment => {
            format!("a key needs at least two, such as `{better}`")
        }
        Some(better) => format!("write `{better}`"),
        None => remedy(text, error),
    };
    let noun = error.subject().noun();
    format!("{noun} `{}` {problem}; {remedy}", printable(text))
}

/// The snake_case spelling of a key, template or pattern, if it differs and the grammar allows it.
///
/// ```
/// use bloodbank_routing::suggestion;
/// assert_eq!(suggestion("Fireflies.TranscriptReady").unwrap(), "fireflies.transcript_ready");
/// assert_eq!(suggestion("OrderPlaced").unwrap(), "order.placed");
/// assert_eq!(suggestion("Orders.*").unwrap(), "orders.*");
/// assert_eq!(suggestion("orders.placed"), None);
/// ```
pub fn suggestion(text: &str) -> Option<String> {
    if check_template(text).is_ok() {
        return None;
    }
    as_subject(text, Subject::Template).or_else(|| {
        let wild = text.contains(['*', '#']);
        wild.then(|| as_subject(text, Subject::Pattern)).flatten()
    })
}

impl KeyError {
    /// A valid spelling of `text`, if one can be derived from it: see [`suggestion`].
    pub fn suggestion(&self, text: &str) -> Option<String> {
        as_subject(text, self.subject())
    }
}

/// The fault in words: `has an upper-case letter in segment `Orders``.
fn problem(text: &str, error: &KeyError) -> String {
    let fault = printable(error.fault(text));
    let what = match error.kind() {
        Kind::Empty => "is empty".to_owned(),
        Kind::OneSegment => return "has one segment".to_owned(),
        Kind::TooLong => return format!("is {} bytes long", text.len()),
        Kind::EmptySegment => {
            return match error.at() {
                0 => "begins with a dot",
                at if at == text.len() => "ends with a dot",
                _ => "has two dots in a row",
            }
            .to_owned();
        }
        Kind::UpperCase => "has an upper-case letter".to_owned(),
        Kind::Space => "has a space".to_owned(),
        Kind::Hyphen => "has a hyphen".to_owned(),
        Kind::Character => format!("has the character `{fault}`"),
        Kind::Control => format!("has the control character `{fault}`"),
        Kind::Dot => "has a dot".to_owned(),
        Kind::DigitFirst => return begins(text, error, "begins with a digit"),
        Kind::UnderscoreFirst => return begins(text, error, "begins with `_`"),
        Kind::Wildcard => format!("has the wildcard `{fault}`"),
        Kind::WildcardInsideSegment => {
            return format!("has `{fault}` inside segment `{}`", printable(error.segment(text)));
        }
        Kind::Placeholder => format!("has the placeholder `{fault}`"),
        Kind::PlaceholderInsideSegment => {
            return format!("has the placeholder `{fault}` inside segment `{}`", printable(error.segment(text)));
        }
        Kind::UnclosedPlaceholder => format!("has `{fault}` without a closing brace"),
        Kind::UnopenedPlaceholder => "has a `}` without `{`".to_owned(),
        Kind::EmptyPlaceholder => "has an empty placeholder `{}`".to_owned(),
        Kind::PlaceholderName => format!("has `{fault}`, which does not name a field"),
    };
    let segment = error.segment(text);
    if segment == text || segment == error.fault(text) || error.subject() == Subject::Segment {
        return what;
    }
    match error.kind() {
        // The braces are the segment, give or take a dot.
        Kind::UnclosedPlaceholder | Kind::PlaceholderName => what,
        _ => format!("{what} in segment `{}`", printable(segment)),
    }
}

fn begins(text: &str, error: &KeyError, how: &str) -> String {
    match error.subject() {
        Subject::Segment => how.to_owned(),
        _ => format!("has segment `{}`, which {how}", printable(error.segment(text))),
    }
}

/// The remedy where no other spelling can be proposed.
fn remedy(text: &str, error: &KeyError) -> String {
    let remedy = match error.kind() {
        Kind::Empty => "write something",
        Kind::OneSegment => {
            let better = in_two_segments(text).unwrap_or_else(|| "orders.created".to_owned());
            return format!("a key needs at least two, such as `{better}`");
        }
        Kind::TooLong => return format!("at most {MAX_LEN} are allowed, shorten it"),
        Kind::EmptySegment => "put exactly one dot between two segments",
        Kind::UpperCase | Kind::Space | Kind::Hyphen | Kind::Character => {
            "a segment is made of `a` to `z`, `0` to `9` and `_`"
        }
        Kind::DigitFirst | Kind::UnderscoreFirst => "begin it with a letter",
        Kind::Control => "use printable characters only",
        Kind::Dot => "a placeholder takes exactly one word",
        Kind::Wildcard if error.subject() == Subject::Segment => "a segment is made of `a` to `z`, `0` to `9` and `_`",
        Kind::Wildcard => "wildcards belong in the patterns of subscribers, write a whole word in a key",
        Kind::WildcardInsideSegment => "a wildcard stands for whole words, make it a segment of its own",
        Kind::Placeholder if error.subject() == Subject::Pattern => "write `*` for one word",
        Kind::Placeholder => "placeholders belong in the routing key of an event, write a word here",
        Kind::PlaceholderInsideSegment => "a placeholder must be a whole segment",
        Kind::UnclosedPlaceholder => "add `}`",
        Kind::UnopenedPlaceholder => "remove it",
        Kind::EmptyPlaceholder => "write the name of a field between the braces",
        Kind::PlaceholderName => "write only a field's name between the braces",
    };
    remedy.to_owned()
}

/// A printable form of an untrusted key for messages: control characters are escaped, and a text that is
/// too long for a key is cut to its first 80 characters.
///
/// ```
/// use bloodbank_routing::printable;
/// assert_eq!(printable("orders.order\n"), "orders.order\\n");
/// assert_eq!(printable(&"orders.".repeat(1_000)).chars().count(), 81);
/// ```
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out = String::with_capacity(text.len().min(MAX_LEN));
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST && text.len() > MAX_LEN {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
