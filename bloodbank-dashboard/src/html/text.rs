//! Numbers, times and texts, written the same on every page.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use maud::{Markup, html};
use serde_json::Value;

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Events in so many seconds, as a number for each second.
pub(crate) fn rate(events: u64, seconds: u32) -> String {
    let seconds = u64::from(seconds.max(1));
    let tenths = (events * 10 + seconds / 2) / seconds;
    if events > 0 && tenths == 0 {
        return "< 0.1".to_owned();
    }
    if tenths >= 100 || tenths.is_multiple_of(10) {
        return count((tenths + 5) / 10);
    }
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A length of time in its largest unit.
pub(crate) fn duration(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The time between two events.
pub(crate) fn gap(length: TimeDelta) -> String {
    let millis = length.num_milliseconds();
    match millis.unsigned_abs() {
        0 => "< 1 ms".to_owned(),
        1..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis.unsigned_abs() % 1000 / 100),
        _ => duration(length),
    }
}

/// A time as its distance from now; the whole of it shows under the pointer.
pub(crate) fn ago(time: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    let exact = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! { time datetime=(exact) title=(exact) { (duration(now - time)) " ago" } }
}

/// A text that fits into a picture: the end of a name says more than its beginning.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    ['…'].into_iter().chain(text.chars().skip(length + 1 - most)).collect()
}

/// JSON for people, as text.
pub(crate) fn json_block(value: &Value, label: &str) -> Markup {
    html! { pre.code tabindex="0" role="region" aria-label=(label) { (format!("{value:#}")) } }
}

/// A doc comment: paragraphs, and code between backticks.
pub(crate) fn documentation(text: &str) -> Markup {
    html! {
        @for paragraph in text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
            p { (with_code(paragraph)) }
        }
    }
}

/// A line of text with code between backticks.
fn with_code(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_read_at_a_glance() {
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1\u{202f}234", "1\u{202f}234\u{202f}567"]);
        let rates = [rate(0, 15), rate(1, 15), rate(1, 600), rate(30, 15), rate(22, 15), rate(1500, 15)];
        assert_eq!(rates, ["0", "0.1", "< 0.1", "2", "1.5", "100"]);
        let lengths = [-5, 59, 60, 7200, 200_000].map(|seconds| duration(TimeDelta::seconds(seconds)));
        let gaps = [0, 12, 1234, 90_000].map(|millis| gap(TimeDelta::milliseconds(millis)));
        assert_eq!(gaps, ["< 1 ms", "12 ms", "1.2 s", "1 min"]);
        assert_eq!(lengths, ["0 s", "59 s", "1 min", "2 h", "2 d"]);
    }

    #[test]
    fn texts_are_never_markup() {
        let markup = documentation("a `b<i>` c\n\n<script>").into_string();
        assert_eq!(markup, "<p>a <code>b&lt;i&gt;</code> c</p><p>&lt;script&gt;</p>");
    }
}
