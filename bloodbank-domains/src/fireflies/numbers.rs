//! Numbers as the interface of Fireflies writes them.

use serde_json::{Number, Value};

const WHOLE: [&str; 4] = ["date", "index", "speaker_id", "num_transcripts"];
const WITH_FRACTION: [&str; 4] = ["duration", "start_time", "end_time", "minutes_consumed"];

/// Turns numbers that are text into numbers, and whole numbers that end in `.0` into integers, where the fields of a
/// transcript are numbers.
pub(super) fn normalise_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(normalise_numbers),
        Value::Object(members) => {
            for (name, member) in members {
                if WHOLE.contains(&name.as_str()) {
                    whole(member);
                } else if WITH_FRACTION.contains(&name.as_str()) {
                    with_fraction(member);
                } else {
                    normalise_numbers(member);
                }
            }
        }
        _ => {}
    }
}

fn with_fraction(value: &mut Value) {
    let number = value.as_str().and_then(|text| text.trim().parse().ok()).and_then(Number::from_f64);
    if let Some(number) = number {
        *value = number.into();
    }
}

fn whole(value: &mut Value) {
    // Other text may be a time in words.
    let text = match &*value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) if number.is_f64() => number.to_string(),
        _ => return,
    };
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    if let Ok(number) = digits.parse::<i64>() {
        *value = number.into();
    }
}
