//! The comparison of payloads, place by place.

use serde_json::Value;

use super::difference::FieldChange;

/// Where two payloads are different, except at and below the places that are ignored.
pub(super) fn changes(then: &Value, today: &Value, ignored: &[&str]) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(String::new(), Some(then), Some(today), ignored, &mut found);
    found
}

fn compare(
    pointer: String,
    then: Option<&Value>,
    today: Option<&Value>,
    ignored: &[&str],
    found: &mut Vec<FieldChange>,
) {
    if then == today || ignored.iter().any(|place| matches(place, &pointer)) {
        return;
    }
    match (then, today) {
        (Some(Value::Object(then)), Some(Value::Object(today))) => {
            let names = then.keys().chain(today.keys().filter(|name| !then.contains_key(*name)));
            for name in names {
                let name_in_pointer = name.replace('~', "~0").replace('/', "~1");
                compare(format!("{pointer}/{name_in_pointer}"), then.get(name), today.get(name), ignored, found);
            }
        }
        (Some(Value::Array(then)), Some(Value::Array(today))) => {
            for index in 0..then.len().max(today.len()) {
                compare(format!("{pointer}/{index}"), then.get(index), today.get(index), ignored, found);
            }
        }
        _ => found.push(FieldChange::new(pointer, then, today)),
    }
}

/// Whether a pointer is the ignored place, in which `*` stands for any one name or index.
fn matches(place: &str, pointer: &str) -> bool {
    let (mut places, mut parts) = (place.split('/'), pointer.split('/'));
    loop {
        match (places.next(), parts.next()) {
            (None, None) => return true,
            (Some(place), Some(part)) if place == "*" || place == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(then: Value, today: Value, ignored: &[&str]) -> Vec<String> {
        changes(&then, &today, ignored).into_iter().map(|change| change.pointer).collect()
    }

    #[test]
    fn each_place_that_is_different_is_found_by_its_pointer() {
        let then = json!({ "a": 1, "b": [1, { "c": 2 }], "gone": null, "x/y": 1, "same": [[]] });
        let today = json!({ "a": 2, "b": [1, { "c": 3 }, 4], "come": {}, "x/y": 2, "same": [[]] });
        assert_eq!(places(then, today, &[]), ["/a", "/b/1/c", "/b/2", "/gone", "/x~1y", "/come"]);
        assert_eq!(places(json!(1), json!("1"), &[]), [""]);
        assert_eq!(places(json!({ "n": 1 }), json!([1]), &[]), [""]);
    }

    #[test]
    fn what_is_below_an_ignored_place_is_not_looked_at() {
        let then = json!({ "at": { "h": 1 }, "lines": [{ "id": 1, "n": 1 }, { "id": 2, "n": 1 }] });
        let today = json!({ "at": { "h": 2 }, "lines": [{ "id": 3, "n": 1 }, { "id": 4, "n": 2 }] });
        assert_eq!(places(then.clone(), today.clone(), &["/at", "/lines/*/id"]), ["/lines/1/n"]);
        assert_eq!(places(then, today, &["/a", "/lines"]), ["/at/h"]);
    }
}
