//! Spelling suggestions for single words, by edit distance.

/// The candidate nearest to `word`, if one is close enough to be a typing error: at most one edit for
/// every three letters. Upper and lower case count as the same letter.
///
/// ```
/// use bloodbank_routing::nearest;
/// assert_eq!(nearest("acton", ["action", "kind", "uri"]), Some("action"));
/// assert_eq!(nearest("colour", ["action", "kind", "uri"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two words of two letters are one edit apart by chance.
    nearest_by(word, candidates, |longer| if longer > 2 { longer.div_ceil(3) } else { 0 })
}

/// The candidate nearest to `word`, if it is at most `most` edits away. Upper and lower case count as the same letter.
///
/// ```
/// use bloodbank_routing::nearest_within;
/// assert_eq!(nearest_within("RABIT_URI", ["RABBIT_URL", "REDIS_URL"], 2), Some("RABBIT_URL"));
/// assert_eq!(nearest_within("RABBITMQ_URL", ["RABBIT_URL", "REDIS_URL"], 1), None);
/// ```
pub fn nearest_within<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, most: usize) -> Option<&'a str> {
    nearest_by(word, candidates, |_| most)
}

/// The nearest candidate; `most` says how many edits are allowed, given the letters of the longer word.
fn nearest_by<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    most: impl Fn(usize) -> usize,
) -> Option<&'a str> {
    let letters = folded(word);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let others = folded(candidate);
            let most = most(letters.len().max(others.len()));
            // Each letter that one has more is an edit. Words come from strangers too, and to compare long ones takes long.
            if letters.len().abs_diff(others.len()) > most {
                return None;
            }
            let distance = distance(&letters, &others);
            (distance <= most).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn folded(word: &str) -> Vec<char> {
    word.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// The edit distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let substituted = above[j] + usize::from(a[i] != b[j]);
            let mut least = substituted.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    #[test]
    fn counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("routing_key", "rooting_key", 1),
        ] {
            assert_eq!(distance(&letters(a), &letters(b)), expected, "{a} {b}");
            assert_eq!(distance(&letters(b), &letters(a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn proposes_only_what_is_close() {
        let attributes = ["routing_key", "command", "reply", "failure", "id", "domain"];
        assert_eq!(nearest("routingkey", attributes), Some("routing_key"));
        assert_eq!(nearest("routing-key", attributes), Some("routing_key"));
        assert_eq!(nearest("comand", attributes), Some("command"));
        assert_eq!(nearest("Failure", attributes), Some("failure"));
        assert_eq!(nearest("ids", attributes), Some("id"));
        assert_eq!(nearest("xx", attributes), None);
        assert_eq!(nearest("timeout", attributes), None);
        assert_eq!(nearest("anything", []), None);
    }

    #[test]
    fn a_word_of_megabytes_is_near_nothing_and_compared_with_nothing() {
        // To compare it letter by letter would take hours.
        let (word, candidates) = ("long ".repeat(1_000_000), vec!["fireflies.transcript.ready"; 10_000]);
        assert_eq!(nearest(&word, candidates), None);
    }
}
