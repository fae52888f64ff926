//! The matcher and the trie, compared with slow and obvious implementations.

use bloodbank_routing::{
    BindingPattern, PatternTrie, check_key, check_pattern, check_template, check_wire_key, covers, explain,
    is_template, matches, overlaps, suggest_pattern, suggestion, template_matches, template_to_pattern,
};
use proptest::prelude::*;

const _: () = assert!(matches("a.#", "a.b.c"));
const _: () = assert!(!matches("a.*", "a.b.c"));
const _: () = assert!(overlaps("a.#.c", "#.b.*"));
const _: () = assert!(covers("a.*", "a.{b}"));
const _: () = assert!(template_matches("a.{b}", "a.c"));
const _: () = assert!(check_key("a.b").is_ok() && check_pattern("#").is_ok());
const _: () = assert!(is_template("a.{b}") && check_template("a.{b}").is_ok());
const EVERYTHING: BindingPattern = BindingPattern::from_static("#");

/// Matches by AMQP's definition, word by word.
fn naive(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => naive(rest, key) || !key.is_empty() && naive(pattern, &key[1..]),
        ([word, rest @ ..], [first, others @ ..]) => {
            (word == &"*" || word.starts_with('{') || word == first) && naive(rest, others)
        }
        _ => false,
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split('.').filter(|_| !text.is_empty()).collect()
}

/// Every key of up to `longest` words; `z` stands in no pattern.
fn keys(longest: usize) -> Vec<Vec<&'static str>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..longest {
        let to = all.len();
        for i in from..to {
            for word in ["a", "b", "z"] {
                let mut key: Vec<&str> = all[i].clone();
                key.push(word);
                all.push(key);
            }
        }
        from = to;
    }
    all
}

fn words_of(choices: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(choices), 0..=most).prop_map(|words| words.join("."))
}

fn pattern(most: usize) -> impl Strategy<Value = String> {
    words_of(&["a", "b", "*", "#", "#"], most)
}

fn key(most: usize) -> impl Strategy<Value = String> {
    words_of(&["a", "b", "z"], most)
}

