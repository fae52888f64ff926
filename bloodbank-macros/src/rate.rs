//! Rates in options, such as `"50/s"`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use crate::{ctxt::Ctxt, duration};

const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

/// Parses a number of events in a time, and generates it as an expression; reports a mistake otherwise.
pub(crate) fn rate(cx: &Ctxt, text: &LitStr) -> Option<TokenStream> {
    match parse(&text.value()) {
        Ok((events, per)) => {
            let per = duration::expand(per);
            Some(quote!(__bb::Rate { events: #events, per: #per }))
        }
        Err(message) => {
            cx.error(text, message);
            None
        }
    }
}

fn parse(text: &str) -> Result<(u32, Duration), String> {
    let remedy = "write a whole number from 1, `/`, and `s`, `m`, `h` or `d`, such as `50/s`";
    let Some((events, unit)) = text.split_once('/') else {
        return Err(format!("`{text}` is no rate; {remedy}"));
    };
    let seconds = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, seconds)| *seconds);
    match (events.trim().parse::<u32>(), seconds) {
        (Ok(0) | Err(_), _) => Err(format!("`{text}` is no rate; {remedy}")),
        (Ok(_), None) => Err(format!("the rate `{text}` has the unknown unit `{}`; {remedy}", unit.trim())),
        (Ok(events), Some(seconds)) => Ok((events, Duration::from_secs(seconds))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_rate_or_says_what_is_wrong() {
        assert_eq!(parse("50/s"), Ok((50, Duration::from_secs(1))));
        assert_eq!(parse("3 / h"), Ok((3, Duration::from_secs(3600))));
        for text in ["50", "0/s", "-1/s", "1.5/s", "/s", "5/w", "5/"] {
            assert!(parse(text).unwrap_err().contains("such as `50/s`"), "{text}");
        }
    }
}
