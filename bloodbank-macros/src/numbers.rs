//! Numbers and durations that options take.

use proc_macro2::TokenStream;
use syn::{Ident, LitInt, LitStr};

use crate::{ctxt::Ctxt, duration};

/// Parses a number from 1; reports a mistake otherwise.
pub(crate) fn count<T: std::str::FromStr + quote::ToTokens>(cx: &Ctxt, name: &Ident, number: &LitInt) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    match number.base10_parse::<T>() {
        Ok(_) if number.base10_digits() == "0" => {
            cx.error(number, format!("`{name}` is zero; write at least 1, or leave it out"));
            None
        }
        Ok(count) => Some(count),
        Err(error) => {
            cx.error(number, format!("`{name}` cannot be `{number}`: {error}; write a whole number from 1"));
            None
        }
    }
}

/// Parses a duration that is not zero, and generates it as an expression; reports a mistake otherwise.
pub(crate) fn positive(cx: &Ctxt, text: &LitStr) -> Option<TokenStream> {
    match duration::parse_positive(text) {
        Ok(duration) => Some(duration::expand(duration)),
        Err(error) => {
            cx.push(error);
            None
        }
    }
}
