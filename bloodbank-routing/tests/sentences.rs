//! The error messages for keys that are refused.

use bloodbank_routing::{
    KeyError, check_key, check_pattern, check_segment, check_template, check_wire_key, explain, suggestion,
};

#[track_caller]
fn says(check: fn(&str) -> Result<(), KeyError>, cases: &[(&str, &str)]) {
    for (text, sentence) in cases {
        let error = check(text).expect_err(text);
        assert_eq!(explain(text, &error), *sentence);
        assert_eq!(error.to_string(), error.message());
        assert!(!error.message().ends_with('.'));
    }
}

#[test]
fn about_keys() {
    says(
        check_key,
        &[
            ("", "routing key is empty; write at least two segments, such as `orders.created`"),
            ("orders", "routing key `orders` has one segment; a key needs at least two, such as `orders.created`"),
            ("Orders", "routing key `Orders` has one segment; a key needs at least two, such as `orders.created`"),
            (
                "OrderPlaced",
                "routing key `OrderPlaced` has one segment; a key needs at least two, such as `order.placed`",
            ),
            (
                "order_placed",
                "routing key `order_placed` has one segment; a key needs at least two, such as `order.placed`",
            ),
            (
                "orders/placed",
                "routing key `orders/placed` has one segment; a key needs at least two, such as `orders.placed`",
            ),
            ("orders..placed", "routing key `orders..placed` has two dots in a row; write `orders.placed`"),
            (".orders.placed", "routing key `.orders.placed` begins with a dot; write `orders.placed`"),
            ("orders.placed.", "routing key `orders.placed.` ends with a dot; write `orders.placed`"),
            ("orders.", "routing key `orders.` ends with a dot; put exactly one dot between two segments"),
            (
                "Orders.placed",
                "routing key `Orders.placed` has an upper-case letter in segment `Orders`; write `orders.placed`",
            ),
            (
                "orders.order placed",
                "routing key `orders.order placed` has a space in segment `order placed`; write `orders.order_placed`",
            ),
            (
                "orders.größe",
                "routing key `orders.größe` has the character `ö` in segment `größe`; a segment is made of `a` to `z`, `0` to `9` and `_`",
            ),
            (
                "orders.2nd",
                "routing key `orders.2nd` has segment `2nd`, which begins with a digit; begin it with a letter",
            ),
            (
                "orders._placed",
                "routing key `orders._placed` has segment `_placed`, which begins with `_`; write `orders.placed`",
            ),
            (
                "orders.a\nb",
                "routing key `orders.a\\nb` has the control character `\\n` in segment `a\\nb`; use printable characters only",
            ),
            (
                "orders.*",
                "routing key `orders.*` has the wildcard `*`; wildcards belong in the patterns of subscribers, write a whole word in a key",
            ),
            (
                "orders.pl#",
                "routing key `orders.pl#` has the wildcard `#` in segment `pl#`; wildcards belong in the patterns of subscribers, write a whole word in a key",
            ),
            (
                "Orders.*",
                "routing key `Orders.*` has an upper-case letter in segment `Orders`; a segment is made of `a` to `z`, `0` to `9` and `_`",
            ),
            (
                "artifact.{action}",
                "routing key `artifact.{action}` has the placeholder `{action}`; placeholders belong in the routing key of an event, write a word here",
            ),
        ],
    );
}

#[test]
fn about_templates() {
    says(
        check_template,
        &[
            (
                "artifact.is_{action}",
                "routing key `artifact.is_{action}` has the placeholder `{action}` inside segment `is_{action}`; write `artifact.is.{action}`",
            ),
            (
                "artifact.{action}_done",
                "routing key `artifact.{action}_done` has the placeholder `{action}` inside segment `{action}_done`; write `artifact.{action}.done`",
            ),
            ("artifact.{action", "routing key `artifact.{action` has `{action` without a closing brace; add `}`"),
            (
                "artifact.action}",
                "routing key `artifact.action}` has a `}` without `{` in segment `action}`; remove it",
            ),
            (
                "artifact.{}",
                "routing key `artifact.{}` has an empty placeholder `{}`; write the name of a field between the braces",
            ),
            (
                "artifact.{ action }",
                "routing key `artifact.{ action }` has `{ action }`, which does not name a field; write only a field's name between the braces",
            ),
            (
                "{action}",
                "routing key `{action}` has one segment; a key needs at least two, such as `{action}.created`",
            ),
            (
                "Artifact.{Action}",
                "routing key `Artifact.{Action}` has an upper-case letter in segment `Artifact`; write `artifact.{Action}`",
            ),
        ],
    );
}

#[test]
fn about_patterns() {
    says(
        check_pattern,
        &[
            ("", "pattern is empty; write `#` for every event"),
            ("Orders.*", "pattern `Orders.*` has an upper-case letter in segment `Orders`; write `orders.*`"),
            (
                "orders.pl*",
                "pattern `orders.pl*` has `*` inside segment `pl*`; a wildcard stands for whole words, make it a segment of its own",
            ),
            ("artifact.{action}", "pattern `artifact.{action}` has the placeholder `{action}`; write `artifact.*`"),
            ("orders..#", "pattern `orders..#` has two dots in a row; write `orders.#`"),
        ],
    );
}

#[test]
fn about_values_and_foreign_keys() {
    says(
        check_segment,
        &[
            ("", "segment value is empty; put in a word such as `created`"),
            ("In Progress", "segment value `In Progress` has an upper-case letter; write `in_progress`"),
            ("a.b", "segment value `a.b` has a dot; a placeholder takes exactly one word"),
            ("*", "segment value `*` has the wildcard `*`; a segment is made of `a` to `z`, `0` to `9` and `_`"),
        ],
    );
    says(
        check_wire_key,
        &[
            ("", "routing key is empty; write at least one word"),
            (
                "a.*",
                "routing key `a.*` has the wildcard `*`; wildcards belong in the patterns of subscribers, write a whole word in a key",
            ),
        ],
    );
}

#[test]
fn a_long_text_is_cut() {
    let text = format!("orders.{}", "x".repeat(300));
    let error = check_key(&text).unwrap_err();
    let sentence = explain(&text, &error);
    assert!(sentence.starts_with("routing key `orders.xxx"));
    assert!(sentence.ends_with("xxx…` is 307 bytes long; at most 255 are allowed, shorten it"));
}

#[test]
fn snake_case_of_whole_keys() {
    for (text, better) in [
        ("Fireflies.TranscriptReady", "fireflies.transcript_ready"),
        ("fireflies.transcriptReady", "fireflies.transcript_ready"),
        ("http.HTTPRequest", "http.http_request"),
        ("llm.GPT4Response", "llm.gpt4_response"),
        ("llm.usedV2Model", "llm.used_v2_model"),
        ("ORDERS.PLACED", "orders.placed"),
        ("Orders::OrderPlaced", "orders.order_placed"),
        ("orders/order placed", "orders.order_placed"),
        ("orders . placed", "orders.placed"),
        ("Order-Placed", "order.placed"),
        ("artifact.is{Action}", "artifact.is.{Action}"),
        ("Orders.#", "orders.#"),
    ] {
        assert_eq!(suggestion(text).as_deref(), Some(better), "{text}");
        assert_eq!(suggestion(better), None, "{better}");
    }
    for text in ["", "orders", "orders.größe", "a.2", "#", "orders.*", "{a}", "a.{"] {
        assert_eq!(suggestion(text), None, "{text}");
    }
}
