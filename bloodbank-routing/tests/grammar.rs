//! The rules of the grammar, each with the place at which a text breaks it.

use bloodbank_routing::{
    KeyError, KeyErrorKind as Kind, MAX_LEN, check_key, check_pattern, check_segment, check_template, check_wire_key,
    check_wire_pattern, first_segment, is_failure_key,
};

type Check = fn(&str) -> Result<(), KeyError>;

#[track_caller]
fn accepts(check: Check, texts: &[&str]) {
    for text in texts {
        assert_eq!(check(text), Ok(()), "{text:?}");
    }
}

#[track_caller]
fn refuses(check: Check, cases: &[(&str, Kind, &str)]) {
    for (text, kind, fault) in cases {
        let error = check(text).expect_err(text);
        assert_eq!((error.kind(), error.fault(text)), (*kind, *fault), "{text:?}");
    }
}

#[test]
fn keys() {
    accepts(check_key, &["a.b", "orders.order.placed", "agent.thread_2.x9_", "a.b__c"]);
    refuses(
        check_key,
        &[
            ("", Kind::Empty, ""),
            ("orders", Kind::OneSegment, "orders"),
            ("OrderPlaced", Kind::OneSegment, "OrderPlaced"),
            ("order placed", Kind::OneSegment, "order placed"),
            ("orders/placed", Kind::OneSegment, "orders/placed"),
            (".", Kind::EmptySegment, ""),
            (".a.b", Kind::EmptySegment, ""),
            ("a..b", Kind::EmptySegment, ""),
            ("a.b.", Kind::EmptySegment, ""),
            ("orders.Placed", Kind::UpperCase, "P"),
            ("orders.order placed", Kind::Space, " "),
            ("orders.order-placed", Kind::Hyphen, "-"),
            ("orders.2nd", Kind::DigitFirst, "2"),
            ("orders._placed", Kind::UnderscoreFirst, "_"),
            ("orders.größe", Kind::Character, "ö"),
            ("orders.a😀", Kind::Character, "😀"),
            ("orders.a\nb", Kind::Control, "\n"),
            ("orders.a\u{85}b", Kind::Control, "\u{85}"),
            ("orders.*", Kind::Wildcard, "*"),
            ("orders.pl#", Kind::Wildcard, "#"),
            ("#", Kind::Wildcard, "#"),
            ("artifact.{action}", Kind::Placeholder, "{action}"),
            ("artifact.}", Kind::Character, "}"),
        ],
    );
}

#[test]
fn templates() {
    accepts(
        check_template,
        &["a.b", "artifact.{action}", "{domain}.{entity}.created", "artifact.{r#type}", "artifact.{_Kind9}"],
    );
    refuses(
        check_template,
        &[
            ("{action}", Kind::OneSegment, "{action}"),
            ("artifact.is_{action}", Kind::PlaceholderInsideSegment, "{action}"),
            ("artifact.{action}_done", Kind::PlaceholderInsideSegment, "{action}"),
            ("artifact.{a}{b}", Kind::PlaceholderInsideSegment, "{a}"),
            ("artifact.{action", Kind::UnclosedPlaceholder, "{action"),
            ("artifact.{action.x", Kind::UnclosedPlaceholder, "{action"),
            ("artifact.{a.{b}", Kind::UnclosedPlaceholder, "{a"),
            ("artifact.{", Kind::UnclosedPlaceholder, "{"),
            ("artifact.{{a}}", Kind::UnclosedPlaceholder, "{"),
            ("artifact.action}", Kind::UnopenedPlaceholder, "}"),
            ("artifact.{}", Kind::EmptyPlaceholder, "{}"),
            ("artifact.{ action }", Kind::PlaceholderName, "{ action }"),
            ("artifact.{a.b}", Kind::PlaceholderName, "{a.b}"),
            ("artifact.{0}", Kind::PlaceholderName, "{0}"),
            ("artifact.{r#}", Kind::PlaceholderName, "{r#}"),
            ("artifact.{größe}", Kind::PlaceholderName, "{größe}"),
            ("artifact.*", Kind::Wildcard, "*"),
            ("Artifact.{action}", Kind::UpperCase, "A"),
        ],
    );
}

