//! Matching with AMQP's rules: `*` is exactly one word, `#` is zero or more.

use crate::words::{Words, WordsBack, is_hash, is_placeholder, is_star, same};

/// Whether a key matches a binding pattern.
///
/// The worst case takes time in the product of the two lengths, however many `#` there are.
///
/// ```
/// use bloodbank_routing::matches;
/// assert!(matches("fireflies.#", "fireflies.transcript.ready"));
/// assert!(!matches("fireflies.*", "fireflies.transcript.ready"));
/// const _: () = assert!(matches("#.ready", "fireflies.transcript.ready"));
/// ```
pub const fn matches(pattern: &str, key: &str) -> bool {
    walk(pattern, key, Rule::Key)
}

/// Whether some key matches both texts: two patterns, two templates, or one of each. A placeholder
/// stands for any word.
///
/// ```
/// use bloodbank_routing::overlaps;
/// assert!(overlaps("artifact.{action}", "artifact.created"));
/// assert!(overlaps("orders.#.failed", "#.order.*"));
/// assert!(!overlaps("fireflies.*", "fireflies.transcript.ready"));
/// ```
pub const fn overlaps(a: &str, b: &str) -> bool {
    match (has_hash(a), has_hash(b)) {
        (_, false) => walk(a, b, Rule::Overlap),
        (false, true) => walk(b, a, Rule::Overlap),
        (true, true) => ends_agree(a, b),
    }
}

/// Whether a pattern matches every key that a template can produce.
///
/// The second text may also be a pattern. A `#` in that pattern counts as covered only where the first
/// has a `#` as well: `true` is always right, but `a.*.#` is not found to cover `a.#.b`.
///
/// ```
/// use bloodbank_routing::covers;
/// assert!(covers("artifact.*", "artifact.{action}"));
/// assert!(!covers("artifact.created", "artifact.{action}"));
/// ```
pub const fn covers(pattern: &str, template: &str) -> bool {
    walk(pattern, template, Rule::Cover)
}

/// Whether a template can produce a key.
///
/// ```
/// use bloodbank_routing::template_matches;
/// assert!(template_matches("artifact.{action}", "artifact.created"));
/// assert!(!template_matches("artifact.{action}", "artifact.created.twice"));
/// ```
pub const fn template_matches(template: &str, key: &str) -> bool {
    walk(template, key, Rule::Template)
}

/// The meaning of the words of the second text.
#[derive(Clone, Copy)]
enum Rule {
    /// Words of a key; the first text is a pattern.
    Key,
    /// Words of a key; the first text is a template.
    Template,
    /// Wildcards and placeholders of both texts stand for some word.
    Overlap,
    /// Wildcards and placeholders of the second text stand for every word.
    Cover,
}

const fn accepts(word: &[u8], other: &[u8], rule: Rule) -> bool {
    match rule {
        Rule::Key => is_star(word) || same(word, other),
        Rule::Template => is_placeholder(word) || same(word, other),
        Rule::Overlap => one_word(word) || one_word(other) || same(word, other),
        Rule::Cover => one_word(word) && !is_hash(other) || same(word, other),
    }
}

const fn one_word(word: &[u8]) -> bool {
    is_star(word) || is_placeholder(word)
}

/// Matches word by word, and backtracks only into the last `#`: an earlier one taking more cannot help,
/// because the words between the two already stand as far left as they can.
const fn walk(pattern: &str, other: &str, rule: Rule) -> bool {
    let mut pattern = Words::new(pattern);
    let mut other = Words::new(other);
    let mut last_hash = None;
    while !other.done() {
        if !pattern.done() {
            let word = pattern.word();
            if is_hash(word) {
                pattern = pattern.next();
                if pattern.done() {
                    return true;
                }
                last_hash = Some((pattern, other));
                continue;
            }
            if accepts(word, other.word(), rule) {
                pattern = pattern.next();
                other = other.next();
                continue;
            }
        }
        let Some((after_hash, taken)) = last_hash else {
            return false;
        };
        pattern = after_hash;
        other = taken.next();
        last_hash = Some((pattern, other));
    }
    while !pattern.done() && is_hash(pattern.word()) {
        pattern = pattern.next();
    }
    pattern.done()
}

const fn has_hash(text: &str) -> bool {
    let mut words = Words::new(text);
    while !words.done() {
        if is_hash(words.word()) {
            return true;
        }
        words = words.next();
    }
    false
}

/// Whether two patterns that both have a `#` share a key: exactly if what stands before the first `#` agrees
/// and what stands after the last does: between them the key can hold the middle of the one and then
/// the middle of the other, and each pattern's own `#` takes what is not its own.
const fn ends_agree(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (Words::new(a), Words::new(b));
    while !is_hash(left.word()) && !is_hash(right.word()) {
        if !accepts(left.word(), right.word(), Rule::Overlap) {
            return false;
        }
        left = left.next();
        right = right.next();
    }
    let (mut left, mut right) = (WordsBack::new(a), WordsBack::new(b));
    while !is_hash(left.word()) && !is_hash(right.word()) {
        if !accepts(left.word(), right.word(), Rule::Overlap) {
            return false;
        }
        left = left.next();
        right = right.next();
    }
    true
}
