//! Templates: keys in which a segment may be a placeholder.

use crate::words::is_placeholder;

/// One segment of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Segment<'a> {
    /// A word that every key of the template has.
    Literal(&'a str),
    /// The name of the field whose value fills the segment, as written: `r#type` keeps its `r#`.
    Placeholder(&'a str),
}

/// The segments of a template, in order. The template must have passed
/// [`check_template`](crate::check_template).
///
/// ```
/// use bloodbank_routing::{Segment, template_segments};
/// let segments: Vec<_> = template_segments("artifact.{action}").collect();
/// assert_eq!(segments, [Segment::Literal("artifact"), Segment::Placeholder("action")]);
/// ```
pub fn template_segments(template: &str) -> impl DoubleEndedIterator<Item = Segment<'_>> + Clone {
    template.split('.').map(|word| {
        if is_placeholder(word.as_bytes()) {
            Segment::Placeholder(&word[1..word.len() - 1])
        } else {
            Segment::Literal(word)
        }
    })
}

/// Converts a template to the binding pattern for its keys: `*` for every placeholder.
///
/// ```
/// use bloodbank_routing::template_to_pattern;
/// assert_eq!(template_to_pattern("artifact.{action}"), "artifact.*");
/// ```
pub fn template_to_pattern(template: &str) -> String {
    let mut pattern = String::with_capacity(template.len());
    for (i, segment) in template_segments(template).enumerate() {
        if i > 0 {
            pattern.push('.');
        }
        pattern.push_str(match segment {
            Segment::Literal(word) => word,
            Segment::Placeholder(_) => "*",
        });
    }
    pattern
}

/// Whether a routing key is a template: whether it has a placeholder.
///
/// ```
/// assert!(bloodbank_routing::is_template("artifact.{action}"));
/// assert!(!bloodbank_routing::is_template("artifact.created"));
/// ```
pub const fn is_template(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'{' {
            return true;
        }
        i += 1;
    }
    false
}