#[test]
fn patterns() {
    accepts(check_pattern, &["#", "*", "orders", "orders.*", "#.failed", "a.*.#.b.#", "#.#"]);
    refuses(
        check_pattern,
        &[
            ("", Kind::Empty, ""),
            ("orders..#", Kind::EmptySegment, ""),
            ("ord*", Kind::WildcardInsideSegment, "*"),
            ("*ers.x", Kind::WildcardInsideSegment, "*"),
            ("a.##", Kind::WildcardInsideSegment, "#"),
            ("Orders.*", Kind::UpperCase, "O"),
            ("OrderPlaced", Kind::UpperCase, "O"),
            ("artifact.{action}", Kind::Placeholder, "{action}"),
        ],
    );
}

#[test]
fn values_of_placeholders() {
    accepts(check_segment, &["created", "a_1", "42"]);
    refuses(
        check_segment,
        &[
            ("", Kind::Empty, ""),
            ("a.b", Kind::Dot, "."),
            (".", Kind::Dot, "."),
            ("a.", Kind::Dot, "."),
            ("*", Kind::Wildcard, "*"),
            ("Created", Kind::UpperCase, "C"),
            ("-1", Kind::Hyphen, "-"),
            ("_a", Kind::UnderscoreFirst, "_"),
            ("{a}", Kind::Character, "{"),
        ],
    );
}

#[test]
fn keys_and_patterns_of_others() {
    accepts(check_wire_key, &["fireflies.transcriptReady", "one", "a b.c-d", "größe.2", "{a}"]);
    refuses(
        check_wire_key,
        &[
            ("", Kind::Empty, ""),
            ("a..b", Kind::EmptySegment, ""),
            ("a.*", Kind::Wildcard, "*"),
            ("a#", Kind::Wildcard, "#"),
            ("a.\u{7f}", Kind::Control, "\u{7f}"),
            ("a.\0", Kind::Control, "\0"),
        ],
    );
    accepts(check_wire_pattern, &["#", "fireflies.*", "Fire flies.#.x-y"]);
    refuses(check_wire_pattern, &[("a.b*", Kind::WildcardInsideSegment, "*"), ("a.", Kind::EmptySegment, "")]);
}

#[test]
fn at_most_255_bytes_in_every_grammar() {
    let fits = format!("a.{}", "b".repeat(MAX_LEN - 2));
    let longer = format!("{fits}b");
    let checks: [Check; 5] = [check_key, check_template, check_pattern, check_wire_key, check_wire_pattern];
    for check in checks {
        assert_eq!(check(&fits), Ok(()));
        let error = check(&longer).unwrap_err();
        assert_eq!((error.kind(), error.len()), (Kind::TooLong, 256));
    }
    assert_eq!(check_segment(&"a".repeat(255)), Ok(()));
    assert!(check_segment(&"a".repeat(256)).is_err());
}

#[test]
fn the_segment_with_the_fault() {
    for (text, segment) in
        [("Orders.placed", "Orders"), ("orders.orderPlaced.x", "orderPlaced"), ("orders.x.y-z", "y-z"), ("a..b", "")]
    {
        assert_eq!(check_key(text).unwrap_err().segment(text), segment);
    }
}

#[test]
fn parts_of_keys() {
    assert!(is_failure_key("a.error"));
    assert!(is_failure_key("a.b.failed"));
    assert!(!is_failure_key("failed"));
    assert!(!is_failure_key("a.terror"));
    assert!(!is_failure_key("a.failed.b"));
    assert_eq!(first_segment("a"), "a");
    assert_eq!(first_segment(""), "");
}
