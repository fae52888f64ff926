//! Suggestions for binding patterns that match nothing.

use crate::key::check_wire_pattern;
use crate::matching::covers;
use crate::template::template_to_pattern;

/// Suggests patterns that resemble `pattern` and match a key, the narrowest first; none if the pattern
/// matches already.
///
/// The key may be a template; the proposals then match every key of it.
///
/// ```
/// use bloodbank_routing::suggest_pattern;
/// assert_eq!(
///     suggest_pattern("fireflies.*", "fireflies.transcript.ready"),
///     ["fireflies.transcript.*", "fireflies.#"]
/// );
/// ```
pub fn suggest_pattern(pattern: &str, key: &str) -> Vec<String> {
    if covers(pattern, key) {
        return Vec::new();
    }
    let as_pattern = template_to_pattern(key);
    let pattern: Vec<&str> = pattern.split('.').collect();
    let key_words: Vec<&str> = as_pattern.split('.').collect();

    let proposals = if pattern.contains(&"#") {
        vec![ends_corrected(&pattern, &key_words), open_end(&pattern, &key_words)]
    } else {
        let ends = CommonEnds::new(&pattern, &key_words);
        vec![ends.rest_from_key(&pattern, &key_words), ends.rest_open(&pattern, &key_words)]
    };
    let mut good: Vec<String> = Vec::new();
    for words in proposals.into_iter().flatten() {
        let text = words.join(".");
        let too_wide = !names_something(&words) && names_something(&key_words);
        if !too_wide && !good.contains(&text) && covers(&text, key) && check_wire_pattern(&text).is_ok() {
            good.push(text);
        }
    }
    if good.is_empty() {
        good.push(as_pattern);
    }
    good
}

type Proposal<'a> = Option<Vec<&'a str>>;

/// The number of words at either end of a pattern without `#` that agree with the key.
struct CommonEnds {
    front: usize,
    back: usize,
}

impl CommonEnds {
    fn new(pattern: &[&str], key: &[&str]) -> Self {
        let agree = |(word, other): &(&&str, &&str)| agrees(word, other);
        let mut front = pattern.iter().zip(key).take_while(agree).count();
        if front == pattern.len() {
            // The key goes on: `*` at the end was probably meant for its last words.
            let last_name = pattern.iter().rposition(|word| *word != "*");
            front = last_name.map_or(0, |at| at + 1);
        }
        let most = pattern.len().min(key.len()) - front;
        let back = pattern.iter().rev().zip(key.iter().rev());
        Self { front, back: back.take(most).take_while(agree).count() }
    }

    /// The pattern with the key's own words between the ends: `fireflies.transcript.*`.
    fn rest_from_key<'a>(&self, pattern: &[&'a str], key: &[&'a str]) -> Proposal<'a> {
        let mut words = pattern[..self.front].to_vec();
        words.extend(&key[self.front..key.len() - self.back]);
        words.extend(&pattern[pattern.len() - self.back..]);
        Some(words)
    }

    /// The pattern with a `#` between the ends in place of the `*` beside it: `fireflies.#`.
    fn rest_open<'a>(&self, pattern: &[&'a str], key: &[&'a str]) -> Proposal<'a> {
        let mut front = pattern[..self.front].to_vec();
        while front.last() == Some(&"*") {
            front.pop();
        }
        let mut back = &pattern[pattern.len() - self.back..];
        while let [first, rest @ ..] = back
            && *first == "*"
        {
            back = rest;
        }
        let named_the_front = pattern.first().is_some_and(|word| *word != "*");
        if front.is_empty() && (named_the_front || back.is_empty()) {
            return domain_of(key);
        }
        front.push("#");
        front.extend(back);
        Some(front)
    }
}

/// The pattern with the words before its first `#` and after its last one corrected to those of the key:
/// `orders.#.shipped` becomes `orders.#.placed`.
fn ends_corrected<'a>(pattern: &[&'a str], key: &[&'a str]) -> Proposal<'a> {
    let first = pattern.iter().position(|word| *word == "#")?;
    let last = pattern.iter().rposition(|word| *word == "#")?;
    let back = pattern.len() - last - 1;
    if first + back > key.len() {
        return None;
    }
    let corrected = |(word, other): (&&'a str, &&'a str)| {
        if agrees(word, other) { *word } else { *other }
    };
    let mut words: Vec<&str> = pattern[..first].iter().zip(key).map(corrected).collect();
    words.push("#");
    let ends = pattern[last + 1..].iter().zip(&key[key.len() - back..]);
    words.extend(ends.map(corrected));
    Some(words)
}

/// The pattern's words that agree with the key before its first `#`, and then `#`.
fn open_end<'a>(pattern: &[&'a str], key: &[&'a str]) -> Proposal<'a> {
    let agree = |(word, other): &(&&str, &&str)| **word != "#" && agrees(word, other);
    let front = pattern.iter().zip(key).take_while(agree).count();
    let mut words = pattern[..front].to_vec();
    if words.iter().all(|word| *word == "*") {
        return domain_of(key);
    }
    words.push("#");
    Some(words)
}

/// The pattern for the whole domain of a key, such as `fireflies.#`; a bare `#` is never what was meant.
fn domain_of<'a>(key: &[&'a str]) -> Proposal<'a> {
    let domain = key.first().filter(|word| **word != "*")?;
    Some(vec![domain, "#"])
}

/// Whether the pattern names at least one word, and not only wildcards.
fn names_something(words: &[&str]) -> bool {
    words.iter().any(|word| !matches!(*word, "*" | "#"))
}

fn agrees(word: &str, other: &str) -> bool {
    word == "*" || word == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn proposes(pattern: &str, key: &str, expected: &[&str]) {
        assert_eq!(suggest_pattern(pattern, key), expected, "{pattern} for {key}");
    }

    #[test]
    fn too_few_words() {
        proposes("fireflies.*", "fireflies.transcript.ready", &["fireflies.transcript.*", "fireflies.#"]);
        proposes("*.ready", "fireflies.transcript.ready", &["*.transcript.ready", "#.ready"]);
        proposes("orders.placed", "orders.order.placed", &["orders.order.placed", "orders.#.placed"]);
        proposes("*", "orders.placed", &["orders.*", "orders.#"]);
        proposes("orders", "orders.placed", &["orders.placed", "orders.#"]);
    }

    #[test]
    fn too_many_words() {
        proposes("fireflies.transcript.*", "fireflies.ready", &["fireflies.*", "fireflies.#"]);
    }

    #[test]
    fn another_word() {
        proposes("firefly.transcript.*", "fireflies.transcript.ready", &["fireflies.transcript.*", "fireflies.#"]);
        proposes("Fireflies.*", "fireflies.ready", &["fireflies.*", "fireflies.#"]);
        proposes("orders.order.shipped", "orders.order.placed", &["orders.order.placed", "orders.order.#"]);
    }

    #[test]
    fn with_a_hash() {
        proposes("orders.#.shipped", "orders.order.placed", &["orders.#.placed", "orders.#"]);
        proposes("order.#", "orders.order.placed", &["orders.#"]);
        proposes("#.shipped", "orders.order.placed", &["#.placed", "orders.#"]);
    }

    #[test]
    fn for_a_template() {
        proposes("artifact.created", "artifact.{action}", &["artifact.*", "artifact.#"]);
        proposes("art.#", "{domain}.created", &["*.created"]);
    }

    #[test]
    fn nothing_where_nothing_is_wrong() {
        proposes("orders.*", "orders.placed", &[]);
        proposes("artifact.#", "artifact.{action}", &[]);
    }
}
