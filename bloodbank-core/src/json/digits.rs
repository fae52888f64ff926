//! Integers that do not fit into 64 bits: most readers make another number of them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The digits from which on an integer may have more than 64 bits.
const LONG: usize = 19;

/// An integer of more than 64 bits in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LongInteger<'a> {
    /// Its place as a JSON pointer.
    pub(super) pointer: String,
    literal: &'a str,
}

/// Whether a text may have an integer of more than 64 bits. Looks at every 19th byte of most texts.
pub(super) fn may_have_long_integers(text: &[u8]) -> bool {
    let mut end = LONG - 1;
    while let Some(byte) = text.get(end) {
        if !byte.is_ascii_digit() {
            end += LONG;
            continue;
        }
        let run = text[..end].iter().rev().take_while(|byte| byte.is_ascii_digit()).count() + 1;
        if run >= LONG {
            return true;
        }
        end += LONG - run;
    }
    false
}

/// The integers of a text that have more than 64 bits; none where the text is no JSON.
pub(super) fn long_integers(text: &[u8]) -> Vec<LongInteger<'_>> {
    let mut found = Vec::new();
    if may_have_long_integers(text)
        && let Ok(value) = serde_json::from_slice::<&RawValue>(text)
    {
        walk(value.get(), &mut String::new(), &mut found);
    }
    found
}

fn walk<'a>(text: &'a str, pointer: &mut String, found: &mut Vec<LongInteger<'a>>) {
    if !may_have_long_integers(text.as_bytes()) {
        return;
    }
    let length = pointer.len();
    match text.as_bytes().first() {
        Some(b'{') => {
            for (name, value) in serde_json::from_str::<Members<'a>>(text).unwrap_or_default().0 {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                walk(value.get(), pointer, found);
                pointer.truncate(length);
            }
        }
        Some(b'[') => {
            for (index, value) in serde_json::from_str::<Vec<&'a RawValue>>(text).unwrap_or_default().iter().enumerate()
            {
                pointer.push_str(&format!("/{index}"));
                walk(value.get(), pointer, found);
                pointer.truncate(length);
            }
        }
        Some(b'-' | b'0'..=b'9') => {
            let is_integer = !text.contains(['.', 'e', 'E']);
            if is_integer && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                found.push(LongInteger { pointer: pointer.clone(), literal: text });
            }
        }
        _ => {}
    }
}

/// The members of an object in their order.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_digits_is_found_wherever_it_begins() {
        for before in 0..60 {
            for digits in 15..25 {
                let text = format!("{}{}{}", " ".repeat(before), "7".repeat(digits), " ".repeat(5));
                assert_eq!(may_have_long_integers(text.as_bytes()), digits >= LONG, "{before} {digits}");
            }
        }
        assert!(!may_have_long_integers(b""));
    }

    #[test]
    fn only_integers_count() {
        let text = br#"{"a": "12345678901234567890123", "b": [1.2345678901234567890123, 9223372036854775807, 18446744073709551615],
            "c~/": {"d": -99999999999999999999}}"#;
        let found = long_integers(text);
        assert_eq!(found, [LongInteger { pointer: "/c~0~1/d".to_owned(), literal: "-99999999999999999999" }]);
    }
}
