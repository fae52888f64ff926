//! Durations in options, such as `"30s"`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses a duration: a whole number and a unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let remedy = "write a whole number and `ms`, `s`, `m`, `h` or `d`, such as `30s`";
    let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    match (number.parse::<u64>(), millis) {
        (Ok(number), Some(millis)) => match number.checked_mul(millis) {
            Some(millis) => Ok(Duration::from_millis(millis)),
            None => Err(format!("`{text}` is longer than a duration can be; {remedy}")),
        },
        (Ok(_), None) if unit.is_empty() => Err(format!("duration `{text}` has no unit; write `{text}s` for seconds")),
        (Ok(_), None) => Err(format!("duration `{text}` has the unknown unit `{unit}`; {remedy}")),
        (Err(_), _) => Err(format!("`{text}` is no duration; {remedy}")),
    }
}

/// Parses a duration that must not be zero.
pub(crate) fn parse_positive(text: &LitStr) -> syn::Result<Duration> {
    match parse(&text.value()) {
        Ok(Duration::ZERO) => {
            Err(syn::Error::new(text.span(), "the duration is zero; write at least `1ms`, or leave the option out"))
        }
        Ok(duration) => Ok(duration),
        Err(message) => Err(syn::Error::new(text.span(), message)),
    }
}

/// Generates a duration as an expression.
pub(crate) fn expand(duration: Duration) -> TokenStream {
    // Fits: it was parsed from milliseconds in a `u64`.
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, millis) in
            [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse("30").unwrap_err(), "duration `30` has no unit; write `30s` for seconds");
        for text in ["", "s", "-1s", "1.5s", "1w", "1 fortnight", "99999999999999999999s", "9999999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
