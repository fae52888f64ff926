//! The key of an event as text (`retry(park_key)`).

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::message::hex_digits;

/// The longest key, in bytes: it stands in a header, in an index of a database and on a line of a terminal.
const LONGEST: usize = 255;
/// The part of a longer one that is kept, before the digest of the whole.
const KEPT: usize = 200;

/// The text of a value: equal values, equal texts, in every process and every version of the program. A text is itself, and
/// anything else its JSON. `None`: it has none.
pub fn parked_key<V: Serialize + ?Sized>(value: &V) -> Option<String> {
    let text = match serde_json::to_value(value).ok()? {
        Value::String(text) if !text.chars().any(char::is_control) => text,
        value => value.to_string(),
    };
    Some(if text.len() > LONGEST { shortened(&text) } else { text })
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(KEPT);
    format!("{}…{}", &text[..end], hex_digits(&Sha256::digest(text.as_bytes())[..16]))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_value_has_a_text_that_people_can_read_and_stores_can_keep() {
        let id = Uuid::from_u128(7);
        assert_eq!(parked_key("o-1").unwrap(), "o-1");
        assert_eq!(parked_key(&17_u64).unwrap(), "17");
        assert_eq!(parked_key(&id).unwrap(), id.to_string());
        assert_eq!(parked_key(&("north", 3)).unwrap(), "[\"north\",3]");
        assert_eq!(parked_key("a\0b\n").unwrap(), "\"a\\u0000b\\n\"");
        assert_eq!(parked_key(&None::<u8>).unwrap(), "null");
    }

    #[test]
    fn a_long_value_is_shortened_and_stays_apart_from_others() {
        let (one, other) = ("ü".repeat(1_000), format!("{}u", "ü".repeat(999)));
        let (one, other) = (parked_key(&one).unwrap(), parked_key(&other).unwrap());
        assert!(one.len() <= LONGEST && one.starts_with("üü") && one != other, "{one}\n{other}");
        assert_eq!(parked_key(&"x".repeat(LONGEST)).unwrap().len(), LONGEST);
    }
}