fn template(most: usize) -> impl Strategy<Value = String> {
    words_of(&["a", "b", "{x}"], most)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_as_defined(pattern in pattern(7), key in key(9)) {
        prop_assert_eq!(matches(&pattern, &key), naive(&split(&pattern), &split(&key)));
    }

    #[test]
    fn templates_match_as_defined(template in template(4), key in key(4)) {
        let expected = naive(&split(&template), &split(&key));
        prop_assert_eq!(template_matches(&template, &key), expected);
        prop_assert_eq!(matches(&template_to_pattern(&template), &key), expected);
    }

    #[test]
    fn overlaps_exactly_if_some_key_matches_both(a in pattern(4), b in pattern(4)) {
        let (left, right) = (split(&a), split(&b));
        let shared = keys(left.len() + right.len())
            .into_iter()
            .find(|key| naive(&left, key) && naive(&right, key));
        prop_assert_eq!(overlaps(&a, &b), shared.is_some(), "{:?}", shared);
        prop_assert_eq!(overlaps(&b, &a), shared.is_some());
    }

    #[test]
    fn overlaps_templates(a in template(5), b in pattern(4)) {
        prop_assert_eq!(overlaps(&a, &b), overlaps(&template_to_pattern(&a), &b));
    }

    #[test]
    fn covers_exactly_if_every_key_matches(pattern in pattern(5), template in template(5)) {
        let (left, right) = (split(&pattern), split(&template));
        let missed = keys(right.len())
            .into_iter()
            .find(|key| naive(&right, key) && !naive(&left, key));
        prop_assert_eq!(covers(&pattern, &template), missed.is_none(), "{:?}", missed);
    }

    #[test]
    fn covering_a_pattern_is_never_claimed_wrongly(a in pattern(4), b in pattern(4)) {
        if covers(&a, &b) {
            for key in keys(6).iter().filter(|key| naive(&split(&b), key)) {
                prop_assert!(naive(&split(&a), key), "{:?}", key);
            }
        }
    }

    #[test]
    fn a_trie_finds_what_matches(
        patterns in prop::collection::vec(pattern(6), 0..40),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        keys in prop::collection::vec(key(8), 1..10),
    ) {
        let mut trie = PatternTrie::new();
        let mut stored: Vec<(String, usize)> = Vec::new();
        for (i, pattern) in patterns.into_iter().enumerate() {
            trie.insert(&pattern, i);
            stored.push((pattern, i));
        }
        for index in removed {
            if !stored.is_empty() {
                let (pattern, i) = stored.swap_remove(index.index(stored.len()));
                prop_assert!(trie.remove(&pattern, &i));
                prop_assert!(!trie.remove(&pattern, &i));
            }
        }
        prop_assert_eq!(trie.len(), stored.len());
        for key in keys {
            let mut found = Vec::new();
            trie.for_each_match(&key, |i| found.push(*i));
            found.sort_unstable();
            let mut expected: Vec<usize> = stored
                .iter()
                .filter(|(pattern, _)| matches(pattern, &key))
                .map(|(_, i)| *i)
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected, "{}", key);
        }
    }

    #[test]
    fn proposed_patterns_match(pattern in pattern(5), key in template(5)) {
        let pattern = if pattern.is_empty() { "a".to_owned() } else { pattern };
        let key = if key.is_empty() { "b".to_owned() } else { key };
        let proposals = suggest_pattern(&pattern, &key);
        prop_assert_eq!(proposals.is_empty(), covers(&pattern, &key));
        for proposal in proposals {
            prop_assert!(covers(&proposal, &key), "{}", proposal);
            prop_assert!(check_pattern(&proposal).is_ok(), "{}", proposal);
        }
    }

    #[test]
    fn any_text_gets_an_answer(text in "[a-cA-C0-2_ .*#{}é\n-]{0,12}") {
        let in_place = |checked: Result<(), bloodbank_routing::KeyError>| {
            if let Err(error) = checked {
                assert!(text.get(error.at()..error.at() + error.len()).is_some(), "{error:?}");
                let sentence = explain(&text, &error);
                assert!(!sentence.contains('\n') && !sentence.ends_with('.'), "{sentence}");
            }
        };
        in_place(check_key(&text));
        in_place(check_template(&text));
        in_place(check_pattern(&text));
        in_place(check_wire_key(&text));
        in_place(bloodbank_routing::check_segment(&text));
        if let Some(better) = suggestion(&text) {
            assert!(check_template(&better).is_ok() || check_pattern(&better).is_ok(), "{better}");
        }
        if check_key(&text).is_ok() {
            assert!(check_template(&text).is_ok() && check_wire_key(&text).is_ok());
            assert!(check_pattern(&text).is_ok() && EVERYTHING.matches(&text));
        }
    }
}

#[test]
fn the_empty_key_has_no_words_and_a_last_dot_makes_an_empty_one() {
    assert!(matches("#", "") && matches("", "") && matches("#.#", ""));
    assert!(!matches("*", "") && !matches("", "a"));
    assert!(matches("a.*", "a.") && matches("*.*", ".") && !matches("a", "a."));
}

#[test]
fn many_hashes_cost_little() {
    let pattern = format!("{}b", "#.a.".repeat(60));
    let key = vec!["a"; 120].join(".");
    assert!(!matches(&pattern, &key));
    let mut trie = PatternTrie::new();
    for hashes in 1..60 {
        trie.insert(&format!("{}b", "#.a.".repeat(hashes)), hashes);
        trie.insert(&format!("{}a", "#.*.".repeat(hashes)), hashes);
    }
    let mut found = 0;
    trie.for_each_match(&key, |_| found += 1);
    assert_eq!(found, 59);
}
