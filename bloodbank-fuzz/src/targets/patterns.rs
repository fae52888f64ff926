//! The target `patterns`: routing keys, binding patterns and templates.

use bloodbank::routing::{
    BindingPattern, PatternTrie, RoutingKey, check_key, check_pattern, check_template, covers, explain, is_template,
    matches, nearest, overlaps, suggest_pattern, suggestion, template_matches, template_to_pattern,
};

use crate::Target;

/// Three texts, each read as a key, a pattern and a template: all functions of the routing grammar agree about them.
pub struct Patterns;

impl Target for Patterns {
    fn name(&self) -> &'static str {
        "patterns"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        [
            "orders.#\norders.order.placed\norders.{kind}.placed",
            "*.transcript.*\nfireflies.transcript.ready\nfireflies.transcript.{state}",
            "#\na\n{a}",
            "a.#.b.*.#\na.x.b.y.z\na.{b}.b.{c}",
            "artifact.{action}\nartifact.created\nartifact.*",
            "github.pr.created\ngithub.#.#\n#.created",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "#",
            "*",
            ".",
            "..",
            "{",
            "}",
            "{a}",
            "{}",
            "a",
            "b",
            "orders",
            "placed",
            "#.#",
            "*.*",
            "#.*.#",
            "_",
            "-",
            "A",
            "\n",
            " ",
            ":",
            "amq.",
            "failed",
            "error",
            "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
            "#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.a",
        ]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let mut texts = text.splitn(3, '\n');
        let [one, two, three] = [(); 3].map(|()| texts.next().unwrap_or_default());
        let mut said = String::new();
        for text in [one, two, three] {
            match RoutingKey::parse(text) {
                Ok(key) => {
                    assert_eq!(key.as_str(), text);
                    assert_eq!(key.segments().collect::<Vec<_>>().join("."), text);
                    assert!(RoutingKey::parse_wire(text).is_ok(), "a key is also one on the wire");
                    assert!(
                        BindingPattern::parse(text).is_ok_and(|pattern| pattern.matches(text)),
                        "a key matches itself"
                    );
                }
                Err(error) => said += &error.to_string(),
            }
            match BindingPattern::parse(text) {
                Ok(_) => assert!(BindingPattern::parse_wire(text).is_ok(), "a pattern is also one on the wire"),
                Err(error) => said += &error.to_string(),
            }
            if let Err(error) = check_pattern(text) {
                said += &explain(text, &error);
            }
            // What is suggested can be used.
            if let Some(suggested) = suggestion(text) {
                assert!(check_template(&suggested).or(check_pattern(&suggested)).is_ok(), "suggested {suggested:?}");
            }
            if let Some(suggested) = check_key(text).err().and_then(|error| error.suggestion(text)) {
                assert!(check_key(&suggested).is_ok(), "suggested the key {suggested:?}");
            }
            if check_template(text).is_ok() && is_template(text) {
                let pattern = template_to_pattern(text);
                assert!(covers(&pattern, text) && overlaps(&pattern, text), "the pattern {pattern} of a template");
                assert!(BindingPattern::of_template(text).is_ok());
            }
        }
        if let (Ok(first), Ok(second)) = (BindingPattern::parse(one), BindingPattern::parse(three)) {
            assert_eq!(first.overlaps(three), second.overlaps(one), "overlapping goes both ways");
            let mut trie = PatternTrie::new();
            trie.insert(one, 1);
            trie.insert(three, 2);
            let mut found = Vec::new();
            trie.for_each_match(two, |value| found.push(*value));
            found.sort_unstable();
            let expected: Vec<_> = [(one, 1), (three, 2)]
                .iter()
                .filter(|(pattern, _)| matches(pattern, two))
                .map(|(_, value)| *value)
                .collect();
            assert_eq!(found, expected, "the trie and the matcher");
            assert_eq!(trie.matches_any(two), !expected.is_empty());
            if RoutingKey::parse(two).is_ok() {
                assert!(expected.len() < 2 || overlaps(one, three), "both match the key, so they overlap");
                // A key is a template without placeholders.
                assert_eq!(covers(one, two), matches(one, two), "covering a key is matching it");
                assert!(!covers(one, three) || !matches(three, two) || matches(one, two), "covered, but not matched");
                for suggested in suggest_pattern(one, two) {
                    assert!(matches(&suggested, two), "suggested {suggested:?}");
                }
            }
            assert!(trie.remove(one, &1) && trie.remove(three, &2) && trie.is_empty());
        }
        let nearest = nearest(one, [two, three]).is_some();
        format!("{said}{nearest}{}{}", matches(one, two), template_matches(three, two))
    }
}
